"""Digests: leaves, shelves, roots, and what stands below prefixes under a session's key."""
from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from antsp2p.gossip import trie
from antsp2p.gossip.wire import NO_HEAD, Node
from antsp2p.records.digest import Digest, Leaf
from tests.vectors.common import Case, case

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KEY: Final = bytes(range(0x10, 0x18))
_OTHER_KEY: Final = bytes(range(0x20, 0x28))


def digest_of(leaves: Sequence[Leaf]) -> Digest:
    """The digest of a set that has these leaves."""
    by_author = {leaf.author: leaf for leaf in leaves}
    digest = Digest(by_author.get)
    for author in by_author:
        digest.put(author)
    return digest


def _leaf(prefix: str, number: int, seq: int = 1, convicted_seq: int = 0) -> Leaf:
    """Of an author whose key begins with `prefix` and is no key otherwise."""
    name = hashlib.sha256(f"{prefix} {number}".encode()).digest()
    author = bytes.fromhex(prefix + name.hex()[len(prefix) :])
    return Leaf(author, seq, hashlib.sha256(name).digest() if seq else NO_HEAD, convicted_seq)


def _few() -> list[Leaf]:
    return [_leaf("00", 1), _leaf("7f", 2, 2**53 - 1), _leaf("ff", 3, 0, 1), _leaf("7f", 4, 5, 6)]


def _crowd() -> list[Leaf]:
    """17 of the keys begin with the same three digits, as a stranger could make them."""
    alike = [_leaf("abc", number, seq=number + 1) for number in range(17)]
    return [_leaf("00", 1), _leaf("a0", 2), _leaf("ab0", 3), *alike]


def _sets() -> Iterable[tuple[str, str, list[Leaf], Sequence[tuple[bytes, str]]]]:
    yield "nothing", "16 marks at most, so none are marks too", [], [(_KEY, ""), (_KEY, "a" * 64)]
    few = _few()
    yield "four authors", "one has the largest seq, one is convicted with nothing below", few, [
        (_KEY, ""), (_OTHER_KEY, ""), (_KEY, "7"), (_KEY, "7f"), (_KEY, few[0].author.hex()),
        (_KEY, "1"),
    ]
    crowd = _crowd()
    yield "twenty authors", "more than 16 below a prefix are split, however long it is", crowd, [
        (_KEY, ""), (_OTHER_KEY, ""), (_KEY, "a"), (_KEY, "ab"), (_KEY, "abc"),
        (_KEY, crowd[3].author.hex()[:4]), (_KEY, "0"),
    ]


def _below(node: Node) -> Any:
    if isinstance(node.below, bytes):
        return {"fingerprints": node.below}
    return {"marks": node.below}


def cases() -> dict[str, list[Case]]:
    """Sets by their leaves."""
    found = []
    for name, why, leaves, questions in _sets():
        digest = digest_of(leaves)
        by_author = {leaf.author: leaf for leaf in leaves}
        nodes = [
            {"key": key, "prefix": prefix,
             **_below(trie.node(digest, by_author.get, key, prefix))}
            for key, prefix in questions
        ]
        shelves = {
            f"{index:02x}": digest.content(f"{index:02x}") for index in range(256)
            if digest.count(f"{index:02x}")
        }
        found.append(case(
            name, why, leaves=[by_author[author].wire for author in sorted(by_author)],
            shelves=shelves, root=digest.root(), nodes=nodes,
        ))
    return {"cases": found}
