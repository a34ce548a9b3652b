"""A descent finds in what two sets differ, whatever keys they hold, what is lost, and who lies."""
from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antsp2p.gossip import trie
from antsp2p.gossip.descent import Descent
from antsp2p.gossip.limits import DEFAULT_LIMITS, MAX_FRAME_BYTES, SECOND_US
from antsp2p.gossip.wire import (
    PRINT_BYTES,
    Frame,
    Leaves,
    Mark,
    Node,
    Nodes,
    Probe,
    WantAuthors,
    encode_frame,
)
from antsp2p.records.digest import Leaf
from tests.gossip.protections import some_link
from tests.vectors.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from antsp2p.gossip.link import Link

KEY = b"k" * 8
LINK = some_link(1, b"a" * 32, ("10.0.0.1", 1), instance=b"i" * 8)


def leaf(author: bytes, seq: int, salt: int = 0) -> Leaf:
    return Leaf(author, seq, hashlib.sha256(author + bytes((seq % 256, salt))).digest(), 0)


def crowded(prefix: str, count: int) -> list[bytes]:
    """Keys as somebody would grind them: they begin alike."""
    names = (hashlib.sha256(f"{prefix}{number}".encode()).hexdigest() for number in range(count))
    return [bytes.fromhex(prefix + name[len(prefix) :]) for name in names]


class Side:
    """One of the two: a set of leaves, and what it has found out about the other's."""

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        self.by_author = {leaf.author: leaf for leaf in leaves}
        self.digest = digest_of(leaves)
        self.logs = self
        self.behind: set[bytes] = set()
        self.differs: set[bytes] = set()
        self.ahead: set[bytes] = set()

    # What a descent asks of `Visible` and `Settle`.

    def leaf_of(self, author: bytes) -> Leaf | None:
        return self.by_author.get(author)

    def settle(
        self, link: Link, author: bytes, seq: int, convicted_seq: int,
        is_head: Callable[[bytes], bool], now_us: int,
    ) -> bool:
        own = self.by_author.get(author)
        if own is None or seq > own.seq:
            self.behind.add(author)
        elif seq < own.seq:
            self.ahead.add(author)
            return True
        elif not is_head(own.head):
            self.differs.add(author)
        return False

    def only_here(self, link: Link, leaf: Leaf, now_us: int) -> None:
        self.ahead.add(leaf.author)


class _Visible:
    def __init__(self, side: Side) -> None:
        self.logs, self.leaf = side, side.leaf_of


class _Settle:
    def __init__(self, side: Side) -> None:
        self.leaf, self.only_here = side.settle, side.only_here


class Talk:
    """A descent of `asker` against `other`, whose every frame may be lost."""

    def __init__(self, asker: Side, other: Side, loss: float = 0.0, seed: int = 1) -> None:
        self.asker, self.other = asker, other
        self.rng = random.Random(seed)
        self.loss = loss
        self.posted: list[Frame] = []
        self.bytes = 0
        self.now_us = 0
        self.room = 10_000
        self.told: set[bytes] = set()
        self.lie: Callable[[Node], Node] = lambda node: node
        self.descent = Descent(
            LINK, KEY, visible=cast("Any", _Visible(asker)), settle=cast("Any", _Settle(asker)),
            limits=DEFAULT_LIMITS, wait_us=lambda link: 15_000, room=lambda link: self.room,
            post=lambda link, frame: self.posted.append(frame), now_us=0,
        )

    def run(self) -> None:
        """Until the descent is done."""
        self.descent.flush(0)
        for _ in range(20_000):
            frames, self.posted = self.posted, []
            for frame in frames:
                self._deliver(frame)
            if not self.posted and not self.descent.is_done:
                self.now_us = max(self.now_us, self.descent.deadline_us)
                self.descent.due(self.now_us)
            self.descent.flush(self.now_us)
            assert self.descent.size() <= 8_192 + 4_096 + 2 * 512
            if self.descent.is_done and not self.posted:
                return
        raise AssertionError("a descent must come to an end")

    def _deliver(self, frame: Frame) -> None:
        encoded = encode_frame(frame)
        assert len(encoded) <= MAX_FRAME_BYTES
        self.bytes += len(encoded)
        if self.rng.random() < self.loss:
            return
        for answer in self._answers(frame):
            self.bytes += len(encode_frame(answer))
            if self.rng.random() < self.loss:
                continue
            if isinstance(answer, Nodes):
                self.descent.heard(answer.nodes, self.now_us)
            elif isinstance(answer, Leaves):
                for line in answer.lines:
                    self.asker.behind.add(line.author)
                self.descent.found(answer.lines)
        self.descent.flush(self.now_us)

    def _answers(self, frame: Frame) -> Iterable[Frame]:
        other = self.other
        match frame:
            case Probe(key, prefixes):
                nodes = [trie.node(other.digest, other.leaf_of, key, at) for at in prefixes]
                yield from trie.nodes(key, map(self.lie, nodes))
            case WantAuthors(key, clues):
                for prefix, print_ in clues:
                    author = trie.by_print(other.digest, key, prefix, 64).get(print_)
                    if author is not None:
                        yield from trie.leaves([trie.line(other.by_author[author])])
            case Nodes(key, nodes):
                for node in nodes:
                    found = trie.by_print(other.digest, key, node.prefix, 64)
                    self._tell(found[mark.prints[:PRINT_BYTES]] for mark in node.below
                               if isinstance(mark, Mark))
            case Leaves(lines):
                self._tell(line.author for line in lines)

    def _tell(self, authors: Iterable[bytes]) -> None:
        told = list(authors)
        self.told.update(told)
        self.descent.wanted(told)


