from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from antsp2p.coordination.body import (
    Award,
    Cancel,
    CancelReason,
    Claim,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
    content_hash,
)
from antsp2p.coordination.reputation import Evidence, Kind, Ledger, Score
from antsp2p.coordination.tasks import TaskFold
from tests.coordination.contests import Log, an_offer, fold_of, key_of, random_set

if TYPE_CHECKING:
    from antsp2p.records.record import Record

ME = key_of("me")
WORKER = key_of("worker")
STEPS = ("award", "done", "failed", "accept", "reject", "lapse", "release", "other lapse")


class Market:
    """My tasks and one worker; `run` plays one task through."""

    def __init__(self) -> None:
        self.me, self.worker = Log(ME), Log(WORKER)
        self.third = Log(key_of("third"))
        self.records: list[Record] = []

    def _add(self, record: Record) -> Record:
        self.records.append(record)
        return record

    def run(self, *steps: str, cost: int = 1, capability: str = "text.count") -> bytes:
        number = len(self.records)
        task = self._add(self.me.say(
            an_offer(cost=cost, capability=capability, settle_ms=number)
        )).id
        claim = self._add(self.worker.say(Claim(task, 0)))
        self.play(task, claim, *steps)
        return task

    def play(self, task: bytes, claim: Record, *steps: str) -> None:
        result = claim
        for step in steps:
            match step:
                case "award":
                    self._add(self.me.say(Award(task, claim.id)))
                case "done" | "failed":
                    body = Result(task, claim.id, int(step == "failed"), b"")
                    result = self._add(self.worker.say(body))
                case "accept" | "reject":
                    self._add(self.me.say(Verdict(
                        task, claim.id, result.id, step == "accept", content_hash(b""))))
                case "lapse":
                    self._add(self.me.say(Reopen(task, 0, claim.id, ReopenReason.LAPSED)))
                case "release":
                    self._add(self.worker.say(Reopen(task, 0, claim.id, ReopenReason.RELEASED)))
                case "other lapse":
                    self._add(self.third.say(Reopen(task, 0, claim.id, ReopenReason.LAPSED)))
                case "cancel":
                    self._add(self.me.say(Cancel(task, CancelReason.REQUESTER)))

    def ledger(self, observer: bytes = ME) -> Ledger:
        return batch(fold_of(self.records), observer)

    def score(self, capability: str | None = None) -> Score:
        return self.ledger().score(WORKER, capability)

    def kinds(self) -> list[Kind]:
        return [evidence.kind for evidence in self.ledger().why(WORKER)]


def batch(fold: TaskFold, observer: bytes) -> Ledger:
    ledger = Ledger(observer)
    for task in fold.task_ids():
        ledger.update(task, fold)
    return ledger


def everything(ledger: Ledger) -> list[tuple[bytes, tuple[Evidence, ...], list[Score]]]:
    return [
        (author, ledger.why(author),
         [ledger.score(author), ledger.score(author, "text.count"), ledger.score(author, "other")])
        for author in ledger.authors()
    ]


def test_a_stranger_is_unknown_and_not_bad() -> None:
    assert Ledger(ME).score(WORKER) == Score(0, 0, 0, known=False)
    assert Ledger(ME).why(WORKER) == ()
    market = Market()
    market.run("award", "failed")
    assert market.score() == Score(0, 0, 1, known=True)


