from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import BlobRef, Cancel, Claim, Offer, Reopen, ReopenReason
from antsp2p.coordination.claimant import (
    MIN_SILENCE_US,
    RANK_SLOT_US,
    SOLO_START_US,
    STANDBY_US,
    Claimant,
    Holding,
    Start,
    Stop,
)
from antsp2p.coordination.judgement import Judgement
from antsp2p.coordination.lease import SECOND_LOOK_US, Leases
from antsp2p.coordination.reputation import Ledger
from tests.coordination.scribe import Scribe

if TYPE_CHECKING:
    from antsp2p.records.record import Record

MS = 1_000
SECOND = 1_000_000


class Bench:
    """One worker, `me`, with its fold."""

    def __init__(self, slots: int = 1) -> None:
        self.scribe = Scribe()
        self.me = self.scribe.author("me")
        self.leases = Leases(0)
        self.ledger = Ledger(self.me)
        self.claimant = Claimant(
            self.me, self.scribe.tasks, self.scribe.capabilities, self.leases,
            Judgement(self.ledger),
        )
        self.scribe.announce("me", slots=slots)
        self.claimant.serve("agent", "work", slots)
        self.claimant.freed(0)

    def look(self, task: bytes, now_us: int) -> Start | Stop | None:
        self.claimant.touched(task, now_us)
        return self.claimant.update(task, now_us)

    def claim(self, task: bytes, now_us: int) -> Holding | None:
        draft = self.claimant.claim(task)
        if draft is None:
            return None
        record = self.scribe.write("me", draft.body, draft.refs)
        return self.claimant.claimed(record, now_us)

    def take(self, task: bytes, now_us: int = 0) -> Holding:
        self.look(task, now_us)
        holding = self.claim(task, now_us)
        assert holding is not None
        self.look(task, now_us)
        return holding


def ranked(bench: Bench, first: bool) -> bytes:
    """A task in which `me` is first, or not, among two."""
    bench.scribe.announce("rival")
    while True:
        task = bench.scribe.offer().id
        bench.claimant.touched(task, 0)
        if bench.claimant.is_our_turn(task, 0) is first:
            return task


def test_who_is_first_claims_at_once_and_the_second_waits_a_slot() -> None:
    assert ranked(Bench(), first=True)
    bench = Bench()
    task = ranked(bench, first=False)
    assert not bench.claimant.is_our_turn(task, RANK_SLOT_US - 1)
    assert bench.claimant.is_our_turn(task, RANK_SLOT_US)


def test_a_task_that_somebody_claimed_is_not_claimed_too() -> None:
    bench = Bench()
    task = bench.scribe.offer().id
    bench.look(task, 0)
    bench.scribe.claim("rival", task)
    bench.look(task, 0)
    assert bench.claimant.claim(task) is None


def test_no_slot_no_claim_and_a_freed_slot_takes_the_next_task() -> None:
    bench = Bench()
    first, second = bench.scribe.offer().id, bench.scribe.offer().id
    holding = bench.take(first)
    bench.look(second, 0)
    assert bench.claimant.claim(second) is None
    bench.claimant.drop(holding.claim.id)
    assert bench.claimant.freed(SECOND) == [second]
    assert bench.claim(second, SECOND) is not None


def test_work_starts_on_the_award() -> None:
    bench = Bench()
    task = bench.scribe.offer().id
    holding = bench.take(task)
    assert bench.look(task, 0) is None
    bench.scribe.award(task, holding.claim)
    assert bench.look(task, 1) == Start(holding)
    assert bench.look(task, 2) is None


def test_without_an_award_work_starts_after_the_settle_window() -> None:
    for settle_ms, wait_us in ((0, SOLO_START_US), (400, 400 * MS + SOLO_START_US)):
        bench = Bench()
        task = bench.scribe.offer(settle_ms=settle_ms).id
        holding = bench.take(task)
        assert bench.look(task, 0) is None
        assert bench.claimant.wake_at is not None
        assert bench.look(task, wait_us - 1) is None
        assert bench.look(task, wait_us) == Start(holding)


def test_with_an_input_for_the_holder_alone_work_waits_for_the_award_and_not_for_ever() -> None:
    bench = Bench()
    offer = Offer("work", 1_000, 0, 3, blob=BlobRef(bytes(32), 9), holder_only=True)
    task = bench.scribe.write("requester", offer).id
    holding = bench.take(task)
    assert bench.look(task, 2 * SOLO_START_US) is None
    bench.scribe.award(task, holding.claim)
    assert bench.look(task, 3 * SOLO_START_US) == Start(holding)
    other = bench.scribe.write("requester", offer).id
    bench.claimant.drop(holding.claim.id)
    waiting = bench.take(other)
    assert bench.look(other, MIN_SILENCE_US - 1) is None
    stop = bench.look(other, MIN_SILENCE_US)
    assert isinstance(stop, Stop)
    assert bench.claimant.abandoned(other) == waiting.claim


def test_an_award_to_another_stops_the_work() -> None:
    bench = Bench()
    task = bench.scribe.offer().id
    holding = bench.take(task)
    rival = bench.scribe.write("rival", Claim(task, 0))
    bench.scribe.award(task, rival)
    stop = bench.look(task, 0)
    assert isinstance(stop, Stop)
    assert stop.holding is holding
    assert bench.claimant.free_slots("work") == 1


def test_who_loses_the_tie_break_stands_by_for_an_award() -> None:
    while True:
        bench = Bench()
        offer = bench.scribe.offer(settle_ms=len(bench.scribe.tasks.task_ids()))
        task = offer.id
        holding = bench.take(task)
        for name in map(str, range(20)):
            bench.scribe.write(name, Claim(task, 0))
        resolution = bench.scribe.tasks.resolve(task)
        assert resolution is not None
        assert resolution.holder is not None
        if resolution.holder.author != bench.me:
            break
    assert bench.look(task, 0) is None
    assert bench.claimant.free_slots("work") == 0
    bench.scribe.award(task, holding.claim)
    assert bench.look(task, STANDBY_US - 1) == Start(holding)


