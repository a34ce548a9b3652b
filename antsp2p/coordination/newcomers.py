"""How those did whom the observer had never worked with before.

Law: a function of the observer's own words, whatever their order; integers; nothing of what others
say enters. Of each author the first day counts, as one, however much was done on it, and it fades
as all evidence does. Who comes back under new names is a newcomer every time, and spoils the trials
that newcomers get; who is new and means well finds a part of them left.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.fading import Fading
from antsp2p.coordination.weighing import DEFAULT, PPM

if TYPE_CHECKING:
    from antsp2p.coordination.weighing import TrustSettings


class Newcomers:
    """The first days of all whom the observer ever judged."""

    def __init__(self, settings: TrustSettings = DEFAULT) -> None:
        self._fading = Fading(settings)
        self._floor_ppm = settings.newcomers_floor_ppm
        self._days: dict[bytes, dict[int, list[int]]] = {}
        self._firsts: dict[int, list[int]] = {}
        """By bucket: how many began then, and what part of it was good, in millionths."""

    def count(self, subject: bytes, bucket: int, good: bool, weight: int) -> None:
        """The observer judged work of the subject; a negative weight takes that back."""
        days = self._days.setdefault(subject, {})
        self._first(days, -1)
        sums = days.setdefault(bucket, [0, 0])
        sums[not good] += weight
        if not any(sums):
            del days[bucket]
        self._first(days, 1)
        if not days:
            del self._days[subject]

    def _first(self, days: dict[int, list[int]], sign: int) -> None:
        if not days:
            return
        bucket = min(days)
        good, bad = days[bucket]
        firsts = self._firsts.setdefault(bucket, [0, 0])
        firsts[0] += sign
        firsts[1] += sign * (good * PPM // (good + bad))
        if not firsts[0]:
            del self._firsts[bucket]

    def welcome_ppm(self, now: int) -> int:
        """The part of the trials meant for strangers that they are worth by this; all of it where
        nobody ever disappointed, and never less than the floor."""
        self._fading.move(now)
        scale = self._fading.scale
        tried = good = scale
        for bucket, (count, well) in self._firsts.items():
            weight = self._fading.weight(bucket)
            tried += count * weight
            good += well * weight // PPM
        return max(self._floor_ppm, good * PPM // tried)
