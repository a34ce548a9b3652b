"""Whatever the order of arrival, the same records of forked logs give the same set everywhere."""
from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import event, given, settings
from hypothesis import strategies as st

from antsp2p.records.log import Leaf, LogSet, encode_proof, parse_proof
from antsp2p.records.record import NO_PREV, Record
from tests.records.chains import CountingVerify, chain, extend, identity, log_set, spoiled
from tests.records.test_log import strangers_root

if TYPE_CHECKING:
    from antsp2p.records.log import Insertion

AUTHOR = identity().author
MAX_ROUNDS = 60
"""More rounds than any of these logs has records: a set that still changes never comes to rest."""

Run = tuple[Record, ...]


class Tree:
    """Branches of one log, each a chain from seq 1 to a signed top."""

    def __init__(self, branches: tuple[Run, ...]) -> None:
        self.branches = branches

    def __repr__(self) -> str:
        """Per branch the marks of its records, a dash behind those that are not signed."""
        return "Tree(" + ", ".join(
            "".join(f"{r.claimed_ms}{'' if r.verifies(CountingVerify()) else '-'}" for r in branch)
            for branch in self.branches
        ) + ")"

    def fork_seq(self) -> int:
        """The lowest seq with two records, or 0."""
        for seq in range(1, max(map(len, self.branches)) + 1):
            if len({branch[seq - 1].id for branch in self.branches if len(branch) >= seq}) > 1:
                return seq
        return 0

    def leaf(self) -> Leaf:
        """The leaf that every set must come to."""
        fork = self.fork_seq()
        log = max(self.branches, key=len)[: fork - 1 if fork else None]
        return Leaf(AUTHOR, len(log), log[-1].id if log else NO_PREV, fork)

    def groups(self) -> list[Run]:
        """The branches cut into the shortest runs that end in a signed record."""
        groups: list[Run] = []
        for branch in self.branches:
            first = 0
            for index, record in enumerate(branch, 1):
                if record.verifies(CountingVerify()):
                    groups.append(branch[first:index])
                    first = index
        return groups


@st.composite
def trees(draw: st.DrawFn, most_branches: int) -> Tree:
    """One log and branches of it, some records with a spoiled signature."""
    chains = [list(chain(draw(st.integers(1, 8), label="length")))]
    for mark in range(1, draw(st.integers(1, most_branches), label="branches")):
        parent = chains[draw(st.integers(0, len(chains) - 1), label="parent")]
        kept = draw(st.integers(0, len(parent) - 1), label="kept")
        chains.append(extend(parent[:kept], draw(st.integers(1, 6), label="grown"), mark=mark))
    branches = []
    for records in chains:
        bad = draw(st.sets(st.integers(0, len(records) - 1), max_size=4), label="spoiled")
        top = len(records) - 1
        branches.append(tuple(
            spoiled(record) if index in bad and index != top else record
            for index, record in enumerate(records)
        ))
    return Tree(tuple(branches))


def check(logs: LogSet) -> None:
    """What holds of a set at every moment."""
    leaf, held = logs.leaf(AUTHOR), tuple(logs.records())
    proof = logs.proof(AUTHOR)
    assert [record.seq for record in held] == list(range(1, len(held) + 1))
    assert all(upper.prev == lower.id for lower, upper in pairwise(held))
    assert all(logs.get(record.id) is record for record in held)
    if leaf is None:
        assert (held, proof) == ((), None)
        return
    assert leaf.seq == len(held)
    assert leaf.head == (held[-1].id if held else NO_PREV)
    assert leaf.convicted_seq == (proof.seq if proof else 0)
    if proof:
        assert leaf.seq < proof.seq
        assert all(logs.get(record.id) for record in (*proof.left, *proof.right))
    if held:
        served = logs.servable(AUTHOR, leaf.seq, leaf.seq, 100_000)
        assert served[0] is held[-1]
        assert served[-1].verifies(CountingVerify())


class Feed:
    """Offers runs to a set and gets it what it asks for, as far as the tree has it."""

    def __init__(self, logs: LogSet, tree: Tree) -> None:
        self.logs = logs
        self.groups = tree.groups()
        self.by_id = {record.id: record for branch in tree.branches for record in branch}

    def offer(self, run: Run) -> None:
        """Offer the run, and follow what is asked for until nothing changes any more."""
        before = self.root_of_all()
        outcome = self.logs.insert(run)
        check(self.logs)
        while self.root_of_all() != before:
            before = self.root_of_all()
            outcome = self.follow(outcome)

    def follow(self, outcome: Insertion) -> Insertion:
        if outcome.missing is not None:
            for group in self.groups:
                if outcome.missing.first <= group[-1].seq <= outcome.missing.last:
                    self.logs.insert(group)
                    check(self.logs)
        if outcome.sibling is not None:
            outcome = self.logs.insert([self.by_id[outcome.sibling]])
            check(self.logs)
        return outcome

    def root_of_all(self) -> tuple[bytes, bytes]:
        proof = self.logs.proof(AUTHOR)
        return self.logs.root(), encode_proof(proof) if proof else b""

    def settle(self) -> None:
        """Offer everything again until nothing changes."""
        for _ in range(MAX_ROUNDS):
            before = self.root_of_all()
            for group in self.groups:
                self.offer(group)
            if self.root_of_all() == before:
                return
        raise AssertionError("the set does not come to rest")


