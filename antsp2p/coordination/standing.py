"""What becomes of an author's key: forked, revoked by its recovery key, succeeded, paid for.

Law: a pure function of the set of records and of where logs fork; no clock, no order of arrival.

1. An author's *recovery digest* is the one in its first announcement, and in no other. Its recovery
   key is the author whose key has that digest: it keeps a log like any other.
2. An author is *revoked* by the first revoke that names it in its recovery key's log. What a
   revoke says later, or anybody else's, counts for nothing. A recovery key that forked its log
   below every revoke of the author revokes it too, at no point and without a successor.
3. What a revoked author signed above the point counts for nothing. What it signed up to there
   counts, but its claims hold nothing and its open tasks are orphaned, as after a conviction.
4. The revoke is *sound* if the author's log does not fork at or below the point, and what it has
   there, if anything, is the record that the revoke names. A fork above the point of a sound
   revoke convicts nobody. Any other fork convicts.
5. The *successor* is the one that a sound revoke names, once it has said itself whom it succeeds,
   in the first announcement of its own (up to its own point) that succeeds anybody.
6. Where the network charges for identities, an author whose first announcement does not pay counts
   like a revoked one, its records kept.

Rules 1 and 2 read all records of the set, also such as rule 3 discounts: otherwise what counts
would hang on itself.
"""
from __future__ import annotations

import hashlib
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from antsp2p.coordination.body import Announce, RecordType, Revoke, parse_body
from antsp2p.records import work
from antsp2p.records.encoding import MAX_UINT53

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.records.record import Record

    IdAt = Callable[[bytes, int], bytes | None]
    """(author, seq) -> the id of the author's record there, if one is in the set."""

RECOVERY_DOMAIN: Final = b"antsp2p/1/recovery\0"
MAX_SUCCESSIONS: Final = 8
"""Keys before an author's own whose reputation it keeps: more losses in a life are carelessness,
and a walk needs an end."""

_T = TypeVar("_T")
_Said = tuple[int, bytes, Announce]
_Told = tuple[int, bytes, Revoke]
_TYPES: Final = frozenset({int(RecordType.ANNOUNCE), int(RecordType.REVOKE)})


@lru_cache(maxsize=1_024)
def recovery_digest(recovery_author: bytes) -> bytes:
    """32 bytes that commit to a recovery key without showing it."""
    return hashlib.sha256(RECOVERY_DOMAIN + recovery_author).digest()


@dataclass(frozen=True, slots=True)
class Standing:
    """What an author counts for. The default is that of an author of whom nothing is known."""

    last_seq: int = MAX_UINT53
    """Its records above this count for nothing."""
    convicted: bool = False
    revoked: bool = False
    unpaid: bool = False
    """The network charges for identities, and it has not paid."""
    named: bytes = b""
    """Whom a sound revoke names as its successor, whether that one has agreed or not."""

    @property
    def is_out(self) -> bool:
        """Whether its claims hold nothing, its open tasks are orphaned, and it provides nothing."""
        return self.convicted or self.revoked or self.unpaid


PLAIN: Final = Standing()


