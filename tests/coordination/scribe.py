"""Signed logs for tests of decisions: each author writes, the fold reads."""
from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from antsp2p.coordination.body import (
    Announce,
    Award,
    Body,
    Claim,
    Offer,
    Outcome,
    Reopen,
    ReopenReason,
    Result,
    body_map,
)
from antsp2p.coordination.capability import CapabilityFold
from antsp2p.coordination.tasks import TaskFold
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record

if TYPE_CHECKING:
    from collections.abc import Iterable

NETWORK = b"n" * 16


def identity(name: str) -> Identity:
    return Identity.from_seed(hashlib.sha256(name.encode()).digest())


class Scribe:
    """Writes records of named authors into one fold."""

    def __init__(self) -> None:
        self.tasks = TaskFold()
        self.capabilities = CapabilityFold()
        self._heads: dict[str, tuple[int, bytes]] = {}

    def author(self, name: str) -> bytes:
        return identity(name).author

    def write(self, name: str, body: Body, refs: Iterable[bytes] = ()) -> Record:
        seq, prev = self._heads.get(name, (0, NO_PREV))
        record = sign_record(
            identity(name), network=NETWORK, seq=seq + 1, prev=prev, refs=refs, type=body.type,
            body=body_map(body), claimed_ms=0,
        )
        self._heads[name] = (record.seq, record.id)
        self.tasks.add(record)
        self.capabilities.add(record)
        return record

    def announce(self, name: str, capability: str = "work", slots: int = 1) -> Record:
        return self.write(name, Announce(capability, slots))

    def offer(
        self, name: str = "requester", *, settle_ms: int = 0, attempts: int = 3,
        timeout_ms: int = 0, review: bool = False,
    ) -> Record:
        return self.write(name, Offer(
            "work", 1_000, settle_ms, attempts, input=b"", timeout_ms=timeout_ms, review=review,
        ))

    def claim(self, name: str, task: bytes) -> Record:
        resolution = self.tasks.resolve(task)
        assert resolution is not None
        refs = self.tasks.claim_refs(task, self.author(name))
        return self.write(name, Claim(task, resolution.epoch), refs)

    def award(self, task: bytes, claim: Record, name: str = "requester") -> Record:
        return self.write(name, Award(task, claim.id))

    def result(
        self, name: str, task: bytes, claim: Record, outcome: Outcome = Outcome.DONE
    ) -> Record:
        return self.write(name, Result(task, claim.id, outcome, output=b"out"))

    def lapse(
        self, name: str, task: bytes, claim: Record, refs: Iterable[bytes] = ()
    ) -> Record:
        epoch = claim.body[1]
        return self.write(name, Reopen(task, epoch, claim.id, ReopenReason.LAPSED), refs)
