"""What a node keeps on disk: records, proofs of forks, addresses, and a few facts about itself.

Law: a batch is one transaction. When `commit` returns, what this node signed, and everything saved
before it, survives a power cut (SQLite in WAL mode, synchronous=FULL); what it only learned from
others survives the end of the process, and after a power cut the others still have it. What is
kept is never judged here: an own history is trusted as it was written, and a row that cannot be
read is an error that names the file, not a gap.

One connection, used from one thread at a time.
"""
from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from antsp2p.events import (
    AppendRecord,
    RemoveRecords,
    SaveAddress,
    SaveAnswer,
    SaveProof,
    SavePublished,
)
from antsp2p.history import StoredRecord
from antsp2p.records.encoding import Malformed
from antsp2p.records.fork import ForkProof, encode_proof, parse_proof
from antsp2p.records.record import parse_record, restore_record
from antsp2p.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from antsp2p.events import Address
    from antsp2p.records.record import Record

Saved = AppendRecord | RemoveRecords | SaveProof | SavePublished | SaveAnswer | SaveAddress
"""The effects that a store carries out."""

SCHEMA_VERSION: Final = 1
_PUBLISHED: Final = "published"
_ANSWER: Final = "answer "
"""And the task: the hash of its right answer."""
APPLICATION_ID: Final = 0x616E7473
"""Marks the file as ours (SQLite's `application_id`): "ants"."""

_ROWS_AT_ONCE: Final = (256, 16, 1)
"""Rows in one statement, at most six values each: SQLite takes 32,766 values."""

