"""What an audit file of an author takes, and what can be read from one without any node.

Law: `collect` only chooses among records that are held, and `judge` counts only what the records
of the file say, by the same folds that every node runs. Nothing is scored here: who trusts whom is
each observer's own. What stands in no file was not thereby done or left undone.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.body import Claim, Offer, named_ids, parse_body
from antsp2p.coordination.capability import CapabilityFold
from antsp2p.coordination.evidence import evidence_of
from antsp2p.coordination.standing import Standing, Standings, recovery_digest
from antsp2p.coordination.tasks import TaskFold
from antsp2p.records.audit import MAX_AUDIT_BYTES, Audit, join_runs
from antsp2p.records.fork import MAX_BRANCH_RECORDS, encode_proof
from antsp2p.records.record import MAX_RECORD_BYTES, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from antsp2p.coordination.evidence import Deed
    from antsp2p.coordination.meaning import Meaning
    from antsp2p.records.fork import ForkProof
    from antsp2p.records.log import LogSet

RECORDS: Final = b""
"""Stands for a rater where the records prove a deed whoever reads them; it is no author."""
_STRETCH_BYTES: Final = MAX_BRANCH_RECORDS * MAX_RECORD_BYTES
"""A record and what leads up from it to a signed one."""
_HEAD_BYTES: Final = 100
"""The file without its records."""
_ITEM_BYTES: Final = 8
"""Around each record: its own head, and its share of a run's."""


@dataclass(frozen=True, slots=True)
class Collected:
    """An audit, and how many records were left out because the file would be too large."""

    audit: Audit
    left_out: int


class _Collection:
    """Records that are wanted, as long as there is room."""

    def __init__(self, logs: LogSet, upto: Callable[[bytes], int], room: int) -> None:
        self._logs = logs
        self._upto = upto
        self._room = room - _HEAD_BYTES
        self.records: dict[tuple[bytes, int], Record] = {}
        self.proofs: dict[bytes, ForkProof | None] = {}
        """Of every author that may be in the file; None where none is known."""
        self.left_out = 0

    def take(self, record: Record) -> None:
        """Take a record, and what leads up from it to a signed one."""
        author, seq = record.author, record.seq
        if (author, seq) in self.records or seq > self._upto(author):
            return
        is_in = self._admit(author)
        self._put(self._logs.servable(author, seq, seq, _STRETCH_BYTES) if is_in else (), 1)

    def take_log(self, author: bytes) -> None:
        """Take the author's log, from its head down while there is room."""
        if not self._admit(author):
            return
        last, size = self._upto(author), 0
        first = last + 1
        while first > 1 and (record := self._logs.at(author, first - 1)) is not None:
            size += len(record.wire) + _ITEM_BYTES
            if size > self._room:
                break
            first -= 1
        self._put(self._logs.servable(author, first, last, self._room + _STRETCH_BYTES), 0)
        self.left_out += first - 1

    def _put(self, run: Sequence[Record], wanted: int) -> None:
        fresh = [each for each in run if (each.author, each.seq) not in self.records]
        size = sum(len(each.wire) + _ITEM_BYTES for each in fresh)
        if not run or size > self._room:
            self.left_out += wanted
            return
        self._room -= size
        self.records.update(((each.author, each.seq), each) for each in fresh)

    def _admit(self, author: bytes) -> bool:
        """Take the proof of the author's fork, if there is one: without it its records would seem
        to say more than they do. False where there is no room for it."""
        if author in self.proofs:
            return True
        proof = self._logs.proof(author)
        size = 0 if proof is None else len(encode_proof(proof)) + _ITEM_BYTES
        if size > self._room:
            return False
        self._room -= size
        self.proofs[author] = proof
        return True

    def get(self, record_id: bytes) -> Record | None:
        """A record of the set by its id."""
        record = self._logs.get(record_id)
        if record is None or self._logs.at(record.author, record.seq) is None:
            return None
        return record

    def is_current(self) -> bool:
        """Whether no fork has come to light since the first record was taken."""
        return all(self._logs.proof(author) is proof for author, proof in self.proofs.items())


def collect(
    author: bytes, network: bytes, logs: LogSet, meaning: Meaning,
    upto: Callable[[bytes], int], *, room: int = MAX_AUDIT_BYTES,
) -> Generator[None, None, Collected | None]:
    """The author's log and what it is judged by, the newest first while there is room.

    With it come the logs of the keys that it succeeds, and of the recovery keys that revoked any of
    them. `upto` is the highest seq of an author that may be shown. It may be interrupted wherever
    it yields; the return value is None where what it had taken was overthrown meanwhile.
    """
    found = _Collection(logs, upto, room)
    line = meaning.standings.lineage(author)
    for key in line:
        if meaning.standing(key).revoked:
            digest = meaning.standings.recovery(key)
            for each in logs.authors():
                if recovery_digest(each) == digest:
                    found.take_log(each)
    for key in line:
        found.take_log(key)
    done: dict[bytes, None] = {}
    for key in line:
        for seq in range(upto(key), 0, -1):
            record = logs.at(key, seq)
            if record is None:
                continue
            for cited in _cited(record):
                if (other := found.get(cited)) is not None:
                    found.take(other)
            task = _task_of(record)
            if task is not None and task not in done:
                done[task] = None
                for other in _judging(task, meaning.tasks, logs, frozenset(line)):
                    found.take(other)
            yield
    if not found.is_current():
        return None
    proofs = tuple(proof for _, proof in sorted(found.proofs.items()) if proof is not None)
    audit = Audit(network, author, join_runs(found.records.values()), proofs)
    return Collected(audit, found.left_out)


