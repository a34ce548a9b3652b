"""Sharing addresses, so that a node that knows one other finds the rest.

Law: told when a link comes up and then ever more rarely, and read at a bounded rate. Only
addresses where a node was reached are told. What is done with them is the view's matter.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link


@dataclass(slots=True, eq=False)
class _Turn:
    link: Link
    next_us: int
    pause_us: int
    allowance: Bucket


class Sharing:
    """When each link is told addresses. `share(link)` tells some."""

    def __init__(self, *, limits: Limits, share: Callable[[Link], None]) -> None:
        self._limits = limits
        self._share = share
        self._turns: dict[int, _Turn] = {}

    def opened(self, link: Link, now_us: int) -> None:
        self._turns[link.id] = _Turn(
            link, now_us + self._limits.share_us, self._limits.share_us,
            Bucket(self._limits.named_per_s, self._limits.named_burst, now_us),
        )
        self._share(link)

    def closed(self, link: Link) -> None:
        self._turns.pop(link.id, None)

    def may_name(self, link: Link, count: int, now_us: int) -> bool:
        """Whether the peer may name `count` more addresses."""
        turn = self._turns.get(link.id)
        return turn is not None and turn.allowance.take(count, now_us)

    def due(self, now_us: int) -> None:
        """Tell the links whose turn has come."""
        for turn in self._turns.values():
            if turn.next_us <= now_us:
                turn.pause_us = min(2 * turn.pause_us, self._limits.max_share_us)
                turn.next_us = now_us + turn.pause_us
                self._share(turn.link)

    @property
    def wake_us(self) -> int | None:
        return min((turn.next_us for turn in self._turns.values()), default=None)
