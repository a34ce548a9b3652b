"""What an observer thinks of others, from what it saw itself, and why.

Law: the evidence is bound to tasks that both sides opted into, the arithmetic is integer, and
nothing here is ever sent to anyone. The same records give the same scores in any order, and the
records seen twice give no more than seen once. What is absent on purpose: the clock (evidence does
not fade by itself) and every word of a third party about a fourth; that is a rule of its own, which
adds to `r` and `s` below what others vouch, weighted by what they did for the observer.

    score = r / (r + 2 s + W), in parts per million, rounded down

r: the cost of what the subject did well in the capability; s: the cost of what it failed in any
capability. A claim counts once, as the first of these that applies: accepted by the observer (where
it was awarded or the accept names what it delivered), rejected by the observer (where it was
awarded or has a result), a failed result for the observer, a lapse or an overrun that the observer
signed, a release after the observer's award. What counts for or against a key that was revoked
counts for or against its successor (`Standings.lineage`).
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from antsp2p.coordination.body import Outcome, ReopenReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.coordination.tasks import TaskFold
    from antsp2p.records.record import Record

STRANGER_WEIGHT: Final = 2
"""W: one accepted task of cost 1 gives a third, two give a half; a stranger gives 0."""
FAILURE_FACTOR: Final = 2
"""A failure weighs twice a success, so that one who fails every third time sinks below a half."""
PPM: Final = 1_000_000

_Key = TypeVar("_Key", bytes, tuple[bytes, str | None])


class Kind(StrEnum):
    """What became of a claim, in the observer's eyes."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    LAPSED = "lapsed"
    OVERDUE = "overdue"
    RELEASED = "released"


_BROKEN: Final[dict[int, Kind]] = {
    ReopenReason.LAPSED: Kind.LAPSED,
    ReopenReason.OVERDUE: Kind.OVERDUE,
}
"""What the observer's own reopen says of the claim that it names."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One record that a score rests on; `weight` is the offer's cost."""

    record_id: bytes
    task: bytes
    capability: str
    kind: Kind
    weight: int
    counts_for: bool


@dataclass(frozen=True, slots=True)
class Score:
    """`accepted` and `failed` are sums of weights; not `known` means a stranger, not a bad one."""

    value_ppm: int
    accepted: int
    failed: int
    known: bool


class Ledger:
    """The evidence of one observer, by subject. `update` is idempotent, in any order of tasks."""

    def __init__(
        self, me: bytes, lineage: Callable[[bytes], Sequence[bytes]] = lambda author: (author,)
    ) -> None:
        self._me = me
        self._lineage = lineage
        self._by_task: dict[bytes, dict[bytes, tuple[bytes, Evidence]]] = {}
        self._by_author: dict[bytes, dict[bytes, Evidence]] = {}
        self._accepted: dict[tuple[bytes, str | None], int] = {}
        self._failed: dict[bytes, int] = {}
        self._convicted: set[bytes] = set()

    def update(self, task: bytes, fold: TaskFold) -> None:
        """Make the evidence from `task` what the fold now says; forget it if the task is gone."""
        found = _evidence(self._me, task, fold)
        before = self._by_task.get(task, {})
        if found == before:
            return
        for claim, (author, evidence) in before.items():
            del self._by_author[author][claim]
            self._weigh(author, evidence, -1)
            if not self._by_author[author]:
                del self._by_author[author]
        for claim, (author, evidence) in found.items():
            self._by_author.setdefault(author, {})[claim] = evidence
            self._weigh(author, evidence, +1)
        if found:
            self._by_task[task] = found
        else:
            self._by_task.pop(task, None)

    def _weigh(self, author: bytes, evidence: Evidence, sign: int) -> None:
        weight = sign * evidence.weight
        if evidence.counts_for:
            _adjust(self._accepted, (author, evidence.capability), weight)
            _adjust(self._accepted, (author, None), weight)
        else:
            _adjust(self._failed, author, weight)

    def convict(self, author: bytes) -> None:
        """The author forked its log: its score is zero."""
        self._convicted.add(author)

    def pardon(self, author: bytes) -> None:
        """Undo `convict`: who forked the log was not its owner."""
        self._convicted.discard(author)

    def score(self, author: bytes, capability: str | None = None) -> Score:
        """The author's score in a capability, or over all of them."""
        line = self._lineage(author)
        accepted = sum(self._accepted.get((key, capability), 0) for key in line)
        failed = sum(self._failed.get(key, 0) for key in line)
        if author in self._convicted:
            return Score(0, accepted, failed, known=True)
        value_ppm = accepted * PPM // (accepted + FAILURE_FACTOR * failed + STRANGER_WEIGHT)
        return Score(value_ppm, accepted, failed, known=accepted + failed > 0)

    def why(self, author: bytes) -> tuple[Evidence, ...]:
        """What the author's scores rest on, by (task, record)."""
        line = self._lineage(author)
        evidence = [item for key in line for item in self._by_author.get(key, {}).values()]
        return tuple(sorted(evidence, key=lambda item: (item.task, item.record_id)))

    def authors(self) -> tuple[bytes, ...]:
        """Everybody there is evidence about, sorted."""
        return tuple(sorted(self._by_author))


