"""The laws of vector clocks, exhaustively for three authors and counts 0 to 2."""
from __future__ import annotations

from itertools import product

from antsp2p.records.clock import (
    EMPTY,
    Clock,
    Order,
    advance,
    at_most,
    compare,
    has_seen,
    join,
)

AUTHORS = (b"a", b"b", b"c")
CLOCKS: list[Clock] = [
    {author: count for author, count in zip(AUTHORS, counts, strict=True) if count}
    for counts in product(range(3), repeat=3)
]
PAIRS = list(product(CLOCKS, repeat=2))
TRIPLES = list(product(CLOCKS, repeat=3))


def test_there_are_all_twenty_seven_clocks() -> None:
    assert len(CLOCKS) == 27
    assert EMPTY in CLOCKS


def test_at_most_is_reflexive() -> None:
    assert all(at_most(clock, clock) for clock in CLOCKS)


def test_at_most_is_antisymmetric() -> None:
    for left, right in PAIRS:
        if at_most(left, right) and at_most(right, left):
            assert left == right


def test_at_most_is_transitive() -> None:
    for low, middle, high in TRIPLES:
        if at_most(low, middle) and at_most(middle, high):
            assert at_most(low, high)


def test_nothing_is_below_the_empty_clock() -> None:
    for clock in CLOCKS:
        assert at_most(EMPTY, clock)
        assert at_most(clock, EMPTY) == (clock == EMPTY)


def test_join_is_the_least_upper_bound() -> None:
    for left, right in PAIRS:
        joined = join(left, right)
        assert joined in CLOCKS
        for bound in CLOCKS:
            is_upper_bound = at_most(left, bound) and at_most(right, bound)
            assert is_upper_bound == at_most(joined, bound)


def test_join_is_commutative_and_idempotent() -> None:
    for left, right in PAIRS:
        assert join(left, right) == join(right, left)
    for clock in CLOCKS:
        assert join(clock, clock) == clock
        assert join(clock, EMPTY) == clock


def test_join_is_associative() -> None:
    for one, two, three in TRIPLES:
        assert join(join(one, two), three) == join(one, join(two, three))


def test_join_and_advance_leave_their_arguments_alone() -> None:
    left, right = {b"a": 1}, {b"a": 2}
    join(left, right)
    advance(left, b"a", 9)
    assert (left, right) == ({b"a": 1}, {b"a": 2})


def test_compare_is_the_partial_order() -> None:
    opposite = {
        Order.EQUAL: Order.EQUAL, Order.BEFORE: Order.AFTER,
        Order.AFTER: Order.BEFORE, Order.CONCURRENT: Order.CONCURRENT,
    }
    for left, right in PAIRS:
        order = compare(left, right)
        assert (order is Order.EQUAL) == (left == right)
        assert (order in (Order.BEFORE, Order.EQUAL)) == at_most(left, right)
        assert (order in (Order.AFTER, Order.EQUAL)) == at_most(right, left)
        assert compare(right, left) is opposite[order]


def test_before_is_a_strict_order() -> None:
    for one, two, three in TRIPLES:
        if compare(one, two) is compare(two, three) is Order.BEFORE:
            assert compare(one, three) is Order.BEFORE


def test_advance_is_the_join_with_one_entry() -> None:
    for clock, author, seq in product(CLOCKS, AUTHORS, range(4)):
        advanced = advance(clock, author, seq)
        assert at_most(clock, advanced)
        assert has_seen(advanced, author, seq)
        assert advanced.get(author, 0) == max(clock.get(author, 0), seq)
        assert all(advanced.values())
        for other in AUTHORS:
            if other != author:
                assert advanced.get(other, 0) == clock.get(other, 0)


def test_has_seen_is_monotone() -> None:
    for left, right in PAIRS:
        if at_most(left, right):
            for author, seq in product(AUTHORS, range(4)):
                assert has_seen(right, author, seq) or not has_seen(left, author, seq)


def test_an_absent_author_counts_as_zero() -> None:
    assert has_seen(EMPTY, b"a", 0)
    assert not has_seen(EMPTY, b"a", 1)
    assert compare({b"a": 1}, {b"b": 1}) is Order.CONCURRENT
