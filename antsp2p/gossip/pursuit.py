"""Pursuits: fetching what others advertise, from whoever has it.

Law: at most one question is under way for any record, each has a deadline, and every deadline
leads to another advertiser or to giving up; reconciliation finds again what was given up. What an
advert is and how answers are checked is not known here.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from antsp2p.gossip.limits import MAX_WANT_RANGES, Limits
from antsp2p.gossip.wire import Frame, Range, Want

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.link import Link


@dataclass(slots=True, eq=False)
class _Ask:
    """A range that was asked for. It shrinks from below as its records arrive."""

    link: int
    number: int
    first: int
    last: int
    deadline_us: int


@dataclass(slots=True, eq=False)
class _Hole:
    """A range that an answer of `link` skipped: late, or lost."""

    link: int
    first: int
    last: int
    deadline_us: int


@dataclass(slots=True, eq=False)
class _Pursuit:
    author: bytes
    cause: int
    sources: dict[int, int] = field(default_factory=dict)
    """Link id -> highest seq it has shown."""
    asks: list[_Ask] = field(default_factory=list)
    holes: list[_Hole] = field(default_factory=list)
    attempts: int = 0
    idle_at: int | None = None
    """The link in whose queue it waits for room."""


class Pursuits:
    """All that is being fetched by (author, seq). `have(author)` is the head held."""

    def __init__(
        self,
        *,
        limits: Limits,
        drops: Counter[str],
        have: Callable[[bytes], int],
        wait_us: Callable[[Link], int],
        turn_us: Callable[[Link], int],
        sample: Callable[[Link, int], None],
        post: Callable[[Link, Frame], None],
    ) -> None:
        self._limits = limits
        self._drops = drops
        self._have = have
        self._wait_us = wait_us
        self._turn_us = turn_us
        self._sample = sample
        self._post = post
        self._take: Callable[[Link, bytes, int, int], bool] = lambda *_: False
        self._links: dict[int, Link] = {}
        self._pursuits: dict[bytes, _Pursuit] = {}
        self._caused: Counter[int] = Counter()
        self._asked: Counter[int] = Counter()
        self._idle: dict[int, dict[bytes, None]] = {}
        """Link id -> authors to ask of it when it has room, first come, first served."""
        self._wants: dict[int, dict[_Ask, bytes]] = {}
        """Link id -> the questions of this turn, with their authors; who drops one takes it out."""
        self._number = 0
        # Wants whose answer has brought news so far, as (link id, number).
        self._brought: dict[tuple[int, int], None] = {}
        # When wants were sent that nobody has answered yet.
        self._sent_us: dict[tuple[int, int], int] = {}
        self.wake_us: int | None = None

    def share_with(self, take: Callable[[Link, bytes, int, int], bool]) -> None:
        """`take(link, author, upto, now_us)` is offered every author first, and may keep it."""
        self._take = take

    # --- links -------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        self._links[link.id] = link

    def closed(self, link: Link, now_us: int) -> None:
        """Ask others for what was asked of `link`."""
        if self._links.pop(link.id, None) is None:
            return
        self._wants.pop(link.id, None)
        for answers in (self._brought, self._sent_us):
            for key in [key for key in answers if key[0] == link.id]:
                del answers[key]
        waiting = self._idle.pop(link.id, {})
        for pursuit in list(self._pursuits.values()):
            pursuit.sources.pop(link.id, None)
            if pursuit.author in waiting:
                pursuit.idle_at = None
            if not pursuit.sources:
                self._end(pursuit)
                continue
            pursuit.holes = [hole for hole in pursuit.holes if hole.link != link.id]
            lost = [ask for ask in pursuit.asks if ask.link == link.id]
            for ask in lost:
                self._drop_ask(pursuit, ask)
            for ask in lost:
                self._ask(pursuit, self._source(pursuit, 0, ask.first), ask.first, ask.last, now_us)
            if not pursuit.asks and not pursuit.holes:
                self._ask_top(pursuit, None, now_us)
        self._caused.pop(link.id, None)

    # --- wanting -----------------------------------------------------------------------------

    def pursue(self, link: Link, author: bytes, upto: int, now_us: int) -> None:
        """`link` has `author` up to `upto`: fetch what is missing."""
        if upto <= self._have(author) or link.id not in self._links:
            return
        if author not in self._pursuits and self._take(link, author, upto, now_us):
            return
        pursuit = self._pursuits.get(author) or self._begin(link, author)
        if pursuit is None:
            return
        if link.id not in pursuit.sources and len(pursuit.sources) >= self._limits.sources:
            return
        pursuit.sources[link.id] = max(upto, pursuit.sources.get(link.id, 0))
        if len(pursuit.sources) == 2 and not pursuit.attempts:
            for ask in pursuit.asks:
                turn_us = self._turn_us(self._links[ask.link])
                ask.deadline_us = min(ask.deadline_us, now_us + turn_us)
                self._wake_by(ask.deadline_us)
        self._ask_top(pursuit, link, now_us)

    def fill(self, link: Link, author: bytes, first: int, last: int, now_us: int) -> None:
        """`link` has shown a record above the gap `first` to `last`."""
        if author not in self._pursuits and self._take(link, author, last, now_us):
            return
        pursuit = self._pursuits.get(author) or self._begin(link, author)
        if pursuit is None or link.id not in self._links:
            return
        pursuit.sources[link.id] = max(last, pursuit.sources.get(link.id, 0))
        while len(pursuit.sources) > self._limits.sources:
            del pursuit.sources[next(iter(pursuit.sources))]
        grace_us = now_us + self._limits.reorder_us
        under_way = sorted((part.first, part.last) for part in _parts(pursuit))
        for low, high in under_way:
            self._add_hole(pursuit, link, first, min(last, low - 1), grace_us)
            first = max(first, high + 1)
        self._add_hole(pursuit, link, first, last, grace_us)

    def arrived(
        self, link: Link, author: bytes, first: int, last: int, is_new: bool, now_us: int
    ) -> None:
        """`link` has sent the records `first` to `last`."""
        pursuit = self._pursuits.get(author)
        if pursuit is None:
            return
        if is_new:
            pursuit.attempts = 0
        pursuit.holes = [
            part for hole in pursuit.holes for part in _without(hole, first, last)
        ]
        for ask in list(pursuit.asks):
            if ask.first <= last and (ask.first >= first or ask.link == link.id):
                skipped = (ask.first, min(first - 1, ask.last))
                ask.first = last + 1
                ask.deadline_us = now_us + self._wait_us(link)
                self._add_hole(pursuit, link, *skipped, now_us + self._limits.reorder_us)
            elif first <= ask.last <= last:
                ask.last = first - 1
            if ask.first > ask.last:
                self._drop_ask(pursuit, ask)
        self._tidy(pursuit, now_us)

    def refused(
        self, link: Link, author: bytes, first: int, last: int, now_us: int
    ) -> None:
        """The records `first` to `last` came too far above a gap to be kept: ask again later."""
        pursuit = self._pursuits.get(author)
        if pursuit is not None and link.id in self._links:
            self.arrived(link, author, first, last, False, now_us)
            if author in self._pursuits:
                self._add_hole(pursuit, link, first, last, now_us + self._wait_us(link))

    def answered(
        self, link: Link, number: int, is_news: bool, is_last: bool, now_us: int
    ) -> None:
        """A part of the answer to want `number`. After the last one, ask on if it brought news."""
        key = (link.id, number)
        sent_us = self._sent_us.pop(key, None)
        if sent_us is not None:
            self._sample(link, now_us - sent_us)
        if is_news and key not in self._brought:
            if len(self._brought) >= self._limits.answers:
                del self._brought[next(iter(self._brought))]
            self._brought[key] = None
        if not is_last or key not in self._brought:
            return
        del self._brought[key]
        for pursuit in list(self._pursuits.values()):
            rest = [ask for ask in pursuit.asks if (ask.link, ask.number) == key]
            for ask in rest:
                self._drop_ask(pursuit, ask)
                self._ask(pursuit, link, ask.first, ask.last, now_us)
            if rest:
                self._tidy(pursuit, now_us)

    def cut(self, author: bytes) -> None:
        """`author` was convicted: what is wanted of it will be found anew."""
        pursuit = self._pursuits.get(author)
        if pursuit is not None:
            self._end(pursuit)

    def room(self, link: Link) -> int:
        """How many more authors may be pursued on account of `link`."""
        return max(0, min(
            self._limits.pursuits - len(self._pursuits),
            self._limits.pursuits_per_link - self._caused[link.id],
        ))

    # --- time --------------------------------------------------------------------------------

    def due(self, now_us: int) -> None:
        """Ask for what was skipped; ask others where a deadline has passed."""
        if self.wake_us is None or now_us < self.wake_us:
            return
        for pursuit in list(self._pursuits.values()):
            lost = [hole for hole in pursuit.holes if hole.deadline_us <= now_us]
            if lost:
                pursuit.holes = [hole for hole in pursuit.holes if hole.deadline_us > now_us]
            for hole in lost:
                self._ask(pursuit, self._links[hole.link], hole.first, hole.last, now_us)
            late = [ask for ask in pursuit.asks if ask.deadline_us <= now_us]
            for ask in late:
                self._drop_ask(pursuit, ask)
            if late:
                self._retry(pursuit, late, now_us)
        deadlines = [
            part.deadline_us for pursuit in self._pursuits.values() for part in _parts(pursuit)
        ]
        self.wake_us = min(deadlines, default=None)

    def extend(self, gap_us: int) -> None:
        """The own loop stood still for `gap_us`: answers may be waiting in the socket."""
        for pursuit in self._pursuits.values():
            for part in _parts(pursuit):
                part.deadline_us += gap_us

    def flush(self, now_us: int) -> None:
        """Send the questions of this turn."""
        if not self._idle and not self._wants:
            return
        for link_id, waiting in list(self._idle.items()):
            while waiting and self._has_room(link_id):
                pursuit = self._pursuits[next(iter(waiting))]
                self._leave_queue(pursuit)
                if not pursuit.asks:
                    self._ask_top(pursuit, self._links[link_id], now_us)
        for link_id, asks in sorted(self._wants.items()):
            told = list(asks.items())
            for start in range(0, len(told), MAX_WANT_RANGES):
                self._send(link_id, told[start : start + MAX_WANT_RANGES], now_us)
        self._wants.clear()

    def _send(self, link_id: int, asks: list[tuple[_Ask, bytes]], now_us: int) -> None:
        self._number += 1
        if len(self._sent_us) >= self._limits.answers:
            del self._sent_us[next(iter(self._sent_us))]
        self._sent_us[link_id, self._number] = now_us
        ranges = []
        for ask, author in asks:
            ask.number = self._number
            ranges.append(Range(author, ask.first, ask.last))
        self._post(self._links[link_id], Want(self._number, tuple(ranges)))

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        pursuits = self._pursuits.values()
        return {
            "pursuits": len(self._pursuits),
            "asks": sum(len(pursuit.asks) for pursuit in pursuits),
            "holes": max((len(pursuit.holes) for pursuit in pursuits), default=0),
            "idle": sum(len(waiting) for waiting in self._idle.values()),
            "brought": len(self._brought),
            "unanswered": len(self._sent_us),
        }

    # --- small parts -------------------------------------------------------------------------

    def _begin(self, link: Link, author: bytes) -> _Pursuit | None:
        if (
            len(self._pursuits) >= self._limits.pursuits
            or self._caused[link.id] >= self._limits.pursuits_per_link
        ):
            self._drops["pursuits-full"] += 1
            return None
        pursuit = self._pursuits[author] = _Pursuit(author, link.id)
        self._caused[link.id] += 1
        return pursuit

    def _end(self, pursuit: _Pursuit) -> None:
        for ask in list(pursuit.asks):
            self._drop_ask(pursuit, ask)
        del self._pursuits[pursuit.author]
        self._leave_queue(pursuit)
        if self._caused[pursuit.cause] > 1:
            self._caused[pursuit.cause] -= 1
        else:
            self._caused.pop(pursuit.cause, None)

    def _tidy(self, pursuit: _Pursuit, now_us: int) -> None:
        """End a pursuit that has what it wants; ask on in one that has nothing under way."""
        have = self._have(pursuit.author)
        if have >= max(pursuit.sources.values(), default=0):
            self._end(pursuit)
            return
        for ask in list(pursuit.asks):
            ask.first = max(ask.first, have + 1)
            if ask.first > ask.last:
                self._drop_ask(pursuit, ask)
        pursuit.holes = [hole for hole in pursuit.holes if hole.last > have]
        if not pursuit.asks and not pursuit.holes:
            self._ask_top(pursuit, None, now_us)

    def _ask_top(self, pursuit: _Pursuit, link: Link | None, now_us: int) -> None:
        """Ask for what is above all that is held or under way."""
        if link is None or link.id not in pursuit.sources:
            link = self._source(pursuit, 0, self._have(pursuit.author) + 1)
        if link is None:
            return
        covered = max((part.last for part in _parts(pursuit)), default=0)
        first = max(covered, self._have(pursuit.author)) + 1
        last = min(pursuit.sources[link.id], first + self._limits.want_records - 1)
        self._ask(pursuit, link, first, last, now_us)

    def _add_hole(
        self, pursuit: _Pursuit, link: Link, first: int, last: int, deadline_us: int
    ) -> None:
        if first <= last and len(pursuit.holes) < self._limits.holes:
            pursuit.holes.append(_Hole(link.id, first, last, deadline_us))
            self._wake_by(deadline_us)

    def _retry(self, pursuit: _Pursuit, late: list[_Ask], now_us: int) -> None:
        pursuit.attempts += 1
        if pursuit.attempts > self._limits.attempts:
            self._drops["given-up"] += 1
            self._end(pursuit)
            return
        have = self._have(pursuit.author)
        for ask in late:
            first = max(ask.first, have + 1)
            link = self._source(pursuit, ask.link, first)
            self._ask(pursuit, link, first, ask.last, now_us)
        self._tidy(pursuit, now_us)

    def _source(self, pursuit: _Pursuit, after: int, seq: int) -> Link | None:
        """The next advertiser after link `after` that has `seq`, round and round."""
        able = sorted(link for link, upto in pursuit.sources.items() if upto >= seq)
        if not able:
            return None
        able = [link for link in able if self._has_room(link)] or able
        return self._links[next((link for link in able if link > after), able[0])]

    def _has_room(self, link: int) -> bool:
        return self._asked[link] < self._limits.asks_per_link

    def _leave_queue(self, pursuit: _Pursuit) -> None:
        if pursuit.idle_at is not None:
            del self._idle[pursuit.idle_at][pursuit.author]
            if not self._idle[pursuit.idle_at]:
                del self._idle[pursuit.idle_at]
            pursuit.idle_at = None

    def _ask(
        self, pursuit: _Pursuit, link: Link | None, first: int, last: int, now_us: int
    ) -> None:
        have = self._have(pursuit.author)
        if first > have + 1:
            last = min(last, have + self._limits.ahead_records)
        if first > last or link is None:
            return
        if not self._has_room(link.id) or len(pursuit.asks) >= self._limits.asks_per_pursuit:
            if not pursuit.asks and pursuit.idle_at is None:
                self._idle.setdefault(link.id, {})[pursuit.author] = None
                pursuit.idle_at = link.id
            return
        # The wait grows with every round over all advertisers, not with every one of them.
        rounds = pursuit.attempts // max(1, len(pursuit.sources))
        if not rounds and len(pursuit.sources) > 1:
            wait_us = self._turn_us(link)
        else:
            wait_us = min(self._wait_us(link) << min(rounds, 8), self._limits.max_wait_us)
        ask = _Ask(link.id, 0, first, last, now_us + wait_us)
        pursuit.asks.append(ask)
        self._asked[link.id] += 1
        self._wants.setdefault(link.id, {})[ask] = pursuit.author
        self._wake_by(ask.deadline_us)

    def _wake_by(self, deadline_us: int) -> None:
        if self.wake_us is None or deadline_us < self.wake_us:
            self.wake_us = deadline_us

    def _drop_ask(self, pursuit: _Pursuit, ask: _Ask) -> None:
        pursuit.asks.remove(ask)
        self._wants.get(ask.link, {}).pop(ask, None)
        if self._asked[ask.link] > 1:
            self._asked[ask.link] -= 1
        else:
            self._asked.pop(ask.link, None)


def _parts(pursuit: _Pursuit) -> list[_Ask | _Hole]:
    return [*pursuit.asks, *pursuit.holes]


def _without(hole: _Hole, first: int, last: int) -> list[_Hole]:
    """What is left of a hole when `first` to `last` have arrived."""
    if last < hole.first or first > hole.last:
        return [hole]
    parts = ((hole.first, first - 1), (last + 1, hole.last))
    return [_Hole(hole.link, low, high, hole.deadline_us) for low, high in parts if low <= high]
