from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import (
    Award,
    BlobRef,
    Cancel,
    CancelReason,
    Claim,
    Outcome,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
    content_hash,
)
from antsp2p.coordination.fetches import FETCH_RETRY_US, FETCH_TRIES
from antsp2p.coordination.judgement import DEFAULT_POLICY, Judgement, Policy
from antsp2p.coordination.lease import SECOND_LOOK_US, Leases
from antsp2p.coordination.reputation import Ledger
from antsp2p.coordination.requester import REST_US, Requester
from antsp2p.coordination.tasks import State
from tests.coordination.scribe import Scribe

if TYPE_CHECKING:
    from antsp2p.records.record import Record

MS = 1_000
SECOND = 1_000_000


class Desk:
    """One requester with its fold; `step` writes what it decides until it rests."""

    def __init__(self, policy: Policy = DEFAULT_POLICY) -> None:
        self.scribe = Scribe()
        me = self.scribe.author("requester")
        self.ledger = Ledger(me)
        self.unreachable: list[bytes] = []
        self.leases = Leases(0)
        self.requester = Requester(
            me, self.scribe.tasks, self.scribe.capabilities, self.leases,
            lambda author: author not in self.unreachable, Judgement(self.ledger, policy),
        )

    def post(self, **options: object) -> bytes:
        offer = self.scribe.offer(**options)  # type: ignore[arg-type]  # forwarded as they are
        self.requester.adopt(offer.id, 0)
        return offer.id

    def step(self, task: bytes, now_us: int) -> list[Record]:
        written: list[Record] = []
        for _ in range(10):
            self.ledger.update(task, self.scribe.tasks)
            draft = self.requester.next_draft(task, now_us)
            if draft is None:
                return written
            written.append(self.scribe.write("requester", draft.body, draft.refs))
        raise AssertionError("the requester does not rest")

    def bodies(self, task: bytes, now_us: int) -> list[object]:
        before = self.step(task, now_us)
        pairs: dict[bytes, object] = {
            record.id: body
            for group in (
                self.scribe.tasks.awards(task), self.scribe.tasks.reopens(task),
                self.scribe.tasks.verdicts(task),
            )
            for record, body in group
        }
        resolution = self.scribe.tasks.resolve(task)
        assert resolution is not None
        if resolution.end is not None and resolution.end.id not in pairs:
            pairs[resolution.end.id] = Cancel(task, resolution.end.body[1])
        return [pairs[record.id] for record in before]

    def live(self, start_us: int, end_us: int) -> None:
        for now_us in range(start_us, end_us + 1, 250 * MS):
            self.leases.heard(now_us)

    def state(self, task: bytes) -> State:
        resolution = self.scribe.tasks.resolve(task)
        assert resolution is not None
        return resolution.state


def test_the_first_claim_is_awarded_at_once_without_a_settle_window() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    assert desk.bodies(task, 0) == [Award(task, claim.id)]
    assert desk.step(task, 0) == []


def test_the_settle_window_begins_with_the_first_claim() -> None:
    desk = Desk()
    task = desk.post(settle_ms=150)
    assert desk.step(task, 5 * SECOND) == []
    claim = desk.scribe.claim("a", task)
    assert desk.step(task, 6 * SECOND) == []
    assert desk.requester.wake_at == 6 * SECOND + 150 * MS
    assert desk.bodies(task, 6 * SECOND + 150 * MS) == [Award(task, claim.id)]


def test_a_good_result_is_accepted_by_itself() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    result = desk.scribe.result("a", task, claim)
    assert desk.bodies(task, 0) == [
        Verdict(task, claim.id, result.id, accept=True, result_hash=content_hash(b"out"))
    ]
    assert desk.state(task) is State.ACCEPTED
    assert not desk.requester.owns(task)


def test_a_result_under_review_waits_for_a_person() -> None:
    desk = Desk()
    task = desk.post(review=True)
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    desk.scribe.result("a", task, claim)
    assert desk.step(task, 0) == []
    assert desk.state(task) is State.DONE
    draft = desk.requester.verdict(task, accept=True, reason="fine")
    assert draft is not None
    desk.scribe.write("requester", draft.body)
    assert desk.state(task) is State.ACCEPTED


