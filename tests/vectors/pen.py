"""A pen for many hands: signed logs about tasks, written one record after the other."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.coordination.body import (
    Announce,
    Award,
    Body,
    Cancel,
    Claim,
    Offer,
    Outcome,
    Reopen,
    Result,
    Verdict,
    body_map,
    content_hash,
)
from antsp2p.records.record import NO_PREV, Record, sign_record
from tests.vectors.common import NETWORK, identity

if TYPE_CHECKING:
    from collections.abc import Mapping


class Pen:
    """Every record is by a named author, on top of that author's last. `rita` is the requester."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._heads: dict[str, Record] = {}

    def say(self, who: str, body: Body, *refs: Record | bytes) -> Record:
        """A record of `who` with this body."""
        return self.write(who, int(body.type), body_map(body), *refs)

    def write(
        self, who: str, type_: int, body: Mapping[int, Any], *refs: Record | bytes
    ) -> Record:
        """A record of `who`, whatever its body means."""
        head = self._heads.get(who)
        record = sign_record(
            identity(who), network=NETWORK, seq=1 if head is None else head.seq + 1,
            prev=NO_PREV if head is None else head.id,
            refs=[ref if isinstance(ref, bytes) else ref.id for ref in refs],
            type=type_, body=body, claimed_ms=0,
        )
        self._heads[who] = record
        self.records.append(record)
        return record

    def lose(self, *records: Record) -> None:
        """These were written, but are not in the set."""
        for record in records:
            self.records.remove(record)

    def offer(self, who: str = "rita", **changes: Any) -> Record:
        terms: dict[str, Any] = {
            "capability": "work", "lease_ms": 1_000, "settle_ms": 0, "attempts": 3, "input": b"",
        }
        return self.say(who, Offer(**terms | changes))

    def claim(self, who: str, task: Record, *refs: Record | bytes, epoch: int = 0) -> Record:
        return self.say(who, Claim(task.id, epoch), *refs)

    def award(self, claim: Record, who: str = "rita") -> Record:
        return self.say(who, Award(claim.body[0], claim.id))

    def reopen(
        self, who: str, claim: Record, *refs: Record, epoch: int | None = None, **rest: Any
    ) -> Record:
        """A reopen of the claim's epoch, unless another is given."""
        at = claim.body[1] if epoch is None else epoch
        return self.say(who, Reopen(claim.body[0], at, claim.id, **rest), *refs)

    def open_next(self, task: Record, epoch: int, *excluded: str) -> Record:
        """The requester's reopen of an epoch, without a claim."""
        shut_out = tuple(sorted(identity(who).author for who in excluded))
        return self.say("rita", Reopen(task.id, epoch, excluded=shut_out))

    def result(
        self, who: str, claim: Record, outcome: Outcome = Outcome.DONE, output: bytes = b"ok"
    ) -> Record:
        return self.say(who, Result(claim.body[0], claim.id, outcome, output=output))

    def verdict(
        self, claim: Record, result: Record | bytes, accept: bool = True, who: str = "rita"
    ) -> Record:
        named = result if isinstance(result, bytes) else result.id
        return self.say(who, Verdict(claim.body[0], claim.id, named, accept, content_hash(b"ok")))

    def cancel(self, task: Record, reason: int = 0, who: str = "rita") -> Record:
        return self.say(who, Cancel(task.id, reason))

    def note(self, who: str, *refs: Record | bytes) -> Record:
        """A record of no task: an announcement, which may carry refs."""
        return self.say(who, Announce("work"), *refs)
