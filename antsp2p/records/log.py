"""Everybody's logs: per author one gapless run of records, or what stands below its proven fork.

Law: the set is a pure function of the records that arrived, whatever their order. Only envelopes
count: nothing here reads a body, knows a clock or a peer, or decides whom to carry. A record is in
the set if it is signed, or an ancestor by `prev` of one that is, and every record below it is here.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

from antsp2p.records.author_log import NOTHING_TOLD, AuthorLog
from antsp2p.records.cover import above, covered, fork_seq, prove
from antsp2p.records.digest import ROOT_BYTES, Digest, Leaf
from antsp2p.records.fork import (
    ForkProof,
    encode_proof,
    is_chain,
    is_well_formed,
    parse_proof,
    verify_proof,
)
from antsp2p.records.record import NO_PREV, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from antsp2p.records.keys import Verify

# A proof is what a log set gives and takes, so it is found here as well.
__all__ = [
    "ForkProof", "Head", "Insertion", "Leaf", "LogSet", "Missing",
    "encode_proof", "parse_proof", "verify_proof",
]

MAX_AUTHORS: Final = 65_536
"""Authors held, waiting or convicted: a table of about 50 MB before the records themselves."""
MAX_WAITING_PER_AUTHOR: Final = 128
"""Records of one author above a gap: enough for a burst out of order; a longer gap is a catch-up,
which comes from the bottom."""
MAX_WAITING: Final = 4_096
"""Records of all authors above gaps, about 8 MB at their largest."""
MAX_AHEAD: Final = 1_024
"""How far above the head a record may wait. What is farther will be offered again by the time the
gap is closed."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a log."""

    seq: int
    id: bytes


@dataclass(frozen=True, slots=True)
class Missing:
    """A gap in an author's log: the seqs `first` to `last` are to be asked for."""

    author: bytes
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Insertion:
    """What an offer changed, and what is to be fetched next."""

    added: tuple[Record, ...] = ()
    """Newly in the set, ascending; with waiting ones that became contiguous."""
    removed: tuple[Record, ...] = ()
    """No longer in the set, ascending: at or above a fork."""
    convicted: ForkProof | None = None
    """A proof that is new: of a first fork, of a lower one, or of the same with more known."""
    missing: Missing | None = None
    """The lowest gap below records that wait, or that were too many to wait."""
    sibling: bytes | None = None
    """The id of a record that may prove a lower fork than the one known: fetch it by id."""
    duplicates: int = 0
    """Offered records that were held or waiting already."""
    refused: str = ""
    """Why nothing of the offer was kept: network, chain, signature, convicted, too-far,
    waiting-full or authors-full."""