def test_a_rejected_result_opens_the_next_epoch_without_its_author_where_others_can() -> None:
    desk = Desk()
    desk.scribe.announce("a")
    desk.scribe.announce("b")
    task = desk.post(review=True)
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    desk.scribe.result("a", task, claim)
    draft = desk.requester.verdict(task, accept=False, reason="wrong")
    assert draft is not None
    desk.scribe.write("requester", draft.body)
    (reopen,) = desk.bodies(task, 0)
    assert isinstance(reopen, Reopen)
    assert (reopen.reason, reopen.excluded) == (
        ReopenReason.REJECTED, (desk.scribe.author("a"),))
    assert desk.scribe.tasks.excluded(task) == {desk.scribe.author("a")}


def test_a_failed_result_uses_an_attempt_and_the_last_one_ends_the_task() -> None:
    desk = Desk()
    desk.scribe.announce("a")
    task = desk.post(attempts=2)
    for _ in range(2):
        claim = desk.scribe.claim("a", task)
        desk.step(task, 0)
        desk.scribe.result("a", task, claim, Outcome.FAILED)
        bodies = desk.bodies(task, 0)
        assert isinstance(bodies[0], Reopen)
        assert bodies[0].excluded == ()  # Nobody else could do it.
    assert bodies[1:] == [Cancel(task, CancelReason.EXHAUSTED)]
    assert desk.state(task) is State.DEAD_LETTERED


def test_a_silent_holder_lapses_and_the_next_claim_is_awarded() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    desk.live(0, 2 * SECOND)
    assert desk.step(task, 2 * SECOND) == []  # The first look.
    (reopen,) = desk.bodies(task, 2 * SECOND + SECOND_LOOK_US)
    assert reopen == Reopen(
        task, 0, claim.id, ReopenReason.LAPSED, text="no sign of life")
    other = desk.scribe.claim("b", task)
    assert desk.bodies(task, 3 * SECOND) == [Award(task, other.id)]


def test_a_late_result_of_a_lapsed_claim_is_still_accepted() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    desk.live(0, 2 * SECOND)
    desk.step(task, 2 * SECOND)
    desk.step(task, 3 * SECOND)
    assert desk.state(task) is State.OPEN
    desk.scribe.result("a", task, claim)
    desk.step(task, 4 * SECOND)
    assert desk.state(task) is State.ACCEPTED


def test_a_result_nobody_was_awarded_for_is_not_accepted() -> None:
    desk = Desk()
    task = desk.post(settle_ms=1_000)
    claim = desk.scribe.claim("thief", task)
    desk.scribe.result("thief", task, claim)
    assert desk.step(task, 0) == []


def test_a_result_signed_by_another_than_the_claimant_counts_for_nothing() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    desk.scribe.result("thief", task, claim)
    assert desk.step(task, 0) == []
    assert desk.state(task) is State.WORKING


