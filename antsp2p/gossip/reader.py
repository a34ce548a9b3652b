"""Reading frames: what each one makes a node do.

Law: one frame, one rule; each rule is a call to the part that owns it. Only what a linked peer
sent comes here. What a record means is not known here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.gossip.bulk_wire import parse_chunk
from antsp2p.gossip.outputs import (
    BeatLearned,
    HeadReported,
    Learned,
    Output,
    OwnDisplaced,
)
from antsp2p.gossip.quotas import Use
from antsp2p.gossip.tree import FROM_HERE, Way
from antsp2p.gossip.wire import (
    PROOF,
    RUN,
    Adverts,
    BeatFrame,
    Changes,
    Entry,
    Frame,
    Graft,
    Leaves,
    News,
    Nodes,
    Part,
    Peers,
    Ping,
    Pong,
    Probe,
    Prune,
    Records,
    Secret,
    Since,
    Want,
    WantAuthors,
    WantIds,
    WantNames,
    WantProofs,
)
from antsp2p.records.encoding import Malformed
from antsp2p.records.record import author_in

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from antsp2p.gossip.intake import Taken
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link
    from antsp2p.gossip.parts import Parts
    from antsp2p.records.log import Insertion
    from antsp2p.records.record import Record

_TOO_EARLY: Final = frozenset({"too-far", "waiting-full"})


class Reader:
    """`tell` takes outputs; `bad_signature(link, now_us)` is told of each offence."""

    def __init__(
        self,
        *,
        parts: Parts,
        limits: Limits,
        drops: Counter[str],
        tell: Callable[[Output], None],
        bad_signature: Callable[[Link, int], None],
    ) -> None:
        self._parts = parts
        self._limits = limits
        self._is_mesh = False
        self._mesh_until_us = -1
        self._drops = drops
        self._tell = tell
        self._bad_signature = bad_signature
        self._heads: dict[int, tuple[int, bytes]] = {}
        """Link id -> what the peer last said it holds of our log."""

    def opened(self, link: Link, seq: int, head: bytes, now_us: int) -> None:
        """The peer holds our log up to `seq`; if that is more than we have, fetch it."""
        self._heads[link.id] = (seq, head)
        self._tell(HeadReported(link.author, seq, head))
        self._parts.spread.follow(link, self._parts.visible.me, seq, now_us)

    def closed(self, link: Link) -> None:
        self._heads.pop(link.id, None)

    def read(self, link: Link, frames: Sequence[Frame], now_us: int) -> None:
        """The frames of one datagram, in order."""
        wants: list[Want] = []
        ids: list[bytes] = []
        asked = ponged = False
        for frame in frames:
            match frame:
                case Want(_, ranges):
                    if self._parts.quotas.of_link(link).charge(Use.WANTS, len(ranges), now_us):
                        wants.append(frame)
                        asked = True
                    else:
                        self._drops["quota-wants"] += 1
                case WantIds(wanted_ids):
                    ids.extend(wanted_ids)
                    asked = True
                case Ping(counter, root, cursor, sent):
                    self._parts.liveness.pinged(link, sent)
                    self._hear_root(link, root, cursor, now_us)
                    if not ponged:
                        self._pong(link, counter, now_us)
                    ponged = True
                case _:
                    self._read_frame(link, frame, now_us)
            if not self._parts.links.holds(link):
                return
        if asked:
            self._parts.liveness.active(link, now_us)
            authors = [asked.author for want in wants for asked in want.ranges]
            self._parts.reconcile.wanted(link, authors, now_us)
            for author in self._parts.server.answer(link, wants, ids, now_us):
                self._parts.proofs.offer(link, author, now_us)

    def _read_frame(self, link: Link, frame: Frame, now_us: int) -> None:
        match frame:
            case Pong(counter, root, cursor, sent, heard):
                self._parts.liveness.answered(link, counter, sent, heard, now_us)
                self._hear_root(link, root, cursor, now_us)
            case Adverts():
                self._parts.liveness.active(link, now_us)
                self._parts.spread.told(link, frame, now_us)
            case WantNames():
                self._parts.spread.name(link, frame, now_us)
            case News(stem, hops, entries):
                self._parts.liveness.active(link, now_us)
                admitted = self._admitted(link, entries, now_us)
                self._read_runs(
                    link, self._parts.intake.insert(admitted, now_us), now_us, Way(stem, hops))
            case Prune():
                self._parts.tree.pruned(link)
            case Graft():
                self._parts.tree.grafted(link)
            case Records():
                self._parts.liveness.active(link, now_us)
                self._answered(link, frame, now_us)
            case Since() | Changes() | Probe() | Nodes() | WantAuthors() | Leaves():
                self._parts.reconcile.read(link, frame, now_us)
            case BeatFrame(wire):
                self._parts.liveness.active(link, now_us)
                if self._read_beat(link, wire, now_us):
                    self._bad_signature(link, now_us)
            case Part():
                self._read_part(link, frame, now_us)
            case Secret():
                self._parts.liveness.active(link, now_us)
                self._parts.rotation.told(link, frame, now_us)
            case WantProofs(authors):
                for author in authors:
                    self._parts.proofs.asked(link, author, now_us)
            case Peers(asks, peers):
                if asks:
                    self._parts.sharing.asked(link, now_us)
                if self._parts.sharing.may_name(link, len(peers), now_us):
                    self._parts.view.named(link.author, link.address[0], peers, now_us)
                else:
                    self._drops["peers-rate"] += 1
            case _:
                self._drops["frame-misplaced"] += 1

    def _read_beat(self, link: Link, wire: bytes, now_us: int) -> bool:
        """Returns whether the signature is wrong."""
        beat, is_bad = self._parts.beats.receive(
            link, wire, now_us, is_mesh=self.is_mesh(now_us))
        if beat is not None:
            self._tell(BeatLearned(beat))
        return is_bad

    def _read_part(self, link: Link, part: Part, now_us: int) -> None:
        parts = self._parts
        if part.kind == PROOF and parts.proofs.is_known(link, part):
            return
        whole = parts.assemblies.add(link, part)
        if whole is None:
            return
        if part.kind == RUN:
            self._take(link, parts.intake.entries(part, whole), now_us)
            return
        insertion = parts.proofs.receive(link, part, whole)
        if insertion is not None:
            parts.intake.settle(insertion, now_us)
            self._learn(link, insertion, 0, None, now_us)

    def _admitted(
        self, link: Link, entries: Sequence[Entry], now_us: int
    ) -> list[tuple[Record, int]]:
        """Of pushed records those that nobody's quota keeps out; what is left out comes with the
        reconciliation. What is here already is not counted, and not even read where its author's
        quota is used up."""
        admitted: list[tuple[Record, int]] = []
        quotas = self._parts.quotas
        calm = [
            entry for entry in entries if not quotas.is_flooding(author_in(entry.wire), now_us)
        ]
        if len(calm) < len(entries):
            self._drops["quota-records"] += len(entries) - len(calm)
        for record, age_ms in self._parts.intake.parse(calm):
            held_seq = self._parts.visible.seq(record.author)
            if record.seq > held_seq:
                if not quotas.of_author(record.author).charge(Use.RECORDS, 1, now_us):
                    self._drops["quota-records"] += 1
                    continue
                is_unknown = not held_seq and record.seq == 1
                if is_unknown and not quotas.of_link(link).charge(Use.AUTHORS, 1, now_us):
                    self._drops["quota-authors"] += 1
                    continue
            admitted.append((record, age_ms))
        return admitted

    def _answered(self, link: Link, frame: Records, now_us: int) -> None:
        """Records that were asked for."""
        is_news = self._take(link, frame.entries, now_us)
        if frame.number and self._parts.links.holds(link):
            self._parts.pursuits.answered(link, frame.number, is_news, bool(frame.last), now_us)

    def read_logs(self, fetch: int, chunk: bytes, now_us: int) -> None:
        """A chunk of what was asked for with `FetchLogs`."""
        bulk, intake = self._parts.bulk, self._parts.intake
        try:
            entries = parse_chunk(chunk)
        except Malformed as malformed:
            bulk.offend(fetch, "bulk-" + malformed.reason, now_us)
            return
        parsed = intake.parse(entries)
        if not parsed or len(parsed) < len(entries):
            bulk.offend(fetch, "bulk-record", now_us)
            return
        admitted = bulk.admit(fetch, parsed, now_us)
        if admitted is not None:
            link, records = admitted
            taken = intake.insert(records, now_us)
            self._read_runs(link, taken, now_us, in_bulk=True)
            bulk.taken(fetch, taken, now_us)

    def _take(
        self, link: Link, entries: Sequence[Entry], now_us: int, way: Way | None = None
    ) -> bool:
        """Offer records to the logs; whether any was new. `way`: of pushed ones."""
        return self._read_runs(link, self._parts.intake.take(entries, now_us), now_us, way)

    def _read_runs(
        self, link: Link, all_taken: Sequence[Taken], now_us: int, way: Way | None = None,
        in_bulk: bool = False,
    ) -> bool:
        """Runs that have been offered to the logs; whether any of them was news."""
        is_news = False
        for taken in all_taken:
            run, insertion = taken.run, taken.insertion
            if taken.displaced:
                self._parts.ages.forget(taken.displaced)
                self._tell(OwnDisplaced(taken.displaced))
            author, first, last = run[0].author, run[0].seq, run[-1].seq
            if not insertion.refused:
                self._parts.spread.shown(link, author, last)
            on = None
            if not in_bulk and self._parts.links.holds(link):
                on = self._shape(link, run, insertion, way, now_us)
            elif insertion.added:
                self._parts.awaited.arrived(author)
            self._learn(link, insertion, taken.age_ms, on, now_us)
            if not self._parts.links.holds(link):
                continue  # What it brought is in the set all the same, and must be told.
            if insertion.refused in _TOO_EARLY:
                self._parts.pursuits.refused(link, author, first, last, now_us)
                continue
            is_new = not insertion.refused and insertion.duplicates < len(run)
            self._parts.pursuits.arrived(link, author, first, last, is_new, now_us)
            is_news = is_news or is_new
        return is_news

    def _shape(
        self, link: Link, run: Sequence[Record], insertion: Insertion, way: Way | None,
        now_us: int,
    ) -> Way:
        """Let the tree and the patience learn from how these records came; the way on which
        they are pushed on."""
        parts, top, on = self._parts, run[-1], FROM_HERE
        if way is None:
            if insertion.added:
                on = parts.tree.pulled(top.id)
                if parts.awaited.is_overdue(top.author):
                    parts.tree.missed(link)
        elif not insertion.refused:
            is_new = insertion.duplicates < len(run)
            on = parts.tree.pushed(link, top.id, way, is_new)
            if way.stem == 0:
                parts.awaited.pushed(top.author, top.seq, is_new, now_us)
        if insertion.added:
            parts.awaited.arrived(top.author)
        return on

    def _learn(
        self, link: Link, insertion: Insertion, age_ms: int, way: Way | None, now_us: int
    ) -> None:
        """Tell what an insertion changed, pass it on, and ask for what it lacks.

        Without a way it is not pushed on: it came in bulk, and others are told of it.
        """
        if insertion.added or insertion.removed or insertion.convicted:
            self._tell(Learned(insertion, link.author))
        if insertion.added:
            self._parts.reconcile.moved(link, now_us)
            early = self._parts.beats.early(insertion.added[0].author)
            if early is not None:
                # Another peer may have brought it: a wrong signature is nobody's offence here.
                self._read_beat(link, early, now_us)
        if insertion.added and self._is_told_by_its_author(insertion.added, link, now_us):
            self._parts.spread.hold(insertion.added, now_us)
        elif (
            insertion.added and way is not None and age_ms <= self._limits.pushed_age_ms
        ):
            self._parts.spread.news(insertion.added, link, way, now_us)
        elif insertion.added:
            self._parts.spread.announce(insertion.added, link, now_us)
        if insertion.convicted is not None:
            self.convicted(insertion.convicted.author, link, now_us)
        if not self._parts.links.holds(link):
            return
        missing = insertion.missing
        if missing is not None:
            self._parts.pursuits.fill(link, missing.author, missing.first, missing.last, now_us)
        if insertion.sibling is not None:
            self._parts.proofs.ask_sibling(link, insertion.sibling, now_us)
        if insertion.refused == "signature":
            self._bad_signature(link, now_us)

    def _is_told_by_its_author(
        self, added: tuple[Record, ...], link: Link, now_us: int
    ) -> bool:
        """Whether `added` came straight from its author, who is linked to everybody as we are."""
        return added[0].author == link.author and self.is_mesh(now_us)

    def is_mesh(self, now_us: int) -> bool:
        """Whether all nodes known to be about are linked here; looked at now and then."""
        if now_us >= self._mesh_until_us:
            linked = {link.author for link in self._parts.links.all()}
            self._is_mesh = self._parts.view.is_mesh(linked)
            self._mesh_until_us = now_us + self._limits.mesh_check_us
        return self._is_mesh

    def convicted(self, author: bytes, source: Link | None, now_us: int) -> None:
        """There is a new proof against `author`: tell all but `source`."""
        self._parts.pursuits.cut(author)
        self._parts.bulk.cut(author, now_us)
        self._parts.proofs.spread(author, source, now_us)

    def report(self, link: Link, seq: int, head: bytes) -> None:
        """The peer said what it holds of our own log."""
        if self._heads.get(link.id) != (seq, head):
            self._heads[link.id] = (seq, head)
            self._tell(HeadReported(link.author, seq, head))

    def _pong(self, link: Link, counter: int, now_us: int) -> None:
        root, cursor = self._parts.reconcile.root(now_us)
        self._parts.outbox.post(link, Pong(counter, root, cursor, link.sent + 1, link.heard))

    def _hear_root(self, link: Link, root: bytes, cursor: int, now_us: int) -> None:
        if self._parts.reconcile.heard(link, root, cursor, now_us):
            self._parts.liveness.active(link, now_us)
