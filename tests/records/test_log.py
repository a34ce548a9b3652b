"""The set without forks: one gapless run per author, and the digest."""
from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.records import log as log_module
from antsp2p.records.fork import MAX_UNSIGNED
from antsp2p.records.log import (
    Head,
    Insertion,
    Leaf,
    LogSet,
)
from antsp2p.records.record import NO_PREV
from tests.records.chains import (
    NETWORK,
    CountingVerify,
    chain,
    extend,
    identity,
    log_set,
    spoiled,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.record import Record

AUTHOR = identity().author
X = chain(10)


def strangers_root(logs: LogSet) -> bytes:
    """The root as somebody would compute it who has only the docstring."""
    shelves = [b""] * 256
    for leaf in logs.leaves():
        shelves[leaf.author[0]] += (
            leaf.author + leaf.seq.to_bytes(8, "big") + leaf.head
            + leaf.convicted_seq.to_bytes(8, "big")
        )
    digests = b"".join(hashlib.sha256(shelf).digest() for shelf in shelves)
    return hashlib.sha256(b"antsp2p/1/root\0" + digests).digest()[:16]


# --- what is held --------------------------------------------------------------------------------


def test_an_empty_set_holds_nothing() -> None:
    logs = log_set()
    assert logs.insert(()) == Insertion()
    assert (logs.authors(), logs.leaves(), logs.proofs()) == ((), (), ())
    assert list(logs.records()) == []
    assert (logs.head(AUTHOR), logs.leaf(AUTHOR)) == (None, None)
    assert (logs.at(AUTHOR, 1), logs.get(X[0].id)) == (None, None)
    assert (logs.floor(AUTHOR), logs.proof(AUTHOR)) == (0, None)
    assert logs.truncate_own(AUTHOR, 1) == ()
    assert logs.servable(AUTHOR, 1, 1, 1_000) == ()
    assert logs.root() == strangers_root(logs)


def test_a_run_is_added_in_order() -> None:
    logs = log_set()
    assert logs.insert(X[:4]) == Insertion(added=X[:4])
    assert logs.insert(X[4:5]) == Insertion(added=X[4:5])
    assert logs.head(AUTHOR) == Head(5, X[4].id)
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 5, X[4].id, 0)
    assert logs.floor(AUTHOR) == 0
    assert tuple(logs.records()) == X[:5]
    assert [logs.at(AUTHOR, seq) for seq in range(-1, 8)] == [None, None, *X[:5], None, None]
    assert all(logs.get(record.id) is record for record in X[:5])
    assert logs.get(X[5].id) is None


def test_an_overlapping_run_adds_what_is_new() -> None:
    logs = log_set()
    logs.insert(X[:4])
    assert logs.insert(X[2:7]) == Insertion(added=X[4:7], duplicates=2)
    assert logs.insert(X[1:3]) == Insertion(duplicates=2)


def test_duplicates_cost_no_check() -> None:
    verify = CountingVerify()
    logs = LogSet(NETWORK, verify)
    for record in X:
        logs.insert([record])
    before = verify.calls
    for record in X:
        assert logs.insert([record]) == Insertion(duplicates=1)
    assert logs.insert(X) == Insertion(duplicates=10)
    assert verify.calls == before


def test_a_catch_up_costs_one_check_in_65_records() -> None:
    verify = CountingVerify()
    logs = LogSet(NETWORK, verify)
    assert len(logs.insert(chain(MAX_UNSIGNED + 1)).added) == MAX_UNSIGNED + 1
    assert verify.calls == 1
    long = chain(600)
    logs.insert(long[:65])
    verify.calls = 0
    assert len(logs.insert(long).added) == 600 - 65
    assert verify.calls == 9


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(("run", "refused"), [
    pytest.param(extend([], 2, network=b"\1" * 16), "network", id="another network"),
    pytest.param([X[0], X[2]], "chain", id="a gap in the run"),
    pytest.param([X[1], X[0]], "chain", id="descending"),
    pytest.param([X[0], X[0]], "chain", id="one record twice"),
    pytest.param([X[0], extend([], 2, name="eve")[1]], "chain", id="two authors"),
    pytest.param([X[0], extend([], 2, mark=1)[1]], "chain", id="not linked"),
    pytest.param([spoiled(X[0])], "signature", id="not signed"),
    pytest.param([X[0], spoiled(X[1])], "signature", id="the last is not signed"),
])
def test_a_refused_run_leaves_nothing(run: list[Record], refused: str) -> None:
    logs = log_set()
    empty = logs.root()
    assert logs.insert(run) == Insertion(refused=refused)
    assert logs.root() == empty
    assert all(logs.get(record.id) is None for record in run)


def test_a_signed_record_covers_its_ancestors() -> None:
    logs = log_set()
    assert len(logs.insert(unsigned(X)).added) == 10
    other = log_set()
    for record in X:
        other.insert([record])
    assert logs.root() == other.root()


