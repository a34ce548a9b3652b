"""Vector clocks: per author, the highest sequence number seen (Fidge 1988, Mattern 1989).

Law: a clock is derived from hash references, never received; a transmitted counter can lie. The
absence of an author means 0. Which records a clock is derived from is decided by the caller.
"""
from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

Clock = Mapping[bytes, int]
"""Author -> highest seq seen, all values at least 1."""

EMPTY: Final[Clock] = {}


class Order(Enum):
    """How two clocks stand to each other."""

    EQUAL = "equal"
    BEFORE = "before"
    AFTER = "after"
    CONCURRENT = "concurrent"


def join(left: Clock, right: Clock) -> dict[bytes, int]:
    """The least clock that is at or above both: the entrywise maximum."""
    joined = dict(left)
    for author, seq in right.items():
        if seq > joined.get(author, 0):
            joined[author] = seq
    return joined


def advance(clock: Clock, author: bytes, seq: int) -> dict[bytes, int]:
    """`clock` having also seen `author` up to `seq`."""
    return join(clock, {author: seq}) if seq > 0 else dict(clock)


def has_seen(clock: Clock, author: bytes, seq: int) -> bool:
    """Whether the clock covers record `seq` of `author`."""
    return clock.get(author, 0) >= seq


def at_most(left: Clock, right: Clock) -> bool:
    """Whether `left` <= `right` in every entry."""
    return all(right.get(author, 0) >= seq for author, seq in left.items())


def compare(left: Clock, right: Clock) -> Order:
    """The place of `left` relative to `right` in the partial order."""
    below, above = at_most(left, right), at_most(right, left)
    if below and above:
        return Order.EQUAL
    if below:
        return Order.BEFORE
    if above:
        return Order.AFTER
    return Order.CONCURRENT
