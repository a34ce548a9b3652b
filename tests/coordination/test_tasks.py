from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from antsp2p.coordination.body import (
    Announce,
    Award,
    Cancel,
    Claim,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
)
from antsp2p.coordination.tasks import Rule, State, TaskFold
from tests.coordination.contests import Race, an_offer, fold_of, key_of, resolved

if TYPE_CHECKING:
    from antsp2p.records.record import Record


def accepted_first() -> tuple[Race, Record, Record]:
    """A race whose second offer comes after the first; (race, accept, second offer)."""
    race = Race()
    second = race.says("requester", an_offer(after=(1,)))
    claim = race.claim("worker")
    result = race.says("worker", Result(race.offer.id, claim.id, 0, b""))
    accept = race.says("requester", Verdict(
        race.offer.id, claim.id, result.id, True, hashlib.sha256(b"").digest()))
    return race, accept, second


def test_a_claim_before_the_verdict_it_waits_for_is_void() -> None:
    race, accept, second = accepted_first()
    early = race.says("early", Claim(second.id, 0))
    race.says("requester", Award(second.id, early.id))
    fold = fold_of(race.records)
    assert fold.after_satisfied(second.id)
    assert fold.claims(second.id) == ()
    assert resolved(fold, second.id).rule is Rule.NONE
    refs = fold.claim_refs(second.id, key_of("late"))
    assert accept.id in refs
    late = race.log("late").say(Claim(second.id, 0), refs)
    fold.add(late)
    assert resolved(fold, second.id).holder == late


def test_one_ref_to_a_later_record_of_the_requester_suffices() -> None:
    race, _, second = accepted_first()
    later = race.says("requester", Announce("text.count"))
    race.says("worker", Announce("text.count"), later)
    claim = race.says("worker", Claim(second.id, 0))
    assert resolved(fold_of(race.records), second.id).holder == claim
    late = fold_of(record for record in race.records if record is not later)
    assert resolved(late, second.id).holder is None
    assert second.id in late.add(later)
    assert resolved(late, second.id).holder == claim


def test_a_requester_may_claim_its_own_task_and_needs_no_ref() -> None:
    race, _, second = accepted_first()
    fold = fold_of(race.records)
    assert fold.claim_refs(second.id, key_of("requester")) == ()
    claim = race.says("requester", Claim(second.id, 0))
    assert resolved(fold_of(race.records), second.id).holder == claim


def test_the_lower_of_two_offers_with_one_key_is_the_task() -> None:
    race = Race(idempotency_key=b"k")
    twin = race.says("requester", an_offer(idempotency_key=b"k", cost=3))
    race.says("worker", Claim(twin.id, 0))
    fold = fold_of(race.records)
    assert resolved(fold, twin.id).alias_of == race.offer.id
    assert resolved(fold, twin.id).holder is None
    assert fold.active() == (race.offer.id,)
    assert twin.id in fold.remove(race.offer)
    assert resolved(fold, twin.id).alias_of is None
    assert resolved(fold, twin.id).holder is not None
    assert fold.add(race.offer) == tuple(sorted((race.offer.id, twin.id)))
    assert resolved(fold, twin.id).alias_of == race.offer.id


def test_the_refs_of_a_claim_are_bounded_and_the_undominated_come_first() -> None:
    race = Race()
    claim = race.claim("worker")
    reopen = race.lapse("requester", claim)
    best = [race.claim(f"early {n}", reopen, epoch=1) for n in range(7)]
    late = race.claim("late", reopen, *best[:4], epoch=1)
    fold = fold_of(race.records)
    refs = fold.claim_refs(race.offer.id, key_of("new"))
    assert refs == tuple(sorted([reopen.id, *(record.id for record in best)]))
    own = fold.claim_refs(race.offer.id, key_of("early 0"))
    assert set(own) == {reopen.id, late.id, *(record.id for record in best[1:])}


def test_unknown_tasks_have_no_state() -> None:
    race = Race()
    claim = race.claim("worker")
    fold = TaskFold()
    assert fold.add(claim) == ()
    assert fold.resolve(race.offer.id) is None
    assert fold.claims(race.offer.id) == ()
    assert fold.verdicts(race.offer.id) == ()
    assert fold.claim_refs(race.offer.id, key_of("x")) == ()
    assert fold.add(race.offer) == (race.offer.id,)
    assert resolved(fold, race.offer.id).holder == claim