class Standings:
    """The standing of everybody. Whatever changes returns the authors to be looked at again."""

    def __init__(self, network: bytes, id_at: IdAt, work_bits: int = 0) -> None:
        self._network = network
        self._id_at = id_at
        self._work_bits = work_bits
        self._said: dict[bytes, list[_Said]] = {}
        self._told: dict[bytes, dict[bytes, list[_Told]]] = {}
        self._forks: dict[bytes, int] = {}
        self._forked_digests: dict[bytes, None] = {}
        self._guarded: dict[bytes, dict[bytes, None]] = {}
        self._succeeding: dict[bytes, list[tuple[int, bytes, bytes]]] = {}
        self._met: dict[bytes, None] = {}

    # --- taking in -------------------------------------------------------------------------------

    def add(self, record: Record) -> tuple[bytes, ...]:
        """Take in a record of the set; it is there already."""
        author = record.author
        if record.type not in _TYPES:
            return self._look_at(author) if self._told or self._work_bits else ()
        match parse_body(record):
            case Announce() as announce:
                return self._announced(record, announce)
            case Revoke() as revoke if revoke.author != author:
                told = self._told.setdefault(revoke.author, {})
                _put(told.setdefault(recovery_digest(author), []), (record.seq, record.id, revoke))
                return (*self._look_at(author), revoke.author)
        return self._look_at(author)

    def remove(self, record: Record) -> tuple[bytes, ...]:
        """A record has left the set."""
        author = record.author
        if record.type not in _TYPES:
            return self._look_at(author)
        match parse_body(record):
            case Announce() as announce:
                return self._unsaid(record, announce)
            case Revoke() as revoke if revoke.author != author:
                by_digest = self._told.get(revoke.author, {})
                told = by_digest.get(recovery_digest(author), [])
                _take(told, (record.seq, record.id, revoke))
                if not told:
                    by_digest.pop(recovery_digest(author), None)
                if not by_digest:
                    self._told.pop(revoke.author, None)
                return (*self._look_at(author), revoke.author)
        return self._look_at(author)

    def forked(self, author: bytes, seq: int) -> tuple[bytes, ...]:
        """The author's log is proven to fork at `seq`, and at no lower one so far."""
        digest = recovery_digest(author)
        self._forks[author] = seq
        self._forked_digests[digest] = None
        return (author, *sorted(self._guarded.get(digest, ())))

    def _look_at(self, author: bytes) -> tuple[bytes, ...]:
        """The author itself, where any record of it may be the one that a revoke names."""
        if author in self._told:
            return (author,)
        if self._work_bits and author not in self._met:
            self._met[author] = None
            return (author,)
        return ()

    def _announced(self, record: Record, announce: Announce) -> tuple[bytes, ...]:
        author, said = record.author, self._said.setdefault(record.author, [])
        before = said[0] if said else None
        _put(said, (record.seq, record.id, announce))
        if announce.succeeds:
            succeeding = self._succeeding.setdefault(author, [])
            _put(succeeding, (record.seq, record.id, announce.succeeds))
        return self._first_is(author, before, said)

    def _unsaid(self, record: Record, announce: Announce) -> tuple[bytes, ...]:
        author, said = record.author, self._said.get(record.author, [])
        before = said[0] if said else None
        _take(said, (record.seq, record.id, announce))
        if announce.succeeds:
            succeeding = self._succeeding.get(author, [])
            _take(succeeding, (record.seq, record.id, announce.succeeds))
            if not succeeding:
                self._succeeding.pop(author, None)
        looked_at = self._first_is(author, before, said)
        if not said:
            self._said.pop(author, None)
        return looked_at

    def _first_is(
        self, author: bytes, before: _Said | None, said: list[_Said]
    ) -> tuple[bytes, ...]:
        after = said[0] if said else None
        if before == after:
            return self._look_at(author)
        if before is not None and before[2].recovery:
            guarded = self._guarded[before[2].recovery]
            del guarded[author]
            if not guarded:
                del self._guarded[before[2].recovery]
        if after is not None and after[2].recovery:
            self._guarded.setdefault(after[2].recovery, {})[author] = None
        return (author,)

    # --- what follows ----------------------------------------------------------------------------

    def of(self, author: bytes) -> Standing:
        """The author's standing now."""
        said, fork = self._said.get(author), self._forks.get(author, 0)
        first = said[0][2] if said else None
        unpaid = bool(self._work_bits) and not self._has_paid(author, first)
        if first is not None and first.recovery:
            told = self._told.get(author, {}).get(first.recovery)
            if told:
                return self._revoked(author, told[0][2], fork, unpaid)
            if first.recovery in self._forked_digests:
                return Standing(convicted=fork > 0, revoked=True, unpaid=unpaid)
        return Standing(convicted=True, unpaid=unpaid) if fork else (
            Standing(unpaid=True) if unpaid else PLAIN)

    def _has_paid(self, author: bytes, first: Announce | None) -> bool:
        nonce = None if first is None else first.work
        return nonce is not None and work.check(self._network, author, nonce, self._work_bits)

    def _revoked(self, author: bytes, revoke: Revoke, fork: int, unpaid: bool) -> Standing:
        stands = fork == 0 or fork > revoke.seq
        there = self._id_at(author, revoke.seq) if revoke.seq else None
        is_sound = stands and there in (None, revoke.id)
        return Standing(
            revoke.seq, fork > 0 and not is_sound, True, unpaid,
            revoke.successor if is_sound else b"",
        )

    def recovery(self, author: bytes) -> bytes:
        """The digest of the author's recovery key; empty where it has none, or it is not known."""
        said = self._said.get(author)
        return said[0][2].recovery if said else b""

    def is_recovery_key(self, author: bytes) -> bool:
        """Whether the author is somebody's recovery key, and so no node."""
        return recovery_digest(author) in self._guarded

    def has_announced(self, author: bytes) -> bool:
        """Whether the author's first announcement is here: what it says of the key is final."""
        return author in self._said

    def lineage(self, author: bytes) -> tuple[bytes, ...]:
        """The author, and those whose reputation it keeps, the latest first."""
        if author not in self._succeeding:
            return (author,)
        line = [author]
        while len(line) <= MAX_SUCCESSIONS:
            before = self._succeeds(line[-1])
            if not before or before in line or self.of(before).named != line[-1]:
                break
            line.append(before)
        return tuple(line)

    def _succeeds(self, author: bytes) -> bytes:
        """Whom the author says to succeed: in the first record that says so, if that counts."""
        succeeding = self._succeeding.get(author)
        if not succeeding or succeeding[0][0] > self.of(author).last_seq:
            return b""
        return succeeding[0][2]


def _put(entries: list[tuple[int, bytes, _T]], entry: tuple[int, bytes, _T]) -> None:
    place = bisect_left(entries, entry[:2], key=_place)
    if place == len(entries) or _place(entries[place]) != entry[:2]:
        entries.insert(place, entry)


def _take(entries: list[tuple[int, bytes, _T]], entry: tuple[int, bytes, _T]) -> None:
    place = bisect_left(entries, entry[:2], key=_place)
    if place < len(entries) and _place(entries[place]) == entry[:2]:
        del entries[place]


def _place(entry: tuple[int, bytes, object]) -> tuple[int, bytes]:
    return entry[0], entry[1]
