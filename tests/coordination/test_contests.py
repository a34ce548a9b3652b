from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from antsp2p.coordination.tasks import Resolution, Rule, State, TaskFold
from tests.coordination.contests import RecordSet, fold_of, merged, random_set, resolved
from tests.coordination.reference import Answer, Reference

if TYPE_CHECKING:
    from antsp2p.records.record import Record

BLOCKS = 26
SETS_PER_BLOCK = 200
"""5,200 sets in all."""


def answer_of(resolution: Resolution) -> Answer:
    holder, end = resolution.holder, resolution.end
    return Answer(
        str(resolution.state), resolution.epoch, None if holder is None else holder.id,
        str(resolution.rule), resolution.settled, None if end is None else end.id,
    )


def check_against_reference(fold: TaskFold, reference: Reference) -> None:
    assert fold.task_ids() == tuple(sorted(reference.offers()))
    for task in fold.task_ids():
        resolution = fold.resolve(task)
        assert resolution is not None
        original = reference.original(task)
        if original == task:
            assert resolution.alias_of is None
            assert answer_of(resolution) == reference.answer(task)
            assert [record.id for record in fold.candidates(task)] == [
                record.id for record in sorted(
                    reference.candidates(task), key=lambda r: (r.seq, r.author))
            ]
        else:
            assert resolution.alias_of == original
            assert resolution.state is State.OPEN
            assert resolution.holder is None
    states = Counter(resolved(fold, task).state for task in fold.task_ids())
    assert fold.counts() == states


def deliver_in_sequence(contest: RecordSet, order: list[Record]) -> bytes:
    """As logs deliver: no epoch may go back on the way, no end be undone."""
    fold = TaskFold()
    epochs: dict[bytes, int] = {}
    ends: dict[bytes, bytes] = {}
    for author in contest.convicted:
        fold.convict(author)
    for record in order:
        for task in fold.add(record):
            resolution = fold.resolve(task)
            assert resolution is not None
            assert resolution.epoch >= epochs.get(task, 0)
            epochs[task] = resolution.epoch
            if task in ends:
                assert resolution.end is not None
                assert resolution.end.id == ends[task]
            elif resolution.end is not None:
                ends[task] = resolution.end.id
    return fold.snapshot()


def deliver_in_disorder(contest: RecordSet, rng: Random) -> bytes:
    """Any order, even within an author; forks come to light on the way."""
    fold = TaskFold()
    order: list[Record | bytes] = [*contest.records, *contest.convicted]
    rng.shuffle(order)
    convicted: set[bytes] = set()
    for number, item in enumerate(order):
        if isinstance(item, bytes):
            convicted.add(item)
            for record in contest.records:
                if record.author == item and not contest.holds(record):
                    fold.remove(record)
            fold.convict(item)
        elif item.author not in convicted or contest.holds(item):
            fold.add(item)
        if number % 4 == 0:
            for task in fold.task_ids():
                fold.resolve(task)
    return fold.snapshot()


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_contests(block: int) -> None:
    for seed in range(block * SETS_PER_BLOCK, (block + 1) * SETS_PER_BLOCK):
        contest = random_set(seed)
        rng = Random(-seed)
        valid = contest.valid()
        fold = fold_of(valid, contest.convicted)
        snapshot = fold.snapshot()
        check_against_reference(fold, Reference(valid, contest.convicted))
        assert deliver_in_sequence(contest, list(valid)) == snapshot
        assert deliver_in_sequence(contest, merged(valid, rng)) == snapshot
        assert deliver_in_disorder(contest, rng) == snapshot


def test_the_random_contests_reach_every_rule_and_state() -> None:
    seen: Counter[str] = Counter()
    for seed in range(600):
        contest = random_set(seed)
        fold = fold_of(contest.valid(), contest.convicted)
        for task in fold.task_ids():
            resolution = fold.resolve(task)
            assert resolution is not None
            seen[f"rule {resolution.rule}"] += 1
            seen[f"state {resolution.state}"] += 1
            seen[f"epoch {min(resolution.epoch, 2)}"] += 1
            seen["alias"] += resolution.alias_of is not None
            seen["award of a missing claim"] += (
                resolution.rule is Rule.AWARD and resolution.holder is None
            )
            seen["excluded"] += bool(fold.excluded(task))
            seen["convicted"] += bool(contest.convicted)
            offered = fold.offer(task)
            assert offered is not None
            seen["waits for others"] += bool(offered[1].after)
            for attempt in fold.attempts(task):
                seen[f"attempt {attempt.state}"] += 1
    wanted = [f"rule {rule}" for rule in Rule]
    wanted += [f"state {state}" for state in State
               if state not in (State.LAPSED, State.RELEASED, State.REJECTED)]
    wanted += [f"attempt {state}" for state in State if state is not State.OPEN]
    wanted += ["epoch 0", "epoch 1", "epoch 2", "alias", "award of a missing claim", "excluded",
               "convicted", "waits for others"]
    rare = {name: seen[name] for name in wanted if seen[name] < 5}
    assert not rare


@pytest.mark.parametrize("block", range(5))
def test_any_subset_of_the_records_and_back(block: int) -> None:
    """`remove` is the inverse of `add`, and sets with gaps follow the same rules."""
    for seed in range(block * 100, block * 100 + 100):
        rng = Random(seed)
        records = random_set(seed).records
        fold = fold_of(records)
        full = fold.snapshot()
        gone = [record for record in records if rng.random() < 0.4]
        for record in gone:
            fold.remove(record)
        rest = [record for record in records if record not in gone]
        assert fold.snapshot() == fold_of(rest).snapshot()
        check_against_reference(fold, Reference(rest, ()))
        rng.shuffle(gone)
        for record in gone:
            fold.add(record)
            fold.add(record)
        assert fold.snapshot() == full
        for record in rng.sample(records, len(records)):
            fold.remove(record)
        assert fold.snapshot() == TaskFold().snapshot()
        assert fold.task_ids() == ()
        assert fold.counts() == {}


def test_what_add_returns_covers_every_change() -> None:
    """Whoever looks only at the touched tasks misses nothing, in any order of arrival."""
    for seed in range(300):
        contest = random_set(seed)
        order = list(contest.records)
        Random(seed).shuffle(order)
        fold = TaskFold()
        known: dict[bytes, Answer] = {}
        for record in order:
            for task in fold.add(record):
                known[task] = answer_of(resolved(fold, task))
            if record.seq % 3 == 0:
                fresh = fold_of(order[: order.index(record) + 1])
                assert known == {t: answer_of(resolved(fresh, t)) for t in fresh.task_ids()}
