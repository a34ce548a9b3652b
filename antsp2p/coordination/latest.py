"""What each author said last under each name.

Law: a last-writer-wins map whose only clock is the author's own sequence, and so a function of the
set of records, in any order. What is said, and whom to believe, is for those who build on it.
"""
from __future__ import annotations

import hashlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar

from antsp2p.coordination.body import parse_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from antsp2p.coordination.body import RecordType
    from antsp2p.records.record import Record

_SNAPSHOT_MODULUS: Final = 2**256


class _Saying(Protocol):
    type: ClassVar[RecordType]

    @property
    def withdrawn(self) -> bool: ...


Said = TypeVar("Said", bound=_Saying)


class Entry(NamedTuple, Generic[Said]):
    """One thing said, and by which record."""

    seq: int
    record_id: bytes
    body: Said


class Latest(Generic[Said]):
    """A fold over records of one kind. Who says that a name is withdrawn says no more under it."""

    def __init__(self, kind: type[Said], name_of: Callable[[Said], str]) -> None:
        """`name_of` a body is the name under which it stands."""
        self._kind = kind
        self._type = int(kind.type)
        self._name_of = name_of
        self._said: dict[bytes, dict[str, list[Entry[Said]]]] = {}
        self._live: dict[str, dict[bytes, Entry[Said]]] = {}
        self._out: set[bytes] = set()
        self._digest_sum = 0

    def add(self, record: Record) -> Said | None:
        """Take in a record. Returns what it says if that is its author's latest now, and counts.

        Two of one seq can only be own ones, of which one is not out yet: both have a place.
        """
        body = self._body_of(record)
        if body is None:
            return None
        name = self._name_of(body)
        said = self._said.setdefault(record.author, {}).setdefault(name, [])
        place = bisect_left(said, (record.seq, record.id), key=_place)
        if place < len(said) and said[place].record_id == record.id:
            return None
        self._count(record.author, said, -1)
        said.insert(place, Entry(record.seq, record.id, body))
        self._count(record.author, said, +1)
        self._show(record.author, name)
        is_latest = place == len(said) - 1
        return body if is_latest and record.author not in self._out else None

    def remove(self, record: Record) -> None:
        """Undo the `add` of a record."""
        body = self._body_of(record)
        if body is None:
            return
        name = self._name_of(body)
        names = self._said.get(record.author, {})
        said = names.get(name, [])
        place = bisect_left(said, (record.seq, record.id), key=_place)
        if place == len(said) or said[place].record_id != record.id:
            return
        self._count(record.author, said, -1)
        del said[place]
        self._count(record.author, said, +1)
        if not said:
            del names[name]
        if not names:
            del self._said[record.author]
        self._show(record.author, name)

    def convict(self, author: bytes) -> None:
        """The author is out (`Standing.is_out`): nothing that it says counts any more."""
        if author in self._out:
            return
        names = self._said.get(author, {})
        for said in names.values():
            self._count(author, said, -1)
        self._out.add(author)
        for name in names:
            self._show(author, name)

    def pardon(self, author: bytes) -> None:
        """Undo `convict`: it turns out that the author is not out."""
        if author not in self._out:
            return
        self._out.discard(author)
        for name, said in self._said.get(author, {}).items():
            self._count(author, said, +1)
            self._show(author, name)

    def _body_of(self, record: Record) -> Said | None:
        if record.type != self._type:
            return None
        body: Any = parse_body(record)
        return body if isinstance(body, self._kind) else None

    def _count(self, author: bytes, said: list[Entry[Said]], sign: int) -> None:
        """Add the latest entry to what the snapshot commits to, or take it out."""
        if said and author not in self._out:
            self._digest_sum += sign * _digest(author, said[-1])
            self._digest_sum %= _SNAPSHOT_MODULUS

    def _show(self, author: bytes, name: str) -> None:
        """What the author says now under the name is to be seen, or gone."""
        said = self.said(author, name)
        live = self._live.setdefault(name, {})
        if said and author not in self._out and not said[-1].body.withdrawn:
            live[author] = said[-1]
        else:
            live.pop(author, None)
        if not live:
            del self._live[name]

    def said(self, author: bytes, name: str) -> Sequence[Entry[Said]]:
        """All that the author ever said under the name, in its order."""
        return self._said.get(author, {}).get(name, ())

    def latest(self, author: bytes, name: str) -> Said | None:
        """The author's last word on the name, a withdrawal too; None if it never spoke."""
        said = self.said(author, name)
        return said[-1].body if said else None

    def live(self, name: str) -> Mapping[bytes, Entry[Said]]:
        """Author -> what it says now, of all who are not out and have not withdrawn it."""
        return self._live.get(name, {})

    def of(self, author: bytes) -> tuple[Said, ...]:
        """What the author says now, by name."""
        if author in self._out:
            return ()
        latest = (said[-1].body for _, said in sorted(self._said.get(author, {}).items()))
        return tuple(body for body in latest if not body.withdrawn)

    def names(self) -> tuple[str, ...]:
        """The names under which somebody says something now, sorted."""
        return tuple(sorted(self._live))

    def snapshot(self) -> bytes:
        """32 bytes that commit to every latest word: equal sets, equal bytes."""
        return hashlib.sha256(self._digest_sum.to_bytes(32, "big")).digest()


def _place(entry: Entry[Any]) -> tuple[int, bytes]:
    return entry.seq, entry.record_id


def _digest(author: bytes, entry: Entry[Any]) -> int:
    return int.from_bytes(
        hashlib.sha256(author + entry.seq.to_bytes(8, "big") + entry.record_id).digest(), "big"
    )