def _adjust(sums: dict[_Key, int], key: _Key, change: int) -> None:
    total = sums.get(key, 0) + change
    if total:
        sums[key] = total
    else:
        sums.pop(key, None)


def _evidence(me: bytes, task: bytes, fold: TaskFold) -> dict[bytes, tuple[bytes, Evidence]]:
    """Claim -> (its author, the evidence), for each claim of others that `me` has seen end."""
    offered = fold.offer(task)
    if offered is None:
        return {}
    record, offer = offered
    reopens = fold.reopens(task)
    if not reopens and record.author != me:
        return {}
    outcomes: dict[bytes, tuple[Kind, Record]] = {}
    if record.author == me:
        _judge(task, fold, outcomes)
    for reopening, reopen in reopens:
        kind = _BROKEN.get(reopen.reason) if reopening.author == me else None
        if kind is not None and reopen.claim is not None:
            outcomes.setdefault(reopen.claim, (kind, reopening))
    if record.author == me:
        _note_releases(task, fold, outcomes)
    return {
        claim.id: (claim.author, Evidence(
            outcomes[claim.id][1].id, task, offer.capability, outcomes[claim.id][0],
            offer.cost, outcomes[claim.id][0] is Kind.ACCEPTED,
        ))
        for claim, _ in (fold.claims(task) if outcomes else ())
        if claim.id in outcomes and claim.author != me
    }


def _judge(task: bytes, fold: TaskFold, outcomes: dict[bytes, tuple[Kind, Record]]) -> None:
    """Verdicts and failed results of an own task; the accept that ended it comes first."""
    resolution = fold.resolve(task)
    end = None if resolution is None or resolution.end is None else resolution.end.id
    results = fold.results(task)
    awarded = {award.claim for _, award in fold.awards(task)}
    delivered = {record.id for record, result in results if result.outcome == Outcome.DONE}
    answered = {result.claim for _, result in results}
    for record, verdict in fold.verdicts(task):
        # A failure must not be what makes praise count: an accept needs the award or the delivery.
        judgeable = verdict.claim in awarded or verdict.result in delivered
        if verdict.accept and record.id == end and judgeable:
            outcomes[verdict.claim] = (Kind.ACCEPTED, record)
    for record, verdict in fold.verdicts(task):
        if not verdict.accept and (verdict.claim in awarded or verdict.claim in answered):
            outcomes.setdefault(verdict.claim, (Kind.REJECTED, record))
    seen: set[bytes] = set()
    for record, result in results:
        if result.claim not in seen and result.outcome == Outcome.FAILED:
            outcomes.setdefault(result.claim, (Kind.FAILED, record))
        seen.add(result.claim)


def _note_releases(
    task: bytes, fold: TaskFold, outcomes: dict[bytes, tuple[Kind, Record]]
) -> None:
    """Awarded claims that their authors gave back; who withdraws from a race owes nothing."""
    awarded = {award.claim for _, award in fold.awards(task)}
    authors = {claim.id: (claim.author, body.epoch) for claim, body in fold.claims(task)}
    for record, reopen in fold.reopens(task):
        if (
            reopen.claim is not None and reopen.claim in awarded
            and authors.get(reopen.claim) == (record.author, reopen.epoch)
        ):
            outcomes.setdefault(reopen.claim, (Kind.RELEASED, record))