def test_so_many_unsigned_ancestors_and_no_more() -> None:
    run = unsigned(chain(MAX_UNSIGNED + 2))
    assert log_set().insert(run) == Insertion(refused="signature")
    assert len(log_set().insert([*run[:-2], chain(MAX_UNSIGNED + 1)[-1]]).added) == len(run) - 1
    for place in (0, 30, len(run) - 2):
        run = unsigned(chain(MAX_UNSIGNED + 2))
        run[place] = chain(MAX_UNSIGNED + 2)[place]
        assert len(log_set().insert(run).added) == len(run)


def test_only_new_records_count_as_unsigned() -> None:
    logs = log_set()
    long = list(chain(200))
    for place in (*range(70), *range(100, 199)):
        long[place] = spoiled(long[place])
    assert logs.insert(long).refused == "signature"
    assert len(logs.insert(chain(40)).added) == 40
    long[150] = chain(200)[150]
    assert len(logs.insert(long).added) == 160


def test_a_good_signature_replaces_a_bad_one() -> None:
    logs = log_set()
    logs.insert(unsigned(X[:3]))
    held = logs.get(X[1].id)
    assert held is not None
    assert held.signature != X[1].signature
    assert logs.insert(X[:2]) == Insertion(duplicates=2)
    assert logs.get(X[1].id) is logs.at(AUTHOR, 2) is X[1]
    assert logs.insert([spoiled(X[1])]) == Insertion(duplicates=1)
    assert logs.at(AUTHOR, 2) is X[1]


def test_a_good_signature_replaces_a_bad_one_that_waits() -> None:
    logs = log_set()
    logs.insert(unsigned(X[2:5]))
    logs.insert([X[3]])
    logs.insert([spoiled(X[3])])
    logs.insert(X[:2])
    assert logs.at(AUTHOR, 4) is X[3]


def test_a_held_record_with_a_bad_signature_is_a_duplicate_and_with_another_an_offence() -> None:
    verify = CountingVerify()
    logs = LogSet(NETWORK, verify)
    logs.insert(unsigned(X[:3]))
    assert logs.insert([spoiled(X[1])]) == Insertion(duplicates=1)
    calls = verify.calls
    assert logs.insert([spoiled(X[1])]) == Insertion(duplicates=1)
    assert verify.calls == calls
    assert logs.insert([spoiled(X[1], 2)]) == Insertion(refused="signature")
    assert verify.calls == calls + 1


def test_a_run_up_to_an_unsigned_record_that_waits_is_covered_by_what_covers_that() -> None:
    logs = log_set()
    logs.insert([spoiled(X[4]), X[5]])
    assert logs.insert([X[2], spoiled(X[3]), spoiled(X[4])]).refused == ""
    logs.insert([spoiled(X[0]), spoiled(X[1])])
    head = logs.head(AUTHOR)
    assert head is not None
    assert head.seq == 6


# --- what may be sent ----------------------------------------------------------------------------


def size_of(records: Sequence[Record]) -> int:
    return sum(len(record.wire) for record in records)


def test_servable_keeps_to_its_range_and_size() -> None:
    logs = log_set()
    logs.insert(X)
    assert logs.servable(AUTHOR, 3, 5, 10_000) == X[2:5]
    assert logs.servable(AUTHOR, 8, 99, 10_000) == X[7:]
    assert logs.servable(AUTHOR, 1, 10, size_of(X[:4])) == X[:4]
    assert logs.servable(AUTHOR, 1, 10, size_of(X[:4]) - 1) == X[:3]
    assert logs.servable(AUTHOR, 1, 10, 10) == ()
    for first, last in ((0, 5), (11, 12), (5, 4), (-1, 3)):
        assert logs.servable(AUTHOR, first, last, 10_000) == ()


def test_servable_ends_in_a_signed_record() -> None:
    logs = log_set()
    logs.insert(unsigned(X[:5]))
    logs.insert(unsigned(X[5:]))
    served = logs.servable(AUTHOR, 2, 3, 10_000)
    assert [record.seq for record in served] == [2, 3, 4, 5]
    assert logs.servable(AUTHOR, 2, 3, size_of(X[1:4])) == ()
    served = logs.servable(AUTHOR, 4, 8, size_of(X[3:9]))
    assert [record.seq for record in served] == [4, 5]
    assert [r.seq for r in logs.servable(AUTHOR, 4, 8, 10_000)] == [4, 5, 6, 7, 8, 9, 10]


def test_each_signature_is_checked_once_for_serving() -> None:
    verify = CountingVerify()
    logs = LogSet(NETWORK, verify)
    logs.insert(unsigned(X[:5]))
    for _ in range(3):
        for first in range(1, 6):
            logs.servable(AUTHOR, first, first, 10_000)
    assert verify.calls == 5


# --- the digest ----------------------------------------------------------------------------------

NAMES = [f"author {n}" for n in range(8)]
CHAINS = {name: chain(4, name=name) for name in NAMES}


