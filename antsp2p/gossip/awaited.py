"""What was advertised and is awaited: a pull begins only when the push seems to be lost.

Law: the patience is learned from how long after its first advert a push arrives, and from nothing
else; it delays a question and never drops one. How many pushes are missed is known here first. Who
is asked, and how often, is the pursuits' matter.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link


@dataclass(slots=True, eq=False)
class _Expected:
    heard_us: int
    due_us: int
    sources: dict[int, tuple[Link, int]] = field(default_factory=dict)
    """Link id -> the link, and up to which seq it has the author."""


@dataclass(frozen=True, slots=True)
class _Overdue:
    heard_us: int
    upto: int


class Awaited:
    """Authors with records that others have. `pursue(link, author, upto, now_us)` fetches them."""

    def __init__(
        self,
        *,
        limits: Limits,
        have: Callable[[bytes], int],
        pursue: Callable[[Link, bytes, int, int], None],
    ) -> None:
        self._limits = limits
        self._have = have
        self._pursue = pursue
        self._expected: dict[bytes, _Expected] = {}
        self._overdue: dict[bytes, _Overdue] = {}
        """Authors whose latest awaited records had to be asked for."""
        self._mean_us = limits.first_patience_us // 2
        self._deviation_us = limits.first_patience_us // 8
        self._missed_permille = 0
        self.wake_us: int | None = None

    @property
    def patience_us(self) -> int:
        """How long a push is awaited: like the time-out of RFC 6298, and longer, because a question
        that was not needed costs a copy, and waiting a little more costs nobody else anything."""
        patience_us = self._mean_us + 6 * self._deviation_us
        limits = self._limits
        return min(max(patience_us, limits.min_patience_us), limits.max_patience_us)

    @property
    def is_rough(self) -> bool:
        """Whether pushes were missed of late: more may be lost around here than the links know,
        of which each has carried little."""
        return self._missed_permille >= self._limits.rough_permille

    def closed(self, link: Link) -> None:
        """What only this link had is no longer awaited."""
        for author in [author for author, entry in self._expected.items()
                       if link.id in entry.sources]:
            del self._expected[author].sources[link.id]
            if not self._expected[author].sources:
                del self._expected[author]

    def heard(self, link: Link, author: bytes, upto: int, now_us: int) -> None:
        """The peer has `author` up to `upto`, which is not here yet."""
        expected = self._expected.get(author)
        if expected is None:
            gap = upto - self._have(author)
            full = len(self._expected) >= self._limits.pursuits
            overdue = self._overdue.get(author)
            is_asked = overdue is not None and upto <= overdue.upto
            if is_asked or gap > self._limits.pushed_records or full:
                self._pursue(link, author, upto, now_us)
                return
            due_us = now_us + self.patience_us
            expected = self._expected[author] = _Expected(now_us, due_us)
            if self.wake_us is None or due_us < self.wake_us:
                self.wake_us = due_us
        expected.sources[link.id] = (link, upto)

    def pushed(self, author: bytes, seq: int, is_new: bool, now_us: int) -> None:
        """A push all the way of the author has come: before any advert, after one, or after the
        question. One that was pulled on its way says nothing: it is late because others waited.
        """
        expected, overdue = self._expected.get(author), self._overdue.get(author)
        if overdue is not None and seq <= overdue.upto:
            del self._overdue[author]
            self._learn(now_us - overdue.heard_us)
        elif is_new:
            self._learn(0 if expected is None else now_us - expected.heard_us)
            self._missed_permille -= self._missed_permille // 4

    def is_overdue(self, author: bytes) -> bool:
        """Whether the author's latest awaited records had to be asked for."""
        return author in self._overdue

    def arrived(self, author: bytes) -> None:
        """Records of the author have come: what is here now need not be awaited."""
        expected = self._expected.get(author)
        if expected is not None:
            have = self._have(author)
            if all(upto <= have for _, upto in expected.sources.values()):
                del self._expected[author]

    def _learn(self, lag_us: int) -> None:
        error_us = lag_us - self._mean_us
        self._mean_us += error_us // 8
        self._deviation_us += (abs(error_us) - self._deviation_us) // 4

    def due(self, now_us: int) -> None:
        """Ask for what has been awaited long enough."""
        if self.wake_us is None or now_us < self.wake_us:
            return
        for author in [author for author, entry in self._expected.items()
                       if entry.due_us <= now_us]:
            expected = self._expected.pop(author)
            if len(self._overdue) >= self._limits.overdue:
                del self._overdue[next(iter(self._overdue))]
            upto = max(upto for _, upto in expected.sources.values())
            self._overdue[author] = _Overdue(expected.heard_us, upto)
            self._missed_permille += (1_000 - self._missed_permille) // 4
            for link, upto in expected.sources.values():
                self._pursue(link, author, upto, now_us)
        self.wake_us = min((entry.due_us for entry in self._expected.values()), default=None)

    def extend(self, gap_us: int) -> None:
        """The own loop stood still for `gap_us`: pushes may be waiting in the socket."""
        for expected in self._expected.values():
            expected.due_us += gap_us
        if self.wake_us is not None:
            self.wake_us += gap_us

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"awaited": len(self._expected), "overdue": len(self._overdue)}