def test_lists_come_in_one_order_whatever_the_arrival() -> None:
    race = Race()
    first, second = race.claim("first"), race.claim("second")
    award = race.award(second)
    result = race.says("second", Result(race.offer.id, second.id, 0, b"4"))
    race.says("first", Result(race.offer.id, second.id, 0, b"not mine"))
    race.says("second", Award(race.offer.id, second.id))
    reopen = race.says("requester", Reopen(race.offer.id, 0, second.id))
    third = race.claim("third", reopen, epoch=1)
    for records in (race.records, race.records[::-1]):
        fold = fold_of(records)
        task = race.offer.id
        claims = [record for record, _ in fold.claims(task)]
        assert claims == [*sorted((first, second), key=lambda r: (r.seq, r.author)), third]
        assert [record for record, _ in fold.results(task)] == [result]
        assert [record for record, _ in fold.awards(task)] == [award]
        assert [record for record, _ in fold.reopens(task)] == [reopen]
        assert fold.valid_reopens(task, 0) == (reopen,)
        assert fold.candidates(task) == (third,)
        assert fold.offer(task) == (race.offer, an_offer())


def test_attempts_tell_how_a_task_moved() -> None:
    race = Race()
    task = race.offer.id
    first = race.claim("first")
    race.claim("bystander")
    race.award(first)
    lapse = race.lapse("requester", first)
    second = race.claim("second", lapse, epoch=1)
    award = race.award(second)
    failed = race.says("second", Result(task, second.id, 1, b""))
    reopen = race.says("requester", Reopen(task, 1, second.id, ReopenReason.FAILED))
    third = race.claim("third", award, failed, reopen, epoch=2)
    race.award(third)
    attempts = fold_of(race.records).attempts(task)
    assert [(attempt.claim, attempt.epoch, attempt.state) for attempt in attempts] == [
        (first, 0, State.LAPSED), (second, 1, State.FAILED), (third, 2, State.WORKING),
    ]


def test_active_tasks_are_those_without_an_end() -> None:
    race = Race()
    other = race.says("requester", an_offer(cost=2))
    fold = fold_of(race.records)
    assert fold.task_ids() == fold.active() == tuple(sorted((race.offer.id, other.id)))
    cancel = race.says("requester", Cancel(other.id, 0))
    fold.add(cancel)
    assert fold.active() == (race.offer.id,)
    fold.remove(cancel)
    assert fold.active() == fold.task_ids()


def test_the_snapshot_tells_different_states_apart() -> None:
    race = Race()
    fold, seen = TaskFold(), set()
    for record in (race.offer, race.claim("a"), race.claim("b"), race.award(race.records[1])):
        fold.add(record)
        seen.add(fold.snapshot())
    assert len(seen) == 4
    assert TaskFold().snapshot() not in seen


def test_adding_twice_and_removing_what_was_never_there_change_nothing() -> None:
    race = Race()
    claim = race.claim("a")
    fold = fold_of(race.records)
    before = fold.snapshot()
    assert fold.add(claim) == ()
    assert fold.remove(race.claim("b")) == ()
    assert fold.convict(key_of("nobody")) == ()
    assert fold.snapshot() == before


def test_a_void_record_changes_no_state() -> None:
    race = Race()
    claim = race.claim("a")
    fold = fold_of(race.records)
    assert fold.add(race.log("b").write(Claim.type, {0: race.offer.id, 1: 0, 9: 0})) == ()
    assert fold.add(race.log("c").write(99, {}, [claim.id])) == ()
    assert resolved(fold, race.offer.id).holder == claim


def test_a_second_release_by_the_only_worker_stalls_the_task_until_the_requester_reopens() -> None:
    race = Race()
    task = race.offer.id
    first = race.claim("worker")
    race.says("worker", Reopen(task, 0, first.id, ReopenReason.RELEASED))
    assert not fold_of(race.records).is_stalled(task)
    second = race.claim("worker", epoch=1)
    assert not fold_of(race.records).is_stalled(task)
    race.says("worker", Reopen(task, 1, second.id, ReopenReason.RELEASED))
    race.claim("worker", epoch=1)
    assert race.resolve().rule is Rule.NONE
    assert fold_of(race.records).is_stalled(task)
    race.says("requester", Reopen(task, 1, second.id, ReopenReason.RELEASED))
    assert not fold_of(race.records).is_stalled(task)
    third = race.claim("worker", race.records[-1], epoch=2)
    assert race.resolve().holder == third


def test_an_award_of_what_is_not_here_stalls_the_task() -> None:
    race = Race()
    claim = race.claim("worker")
    race.award(claim)
    fold = fold_of(race.records)
    assert not fold.is_stalled(race.offer.id)
    fold.remove(claim)
    assert fold.is_stalled(race.offer.id)
    fold.add(race.says("requester", Cancel(race.offer.id, 0)))
    assert not fold.is_stalled(race.offer.id)
