"""What a score changes, and that it changes nothing among strangers."""
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from antsp2p.coordination.body import (
    Award,
    Claim,
    Offer,
    Outcome,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
    content_hash,
)
from antsp2p.coordination.claimant import DECLINED_US
from antsp2p.coordination.judgement import DEFAULT_POLICY, Judgement, Policy
from antsp2p.coordination.lease import SECOND_LOOK_US
from antsp2p.coordination.pins import NO_PINS
from antsp2p.coordination.reputation import Ledger
from antsp2p.coordination.requester import OPINION_US
from tests.coordination.market import ME, STRANGER, THIRD, WORKER, Market
from tests.coordination.test_claimant import Bench, ranked
from tests.coordination.test_requester import SECOND, Desk

if TYPE_CHECKING:
    from antsp2p.records.record import Record

NO_QUOTA = Policy(strangers_ppm=0)
ALL_QUOTA = Policy(strangers_ppm=1_000_000)


def judged(*runs: tuple[str, ...], requester: bytes = ME, policy: Policy = DEFAULT_POLICY
           ) -> Judgement:
    market = Market(requester)
    for steps in runs:
        market.run(*steps)
    return Judgement(market.ledger(), policy)


def test_who_failed_and_did_little_else_is_bad_and_the_unknown_are_not() -> None:
    bad, good = ("award", "failed"), ("award", "done", "accept")
    assert not judged().is_bad(WORKER, "text.count")
    assert not judged(bad).is_bad(WORKER, "text.count")
    assert judged(bad, bad).is_bad(WORKER, "text.count")
    assert not judged(bad, bad, *([good] * 9)).is_bad(WORKER, "text.count")
    # What somebody says who has earned nothing makes nobody bad.
    assert not judged(bad, bad, requester=STRANGER).is_bad(WORKER, "text.count")
    assert judged(bad, bad).counts(WORKER, "text.count") is False
    assert judged(bad, bad, policy=Policy(ignores_bad=False)).counts(WORKER, "text.count")


def test_a_mark_is_heeded_by_what_its_author_is_over_all() -> None:
    bad, good = ("award", "failed"), ("award", "done", "accept")
    assert judged().counts(STRANGER, None)
    assert not judged(bad, bad).counts(WORKER, None)
    assert judged(bad, bad, policy=Policy(ignores_bad=False)).counts(WORKER, None)
    assert judged(bad, bad, *([good] * 9)).counts(WORKER, None)
    assert judged().weight_ppm(WORKER) == 0
    assert judged(good).weight_ppm(WORKER) == judged(good)._ledger.score(WORKER, None).value_ppm > 0


def test_a_policy_out_of_range_is_refused() -> None:
    for wrong in ({"debts": -1}, {"strangers_ppm": 1_000_001}, {"replicas": 0}, {"replicas": 8},
                  {"grace_ppm": 750_001}):
        with pytest.raises(ValueError, match="must be"):
            Policy(**wrong)  # type: ignore[arg-type]  # as a person may write it


# --- the worker ----------------------------------------------------------------------------------


def debtor(results: int, verdicts: int = 0) -> Judgement:
    return judged(
        *([("award", "done")] * results), *([("award", "done", "reject")] * verdicts),
        requester=THIRD, policy=Policy(patience_ticks=0),
    )


def test_a_requester_that_gives_no_verdicts_gets_no_more_work() -> None:
    assert debtor(3).takes_offers_of(THIRD)
    assert not debtor(4).takes_offers_of(THIRD)
    paid = debtor(4, verdicts=10)
    assert not paid.takes_offers_of(THIRD), "it may have made up whom it judged"
    paid._ledger.set_pins(NO_PINS.pin(WORKER, 1))
    assert paid.takes_offers_of(THIRD)
    assert debtor(9).takes_offers_of(STRANGER)
    careless = judged(*([("award", "done")] * 9), requester=THIRD, policy=Policy(
        patience_ticks=0, declines_debtors=False))
    assert careless.takes_offers_of(THIRD)


def test_who_waits_for_a_person_may_take_days() -> None:
    assert judged(*([("award", "done")] * 9), requester=THIRD).takes_offers_of(THIRD)
    ledger = Ledger(ME)
    assert ledger.owed(THIRD, 0, 432) == 0


def test_a_claimant_looks_at_a_debtors_task_again_and_takes_it_when_it_has_paid() -> None:
    bench = Bench()
    debts: list[tuple[bytes, Record, Record]] = []
    for _ in range(4):
        task = bench.scribe.offer().id
        claim = bench.scribe.claim("other", task)
        bench.scribe.award(task, claim)
        debts.append((task, claim, bench.scribe.result("other", task, claim)))
        bench.ledger.update(task, bench.scribe.tasks)
    bench.ledger.advance(DEFAULT_POLICY.patience_ticks)
    task = bench.scribe.offer().id
    bench.claimant.touched(task, 0)
    assert not bench.claimant.is_our_turn(task, SECOND)
    assert bench.claimant.claim(task) is None
    due_us = SECOND + DECLINED_US
    paid, claim, result = debts[0]
    bench.scribe.write("requester", Verdict(
        paid, claim.id, result.id, True, content_hash(b"out")))
    bench.ledger.update(paid, bench.scribe.tasks)
    assert not bench.claimant.is_our_turn(task, due_us - 1)
    assert bench.claimant.is_our_turn(task, due_us)
    assert bench.claimant.claim(task) is not None


