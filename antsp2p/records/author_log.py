"""One author's records at this node: the run from the first to the head, and what waits above it.

Law: only storage and its invariants. What is put here was found valid before; two records that are
adjacent here are linked. A stretch ends in a signed record, unless it was restored and its
signature has spoiled meanwhile.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from antsp2p.records.fork import ForkProof
    from antsp2p.records.keys import Verify
    from antsp2p.records.record import Record

_UNCHECKED, _GOOD, _BAD = 0, 1, 2
NOTHING_TOLD = (0, 0)
"""Of an author without a leaf."""

Strand = Callable[[int], "Record | None"]
"""seq -> record: valid records, linked where adjacent."""


def strand_of(records: Sequence[Record]) -> Strand:
    """The strand of consecutive records, at least one."""
    first = records[0].seq
    return lambda seq: records[seq - first] if 0 <= seq - first < len(records) else None


def ids_at(strands: Sequence[Strand], seq: int) -> dict[bytes, list[tuple[Strand, int]]]:
    """Every id that `strands` show at `seq`, with each strand and its lowest seq that shows it.

    An id is shown by its own record at `seq`, or by the `prev` of one at `seq + 1`; the former come
    first.
    """
    ids: dict[bytes, list[tuple[Strand, int]]] = {}
    for strand in strands:
        if (record := strand(seq)) is not None:
            ids.setdefault(record.id, []).append((strand, seq))
    for strand in strands:
        if (record := strand(seq + 1)) is not None:
            ids.setdefault(record.prev, []).append((strand, seq + 1))
    return ids


class AuthorLog:
    """`run[i]` has seq i + 1. Waiting records stand above a gap, and below a proven fork."""

    __slots__ = ("_signed", "_waiting_signed", "cover", "crowd", "proof", "run", "told", "waiting")

    def __init__(self) -> None:
        self.run: list[Record] = []
        self._signed = bytearray()
        self.waiting: dict[int, Record] = {}
        self._waiting_signed: set[int] = set()
        self.proof: ForkProof | None = None
        # From the fork up to a signed record, where the record just below the fork is valid only
        # as its ancestor. Without these it could not be shown to anybody.
        self.cover: tuple[Record, ...] = ()
        self.crowd = 0
        """As how many waiting records this author was last counted."""
        self.told = NOTHING_TOLD
        """(seq, convicted seq) of the author's leaf."""

    def known(self, seq: int) -> Record | None:
        """The record at `seq`, in the run or waiting."""
        return self.run[seq - 1] if 0 < seq <= len(self.run) else self.waiting.get(seq)

    def knows(self, record: Record) -> bool:
        """Whether the record is in the run or waiting, by its id."""
        known = self.known(record.seq)
        return known is not None and known.id == record.id

    def holds(self, record: Record) -> bool:
        """Whether the record is in the run, by its id; then so are all below it."""
        index = record.seq - 1
        return index < len(self.run) and self.run[index].id == record.id

    def is_continued_by(self, record: Record) -> bool:
        """Whether nothing is known above the run, and the record comes next in it."""
        run = self.run
        if self.waiting or self.proof is not None or record.seq != len(run) + 1:
            return False
        return record.prev == run[-1].id if run else True

    def strand(self, seq: int) -> Record | None:
        """Like `known`, with the cover on top."""
        record = self.known(seq)
        return strand_of(self.cover)(seq) if record is None and self.cover else record

    def strands(self, branches: Sequence[Sequence[Record]] = ()) -> list[Strand]:
        """All that is known to be valid of this author: the log, `branches`, the proof."""
        proven = () if self.proof is None else (self.proof.left, self.proof.right)
        return [self.strand, *(strand_of(branch) for branch in (*branches, *proven))]

    def top(self) -> int:
        """The highest seq known."""
        return max(self.waiting, default=len(self.run))

    def kept(self) -> tuple[Record, ...]:
        """What is held outside the run for ever: the proof's records and the cover."""
        return () if self.proof is None else (*self.proof.left, *self.proof.right, *self.cover)

    def gap(self) -> tuple[int, int] | None:
        """The lowest gap, first and last seq: below what waits, or else below the proven fork."""
        above = 0 if self.proof is None else self.proof.seq
        first, last = len(self.run) + 1, min(self.waiting, default=above) - 1
        return (first, last) if first <= last else None

    def sibling(self) -> bytes | None:
        """The id whose record may prove a lower fork."""
        unknown = () if self.proof is None else self.proof.unknown
        return unknown[0] if unknown else None

    # --- signatures ------------------------------------------------------------------------------

    def is_signed(self, record: Record, verify: Verify) -> bool:
        """Whether the record's own signature verifies; found out once for a record of the run."""
        index = record.seq - 1
        if index < len(self.run) and self.run[index] is record:
            if self._signed[index] == _UNCHECKED:
                self._signed[index] = _GOOD if record.verifies(verify) else _BAD
            return self._signed[index] == _GOOD
        if self.waiting.get(record.seq) is record and record.seq in self._waiting_signed:
            return True
        return record.verifies(verify)

    def put_signed(self, record: Record) -> bool:
        """Put a record with a good signature in the place of its known self; True if it is new."""
        index = record.seq - 1
        if index >= len(self.run):
            self.waiting[record.seq] = record
            self._waiting_signed.add(record.seq)
        elif self._signed[index] != _GOOD:
            self.run[index], self._signed[index] = record, _GOOD
            return True
        return False

    # --- growing and shrinking -------------------------------------------------------------------

    def wait(self, record: Record, *, is_signed: bool) -> None:
        """Let a record wait, unless one waits at its seq."""
        if record.seq not in self.waiting:
            self.waiting[record.seq] = record
            if is_signed:
                self._waiting_signed.add(record.seq)

    def grow(self, records: Sequence[Record], signed: Collection[int]) -> None:
        """Put records on top of a run that they continue."""
        self.run.extend(records)
        self._signed.extend(_GOOD if record.seq in signed else _UNCHECKED for record in records)

    def join_waiting(self) -> tuple[Record, ...]:
        """Move to the run what stands just above it; returns the records moved."""
        head = len(self.run)
        while (record := self.waiting.pop(len(self.run) + 1, None)) is not None:
            self.run.append(record)
            self._signed.append(_GOOD if record.seq in self._waiting_signed else _UNCHECKED)
            self._waiting_signed.discard(record.seq)
        return tuple(self.run[head:])

    def drop_highest_waiting(self) -> None:
        """Drop the topmost waiting record, and those below that only it covered."""
        seq = max(self.waiting)
        while True:
            del self.waiting[seq]
            self._waiting_signed.discard(seq)
            seq -= 1
            if seq not in self.waiting or seq in self._waiting_signed:
                return

    def cut(self, first_seq: int) -> tuple[Record, ...]:
        """Take the records from `first_seq` (>= 1) on out of the run; returns them."""
        removed = tuple(self.run[first_seq - 1 :])
        del self.run[first_seq - 1 :], self._signed[first_seq - 1 :]
        return removed

    def cut_waiting(self, first_seq: int) -> None:
        """Forget what waits from `first_seq` on."""
        for seq in [seq for seq in self.waiting if seq >= first_seq]:
            del self.waiting[seq]
            self._waiting_signed.discard(seq)
