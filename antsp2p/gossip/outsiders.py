"""Outsiders: whom to call outside the view although no link is missing, so that partitions heal.

Law: one address at a time, at a fixed pace, however many are known. Nobody is called here, and
how many links a node wants is not known here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.book import Known, Origin, Purpose

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from antsp2p.gossip.limits import Limits


class Outsiders:
    """Peers that fell silent, and anybody at random. `spread` makes intervals uneven."""

    def __init__(
        self, *, rng: Random, limits: Limits, spread: Callable[[int], int], now_us: int
    ) -> None:
        self._rng = rng
        self._limits = limits
        self._spread = spread
        self.heal_us = now_us + spread(limits.heal_us)
        """When anybody at random is dialled next."""
        self.lost_us: int | None = None
        """When the next peer that fell silent is dialled."""

    def lost(self, now_us: int) -> None:
        """A peer fell silent: try it soon."""
        soon_us = now_us + self._spread(self._limits.lost_us // 4)
        self.lost_us = soon_us if self.lost_us is None else min(self.lost_us, soon_us)

    def extend(self, gap_us: int) -> None:
        """The own loop stood still for `gap_us`: nothing was missed in that time."""
        self.heal_us += gap_us

    def is_due(self, now_us: int) -> bool:
        return now_us >= self.heal_us or self._is_lost_due(now_us)

    def _is_lost_due(self, now_us: int) -> bool:
        return self.lost_us is not None and now_us >= self.lost_us

    def choose(self, rest: list[Known], now_us: int) -> list[tuple[Known, Purpose]]:
        """Those of the `rest` whose turn it is."""
        limits = self._limits
        found: list[tuple[Known, Purpose]] = []
        if self._is_lost_due(now_us):
            lost = [known for known in rest if now_us - limits.lost_for_us < known.lost_us >= 0]
            if lost:
                oldest = min(lost, key=lambda known: (known.dialled_us, known.address))
                found.append((oldest, Purpose.LOST))
                self.lost_us = now_us + self._spread(limits.lost_us)
            else:
                self.lost_us = None
        if now_us >= self.heal_us:
            self.heal_us = now_us + self._spread(limits.heal_us)
            found += [(known, Purpose.LOOK) for known in self._any_of(rest)]
        return found

    def _any_of(self, rest: list[Known]) -> list[Known]:
        """One address at random, of a shelf at random, so that the few seeds have their turn."""
        shelves = [
            [known for known in rest if known.origin is origin] for origin in Origin
        ]
        filled = [shelf for shelf in shelves if shelf]
        return [self._rng.choice(self._rng.choice(filled))] if filled else []
