from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from antsp2p.coordination.rendezvous import rank

AUTHORS = [hashlib.sha256(bytes([i])).digest() for i in range(6)]


def ranks(task: bytes, weights: dict[bytes, int], epoch: int = 0) -> list[int]:
    pairs = list(weights.items())
    return [rank(task, epoch, author, pairs, weight) for author, weight in pairs]


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**40))
def test_everybody_who_sees_the_same_has_its_own_rank(task: bytes, epoch: int) -> None:
    assert sorted(ranks(task, dict.fromkeys(AUTHORS, 1), epoch)) == list(range(len(AUTHORS)))


def test_who_has_no_free_slot_does_not_count() -> None:
    assert rank(b"t" * 32, 0, AUTHORS[0], [(other, 0) for other in AUTHORS[1:]], 1) == 0


def test_twice_the_slots_are_first_about_twice_as_often() -> None:
    first: Counter[bytes] = Counter()
    weights = {AUTHORS[0]: 2, AUTHORS[1]: 1}
    for number in range(3_000):
        task = hashlib.sha256(number.to_bytes(4, "big")).digest()
        for author, place in zip(weights, ranks(task, weights), strict=True):
            first[author] += place == 0
    assert 1.7 < first[AUTHORS[0]] / first[AUTHORS[1]] < 2.3


def test_another_epoch_ranks_afresh() -> None:
    task = b"t" * 32
    orders = {tuple(ranks(task, dict.fromkeys(AUTHORS, 1), epoch)) for epoch in range(20)}
    assert len(orders) > 10