def found_all(talk: Talk) -> bool:
    """Whether both know all in which they differ."""
    ours, theirs = talk.asker.by_author, talk.other.by_author
    behind = {
        author for author, leaf in theirs.items()
        if author not in ours or ours[author].seq < leaf.seq
    }
    ahead = {
        author for author, leaf in ours.items()
        if author not in theirs or theirs[author].seq < leaf.seq
    }
    forked = {
        author for author, leaf in ours.items() if author in theirs
        and theirs[author].seq == leaf.seq and theirs[author].head != leaf.head
    }
    asker = talk.asker
    return (behind, ahead, forked, ahead) == (
        asker.behind, asker.ahead, asker.differs, talk.told)


_AUTHORS = [
    *(hashlib.sha256(bytes((number,))).digest() for number in range(120)),
    *crowded("ab", 20), *crowded("abcdef012345", 20), *crowded("f" * 60, 40),
]
_SETS = st.lists(st.sampled_from(_AUTHORS), unique=True, max_size=len(_AUTHORS))


@settings(max_examples=60)
@given(_SETS, st.randoms(use_true_random=False), st.sampled_from([0.0, 0.3]))
def test_all_that_differs_is_found(
    authors: list[bytes], rng: random.Random, loss: float
) -> None:
    ours, theirs = list[Leaf](), list[Leaf]()
    for author in authors:
        kind = rng.randrange(8)
        ours += [leaf(author, 3)] if kind != 1 else []
        theirs += [[], [leaf(author, 3)], [leaf(author, 2)], [leaf(author, 9)],
                   [leaf(author, 3, salt=1)]][kind] if kind < 5 else [leaf(author, 3)]
    talk = Talk(Side(ours), Side(theirs), loss, rng.randrange(1_000))
    talk.run()
    assert loss or found_all(talk)


def test_nothing_is_lost_for_good_at_30_percent_loss() -> None:
    """What one session misses the next one finds: here each finds all but what it gave up."""
    ours = [leaf(author, 1) for author in _AUTHORS]
    theirs = [leaf(author, 2) for author in _AUTHORS]
    whole = sum(_found(ours, theirs, seed) == len(_AUTHORS) for seed in range(20))
    assert whole >= 15


def _found(ours: list[Leaf], theirs: list[Leaf], seed: int) -> int:
    talk = Talk(Side(ours), Side(theirs), 0.3, seed)
    talk.run()
    return len(talk.asker.behind)


@pytest.mark.parametrize("digits", [3, 12, 62])
def test_keys_that_begin_alike_cost_depth_and_nothing_else(digits: int) -> None:
    others = [hashlib.sha256(b"%d" % number).digest() for number in range(2_000)]
    alike = crowded("ab" * (digits // 2) + "c" * (digits % 2), 100)
    ours = [leaf(author, 1) for author in [*others, *alike]]
    theirs = [*ours[:-1], leaf(alike[-1], 2)]
    talk = Talk(Side(ours), Side(theirs))
    talk.run()
    assert found_all(talk)
    assert talk.bytes < 1_000 + 260 * digits


def test_a_side_with_nothing_names_all_and_is_told_all() -> None:
    leaves = [leaf(author, 1) for author in _AUTHORS]
    for ours, theirs in ((leaves, []), ([], leaves)):
        talk = Talk(Side(ours), Side(theirs))
        talk.run()
        assert found_all(talk)


def test_no_more_is_asked_than_can_be_fetched() -> None:
    leaves = [leaf(hashlib.sha256(b"%d" % number).digest(), 1) for number in range(3_000)]
    talk = Talk(Side([]), Side(leaves))
    talk.room = 0
    talk.run()
    assert talk.bytes < 100
    assert talk.now_us >= DEFAULT_LIMITS.exchange_us


def lie_of(kind: str, rng: random.Random) -> Callable[[Node], Node]:
    """What a peer may answer that means harm."""
    match kind:
        case "all differs":
            return lambda node: Node(node.prefix, rng.randbytes(48)) if len(
                node.prefix) < 64 else Node(node.prefix, ())
        case "marks of nobody":
            return lambda node: Node(node.prefix, tuple(
                Mark(rng.randbytes(6), 2**53 - 1, 0) for _ in range(16)))
        case "nothing":
            return lambda node: Node(node.prefix, ())
        case _:
            return lambda node: Node("0123456789", node.below)


@pytest.mark.parametrize("kind", ["all differs", "marks of nobody", "nothing", "not asked for"])
def test_a_liar_wastes_a_bounded_effort(kind: str) -> None:
    rng = random.Random(3)
    leaves = [leaf(author, 1) for author in _AUTHORS]
    talk = Talk(Side(leaves), Side(leaves))
    talk.lie = lie_of(kind, rng)
    talk.run()
    assert talk.now_us <= DEFAULT_LIMITS.exchange_us + SECOND_US
    probes = DEFAULT_LIMITS.probes_per_exchange
    assert talk.bytes <= probes * (64 + 3 + 120) + 500_000
    assert talk.asker.behind == set()


def test_the_same_under_another_key() -> None:
    """A fingerprint that hides a difference hides it under one key only."""
    one, other = (trie.mark(bytes((number,)) * 8, leaf(_AUTHORS[0], 1)) for number in (1, 2))
    assert one.prints != other.prints
    assert replace(leaf(_AUTHORS[0], 1), seq=2) != leaf(_AUTHORS[0], 1)
