"""What waits above a gap, and the bounds of that: nobody fills the tables for others."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.records import log as log_module
from antsp2p.records.fork import MAX_UNSIGNED
from antsp2p.records.log import (
    MAX_AHEAD,
    MAX_WAITING_PER_AUTHOR,
    Head,
    Insertion,
    Missing,
)
from tests.records.chains import (
    chain,
    identity,
    log_set,
    spoiled,
    unsigned,
)

if TYPE_CHECKING:
    import pytest

AUTHOR = identity().author
X = chain(10)


def test_records_above_a_gap_wait_outside_the_set() -> None:
    logs = log_set()
    logs.insert(X[:2])
    root = logs.root()
    assert logs.insert(X[4:6]) == Insertion(missing=Missing(AUTHOR, 3, 4))
    assert logs.root() == root
    assert logs.get(X[4].id) is logs.at(AUTHOR, 5) is None
    assert logs.insert(X[4:6]) == Insertion(missing=Missing(AUTHOR, 3, 4), duplicates=2)
    assert logs.insert(X[2:4]) == Insertion(added=X[2:6])


def test_the_lowest_gap_is_named_until_none_is_left() -> None:
    logs = log_set()
    assert logs.insert([X[8]]).missing == Missing(AUTHOR, 1, 8)
    assert logs.insert([X[4]]).missing == Missing(AUTHOR, 1, 4)
    assert logs.insert([X[6]]).missing == Missing(AUTHOR, 1, 4)
    assert logs.insert(X[:4]) == Insertion(added=X[:5], missing=Missing(AUTHOR, 6, 6))
    assert logs.insert([X[5]]) == Insertion(added=X[5:7], missing=Missing(AUTHOR, 8, 8))
    assert logs.insert([X[0]]) == Insertion(duplicates=1)
    assert logs.insert([X[7]]) == Insertion(added=X[7:9])


def test_a_waiting_author_has_no_leaf() -> None:
    logs = log_set()
    logs.insert([X[1]])
    assert logs.authors() == ()
    assert (logs.head(AUTHOR), logs.leaf(AUTHOR)) == (None, None)


def test_what_waits_covers_what_fills_the_gap() -> None:
    logs = log_set()
    logs.insert(X[4:6])
    assert len(logs.insert([spoiled(record) for record in X[:4]]).added) == 6
    assert logs.head(AUTHOR) == Head(6, X[5].id)
    far = log_set()
    far.insert(X[5:6])
    assert far.insert([spoiled(record) for record in X[:4]]).refused == "signature"


def test_what_is_far_above_the_head_does_not_wait() -> None:
    logs = log_set()
    far = chain(MAX_AHEAD + 2)
    assert logs.insert([far[MAX_AHEAD + 1]]) == Insertion(
        missing=Missing(AUTHOR, 1, MAX_AHEAD + 1), refused="too-far"
    )
    assert logs.insert([far[MAX_AHEAD]]) == Insertion(missing=Missing(AUTHOR, 1, MAX_AHEAD))


def test_the_lowest_records_of_an_author_wait_longest() -> None:
    logs = log_set()
    long = chain(MAX_WAITING_PER_AUTHOR + 10)
    for record in long[1:MAX_WAITING_PER_AUTHOR + 1]:
        assert logs.insert([record]).refused == ""
    high = logs.insert([long[MAX_WAITING_PER_AUTHOR + 3]])
    assert high == Insertion(missing=Missing(AUTHOR, 1, 1), refused="waiting-full")
    assert len(logs.insert([long[0]]).added) == MAX_WAITING_PER_AUTHOR + 1


def test_a_lower_run_displaces_a_higher_one() -> None:
    logs = log_set()
    long = chain(2 * MAX_WAITING_PER_AUTHOR)
    logs.insert(unsigned(long[-MAX_UNSIGNED:]))
    for record in long[2:MAX_WAITING_PER_AUTHOR]:
        assert logs.insert([record]).refused == ""
    assert len(logs.insert(long[:2]).added) == MAX_WAITING_PER_AUTHOR


def test_a_run_too_long_to_wait_is_refused_and_what_it_covers_goes_with_it() -> None:
    logs = log_set()
    long = chain(2 * MAX_WAITING_PER_AUTHOR)
    outcome = logs.insert(long[5:5 + MAX_WAITING_PER_AUTHOR + 1])
    assert outcome == Insertion(missing=Missing(AUTHOR, 1, 5), refused="waiting-full")
    assert len(logs.insert(long[:5]).added) >= 5
    head = logs.head(AUTHOR)
    assert head is not None
    assert logs.servable(AUTHOR, head.seq, head.seq, 1_000) != ()


def test_a_covered_run_is_dropped_as_a_whole() -> None:
    logs = log_set()
    long = chain(140)
    for first, last in ((1, 62), (62, 123)):
        assert logs.insert(unsigned(long[first:last])).refused == ""
    assert logs.insert(unsigned(long[123:133])).refused == "waiting-full"
    assert len(logs.insert([long[0]]).added) == 123
    assert len(logs.servable(AUTHOR, 123, 123, 1_000)) == 1
    # Nothing is remembered of the signatures of what was dropped.
    assert logs.insert(unsigned(long[124:135])).refused == ""
    assert len(logs.insert([long[123]]).added) == 12
    assert [r.seq for r in logs.servable(AUTHOR, 133, 133, 1_000)] == [133, 134, 135]


def test_one_author_does_not_push_out_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_WAITING", 12)
    logs = log_set()
    others = [chain(3, name=f"other {n}") for n in range(5)]
    for other in others:
        assert logs.insert([other[1]]).refused == ""
    flood = chain(60)
    outcomes = [logs.insert([record]).refused for record in flood[1:]]
    assert outcomes[:7] == [""] * 7
    assert set(outcomes[7:]) == {"waiting-full"}
    assert logs.insert([flood[0]]).added == flood[:8]
    for other in others:
        assert logs.insert([other[0]]).added == other[:2]


def test_the_fullest_author_makes_room_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_WAITING", 12)
    logs = log_set()
    flood = chain(60)
    for record in flood[1:40]:
        logs.insert([record])
    others = [chain(3, name=f"other {n}") for n in range(6)]
    for other in others:
        assert logs.insert([other[1]]).refused == ""
    assert logs.insert([flood[0]]).added == flood[:7]
    for other in others:
        assert logs.insert([other[0]]).added == other[:2]


def test_the_number_of_authors_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_AUTHORS", 2)
    logs = log_set()
    assert logs.insert(chain(1, name="a")).refused == ""
    assert logs.insert(chain(2, name="b")[1:]).refused == ""
    assert logs.insert(chain(1, name="c")).refused == "authors-full"
    assert logs.insert(chain(2, name="a")).refused == ""
    assert len(logs.authors()) == 1


def test_an_author_with_nothing_left_frees_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_AUTHORS", 1)
    logs = log_set()
    assert logs.insert([spoiled(chain(1, name="a")[0])]).refused == "signature"
    assert logs.insert(chain(1, name="b")).refused == ""
    assert logs.truncate_own(identity("b").author, 1) == chain(1, name="b")
    assert logs.insert(chain(1, name="c")).refused == ""