_SCHEMA: Final = """
CREATE TABLE authors(number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE);
CREATE TABLE records(
    author INTEGER NOT NULL, seq INTEGER NOT NULL, wire BLOB NOT NULL,
    received_wall_ms INTEGER NOT NULL, age_ms_at_receipt INTEGER NOT NULL, own INTEGER NOT NULL,
    UNIQUE(author, seq));
CREATE TABLE proofs(author INTEGER PRIMARY KEY, wire BLOB NOT NULL);
CREATE TABLE addresses(
    author INTEGER NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
    last_seen_wall_ms INTEGER NOT NULL, PRIMARY KEY(author, host, port)) WITHOUT ROWID;
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""

_FULL_CODES: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
"""A full disk shows as FULL, or as an I/O error where the file system refuses a write."""


class StoreError(Exception):
    """The store cannot be used; the text is one line that names the file and says what to do."""


class StoreFull(StoreError):
    """Nothing of the batch was written; the same batch may be tried again."""


@dataclass(frozen=True, slots=True)
class History:
    """What a store holds beside records: proofs and addresses."""

    proofs: tuple[ForkProof, ...]
    addresses: tuple[Address, ...]
    """The latest seen first."""
    published: int
    """The seq up to which own records may have left this machine."""
    answers: tuple[tuple[bytes, bytes], ...]
    """(own task, hash of its only right answer)."""


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Store:
    """An open store. Raises `StoreError` if the file is newer than this program, or no store."""

    def __init__(self, path: Path, *, wall_ms: Callable[[], int] = _wall_ms) -> None:
        self.path = path
        self._wall_ms = wall_ms
        self._numbers: dict[bytes, int] = {}
        try:
            # The consumer's commits run in worker threads, one after the other.
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, cached_statements=32
            )
        except sqlite3.Error as error:
            raise StoreError(f"cannot open the store {path}: {error}") from error
        try:
            with self._explained("open"):
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        version, application = self._pragma("user_version"), self._pragma("application_id")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"the store {self.path} was written by a newer antsp2p (schema {version}, this one "
                f"knows {SCHEMA_VERSION}): upgrade, or use another home"
            )
        empty = self._pragma("schema_version") == 0
        if not empty and application != APPLICATION_ID:
            raise StoreError(f"{self.path} is not an antsp2p store: move it away")
        # An exclusive lock keeps the index of the log in memory: no second file to map, and no
        # signal instead of an error when the disk is full. The home's lock allows one user anyway.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        if empty:
            self._connection.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA application_id={APPLICATION_ID};"
                f"PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        self._numbers = {key: n for n, key in self._rows("SELECT number, key FROM authors")}

    def _pragma(self, name: str) -> int:
        value = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
        assert isinstance(value, int)
        return value

    def _rows(self, query: str) -> Iterator[Any]:
        return iter(self._connection.execute(query))

    def close(self) -> None:
        """Close the file; what was committed is already safe."""
        self._connection.close()

    # --- errors and transactions ------------------------------------------------------------------

    @contextmanager
    def _explained(self, deed: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _FULL_CODES:
                raise StoreFull(
                    f"the disk is full or failing: cannot {deed} the store {self.path} ({error})"
                ) from error
            raise StoreError(f"cannot {deed} the store {self.path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained("write"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    # --- facts about the node ---------------------------------------------------------------------

    def fact(self, name: str) -> bytes | int | None:
        """A kept fact, or None."""
        with self._explained("read"):
            row = self._connection.execute(
                "SELECT value FROM meta WHERE name = ?", (name,)
            ).fetchone()
        if row is None:
            return None
        value = row[0]
        assert isinstance(value, bytes | int)
        return value

    def keep_facts(self, **facts: bytes | int) -> None:
        """Keep facts, all or none. Raises `StoreError`."""
        self._sync(True)
        with self._transaction() as connection:
            connection.executemany("REPLACE INTO meta VALUES(?, ?)", facts.items())

    # --- reading ----------------------------------------------------------------------------------

    def load(self) -> History:
        """All but the records, for a start. Raises `StoreError` for a row that cannot be read."""
        with self._explained("read"):
            return History(
                tuple(self._proofs()),
                tuple(self._addresses()),
                self._published(),
                tuple(self._answers()),
            )

    def _published(self) -> int:
        found = self.fact(_PUBLISHED)
        return found if isinstance(found, int) else 0

    def _answers(self) -> Iterator[tuple[bytes, bytes]]:
        for name, answer in self._rows(
            f"SELECT name, value FROM meta WHERE name GLOB '{_ANSWER}*' ORDER BY name"
        ):
            yield bytes.fromhex(name.removeprefix(_ANSWER)), answer

    def records(self) -> Iterator[StoredRecord]:
        """Every record, by author and seq, with its age now; read while they are asked for.

        Raises `StoreError` for a row that cannot be read.
        """
        with self._explained("read"):
            yield from self._records()

    def _records(self) -> Iterator[StoredRecord]:
        now_ms = self._wall_ms()
        last: StoredRecord | None = None
        for seq, wire, received_wall_ms, age_ms in self._rows(
            "SELECT seq, wire, received_wall_ms, age_ms_at_receipt FROM records"
            " JOIN authors ON records.author = authors.number ORDER BY key, seq"
        ):
            try:
                record = restore_record(wire)
            except Malformed as error:
                raise self._damaged(f"record at seq {seq}", error) from error
            if last is not None:
                if record.prev != last.record.id:
                    # Nothing that follows vouches for every byte of it.
                    self._look_at(last.record)
                yield last
            # The calendar may have been set back since; nothing becomes younger by that.
            held_ms = now_ms - received_wall_ms if received_wall_ms < now_ms else 0
            last = StoredRecord(record, age_ms + held_ms, held_ms)
        if last is not None:
            self._look_at(last.record)
            yield last

    def _look_at(self, record: Record) -> None:
        try:
            parse_record(record.wire)
        except Malformed as error:
            raise self._damaged(f"record at seq {record.seq}", error) from error

    def _proofs(self) -> Iterator[ForkProof]:
        for author, wire in self._rows("SELECT author, wire FROM proofs ORDER BY author"):
            try:
                yield parse_proof(wire)
            except Malformed as error:
                raise self._damaged(f"proof against author number {author}", error) from error

    def _addresses(self) -> Iterator[Address]:
        return self._rows(
            "SELECT host, port FROM addresses ORDER BY last_seen_wall_ms DESC, host, port"
        )

    def _damaged(self, what: str, error: Malformed) -> StoreError:
        return StoreError(
            f"the store {self.path} is damaged ({what}: {error.reason}): restore it from a backup, "
            "or start with a new home"
        )

    # --- writing ----------------------------------------------------------------------------------

    def commit(self, batch: Sequence[Saved]) -> None:
        """Make a batch durable, in its order, all or nothing. Doing it twice does no harm.

        Raises `StoreFull` where the disk has no room, and `StoreError`.
        """
        writing = _Writing(self._numbers)
        now_ms = self._wall_ms()
        rows: list[Any] = []
        self._sync(any(map(_must_survive, batch)))
        with self._transaction() as connection:
            for item in batch:
                if isinstance(item, AppendRecord):
                    record = item.record
                    rows.append((
                        writing.number(record.author), record.seq, record.wire, now_ms,
                        item.age_ms, item.own,
                    ))
                    continue
                self._write_rows(connection, writing, rows)
                match item:
                    case RemoveRecords(author=author, first_seq=first_seq):
                        connection.execute(
                            "DELETE FROM records WHERE author = ? AND seq >= ?",
                            (writing.number(author), first_seq),
                        )
                    case SaveProof(proof=proof):
                        connection.execute(
                            "REPLACE INTO proofs VALUES(?, ?)",
                            (writing.number(proof.author), encode_proof(proof)),
                        )
                    case SavePublished(seq=seq):
                        connection.execute("REPLACE INTO meta VALUES(?, ?)", (_PUBLISHED, seq))
                    case SaveAnswer(task=task, answer=answer):
                        name = _ANSWER + task.hex()
                        if answer:
                            connection.execute("REPLACE INTO meta VALUES(?, ?)", (name, answer))
                        else:
                            connection.execute("DELETE FROM meta WHERE name = ?", (name,))
                    case SaveAddress(author=author, address=(host, port)):
                        self._save_address(connection, writing.number(author), host, port, now_ms)
            self._write_rows(connection, writing, rows)
        self._numbers |= writing.fresh

    def _write_rows(
        self, connection: sqlite3.Connection, writing: _Writing, rows: list[Any]
    ) -> None:
        """Write new authors and gathered records, and forget them."""
        _insert(connection, "INSERT INTO authors(number, key)", "", writing.take_fresh())
        _insert(
            connection, "INSERT INTO records",
            "ON CONFLICT(author, seq) DO UPDATE SET wire = excluded.wire", rows,
        )
        rows.clear()

    def _sync(self, fully: bool) -> None:
        """Whether the next commit waits for the disk; a later full one covers what came before."""
        with self._explained("write"):
            self._connection.execute(f"PRAGMA synchronous={'FULL' if fully else 'NORMAL'}")

    def _save_address(
        self, connection: sqlite3.Connection, number: int, host: str, port: int, now_ms: int
    ) -> None:
        connection.execute(
            "REPLACE INTO addresses VALUES(?, ?, ?, ?)", (number, host, port, now_ms)
        )
        connection.execute(
            "DELETE FROM addresses WHERE (author, host, port) NOT IN (SELECT author, host, port"
            " FROM addresses ORDER BY last_seen_wall_ms DESC, author, host, port LIMIT ?)",
            (limits.REMEMBERED_ADDRESSES,),
        )


class _Writing:
    """The numbers of authors in one transaction; those of one that fails are not remembered."""

    def __init__(self, known: Mapping[bytes, int]) -> None:
        self._known = known
        self._unwritten: list[tuple[int, bytes]] = []
        self._next = max(known.values(), default=0) + 1
        self.fresh: dict[bytes, int] = {}

    def number(self, author: bytes) -> int:
        """The author's row, which may still have to be written."""
        number = self._known.get(author) or self.fresh.get(author)
        if number is None:
            number = self.fresh[author] = self._next
            self._next += 1
            self._unwritten.append((number, author))
        return number

    def take_fresh(self) -> list[tuple[int, bytes]]:
        """The rows of authors that are not written yet."""
        taken, self._unwritten = self._unwritten, []
        return taken


def _insert(
    connection: sqlite3.Connection, into: str, then: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Many rows by few statements. The interpreter's lock is given away once a statement, and is
    hard to get back from a busy node; and a statement of one size is compiled once."""
    start = 0
    for size in _ROWS_AT_ONCE:
        while len(rows) - start >= size:
            part = rows[start : start + size]
            places = ",".join(["(" + ",".join("?" * len(part[0])) + ")"] * size)
            values = [value for row in part for value in row]
            connection.execute(f"{into} VALUES {places} {then}", values)
            start += size


def _must_survive(item: Saved) -> bool:
    """Whether nobody else could give this back after a power cut."""
    return isinstance(item, RemoveRecords | SaveProof) or (
        isinstance(item, AppendRecord) and item.own
    )
