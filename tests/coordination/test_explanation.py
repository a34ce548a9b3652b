"""The parts of an explanation are the score, whatever became of the work and whoever says so."""
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antsp2p.coordination.explanation import Explanation, explain
from antsp2p.coordination.pins import NO_PINS
from antsp2p.coordination.reputation import PPM, Kind
from antsp2p.coordination.weighing import BORROW_PPM
from tests.coordination.market import ME, STEPS, STRANGER, THIRD, WORKER, Market

if TYPE_CHECKING:
    from antsp2p.coordination.reputation import Ledger

DONE = ("award", "done", "accept")
FAILED = ("award", "failed")
OTHER = "other.work"


def explained(
    market: Market, capability: str | None = None, observer: bytes = ME, out: str = ""
) -> Explanation:
    return check(market.ledger(observer), capability, observer, out)


def check(
    ledger: Ledger, capability: str | None = None, observer: bytes = ME, out: str = ""
) -> Explanation:
    """The explanation, which must add up."""
    told = explain(ledger, observer, WORKER, capability, out)
    score = ledger.score(WORKER, capability)
    assert told.score == score
    assert sum(part.points_ppm for part in told.parts) == score.value_ppm
    assert sum(part.weight for part in told.parts if part.weight > 0) == score.accepted
    assert sum(part.weight for part in told.parts if part.weight < 0) == -score.failed
    for part in told.parts:
        assert (part.points_ppm >= 0) == (part.name not in ("failures", "blocked", "convicted")) \
            or part.points_ppm == 0
    return told


def names(told: Explanation) -> list[tuple[str, int]]:
    return [(part.name, part.points_ppm) for part in told.parts]


def test_nothing_is_known_and_nothing_adds_up_to_nothing() -> None:
    told = explained(Market())
    assert (told.parts, told.score.known) == ((), False)
    assert told.after_task_ppm == 333_333


def test_work_that_was_accepted_is_its_own_reason() -> None:
    market = Market()
    market.run(*DONE, cost=2)
    market.run(*DONE, cost=2)
    told = explained(market, "text.count")
    assert names(told) == [("own", 666_666)]
    (part,) = told.parts
    assert part.records == tuple(deed.record_id for deed in market.ledger().why(WORKER))
    assert told.after_task_ppm == 5 * PPM // 7


def test_failures_take_away_what_they_cost() -> None:
    market = Market()
    market.run(*DONE, cost=2)
    market.run(*FAILED)
    told = explained(market, "text.count")
    assert names(told) == [("own", 500_000), ("failures", -166_667)]
    assert [len(part.records) for part in told.parts] == [1, 1]
    assert told.score.value_ppm == 333_333


def test_other_work_counts_a_little() -> None:
    market = Market()
    for _ in range(4):
        market.run(*DONE, capability=OTHER)
    market.run(*DONE)
    told = explained(market, "text.count")
    assert [(part.name, part.weight, len(part.records)) for part in told.parts] == [
        ("own", PPM, 1), ("elsewhere", BORROW_PPM, 4)]
    assert [part.weight for part in explained(market).parts] == [5 * PPM]


def test_the_word_of_others_counts_as_far_as_they_earned_it() -> None:
    market = Market(requester=THIRD)
    market.run(*DONE)
    untrusted = explained(market, "text.count")
    assert untrusted.parts == ()
    assert len(untrusted.unheard) == 1
    ledger = market.ledger()
    ledger.set_pins(NO_PINS.pin(THIRD, 6))
    told = check(ledger, "text.count")
    assert [(part.name, part.rater, part.share_ppm) for part in told.parts] == [
        ("testimony", THIRD, PPM)]
    assert told.unheard == ()
    assert len(told.parts[0].records) == 1


def test_pins_are_named() -> None:
    ledger = Market().ledger()
    ledger.set_pins(NO_PINS.pin(WORKER, 6))
    told = check(ledger)
    assert [(part.name, part.weight, part.records) for part in told.parts] == [
        ("pin", 6 * PPM, ())]


@pytest.mark.parametrize("out", ["blocked", "convicted"])
def test_who_is_out_is_told_what_that_costs(out: str) -> None:
    market = Market()
    market.run(*DONE)
    market.run(*FAILED)
    ledger = market.ledger()
    if out == "blocked":
        ledger.set_pins(NO_PINS.block(WORKER))
    else:
        ledger.convict(WORKER)
    told = check(ledger, out=out)
    assert names(told) == [("own", 333_333), ("failures", -133_333), (out, -200_000)]
    assert told.after_task_ppm == 0


def test_what_is_doubtful_is_named_by_its_records() -> None:
    market = Market()
    market.run("award", "lapse", "dispute")
    market.run("award", "overdue")
    ledger = market.ledger()
    told = check(ledger)
    deeds = {deed.record_id: deed for deed in ledger.why(WORKER)}
    assert {deeds[record].kind for record in told.suspected} == {Kind.LAPSED, Kind.OVERDUE}
    assert [deeds[record].kind for record in told.disputed] == [Kind.LAPSED]


def test_a_verdict_that_is_owed_is_no_part_of_the_score() -> None:
    market = Market()
    market.run("award", "done")
    told = explain(market.ledger(WORKER), WORKER, ME, None)
    assert (told.parts, len(told.unanswered)) == ((), 1)


def test_asking_leaves_no_trace() -> None:
    market = Market()
    market.run(*DONE)
    ledger = market.ledger()
    before = ledger.score(WORKER), ledger.contributions(WORKER)
    for _ in range(3):
        explain(ledger, ME, WORKER, "text.count")
        explain(ledger, ME, WORKER, None)
    assert (ledger.score(WORKER), ledger.contributions(WORKER)) == before


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(STEPS), max_size=6), st.integers(1, 9),
            st.sampled_from(("text.count", OTHER)),
        ),
        min_size=1, max_size=6,
    ),
    st.sampled_from((ME, THIRD, STRANGER)),
    st.dictionaries(st.sampled_from((ME, WORKER, THIRD, STRANGER)), st.integers(1, 9)),
    st.sampled_from((None, "text.count", OTHER, "unheard.of")),
)
def test_the_parts_add_up_whatever_was_done(
    tasks: list[tuple[list[str], int, str]], observer: bytes, pinned: dict[bytes, int],
    capability: str | None,
) -> None:
    market = Market()
    for steps, cost, name in tasks:
        market.run(*steps, cost=cost, capability=name)
    ledger = market.ledger(observer)
    pins = NO_PINS
    for author, weight in pinned.items():
        pins = pins.pin(author, weight)
    ledger.set_pins(pins)
    told = check(ledger, capability, observer)
    known = {deed.record_id for deed in ledger.why(WORKER)}
    assert {record for part in told.parts for record in part.records} <= known
    assert told.after_task_ppm >= told.score.value_ppm
    assert all(part.records for part in told.parts if part.name in ("own", "testimony", "failures"))
