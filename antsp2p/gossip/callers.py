"""Who called lately without a link, and what became of it: for people who ask why.

Law: it decides nothing. It remembers a bounded number of addresses, those heard last; an address
here is only where a datagram said that it came from.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.datagram import in_clear

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Reading
    from antsp2p.gossip.wire import Address

_ANSWERED: Final = "answered"
_ANSWERS: Final = ("welcome", "busy", "cookie")
_UNTOLD: Final = ("size", "datagram")
"""Drops of bytes that need not be a node's: what they seem to say is no news."""


@dataclass(slots=True)
class Caller:
    """What came from one address outside of any link."""

    address: Address
    reasons: Counter[str] = field(default_factory=Counter)
    """How often each drop happened; `answered` counts the hellos that were answered."""
    last_us: int = 0
    version: int = 0
    """What the last HELLO said in clear; 0 where there was none."""
    network: bytes = b""


class Callers:
    """The addresses heard last."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.callers
        self._callers: dict[Address, Caller] = {}

    def heard(self, address: Address, data: bytes, reading: Reading, now_us: int) -> None:
        """A datagram from `address` came to `reading`, which is on no link."""
        is_answered = any(reply.name in _ANSWERS for reply in reading.replies)
        reason = reading.dropped or (_ANSWERED if is_answered else "")
        if not reason:
            return
        caller = self._callers.pop(address, None)
        if caller is None:
            if len(self._callers) >= self._most:
                del self._callers[next(iter(self._callers))]
            caller = Caller(address)
        self._callers[address] = caller
        caller.reasons[reason] += 1
        caller.last_us = now_us
        told = None if reason in _UNTOLD else in_clear(data)
        if told is not None:
            caller.version, caller.network = told

    def all(self) -> tuple[Caller, ...]:
        """The latest last."""
        return tuple(self._callers.values())

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"callers": len(self._callers)}
