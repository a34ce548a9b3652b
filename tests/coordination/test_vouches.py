from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from antsp2p.coordination.body import Announce, Claim, Vouch
from antsp2p.coordination.first_seen import BUCKET_TICKS
from antsp2p.coordination.meaning import Meaning
from antsp2p.coordination.vouches import MAX_VOUCHED, Vouches
from tests.coordination.contests import NETWORK, Log, key_of
from tests.coordination.market import ME, STRANGER, THIRD, WORKER, Market

if TYPE_CHECKING:
    from antsp2p.records.record import Record

NOBODY = key_of("nobody")


class Observer:
    """One node's meaning of what it is told, day by day."""

    def __init__(self, me: bytes = ME) -> None:
        self.held: dict[tuple[bytes, int], Record] = {}
        self.meaning = Meaning(me, NETWORK, lambda author, seq: self.held.get((author, seq)))
        self.ledger = self.meaning.ledger

    def take(self, *records: Record, day: int = 0) -> None:
        self.ledger.advance(day * BUCKET_TICKS)
        for record in records:
            self.held[record.author, record.seq] = record
            for task in self.meaning.add(record, day * BUCKET_TICKS).tasks:
                self.ledger.update(task, self.meaning.tasks)

    def knows(self, author: bytes, capability: str | None = None) -> bool:
        return self.ledger.score(author, capability).known


def trusted(observer: Observer) -> Market:
    """The observer has had good work of the worker."""
    market = Market()
    market.run("award", "done", "accept", cost=9)
    observer.take(*market.records)
    return market


def test_who_has_earned_something_lends_it_for_as_long_as_it_says() -> None:
    observer = Observer()
    market = trusted(observer)
    observer.take(market.worker.say(Vouch(STRANGER, 2, days=3)), day=1)
    assert observer.knows(STRANGER)
    for day, known in ((3, True), (4, False)):
        observer.ledger.advance(day * BUCKET_TICKS)
        assert observer.knows(STRANGER) is known, day


def test_who_has_earned_nothing_lends_nothing() -> None:
    observer = Observer()
    observer.take(Log(THIRD).say(Vouch(STRANGER, 1_000, days=30)))
    assert not observer.knows(STRANGER)
    assert observer.ledger.score(STRANGER).value_ppm == 0


def test_ones_own_word_counts_for_oneself() -> None:
    observer = Observer()
    observer.take(Log(ME).say(Vouch(STRANGER, 2, days=30)))
    assert observer.knows(STRANGER)


def test_a_vouch_is_taken_back_and_one_for_oneself_means_nothing() -> None:
    observer = Observer()
    worker = trusted(observer).worker
    observer.take(worker.say(Vouch(STRANGER, 2, days=30)), worker.say(Vouch(STRANGER)))
    assert not observer.knows(STRANGER)
    before = observer.ledger.score(WORKER)
    observer.take(worker.say(Vouch(WORKER, 9, days=30)))
    assert observer.ledger.score(WORKER) == before


def test_a_vouch_for_one_capability_counts_in_that_and_over_all() -> None:
    observer = Observer()
    worker = trusted(observer).worker
    observer.take(worker.say(Vouch(STRANGER, 2, days=30, capability="text.count")))
    assert observer.knows(STRANGER, "text.count")
    assert observer.knows(STRANGER)
    assert not observer.knows(STRANGER, "image.scale")


def test_a_failure_is_charged_to_who_vouched_and_vouching_again_does_not_help() -> None:
    def capacity(*, vouches: bool, again: bool = False) -> int:
        observer = Observer()
        market = trusted(observer)
        if vouches:
            observer.take(market.worker.say(Vouch(THIRD, 2, days=30)), day=1)
        task = market.offer().id
        observer.take(market.records[-1], day=2)
        played = len(market.records)
        market.play(task, market.add(market.third.say(Claim(task, 0))), "award", "failed")
        observer.take(*market.records[played:], day=2)
        if again:
            observer.take(market.worker.say(Vouch(THIRD, 2, days=30)), day=3)
        return observer.ledger.trust.capacity(WORKER, now=3)

    assert capacity(vouches=True) < capacity(vouches=False)
    assert capacity(vouches=True, again=True) == capacity(vouches=True)


def test_a_chain_lends_less_and_less() -> None:
    observer = Observer()
    worker = trusted(observer).worker
    third, stranger = Log(THIRD), Log(STRANGER)
    observer.take(worker.say(Vouch(THIRD, 4, days=30)))
    observer.take(third.say(Vouch(STRANGER, 4, days=30)))
    observer.take(stranger.say(Vouch(NOBODY, 4, days=30)))
    lent = [observer.ledger.score(author).accepted for author in (THIRD, STRANGER, NOBODY)]
    assert lent == sorted(lent, reverse=True)
    assert lent[-1] == 0


def test_only_so_many_of_one_author_count() -> None:
    log, vouches = Log(WORKER), Vouches()
    for number in range(MAX_VOUCHED + 1):
        vouches.add(log.say(Vouch(key_of(f"friend {number}"), days=1)), 0)
    given = [vouches.given(WORKER, key_of(f"friend {n}")) for n in range(MAX_VOUCHED + 1)]
    assert [each is None for each in given] == [False] * MAX_VOUCHED + [True]


@settings(max_examples=100)
@given(
    said=st.lists(st.tuples(
        st.sampled_from((WORKER, THIRD)), st.sampled_from((WORKER, THIRD, STRANGER)),
        st.integers(1, 5), st.integers(0, 9),
    ), max_size=12),
    seed=st.integers(0, 999),
)
def test_any_order_and_what_goes_again_leaves_nothing(
    said: list[tuple[bytes, bytes, int, int]], seed: int
) -> None:
    logs = {author: Log(author) for author in (WORKER, THIRD)}
    for voucher, subject, weight, days in said:
        logs[voucher].say(Vouch(subject, weight, days))
    records = [record for log in logs.values() for record in log.records]
    pairs = [(voucher, subject) for voucher in logs for subject in (WORKER, THIRD, STRANGER)]
    straight, mixed = Vouches(), Vouches()
    for record in records:
        straight.add(record, record.seq * BUCKET_TICKS)
    order = Random(seed).sample(records, len(records))
    for record in order + order:
        mixed.add(record, record.seq * BUCKET_TICKS)
    assert [straight.given(*p) for p in pairs] == [mixed.given(*p) for p in pairs]
    for record in order:
        mixed.remove(record)
    assert not any(mixed.given(*pair) for pair in pairs)
    assert mixed.vouchers(STRANGER) == ()
    assert mixed.add(Log(ME).say(Announce("work")), 0) is None


def test_what_left_the_set_lends_nothing() -> None:
    observer = Observer()
    worker = trusted(observer).worker
    vouch = worker.say(Vouch(STRANGER, 2, days=30))
    observer.take(vouch)
    observer.meaning.remove(vouch)
    assert not observer.knows(STRANGER)