def failed_for(bench: Bench, name: str) -> None:
    """`name` fails two tasks of ours, and is bad from then on."""
    for _ in range(2):
        task = bench.scribe.offer("me").id
        claim = bench.scribe.claim(name, task)
        bench.scribe.award(task, claim, "me")
        bench.scribe.result(name, task, claim, Outcome.FAILED)
        bench.ledger.update(task, bench.scribe.tasks)


def test_nobody_waits_for_a_bad_node_to_claim_first() -> None:
    bench = Bench()
    failed_for(bench, "rival")
    bench.scribe.announce("rival")
    for _ in range(20):
        task = bench.scribe.offer().id
        bench.claimant.touched(task, 0)
        assert bench.claimant.is_our_turn(task, 0)
    assert ranked(Bench(), first=False)


@pytest.mark.parametrize("is_bad", [False, True])
def test_a_bad_node_that_calls_a_holder_silent_is_believed_later(is_bad: bool) -> None:
    bench = Bench()
    if is_bad:
        failed_for(bench, "taker")
    task = bench.scribe.offer().id
    claim = bench.scribe.claim("holder", task)
    bench.scribe.award(task, claim)
    award = bench.scribe.tasks.awards(task)[0][0]
    bench.scribe.lapse("taker", task, claim, [award.id])
    bench.claimant.touched(task, 0)
    assert bench.claimant.is_our_turn(task, 0) is not is_bad
    assert bench.claimant.is_our_turn(task, SECOND)  # One lease.


def test_a_bad_node_that_gives_its_own_claim_back_is_believed_at_once() -> None:
    bench = Bench()
    failed_for(bench, "holder")
    task = bench.scribe.offer().id
    claim = bench.scribe.claim("holder", task)
    bench.scribe.award(task, claim)
    bench.scribe.write("holder", Reopen(task, 0, claim.id, ReopenReason.RELEASED))
    bench.claimant.touched(task, 0)
    assert bench.claimant.is_our_turn(task, 0)


# --- the requester -------------------------------------------------------------------------------


def known(desk: Desk, name: str, outcome: Outcome = Outcome.DONE) -> None:
    """`name` has done a large task for the requester."""
    offer = desk.scribe.write("requester", Offer("work", 1_000, 0, 3, input=b"", cost=20))
    desk.requester.adopt(task := offer.id, 0)
    claim = desk.scribe.claim(name, task)
    desk.step(task, 0)
    desk.scribe.result(name, task, claim, outcome)
    desk.step(task, 0)
    desk.requester.forget(task)


def race(desk: Desk, *names: str, cost: int = 1) -> tuple[bytes, dict[str, Record]]:
    """A task that all of them claim, in this order."""
    offer = desk.scribe.write("requester", Offer("work", 1_000, 100, 3, input=b"", cost=cost))
    desk.requester.adopt(offer.id, 0)
    claims = {}
    for name in names:
        claims[name] = desk.scribe.write(name, Claim(offer.id, 0))
        assert desk.step(offer.id, 0) == []
    return offer.id, claims


def winner(desk: Desk, task: bytes, claims: dict[str, Record]) -> str:
    (award,) = desk.bodies(task, SECOND)
    assert isinstance(award, Award)
    return next(name for name, claim in claims.items() if claim.id == award.claim)


def test_the_best_known_is_awarded_then_the_unknown_and_who_failed_comes_last() -> None:
    desk = Desk(NO_QUOTA)
    known(desk, "good")
    known(desk, "bad", Outcome.FAILED)
    assert winner(desk, *race(desk, "bad", "new", "good")) == "good"
    assert winner(desk, *race(desk, "bad", "new")) == "new"
    assert winner(desk, *race(desk, "bad")) == "bad"
    by_arrival = Desk(Policy(strangers_ppm=0, awards_by_score=False))
    known(by_arrival, "good")
    assert winner(by_arrival, *race(by_arrival, "new", "good")) == "new"


def test_cheap_tasks_go_to_strangers_now_and_then_one_each() -> None:
    desk = Desk(ALL_QUOTA)
    known(desk, "good")
    first = race(desk, "good", "new")
    assert winner(desk, *first) == "new"
    assert winner(desk, *race(desk, "good", "new")) == "good"  # The first is still open.
    assert winner(desk, *race(desk, "good", "new", "newer")) == "newer"
    assert winner(desk, *race(desk, "good", "newest", cost=2)) == "good"


