"""When the observer first saw each record, on its own calendar and in coarse steps.

Law: an author's records come in sequence, so the times of its log are a staircase that never goes
down, and only the steps are kept. Nobody else's word and no age that was told enters: who could
make evidence look old could make it fade.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

TICK_MS: Final = 600_000
"""One tick, ten minutes: how exactly a first sight is remembered."""
BUCKET_TICKS: Final = 144
"""Ticks in a bucket, one day: the step in which evidence fades."""


class FirstSeen:
    """The ticks of every author's records."""

    def __init__(self) -> None:
        self._seqs: dict[bytes, list[int]] = {}
        self._ticks: dict[bytes, list[int]] = {}

    def note(self, author: bytes, seq: int, tick: int) -> None:
        """The record was first seen at `tick`. Whoever set the clock back since sees nothing
        sooner than what stands below it."""
        seqs = self._seqs.get(author)
        if seqs is None:
            self._seqs[author], self._ticks[author] = [seq], [tick]
            return
        ticks = self._ticks[author]
        if seq < seqs[0]:
            seqs[0] = seq
        elif seq > seqs[-1] and tick > ticks[-1]:
            seqs.append(seq)
            ticks.append(tick)

    def cut(self, author: bytes, seq: int) -> None:
        """The author's records from `seq` on are gone."""
        seqs = self._seqs.get(author)
        if seqs is None:
            return
        place = bisect_left(seqs, seq)
        del seqs[place:], self._ticks[author][place:]
        if not seqs:
            del self._seqs[author], self._ticks[author]

    def tick(self, author: bytes, seq: int) -> int:
        """When the record was first seen; 0 if nobody noted it."""
        seqs = self._seqs.get(author)
        if seqs is None:
            return 0
        place = bisect_right(seqs, seq)
        return self._ticks[author][place - 1] if place else 0
