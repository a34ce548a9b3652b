"""Sharing addresses, so that nodes that know a few others come to know all they need.

Law: told when a link comes up, then exchanged with one random peer ever more rarely, and read at a
bounded rate. Only addresses where a node was reached are told. What is done with them is the
view's matter.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link


@dataclass(slots=True, eq=False)
class _Allowance:
    link: Link
    named: Bucket
    answers: Bucket


class Sharing:
    """When peers are told addresses. `share(link, count, asks, now_us)` tells some."""

    def __init__(
        self, *, limits: Limits, rng: Random, now_us: int,
        share: Callable[[Link, int, bool, int], None],
    ) -> None:
        self._limits = limits
        self._rng = rng
        self._share = share
        self._allowances: dict[int, _Allowance] = {}
        self._pause_us = limits.shuffle_us
        self._shuffled_us = now_us
        self._is_pressed = False
        self._next_us = now_us + self._jittered(limits.shuffle_us)

    def opened(self, link: Link, now_us: int) -> None:
        limits = self._limits
        self._allowances[link.id] = _Allowance(
            link, Bucket(limits.named_per_s, limits.named_burst, now_us), Bucket(1, 2, now_us)
        )
        self._share(link, 2 * limits.shuffled_peers, False, now_us)

    def closed(self, link: Link) -> None:
        self._allowances.pop(link.id, None)

    def may_name(self, link: Link, count: int, now_us: int) -> bool:
        """Whether the peer may name `count` more addresses."""
        allowance = self._allowances.get(link.id)
        return allowance is not None and allowance.named.take(count, now_us)

    def asked(self, link: Link, now_us: int) -> None:
        """The peer wants as many addresses back."""
        allowance = self._allowances.get(link.id)
        if allowance is not None and allowance.answers.take(1, now_us):
            self._share(link, self._limits.shuffled_peers, False, now_us)

    def soon(self, now_us: int) -> None:
        """There is nobody left to dial: ask a peer for others."""
        self._next_us = min(
            self._next_us, max(now_us + 1, self._shuffled_us + self._limits.shuffle_soon_us)
        )

    def pressed(self, now_us: int) -> None:
        """Callers press for links: hear of others from many."""
        self._is_pressed = True
        self._next_us = min(
            self._next_us, max(now_us + 1, self._shuffled_us + self._limits.pressed_ask_us)
        )

    def due(self, now_us: int) -> None:
        """Exchange addresses with a random peer, if it is time."""
        if now_us < self._next_us:
            return
        self._shuffled_us = now_us
        self._next_us = now_us + self._jittered(self._pause_us)
        self._pause_us = min(4 * self._pause_us, self._limits.max_shuffle_us)
        if self._allowances:
            # Those that were dialled first: callers must not choose what is heard.
            links = list(self._allowances.values())
            chosen = self._rng.choice([each for each in links if each.link.initiated] or links)
            count = self._limits.shuffled_peers
            self._share(chosen.link, 2 * count if self._is_pressed else count, True, now_us)
        self._is_pressed = False

    @property
    def wake_us(self) -> int | None:
        return self._next_us if self._allowances else None

    def _jittered(self, interval_us: int) -> int:
        return self._rng.randrange(interval_us * 3 // 4, interval_us * 5 // 4 + 1)
