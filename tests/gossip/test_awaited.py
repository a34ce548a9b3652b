"""How long a push is awaited, and what it tells when none comes."""
from __future__ import annotations

from collections import Counter

from antsp2p.gossip.awaited import Awaited
from antsp2p.gossip.limits import DEFAULT_LIMITS
from tests.gossip.test_pursuit import link

A, B = b"a" * 32, b"b" * 32
SOURCE = link(1)


class Waiter:
    def __init__(self) -> None:
        self.heads: Counter[bytes] = Counter()
        self.pursued: list[bytes] = []
        self.awaited = Awaited(
            limits=DEFAULT_LIMITS, have=lambda author: self.heads[author],
            pursue=lambda link, author, upto, now_us: self.pursued.append(author),
        )

    def miss(self, author: bytes, seq: int) -> None:
        """A record is advertised, and nobody pushes it."""
        self.awaited.heard(SOURCE, author, seq, 0)
        self.awaited.due(DEFAULT_LIMITS.max_patience_us)
        self.heads[author] = seq
        self.awaited.arrived(author)


def test_what_is_not_pushed_is_asked_for_when_patience_ends() -> None:
    waiter = Waiter()
    waiter.awaited.heard(SOURCE, A, 1, 0)
    waiter.awaited.due(waiter.awaited.patience_us - 1)
    assert waiter.pursued == []
    waiter.awaited.due(waiter.awaited.patience_us)
    assert waiter.pursued == [A]


def test_it_is_rough_after_a_missed_push_until_the_next_new_one() -> None:
    waiter = Waiter()
    assert not waiter.awaited.is_rough
    waiter.miss(A, 1)
    assert waiter.awaited.is_rough
    waiter.awaited.pushed(B, 1, False, 0)
    assert waiter.awaited.is_rough
    waiter.awaited.pushed(B, 1, True, 0)
    assert not waiter.awaited.is_rough


def test_where_many_pushes_are_missed_it_stays_rough() -> None:
    waiter = Waiter()
    for seq in range(1, 9):
        waiter.miss(A, seq)
    for seq in range(1, 5):
        waiter.awaited.pushed(B, seq, True, 0)
        assert waiter.awaited.is_rough
