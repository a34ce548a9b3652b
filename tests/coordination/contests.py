"""Random contests: valid record sets about a few tasks, made without signatures for speed.

Every set is what a network could hold: each author's log is gapless, every named id is older than
the record that names it, and everybody acts on partial knowledge, some of them badly.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from antsp2p.coordination.body import (
    Announce,
    Award,
    Body,
    Cancel,
    Claim,
    Offer,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
    body_map,
    content_hash,
    parse_body,
)
from antsp2p.coordination.tasks import Resolution, TaskFold
from antsp2p.records.encoding import encode
from antsp2p.records.record import NO_PREV, VERSION, Record, parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NETWORK = bytes(16)


def key_of(name: str) -> bytes:
    """A stand-in for a public key: a small number is a canonical encoding."""
    return hashlib.sha256(name.encode()).digest()[:31] + bytes(1)


@dataclass
class Log:
    """One author's log, and what the author has seen of the others."""

    author: bytes
    records: list[Record] = field(default_factory=list)
    seen: dict[bytes, Record] = field(default_factory=dict)

    def say(self, body: Body, refs: Iterable[bytes] = ()) -> Record:
        """The next record with `body`."""
        return self.write(int(body.type), body_map(body), refs)

    def write(self, type_: int, body: Mapping[int, Any], refs: Iterable[bytes] = ()) -> Record:
        """The next record, whatever its body means."""
        seq = len(self.records) + 1
        prev = self.records[-1].id if self.records else NO_PREV
        own = {record.id for record in self.records}
        kept = tuple(sorted({ref for ref in refs if ref not in own}))[:8]
        payload = encode({
            0: VERSION, 1: NETWORK, 2: self.author, 3: seq, 4: prev, 5: list(kept), 6: int(type_),
            7: dict(body), 8: 0,
        })
        record = parse_record(encode([payload, bytes(64)]))
        self.records.append(record)
        self.seen[record.id] = record
        return record

    def learn(self, other: Log, upto: int | None = None) -> None:
        """See the other's log up to a seq (default: all of it)."""
        for record in other.records[:upto]:
            self.seen[record.id] = record


def an_offer(**changes: Any) -> Offer:
    """An offer with plain terms."""
    terms: dict[str, Any] = {
        "capability": "text.count", "lease_ms": 1_000, "settle_ms": 0, "attempts": 3,
        "input": b"",
    }
    return Offer(**{**terms, **changes})


@dataclass(frozen=True)
class RecordSet:
    """`records` in causal order; of a convicted author those at or above its seq do not count."""

    records: tuple[Record, ...]
    convicted: Mapping[bytes, int]

    def valid(self) -> tuple[Record, ...]:
        """The set proper."""
        return tuple(record for record in self.records if self.holds(record))

    def holds(self, record: Record) -> bool:
        """Whether the record is below its author's conviction, if there is one."""
        convicted_seq = self.convicted.get(record.author)
        return convicted_seq is None or record.seq < convicted_seq


