"""Pressure: whether more call than there is room for, again and again.

Law: whoever does as he is asked, and comes again much later, never presses. How many hosts are
remembered is bounded. What a node does about pressure is not known here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.bucket import Bucket

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits


class Pressure:
    """The callers of the last while for whom there was no room."""

    def __init__(self, limits: Limits, now_us: int) -> None:
        self._limits = limits
        self._refusals = Bucket(limits.refused_per_s, limits.refused_burst, now_us)
        self._turned_us: dict[str, int] = {}
        """Host -> when there was last no room for a caller from there, the latest last."""
        self._until_us: int | None = None
        """Until when others count as pressing for links."""

    def turned_away(self, host: str, now_us: int) -> bool:
        """There was no room for a caller; returns whether he presses, with those before him."""
        before_us = self._turned_us.pop(host, None)
        if len(self._turned_us) >= self._limits.hosts:
            del self._turned_us[next(iter(self._turned_us))]
        self._turned_us[host] = now_us
        is_again = before_us is not None and now_us - before_us < self._limits.refused_us // 2
        if not is_again or self._refusals.take(1, now_us):
            return False
        self._until_us = now_us + self._limits.pressed_us
        return True

    def presses(self, host: str, now_us: int) -> bool:
        """Whether there was no room for a caller from `host` a short while ago."""
        turned_us = self._turned_us.get(host)
        return turned_us is not None and now_us - turned_us < self._limits.refused_us // 2

    def lasts(self, now_us: int) -> bool:
        """Whether callers have pressed lately."""
        return self._until_us is not None and now_us < self._until_us

    def ends_us(self, now_us: int) -> int | None:
        """When they no longer count as pressing, if they do."""
        return self._until_us if self.lasts(now_us) else None

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"turned-away": len(self._turned_us)}
