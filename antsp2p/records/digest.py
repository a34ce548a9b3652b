"""The digest of a set: a leaf per author, one root over all leaves, and which leaves changed last.

Law: a leaf is what is held of an author and nothing else, so it knows no floor, no clock and no
order of arrival. Change numbers are this node's own and in no leaf. Whom to tell is not known here.
"""
from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT_DOMAIN: Final = b"antsp2p/1/root\0"
ROOT_BYTES: Final = 16
KEY_DIGITS: Final = 64
"""Hex digits of an author's key: the longest prefix."""

_DIGITS: Final = 16
_EMPTY_SHELF: Final = hashlib.sha256(b"").digest()
_SLACK: Final = 64
"""Changes that were superseded are thrown out when they outnumber the others by this."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """An author's line in the digest. `seq` 0 and a `head` of zeros: nothing is held.

    `convicted_seq` is 0, or the seq of the lowest proven fork; seq and head are then those of what
    is held below it, so that a node that has only the proof can still be repaired.
    """

    author: bytes
    seq: int
    head: bytes
    convicted_seq: int

    @property
    def wire(self) -> bytes:
        """80 bytes: author, seq (u64), head, convicted seq (u64), integers big-endian."""
        seq, convicted_seq = self.seq.to_bytes(8, "big"), self.convicted_seq.to_bytes(8, "big")
        return self.author + seq + self.head + convicted_seq


class Digest:
    """All leaves, sorted by author. `leaf(author)` tells one that is listed, as it is now."""

    def __init__(self, leaf: Callable[[bytes], Leaf | None]) -> None:
        self._leaf = leaf
        self._shelves: dict[int, list[bytes]] = {}
        self._shelf_digests: dict[int, bytes] = {}
        self._bands: dict[int, bytes] = {}
        self._root: bytes | None = None
        self._wires: dict[bytes, bytes] = {}
        self.number = 0
        """How many changes there have been: the number of the last one."""
        self._numbers: dict[bytes, int] = {}
        # The changes in order, as two columns. A change whose author has changed again since is
        # passed over: its number is not the author's any more.
        self._change_numbers: list[int] = []
        self._change_authors: list[bytes] = []

    # --- changing --------------------------------------------------------------------------------

    def put(self, author: bytes) -> None:
        """The author's leaf is new or has changed."""
        if author not in self._numbers:
            insort(self._shelves.setdefault(author[0], []), author)
        self._touch(author)
        self._numbers[author] = self.number
        self._change_numbers.append(self.number)
        self._change_authors.append(author)
        if len(self._change_numbers) > 2 * len(self._numbers) + _SLACK:
            self._compact()

    def drop(self, author: bytes) -> None:
        """The author, who was listed, has no leaf any more."""
        shelf = self._shelves[author[0]]
        shelf.remove(author)
        if not shelf:
            del self._shelves[author[0]]
        del self._numbers[author]
        self._touch(author)

    def _touch(self, author: bytes) -> None:
        self.number += 1
        self._wires.pop(author, None)
        self._shelf_digests.pop(author[0], None)
        self._bands.pop(author[0] // _DIGITS, None)
        self._root = None

    def _compact(self) -> None:
        changes = zip(self._change_numbers, self._change_authors, strict=True)
        kept = [(n, author) for n, author in changes if self._numbers.get(author) == n]
        self._change_numbers = [number for number, _ in kept]
        self._change_authors = [author for _, author in kept]

    # --- what has changed ------------------------------------------------------------------------

    def changes(self, after: int) -> Iterator[tuple[int, bytes]]:
        """(number, author) of all whose last change came after number `after`, in that order."""
        start = bisect_right(self._change_numbers, after)
        numbers = islice(self._change_numbers, start, None)
        for number, author in zip(numbers, islice(self._change_authors, start, None), strict=True):
            if self._numbers.get(author) == number:
                yield number, author

    # --- reading ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._numbers)

    def authors(self) -> Iterator[bytes]:
        """All authors with a leaf, sorted."""
        for index in sorted(self._shelves):
            yield from self._shelves[index]

    def leaves(self, after: bytes) -> Iterator[Leaf]:
        """The leaves of the authors above `after`, sorted by author."""
        for index in sorted(self._shelves):
            if not after or index >= after[0]:
                shelf = self._shelves[index]
                found = (self._leaf(author) for author in shelf[bisect_right(shelf, after) :])
                yield from (leaf for leaf in found if leaf is not None)

    def count(self, prefix: str) -> int:
        """How many authors' keys begin with the hex digits `prefix`."""
        if not prefix:
            return len(self._numbers)
        return sum(high - low for _, low, high in self._spans(prefix))

    def below(self, prefix: str) -> Iterator[bytes]:
        """The authors whose keys begin with the hex digits `prefix`, sorted."""
        for shelf, low, high in self._spans(prefix):
            yield from islice(shelf, low, high)

    def _spans(self, prefix: str) -> Iterator[tuple[Sequence[bytes], int, int]]:
        """(shelf, first, end) of every stretch of a shelf that `prefix` covers."""
        if len(prefix) < 2:
            width = _DIGITS ** (2 - len(prefix))
            first = int(prefix or "0", 16) * width
            for index in range(first, first + width):
                if (shelf := self._shelves.get(index)) is not None:
                    yield shelf, 0, len(shelf)
            return
        shelf = self._shelves.get(int(prefix[:2], 16))
        if shelf is None:
            return
        lowest = bytes.fromhex(prefix.ljust(KEY_DIGITS, "0"))
        highest = bytes.fromhex(prefix.ljust(KEY_DIGITS, "f"))
        yield shelf, bisect_left(shelf, lowest), bisect_right(shelf, highest)

    def content(self, prefix: str) -> bytes:
        """What stands for all leaves below `prefix` where it is to be hashed.

        Of a prefix of at most two digits the digests of the shelves below it, one after the other;
        of a longer one the leaves themselves.
        """
        match len(prefix):
            case 0:
                return b"".join(map(self._band, range(_DIGITS)))
            case 1:
                return self._band(int(prefix, 16))
            case 2:
                return self._shelf_digest(int(prefix, 16))
            case _:
                return b"".join(map(self._wire, self.below(prefix)))

    def contents(self, prefix: str) -> list[bytes]:
        """The contents of the 16 prefixes that are one digit longer, in order."""
        if len(prefix) < 2:
            return [self.content(f"{prefix}{digit:x}") for digit in range(_DIGITS)]
        below: list[list[bytes]] = [[] for _ in range(_DIGITS)]
        place, shift = len(prefix) // 2, 0 if len(prefix) % 2 else 4
        for author in self.below(prefix):
            below[author[place] >> shift & 15].append(self._wire(author))
        return [b"".join(wires) for wires in below]

    def _band(self, digit: int) -> bytes:
        """The digests of the 16 shelves of one first digit."""
        band = self._bands.get(digit)
        if band is None:
            first = digit * _DIGITS
            band = b"".join(map(self._shelf_digest, range(first, first + _DIGITS)))
            self._bands[digit] = band
        return band

    def _wire(self, author: bytes) -> bytes:
        wire = self._wires.get(author)
        if wire is None:
            leaf = self._leaf(author)
            assert leaf is not None, "a listed author has a leaf"
            wire = self._wires[author] = leaf.wire
        return wire

    def _shelf_digest(self, index: int) -> bytes:
        digest = self._shelf_digests.get(index)
        if digest is None:
            shelf = self._shelves.get(index)
            if shelf is None:
                return _EMPTY_SHELF
            wires = self._wires
            # Where news never stops most shelves are hashed at every ping, for one new leaf each.
            whole = b"".join([wires.get(author) or self._wire(author) for author in shelf])
            digest = hashlib.sha256(whole).digest()
            self._shelf_digests[index] = digest
        return digest

    @property
    def unhashed(self) -> int:
        """Shelves that the next root is to hash."""
        return len(self._shelves) - len(self._shelf_digests)

    def root(self) -> bytes:
        """16 bytes that commit to all leaves: equal sets have equal roots.

        Shelf i is the leaves of the authors whose first byte is i, sorted by author. Its digest is
        the SHA-256 of their wires, one after the other (of nothing, if there are none). The root is
        the first 16 bytes of SHA-256("antsp2p/1/root\\0" || digest of shelf 0 || ... || of shelf
        255). Only shelves that changed are hashed again. A sum or XOR of leaf hashes would be
        cheaper, but an attacker with many keys could make two sets collide.
        """
        if self._root is None:
            self._root = hashlib.sha256(ROOT_DOMAIN + self.content("")).digest()[:ROOT_BYTES]
        return self._root
