from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from antsp2p.coordination.body import Claim
from antsp2p.coordination.capability import CapabilityFold
from antsp2p.coordination.first_seen import BUCKET_TICKS
from antsp2p.coordination.meaning import Meaning
from antsp2p.coordination.pins import NO_PINS
from antsp2p.coordination.reputation import PPM, Kind, Ledger
from antsp2p.coordination.tasks import TaskFold
from tests.coordination.contests import NETWORK, fold_of, key_of, merged, random_set
from tests.coordination.market import (
    ME,
    STEPS,
    STRANGER,
    THIRD,
    WORKER,
    Market,
    batch,
    folds_of,
)

if TYPE_CHECKING:
    from antsp2p.records.record import Record

RUNS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(STEPS), max_size=6),
        st.integers(1, 9),
        st.sampled_from(("text.count", "other")),
    ),
    min_size=1, max_size=6,
)
_Runs = list[tuple[list[str], int, str]]


def played(tasks: _Runs) -> Market:
    market = Market()
    for steps, cost, capability in tasks:
        market.run(*steps, cost=cost, capability=capability)
    return market


def everything(ledger: Ledger) -> list[object]:
    authors = ledger.authors()
    return [
        (author, ledger.why(author), ledger.judged(author), ledger.owed(author), [
            ledger.score(author, name) for name in (None, "text.count", "other")
        ])
        for author in authors
    ]


def test_a_stranger_is_unknown_and_not_bad() -> None:
    score = Ledger(ME).score(WORKER)
    assert (score.value_ppm, score.known) == (0, False)
    assert Ledger(ME).why(WORKER) == ()
    market = Market()
    market.run("award", "failed")
    assert (market.score().value_ppm, market.score().known) == (0, True)


def test_the_cost_is_the_weight() -> None:
    market = Market()
    market.run("award", "done", "accept", cost=3)
    assert (market.score().accepted, market.score().failed) == (3 * PPM, 0)
    market.run("award", "done", "reject", cost=2)
    assert (market.score().accepted, market.score().failed) == (3 * PPM, 2 * PPM)


def test_what_somebody_unknown_says_is_known_and_weighs_nothing() -> None:
    market = Market(requester=THIRD)
    market.run("award", "done", "accept")
    ledger = market.ledger()
    assert [deed.kind for deed in ledger.why(WORKER)] == [Kind.ACCEPTED]
    assert not ledger.score(WORKER).known


def test_a_convicted_author_scores_nothing() -> None:
    market = Market()
    market.run("award", "done", "accept")
    ledger = market.ledger()
    ledger.convict(WORKER)
    assert (ledger.score(WORKER).value_ppm, ledger.score(WORKER).known) == (0, True)
    ledger.pardon(WORKER)
    assert ledger.score(WORKER).value_ppm


def test_another_configuration_is_another_worker_in_part() -> None:
    market = Market()
    for _ in range(4):
        market.run("award", "done", "accept", cost=3)
    before = market.score("text.count")
    market.run("announce")
    after = market.score("text.count")
    assert 0 < after.value_ppm < before.value_ppm


def test_debts_are_counted_when_they_are_old_enough() -> None:
    market = Market(requester=THIRD)
    for _ in range(3):
        market.run("award", "done")
    market.run("award", "done", "reject")
    fold, capabilities = folds_of(market.records)
    ledger = Ledger(ME, configuration=capabilities.configuration)
    for record in market.records:
        ledger.seen.note(record.author, record.seq, 10)
    for task in fold.task_ids():
        ledger.update(task, fold)
    ledger.advance(10)
    assert (ledger.owed(THIRD), ledger.owed(THIRD, 6), ledger.judged(THIRD)) == (3, 0, 0)
    ledger.set_pins(NO_PINS.pin(WORKER, 1))
    assert ledger.judged(THIRD) == 1
    ledger.advance(16)
    assert ledger.owed(THIRD, 6) == 3
    assert [deed.kind for deed in ledger.why(THIRD)] == [Kind.UNANSWERED] * 3
    assert not ledger.score(THIRD).known