def test_leaves_come_in_pages() -> None:
    logs = log_set()
    for records in CHAINS.values():
        logs.insert(records)
    authors = sorted(identity(name).author for name in NAMES)
    assert list(logs.authors()) == authors
    assert [leaf.author for leaf in logs.leaves()] == authors
    assert [leaf.author for leaf in logs.leaves(after=authors[2])] == authors[3:]
    assert [leaf.author for leaf in logs.leaves(after=authors[2], limit=2)] == authors[3:5]
    assert logs.leaves(after=authors[-1]) == ()
    assert logs.leaves(limit=0) == ()
    assert [leaf.author for leaf in logs.leaves(after=authors[4][:31])] == authors[4:]
    assert [record.author for record in logs.records()] == [a for a in authors for _ in range(4)]


def test_a_leaf_has_eighty_bytes() -> None:
    leaf = Leaf(AUTHOR, 5, NO_PREV, 6)
    assert leaf.wire == AUTHOR + bytes(7) + b"\5" + bytes(32) + bytes(7) + b"\6"


def test_every_change_of_the_set_changes_the_root() -> None:
    logs = log_set()
    roots = [logs.root()]
    for records in CHAINS.values():
        for record in records:
            logs.insert([record])
            roots.append(logs.root())
            assert logs.root() == strangers_root(logs)
    assert len(set(roots)) == len(roots)
    assert all(len(root) == 16 for root in roots)


SINGLES = [record for records in CHAINS.values() for record in records]


@given(st.permutations(range(len(SINGLES))), st.integers(0, len(SINGLES)))
def test_the_set_does_not_depend_on_the_order(order: list[int], repeated: int) -> None:
    logs = log_set()
    added: list[Record] = []
    for index in (*order[:repeated], *order):
        added += logs.insert([SINGLES[index]]).added
    assert sorted(r.id for r in added) == sorted(r.id for r in SINGLES)
    for name in NAMES:
        seqs = [record.seq for record in added if record.author == identity(name).author]
        assert seqs == [1, 2, 3, 4]
    assert logs.root() == strangers_root(logs)
    assert {leaf.seq for leaf in logs.leaves()} == {4}


# --- own records that were never sent ------------------------------------------------------------


def test_own_records_can_be_taken_back_and_signed_again() -> None:
    logs = log_set()
    logs.insert(X[:6])
    again = extend(X[:3], 3, mark=1)
    assert logs.truncate_own(AUTHOR, 4) == X[3:6]
    assert logs.head(AUTHOR) == Head(3, X[2].id)
    assert all(logs.get(record.id) is None for record in X[3:6])
    assert logs.insert(again).added == tuple(again[3:])
    assert logs.proof(AUTHOR) is None
    assert logs.root() == strangers_root(logs)


def test_nothing_is_taken_back_above_the_head() -> None:
    logs = log_set()
    logs.insert(X[:3])
    assert logs.truncate_own(AUTHOR, 4) == ()
    assert logs.truncate_own(AUTHOR, 0) == X[:3]
    assert logs.leaf(AUTHOR) is None


# --- from the node's own store -------------------------------------------------------------------


def test_a_stored_log_is_taken_back_without_a_check() -> None:
    verify = CountingVerify()
    logs = LogSet(NETWORK, verify)
    assert logs.restore(X) == len(X)
    assert verify.calls == 0
    other = log_set()
    other.insert(X)
    assert logs.root() == other.root()
    assert logs.get(X[4].id) is X[4]


def test_only_the_next_record_of_a_log_is_taken_back() -> None:
    logs = log_set()
    assert logs.restore(X[1:]) == 0
    assert logs.restore(extend([], 1, network=b"\1" * 16)) == 0
    assert logs.restore(X[:1]) == 1
    assert logs.restore(X[:1]) == 0
    assert logs.restore(X[2:]) == 0
    assert logs.restore(extend(chain(1, mark=1), 1)[1:]) == 0
    assert list(logs.records()) == [X[0]]


def test_a_stored_log_is_taken_back_up_to_its_first_gap() -> None:
    for broken in ((*X[:3], *X[4:]), (*X[:3], *X[2:]), (*X[:3], extend(chain(3, mark=1), 1)[3])):
        logs = log_set()
        assert logs.restore(broken) == 3
        assert tuple(logs.records()) == X[:3]
        assert logs.restore(X[3:]) == len(X) - 3
        assert tuple(logs.records()) == X


def test_restored_authors_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_AUTHORS", 1)
    logs = log_set()
    assert logs.restore(X[:1]) == 1
    assert logs.restore(chain(1, name="eve")) == 0
    assert logs.restore(X[1:2]) == 1


def test_a_restored_signature_is_checked_before_it_is_served() -> None:
    logs = log_set()
    assert logs.restore((*X[:3], *map(spoiled, X[3:5]))) == 5
    assert logs.servable(AUTHOR, 2, 5, 10_000) == X[1:3]
    assert logs.servable(AUTHOR, 4, 5, 10_000) == ()
    assert logs.insert(X[5:6]).added == X[5:6]
    assert [record.seq for record in logs.servable(AUTHOR, 4, 5, 10_000)] == [4, 5, 6]
