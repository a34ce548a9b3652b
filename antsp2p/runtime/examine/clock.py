"""How fast this machine's clocks go.

Law: a rate is measured between two moments at which all clocks were read together, and is not told
where they were too close or too blurred. Nothing of a peer's clock is known: no message carries
one, and none should.
"""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from antsp2p.runtime.examine.facts import ClockRate

_PPM: Final = 1_000_000
_TRIES: Final = 5
"""Readings of one moment, of which the sharpest counts: a process may be stopped in the middle."""
_BLUR_PPM: Final = 50
"""A rate that is less certain than this is not told."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """All clocks at one moment, in nanoseconds."""

    steady_ns: int
    raw_ns: int | None
    wall_ns: int
    blur_ns: int = 0
    """How long the reading took."""


def read_clocks() -> ClockReading:
    """The steady clock, the oscillator behind it where it can be read, and the calendar."""
    return min((_read_once() for _ in range(_TRIES)), key=lambda reading: reading.blur_ns)


def _read_once() -> ClockReading:
    raw = getattr(time, "CLOCK_MONOTONIC_RAW", None)
    before_ns = time.monotonic_ns()
    raw_ns = None if raw is None else time.clock_gettime_ns(raw)
    wall_ns = time.time_ns()
    blur_ns = time.monotonic_ns() - before_ns
    return ClockReading(before_ns + blur_ns // 2, raw_ns, wall_ns, blur_ns)


def rate_between(first: ClockReading, last: ClockReading) -> ClockRate | None:
    """The rates over the time between two readings; None where that is too short to tell."""
    steady_ns = last.steady_ns - first.steady_ns
    if steady_ns <= 0 or (first.blur_ns + last.blur_ns) * _PPM > _BLUR_PPM * steady_ns:
        return None
    wall_ppm = (last.wall_ns - first.wall_ns - steady_ns) * _PPM // steady_ns
    if first.raw_ns is None or last.raw_ns is None or last.raw_ns <= first.raw_ns:
        return ClockRate(None, wall_ppm)
    raw_ns = last.raw_ns - first.raw_ns
    return ClockRate((steady_ns - raw_ns) * _PPM // raw_ns, wall_ppm)