def test_what_is_sealed_stays_when_its_records_go() -> None:
    market = Market()
    task = market.run("award", "done", "accept")
    fold, _ = folds_of(market.records)
    ledger = Ledger(ME)
    ledger.update(task, fold)
    before = everything(ledger)
    ledger.seal(task)
    for record in reversed(market.records):
        for touched in fold.remove(record):
            ledger.update(touched, fold)
    assert everything(ledger) == before


def test_the_bucket_of_a_deed_is_that_of_its_record() -> None:
    market = Market()
    task = market.run("award", "done", "accept")
    fold, _ = folds_of(market.records)
    ledger = Ledger(ME)
    for record in market.records:
        ledger.seen.note(record.author, record.seq, BUCKET_TICKS * record.seq)
    ledger.update(task, fold)
    assert [deed.bucket for deed in ledger.why(WORKER)] == [market.records[-1].seq]


def test_step_by_step_equals_all_at_once_in_any_order_and_however_often() -> None:
    for seed in range(200):
        rng = Random(seed)
        contest = random_set(seed)
        observers = sorted({record.author for record in contest.records})
        complete = fold_of(contest.records)
        nothing = CapabilityFold()
        expected = [everything(batch(complete, nothing, observer)) for observer in observers]
        order = rng.sample(contest.records, len(contest.records))
        fold = TaskFold()
        ledgers = [Ledger(observer) for observer in observers]
        for record in order:
            for task in fold.add(record):
                for ledger in ledgers:
                    ledger.update(task, fold)
                    ledger.update(task, fold)
            for ledger in ledgers:
                for task in ledger.waiting_for(fold.naming(record)):
                    ledger.update(task, fold)
        assert [everything(ledger) for ledger in ledgers] == expected, seed
        for record in order:
            for task in fold.remove(record):
                for ledger in ledgers:
                    ledger.update(task, fold)
        assert all(ledger.authors() == () for ledger in ledgers)


def observed(records: list[Record], me: bytes) -> Meaning:
    """As a node does it: record by record, each task looked at again where it was touched."""
    held: dict[tuple[bytes, int], Record] = {}
    meaning = Meaning(me, NETWORK, lambda author, seq: held.get((author, seq)))
    for record in records:
        held[record.author, record.seq] = record
        for task in meaning.add(record).tasks:
            meaning.ledger.update(task, meaning.tasks)
    return meaning


@settings(max_examples=150)
@given(tasks=RUNS, seed=st.integers(0, 2**16), me=st.sampled_from((ME, WORKER, THIRD, STRANGER)))
def test_a_node_knows_the_same_whatever_came_first(tasks: _Runs, seed: int, me: bytes) -> None:
    market = played(tasks)
    fold, capabilities = folds_of(market.records)
    expected = everything(batch(fold, capabilities, me))
    found = observed(merged(market.records, Random(seed)), me)
    assert everything(found.ledger) == expected


@settings(max_examples=200)
@given(
    tasks=RUNS, which=st.integers(0, 5), me=st.sampled_from((ME, STRANGER, key_of("nobody"))),
    failure=st.sampled_from(("failed", "reject", "lapse", "overdue", "release", "go on")),
)
def test_one_more_failure_never_raises_the_score(
    tasks: _Runs, which: int, me: bytes, failure: str
) -> None:
    market = played(tasks)
    before = market.ledger(me)
    offers = [record for record in market.records if record.author == ME and record.type == 2]
    offer = offers[which % len(offers)]
    claim = next(record for record in market.records
                 if record.type == Claim.type and record.body[0] == offer.id)
    market.play(offer.id, claim, failure)
    after = market.ledger(me)
    for capability in (None, "text.count", "other"):
        better, worse = before.score(WORKER, capability), after.score(WORKER, capability)
        assert worse.value_ppm <= better.value_ppm
        assert worse.failed >= better.failed
