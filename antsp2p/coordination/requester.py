"""The requester's side of its own tasks: award, reopen, verdict, cancel.

Law: pure decisions on the fold, the ledger and the observed leases. One call gives at most one
draft; the caller signs it, folds it in and asks again. Nothing is sent or signed here.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.agenda import Agenda
from antsp2p.coordination.body import (
    MAX_EXCLUDED,
    Award,
    BlobRef,
    Cancel,
    CancelReason,
    Offer,
    Outcome,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
)
from antsp2p.coordination.draft import Draft
from antsp2p.coordination.fetches import Fetches
from antsp2p.coordination.opinions import agreeing, choose
from antsp2p.coordination.trials import Trials
from antsp2p.records.record import MAX_REFS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.coordination.capability import CapabilityFold
    from antsp2p.coordination.judgement import Judgement
    from antsp2p.coordination.lease import Leases
    from antsp2p.coordination.tasks import Resolution, TaskFold
    from antsp2p.records.record import Record

MAX_ARRIVALS: Final = 64
"""Candidates of one epoch whose order of arrival is remembered; later ones rank behind them."""
REST_US: Final = 1_000_000
"""Between two reopens of a stalled task, and before a look at one about which much was just said:
claims, releases and results can be written for epochs that are still to come."""
OPINION_US: Final = 60_000_000
"""For how long somebody is sought who gives another opinion; then the one at hand must do."""
@dataclass(slots=True)
class _Own:
    posted_us: int
    epoch: int = -1
    settle_from_us: int = 0
    arrivals: dict[bytes, int] = field(default_factory=dict)
    awarded: dict[bytes, int] = field(default_factory=dict)
    """Claims that held by our award while this node runs -> when that attempt began."""
    lapses_answered: dict[bytes, int] = field(default_factory=dict)
    """Awarded claim -> how many lapses by others were answered by awarding it again."""
    fetches: Fetches = field(default_factory=Fetches)
    expected: bytes = b""
    """The hash of the answer, where it is known."""
    asked_us: int | None = None
    """Since when another opinion is wanted and nobody works on one."""
    unstalled_us: int | None = None
    """When the task was last reopened because nobody could hold or claim it."""


class Requester:
    """Watches the tasks that `me` offered."""

    def __init__(
        self, me: bytes, tasks: TaskFold, capabilities: CapabilityFold,
        leases: Leases, is_reachable: Callable[[bytes], bool], judgement: Judgement,
    ) -> None:
        self._me = me
        self._is_reachable = is_reachable
        self._tasks = tasks
        self._capabilities = capabilities
        self._judgement = judgement
        self._leases = leases
        self._own: dict[bytes, _Own] = {}
        self._trials = Trials(tasks, judgement, lambda: self._own)
        self._agenda = Agenda()

    @property
    def wake_at(self) -> int | None:
        """When `take_due` has something."""
        return self._agenda.wake_at

    def take_due(self, now_us: int) -> list[bytes]:
        """Tasks to look at now."""
        return self._agenda.take_due(now_us)

    def adopt(self, task: bytes, posted_us: int) -> None:
        """Take charge of an own offer, made at `posted_us` on our clock."""
        self._own.setdefault(task, _Own(posted_us))

    def forget(self, task: bytes) -> None:
        """The task has ended or its offer is gone."""
        own = self._own.pop(task, None)
        if own is not None:
            for claim in own.awarded:
                self._leases.forget(claim)
        self._agenda.drop(task)

    def owns(self, task: bytes) -> bool:
        """Whether the task is in our charge and has not ended."""
        return task in self._own

    def rest(self, task: bytes, now_us: int) -> None:
        """Enough was said about `task` for now; look at it again after a pause."""
        self._agenda.set_earliest(task, now_us + REST_US)

    def blob_done(self, blob: BlobRef, missing_because: str, now_us: int) -> list[bytes]:
        """The content of a result is here, or `missing_because` nobody gave it. Returns the tasks
        that waited for it."""
        waiting: list[bytes] = []
        for task, own in self._own.items():
            for retry_us in own.fetches.done(blob.hash, missing_because, now_us):
                waiting.append(task)
                if retry_us is not None:
                    self._agenda.set_earliest(task, retry_us)
        return list(dict.fromkeys(waiting))

    def blobs_wanted(self, task: bytes, now_us: int) -> list[tuple[BlobRef, bytes]]:
        """(blob, worker) of results to fetch before a verdict; each is named once for each try.
        Another worker's result with the same content is another chance to get it."""
        own = self._own.get(task)
        wanted: list[tuple[BlobRef, bytes]] = []
        if own is None:
            return wanted
        for record, result in self._own_results(task):
            blob = result.blob
            if blob is None or result.outcome != Outcome.DONE:
                continue
            if own.fetches.begin(record.id, blob, now_us):
                wanted.append((blob, record.author))
                continue
            retry_us = own.fetches.retry_us(record.id)
            if retry_us is not None:
                self._agenda.set_earliest(task, retry_us)
        return wanted

    def next_draft(self, task: bytes, now_us: int) -> Draft | None:
        """What the requester must say about `task` now, or None; plans its next look."""
        own = self._own.get(task)
        if own is None:
            return None
        resolution = self._tasks.resolve(task)
        offered = self._tasks.offer(task)
        if resolution is None or offered is None:
            return None
        if resolution.end is not None or resolution.alias_of is not None:
            self.forget(task)
            return None
        self._note_arrivals(task, own, resolution, now_us)
        return self._decide(task, own, resolution, offered[1], now_us)

    def _decide(
        self, task: bytes, own: _Own, resolution: Resolution, offer: Offer, now_us: int
    ) -> Draft | None:
        if offer.timeout_ms:
            end_us = own.posted_us + offer.timeout_ms * 1_000
            if now_us >= end_us:
                return Draft(Cancel(task, CancelReason.TIMEOUT, "the task's time is over"))
            self._agenda.set_earliest(task, end_us)
        if offer.after and self._tasks.after_failed(task):
            return Draft(Cancel(
                task, CancelReason.REQUESTER, "a task that it comes after was not accepted"))
        word = self._own_verdict(task, own, offer, now_us)
        if word is not None:
            return word
        holder = resolution.holder
        if holder is not None and resolution.settled:
            return self._watch_attempt(task, own, holder, resolution, offer, now_us)
        again = self._award_back(task, own, now_us)
        if again is not None:
            return again
        if self._attempts(task) >= offer.attempts:
            return Draft(Cancel(task, CancelReason.EXHAUSTED, "all attempts are used up"))
        if not self._tasks.candidates(task) and self._tasks.is_stalled(task):
            return self._unstall(task, own, resolution, now_us)
        return self._award(task, own, offer, now_us)

    def _attempts(self, task: bytes) -> int:
        """How many attempts were made. Others open epochs too, any number of them; an attempt is
        what we awarded. The first claim that a worker gave back of its own accord is none; from
        its second on they count, so that a task is not passed round for ever."""
        awarded = {body.claim for _, body in self._tasks.awards(task)}
        authors: dict[bytes | None, bytes] = {
            record.id: record.author for record, _ in self._tasks.claims(task)
        }
        reopens = self._tasks.reopens(task)
        tried: set[bytes | None] = {result.claim for _, result in self._tasks.results(task)}
        tried.update(
            reopen.claim for record, reopen in reopens
            if authors.get(reopen.claim) != record.author
        )
        declined = {
            record.author for record, reopen in reopens
            if reopen.claim in awarded - tried and authors.get(reopen.claim) == record.author
        }
        return len(awarded) - len(declined)

    def _unstall(
        self, task: bytes, own: _Own, resolution: Resolution, now_us: int
    ) -> Draft | None:
        """Open the next epoch; others may still claim in this one, so there is time."""
        if own.unstalled_us is not None and now_us < own.unstalled_us + REST_US:
            self._agenda.set_earliest(task, own.unstalled_us + REST_US)
            return None
        own.unstalled_us = now_us
        return Draft(Reopen(task, resolution.epoch, text="nobody can hold or claim it"))

    # --- results -------------------------------------------------------------------------------

    def _own_results(self, task: bytes) -> list[tuple[Record, Result]]:
        """The first result of each claim that we awarded, by the claim's author.

        A worker could name any number of blobs to fetch; what it says later changes no state.
        """
        awarded = {body.claim for _, body in self._tasks.awards(task)}
        firsts: dict[bytes, tuple[Record, Result]] = {}
        for record, result in self._tasks.results(task):
            if result.claim in awarded:
                firsts.setdefault(result.claim, (record, result))
        return list(firsts.values())

    def _judged(self, task: bytes) -> frozenset[bytes]:
        return frozenset(body.claim for _, body in self._tasks.verdicts(task))

    def _is_here(self, task: bytes, record: Record, result: Result) -> bool:
        return result.blob is None or self._own[task].fetches.is_here(record.id)

    def _is_missing(self, task: bytes, record: Record) -> bool:
        own = self._own.get(task)
        return own is not None and own.fetches.is_missing(record.id)

    def reviewable(self, task: bytes) -> tuple[Record, Result] | None:
        """The finished result that a verdict may be given on, the latest first; one whose content
        is not to be had stands in nobody's way."""
        judged = self._judged(task)
        for record, result in reversed(self._own_results(task)):
            is_open = result.outcome == Outcome.DONE and result.claim not in judged
            if is_open and not self._is_missing(task, record):
                return record, result
        return None

    def verdict(self, task: bytes, accept: bool, reason: str) -> Draft | None:
        """The verdict on the reviewable result, or None where there is none."""
        found = self.reviewable(task) if task in self._own else None
        if found is None or (accept and not self._is_here(task, *found)):
            return None
        record, result = found
        return Draft(Verdict(task, result.claim, record.id, accept, result.hash, reason))

    def expect(self, task: bytes, result_hash: bytes) -> None:
        """The answer of an own task is known: whoever gives it is right, and nobody else. No
        record says so: whoever restarts says it again."""
        own = self._own.get(task)
        if own is not None:
            own.expected = result_hash

    def _own_verdict(
        self, task: bytes, own: _Own, offer: Offer, now_us: int
    ) -> Draft | None:
        """What may be said of results without asking a person."""
        if own.expected:
            found = self.reviewable(task)
            is_right = found is not None and found[1].hash == own.expected
            return self.verdict(task, is_right, "" if is_right else "the answer was known")
        if offer.review:
            return None
        found = self.reviewable(task)
        if found is None or self._waits_for_more(task, own, offer, found, now_us):
            return None
        return self._of_many(task, found)

    def _waits_for_more(
        self, task: bytes, own: _Own, offer: Offer, found: tuple[Record, Result], now_us: int
    ) -> bool:
        """Whether to wait for others to claim, as long as that makes sense, or to deliver."""
        if not self._wants_more(task, offer, found):
            return False
        if self._is_at_work(task):
            own.asked_us = None
            return True
        if own.asked_us is None:
            own.asked_us = now_us
        self._agenda.set_earliest(task, own.asked_us + OPINION_US)
        return now_us < own.asked_us + OPINION_US

    def _open_results(self, task: bytes) -> list[tuple[Record, Result]]:
        """Finished results that are to be had and have no verdict."""
        judged = self._judged(task)
        return [
            (record, result) for record, result in self._own_results(task)
            if result.outcome == Outcome.DONE and result.claim not in judged
            and not self._is_missing(task, record)
        ]

    def _wants_more(self, task: bytes, offer: Offer, found: tuple[Record, Result]) -> bool:
        """Whether others are to be asked before this result is accepted, and can be, or are."""
        record, result = found
        wanted = self._judgement.opinions(record.author, offer.capability)
        if wanted == 1 or agreeing(self._open_results(task), result) >= wanted:
            return False
        if self._is_at_work(task):
            return True
        return self._attempts(task) < offer.attempts and (
            self._has_others(task, offer.capability, record.author))

    def _is_at_work(self, task: bytes) -> bool:
        """Whether the one who holds the task by our award has said nothing yet."""
        resolution = self._tasks.resolve(task)
        holder = resolution.holder if resolution is not None and resolution.settled else None
        return holder is not None and all(
            result.claim != holder.id for _, result in self._own_results(task))

    def _of_many(self, task: bytes, found: tuple[Record, Result]) -> Draft | None:
        """Reject what more authors contradict than agree with, then accept the rest's best."""
        best, outvoted = choose(self._open_results(task), found)
        for record, result in outvoted:
            return Draft(Verdict(
                task, result.claim, record.id, False, result.hash, "others agree otherwise"))
        record, result = best
        if not self._is_here(task, record, result):
            return None
        return Draft(Verdict(task, result.claim, record.id, True, result.hash))

    # --- attempts ------------------------------------------------------------------------------

    def _watch_attempt(
        self, task: bytes, own: _Own, holder: Record, resolution: Resolution, offer: Offer,
        now_us: int,
    ) -> Draft | None:
        for record, result in self._own_results(task):
            if result.claim == holder.id:
                self._leases.forget(holder.id)
                return self._after_result(task, holder, resolution, (record, result), offer)
        attempt_us = offer.timeout_ms * 1_000 // offer.attempts
        began_us = own.awarded.setdefault(holder.id, now_us)
        if attempt_us:
            if now_us >= began_us + attempt_us:
                return self._reopen(
                    task, holder, resolution, offer, ReopenReason.OVERDUE, "took too long"
                )
            self._agenda.set_earliest(task, began_us + attempt_us)
        if holder.author == self._me:
            return None
        self._leases.watch(holder.id, holder.author, holder.seq, offer.lease_ms)
        grace_us = self._judgement.grace_us(
            holder.author, offer.capability, offer.lease_ms * 1_000)
        if self._leases.has_lapsed(holder.id, now_us, grace_us):
            return self._reopen(
                task, holder, resolution, offer, ReopenReason.LAPSED, "no sign of life"
            )
        self._agenda.set_earliest(task, self._leases.next_look_us(holder.id, now_us, grace_us))
        return None

    def _after_result(
        self, task: bytes, holder: Record, resolution: Resolution,
        given: tuple[Record, Result], offer: Offer,
    ) -> Draft | None:
        record, result = given
        if result.outcome == Outcome.FAILED:
            return self._reopen(
                task, holder, resolution, offer, ReopenReason.FAILED, "the work failed"
            )
        if holder.id in self._judged(task):
            return self._reopen(
                task, holder, resolution, offer, ReopenReason.REJECTED, "the result was rejected"
            )
        if self._own[task].fetches.is_missing(record.id):
            return self._reopen(
                task, holder, resolution, offer, ReopenReason.UNAVAILABLE,
                "the result could not be fetched",
            )
        if not offer.review and self._wants_more(task, offer, given):
            return self._reopen(
                task, holder, resolution, offer, ReopenReason.OTHER, "another opinion is wanted"
            )
        return None

    def _reopen(
        self, task: bytes, holder: Record, resolution: Resolution, offer: Offer,
        reason: ReopenReason, text: str,
    ) -> Draft:
        excluded: tuple[bytes, ...] = ()
        may_exclude = reason is not ReopenReason.LAPSED
        if may_exclude and self._has_others(task, offer.capability, holder.author):
            excluded = (holder.author,)
        self._leases.forget(holder.id)
        return Draft(Reopen(task, resolution.epoch, holder.id, reason, excluded, text))

    def _has_others(self, task: bytes, capability: str, author: bytes) -> bool:
        """Whether excluding `author` leaves anybody within reach who could do the work. One that
        only announced itself once may be gone for good."""
        shut_out = self._tasks.excluded(task) | {author}
        return any(
            other not in shut_out and self._is_reachable(other)
            for other, _ in self._capabilities.providers(capability)
        )

    # --- awards --------------------------------------------------------------------------------

    def _note_arrivals(
        self, task: bytes, own: _Own, resolution: Resolution, now_us: int
    ) -> None:
        if resolution.epoch != own.epoch:
            own.epoch = resolution.epoch
            own.arrivals.clear()
        for candidate in self._tasks.candidates(task):
            if candidate.id not in own.arrivals and len(own.arrivals) < MAX_ARRIVALS:
                if not own.arrivals:
                    own.settle_from_us = now_us
                own.arrivals[candidate.id] = len(own.arrivals)

    def _award(
        self, task: bytes, own: _Own, offer: Offer, now_us: int
    ) -> Draft | None:
        candidates = self._tasks.candidates(task)
        if not candidates:
            return None
        settled_us = own.settle_from_us + offer.settle_ms * 1_000
        if now_us < settled_us:
            self._agenda.set_earliest(task, settled_us)
            return None
        blocked = self._judgement.is_blocked
        candidates, shut_out = (
            tuple(claim for claim in candidates if blocked(claim.author) is is_out)
            for is_out in (False, True)
        )
        if not candidates:
            return self._shut_out(task, shut_out)
        chosen = self._unknown(task, own, offer, candidates) or candidates
        best = min(chosen, key=lambda claim: self._preference(own, offer, claim))
        own.awarded[best.id] = now_us
        return Draft(Award(task, best.id))

    def _shut_out(self, task: bytes, claims: Sequence[Record]) -> Draft | None:
        """Only such as are blocked here want the task: open it again, for others."""
        resolution = self._tasks.resolve(task)
        if resolution is None:
            return None
        authors = sorted(claim.author for claim in claims)[:MAX_EXCLUDED]
        return Draft(Reopen(
            task, resolution.epoch, excluded=tuple(authors), text="not for these workers"))

    def _preference(self, own: _Own, offer: Offer, claim: Record) -> tuple[int, int, int, bytes]:
        """Smallest first: our own trust, then who came first here.

        A tie-break on the claim's bytes would reward keys ground after the offer; the order of
        arrival cannot be ground.
        """
        arrival = own.arrivals.get(claim.id, MAX_ARRIVALS)
        return (*self._judgement.rank(claim.author, offer.capability), arrival, claim.id)

    def _unknown(
        self, task: bytes, own: _Own, offer: Offer, candidates: Sequence[Record]
    ) -> list[Record]:
        """The best of those of whom too little is known, where this task is for such."""
        if not (own.expected or self._judgement.is_for_strangers(task, offer)):
            return []
        others = [claim for claim in candidates if claim.author != self._me]
        found = self._trials.candidates(others, offer.capability)
        if found:
            found = [min(found, key=lambda claim: self._preference(own, offer, claim))]
            self._trials.begin(found[0].author, task)
        return found

    def _award_back(self, task: bytes, own: _Own, now_us: int) -> Draft | None:
        """Give the task back to whom another lapsed too early, as far as we can see."""
        awards = self._tasks.awards(task)
        if not awards:
            return None
        award, body = awards[-1]
        claims = {record.id: record for record, _ in self._tasks.claims(task)}
        claim = claims.get(body.claim)
        if claim is None or body.claim not in own.awarded or claim.author == self._me:
            return None
        foreign: list[bytes] = []
        for record, reopen in self._tasks.reopens(task):
            ours = record.author == self._me and record.seq > award.seq
            if ours or (record.author == claim.author and reopen.claim == claim.id):
                return None
            if record.author != self._me and reopen.claim == claim.id:
                foreign.append(record.id)
        # One answer for each lapse: an award that another rule keeps from holding is not repeated.
        if len(foreign) <= own.lapses_answered.get(claim.id, 0):
            return None
        if self._leases.next_look_us(claim.id, now_us) is None:
            return None
        if self._leases.has_lapsed(claim.id, now_us):
            return None
        own.lapses_answered[claim.id] = len(foreign)
        # Who took a lease that had not run out is named by it.
        return Draft(Award(task, claim.id), tuple(sorted(foreign)[:MAX_REFS]))
