"""The exchange of links: one for a nearer one, now and then, so that those that are near meet.

Law: it is tried ever more rarely while it comes to nothing, and in haste only by who is young or
pressed. Nobody is called here; who gives way to the newcomer is decided in `places`.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.affinity import distance
from antsp2p.gossip.book import Known, Purpose

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.pressure import Pressure


class Exchange:
    """When to exchange a link next, and for whose. `spread` makes intervals uneven."""

    def __init__(
        self, *, me: bytes, rng: Random, limits: Limits, pressure: Pressure,
        spread: Callable[[int], int], now_us: int,
    ) -> None:
        self._me = me
        self._rng = rng
        self._limits = limits
        self._pressure = pressure
        self._spread = spread
        self._since_us = now_us
        self._pause_us = limits.mix_us
        self.due_us = now_us + spread(limits.mix_us)
        """When to choose next."""

    def hurry(self, now_us: int) -> None:
        """Callers begin to press: look soon for those who belong here."""
        self._pause_us = self._limits.mix_us
        self.due_us = min(self.due_us, now_us + self._spread(self._pause_us))

    def done(self, now_us: int) -> None:
        """An exchange was made: another is to follow, soon if this node is new here."""
        is_young = (
            now_us - self._since_us < self._limits.young_us or self._pressure.lasts(now_us)
        )
        self._pause_us = self._limits.mix_us if is_young else self._limits.calm_mix_us
        self.due_us = now_us + self._spread(self._pause_us)

    def choose(
        self, rest: list[Known], reach: int, is_wanted: bool, now_us: int
    ) -> list[tuple[Known, Purpose]]:
        """Of the `rest` somebody nearer than `reach`, the farthest link that may give way; or an
        address of which it is not known whose it is, to find out. Nobody unless `is_wanted`."""
        is_pressed = self._pressure.lasts(now_us)
        self.due_us = now_us + self._spread(self._pause_us)
        longest_us = self._limits.shuffle_soon_us if is_pressed else self._limits.max_mix_us
        self._pause_us = min(2 * self._pause_us, longest_us)
        if not is_wanted:
            return []
        near = min((
            (distance(self._me, known.author), known.address, known) for known in rest
            if known.author and known.lost_us < 0 and known.next_us <= now_us
        ), default=None)
        found: list[tuple[Known, Purpose]] = []
        if near is not None and near[0] < reach:
            found.append((near[2], Purpose.MIX))
            if not is_pressed:
                return found
        asked = self._askable(rest, now_us)
        if asked:
            self._pause_us = self._limits.mix_us
            found.insert(0, (self._rng.choice(asked), Purpose.LOOK))
        return found

    def _askable(self, rest: list[Known], now_us: int) -> list[Known]:
        """Addresses of which it is not known whose they are; where callers press also others, but
        not those that only called: whoever is asked names the nearest it knows."""
        asked = [known for known in rest if not known.author and not known.failures]
        if asked or not self._pressure.lasts(now_us):
            return asked
        return [
            known for known in rest if not known.failures and known.next_us <= now_us
            and (known.dialled_us >= 0 or not known.proven)
        ]
