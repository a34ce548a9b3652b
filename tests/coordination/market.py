"""A few authors and their tasks, played step by step: what evidence is made of."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import (
    Announce,
    Award,
    Cancel,
    CancelReason,
    Claim,
    Dispute,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
    content_hash,
)
from antsp2p.coordination.capability import CapabilityFold
from antsp2p.coordination.evidence import evidence_of
from antsp2p.coordination.reputation import Deed, Kind, Ledger, Score
from tests.coordination.contests import Log, an_offer, fold_of, key_of

if TYPE_CHECKING:
    from antsp2p.coordination.body import Body
    from antsp2p.coordination.evidence import Evidence
    from antsp2p.coordination.tasks import TaskFold
    from antsp2p.records.record import Record

ME, WORKER, THIRD, STRANGER = (key_of(name) for name in ("me", "worker", "third", "stranger"))
STEPS = (
    "award", "award back", "done", "failed", "accept", "reject", "lapse", "overdue", "release",
    "other lapse", "dispute", "dispute the other", "cancel", "go on", "announce",
)


class Market:
    """Tasks of one requester for one worker; a third and a stranger are about."""

    def __init__(self, requester: bytes = ME) -> None:
        self.requester, self.worker = Log(requester), Log(WORKER)
        self.third, self.stranger = Log(THIRD), Log(STRANGER)
        self.records: list[Record] = []
        self._at = 0

    def add(self, record: Record) -> Record:
        self.records.append(record)
        return record

    def offer(self, *, cost: int = 1, capability: str = "text.count") -> Record:
        # Two offers of one author in one place would be the same record.
        return self.add(self.requester.say(
            an_offer(cost=cost, capability=capability, settle_ms=len(self.records))))

    def run(self, *steps: str, cost: int = 1, capability: str = "text.count") -> bytes:
        """Play one task through; returns it."""
        task = self.offer(cost=cost, capability=capability).id
        self.play(task, self.add(self.worker.say(Claim(task, 0))), *steps)
        return task

    def play(self, task: bytes, claim: Record, *steps: str) -> None:
        """Steps of the requester, the claim's author or others."""
        result = last = claim
        log = self.worker if claim.author == WORKER else self.third
        for step in steps:
            body, who, refs = self._step(step, task, claim, result, last)
            record = self.add(who.say(body, refs))
            if isinstance(body, Result):
                result = record
            if isinstance(body, Reopen) and who is not log:
                last = record

    def _step(
        self, step: str, task: bytes, claim: Record, result: Record, last: Record
    ) -> tuple[Body, Log, tuple[bytes, ...]]:
        own = self.worker if claim.author == WORKER else self.third
        nobody = content_hash(b"")
        match step:
            case "award":
                return Award(task, claim.id), self.requester, ()
            case "award back":
                return Award(task, claim.id), self.requester, (last.id,)
            case "done" | "failed":
                return Result(task, claim.id, int(step == "failed"), b""), own, ()
            case "accept" | "reject":
                said = Verdict(task, claim.id, result.id, step == "accept", nobody)
                return said, self.requester, ()
            case "lapse":
                return Reopen(task, 0, claim.id, ReopenReason.LAPSED), self.requester, ()
            case "overdue":
                return Reopen(task, 0, claim.id, ReopenReason.OVERDUE), self.requester, ()
            case "give up":
                return Reopen(task, 0, claim.id, ReopenReason.UNAVAILABLE), self.requester, ()
            case "release":
                return Reopen(task, 0, claim.id, ReopenReason.RELEASED), own, ()
            case "other lapse":
                return Reopen(task, 0, claim.id, ReopenReason.LAPSED), self.stranger, ()
            case "dispute" | "dispute the other":
                return Dispute(task, claim.id, last.id, "I was there"), own, ()
            case "cancel":
                return Cancel(task, CancelReason.REQUESTER), self.requester, ()
            case "go on":
                # It knows by now what the requester said last.
                return Claim(task, 7), own, (self.requester.records[-1].id,)
            case "announce":
                digest = content_hash(bytes((len(self.records) % 3,)))
                return Announce("text.count", config_digest=digest), own, ()
        raise AssertionError(step)

    # --- what an observer makes of it ------------------------------------------------------------

    def evidence(self, task: bytes, observer: bytes = ME) -> Evidence:
        fold, capabilities = folds_of(self.records)
        return evidence_of(observer, task, fold, lambda *_: 0, capabilities.configuration)

    def deeds(self, *steps: str, observer: bytes = ME) -> list[Deed]:
        """Of one task, played through."""
        return list(self.evidence(self.run(*steps), observer).deeds)

    def ledger(self, observer: bytes = ME) -> Ledger:
        fold, capabilities = folds_of(self.records)
        return batch(fold, capabilities, observer)

    def score(self, capability: str | None = None) -> Score:
        return self.ledger().score(WORKER, capability)

    def kinds(self) -> list[Kind]:
        return [deed.kind for deed in self.ledger().why(WORKER)]


def folds_of(records: list[Record]) -> tuple[TaskFold, CapabilityFold]:
    capabilities = CapabilityFold()
    for record in records:
        capabilities.add(record)
    return fold_of(records), capabilities


def batch(fold: TaskFold, capabilities: CapabilityFold, observer: bytes) -> Ledger:
    """All tasks at once."""
    ledger = Ledger(observer, configuration=capabilities.configuration)
    for task in fold.task_ids():
        ledger.update(task, fold)
    return ledger
