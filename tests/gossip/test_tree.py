"""The tree: whatever it begins as, records leave a tree of it, whole and flat."""
from __future__ import annotations

import random
from collections import Counter
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.limits import DEFAULT_LIMITS, MAX_HOPS, MAX_STEM
from antsp2p.gossip.tree import FROM_HERE, Tree, Way
from antsp2p.gossip.wire import Frame, Graft, Prune
from tests.gossip.protections import some_link
from tests.gossip.swarm import identity

if TYPE_CHECKING:
    from antsp2p.gossip.link import Link


def link(number: int, initiated: bool = True) -> Link:
    return some_link(number, identity(number).author, ("192.0.2.1", number), initiated=initiated)


class Woods:
    """Trees of many nodes over a random graph; pushes and prunes take a random time."""

    def __init__(self, nodes: int, links: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.nodes = nodes
        self.copies: Counter[bytes] = Counter()
        self._events: list[tuple[int, int, int, int, Frame | tuple[bytes, Way]]] = []
        self._now_us = self._tie = 0
        self._has: list[set[bytes]] = [set() for _ in range(nodes)]
        self.trees = [
            Tree(
                limits=DEFAULT_LIMITS, rng=random.Random(number), loss_permille=lambda link: 0,
                post=partial(self._post, number),
            )
            for number in range(nodes)
        ]
        self.links: list[dict[int, Link]] = [{} for _ in range(nodes)]
        for number in range(nodes):
            for other in self.rng.sample(range(nodes), links):
                if other != number and other not in self.links[number]:
                    self.join(number, other)
        self.settle()

    def join(self, caller: int, other: int) -> None:
        for here, there, initiated in ((caller, other, True), (other, caller, False)):
            self.links[here][there] = link(there + 1, initiated)
            self.trees[here].opened(self.links[here][there])

    def _post(self, number: int, to: Link, frame: Frame) -> None:
        self._send(number, to.id - 1, frame)

    def _send(self, source: int, target: int, what: Frame | tuple[bytes, Way]) -> None:
        self._tie += 1
        delay_us = 100 + int(self.rng.expovariate(1 / 150))
        heappush(self._events, (self._now_us + delay_us, self._tie, source, target, what))

    def settle(self) -> None:
        while self._events:
            self._now_us, _, source, target, what = heappop(self._events)
            tree, to = self.trees[target], self.links[target][source]
            match what:
                case Prune():
                    tree.pruned(to)
                case Graft():
                    tree.grafted(to)
                case (bytes() as record, way):
                    self.copies[record] += 1
                    is_new = record not in self._has[target]
                    on = tree.pushed(to, record, way, is_new)
                    if is_new:
                        self.push(target, record, on, source)

    def push(self, number: int, record: bytes, way: Way, source: int | None = None) -> None:
        self._has[number].add(record)
        for other, to in self.links[number].items():
            if other != source and self.trees[number].is_eager(to):
                self._send(number, other, (record, way))

    def spread(self, count: int) -> None:
        for _ in range(count):
            self.push(self.rng.randrange(self.nodes), self.rng.randbytes(32), FROM_HERE)
            self.settle()

    def edges(self) -> set[frozenset[int]]:
        return {
            frozenset((number, other))
            for number in range(self.nodes) for other, to in self.links[number].items()
            if self.trees[number].is_eager(to)
        }

    def distances(self, root: int) -> dict[int, int]:
        near: dict[int, list[int]] = {number: [] for number in range(self.nodes)}
        for one, other in map(sorted, self.edges()):
            near[one].append(other)
            near[other].append(one)
        found, queue = {root: 0}, [root]
        for number in queue:
            for other in near[number]:
                if other not in found:
                    found[other] = found[number] + 1
                    queue.append(other)
        return found


@pytest.mark.parametrize("seed", range(30))
def test_records_leave_a_whole_tree_of_any_graph(seed: int) -> None:
    woods = Woods(60, 4, seed)
    assert len(woods.edges()) > 90, "at first there are many circles"
    woods.spread(4)
    assert len(woods.edges()) == 59, "a tree, with nothing to spare"
    assert len(woods.distances(0)) == 60, "and nobody is cut off"
    woods.copies.clear()
    woods.spread(20)
    assert set(woods.copies.values()) == {59}, "every node got every record once"


def test_the_tree_is_flat() -> None:
    woods = Woods(300, 4, 7)
    woods.spread(3)
    assert len(woods.distances(0)) == 300
    hops = [hop for root in range(20) for hop in woods.distances(root).values()]
    assert sum(hops) / len(hops) < 9


def test_a_node_that_leaves_is_worked_around() -> None:
    woods = Woods(60, 4, 3)
    woods.spread(3)
    gone = max(range(60), key=lambda number: sum(number in edge for edge in woods.edges()))
    for other in woods.links[gone]:
        woods.trees[other].closed(woods.links[other].pop(gone))
    woods.links[gone].clear()
    woods.settle()
    author = next(number for number in range(60) if number != gone)
    for name in (b"a" * 32, b"b" * 32):
        woods.push(author, name, FROM_HERE)
        woods.settle()
    reached = woods.distances(author)
    assert gone not in reached
    assert len(reached) > 45, "a branch that is still off pulls, and grafts"


def one_tree() -> tuple[Tree, list[Link], list[tuple[int, Frame]]]:
    posted: list[tuple[int, Frame]] = []
    tree = Tree(
        limits=DEFAULT_LIMITS, rng=random.Random(1), loss_permille=lambda link: 0,
        post=lambda to, frame: posted.append((to.id, frame)),
    )
    links = [link(number, initiated=False) for number in range(1, 5)]
    for each in links:
        tree.opened(each)
    return tree, links, posted


def test_a_late_push_after_a_pull_prunes_nobody() -> None:
    tree, links, posted = one_tree()
    assert tree.pulled(b"r").stem in range(1, MAX_STEM + 1)
    tree.pushed(links[0], b"r", Way(0, 4), False)
    tree.pushed(links[1], b"r", Way(0, 9), False)
    assert posted == []


def test_pulls_in_a_row_graft_the_link_that_answers() -> None:
    tree, links, posted = one_tree()
    tree.missed(links[0])
    tree.missed(links[1])
    tree.pushed(links[3], b"new", Way(0, 2), True)
    tree.missed(links[1])
    tree.missed(links[1])
    assert posted == [], "a push between them begins the row anew"
    tree.missed(links[2])
    assert posted == [(3, Graft())]
    assert tree.is_eager(links[2])


def test_where_much_is_lost_what_was_pulled_is_not_pushed_on() -> None:
    loss = {1: 0, 2: DEFAULT_LIMITS.pulled_told_permille}
    tree = Tree(
        limits=DEFAULT_LIMITS, rng=random.Random(1), loss_permille=lambda link: loss[link.id],
        post=lambda link, frame: None,
    )
    calm, rough = link(1), link(2)
    tree.opened(calm)
    tree.opened(rough)
    pulled = tree.pulled(b"record")
    assert calm.id in tree.leading_on(pulled)
    assert rough.id not in tree.leading_on(pulled)
    assert calm.id in tree.leading_on(FROM_HERE)
    assert rough.id in tree.leading_on(FROM_HERE)


def test_the_longer_way_round_is_pruned_at_one_end_only() -> None:
    tree, links, posted = one_tree()
    tree.pushed(links[0], b"r", Way(0, 3), True)
    tree.grafted(links[1])
    tree.pushed(links[1], b"r", Way(0, 9), False)
    assert posted == [], "the peer got ours over 5 links and will leave its own way"
    tree.pushed(links[1], b"r", Way(0, 4), False)
    assert posted == [(2, Prune())]
    tree.pushed(links[2], b"r", Way(0, 2), False)
    assert posted[1:] == [(1, Prune())], "a shorter way takes the place of the first"
    assert tree.is_eager(links[2])
    assert not tree.is_eager(links[0])


def test_hops_do_not_grow_beyond_what_a_frame_carries() -> None:
    tree, links, _ = one_tree()
    assert tree.pushed(links[0], b"r", Way(5, MAX_HOPS), True) == Way(5, MAX_HOPS)
    assert tree.pushed(links[0], b"s", Way(5, 1), True) == Way(5, 2)
