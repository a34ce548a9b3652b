"""The exchange of links: one for a nearer one, now and then, so that those that are near meet.

Law: it is tried ever more rarely while it comes to nothing, and in haste only by who is young or
pressed. Nobody is called here; who gives way to the newcomer is decided in `places`.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.book import Known, Purpose

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from antsp2p.gossip.affinity import Affinity
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.pressure import Pressure


class Exchange:
    """When to exchange a link next, and for whose. `spread` makes intervals uneven."""

    def __init__(
        self, *, affinity: Affinity, rng: Random, limits: Limits, pressure: Pressure,
        spread: Callable[[int], int], now_us: int,
    ) -> None:
        self._affinity = affinity
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
            (is_pressed and not known.told_by_full, self._affinity.far(known.author),
             known.address, known)
            for known in rest
            if known.author and known.lost_us < 0 and known.next_us <= now_us
            and self._affinity.far(known.author) < reach
        ), default=None)
        found: list[tuple[Known, Purpose]] = []
        if near is not None:
            found.append((near[-1], Purpose.MIX))
            if not is_pressed:
                return found
        asked = self._to_ask(rest, now_us)
        if asked is not None:
            self._pause_us = self._limits.mix_us
            is_near = bool(asked.author) and self._affinity.far(asked.author) < reach
            found.insert(0, (asked, Purpose.MIX if is_near else Purpose.LOOK))
        return found

    def _to_ask(self, rest: list[Known], now_us: int) -> Known | None:
        """An address of which it is not known whose it is. Where callers press also others, but not
        those that only called: whoever is asked names the nearest it knows."""
        unknown = [known for known in rest if not known.author and not known.failures]
        if unknown:
            return self._rng.choice(unknown)
        if not self._pressure.lasts(now_us):
            return None
        after_us = now_us - self._limits.ask_again_us
        full = [
            known for known in rest if known.refusals and known.dialled_us <= after_us
            and not self._pressure.presses(known.address[0], now_us)
        ]
        others = [
            known for known in rest if not known.failures and known.next_us <= now_us
            and (known.dialled_us >= 0 or not known.proven)
        ]
        if full and (not others or self._rng.getrandbits(1)):
            # Those that press are never full, and who is full knows others by now.
            return min(full, key=lambda known: (
                known.refusals, self._affinity.far(known.author), known.address))
        told = [known for known in others if known.told_by_full]
        return self._rng.choice(told or others) if others else None
