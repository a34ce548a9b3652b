"""Puts into effect what requester and claimant decide, task by task, until nothing more follows.

Law: it decides nothing itself. A task is looked at when a record of it arrived or its deadline has
come; a look signs at most a few drafts, and one event at most so many looks, so that no set of
records makes a node stand still.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.body import BlobRef, Reopen, ReopenReason
from antsp2p.coordination.claimant import Holding, Start
from antsp2p.coordination.draft import Draft
from antsp2p.events import FetchBlob, StartWork, StopWork

if TYPE_CHECKING:
    from collections.abc import Iterable

    from antsp2p.node import Node
    from antsp2p.records.record import Record

MAX_DRAFTS_PER_LOOK: Final = 8
"""Drafts for one task in one look. Records of others can call for more: then it rests a while."""
MAX_LOOKS: Final = 500
"""Looks at tasks within one event, about 20 ms. A start or a conviction may touch every task there
is; what is left is looked at by the next `Woke`, which is due at once. Others get a word in then:
a node that has just started would answer nobody before it has looked at all it ever knew."""
MAX_ENDS_TOLD: Final = 1_024
"""Ended tasks of which it is remembered what was told, about 0.3 kB each: the records that follow
an end come within seconds of it."""
MAX_ROUNDS: Final = 4
"""Rounds of deadlines within one event; what is left is served at once by the next `Woke`."""


class Decisions:
    """The tasks of one node that are to be looked at."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._touched: dict[bytes, None] = {}
        self._postponed: dict[bytes, None] = {}
        self._holds_back = False
        """Whether claims were postponed because too much of the history is missing."""
        self._looks_left = MAX_LOOKS
        self._told: dict[bytes, tuple[Any, ...]] = {}
        """What was told last of each open task."""
        self._ends_told: dict[bytes, tuple[Any, ...]] = {}
        self._fetching: dict[bytes, BlobRef] = {}

    def wake_at(self, now_us: int) -> int | None:
        """When `settle` is due next."""
        if self._touched:
            return now_us
        due, other = self._node.requester.wake_at, self._node.claimant.wake_at
        if due is None or other is None:
            return other if due is None else due
        return min(due, other)

    def touch(self, tasks: Iterable[bytes]) -> None:
        """Records of these tasks have come or gone."""
        for task in tasks:
            self._touched[task] = None

    def blob_done(self, blob: BlobRef, missing_because: str, now_us: int) -> None:
        """The content of a result is here, or nobody gave it."""
        self._fetching.pop(blob.hash, None)
        self.touch(self._node.requester.blob_done(blob, missing_because, now_us))

    def resume(self, now_us: int) -> None:
        """Signing is possible again: look at what had to wait for it."""
        postponed, self._postponed = self._postponed, {}
        self.touch(postponed)
        for task in postponed:
            self._node.claimant.look_at(task, now_us)

    def settle(self, now_us: int) -> None:
        """Serve deadlines and look at touched tasks until this event has had its share."""
        self._looks_left = MAX_LOOKS
        if self._is_idle(now_us):
            return
        if self._holds_back and not self._node.gossip.is_far_behind(now_us):
            self._holds_back = False
            self.resume(now_us)
        for _ in range(MAX_ROUNDS):
            self.touch(self._node.requester.take_due(now_us))
            for task in self._node.claimant.take_due(now_us):
                self._touched[task] = None
                self._look_around(now_us)
                if task in self._touched:
                    self._look(task, now_us)
                self._take_turn(task, now_us)
            self._look_around(now_us)
            due_us = self.wake_at(now_us)
            if due_us is None or due_us > now_us or self._looks_left <= 0:
                break

    def _is_idle(self, now_us: int) -> bool:
        """Most events concern no task at all."""
        if self._touched or self._holds_back or self._node.claimant.has_freed:
            return False
        due_us = self.wake_at(now_us)
        return due_us is None or due_us > now_us

    def _look_around(self, now_us: int) -> None:
        while self._looks_left > 0:
            self._looks_left -= 1
            if self._touched:
                self._look(next(iter(self._touched)), now_us)
                continue
            freed = self._node.claimant.freed(now_us)
            if not freed:
                return
            for task in freed:
                self._claim(task, now_us)

    def _look(self, task: bytes, now_us: int) -> None:
        node = self._node
        self._touched.pop(task, None)
        node.ledger.update(task, node.tasks)
        for _ in range(MAX_DRAFTS_PER_LOOK):
            if not self._may_sign(task):
                break
            draft = node.requester.next_draft(task, now_us)
            if draft is None:
                break
            node.append(draft)
            node.ledger.update(task, node.tasks)
        else:
            node.requester.rest(task, now_us)
        self._fetch_results(task, now_us)
        node.claimant.touched(task, now_us)
        self._work(task, now_us)
        self._tell(task)

    def _may_sign(self, task: bytes) -> bool:
        """Whether drafts may be signed; if only for the moment not, the task is looked at later."""
        if self._node.is_confirming:
            self._postponed[task] = None
        return self._node.may_sign

    # --- the worker's side ---------------------------------------------------------------------

    def _may_claim(self, task: bytes, now_us: int) -> bool:
        """Whether to compete for the task: not while much of what others said is still missing."""
        if self._node.gossip.is_far_behind(now_us):
            self._postponed[task] = None
            self._holds_back = True
            return False
        return self._may_sign(task)

    def _take_turn(self, task: bytes, now_us: int) -> None:
        if not self._may_claim(task, now_us):
            return
        claimant = self._node.claimant
        lapse = claimant.lapse(task, now_us)
        if lapse is not None:
            self._node.append(lapse)
            claimant.touched(task, now_us)
        elif not claimant.is_our_turn(task, now_us):
            return
        self._claim(task, now_us)

    def _claim(self, task: bytes, now_us: int) -> None:
        draft = self._node.claimant.claim(task) if self._may_claim(task, now_us) else None
        if draft is not None:
            record = self._node.append(draft)
            self._node.claimant.claimed(record, now_us)

    def _work(self, task: bytes, now_us: int) -> None:
        claimant = self._node.claimant
        abandoned = claimant.abandoned(task)
        is_ours = abandoned is None or claimant.take_up(abandoned, now_us)
        if abandoned is not None and not is_ours and self._may_sign(task):
            self.release(task, abandoned.id, "no agent works on it")
        change = claimant.update(task, now_us)
        if isinstance(change, Start):
            self._start(change.holding)
        elif change is not None:
            holding = change.holding
            if holding.started:
                self._node.emit(StopWork(holding.agent, holding.claim.id, change.reason))
            # If the claim still holds, it is abandoned now, and the next look gives it back.
            self._touched[task] = None

    def release(self, task: bytes, claim: bytes, reason: str) -> Record | None:
        """Give an own claim back; None where the claim is not there."""
        for record, body in self._node.tasks.claims(task):
            if record.id == claim and record.author == self._node.author:
                self._node.claimant.drop(claim)
                return self._node.append(
                    Draft(Reopen(task, body.epoch, claim, ReopenReason.RELEASED, text=reason))
                )
        return None

    def _start(self, holding: Holding) -> None:
        offered = self._node.tasks.offer(holding.task)
        assert offered is not None
        record, offer = offered
        content = offer.blob if offer.blob is not None else offer.input or b""
        self._node.emit(StartWork(
            holding.agent, holding.claim.id, holding.task, holding.epoch, offer.capability,
            content, offer.media_type, record.author, self._node.blob_sources(record.author),
        ))

    # --- what others want to know --------------------------------------------------------------

    def _fetch_results(self, task: bytes, now_us: int) -> None:
        for blob, worker in self._node.requester.blobs_wanted(task, now_us):
            if blob.hash not in self._fetching:
                self._fetching[blob.hash] = blob
                self._node.emit(FetchBlob(blob, self._node.blob_sources(worker)))

    def _tell(self, task: bytes) -> None:
        resolution = self._node.tasks.resolve(task)
        if resolution is None:
            return
        holder = None if resolution.holder is None else resolution.holder.author
        told = (resolution.state, resolution.epoch, holder, resolution.rule, resolution.settled)
        if told in (self._told.get(task), self._ends_told.get(task)):
            return
        self._told.pop(task, None)
        self._ends_told.pop(task, None)
        if resolution.end is None:
            self._told[task] = told
        else:
            if len(self._ends_told) >= MAX_ENDS_TOLD:
                del self._ends_told[next(iter(self._ends_told))]
            self._ends_told[task] = told
        self._node.notice(
            "task", task, state=str(resolution.state), epoch=resolution.epoch,
            holder=None if holder is None else holder.hex(), rule=str(resolution.rule),
            settled=resolution.settled,
        )
