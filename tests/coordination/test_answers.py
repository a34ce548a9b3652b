from __future__ import annotations

import pytest

from antsp2p.coordination.answers import OwedAnswers
from antsp2p.coordination.body import Claim, Dispute, Reopen, ReopenReason
from antsp2p.coordination.tasks import TaskFold
from tests.coordination.market import ME, WORKER, Market


def folded(market: Market, *, at_work: bool = False) -> tuple[TaskFold, OwedAnswers]:
    fold = TaskFold()
    answers = OwedAnswers(WORKER, fold, lambda _: at_work)
    for record in market.records:
        fold.add(record)
        answers.note(record)
    return fold, answers


def test_a_claim_whose_time_was_called_over_is_released_once() -> None:
    market = Market()
    task = market.run("award", "lapse")
    claim = next(record for record in market.records if record.type == Claim.type)
    _, answers = folded(market)
    assert answers
    (draft,) = answers.take()
    assert isinstance(draft.body, Reopen)
    assert (draft.body.task, draft.body.claim, draft.body.reason) == (
        task, claim.id, ReopenReason.RELEASED)
    assert not answers
    assert answers.take() == []


def test_who_was_at_work_disputes_it() -> None:
    market = Market()
    task = market.run("award", "overdue")
    (draft,) = folded(market, at_work=True)[1].take()
    assert isinstance(draft.body, Dispute)
    assert (draft.body.task, draft.body.record) == (task, market.records[-1].id)


@pytest.mark.parametrize("steps", [
    ("award",), ("lapse",), ("award", "done", "lapse"), ("award", "failed", "lapse"),
    ("award", "lapse", "dispute"), ("award", "release", "lapse"), ("award", "give up"),
    ("award", "other lapse"),
])
def test_where_there_is_nothing_to_answer_nothing_is_said(steps: tuple[str, ...]) -> None:
    market = Market()
    market.run(*steps)
    assert folded(market)[1].take() == []


def test_what_others_say_of_others_is_not_kept() -> None:
    market = Market()
    market.run("award", "lapse")
    fold = TaskFold()
    answers = OwedAnswers(ME, fold, lambda _: False)
    for record in market.records:
        fold.add(record)
        answers.note(record)
    assert not answers


def test_an_own_log_that_comes_back_late_is_answered_for() -> None:
    market = Market()
    market.run("award", "lapse")
    fold = TaskFold()
    answers = OwedAnswers(WORKER, fold, lambda _: False)
    for record in sorted(market.records, key=lambda record: record.author == WORKER):
        fold.add(record)
        answers.note(record)
    assert len(answers.take()) == 1
    late = OwedAnswers(WORKER, TaskFold(), lambda _: False)
    late.note(market.records[-1])
    assert not late