def test_a_premature_lapse_by_another_is_answered_by_an_award_once() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    (award,) = desk.step(task, 0)
    desk.live(0, SECOND // 2)
    desk.scribe.lapse("b", task, claim, [award.id])
    assert desk.bodies(task, SECOND // 2) == [Award(task, claim.id)]
    resolution = desk.scribe.tasks.resolve(task)
    assert resolution is not None
    assert resolution.holder == claim
    assert desk.step(task, SECOND // 2) == []


def test_a_released_task_is_not_given_back() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    desk.scribe.lapse("a", task, claim)
    assert desk.step(task, 0) == []
    other = desk.scribe.claim("b", task)
    assert desk.bodies(task, 0) == [Award(task, other.id)]


def test_a_task_that_nobody_could_claim_any_more_is_opened_again() -> None:
    desk = Desk()
    desk.scribe.announce("only")
    task = desk.post(attempts=5)
    for _ in range(2):  # The second release is not its author's first reopen: it opens nothing.
        claim = desk.scribe.claim("only", task)
        desk.step(task, 0)
        desk.scribe.lapse("only", task, claim)
    (reopen,) = desk.bodies(task, 0)
    assert isinstance(reopen, Reopen)
    again = desk.scribe.claim("only", task)
    assert desk.bodies(task, 0) == [Award(task, again.id)]


def test_the_first_release_of_each_worker_uses_up_no_attempt_and_its_next_ones_do() -> None:
    desk = Desk()
    task = desk.post(attempts=2)

    def decline(worker: str) -> list[object]:
        claim = desk.scribe.claim(worker, task)
        desk.step(task, 0)
        desk.scribe.lapse(worker, task, claim)
        return desk.bodies(task, 0)

    for worker in ("a", "b", "c", "a"):
        assert not any(isinstance(body, Cancel) for body in decline(worker))
    assert decline("b") == [Cancel(task, CancelReason.EXHAUSTED)]


def test_a_release_after_somebody_elses_lapse_or_a_result_is_not_polite() -> None:
    desk = Desk()
    task = desk.post(attempts=2)
    lapsed = desk.scribe.claim("a", task)
    desk.step(task, 0)
    desk.scribe.lapse("b", task, lapsed)
    desk.scribe.lapse("a", task, lapsed)
    failed = desk.scribe.claim("c", task)
    desk.step(task, 0)
    desk.scribe.result("c", task, failed, Outcome.FAILED)
    desk.scribe.lapse("c", task, failed)
    assert Cancel(task, CancelReason.EXHAUSTED) in desk.bodies(task, 0)


def test_the_time_of_a_task_ends_it_and_the_time_of_an_attempt_moves_it() -> None:
    desk = Desk()
    task = desk.post(timeout_ms=9_000, attempts=3)
    claim = desk.scribe.claim("never-delivers", task)
    desk.step(task, 0)
    for now_us in range(0, 3 * SECOND, 250 * MS):
        desk.leases.heard(now_us)
        desk.leases.renewed(claim.author, (claim.seq,))
        assert desk.step(task, now_us) == []
    (reopen,) = desk.bodies(task, 3 * SECOND)
    assert isinstance(reopen, Reopen)
    assert reopen.text == "took too long"
    assert desk.bodies(task, 9 * SECOND) == [Cancel(task, CancelReason.TIMEOUT)]


def test_trust_comes_before_order_of_arrival() -> None:
    desk = Desk()
    first = desk.post()
    claim = desk.scribe.claim("known", first)
    desk.step(first, 0)
    desk.scribe.result("known", first, claim)
    desk.step(first, 0)
    task = desk.post(settle_ms=150)
    desk.scribe.claim("stranger", task)
    desk.step(task, 0)
    known = desk.scribe.claim("known", task)
    assert desk.bodies(task, 150 * MS) == [Award(task, known.id)]


def test_among_strangers_the_first_to_arrive_wins_against_a_thousand_fresh_keys() -> None:
    desk = Desk()
    task = desk.post(settle_ms=150)
    honest = desk.scribe.claim("honest", task)
    desk.step(task, 0)
    for number in range(1_000):  # They leave the rival out of their refs on purpose.
        desk.scribe.write(f"key-{number}", Claim(task, 0))
    desk.step(task, 100 * MS)
    assert desk.bodies(task, 150 * MS) == [Award(task, honest.id)]


def test_a_blob_result_is_fetched_before_it_is_accepted() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    blob = BlobRef(b"h" * 32, 1_000_000)
    desk.scribe.write("a", Result(task, claim.id, Outcome.DONE, blob=blob))
    assert desk.step(task, 0) == []
    assert desk.requester.blobs_wanted(task, 0) == [(blob, claim.author)]
    assert desk.requester.blobs_wanted(task, 0) == []
    assert desk.requester.blob_done(blob, "", 0) == [task]
    desk.step(task, 0)
    assert desk.state(task) is State.ACCEPTED


def test_nobody_is_excluded_for_the_sake_of_one_who_is_gone() -> None:
    desk = Desk()
    desk.scribe.announce("a")
    desk.scribe.announce("gone")
    desk.unreachable.append(desk.scribe.author("gone"))
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    desk.scribe.result("a", task, claim, Outcome.FAILED)
    (reopen,) = desk.bodies(task, 0)
    assert isinstance(reopen, Reopen)
    assert reopen.excluded == ()


def give_up(desk: Desk, task: bytes, blob: BlobRef, missing: str) -> list[bytes]:
    """A fetch that ends as `missing` says at every try."""
    waiting = desk.requester.blob_done(blob, missing, 0)
    for number in range(1, FETCH_TRIES if missing else 1):
        assert desk.step(task, 0) == []
        due_us = number * FETCH_RETRY_US
        assert desk.requester.blobs_wanted(task, due_us - 1) == []
        assert task in desk.requester.take_due(due_us)
        assert [wanted for wanted, _ in desk.requester.blobs_wanted(task, due_us)] == [blob]
        waiting = desk.requester.blob_done(blob, missing, 0)
    return waiting


def test_another_worker_with_the_same_content_is_another_chance_to_get_it() -> None:
    desk = Desk()
    desk.scribe.announce("a")
    desk.scribe.announce("b")
    task = desk.post()
    blob = BlobRef(b"h" * 32, 1_000_000)
    for name, missing in (("a", "no source"), ("b", "")):
        claim = desk.scribe.claim(name, task)
        desk.step(task, 0)
        desk.scribe.write(name, Result(task, claim.id, Outcome.DONE, blob=blob))
        assert desk.requester.blobs_wanted(task, 0) == [(blob, claim.author)]
        assert give_up(desk, task, blob, missing) == [task]
        desk.step(task, 0)
    assert desk.state(task) is State.ACCEPTED


def test_a_blob_that_nobody_gives_costs_the_worker_its_attempt() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    blob = BlobRef(b"h" * 32, 1_000_000)
    desk.scribe.write("a", Result(task, claim.id, Outcome.DONE, blob=blob))
    desk.requester.blobs_wanted(task, 0)
    give_up(desk, task, blob, "no source")
    (reopen,) = desk.bodies(task, 0)
    assert isinstance(reopen, Reopen)
    assert reopen.reason == ReopenReason.UNAVAILABLE


def test_only_the_first_result_of_a_claim_is_fetched() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("a", task)
    desk.step(task, 0)
    blobs = [BlobRef(bytes([number]) * 32, 1_000_000) for number in range(20)]
    for blob in blobs:
        desk.scribe.write("a", Result(task, claim.id, Outcome.DONE, blob=blob))
    assert desk.requester.blobs_wanted(task, 0) == [(blobs[0], claim.author)]


def test_a_result_that_cannot_be_had_does_not_hide_an_earlier_good_one() -> None:
    desk = Desk()
    task = desk.post(attempts=2)
    late = desk.scribe.claim("late", task)
    desk.step(task, 0)
    desk.scribe.lapse("requester", task, late)
    liar = desk.scribe.claim("liar", task)
    desk.step(task, 0)
    blob = BlobRef(b"h" * 32, 1_000_000)
    desk.scribe.write("liar", Result(task, liar.id, Outcome.DONE, blob=blob))
    desk.requester.blobs_wanted(task, 0)
    good = desk.scribe.result("late", task, late)
    give_up(desk, task, blob, "no source")
    (accept,) = desk.bodies(task, 0)
    assert isinstance(accept, Verdict)
    assert accept.result == good.id


def test_epochs_that_others_open_use_up_no_attempt() -> None:
    desk = Desk()
    task = desk.post(attempts=2, settle_ms=150)
    for number in range(5):
        claim = desk.scribe.claim(f"key-{number}", task)
        desk.scribe.lapse(f"key-{number}", task, claim)
        assert desk.step(task, 0) == []
    honest = desk.scribe.claim("honest", task)
    assert desk.step(task, 0) == []
    assert desk.bodies(task, 150 * MS) == [Award(task, honest.id)]


def test_claims_released_beforehand_for_every_epoch_cost_one_reopen_a_pause() -> None:
    desk = Desk()
    task = desk.post()
    for epoch in range(6):
        claim = desk.scribe.write("mallory", Claim(task, epoch))
        desk.scribe.lapse("mallory", task, claim)
    for number in range(3):
        (reopen,) = desk.bodies(task, number * REST_US)
        assert isinstance(reopen, Reopen)
        assert desk.step(task, (number + 1) * REST_US - 1) == []
    honest = desk.scribe.claim("honest", task)
    assert desk.bodies(task, 2 * REST_US) == [Award(task, honest.id)]
