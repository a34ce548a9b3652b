"""Bulk: catching up on more than a few datagrams, over streams, from several peers at once.

Law: every author here has a fetch under way, waits for one, or is given to the pursuits; nothing
stays without one of the three. One author is asked of one peer at a time, in ascending order, so
that whatever has come stays and an interrupted fetch goes on where it stopped. Sockets and what a
record means are not known here.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from antsp2p.gossip.bulk_wire import MAX_LOGS_RANGES
from antsp2p.gossip.outputs import FetchLogs, MoreLogs, Output, StopLogs
from antsp2p.gossip.wire import Range
from antsp2p.records.fork import MAX_UNSIGNED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.gossip.intake import Taken
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link
    from antsp2p.records.record import Record


@dataclass(slots=True, eq=False)
class _Author:
    """An author of whom much is missing."""

    author: bytes
    cause: int
    sources: dict[int, int] = field(default_factory=dict)
    """Link id -> highest seq it has shown."""
    missing: int = 0
    fetch: int = 0


@dataclass(slots=True, eq=False)
class _Want:
    """One author of a fetch: what comes next, and the last that may come."""

    first: int
    next: int
    last: int
    is_over: bool = False
    """What still comes of this author is of no use."""


@dataclass(slots=True, eq=False)
class _Fetch:
    number: int
    link: Link
    wants: dict[bytes, _Want]
    deadline_us: int
    turn_us: int
    """When it has to give way, if somebody waits for that."""
    brought: int = 0
    """Records, in this turn."""
    useless: int = 0
    """Chunks in a row that brought nothing new."""


@dataclass(slots=True, eq=False)
class _Peer:
    link: Link
    failures: int = 0
    rest_until_us: int = -1
    turns: int = 0
    """Fetches that gave way: others are asked before it."""
    has_given: bool = False
    """Whether a stream of it has brought anything: then a failure is waited out."""
    refused: dict[bytes, None] = field(default_factory=dict)
    """Authors that this peer said it has, and did not give."""


class Bulk:
    """What is fetched over streams. `have(author)` is the head held; `pursue` takes back authors
    that no stream gives; `offence(link, now_us)` is told of what no honest peer sends."""

    def __init__(
        self,
        *,
        limits: Limits,
        drops: Counter[str],
        have: Callable[[bytes], int],
        pursue: Callable[[Link, bytes, int, int], None],
        tell: Callable[[Output], None],
        offence: Callable[[Link, int], None],
    ) -> None:
        self._limits = limits
        self._drops = drops
        self._have = have
        self._pursue = pursue
        self._tell = tell
        self._offence = offence
        self._peers: dict[int, _Peer] = {}
        self._authors: dict[bytes, _Author] = {}
        self._caused: Counter[int] = Counter()
        self._fetches: dict[int, _Fetch] = {}
        self._number = 0
        self._light: dict[bytes, int] = {}
        """Authors left to the pursuits -> seq wanted; their sum tells when it becomes too much."""
        self._light_missing = 0
        self._light_checked_us = -1
        self._plan_us: int | None = None
        self.missing = 0
        """Records known to be missing of the authors here."""
        self._pause_us: int | None = None
        """When the last pause of the node's own claims began."""
        self._pause_end_us: int | None = None

    # --- links -------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        self._peers[link.id] = _Peer(link)

    def closed(self, link: Link, now_us: int) -> None:
        """End what is fetched of `link`; others are asked for the rest."""
        if self._peers.pop(link.id, None) is None:
            return
        for fetch in [fetch for fetch in self._fetches.values() if fetch.link.id == link.id]:
            self._stop(fetch)
            self._free(fetch)
        for entry in list(self._authors.values()):
            if entry.sources.pop(link.id, None) is not None:
                self._recount(entry)
        self._plan_soon(now_us)

    # --- wanting -----------------------------------------------------------------------------

    def take(self, link: Link, author: bytes, upto: int, now_us: int) -> bool:
        """`link` has `author` up to `upto`, above what is held. Whether that is fetched here."""
        entry = self._authors.get(author)
        if entry is None:
            entry = self._begin(link, author, upto, now_us)
            if entry is None:
                return False
        if link.id not in self._peers:
            return True
        if link.id in entry.sources or len(entry.sources) < self._limits.sources:
            entry.sources[link.id] = max(upto, entry.sources.get(link.id, 0))
            self._recount(entry)
        if not entry.fetch:
            self._plan_soon(now_us)
        return True

    def _begin(self, link: Link, author: bytes, upto: int, now_us: int) -> _Author | None:
        limits = self._limits
        if not limits.bulk_fetches or not self._is_able(link.id, author, now_us):
            return None
        if not self._is_much(author, upto, now_us):
            return None
        if (
            len(self._authors) >= limits.bulk_authors
            or self._caused[link.id] >= limits.bulk_authors_per_link
        ):
            self._drops["bulk-full"] += 1
            return None
        entry = self._authors[author] = _Author(author, link.id)
        self._caused[link.id] += 1
        for fetch in self._fetches.values():
            want = fetch.wants.get(author)
            if want is not None and not want.is_over and want.next <= want.last:
                entry.fetch = fetch.number  # It was forgotten here, and is still on its way.
        return entry

    def _is_able(self, link_id: int, author: bytes, now_us: int) -> bool:
        """Whether the peer's stream may give the author now, or soon."""
        peer = self._peers.get(link_id)
        if peer is None or author in peer.refused:
            return False
        is_patient = peer.has_given and peer.failures <= self._limits.bulk_patience
        return now_us >= peer.rest_until_us or is_patient

    def _is_much(self, author: bytes, upto: int, now_us: int) -> bool:
        """Whether an author's gap, or all gaps together, are more than a few datagrams."""
        limits = self._limits
        gap = upto - self._have(author)
        if gap >= limits.bulk_author_records:
            return True
        if self._light_missing + gap > limits.bulk_records:
            if now_us >= self._light_checked_us + limits.bulk_check_us:
                self._check_light(now_us)
            if self._light_missing + gap > limits.bulk_records:
                return True
        self._light_missing += gap - max(0, self._light.get(author, 0) - self._have(author))
        self._light[author] = max(upto, self._light.get(author, 0))
        return False

    def _check_light(self, now_us: int) -> None:
        """Forget the small gaps that have been closed."""
        self._light_checked_us = now_us
        self._light = {
            author: upto for author, upto in self._light.items() if upto > self._have(author)
        }
        self._light_missing = sum(
            upto - self._have(author) for author, upto in self._light.items()
        )

    def cut(self, author: bytes, now_us: int) -> None:
        """`author` was convicted: what is wanted of it will be found anew."""
        entry = self._authors.get(author)
        if entry is not None:
            self._end(entry)
            self._plan_soon(now_us)
        for fetch in self._fetches.values():
            if author in fetch.wants:
                fetch.wants[author].is_over = True

    # --- what streams bring ------------------------------------------------------------------

    def admit(
        self, number: int, records: Sequence[tuple[Record, int]], now_us: int
    ) -> tuple[Link, list[tuple[Record, int]]] | None:
        """The records of a chunk that were asked for, and whom they came from; or None.

        A record that was not asked for, or is not the next one of its author, ends the fetch.
        """
        fetch = self._fetches.get(number)
        if fetch is None:
            self._drops["bulk-late"] += 1
            return None
        fetch.deadline_us = now_us + self._limits.bulk_silence_us
        fetch.brought += len(records)
        wanted: list[tuple[Record, int]] = []
        for record, age_ms in records:
            want = fetch.wants.get(record.author)
            if want is None or record.seq != want.next or record.seq > want.last + MAX_UNSIGNED:
                self.offend(number, "bulk-range", now_us)
                break
            want.next += 1
            if not want.is_over:
                wanted.append((record, age_ms))
        return fetch.link, wanted

    def offend(self, number: int, reason: str, now_us: int) -> None:
        """The peer of a fetch sent what no honest one sends."""
        fetch = self._fetches.get(number)
        if fetch is None:
            return
        self._drops[reason] += 1
        if fetch.link.id in self._peers:
            self._peers[fetch.link.id].has_given = False
        self._stop(fetch)
        self._fail(fetch, now_us)
        self._offence(fetch.link, now_us)

    def taken(self, number: int, runs: Sequence[Taken], now_us: int) -> None:
        """The admitted records have been offered to the logs; ask for more of them."""
        fetch = self._fetches.get(number)
        for run in runs:
            author, last = run.run[0].author, run.run[-1].seq
            entry = self._authors.get(author)
            if entry is not None:
                self._recount(entry)
            want = None if fetch is None else fetch.wants.get(author)
            if fetch is None or want is None or want.is_over or self._have(author) >= last:
                continue
            want.is_over = True
            self._refuse(fetch.link.id, author)
            if run.insertion.refused == "signature" and number in self._fetches:
                self._stop(fetch)
                self._fail(fetch, now_us)
        if fetch is None or number not in self._fetches:
            return
        is_new = any(run.insertion.added for run in runs)
        fetch.useless = 0 if is_new else fetch.useless + 1
        if is_new and fetch.link.id in self._peers:
            self._peers[fetch.link.id].has_given = True
        if fetch.useless > self._limits.bulk_useless_chunks:
            self.offend(number, "bulk-useless", now_us)
        else:
            self._tell(MoreLogs(number))

    def ended(self, number: int, reason: str, now_us: int) -> None:
        """A fetch is over; an empty `reason`: the peer said all it had to say."""
        fetch = self._fetches.get(number)
        if fetch is None:
            return
        if reason:
            self._drops["bulk-failed"] += 1
            self._fail(fetch, now_us)
            return
        given = 0
        for author, want in fetch.wants.items():
            if self._have(author) >= want.first:
                given += 1
            elif author in self._authors and not want.is_over:
                self._refuse(fetch.link.id, author)
        if not given:
            self._drops["bulk-failed"] += 1
            self._fail(fetch, now_us)
            return
        del self._fetches[number]
        peer = self._peers.get(fetch.link.id)
        if peer is not None:
            peer.failures = 0
        self._free(fetch)
        self._plan_us = now_us

    def _refuse(self, link_id: int, author: bytes) -> None:
        peer = self._peers.get(link_id)
        if peer is not None:
            if len(peer.refused) >= self._limits.bulk_refused:
                del peer.refused[next(iter(peer.refused))]
            peer.refused[author] = None

    def _fail(self, fetch: _Fetch, now_us: int) -> None:
        """The peer is not asked for a while; others are, or the pursuits."""
        self._fetches.pop(fetch.number, None)
        peer = self._peers.get(fetch.link.id)
        if peer is not None:
            rest_us = self._limits.bulk_rest_us << min(peer.failures, 16)
            peer.rest_until_us = now_us + min(rest_us, self._limits.bulk_max_rest_us)
            peer.failures += 1
        self._free(fetch)
        self._plan_us = now_us

    def _stop(self, fetch: _Fetch) -> None:
        if self._fetches.pop(fetch.number, None) is not None:
            self._tell(StopLogs(fetch.number))

    def _free(self, fetch: _Fetch) -> None:
        for author in fetch.wants:
            entry = self._authors.get(author)
            if entry is not None and entry.fetch == fetch.number:
                entry.fetch = 0

    # --- time --------------------------------------------------------------------------------

    @property
    def wake_us(self) -> int | None:
        """When `due` has something to do."""
        times = [min(each.deadline_us, each.turn_us) for each in self._fetches.values()]
        if self._plan_us is not None:
            times.append(self._plan_us)
        if self._pause_end_us is not None:
            times.append(self._pause_end_us)
        return min(times) if times else None

    def due(self, now_us: int) -> None:
        """End the fetches of which nothing was heard, and begin new ones."""
        for fetch in [f for f in self._fetches.values() if f.deadline_us <= now_us]:
            self._drops["bulk-silent"] += 1
            self._stop(fetch)
            self._fail(fetch, now_us)
        for fetch in [f for f in self._fetches.values() if f.turn_us <= now_us]:
            self._end_turn(fetch, now_us)
        if self._pause_end_us is not None and self._pause_end_us <= now_us:
            self._pause_end_us = None
        self.flush(now_us)

    def _end_turn(self, fetch: _Fetch, now_us: int) -> None:
        """Nobody keeps an author, or a place, for himself by bringing little."""
        brought, fetch.brought = fetch.brought, 0
        fetch.turn_us = now_us + self._limits.bulk_turn_us
        if not self._is_in_the_way(fetch, now_us):
            return
        self._drops["bulk-turn"] += 1
        self._stop(fetch)
        peer = self._peers.get(fetch.link.id)
        if peer is not None:
            peer.turns += 1
        if brought < self._limits.bulk_turn_records:
            self._fail(fetch, now_us)
            return
        self._free(fetch)
        self._plan_us = now_us

    def _is_in_the_way(self, fetch: _Fetch, now_us: int) -> bool:
        """Whether somebody who is asked for nothing has an author of the fetch, or one that waits
        while there is no place for another fetch."""
        busy = {each.link.author for each in self._fetches.values()}
        idle = [
            link_id for link_id, peer in self._peers.items()
            if peer.link.author not in busy and now_us >= peer.rest_until_us
        ]
        is_full = len(self._fetches) >= self._limits.bulk_fetches
        return any(
            entry.sources.get(link_id, 0) > self._have(entry.author)
            and self._is_able(link_id, entry.author, now_us)
            for entry in self._authors.values()
            if entry.fetch == fetch.number or (is_full and not entry.fetch)
            for link_id in idle
        )

    def extend(self, gap_us: int) -> None:
        """The own loop stood still for `gap_us`."""
        for fetch in self._fetches.values():
            fetch.deadline_us += gap_us
            fetch.turn_us += gap_us

    def flush(self, now_us: int) -> None:
        """Begin what the gathered news call for, once they have been gathered."""
        if self._plan_us is None or now_us < self._plan_us:
            return
        self._plan_us = None
        if self._fetches and not self._has_idle_peer(now_us):
            return  # The end of a fetch leads back here.
        for entry in list(self._authors.values()):
            if not entry.fetch and not self._can_come(entry, now_us):
                self._hand_over(entry, now_us)
        shares = self._shares(now_us)
        for link_id, authors in shares.items():
            if authors:
                self._fetch(self._peers[link_id].link, authors, now_us)
        self._plan_after_rest(now_us)

    def _plan_after_rest(self, now_us: int) -> None:
        """Who waits for a peer that rests is looked at again when it has rested."""
        rests = [p.rest_until_us for p in self._peers.values() if p.rest_until_us > now_us]
        if rests and any(not entry.fetch for entry in self._authors.values()):
            self._plan_us = min(rests)

    def is_far_behind(self, now_us: int) -> bool:
        """Whether so much is missing that the node should not claim tasks yet.

        True for a bounded time, and then not again for long: no peer can silence a node.
        """
        limits = self._limits
        if self.missing < limits.far_behind_records:
            return False
        began_us = self._pause_us
        if began_us is None or now_us >= began_us + limits.far_behind_rest_us:
            self._pause_us = began_us = now_us
            self._pause_end_us = now_us + limits.far_behind_us
        return now_us < began_us + limits.far_behind_us

    def _has_idle_peer(self, now_us: int) -> bool:
        busy = {fetch.link.id for fetch in self._fetches.values()}
        return len(busy) < self._limits.bulk_fetches and any(
            link_id not in busy and now_us >= peer.rest_until_us
            for link_id, peer in self._peers.items()
        )

    def _can_come(self, entry: _Author, now_us: int) -> bool:
        have = self._have(entry.author)
        return any(
            upto > have and self._is_able(link_id, entry.author, now_us)
            for link_id, upto in entry.sources.items()
        )

    def _hand_over(self, entry: _Author, now_us: int) -> None:
        """No stream gives the author: leave it to the pursuits, or forget it if it has come."""
        self._end(entry)
        for link_id, upto in entry.sources.items():
            peer = self._peers.get(link_id)
            if peer is not None and upto > self._have(entry.author):
                self._pursue(peer.link, entry.author, upto, now_us)

    def _shares(self, now_us: int) -> dict[int, list[_Author]]:
        """Which authors are asked of whom: each of one able peer, the load spread evenly, and no
        more than is of use before it is looked at again who has what."""
        idle = self._idle_links(now_us)
        waiting = [entry for entry in self._authors.values() if not entry.fetch]
        if not idle or not waiting:
            return {}
        load = dict.fromkeys(idle, 0)
        shares: dict[int, list[_Author]] = {link_id: [] for link_id in idle}
        for entry in waiting:
            have = self._have(entry.author)
            able = [
                link_id for link_id in idle
                if entry.sources.get(link_id, 0) > have
                and len(shares[link_id]) < MAX_LOGS_RANGES
                and load[link_id] < self._limits.bulk_fetch_records
                and self._is_able(link_id, entry.author, now_us)
            ]
            if able:
                chosen = min(able, key=lambda link_id: load[link_id])
                shares[chosen].append(entry)
                load[chosen] += entry.missing
        return shares

    def _idle_links(self, now_us: int) -> list[int]:
        """Peers that may be asked now, as many as there is room for; the most reliable first."""
        room = self._limits.bulk_fetches - len(self._fetches)
        busy = {fetch.link.author for fetch in self._fetches.values()}
        wanted: Counter[int] = Counter()
        for entry in self._authors.values():
            if not entry.fetch:
                wanted.update(entry.sources.keys())
        able = sorted(
            (peer.failures, peer.turns, link_id) for link_id, peer in self._peers.items()
            if wanted[link_id] and peer.link.author not in busy and now_us >= peer.rest_until_us
        )
        chosen: dict[bytes, int] = {}
        for _, _, link_id in able:
            chosen.setdefault(self._peers[link_id].link.author, link_id)
        return list(chosen.values())[: max(0, room)]

    def _fetch(self, link: Link, entries: Sequence[_Author], now_us: int) -> None:
        self._number += 1
        ranges = []
        wants: dict[bytes, _Want] = {}
        for entry in entries:
            first, last = self._have(entry.author) + 1, entry.sources[link.id]
            wants[entry.author] = _Want(first, first, last)
            ranges.append(Range(entry.author, first, last))
            entry.fetch = self._number
        self._fetches[self._number] = _Fetch(
            self._number, link, wants, now_us + self._limits.bulk_silence_us,
            now_us + self._limits.bulk_turn_us,
        )
        self._tell(FetchLogs(self._number, link.author, link.address, tuple(ranges)))

    # --- small parts -------------------------------------------------------------------------

    def _plan_soon(self, now_us: int) -> None:
        gather_us = self._limits.bulk_gather_us
        plan_us = now_us + (16 * gather_us if self._fetches else gather_us)
        if self._plan_us is None or plan_us < self._plan_us:
            self._plan_us = plan_us

    def _recount(self, entry: _Author) -> None:
        """Bring the count of what is missing up to date; an author that is whole goes."""
        missing = max(entry.sources.values(), default=0) - self._have(entry.author)
        if missing <= 0:
            self._end(entry)
            return
        missing = min(missing, self._limits.bulk_counted_records)
        self.missing += missing - entry.missing
        entry.missing = missing

    def _end(self, entry: _Author) -> None:
        if self._authors.pop(entry.author, None) is None:
            return
        self.missing -= entry.missing
        if self._caused[entry.cause] > 1:
            self._caused[entry.cause] -= 1
        else:
            self._caused.pop(entry.cause, None)

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {
            "bulk-authors": len(self._authors),
            "bulk-fetches": len(self._fetches),
            "bulk-light": len(self._light),
            "bulk-refused": max((len(peer.refused) for peer in self._peers.values()), default=0),
        }
