"""Backoff: when an address may be dialled again, and when it has had its chances.

Law: it is read off the address, the limits and the time alone; nothing is kept or changed here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.book import Known, Origin

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits


def backoff_us(known: Known, limits: Limits, *, is_alone: bool) -> int:
    """How long to wait after the hello that was just sent. `is_alone`: this node has no link."""
    if known.origin is Origin.NAMED:
        first = known.failures == 1
        return limits.first_named_backoff_us if first else limits.named_backoff_us
    top = limits.max_backoff_us
    if is_alone:
        top = limits.lonely_backoff_us
    elif known.origin is not Origin.KEPT and known.failures > limits.patient_dials:
        top = limits.long_backoff_us
    return min(limits.first_backoff_us << min(known.failures - 1, 20), top)


def due_us(known: Known, limits: Limits, *, is_patient: bool) -> int:
    """When it may be dialled. Who has links enough to be well asks a node that has no room ever
    more rarely."""
    if not is_patient or known.refusals < 2:
        return known.next_us
    pause_us = limits.refused_us << min(known.refusals - 1, 20)
    return known.next_us - limits.refused_us + min(pause_us, limits.full_us)


def is_pending(known: Known, limits: Limits, now_us: int) -> bool:
    """Whether a hello went there just now, so that its answer may be under way."""
    return known.failures > 0 and now_us - known.dialled_us < limits.dial_us


def is_spent(known: Known, limits: Limits, now_us: int) -> bool:
    """Whether an address never answered and has had its chances."""
    if known.proven or is_pending(known, limits, now_us):
        return False
    if known.origin is Origin.NAMED:
        return known.failures >= limits.named_dials
    return known.origin is Origin.HINTED and known.failures > 2 * limits.patient_dials
