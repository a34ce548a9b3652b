"""The trie of a digest: what stands below a prefix of authors' keys, in few bytes.

Law: pure functions of a digest, a session's key and a prefix. Fingerprints are short, since a
difference that one of them misses shows in the next session, under another key; and keyed, since
nobody can make two subtrees alike without knowing the key. Who asks, and why, is not known here.
"""
from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from antsp2p.gossip.limits import MAX_FRAME_BYTES, MAX_LINES, MAX_MARKS, MAX_PREFIXES
from antsp2p.gossip.wire import (
    PRINT_BYTES,
    SHORT_ID_BYTES,
    Changes,
    Clue,
    Leaves,
    Line,
    Mark,
    Node,
    Nodes,
    Probe,
    WantAuthors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from antsp2p.records.digest import Digest, Leaf

_T = TypeVar("_T")
_DIGITS: Final = "0123456789abcdef"
_FRAME_OVERHEAD: Final = 32
"""Of every frame here: its own array and type, a key or three numbers, the head of its list."""


def fingerprint(key: bytes, data: bytes) -> bytes:
    """The first 3 bytes of the BLAKE2s of `data`, 32 bytes wide, under the session's key."""
    return hashlib.blake2s(data, key=key).digest()[:PRINT_BYTES]


def branches(digest: Digest, key: bytes, prefix: str) -> bytes:
    """The fingerprints of the 16 prefixes that are one digit longer, in order."""
    return b"".join(fingerprint(key, content) for content in digest.contents(prefix))


def mark(key: bytes, leaf: Leaf) -> Mark:
    """A leaf in few bytes."""
    prints = fingerprint(key, leaf.author) + fingerprint(key, leaf.head)
    return Mark(prints, leaf.seq, leaf.convicted_seq)


def line(leaf: Leaf) -> Line:
    """A leaf as it is told to who may not know the author."""
    return Line(leaf.author, leaf.seq, leaf.head[:SHORT_ID_BYTES], leaf.convicted_seq)


def node(
    digest: Digest, leaf: Callable[[bytes], Leaf | None], key: bytes, prefix: str
) -> Node:
    """What stands below `prefix`: marks where that is little, else fingerprints."""
    if digest.count(prefix) > MAX_MARKS:
        return Node(prefix, branches(digest, key, prefix))
    found = (leaf(author) for author in digest.below(prefix))
    return Node(prefix, tuple(mark(key, leaf) for leaf in found if leaf is not None))


def differing(digest: Digest, key: bytes, prefix: str, theirs: bytes) -> list[str]:
    """The prefixes one digit longer whose fingerprints are not the same here."""
    ours = branches(digest, key, prefix)
    return [
        prefix + digit for index, digit in enumerate(_DIGITS)
        if ours[PRINT_BYTES * index : PRINT_BYTES * (index + 1)]
        != theirs[PRINT_BYTES * index : PRINT_BYTES * (index + 1)]
    ]


def by_print(digest: Digest, key: bytes, prefix: str, limit: int) -> dict[bytes, bytes]:
    """Fingerprint -> author, of at most `limit` authors below `prefix`.

    Of two that happen to be alike the last is found; the next session has another key.
    """
    return {fingerprint(key, author): author for author in islice(digest.below(prefix), limit)}


# --- frames of them ------------------------------------------------------------------------------


def _uint_bytes(value: int) -> int:
    return 1 if value < 24 else 2 if value < 1 << 8 else 3 if value < 1 << 16 else (
        5 if value < 1 << 32 else 9)


def _prefix_bytes(prefix: str) -> int:
    return _uint_bytes(len(prefix)) + len(prefix)


def _line_bytes(told: Line) -> int:
    return 1 + 34 + 9 + _uint_bytes(told.seq) + _uint_bytes(told.convicted_seq)


def _node_bytes(told: Node) -> int:
    size = 2 + _prefix_bytes(told.prefix)
    if isinstance(told.below, bytes):
        return size + 1 + len(told.below)
    return size + sum(
        1 + 1 + len(mark.prints) + _uint_bytes(mark.seq) + _uint_bytes(mark.convicted_seq)
        for mark in told.below
    )


def _split(items: Iterable[_T], size: Callable[[_T], int], most: int) -> Iterator[tuple[_T, ...]]:
    """`items` in order, in as few frames as that order allows."""
    batch: list[_T] = []
    total = _FRAME_OVERHEAD
    for item in items:
        cost = size(item)
        if batch and (len(batch) == most or total + cost > MAX_FRAME_BYTES):
            yield tuple(batch)
            batch, total = [], _FRAME_OVERHEAD
        batch.append(item)
        total += cost
    if batch:
        yield tuple(batch)


def frame_bytes(frame: Changes | Nodes | Leaves) -> int:
    """About how many bytes a frame has; never fewer."""
    if isinstance(frame, Nodes):
        return _FRAME_OVERHEAD + sum(map(_node_bytes, frame.nodes))
    return _FRAME_OVERHEAD + sum(map(_line_bytes, frame.lines))


def lines_in_frames(lines: Iterable[Line]) -> list[tuple[Line, ...]]:
    """Lines as they fit into frames."""
    return list(_split(lines, _line_bytes, MAX_LINES))


def probes(key: bytes, prefixes: Iterable[str]) -> list[Probe]:
    return [Probe(key, batch) for batch in _split(prefixes, _prefix_bytes, MAX_PREFIXES)]


def nodes(key: bytes, told: Iterable[Node]) -> list[Nodes]:
    return [Nodes(key, batch) for batch in _split(told, _node_bytes, MAX_PREFIXES)]


def want_authors(key: bytes, clues: Iterable[Clue]) -> list[WantAuthors]:
    batches = _split(
        clues, lambda clue: 2 + _prefix_bytes(clue.prefix) + PRINT_BYTES, MAX_PREFIXES
    )
    return [WantAuthors(key, batch) for batch in batches]


def leaves(lines: Sequence[Line]) -> list[Leaves]:
    return [Leaves(batch) for batch in lines_in_frames(lines)]
