"""Intake: records and proofs from a peer are checked and go into the logs.

Law: size, encoding, schema, then signature, and each failure has a name. Whom it came from matters
only for blame. Own unsent records give way to own signed ones that a peer shows; nobody is
convicted by what never left.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.limits import MAX_FORESEEN, MAX_PARTS, PART_BYTES
from antsp2p.gossip.wire import Entry
from antsp2p.records.encoding import Malformed, decode
from antsp2p.records.fork import MAX_UNSIGNED

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence

    from antsp2p.gossip.ages import Ages
    from antsp2p.gossip.visible import Visible
    from antsp2p.gossip.wire import Part
    from antsp2p.records.keys import Check, Verify
    from antsp2p.records.log import Insertion
    from antsp2p.records.record import Parse, Record


@dataclass(frozen=True, slots=True)
class Taken:
    """One run that was offered to the logs."""

    run: tuple[Record, ...]
    age_ms: int
    insertion: Insertion
    displaced: tuple[Record, ...]
    """Own records, never sent, that were taken back before."""


class Intake:
    """The one way into the logs for what others send."""

    def __init__(
        self, *, visible: Visible, verify: Verify, parse: Parse, ages: Ages, drops: Counter[str]
    ) -> None:
        self._visible = visible
        self._verify = verify
        self._parse = parse
        self._ages = ages
        self._drops = drops
        self._foreseen: dict[bytes, Record] = {}
        """Records that were parsed and not yet taken, by their wire."""

    def take(self, entries: Sequence[Entry], now_us: int) -> list[Taken]:
        """Insert the records of one frame; consecutive ones of an author go in as one run."""
        return self.insert(self.parse(entries), now_us)

    def foresee(self, frames: Iterable[Sequence[Entry]]) -> list[Check]:
        """The signatures that will be checked when these are taken, if nothing comes between."""
        if len(self._foreseen) > MAX_FORESEEN:
            self._foreseen.clear()  # They came on links that have been closed since.
        checks: list[Check] = []
        for entries in frames:
            for entry in entries:
                try:
                    record = self._parse(entry.wire)
                except Malformed:
                    continue
                self._foreseen[entry.wire] = record
                if self._visible.logs.get(record.id) is None:
                    checks.append((record.author, record.signature, record.signed_bytes))
        return checks

    def parse(self, entries: Sequence[Entry]) -> list[tuple[Record, int]]:
        """The records that are well formed, with their ages; others are counted."""
        parsed: list[tuple[Record, int]] = []
        for entry in entries:
            try:
                record = self._foreseen.pop(entry.wire, None) or self._parse(entry.wire)
                parsed.append((record, entry.age_ms))
            except Malformed as malformed:
                self._drops["record-" + malformed.reason] += 1
        return parsed

    def insert(self, parsed: Sequence[tuple[Record, int]], now_us: int) -> list[Taken]:
        """Insert records; consecutive ones of an author go in as one run."""
        return [self._insert(run, now_us) for run in _runs(parsed)]

    def entries(self, part: Part, content: bytes) -> tuple[Entry, ...]:
        """The records of a whole run that came in parts; none where it is not what it says."""
        try:
            if hashlib.sha256(content).digest() != part.id:
                raise Malformed("id")
            wires = decode(content, MAX_PARTS * PART_BYTES)
            if type(wires) is not list or any(type(wire) is not bytes for wire in wires):
                raise Malformed("array")
        except Malformed as malformed:
            self._drops["run-" + malformed.reason] += 1
            return ()
        return tuple(Entry(part.age_ms, wire) for wire in wires[: MAX_UNSIGNED + 1])

    def _insert(self, aged: Sequence[tuple[Record, int]], now_us: int) -> Taken:
        run = tuple(record for record, _ in aged)
        for record, age_ms in aged:
            self._ages.offered(record, age_ms, now_us)
        displaced = self._displace(run)
        insertion = self._visible.logs.insert(run)
        self.settle(insertion, now_us)
        if run[0].author == self._visible.me:
            self._raise_published(run)
        if insertion.refused:
            self._drops["record-" + insertion.refused] += 1
        return Taken(run, aged[-1][1], insertion, displaced)

    def settle(self, insertion: Insertion, now_us: int) -> None:
        """Keep the ages in step with the set."""
        for record in insertion.added:
            self._ages.hold(record.id, now_us)
        self._ages.forget(insertion.removed)

    def _displace(self, run: Sequence[Record]) -> tuple[Record, ...]:
        """Take back own unsent records where `run` shows other own signed ones in their place."""
        visible = self._visible
        if run[0].author != visible.me:
            return ()
        shown = {record.seq: record.id for record in run}
        shown[run[0].seq - 1] = run[0].prev
        clashes = [
            seq for seq, record_id in shown.items()
            if seq > visible.published
            and (mine := visible.logs.at(visible.me, seq)) is not None and mine.id != record_id
        ]
        if not clashes or not run[-1].verifies(self._verify):
            return ()
        return visible.logs.truncate_own(visible.me, visible.published + 1)

    def _raise_published(self, run: Sequence[Record]) -> None:
        """Own records that a peer has are out already."""
        visible = self._visible
        for record in run:
            mine = visible.logs.at(visible.me, record.seq)
            if mine is not None and mine.id == record.id:
                visible.publish(record.seq)


def _runs(parsed: Sequence[tuple[Record, int]]) -> list[list[tuple[Record, int]]]:
    """Split into runs of consecutive records of one author, each naming the one before."""
    runs: list[list[tuple[Record, int]]] = []
    for record, age_ms in parsed:
        last = runs[-1][-1][0] if runs else None
        if (
            last is not None and record.author == last.author and record.seq == last.seq + 1
            and record.prev == last.id
        ):
            runs[-1].append((record, age_ms))
        else:
            runs.append([(record, age_ms)])
    return runs
