from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from antsp2p.coordination.body import Award, Claim, Offer, Result, Verdict, content_hash
from antsp2p.coordination.evidence import CONDUCT, NOTHING, Deed, Kind, Proof, owed_answers
from tests.coordination.market import (
    ME,
    STRANGER,
    THIRD,
    WORKER,
    Market,
    folds_of,
)

if TYPE_CHECKING:
    from antsp2p.records.record import Record


def kinds(deeds: list[Deed]) -> list[tuple[Kind, bytes, bytes]]:
    return [(deed.kind, deed.rater, deed.subject) for deed in deeds]


@pytest.mark.parametrize(("steps", "expected"), [
    (("award", "done", "accept"), Kind.ACCEPTED),
    (("award", "lapse", "done", "accept"), Kind.ACCEPTED),
    (("done", "accept"), Kind.ACCEPTED),
    (("award", "accept"), Kind.ACCEPTED),
    (("award", "done", "reject"), Kind.REJECTED),
    (("done", "reject"), Kind.REJECTED),
    (("award", "failed", "lapse"), Kind.FAILED),
    (("award", "lapse"), Kind.LAPSED),
    (("award", "lapse", "release"), Kind.LAPSED),
    (("award", "overdue"), Kind.OVERDUE),
    (("award", "release"), Kind.RELEASED),
    (("award", "done", "failed"), None),
    (("award", "done", "cancel", "accept"), None),
    (("award", "done"), None),
    (("release",), None),
    (("lapse",), None),
    (("failed",), None),
    (("accept",), None),
    (("reject",), None),
])
def test_the_requester_says_one_thing_of_each_claim(
    steps: tuple[str, ...], expected: Kind | None
) -> None:
    # An onlooker hears the same word as the requester itself.
    for observer in (ME, STRANGER):
        found = Market().deeds(*steps, observer=observer)
        assert kinds(found) == ([] if expected is None else [(expected, ME, WORKER)])


def test_a_deed_names_its_record_its_weight_and_what_ran() -> None:
    market = Market()
    market.run("announce")
    digest = market.records[-1].body[6]
    task = market.run("award", "done", "accept", cost=4)
    claim = next(r for r in market.records if r.type == Claim.type and r.body[0] == task)
    (deed,) = market.evidence(task).deeds
    assert deed == Deed(
        market.records[-1].id, task, claim.id, ME, WORKER, "text.count", Kind.ACCEPTED, 4, 0,
        digest,
    )
    assert deed.good
    assert deed.proof is Proof.TESTIMONY


def test_what_runs_now_does_not_change_what_ran_then() -> None:
    market = Market()
    task = market.run("award", "done", "accept")
    before = market.evidence(task).deeds
    market.run("announce")
    assert market.evidence(task).deeds == before
    assert before[0].configuration == b""


def test_another_takes_a_lease_in_its_own_name() -> None:
    market = Market()
    found = market.deeds("award", "other lapse")
    assert kinds(found) == [(Kind.LAPSED, STRANGER, WORKER)]
    assert found[0].proof is Proof.SUSPECTED
    assert kinds(Market().deeds("other lapse")) == []
    assert kinds(Market().deeds("award", "other lapse", "done", "accept")) == [
        (Kind.ACCEPTED, ME, WORKER)]
    # Both failed it in somebody's eyes, and neither word takes the other away.
    assert kinds(Market().deeds("award", "other lapse", "lapse")) == [
        (Kind.LAPSED, ME, WORKER), (Kind.LAPSED, STRANGER, WORKER)]


def test_a_lease_that_was_given_back_was_stolen() -> None:
    found = Market().deeds("award", "other lapse", "award back")
    assert kinds(found) == [(Kind.STOLEN, ME, STRANGER)]
    assert not found[0].good
    # An award without a word of the lapse says nothing of it.
    again = Market().deeds("award", "other lapse", "award")
    assert kinds(again) == [(Kind.LAPSED, STRANGER, WORKER)]


@pytest.mark.parametrize("answer", ["done", "failed", "release", "dispute"])
def test_who_answers_an_expiry_is_not_exposed(answer: str) -> None:
    for steps in (("award", "lapse", answer, "go on"), ("award", answer, "lapse", "go on")):
        market = Market()
        market.run(*steps)
        task = market.records[0].id
        found = market.evidence(task, STRANGER)
        assert Kind.EXPOSED not in {deed.kind for deed in found.deeds}, steps
        assert found.unowned == ()


@pytest.mark.parametrize("expiry", ["lapse", "overdue"])
def test_who_passes_over_an_expiry_is_exposed_to_everybody(expiry: str) -> None:
    for after in ((), ("release",), ("dispute",), ("done",), ("done", "reject")):
        market = Market()
        task = market.run("award", expiry, "go on", *after)
        deeds = list(market.evidence(task, STRANGER).deeds)
        exposed = [deed for deed in deeds if deed.kind is Kind.EXPOSED]
        assert [(deed.rater, deed.subject) for deed in exposed] == [(STRANGER, WORKER)], after
        assert exposed[0].proof is Proof.EXPOSED
        # The requester has its own word on the claim, and needs no second.
        assert Kind.EXPOSED not in {deed.kind for deed in market.evidence(task).deeds}


