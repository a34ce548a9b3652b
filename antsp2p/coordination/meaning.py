"""What the set of records means: the folds over it, and which records each of them gets.

Law: the standings read every record, the other folds only what counts by its author's standing. So
what they hold is a pure function of the set and of where logs fork, also when a revoke comes long
after what it takes back, or goes again. No rule is here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from antsp2p.coordination.body import RecordType
from antsp2p.coordination.capability import CapabilityFold
from antsp2p.coordination.marks import MarkFold
from antsp2p.coordination.reputation import Ledger
from antsp2p.coordination.standing import PLAIN, Standing, Standings
from antsp2p.coordination.tasks import TaskFold
from antsp2p.coordination.vouches import Vouches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from antsp2p.coordination.body import Announce, Mark
    from antsp2p.coordination.pins import Pins
    from antsp2p.records.record import Record

    RecordAt = Callable[[bytes, int], Record | None]
    """(author, seq) -> the author's record there, if it is in the set."""


_ANNOUNCE: Final = int(RecordType.ANNOUNCE)
_MARK: Final = int(RecordType.MARK)
_VOUCH: Final = int(RecordType.VOUCH)
_NOTHING: Final[tuple[Sequence[bytes], Sequence[bytes]]] = ((), ())


class Folded(NamedTuple):
    """What a change to the set changed."""

    tasks: Sequence[bytes] = ()
    """Their state may be another."""
    said: Announce | Mark | None = None
    """The record's own, where it is its author's latest now."""
    authors: Sequence[bytes] = ()
    """Their standing is another."""


class Meaning:
    """All folds of one observer. A record is in the set before `add` and out of it before `remove`.

    `record_at` is asked about the set: each author's log in it is gapless from seq 1.
    """

    def __init__(
        self, me: bytes, network: bytes, record_at: RecordAt, *, work_bits: int = 0
    ) -> None:
        self.standings = Standings(network, self._id_at, work_bits)
        self.tasks = TaskFold()
        self.capabilities = CapabilityFold()
        self.marks = MarkFold()
        self.vouches = Vouches()
        self.ledger = Ledger(me, self.standings.lineage, self.capabilities.configuration)
        self._record_at = record_at
        self._applied: dict[bytes, Standing] = {}

    def set_pins(self, pins: Pins) -> list[bytes]:
        """Whom this node's person trusts or shuts out; returns the tasks to be looked at again."""
        changed = self.ledger.pins.blocked ^ pins.blocked
        self.ledger.set_pins(pins)
        self.capabilities.block(pins.blocked)
        return [task for author in sorted(changed) for task in self.tasks.tasks_of(author)]

    def standing(self, author: bytes) -> Standing:
        """What the author counts for."""
        return self._applied.get(author, PLAIN)

    def _id_at(self, author: bytes, seq: int) -> bytes | None:
        record = self._record_at(author, seq)
        return None if record is None else record.id

    def add(self, record: Record, tick: int = 0) -> Folded:
        """The record is new in the set, and was first seen at `tick`."""
        self.ledger.seen.note(record.author, record.seq, tick)
        looked_at = self.standings.add(record)
        tasks, authors = self._settle(looked_at) if looked_at else _NOTHING
        if record.seq > self.standing(record.author).last_seq:
            return Folded(tasks, None, authors)
        said = self._say(record)
        touched = self._take_in(record)
        return Folded((*tasks, *touched) if tasks else touched, said, authors)

    def _say(self, record: Record) -> Announce | Mark | None:
        """What the record says of itself, where no task has to do with it."""
        if record.type == _ANNOUNCE:
            return self.capabilities.add(record)
        return self.marks.add(record) if record.type == _MARK else None

    def _take_in(self, record: Record) -> Sequence[bytes]:
        if record.type == _VOUCH:
            tick = self.ledger.seen.tick(record.author, record.seq)
            self._lend(self.vouches.add(record, tick))
        tasks = self.tasks.add(record)
        if not self.ledger.is_waiting:
            return tasks
        return (*tasks, *self.ledger.waiting_for(self.tasks.naming(record)))

    def _take_out(self, record: Record) -> Sequence[bytes]:
        self.capabilities.remove(record)
        self.marks.remove(record)
        self._lend(self.vouches.remove(record))
        return self.tasks.remove(record)

    def _lend(self, pair: tuple[bytes, bytes] | None) -> None:
        if pair is not None:
            self.ledger.lend(*pair, self.vouches.given(*pair))

    def remove(self, record: Record) -> Folded:
        """The record has left the set."""
        self.ledger.seen.cut(record.author, record.seq)
        tasks = list(self._take_out(record))
        looked_at = self.standings.remove(record)
        if not looked_at:
            return Folded(tasks)
        more, authors = self._settle(looked_at)
        return Folded(tasks + more, None, authors)

    def forked(self, author: bytes, seq: int) -> Folded:
        """The author's log is proven to fork at `seq`; what stood from there on was removed."""
        tasks, authors = self._settle(self.standings.forked(author, seq))
        return Folded(tasks, None, authors)

    def _settle(self, authors: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Bring the folds in line with standings that may have changed."""
        tasks: list[bytes] = []
        changed: list[bytes] = []
        for author in authors:
            before, now = self.standing(author), self.standings.of(author)
            if now == before:
                continue
            changed.append(author)
            if now == PLAIN:
                del self._applied[author]
            else:
                self._applied[author] = now
            tasks += self._move(author, before.last_seq, now.last_seq)
            tasks += self._judge(author, before, now)
        return tasks, changed

    def _move(self, author: bytes, before: int, now: int) -> list[bytes]:
        """Take out what counts no more, or take in what counts again."""
        tasks: list[bytes] = []
        seq = min(before, now) + 1
        while seq <= max(before, now) and (record := self._record_at(author, seq)) is not None:
            if now < before:
                tasks += self._take_out(record)
            else:
                self._say(record)
                tasks += self._take_in(record)
            seq += 1
        return tasks

    def _judge(self, author: bytes, before: Standing, now: Standing) -> tuple[bytes, ...]:
        if now.convicted != before.convicted:
            (self.ledger.convict if now.convicted else self.ledger.pardon)(author)
        if now.is_out == before.is_out:
            return ()
        if now.is_out:
            self.capabilities.convict(author)
            self.marks.convict(author)
            return self.tasks.convict(author)
        self.capabilities.pardon(author)
        self.marks.pardon(author)
        return self.tasks.pardon(author)
