"""Bans: who was cut for what no honest peer does is not spoken with for a while, and longer each
time.

Law: time is passed in. An address and the key that was proven there are counted apart, so that
neither another port nor another machine ends a ban; who behaves is forgiven step by step. Why
somebody is cut is not known here.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.wire import Address


@dataclass(slots=True)
class _Ban:
    until_us: int
    times: int
    """How often it was cut, less what has been forgiven since."""


class Bans:
    """Bounded: whoever was cut longest ago gives way."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bans: dict[Address | bytes, _Ban] = {}

    def add(self, address: Address, author: bytes, now_us: int) -> None:
        """The peer was cut."""
        self._add(address, now_us)
        self._add(author, now_us)

    def _add(self, who: Address | bytes, now_us: int) -> None:
        limits = self._limits
        ban = self._bans.pop(who, None)
        times = 1 if ban is None else self._left(ban, now_us) + 1
        if len(self._bans) >= limits.bans:
            del self._bans[next(iter(self._bans))]
        pause_us = min(limits.ban_us << min(times - 1, 20), limits.max_ban_us)
        self._bans[who] = _Ban(now_us + pause_us, times)

    def _left(self, ban: _Ban, now_us: int) -> int:
        """Of its times those that are not forgiven yet."""
        calm_us = max(0, now_us - ban.until_us)
        return max(0, ban.times - calm_us // self._limits.ban_forgiven_us)

    def holds(self, who: Address | bytes, now_us: int) -> bool:
        """Whether the address or author is banned now."""
        ban = self._bans.get(who)
        if ban is None:
            return False
        if not self._left(ban, now_us):
            del self._bans[who]
            return False
        return now_us < ban.until_us

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"banned": len(self._bans)}
