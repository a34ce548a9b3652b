"""A token bucket: so much at once, so much a second, and no more.

Law: integers and the time that is passed in.
"""
from __future__ import annotations

from antsp2p.gossip.limits import SECOND_US


class Bucket:
    """Starts full. Tokens are counted in millionths, so that slow rates lose nothing."""

    __slots__ = ("_burst", "_level", "_rate_per_s", "_updated_us")

    def __init__(self, rate_per_s: int, burst: int, now_us: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst * SECOND_US
        self._level = self._burst
        self._updated_us = now_us

    def take(self, tokens: int, now_us: int) -> bool:
        """Take `tokens` if they are there."""
        self._fill(now_us)
        wanted = tokens * SECOND_US
        if self._level < wanted:
            return False
        self._level -= wanted
        return True

    def ready_us(self, tokens: int, now_us: int) -> int:
        """How long until `tokens` can be taken, if nobody takes any meanwhile."""
        self._fill(now_us)
        missing = tokens * SECOND_US - self._level
        return max(0, -(-missing // self._rate_per_s))

    def available(self, now_us: int) -> int:
        """Whole tokens that can be taken now."""
        self._fill(now_us)
        return self._level // SECOND_US

    def _fill(self, now_us: int) -> None:
        if now_us > self._updated_us:
            level = self._level + (now_us - self._updated_us) * self._rate_per_s
            self._level = level if level < self._burst else self._burst
            self._updated_us = now_us