class LogSet:
    """The logs of all authors of one network. Nothing here raises on any record."""

    def __init__(self, network: bytes, verify: Verify) -> None:
        self._network = network
        self._verify = verify
        self._logs: dict[bytes, AuthorLog] = {}
        self._by_id: dict[bytes, Record] = {}
        self.digest = Digest(self.leaf)
        self._veiled, self._veiled_above = b"", 0
        # Authors by how many of their records wait, so that the fullest is found at once.
        self._crowds: list[dict[bytes, None]] = [{} for _ in range(MAX_WAITING_PER_AUTHOR + 1)]
        self._waiting_count = 0

    # --- what changes the set --------------------------------------------------------------------

    def insert(self, run: Sequence[Record]) -> Insertion:
        """Offer consecutive records of one author, ascending.

        The last must be signed, or be named as `prev` by a record that is known to be valid; it
        covers its ancestors, whose own signatures are not checked. Nothing is taken of a run that
        is refused for its network, chain or signature.
        """
        if not run:
            return Insertion()
        network = self._network
        lowest = run[0]
        if lowest.network != network or (
            len(run) > 1 and any(record.network != network for record in run)
        ):
            return Insertion(refused="network")
        if len(run) > 1 and not is_chain(run):
            return Insertion(refused="chain")
        author, first = lowest.author, lowest.seq
        log = self._logs.get(author)
        if log is None:
            if len(self._logs) >= MAX_AUTHORS:
                return Insertion(refused="authors-full")
            log = AuthorLog()
        if log.is_continued_by(lowest):
            return self._grow(log, run)
        if log.holds(run[-1]) and log.is_signed(log.run[run[-1].seq - 1], self._verify):
            return Insertion(sibling=log.sibling(), duplicates=len(run))
        if log.proof is not None and first >= log.proof.seq and not fork_seq(log, [run]):
            return Insertion(refused="convicted", sibling=log.sibling())
        found = covered(log, run, self._verify)
        if found is None:
            return Insertion(refused="signature")
        offered, signed = found
        seq = fork_seq(log, [offered])
        proof = prove(author, log, seq, [offered], self._verify) if seq else None
        if seq and proof is None:
            return Insertion(refused="chain", sibling=log.run[-1].id if log.run else None)
        removed = self._cut_at(log, proof, [offered]) if proof is not None else ()
        part = offered[: len(run)]
        if log.proof is not None:
            part = part[: max(0, log.proof.seq - first)]
        duplicates = self._improve(log, part, signed)
        added, refused = self._extend(log, part, signed)
        self._keep_cover(log, offered)
        self._settle(author, log)
        if not refused and part and log.known(part[-1].seq) is None:
            refused = "waiting-full"
        is_above_gap = bool(part) and part[-1].seq > len(log.run)
        missing = _gap(author, log) if added or proof or is_above_gap else None
        if missing is None and is_above_gap:
            missing = Missing(author, len(log.run) + 1, part[0].seq - 1)
        return Insertion(added, removed, proof, missing, log.sibling(), duplicates, refused)

    def _grow(self, log: AuthorLog, run: Sequence[Record]) -> Insertion:
        """Take in what stands right on top of all that is known of its author: no fork is shown,
        nothing waits for it, and nothing above can cover it."""
        if len(run) == 1:
            # Nothing above it is known that could cover it: its own signature decides.
            signed = {run[0].seq} if run[0].verifies(self._verify) else None
        else:
            found = covered(log, run, self._verify)
            signed = None if found is None else found[1]
        if signed is None:
            return Insertion(refused="signature")
        log.grow(run, signed)
        for record in run:
            self._by_id[record.id] = record
        self._settle(run[0].author, log)
        return Insertion(added=tuple(run))

    def convict(self, proof: ForkProof) -> Insertion:
        """Offer a proof, which is verified here. One that tells nothing new costs no check."""
        if not is_well_formed(proof):
            return Insertion(refused="chain")
        if proof.left[0].network != self._network:
            return Insertion(refused="network")
        author, branches = proof.author, [proof.left, proof.right]
        log = self._logs.get(author)
        if log is None:
            if len(self._logs) >= MAX_AUTHORS:
                return Insertion(refused="authors-full")
            log = AuthorLog()
        seq = fork_seq(log, branches)
        if not seq:
            return Insertion(sibling=log.sibling())
        if not verify_proof(proof, self._network, self._verify):
            return Insertion(refused="signature")
        lower = prove(author, log, seq, branches, self._verify)
        if lower is None and log.proof is not None and log.proof.seq <= proof.seq:
            return Insertion(sibling=log.sibling())
        lower = lower or proof
        removed = self._cut_at(log, lower, branches)
        self._settle(author, log)
        return Insertion(
            removed=removed, convicted=lower, missing=_gap(author, log), sibling=log.sibling()
        )

    def restore(self, run: Sequence[Record]) -> int:
        """Take back records of one author from the node's own store, ascending, up to the first
        that does not continue its log; signatures are not checked. Returns how many.
        """
        author = run[0].author
        log = self._logs.get(author) or AuthorLog()
        if author not in self._logs and len(self._logs) >= MAX_AUTHORS:
            return 0
        if run[0].network != self._network or not log.is_continued_by(run[0]):
            return 0
        links = enumerate(pairwise(run), 1)
        count = next((place for place, pair in links if not is_chain(pair)), len(run))
        log.grow(run[:count], ())
        self._by_id.update((record.id, record) for record in run[:count])
        self._settle(author, log)
        return count

    def truncate_own(self, author: bytes, first_seq: int) -> tuple[Record, ...]:
        """Take back the author's records from `first_seq` on; returns them, ascending.

        Only for records of one's own that were never sent: they are to be signed again on top of
        a higher head that a peer has reported.
        """
        log = self._logs.get(author)
        if log is None:
            return ()
        removed = self._cut(log, max(1, first_seq))
        self._settle(author, log)
        return removed

    # --- forks -----------------------------------------------------------------------------------

    def _cut_at(
        self, log: AuthorLog, proof: ForkProof, branches: Sequence[Sequence[Record]]
    ) -> tuple[Record, ...]:
        """Take up a new proof; returns what is no longer in the set."""
        below, cover = log.known(proof.seq - 1), tuple[Record, ...]()
        if below is not None and not log.is_signed(below, self._verify):
            cover = above(log, below, self._verify, branches)
        for record in log.kept():
            self._by_id.pop(record.id, None)
        removed = self._cut(log, proof.seq)
        log.cut_waiting(proof.seq)
        log.proof, log.cover = proof, cover
        self._by_id.update((record.id, record) for record in log.kept())
        return removed

    def _keep_cover(self, log: AuthorLog, offered: Sequence[Record]) -> None:
        """Keep what covers the record just below the fork, if it has just come unsigned."""
        if log.proof is None or log.cover:
            return
        below = log.known(log.proof.seq - 1)
        if below is not None and not log.is_signed(below, self._verify):
            log.cover = above(log, below, self._verify, [offered])
            self._by_id.update((record.id, record) for record in log.cover)

    # --- the run and what waits above it ---------------------------------------------------------

    def _improve(self, log: AuthorLog, part: Sequence[Record], signed: set[int]) -> int:
        """Count the records that are known, and put good signatures in the place of others."""
        duplicates = 0
        for record in part:
            if log.knows(record):
                duplicates += 1
                if record.seq in signed and log.put_signed(record):
                    self._by_id[record.id] = record
        return duplicates

    def _extend(
        self, log: AuthorLog, part: Sequence[Record], signed: set[int]
    ) -> tuple[tuple[Record, ...], str]:
        """Add what is new in `part`, which agrees with all that is known: (added, refusal)."""
        head = len(log.run)
        if not part or part[-1].seq <= head:
            return (), ""
        if part[0].seq > head + 1 + MAX_AHEAD:
            return (), "too-far"
        for record in part[max(0, head + 1 - part[0].seq) :]:
            log.wait(record, is_signed=record.seq in signed)
        added = log.join_waiting()
        self._by_id.update((record.id, record) for record in added)
        return added, ""

    def _cut(self, log: AuthorLog, first_seq: int) -> tuple[Record, ...]:
        removed = log.cut(first_seq)
        for record in removed:
            del self._by_id[record.id]
        return removed

    def _settle(self, author: bytes, log: AuthorLog) -> None:
        """Bring the tables in line with a log that may have changed, and keep them bounded."""
        while len(log.waiting) > MAX_WAITING_PER_AUTHOR:
            log.drop_highest_waiting()
        self._count(author, log)
        while self._waiting_count > MAX_WAITING:
            fullest = next(iter(next(crowd for crowd in reversed(self._crowds) if crowd)))
            self._logs[fullest].drop_highest_waiting()
            self._count(fullest, self._logs[fullest])

    def _count(self, author: bytes, log: AuthorLog) -> None:
        if log.crowd != len(log.waiting):
            self._waiting_count += len(log.waiting) - log.crowd
            self._crowds[log.crowd].pop(author, None)
            log.crowd = len(log.waiting)
            if log.crowd:
                self._crowds[log.crowd][author] = None
        self._list(author, log)
        if log.told != NOTHING_TOLD or log.waiting or log.run:
            self._logs[author] = log
        else:
            self._logs.pop(author, None)

    def _list(self, author: bytes, log: AuthorLog) -> None:
        """Bring the digest in line; seq and conviction tell whether the leaf has changed."""
        seq = len(log.run) if author != self._veiled else min(len(log.run), self._veiled_above)
        told = (seq, log.proof.seq if log.proof is not None else 0)
        if told == log.told:
            return
        log.told = told
        if told == NOTHING_TOLD:
            self.digest.drop(author)
        else:
            self.digest.put(author)

    def veil(self, author: bytes, above_seq: int) -> None:
        """Leave the one author's records above `above_seq` out of the digest.

        One's own that may not be shown yet must not make roots differ: nobody could repair that.
        """
        self._veiled, self._veiled_above = author, above_seq
        if (log := self._logs.get(author)) is not None:
            self._list(author, log)

    # --- what the set holds ----------------------------------------------------------------------

    def get(self, record_id: bytes) -> Record | None:
        """The record in the set or kept beside it for a proof; waiting ones are not found."""
        return self._by_id.get(record_id)

    def at(self, author: bytes, seq: int) -> Record | None:
        """The author's record at `seq` in the set."""
        log = self._logs.get(author)
        return log.run[seq - 1] if log is not None and 0 < seq <= len(log.run) else None

    def head(self, author: bytes) -> Head | None:
        """The author's last record in the set."""
        log = self._logs.get(author)
        return None if log is None or not log.run else Head(len(log.run), log.run[-1].id)

    def seq(self, author: bytes) -> int:
        """The seq of the author's last record in the set; 0: there is none."""
        log = self._logs.get(author)
        return 0 if log is None else len(log.run)

    def floor(self, author: bytes) -> int:
        """The seq below the author's lowest record in the set; 0: from the first record on."""
        log = self._logs.get(author)
        return log.run[0].seq - 1 if log is not None and log.run else 0

    def servable(
        self, author: bytes, first: int, last: int, max_bytes: int
    ) -> tuple[Record, ...]:
        """A run that may be sent alone: from `first`, at most `max_bytes` of wires, its top signed.

        It ends at `last` or the head, if what ends there is signed and fits. Else it goes on to
        the next signed record, if that fits, or ends at the last signed one before, or is empty.
        """
        log = self._logs.get(author)
        if log is None or not 0 < first <= min(last, len(log.run)):
            return ()
        if first == last:
            # Nearly all that is pushed is one record, signed, and known to be.
            only = log.run[first - 1]
            if len(only.wire) <= max_bytes and log.is_signed(only, self._verify):
                return (only,)
        run, size, seq = list[Record](), 0, first
        last = min(last, len(log.run))
        while (record := log.strand(seq)) is not None:
            size += len(record.wire)
            if size > max_bytes:
                break
            run.append(record)
            if seq >= last and log.is_signed(record, self._verify):
                break
            seq += 1
        while run and not log.is_signed(run[-1], self._verify):
            run.pop()
        return tuple(run)

    def authors(self) -> tuple[bytes, ...]:
        """All authors of whom something is held or proven, sorted."""
        veiled = self._logs.get(self._veiled)
        if veiled is not None and veiled.run and veiled.told == NOTHING_TOLD:
            return tuple(sorted((*self.digest.authors(), self._veiled)))
        return tuple(self.digest.authors())

    def leaf(self, author: bytes) -> Leaf | None:
        """The author's line in the digest; None where nothing is held or proven."""
        log = self._logs.get(author)
        if log is None or log.told == NOTHING_TOLD:
            return None
        seq, convicted_seq = log.told
        return Leaf(author, seq, log.run[seq - 1].id if seq else NO_PREV, convicted_seq)

    def leaves(self, after: bytes = b"", limit: int = MAX_AUTHORS) -> tuple[Leaf, ...]:
        """At most `limit` leaves of the authors above `after`, sorted by author."""
        return tuple(islice(self.digest.leaves(after), limit))

    def proof(self, author: bytes) -> ForkProof | None:
        """The proof of the author's lowest known fork."""
        log = self._logs.get(author)
        return None if log is None else log.proof

    def proofs(self) -> tuple[ForkProof, ...]:
        """All proofs, sorted by author."""
        proofs = (self.proof(author) for author in self.authors())
        return tuple(proof for proof in proofs if proof is not None)

    def records(self) -> Iterator[Record]:
        """The set: authors sorted, each ascending by seq."""
        for author in self.authors():
            yield from self._logs[author].run

    def root(self) -> bytes:
        """The digest's, or one like no other where the veil hides something."""
        log = self._logs.get(self._veiled)
        if log is None or len(log.run) <= self._veiled_above:
            return self.digest.root()
        return hashlib.sha256(self.digest.root() + log.run[-1].id).digest()[:ROOT_BYTES]


def _gap(author: bytes, log: AuthorLog) -> Missing | None:
    gap = log.gap()
    return None if gap is None else Missing(author, *gap)