class Bazaar:
    """A requester, some workers and what they say; `step` lets one of them act at random.

    Each bazaar has its own habits, so that some are all claims and some all quarrels.
    """

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.requester = Log(key_of(f"requester {rng.random()}"))
        self.workers = [Log(key_of(f"worker {rng.random()}")) for _ in range(rng.randint(2, 5))]
        self.logs = [self.requester, *self.workers]
        self.said: list[Record] = []
        self.tasks: list[bytes] = []
        self.learning = rng.choice((0.2, 0.4, 0.6))
        self.candour = rng.choice((1.0, 0.9, 0.5, 0.0))
        self.working = [self.claim] * rng.randint(2, 8) + [self.reopen] * rng.choice((0, 0, 1, 2))
        self.working += [self.result] * rng.randint(0, 3) + [self.noise] * rng.randint(0, 1)
        self.requesting = [self.award] * rng.randint(0, 3) + [self.reopen] * rng.randint(0, 2)
        self.requesting += [self.judge] * rng.randint(0, 3) + [self.claim] * rng.randint(1, 4)
        if rng.random() < 0.15:
            self.requesting.append(self.cancel)
        for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
            self.offer()

    def offer(self) -> None:
        rng = self.rng
        after: tuple[int, ...] = ()
        if self.tasks and rng.random() < 0.6:
            known = [record.seq for record in self.requester.records if record.id in self.tasks]
            seqs = rng.sample(known, 1) if rng.random() < 0.8 else known[-2:]
            if rng.random() < 0.1:
                seqs.append(rng.randint(1, len(self.requester.records) + 2))
            after = tuple(sorted(set(seqs)))
        key = rng.choice((b"", b"", b"", b"a", b"b"))
        self._said(self.requester.say(an_offer(
            idempotency_key=key, after=after, settle_ms=len(self.said), cost=rng.randint(1, 5)
        )))
        self.tasks.append(self.said[-1].id)
        if after and rng.random() < 0.5:
            before = self.requester.records[after[0] - 1].id if after[0] <= len(
                self.requester.records) else self.tasks[0]
            self._accept_anything(self.requester, before)

    def _accept_anything(self, log: Log, task: bytes) -> None:
        nothing = hashlib.sha256(b"%f" % self.rng.random()).digest()
        self._said(log.say(Verdict(task, nothing, nothing, True, nothing)))

    def _said(self, record: Record) -> None:
        self.said.append(record)

    def step(self) -> None:
        """Somebody learns something, or says something."""
        rng = self.rng
        log = rng.choice((self.requester, *self.logs))
        if rng.random() < self.learning:
            other = rng.choice(self.logs)
            log.learn(other, rng.randint(0, len(other.records)))
            if rng.random() < 0.5:
                for each in self.logs:
                    log.learn(each)
            return
        acts = self.working
        if log is self.requester or rng.random() < 0.05:
            acts = self.requesting
            if rng.random() < 0.015:
                self._accept_anything(log, rng.choice(self.tasks))
                return
        if log is self.requester and rng.random() < 0.03:
            self.offer()
            return
        rng.choice(acts)(log, rng.choice(self.tasks))

    def _bodies(self, log: Log, task: bytes, kind: type[Any]) -> list[tuple[Record, Any]]:
        bodies = ((record, parse_body(record)) for record in log.seen.values())
        return [(record, body) for record, body in bodies
                if isinstance(body, kind) and body.task == task]

    def _refs(self, log: Log, task: bytes) -> list[bytes]:
        """All, some or none of what the author saw of the task; sometimes anything at all."""
        rng = self.rng
        seen = [record.id for record in log.seen.values()
                if record.body.get(0) == task and record.author != log.author]
        refs = [ref for ref in seen[-8:] if rng.random() < self.candour]
        if rng.random() < 0.15:
            refs.append(rng.choice(list(log.seen)) if log.seen else b"?" * 32)
        if rng.random() < 0.05:
            refs.append(hashlib.sha256(b"%f" % rng.random()).digest())
        return refs

    def claim(self, log: Log, task: bytes) -> None:
        rng = self.rng
        open_ = {reopen.epoch + 1 for _, reopen in self._bodies(log, task, Reopen)}
        epoch = max((e for e in open_ if e <= 4), default=0)
        if rng.random() < 0.15:
            epoch = rng.randint(0, 3)
        if rng.random() < 0.05:
            self._said(log.write(Claim.type, {0: task, 1: epoch, 9: b"?"}, self._refs(log, task)))
        else:
            self._said(log.say(Claim(task, epoch), self._refs(log, task)))

    def reopen(self, log: Log, task: bytes) -> None:
        rng = self.rng
        claims = self._bodies(log, task, Claim)
        if not claims or rng.random() < 0.05:
            named, epoch = None, rng.randint(0, 2)
        else:
            record, claim = rng.choice(claims)
            named = record.id
            epoch = claim.epoch if rng.random() < 0.9 else rng.randint(0, 2)
        excluded: tuple[bytes, ...] = ()
        if log is self.requester and rng.random() < 0.3:
            excluded = (rng.choice(self.logs).author,)
        reason = rng.randint(0, 5)
        self._said(log.say(
            Reopen(task, epoch, named, reason, excluded), self._refs(log, task)
        ))

    def award(self, log: Log, task: bytes) -> None:
        rng = self.rng
        claims = self._bodies(log, task, Claim)
        chance = rng.random()
        if chance < 0.08 or not claims:
            claim = rng.choice(self.said).id
        elif chance < 0.12:
            claim = hashlib.sha256(b"%f" % rng.random()).digest()
        else:
            claim = rng.choice(claims)[0].id
        self._said(log.say(Award(task, claim), self._refs(log, task)))

    def result(self, log: Log, task: bytes) -> None:
        rng = self.rng
        claims = self._bodies(log, task, Claim)
        if claims:
            own = [record for record, _ in claims if record.author == log.author]
            record = rng.choice(own or [record for record, _ in claims])
            body = Result(task, record.id, rng.choice((0, 0, 1)), b"%d" % rng.randint(0, 9))
            self._said(log.say(body, self._refs(log, task)))

    def judge(self, log: Log, task: bytes) -> None:
        rng = self.rng
        results = self._bodies(log, task, Result)
        if results and rng.random() < 0.9:
            record, result = rng.choice(results)
            body = Verdict(task, result.claim, record.id, rng.random() < 0.3,
                           content_hash(result.output))
            self._said(log.say(body, self._refs(log, task)))

    def cancel(self, log: Log, task: bytes) -> None:
        self._said(log.say(Cancel(task, self.rng.randint(0, 2)), self._refs(log, task)))

    def noise(self, log: Log, task: bytes) -> None:
        refs = self._refs(log, task)
        if self.rng.random() < 0.5:
            self._said(log.say(Announce("text.count"), refs))
        else:
            self._said(log.write(77, {}, refs))


