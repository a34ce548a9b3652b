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
        if self.available(now_us) < tokens:
            return False
        self._level -= tokens * SECOND_US
        return True

    def available(self, now_us: int) -> int:
        """Whole tokens that can be taken now."""
        if now_us > self._updated_us:
            self._level = min(
                self._burst, self._level + (now_us - self._updated_us) * self._rate_per_s
            )
            self._updated_us = now_us
        return self._level // SECOND_US