def test_the_arithmetic() -> None:
    market = Market()
    market.run("award", "done", "accept", cost=3)
    assert market.score() == Score(3 * 1_000_000 // 5, 3, 0, known=True)
    market.run("award", "done", "reject", cost=2)
    assert market.score() == Score(3 * 1_000_000 // 9, 3, 2, known=True)


def test_good_work_counts_where_it_was_done_and_failures_count_everywhere() -> None:
    market = Market()
    market.run("award", "done", "accept", capability="text.count")
    assert market.score("image.scale") == Score(0, 0, 0, known=False)
    market.run("award", "lapse", capability="image.scale")
    assert market.score("text.count") == Score(1_000_000 // 5, 1, 1, known=True)
    assert market.score() == Score(1_000_000 // 5, 1, 1, known=True)


def test_each_claim_counts_once_by_its_weightiest_word() -> None:
    cases = {
        ("award", "done", "accept"): [Kind.ACCEPTED],
        ("award", "lapse", "done", "accept"): [Kind.ACCEPTED],
        ("award", "done", "reject"): [Kind.REJECTED],
        ("award", "failed", "lapse"): [Kind.FAILED],
        ("award", "done", "failed"): [],
        ("award", "lapse"): [Kind.LAPSED],
        ("award", "release"): [Kind.RELEASED],
        ("release",): [],
        ("award", "other lapse"): [],
        ("award", "done"): [],
        ("award", "done", "cancel", "accept"): [],
    }
    for steps, kinds in cases.items():
        market = Market()
        market.run(*steps)
        assert market.kinds() == kinds, steps


def test_a_verdict_without_award_or_result_counts_for_nothing() -> None:
    for verdict in ("accept", "reject"):
        market = Market()
        market.run(verdict)
        assert market.kinds() == []
        market.run("award", verdict)
        assert len(market.kinds()) == 1


def test_only_what_the_observer_saw_itself_counts() -> None:
    market = Market()
    market.run("award", "done", "accept")
    market.run("award", "other lapse")
    third = market.ledger(market.third.author)
    assert [evidence.kind for evidence in third.why(WORKER)] == [Kind.LAPSED]
    assert market.ledger(key_of("bystander")).authors() == ()
    assert market.ledger(WORKER).authors() == ()


def test_own_work_for_oneself_is_no_evidence() -> None:
    market = Market()
    task = market.run()
    claim = market.me.say(Claim(task, 0))
    result = market.me.say(Result(task, claim.id, 0, b""))
    market.records += [claim, result, market.me.say(
        Verdict(task, claim.id, result.id, True, content_hash(b"")))]
    assert market.ledger().authors() == ()


def test_why_names_the_records() -> None:
    market = Market()
    task = market.run("award", "done", "accept", cost=4)
    (evidence,) = market.ledger().why(WORKER)
    assert evidence == Evidence(
        market.records[-1].id, task, "text.count", Kind.ACCEPTED, 4, counts_for=True
    )


def test_a_convicted_author_scores_nothing() -> None:
    market = Market()
    market.run("award", "done", "accept")
    ledger = market.ledger()
    ledger.convict(WORKER)
    assert ledger.score(WORKER) == Score(0, 1, 0, known=True)


def test_step_by_step_equals_all_at_once_in_any_order_and_however_often() -> None:
    for seed in range(300):
        rng = Random(seed)
        contest = random_set(seed)
        observers = sorted({record.author for record in contest.records})
        complete = fold_of(contest.records)
        expected = [everything(batch(complete, observer)) for observer in observers]
        order = rng.sample(contest.records, len(contest.records))
        fold, ledgers = TaskFold(), [Ledger(observer) for observer in observers]
        for record in order:
            for task in fold.add(record):
                for ledger in ledgers:
                    ledger.update(task, fold)
                    ledger.update(task, fold)
        assert [everything(ledger) for ledger in ledgers] == expected
        for record in order:
            for task in fold.remove(record):
                for ledger in ledgers:
                    ledger.update(task, fold)
        assert all(ledger.authors() == () for ledger in ledgers)


@settings(deadline=None, max_examples=300)
@given(
    tasks=st.lists(
        st.tuples(
            st.lists(st.sampled_from(STEPS), max_size=5),
            st.integers(1, 9),
            st.sampled_from(("text.count", "other")),
        ),
        min_size=1, max_size=6,
    ),
    which=st.integers(0, 5),
    failure=st.sampled_from(("failed", "reject", "lapse", "release")),
)
def test_one_more_failure_never_raises_the_score(
    tasks: list[tuple[list[str], int, str]], which: int, failure: str
) -> None:
    market = Market()
    for steps, cost, capability in tasks:
        market.run(*steps, cost=cost, capability=capability)
    before = market.ledger()
    offers = [record for record in market.records if record.author == ME and record.type == 2]
    offer = offers[which % len(offers)]
    claim = next(record for record in market.records
                 if record.type == Claim.type and record.body[0] == offer.id)
    market.play(offer.id, claim, failure)
    after = market.ledger()
    for capability_name in (None, "text.count", "other"):
        better, worse = before.score(WORKER, capability_name), after.score(WORKER, capability_name)
        assert worse.value_ppm <= better.value_ppm
        assert worse.failed >= better.failed
