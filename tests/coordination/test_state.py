from __future__ import annotations

import itertools

import pytest

from antsp2p.coordination.body import (
    Award,
    Cancel,
    Claim,
    Offer,
    Reopen,
    Result,
    Verdict,
    parse_body,
)
from antsp2p.coordination.state import ENDS, TRANSITIONS, Happening, State, walk
from antsp2p.coordination.tasks import TaskFold
from tests.coordination.contests import random_set

H = Happening

CAUSES: dict[type, frozenset[Happening]] = {
    Offer: frozenset(),
    Claim: frozenset({H.CLAIM, H.LOSE}),
    Award: frozenset({H.LOSE, H.CLAIM, H.AWARD, H.DONE, H.FAIL, H.REJECT}),
    Reopen: frozenset({H.LAPSE, H.RELEASE, H.REOPEN, H.LOSE, H.CLAIM, H.DONE, H.FAIL, H.REJECT}),
    Result: frozenset({H.DONE, H.FAIL}),
    Verdict: frozenset({H.ACCEPT, H.REJECT}),
    Cancel: frozenset({H.CANCEL, H.EXHAUST}),
}
"""What one record can bring about. A reopen or another award passes the task to a claim that may
have its result already."""


def reachable(start: State, happenings: frozenset[Happening]) -> set[State]:
    found, fresh = {start}, [start]
    while fresh:
        state = fresh.pop()
        for happening in happenings:
            after = TRANSITIONS.get((state, happening))
            if after is not None and after not in found:
                found.add(after)
                fresh.append(after)
    return found


def test_the_table_is_about_all_twelve_states() -> None:
    assert len(State) == 12
    assert reachable(State.OPEN, frozenset(Happening)) == set(State)
    assert {happening for _, happening in TRANSITIONS} == set(Happening)


def test_nothing_leads_out_of_an_end_and_every_other_state_can_end() -> None:
    assert {State.ACCEPTED, State.CANCELLED, State.DEAD_LETTERED, State.ORPHANED} == ENDS
    for state in State:
        outs = {after for (before, _), after in TRANSITIONS.items() if before is state}
        assert outs == set() if state in ENDS else outs >= ENDS


@pytest.mark.parametrize(("path", "state"), [
    ("", State.OPEN),
    ("claim", State.CLAIMED),
    ("claim award", State.WORKING),
    ("claim award done", State.DONE),
    ("claim done award", State.DONE),
    ("claim award fail", State.FAILED),
    ("claim award done reject", State.REJECTED),
    ("claim award lapse", State.LAPSED),
    ("claim award lapse done accept", State.ACCEPTED),
    ("claim award release", State.RELEASED),
    ("claim award lapse reopen", State.OPEN),
    ("claim lapse award", State.WORKING),
    ("claim award fail reopen exhaust", State.DEAD_LETTERED),
    ("cancel", State.CANCELLED),
    ("claim convict", State.ORPHANED),
])
def test_paths(path: str, state: State) -> None:
    assert walk(Happening(word) for word in path.split()) is state


@pytest.mark.parametrize("path", [
    "award reject", "claim award claim", "cancel claim", "accept cancel", "done", "lapse",
    "claim award release award", "claim convict accept",
])
def test_paths_that_there_are_not(path: str) -> None:
    with pytest.raises(KeyError):
        walk(Happening(word) for word in path.split())


def test_each_record_moves_the_task_only_as_the_table_allows() -> None:
    for seed in range(1_500):
        fold = TaskFold()
        states: dict[bytes, State] = {}
        for record in random_set(seed).records:
            body = parse_body(record)
            for task in fold.add(record):
                resolution = fold.resolve(task)
                assert resolution is not None
                if resolution.alias_of is None:
                    before = states.get(task, State.OPEN)
                    assert resolution.state in reachable(before, CAUSES[type(body)])
                    states[task] = resolution.state


def test_the_holder_s_attempt_stands_where_the_task_stands() -> None:
    for seed in range(500):
        contest = random_set(seed)
        fold = TaskFold()
        for record in contest.records:
            fold.add(record)
        for task in fold.task_ids():
            resolution = fold.resolve(task)
            assert resolution is not None
            attempts = {attempt.claim.id: attempt for attempt in fold.attempts(task)}
            if resolution.holder is not None:
                assert attempts[resolution.holder.id].state is resolution.state
            for one, other in itertools.pairwise(fold.attempts(task)):
                assert one.epoch <= other.epoch