def _cited(record: Record) -> tuple[bytes, ...]:
    body = parse_body(record)
    return record.refs if body is None else (*record.refs, *named_ids(body))


def _task_of(record: Record) -> bytes | None:
    body = parse_body(record)
    if isinstance(body, Offer):
        return record.id
    task: bytes | None = getattr(body, "task", None)
    return task


def _judging(
    task: bytes, tasks: TaskFold, logs: LogSet, line: frozenset[bytes]
) -> Iterator[Record]:
    """What is needed to see how the authors of `line` kept their word in one task."""
    offered, resolution = tasks.offer(task), tasks.resolve(task)
    if offered is None or resolution is None:
        return
    offer = offered[0]
    yield offer
    if resolution.alias_of is not None and (original := logs.get(resolution.alias_of)) is not None:
        yield original
    if resolution.end is not None:
        yield resolution.end
    results = tasks.results(task)
    # On its own tasks an author owes verdicts: whoever delivered is part of its history.
    served = {body.claim for _, body in results} if offer.author in line else set[bytes]()
    for claim, _ in tasks.claims(task):
        if claim.author in line or claim.id in served:
            yield claim
    for result, _ in results:
        if result.author in line or offer.author in line:
            yield result
    for group in (tasks.awards(task), tasks.verdicts(task), tasks.reopens(task)):
        for record, _ in group:
            yield record
    for seq in offered[1].after:
        before = logs.at(offer.author, seq)
        ended = None if before is None else tasks.resolve(before.id)
        if before is not None and ended is not None:
            yield before
            if ended.end is not None:
                yield ended.end


# --- reading one --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a file proves of one key: `stretches` are the seqs (first, last) that it has."""

    author: bytes
    stretches: tuple[tuple[int, int], ...]
    fork_seq: int
    standing: Standing

    @property
    def is_gapless(self) -> bool:
        """Whether nothing is missing from the first record to the last one in the file."""
        return len(self.stretches) == 1 and self.stretches[0][0] == 1


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the records of a file say. Whose word weighs how much is for each reader."""

    line: tuple[LogFacts, ...]
    """The author, then the keys that it succeeds."""
    deeds: tuple[Deed, ...]
    """What the records say of the line, by (task, record, rater); `RECORDS` rates what they prove
    alone."""
    unjudged: int
    """Claims of the author on which the file has nobody's word."""
    offers: int
    """Tasks that the author offered."""
    unanswered: int
    """Results delivered to it on which it has said nothing."""
    contested: int
    """Tasks of the author's claims whose offers are not in the file."""

    def counts(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Capability -> kind -> (how many claims, their weight)."""
        numbers, weights = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for deed in self.deeds:
            place = (deed.capability, str(deed.kind))
            numbers[place] += 1
            weights[place] += deed.weight
        counted: dict[str, dict[str, tuple[int, int]]] = {}
        for capability, kind in sorted(numbers):
            place = (capability, kind)
            counted.setdefault(capability, {})[kind] = (numbers[place], weights[place])
        return counted


def judge(audit: Audit) -> Judgement:
    """What a checked audit says of its author."""
    records = _standing_records(audit)
    ids = {(record.author, record.seq): record.id for record in records}
    standings = Standings(audit.network, lambda author, seq: ids.get((author, seq)))
    for record in records:
        standings.add(record)
    for proof in audit.proofs:
        standings.forked(proof.author, proof.seq)
    tasks, capabilities = TaskFold(), CapabilityFold()
    for record in records:
        if record.seq <= standings.of(record.author).last_seq:
            tasks.add(record)
            capabilities.add(record)
    authors = sorted({record.author for record in records} | {p.author for p in audit.proofs})
    for author in authors:
        if standings.of(author).is_out:
            tasks.convict(author)
    line = standings.lineage(audit.author)
    deeds, unanswered = _said_of(line, tasks, capabilities)
    judged = {deed.task for deed in deeds}
    claims = [
        (record, body.task) for record in records
        if record.author in line and isinstance(body := parse_body(record), Claim)
    ]
    own = [
        task for task in tasks.task_ids()
        if (offered := tasks.offer(task)) is not None and offered[0].author in line
    ]
    return Judgement(
        line=tuple(
            LogFacts(
                key, tuple((run[0].seq, _last_seq(audit, run)) for run in audit.of(key)),
                audit.fork_seq(key), standings.of(key),
            )
            for key in line
        ),
        deeds=deeds,
        unjudged=sum(task not in judged for _, task in claims if tasks.offer(task) is not None),
        offers=len(own),
        unanswered=unanswered,
        contested=sum(tasks.offer(task) is None for _, task in claims),
    )


def _standing_records(audit: Audit) -> list[Record]:
    """The records below proven forks."""
    forks = {proof.author: proof.seq for proof in audit.proofs}
    return [
        record for record in audit.records()
        if not forks.get(record.author, 0) or record.seq < forks[record.author]
    ]


def _last_seq(audit: Audit, run: Sequence[Record]) -> int:
    fork = audit.fork_seq(run[0].author)
    return min(run[-1].seq, fork - 1) if fork else run[-1].seq


def _said_of(
    line: Sequence[bytes], tasks: TaskFold, capabilities: CapabilityFold
) -> tuple[tuple[Deed, ...], int]:
    """What every node would read in these records about the line, and the verdicts that it owes."""
    deeds: list[Deed] = []
    owed = 0
    for task in tasks.task_ids():
        found = evidence_of(RECORDS, task, tasks, lambda *_: 0, capabilities.configuration)
        deeds += [deed for deed in found.deeds if deed.subject in line]
        owed += sum(each.deed.subject in line for each in found.unanswered)
    return tuple(sorted(deeds, key=lambda deed: (deed.task, deed.record_id, deed.rater))), owed
