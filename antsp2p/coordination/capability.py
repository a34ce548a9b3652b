"""Who can do what: the latest announcement of each author and capability.

Law: a fold over records; the same set gives the same answers in any order. An announcement is
what its author says of itself; whether it is true is for reputation, and whether the author can
be reached or is free at this moment is not known here. Whom this node's person has blocked provides
nothing here, and what the snapshot commits to is the same.
"""
from __future__ import annotations

import hashlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.body import Announce, RecordType, parse_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from antsp2p.records.record import Record

CONFIGURATION_DOMAIN: Final = b"antsp2p/1/configuration\0"
_SNAPSHOT_MODULUS: Final = 2**256

_Entry = tuple[int, bytes, Announce]
"""(seq, record id, announcement)."""


def configuration_digest(parts: Iterable[bytes]) -> bytes:
    """32 bytes that stand for what an agent is made of (model, prompt, tools …), in any order."""
    hashes = sorted(hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(CONFIGURATION_DOMAIN + b"".join(hashes)).digest()


class CapabilityFold:
    """All announcements. `add` takes any record and looks only at announcements."""

    def __init__(self) -> None:
        self._said: dict[bytes, dict[str, list[_Entry]]] = {}
        self._providers: dict[str, dict[bytes, Announce]] = {}
        self._convicted: set[bytes] = set()
        self._blocked: frozenset[bytes] = frozenset()
        self._digest_sum = 0

    def add(self, record: Record) -> Announce | None:
        """Take in a record. Returns the announcement if it is now its author's latest."""
        announce = _announcement(record)
        if announce is None:
            return None
        said = self._said.setdefault(record.author, {}).setdefault(announce.name, [])
        place = bisect_left(said, record.seq, key=_seq)
        if place < len(said) and said[place][0] == record.seq:
            return None
        self._count(record.author, said, -1)
        said.insert(place, (record.seq, record.id, announce))
        self._count(record.author, said, +1)
        self._show(record.author, announce.name, said)
        return announce if place == len(said) - 1 else None

    def remove(self, record: Record) -> None:
        """Undo the `add` of a record."""
        announce = _announcement(record)
        if announce is None:
            return
        names = self._said.get(record.author, {})
        said = names.get(announce.name, [])
        place = bisect_left(said, record.seq, key=_seq)
        if place == len(said) or said[place][1] != record.id:
            return
        self._count(record.author, said, -1)
        del said[place]
        self._count(record.author, said, +1)
        self._show(record.author, announce.name, said)
        if not said:
            del names[announce.name]
        if not names:
            del self._said[record.author]

    def convict(self, author: bytes) -> None:
        """The author is out (`Standing.is_out`): it provides nothing any more."""
        if author in self._convicted:
            return
        names = self._said.get(author, {})
        for said in names.values():
            self._count(author, said, -1)
        self._convicted.add(author)
        for name, said in names.items():
            self._show(author, name, said)

    def pardon(self, author: bytes) -> None:
        """Undo `convict`: it turns out that the author is not out."""
        if author not in self._convicted:
            return
        self._convicted.discard(author)
        for name, said in self._said.get(author, {}).items():
            self._count(author, said, +1)
            self._show(author, name, said)

    def block(self, authors: frozenset[bytes]) -> None:
        """These, and no others, are not to be counted among the providers."""
        changed, self._blocked = self._blocked ^ authors, authors
        for author in sorted(changed):
            for name, said in self._said.get(author, {}).items():
                self._show(author, name, said)

    def _count(self, author: bytes, said: list[_Entry], sign: int) -> None:
        """Add the latest entry to what the snapshot commits to, or take it out."""
        if said and author not in self._convicted:
            self._digest_sum += sign * _digest(author, said[-1])
            self._digest_sum %= _SNAPSHOT_MODULUS

    def _show(self, author: bytes, name: str, said: list[_Entry]) -> None:
        providers = self._providers.setdefault(name, {})
        is_out = author in self._convicted or author in self._blocked
        if said and not said[-1][2].withdrawn and not is_out:
            providers[author] = said[-1][2]
        else:
            providers.pop(author, None)
        if not providers:
            del self._providers[name]

    def providers(self, name: str) -> tuple[tuple[bytes, Announce], ...]:
        """(author, announcement) of all who provide the capability now, by author."""
        return tuple(sorted(self._providers.get(name, {}).items(), key=_author))

    def shut_out(self, name: str) -> tuple[bytes, ...]:
        """Who would be among the providers if this node's person had not blocked them, sorted."""
        return tuple(
            author for author in sorted(self._blocked)
            if any(announce.name == name for announce in self.of(author))
        )

    def of(self, author: bytes) -> tuple[Announce, ...]:
        """What the author provides now, by capability name."""
        if author in self._convicted:
            return ()
        latest = (said[-1][2] for _, said in sorted(self._said.get(author, {}).items()))
        return tuple(announce for announce in latest if not announce.withdrawn)

    def latest(self, author: bytes, name: str) -> Announce | None:
        """The author's last word on the capability, a withdrawal too; None if it never spoke."""
        said = self._said.get(author, {}).get(name)
        return said[-1][2] if said else None

    def configuration(self, author: bytes, name: str, seq: int = 0) -> bytes:
        """The digest of what the author said it runs for the capability, below `seq` or (0) at
        last; empty where it said nothing. A withdrawal says nothing of it."""
        said = self._said.get(author, {}).get(name, ())
        place = bisect_left(said, seq, key=_seq) if seq else len(said)
        while place and said[place - 1][2].withdrawn:
            place -= 1
        return said[place - 1][2].config_digest if place else b""

    def names(self) -> tuple[str, ...]:
        """The capabilities that somebody provides now, sorted."""
        return tuple(sorted(self._providers))

    def snapshot(self) -> bytes:
        """32 bytes that commit to every latest announcement: equal sets, equal bytes."""
        return hashlib.sha256(self._digest_sum.to_bytes(32, "big")).digest()


def _announcement(record: Record) -> Announce | None:
    if record.type != RecordType.ANNOUNCE:
        return None
    body = parse_body(record)
    return body if isinstance(body, Announce) else None


def _seq(entry: _Entry) -> int:
    return entry[0]


def _author(pair: tuple[bytes, Announce]) -> bytes:
    return pair[0]


def _digest(author: bytes, entry: _Entry) -> int:
    seq, record_id, _ = entry
    return int.from_bytes(
        hashlib.sha256(author + seq.to_bytes(8, "big") + record_id).digest(), "big"
    )