def assert_final(logs: LogSet, tree: Tree) -> None:
    assert logs.leaves() == (tree.leaf(),)
    assert logs.root() == strangers_root(logs)
    proof = logs.proof(AUTHOR)
    if tree.fork_seq():
        assert proof is not None
        assert proof.is_lowest
        assert proof.seq == tree.fork_seq()
    else:
        assert proof is None


def deliver(tree: Tree, data: st.DataObject) -> LogSet:
    """A set that was offered everything in an order of the data's choice."""
    feed = Feed(log_set(), tree)
    for index in data.draw(st.permutations(range(len(feed.groups))), label="order"):
        if data.draw(st.booleans(), label="asks"):
            feed.offer(feed.groups[index])
        else:
            feed.logs.insert(feed.groups[index])
            check(feed.logs)
    feed.settle()
    return feed.logs


@given(trees(2), st.data())
@settings(max_examples=100)
def test_two_branches_in_any_order_give_one_set(tree: Tree, data: st.DataObject) -> None:
    event(f"fork at {tree.fork_seq()}")
    one, other = deliver(tree, data), deliver(tree, data)
    assert_final(one, tree)
    assert_final(other, tree)
    one_proof, other_proof = one.proof(AUTHOR), other.proof(AUTHOR)
    assert (one_proof and one_proof.id) == (other_proof and other_proof.id)


@given(trees(5), st.data())
@settings(max_examples=100)
def test_many_branches_in_any_order_give_one_set(tree: Tree, data: st.DataObject) -> None:
    assert_final(deliver(tree, data), tree)


@given(trees(3), st.data())
@settings(max_examples=100)
def test_whole_branches_and_pieces_give_one_set(tree: Tree, data: st.DataObject) -> None:
    feed = Feed(log_set(), tree)
    for _ in range(data.draw(st.integers(0, 6), label="pieces")):
        branch = data.draw(st.sampled_from(tree.branches))
        first = data.draw(st.integers(0, len(branch) - 1), label="first")
        last = data.draw(st.integers(first, len(branch) - 1), label="last")
        feed.logs.insert(branch[first : last + 1])
        check(feed.logs)
    feed.settle()
    assert_final(feed.logs, tree)


STRANGE = [
    *chain(5), *map(spoiled, chain(5)), *extend(chain(2), 3, mark=1), *extend([], 2, name="eve"),
    *extend([], 2, network=bytes(16)), chain(2_000)[-1],
]


@given(st.lists(st.lists(st.integers(0, len(STRANGE) - 1), max_size=5), max_size=20))
def test_no_run_whatever_raises(runs: list[list[int]]) -> None:
    logs = log_set()
    for run in runs:
        before = logs.root()
        outcome = logs.insert([STRANGE[index] for index in run])
        if outcome.refused:
            assert (outcome.added, outcome.removed) == ((), ())
        if not (outcome.added or outcome.removed or outcome.convicted):
            assert logs.root() == before
    assert logs.root() == strangers_root(logs)


# --- between sets --------------------------------------------------------------------------------


def send(source: LogSet, target: LogSet) -> None:
    """What one set tells another whose leaf differs: its proof, its records, what is asked for."""
    leaf, known = source.leaf(AUTHOR), target.leaf(AUTHOR)
    if leaf is None or leaf == known:
        return
    outcomes = []
    proof = source.proof(AUTHOR)
    if proof is not None:
        outcomes.append(target.convict(parse_proof(encode_proof(proof))))
    first = min(leaf.seq, 1 if known is None else known.seq + 1)
    outcomes.append(target.insert(source.servable(AUTHOR, first, leaf.seq, 100_000)))
    for outcome in outcomes:
        check(target)
        if outcome.sibling is not None:
            record = source.get(outcome.sibling)
            if record is not None:
                target.insert([record])
                check(target)


@given(trees(4), st.data())
@settings(max_examples=100)
def test_sets_that_start_on_different_branches_come_to_agree(
    tree: Tree, data: st.DataObject
) -> None:
    sets = [log_set() for _ in tree.branches]
    for logs, branch in zip(sets, tree.branches, strict=True):
        logs.insert(branch)
    pairs = [(one, other) for one in sets for other in sets if one is not other]
    for _ in range(MAX_ROUNDS):
        before = [encode_state(logs) for logs in sets]
        for index in data.draw(st.permutations(range(len(pairs))), label="order"):
            send(*pairs[index])
        if [encode_state(logs) for logs in sets] == before:
            break
    for logs in sets:
        assert logs.leaves() == (tree.leaf(),)
    assert len({logs.root() for logs in sets}) == 1


def encode_state(logs: LogSet) -> tuple[bytes, bytes]:
    proof = logs.proof(AUTHOR)
    return logs.root(), encode_proof(proof) if proof else b""