def random_set(seed: int) -> RecordSet:
    """The record set of a seed: some logs cut short, some authors convicted."""
    rng = Random(seed)
    bazaar = Bazaar(rng)
    for _ in range(rng.randint(10, 80)):
        bazaar.step()
    keep = {log.author: len(log.records) for log in bazaar.logs}
    if rng.random() < 0.3:
        log = rng.choice(bazaar.logs)
        keep[log.author] = rng.randint(1, max(1, len(log.records)))
    convicted: dict[bytes, int] = {}
    while rng.random() < 0.15:
        log = rng.choice(bazaar.logs)
        convicted[log.author] = rng.randint(1, len(log.records) + 1)
    records = tuple(record for record in bazaar.said if record.seq <= keep[record.author])
    return RecordSet(records, convicted)


def merged(records: Iterable[Record], rng: Random) -> list[Record]:
    """A random order in which each author's records stay in sequence, as logs deliver them."""
    order = list(records)
    rng.shuffle(order)
    logs: dict[bytes, list[Record]] = {}
    for record in sorted(order, key=lambda record: record.seq, reverse=True):
        logs.setdefault(record.author, []).append(record)
    return [logs[record.author].pop() for record in order]


def fold_of(records: Iterable[Record], convicted: Iterable[bytes] = ()) -> TaskFold:
    """The fold after these records, in this order."""
    fold = TaskFold()
    for record in records:
        fold.add(record)
    for author in convicted:
        fold.convict(author)
    return fold


def resolved(fold: TaskFold, task: bytes) -> Resolution:
    """The resolution of a task whose offer is there."""
    resolution = fold.resolve(task)
    assert resolution is not None
    return resolution


class Race:
    """One offer, and claimants who see what they are made to see."""

    def __init__(self, **terms: Any) -> None:
        self.requester = Log(key_of("requester"))
        self.offer = self.requester.say(an_offer(**terms))
        self.records = [self.offer]
        self.logs: dict[str, Log] = {}

    def log(self, name: str) -> Log:
        return self.logs.setdefault(name, Log(key_of(name)))

    def claim(self, name: str, *refs: Record, epoch: int = 0) -> Record:
        return self.says(name, Claim(self.offer.id, epoch), *refs)

    def says(self, name: str, body: Body, *refs: Record) -> Record:
        log = self.requester if name == "requester" else self.log(name)
        record = log.say(body, [ref.id for ref in refs])
        self.records.append(record)
        return record

    def award(self, claim: Record) -> Record:
        return self.says("requester", Award(self.offer.id, claim.id))

    def lapse(self, name: str, claim: Record, *refs: Record, epoch: int = 0) -> Record:
        return self.says(name, Reopen(self.offer.id, epoch, claim.id, ReopenReason.LAPSED), *refs)

    def resolve(self) -> Resolution:
        return resolved(fold_of(self.records), self.offer.id)