def test_an_award_after_the_standby_is_taken_up_where_a_slot_is_free() -> None:
    while True:
        bench = Bench()
        task = bench.scribe.offer(settle_ms=len(bench.scribe.tasks.task_ids())).id
        holding = bench.take(task)
        for name in map(str, range(20)):
            bench.scribe.write(name, Claim(task, 0))
        resolution = bench.scribe.tasks.resolve(task)
        assert resolution is not None
        assert resolution.holder is not None
        if resolution.holder.author != bench.me:
            break
    assert isinstance(bench.look(task, STANDBY_US), Stop)
    bench.scribe.award(task, holding.claim)
    assert bench.claimant.abandoned(task) == holding.claim
    assert bench.claimant.take_up(holding.claim, STANDBY_US)
    assert isinstance(bench.look(task, STANDBY_US), Start)


def test_an_end_stops_the_work() -> None:
    bench = Bench()
    task = bench.scribe.offer().id
    holding = bench.take(task)
    bench.scribe.award(task, holding.claim)
    bench.look(task, 0)
    bench.scribe.write("requester", Cancel(task, 0))
    assert isinstance(bench.look(task, 0), Stop)


def test_an_excluded_worker_does_not_claim_again() -> None:
    bench = Bench()
    task = bench.scribe.offer().id
    holding = bench.take(task)
    bench.scribe.award(task, holding.claim)
    bench.scribe.write("requester", Reopen(
        task, 0, holding.claim.id, ReopenReason.REJECTED, (bench.me,)))
    assert isinstance(bench.look(task, 0), Stop)
    assert bench.claimant.claim(task) is None


def test_a_claim_that_nobody_works_on_is_abandoned() -> None:
    bench = Bench()
    task = bench.scribe.offer().id
    claim = bench.scribe.claim("me", task)
    assert bench.claimant.abandoned(task) == claim
    bench.scribe.result("me", task, claim)
    assert bench.claimant.abandoned(task) is None


def watch_silent_rival(bench: Bench) -> tuple[bytes, Record, int]:
    """A rival that holds a task and says nothing for two leases of a second."""
    task = bench.scribe.offer().id
    claim = bench.scribe.claim("rival", task)
    bench.scribe.award(task, claim)
    bench.look(task, 0)
    for now_us in range(0, 2 * SECOND + 1, 250 * MS):
        bench.leases.heard(now_us)
    return task, claim, 2 * SECOND


def test_others_lapse_after_one_lease_more_and_claim_next() -> None:
    bench = Bench()
    task, claim, now_us = watch_silent_rival(bench)
    assert bench.claimant.lapse(task, now_us) is None
    draft = bench.claimant.lapse(task, now_us + SECOND_LOOK_US)
    assert draft is not None
    assert isinstance(draft.body, Reopen)
    assert (draft.body.claim, draft.body.reason) == (claim.id, ReopenReason.LAPSED)
    bench.scribe.write("me", draft.body, draft.refs)
    bench.look(task, now_us)
    holding = bench.claim(task, now_us)
    assert holding is not None
    resolution = bench.scribe.tasks.resolve(task)
    assert resolution is not None
    assert (resolution.holder, resolution.epoch) == (holding.claim, 1)


def test_nobody_lapses_a_claim_whose_result_it_holds() -> None:
    bench = Bench()
    task, claim, now_us = watch_silent_rival(bench)
    bench.scribe.result("rival", task, claim)
    assert bench.claimant.lapse(task, now_us) is None
    assert bench.claimant.lapse(task, now_us + SECOND_LOOK_US) is None


def test_nobody_lapses_without_a_free_slot_for_its_own_claim() -> None:
    bench = Bench()
    bench.take(bench.scribe.offer().id)
    task, _, now_us = watch_silent_rival(bench)
    bench.claimant.lapse(task, now_us)
    assert bench.claimant.lapse(task, now_us + SECOND_LOOK_US) is None


def test_an_agent_that_reports_nothing_is_not_renewed() -> None:
    bench = Bench()
    task = bench.scribe.offer().id
    holding = bench.take(task)
    bench.scribe.award(task, holding.claim)
    bench.look(task, 0)
    assert bench.claimant.renewable(SECOND) == [holding]
    assert bench.claimant.renewable(60 * SECOND) == []
    assert bench.claimant.reported(holding.claim.id, 500, 60 * SECOND)
    assert bench.claimant.renewable(61 * SECOND) == [holding]


def test_a_silent_agent_is_stopped_and_its_claim_abandoned() -> None:
    bench = Bench()
    task = bench.scribe.offer().id
    holding = bench.take(task)
    bench.scribe.award(task, holding.claim)
    bench.look(task, 0)
    silent_us = MIN_SILENCE_US
    assert bench.claimant.wake_at is not None
    assert bench.look(task, silent_us - 1) is None
    bench.claimant.reported(holding.claim.id, 0, silent_us - 1)
    assert bench.look(task, silent_us) is None
    assert bench.look(task, 2 * silent_us - 1) == Stop(holding, "the agent is silent")
    assert bench.claimant.abandoned(task) == holding.claim
    assert not bench.claimant.take_up(holding.claim, 2 * silent_us)


def test_what_an_agent_held_is_known_when_it_goes() -> None:
    bench = Bench()
    holding = bench.take(bench.scribe.offer().id)
    assert bench.claimant.withdraw("agent") == [holding]
    assert bench.claimant.served_slots("work") == 0