def test_the_quota_is_about_as_large_as_it_says() -> None:
    judgement = Judgement(Ledger(ME))
    offer = Offer("work", 1_000, 0, 3, input=b"")
    drawn = sum(
        judgement.is_for_strangers(content_hash(b"%d" % n), offer) for n in range(2_000))
    assert 150 <= drawn <= 250


def test_who_does_not_know_the_secret_cannot_tell_the_tasks_for_strangers() -> None:
    offer = Offer("work", 1_000, 0, 3, input=b"")
    tasks = [content_hash(b"%d" % n) for n in range(500)]
    one, again, other = (
        [Judgement(Ledger(ME), secret=secret).is_for_strangers(task, offer) for task in tasks]
        for secret in (b"mine", b"mine", b"yours")
    )
    assert one == again != other


def test_where_strangers_failed_fewer_are_tried() -> None:
    judgement = judged(("award", "failed"))
    offer = Offer("work", 1_000, 0, 3, input=b"")
    drawn = sum(
        judgement.is_for_strangers(content_hash(b"%d" % n), offer) for n in range(2_000))
    assert 60 <= drawn <= 140


def test_a_silent_holder_that_is_trusted_is_waited_for_longer() -> None:
    waits = []
    for policy in (DEFAULT_POLICY, Policy(grace_ppm=750_000)):
        desk = Desk(policy)
        for _ in range(2):
            known(desk, "a")
        task = desk.post()
        desk.scribe.claim("a", task)
        desk.step(task, 0)
        now_us = 0
        while not (said := desk.step(task, now_us)):
            now_us += SECOND_LOOK_US
            desk.leases.heard(now_us)
        assert said[0].body[3] == ReopenReason.LAPSED
        waits.append(now_us)
    assert SECOND <= waits[0] < waits[1] < 2 * SECOND


def deliver(desk: Desk, task: bytes, name: str, output: bytes, now_us: int = 0) -> list[object]:
    """`name` claims, is awarded and delivers; returns what the requester says to that."""
    claim = desk.scribe.claim(name, task)
    assert [type(body) for body in desk.bodies(task, now_us)] == [Award]
    desk.scribe.write(name, Result(task, claim.id, Outcome.DONE, output=output))
    return desk.bodies(task, now_us)


def trio(policy: Policy) -> Desk:
    desk = Desk(policy)
    for name in "abc":
        desk.scribe.announce(name)
    return desk


def test_the_unknown_are_asked_until_enough_agree() -> None:
    desk = trio(Policy(replicas=2))
    task = desk.post()
    (asked,) = deliver(desk, task, "a", b"4")
    assert isinstance(asked, Reopen)
    assert asked.excluded == (desk.scribe.author("a"),)
    (asked,) = deliver(desk, task, "b", b"5")
    assert isinstance(asked, Reopen)
    rejected, accepted = deliver(desk, task, "c", b"4")
    assert isinstance(rejected, Verdict)
    assert isinstance(accepted, Verdict)
    assert (rejected.accept, rejected.result_hash) == (False, content_hash(b"5"))
    assert (accepted.accept, accepted.result_hash) == (True, content_hash(b"4"))


def test_where_nobody_wants_to_give_another_opinion_the_one_at_hand_must_do() -> None:
    desk = trio(Policy(replicas=2))
    task = desk.post()
    assert [type(body) for body in deliver(desk, task, "a", b"4", SECOND)] == [Reopen]
    assert desk.step(task, OPINION_US) == []
    (accepted,) = desk.bodies(task, SECOND + OPINION_US)
    assert isinstance(accepted, Verdict)
    assert accepted.accept


def test_one_opinion_is_enough_of_a_good_worker_and_where_there_is_no_other() -> None:
    desk = trio(Policy(replicas=2))
    for _ in range(2):
        alone = desk.post(attempts=1)
        assert [type(body) for body in deliver(desk, alone, "a", b"out")] == [Verdict]
    task = desk.post()
    assert [type(body) for body in deliver(desk, task, "a", b"4")] == [Verdict]
    lonely = Desk(Policy(replicas=2))
    lonely.scribe.announce("a")
    assert [type(body) for body in deliver(lonely, lonely.post(), "a", b"4")] == [Verdict]


def test_a_known_answer_is_judged_without_a_person_and_goes_to_strangers() -> None:
    desk = trio(NO_QUOTA)
    known(desk, "a")
    task = desk.post(review=True)
    desk.requester.expect(task, content_hash(b"4"))
    claims = {name: desk.scribe.write(name, Claim(task, 0)) for name in "ab"}
    assert winner(desk, task, claims) == "b"
    desk.scribe.write("b", Result(task, claims["b"].id, Outcome.DONE, output=b"5"))
    rejected, reopened = desk.bodies(task, SECOND)
    assert isinstance(rejected, Verdict)
    assert not rejected.accept
    assert isinstance(reopened, Reopen)
    (accepted,) = deliver(desk, task, "c", b"4", SECOND)
    assert isinstance(accepted, Verdict)
    assert accepted.accept