def test_who_was_not_awarded_or_does_not_know_yet_or_was_accepted_is_not_exposed() -> None:
    assert Market().deeds("lapse", "go on", observer=STRANGER) == []
    market = Market()
    found = market.evidence(market.run("award", "lapse"), STRANGER)
    assert kinds(list(found.deeds)) == [(Kind.LAPSED, ME, WORKER)]
    assert found.unowned == ((WORKER, ME),)
    late = Market().deeds("award", "lapse", "go on", "done", "accept", observer=STRANGER)
    assert kinds(late) == [(Kind.ACCEPTED, ME, WORKER)]


def test_a_record_of_another_task_can_show_that_the_author_knew() -> None:
    market = Market()
    task = market.run("award", "lapse")
    market.run()  # The worker claims what the requester offered after the expiry.
    assert Kind.EXPOSED in {deed.kind for deed in market.evidence(task, STRANGER).deeds}


def test_a_dispute_is_shown_and_weighs_nothing() -> None:
    market = Market()
    plain = Market().deeds("award", "lapse")[0]
    disputed = market.deeds("award", "lapse", "dispute")[0]
    assert disputed.dispute == market.records[-1].id
    assert (disputed.kind, disputed.weight, disputed.good) == (plain.kind, plain.weight, False)


def two_results(market: Market, first: bytes, second: bytes) -> tuple[bytes, Record]:
    """The worker is rejected, and the third accepted, for one task."""
    task = market.offer().id
    said = market.add
    for log, output, accept in (
        (market.worker, first, False), (market.third, second, True)
    ):
        claim = said(log.say(Claim(task, 0)))
        said(market.requester.say(Award(task, claim.id)))
        result = said(log.say(Result(task, claim.id, 0, output)))
        verdict = said(market.requester.say(
            Verdict(task, claim.id, result.id, accept, content_hash(output))))
    return task, verdict


def test_who_accepts_what_it_rejected_contradicts_itself() -> None:
    market = Market()
    task, accept = two_results(market, b"same", b"same")
    deeds = list(market.evidence(task, STRANGER).deeds)
    assert (Kind.CONTRADICTED, STRANGER, ME) in kinds(deeds)
    found = next(deed for deed in deeds if deed.kind is Kind.CONTRADICTED)
    assert (found.capability, found.claim, found.record_id) == (CONDUCT, accept.id, accept.id)
    assert found.proof is Proof.EXPOSED
    other = Market()
    task, _ = two_results(other, b"bad", b"good")
    assert kinds(list(other.evidence(task, STRANGER).deeds)) == [
        (Kind.REJECTED, ME, WORKER), (Kind.ACCEPTED, ME, THIRD)]


def test_a_requester_that_thinks_again_does_not_contradict_itself() -> None:
    found = Market().deeds("award", "done", "reject", "award", "accept", observer=STRANGER)
    assert kinds(found) == [(Kind.ACCEPTED, ME, WORKER)]


@pytest.mark.parametrize(("steps", "owes"), [
    (("award", "done"), True),
    (("award", "done", "cancel"), True),
    (("award", "lapse", "done"), True),
    (("award", "done", "lapse"), True),
    (("award", "done", "accept"), False),
    (("award", "done", "reject"), False),
    (("award", "done", "give up"), False),
    (("award", "failed"), False),
    (("done",), False),
    (("award",), False),
])
def test_a_requester_owes_a_word_on_what_it_awarded(steps: tuple[str, ...], owes: bool) -> None:
    market = Market()
    found = market.evidence(market.run(*steps)).unanswered
    assert [(owed.deed.kind, owed.deed.rater, owed.deed.subject) for owed in found] == (
        [(Kind.UNANSWERED, WORKER, ME)] if owes else [])


def test_own_work_for_oneself_is_no_evidence() -> None:
    market = Market()
    task = market.offer().id
    claim = market.add(market.requester.say(Claim(task, 0)))
    market.add(market.requester.say(Award(task, claim.id)))
    result = market.add(market.requester.say(Result(task, claim.id, 0, b"")))
    market.add(market.requester.say(
        Verdict(task, claim.id, result.id, True, content_hash(b""))))
    for observer in (ME, STRANGER):
        assert market.evidence(task, observer).deeds == ()


def test_what_an_author_has_to_answer() -> None:
    market = Market()
    task = market.run("award", "lapse")
    claim = next(record for record in market.records if record.author == WORKER)
    fold, _ = folds_of(market.records)
    assert owed_answers(WORKER, task, fold) == ((claim, 0, market.records[-1]),)
    assert owed_answers(THIRD, task, fold) == ()
    for answer in ("done", "release", "dispute"):
        answered = Market()
        task = answered.run("award", "lapse", answer)
        assert owed_answers(WORKER, task, folds_of(answered.records)[0]) == ()


def test_what_names_another_name_of_a_task_says_nothing() -> None:
    market = Market()
    first, alias = (
        market.add(market.requester.say(
            Offer("text.count", 1_000, settle_ms, 3, input=b"", idempotency_key=b"k")))
        for settle_ms in range(2)
    )
    for task, log in ((first, market.worker), (alias, market.third)):
        claim = market.add(log.say(Claim(task.id, 0)))
        market.play(task.id, claim, "award", "done", "accept")
    assert kinds(list(market.evidence(first.id).deeds)) == [(Kind.ACCEPTED, ME, WORKER)]
    assert market.evidence(alias.id) == NOTHING
    fold, _ = folds_of(market.records)
    assert fold.end(alias.id) is None
    assert market.ledger().why(THIRD) == ()
