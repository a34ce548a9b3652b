"""The resolver once more: straight from the specification's text, with no index and no cleverness.

It shares with the code under test how a body is read, and nothing else.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from antsp2p.coordination.body import (
    Award,
    Body,
    Cancel,
    Claim,
    Offer,
    Reopen,
    Result,
    Verdict,
    named_ids,
    parse_body,
)
from antsp2p.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Entry = tuple[Record, Any]


@dataclass(frozen=True)
class Answer:
    """What the specification says of one task."""

    state: str
    epoch: int
    holder: bytes | None
    rule: str
    settled: bool
    end: bytes | None


class Reference:
    """The specification over one record set."""

    def __init__(self, records: Iterable[Record], convicted: Collection[bytes]) -> None:
        self.records = {record.id: record for record in records}
        self.bodies: dict[bytes, Body | None] = {
            record.id: parse_body(record) for record in self.records.values()
        }
        self.convicted = convicted
        self._clocks: dict[tuple[bytes, bytes], dict[bytes, int]] = {}

    # --- causality ---

    def task_of(self, record: Record) -> bytes | None:
        body = self.bodies[record.id]
        return record.id if isinstance(body, Offer) else getattr(body, "task", None)

    def named(self, record: Record) -> list[bytes]:
        body = self.bodies[record.id]
        return [*record.refs, *(named_ids(body) if body is not None else ())]

    def at_or_below(self, record: Record) -> list[Record]:
        return [other for other in self.records.values()
                if other.author == record.author and other.seq <= record.seq]

    def clock(self, task: bytes, record: Record) -> dict[bytes, int]:
        if (task, record.id) not in self._clocks:
            clock: dict[bytes, int] = {}
            for own in self.at_or_below(record):
                for name in self.named(own):
                    named = self.records.get(name)
                    if named is not None and self.task_of(named) == task:
                        for author, seq in [*self.clock(task, named).items(),
                                            (named.author, named.seq)]:
                            clock[author] = max(seq, clock.get(author, 0))
            self._clocks[task, record.id] = clock
        return self._clocks[task, record.id]

    def precedes(self, task: bytes, a: Record, c: Record) -> bool:
        if a.author == c.author:
            return a.seq < c.seq
        return self.clock(task, c).get(a.author, 0) >= a.seq

    # --- the records of a task ---

    def of(self, task: bytes, kind: type[Any]) -> list[Entry]:
        found = [(record, self.bodies[record.id]) for record in self.records.values()
                 if isinstance(self.bodies[record.id], kind) and self.task_of(record) == task]
        return sorted(found, key=lambda entry: entry[0].seq)

    def requesters(self, task: bytes, *kinds: type[Any]) -> list[Entry]:
        author = self.records[task].author
        found = [entry for kind in kinds for entry in self.of(task, kind)
                 if entry[0].author == author]
        return sorted(found, key=lambda entry: entry[0].seq)

    def end(self, task: bytes) -> Entry | None:
        for record, body in self.requesters(task, Verdict, Cancel):
            if isinstance(body, Cancel) or body.accept:
                return record, body
        return None

    def offers(self) -> list[bytes]:
        return [record.id for record in self.records.values()
                if isinstance(self.bodies[record.id], Offer)]

    def original(self, task: bytes) -> bytes:
        record, offer = self.records[task], self.bodies[task]
        assert isinstance(offer, Offer)
        same = [self.records[other] for other in self.offers()
                if offer.idempotency_key and self.records[other].author == record.author
                and getattr(self.bodies[other], "idempotency_key", b"") == offer.idempotency_key]
        return min([record, *same], key=lambda each: each.seq).id

    def is_void(self, task: bytes, claim: Record) -> bool:
        requester = self.records[task].author
        offer = self.bodies[task]
        assert isinstance(offer, Offer)
        if claim.author == requester:
            h = claim.seq
        else:
            h = self.clock(task, claim).get(requester, 0)
            for own in self.at_or_below(claim):
                for name in self.named(own):
                    named = self.records.get(name)
                    if named is not None and named.author == requester:
                        h = max(h, named.seq)
        for seq in offer.after:
            waited = [other for other in self.offers()
                      if self.records[other].author == requester
                      and self.records[other].seq == seq]
            end = self.end(self.original(waited[0])) if waited else None
            if end is None or not isinstance(end[1], Verdict) or end[0].seq > h:
                return True
        return False

    def claims(self, task: bytes) -> list[Entry]:
        return [entry for entry in self.of(task, Claim) if not self.is_void(task, entry[0])]

    def claim(self, task: bytes, claim_id: bytes | None) -> Entry | None:
        return next((e for e in self.claims(task) if e[0].id == claim_id), None)

    # --- the rules ---

    def is_valid_reopen(self, task: bytes, record: Record, reopen: Reopen) -> bool:
        if record.author == self.records[task].author:
            return True
        named = self.claim(task, reopen.claim)
        if named is None or named[1].epoch != reopen.epoch:
            return False
        first = next(each for each, _ in self.of(task, Reopen) if each.author == record.author)
        return first.id == record.id and self.precedes(task, named[0], record)

    def valid_reopens(self, task: bytes, epoch: int) -> list[Record]:
        return [record for record, reopen in self.of(task, Reopen)
                if reopen.epoch == epoch and self.is_valid_reopen(task, record, reopen)]

    def epoch(self, task: bytes) -> int:
        epoch = 0
        while self.valid_reopens(task, epoch):
            epoch += 1
        return epoch

    def is_released(self, task: bytes, claim: Record, epoch: int) -> bool:
        return any(
            record.author == claim.author and reopen.claim == claim.id and reopen.epoch == epoch
            for record, reopen in self.of(task, Reopen)
        )

    def by_award(self, task: bytes) -> tuple[bytes | None, str] | None:
        last = self.requesters(task, Award, Reopen)[-1:]
        if not last or isinstance(last[0][1], Reopen):
            return None
        award, body = last[0]
        if body.claim not in self.records:
            return None, "award"
        named = self.claim(task, body.claim)
        if named is None:
            return None
        claim, epoch = named[0], named[1].epoch
        if claim.author in self.convicted or self.is_released(task, claim, epoch):
            return None
        for record, reopen in self.of(task, Reopen):
            if (
                record.author not in (claim.author, award.author) and reopen.claim == claim.id
                and self.is_valid_reopen(task, record, reopen)
                and self.precedes(task, award, record)
            ):
                return None
        return claim.id, "award"

    def candidates(self, task: bytes) -> list[Record]:
        epoch = self.epoch(task)
        excluded = {author for _, reopen in self.requesters(task, Reopen)
                    if reopen.epoch < epoch for author in reopen.excluded}
        found: list[Record] = []
        for record, claim in self.claims(task):
            if claim.epoch != epoch or record.author in {*excluded, *self.convicted}:
                continue
            if epoch and not any(
                self.precedes(task, reopen, record)
                for reopen in self.valid_reopens(task, epoch - 1)
            ):
                continue
            if all(record.author != other.author for other in found):
                found.append(record)
        return [record for record in found if not self.is_released(task, record, epoch)]

    def by_claims(self, task: bytes) -> tuple[bytes | None, str]:
        candidates = self.candidates(task)
        first = [c for c in candidates
                 if not any(self.precedes(task, a, c) for a in candidates if a.id != c.id)]
        if len(candidates) < 2:
            return (candidates[0].id, "only-claim") if candidates else (None, "no-claim")
        if len(first) == 1:
            return first[0].id, "before"
        place = task + self.epoch(task).to_bytes(8, "big")
        return min(first, key=lambda c: hashlib.sha256(
            b"antsp2p/1/tie\0" + place + c.author).digest()).id, "tie-break"

    def answer(self, task: bytes) -> Answer:
        epoch = self.epoch(task)
        end = self.end(task)
        if end is not None:
            record, body = end
            if isinstance(body, Verdict):
                named = self.claim(task, body.claim)
                holder = None if named is None else named[0].id
                return Answer("accepted", epoch, holder, "end", True, record.id)
            state = "dead-lettered" if body.reason == 1 else "cancelled"
            return Answer(state, epoch, None, "end", True, record.id)
        if self.records[task].author in self.convicted:
            return Answer("orphaned", epoch, None, "orphaned", True, None)
        holder, rule = self.by_award(task) or self.by_claims(task)
        if holder is None:
            return Answer("open", epoch, None, rule, False, None)
        state = self.progress(task, self.records[holder], rule)
        return Answer(state, epoch, holder, rule, rule == "award", None)

    def progress(self, task: bytes, claim: Record, rule: str) -> str:
        results = [result for record, result in self.of(task, Result)
                   if result.claim == claim.id and record.author == claim.author]
        if not results:
            return "working" if rule == "award" else "claimed"
        state = "failed" if results[0].outcome == 1 else "done"
        for _, body in self.requesters(task, Award, Verdict):
            if isinstance(body, Verdict) and body.claim == claim.id and not body.accept:
                return_state = "rejected"
            elif isinstance(body, Award) and body.claim == claim.id:
                return_state = "failed" if results[0].outcome == 1 else "done"
            else:
                continue
            state = return_state
        return state
