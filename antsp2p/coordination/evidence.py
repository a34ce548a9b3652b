"""What became of the claims of one task, as the records say it: the evidence under every score.

Law: a pure function of the record set, the same for every observer but for two things that are the
observer's own and come in as arguments: who it is, and when it first saw a record. Nothing floats
free: each deed is bound to a task both sides opted into, and names the record that says it. What
must never be in here: arithmetic on deeds, and a clock.

Of each claim the requester's word counts once, as the first of these that applies; the claim must
have been awarded, or for the first two have a result:

    accepted   its accept ended the task            rejected   it rejected the claim
    failed     the first result says so             lapsed     it reopened for want of life
    overdue    it reopened for want of time         released   the author gave the claim back

Besides, an awarded claim is *lapsed* in the name of another who took its lease, unless the
requester accepted the claim, or awarded it back: then the taker has *stolen* it. *Exposed* and
*contradicted* follow from records alone, whoever signed them; they are the observer's own
knowledge:

    exposed       the requester called the awarded claim lapsed or overdue, and the author's log
                  names a record of the requester at or above that reopen, with no result, release
                  or dispute of the claim up to there
    contradicted  the requester accepted content for the task for which it had rejected the same
"""
from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from antsp2p.coordination.body import Outcome, Reopen, ReopenReason, Result, Verdict
from antsp2p.coordination.first_seen import BUCKET_TICKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from antsp2p.coordination.body import Cancel, Offer
    from antsp2p.coordination.contest import Contest
    from antsp2p.coordination.tasks import TaskFold
    from antsp2p.records.record import Record

    _End = tuple[Record, Verdict | Cancel]

CONDUCT: Final = ""
"""Stands for a capability, and is no name of one, where a requester's own conduct is weighed."""

SeenTick = Callable[[bytes, int], int]
"""(author, seq) -> when the observer first saw that record, in ticks of its own time."""
Configuration = Callable[[bytes, str, int], bytes]
"""(author, capability, seq) -> the digest that the author had announced below that record."""


class Kind(StrEnum):
    """What became of a claim."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    LAPSED = "lapsed"
    OVERDUE = "overdue"
    RELEASED = "released"
    STOLEN = "stolen"
    EXPOSED = "exposed"
    CONTRADICTED = "contradicted"
    UNANSWERED = "unanswered"
    """A result on which the requester has given no verdict; it enters no score."""


class Proof(StrEnum):
    """How much stands behind a deed."""

    EXPOSED = "exposed"
    """The records alone prove it."""
    SUSPECTED = "suspected"
    """Somebody observed that nothing came."""
    TESTIMONY = "testimony"
    """Somebody's word."""


_PROOFS: Final = {
    Kind.EXPOSED: Proof.EXPOSED, Kind.CONTRADICTED: Proof.EXPOSED,
    Kind.LAPSED: Proof.SUSPECTED, Kind.OVERDUE: Proof.SUSPECTED, Kind.UNANSWERED: Proof.SUSPECTED,
}
_EXPIRED: Final[Mapping[int, Kind]] = {
    ReopenReason.LAPSED: Kind.LAPSED,
    ReopenReason.OVERDUE: Kind.OVERDUE,
}


class Deed(NamedTuple):
    """What `rater` says, by `record_id`, that `subject` did by `claim`; one each (rater, claim)."""

    record_id: bytes
    task: bytes
    claim: bytes
    """The claim; for *stolen* the lapse, for *contradicted* the accept."""
    rater: bytes
    subject: bytes
    capability: str
    kind: Kind
    weight: int
    """The offer's cost, 1 to 1,000."""
    bucket: int
    """When the observer first saw the record, in buckets of its own time."""
    configuration: bytes
    """What the subject said it runs when it claimed; empty where it said nothing."""
    dispute: bytes = b""
    """The record by which the subject contests this; it weighs the same."""

    @property
    def good(self) -> bool:
        """Whether it speaks for the subject."""
        return self.kind is Kind.ACCEPTED

    @property
    def proof(self) -> Proof:
        """How much stands behind it."""
        return _PROOFS.get(self.kind, Proof.TESTIMONY)


class Unanswered(NamedTuple):
    """A result whose requester owes a verdict, and when the observer first saw it."""

    deed: Deed
    since_tick: int
    by_person: bool
    """Whether a person is to judge it."""


class Evidence(NamedTuple):
    """All that follows from the records of one task."""

    deeds: tuple[Deed, ...] = ()
    unanswered: tuple[Unanswered, ...] = ()
    unowned: tuple[tuple[bytes, bytes], ...] = ()
    """(author, requester) of expired claims that the author is not yet seen to know of."""


NOTHING: Final = Evidence()


def evidence_of(
    me: bytes, task: bytes, fold: TaskFold, seen: SeenTick, configuration: Configuration
) -> Evidence:
    """What the records of the task say to the observer `me`."""
    contest = fold.contest(task)
    if contest is None or not (contest.reopens or contest.results or contest.verdicts):
        return NOTHING
    if fold.is_alias(task):
        # What names an alias means nothing: or a requester could accept one task many times.
        return NOTHING
    assert contest.offer is not None
    return _Reading(me, contest, contest.offer, fold, seen, configuration).all()


def owed_answers(
    author: bytes, task: bytes, fold: TaskFold
) -> tuple[tuple[Record, int, Record], ...]:
    """(claim, its epoch, reopen): the author's claims that the requester called lapsed or overdue
    by that reopen, and of which it has to say something before it names what was said since."""
    contest = fold.contest(task)
    if contest is None or not contest.reopens:
        return ()
    assert contest.offer is not None
    reading = _Reading(author, contest, contest.offer, fold, lambda *_: 0, lambda *_: b"")
    return tuple(
        (claim, body.epoch, expiry[0]) for claim, body in contest.claims
        if claim.author == author and claim.id in reading.claims and claim.id in reading.awarded
        and (expiry := reading.expiry(claim)) is not None and not reading.answered_at(claim)
    )


class _Reading:
    """The records of one task, sorted by claim."""

    def __init__(
        self, me: bytes, contest: Contest, offered: tuple[Record, Offer], fold: TaskFold,
        seen: SeenTick, configuration: Configuration,
    ) -> None:
        self._me, self._contest, self._fold = me, contest, fold
        self._requester, self._offer = offered[0].author, offered[1]
        self._seen, self._configuration = seen, configuration
        self.claims = {record.id: record for record, _ in fold.claims(contest.task)}
        self.awarded = {
            award.claim for record, award in contest.awards if record.author == self._requester
        }
        self._results: dict[bytes, tuple[Record, Result]] = {}
        for record, result in contest.results:
            claim = self.claims.get(result.claim)
            if claim is not None and claim.author == record.author:
                self._results.setdefault(result.claim, (record, result))
        self._verdicts = [pair for pair in contest.verdicts if pair[0].author == self._requester]

    def all(self) -> Evidence:
        end = self._fold.end(self._contest.task)
        deeds: list[Deed] = []
        unanswered: list[Unanswered] = []
        unowned: list[tuple[bytes, bytes]] = []
        accepted: bytes | None = None
        for claim in self.claims.values():
            if claim.author == self._requester:
                continue
            word = self._word(claim, end)
            if word is None:
                unanswered += self._waiting(claim, end)
                continue
            kind, said = word
            if kind is Kind.ACCEPTED:
                accepted = claim.id
            deeds.append(self._deed(kind, said, claim, rater=self._requester))
            if kind in (Kind.LAPSED, Kind.OVERDUE):
                unanswered += self._waiting(claim, end)
        deeds += self._taken(accepted)
        deeds += self._exposed(accepted, {(deed.rater, deed.claim) for deed in deeds}, unowned)
        deeds += self._contradicted(end)
        return Evidence(tuple(deeds), tuple(unanswered), tuple(unowned))

    def _deed(
        self, kind: Kind, said: Record, claim: Record, *, rater: bytes, subject: bytes = b"",
        capability: str | None = None,
    ) -> Deed:
        subject = subject or claim.author
        name = self._offer.capability if capability is None else capability
        digest = self._configuration(subject, name, claim.seq) if name else b""
        return Deed(
            said.id, self._contest.task, claim.id, rater, subject, name, kind, self._offer.cost,
            self._seen(said.author, said.seq) // BUCKET_TICKS, digest,
            self._disputed(claim, said) if self._contest.disputes else b"",
        )

    def _disputed(self, claim: Record, said: Record) -> bytes:
        """Where the claim's author contests what was said."""
        return next((
            record.id for record, dispute in self._contest.disputes
            if (record.author, dispute.claim, dispute.record) == (claim.author, claim.id, said.id)
        ), b"")

    # --- the requester's word --------------------------------------------------------------------

    def _word(self, claim: Record, end: _End | None) -> tuple[Kind, Record] | None:
        is_awarded = claim.id in self.awarded
        result = self._results.get(claim.id)
        if not is_awarded and result is None:
            return None
        verdicts = [pair for pair in self._verdicts if pair[1].claim == claim.id]
        for record, verdict in verdicts:
            # A failure must not be what makes praise count: it needs the award or the delivery.
            if (
                verdict.accept and end is not None and record.id == end[0].id
                and (is_awarded or self._delivered(claim, verdict.result))
            ):
                return Kind.ACCEPTED, record
        for record, verdict in verdicts:
            if not verdict.accept:
                return Kind.REJECTED, record
        return self._broken(claim) if is_awarded else None

    def _delivered(self, claim: Record, result_id: bytes) -> bool:
        return any(
            record.id == result_id and record.author == claim.author
            and result.claim == claim.id and result.outcome == Outcome.DONE
            for record, result in self._contest.results
        )

    def _broken(self, claim: Record) -> tuple[Kind, Record] | None:
        """How an awarded claim without a verdict has failed."""
        result = self._results.get(claim.id)
        if result is not None and result[1].outcome == Outcome.FAILED:
            return Kind.FAILED, result[0]
        expiry = self.expiry(claim)
        if expiry is not None:
            return _EXPIRED[expiry[1].reason], expiry[0]
        for record, reopen in self._contest.reopens:
            if record.author == claim.author and reopen.claim == claim.id:
                return Kind.RELEASED, record
        return None

    def expiry(self, claim: Record) -> tuple[Record, Reopen] | None:
        """The requester's first reopen that calls the claim lapsed or overdue."""
        return next((
            (record, reopen) for record, reopen in self._contest.reopens
            if record.author == self._requester and reopen.claim == claim.id
            and reopen.reason in _EXPIRED
        ), None)

    # --- what the requester owes -----------------------------------------------------------------

    def _waiting(self, claim: Record, end: _End | None) -> tuple[Unanswered, ...]:
        """The claim's result, if the requester awarded the claim, has it and says nothing of it."""
        result = self._results.get(claim.id)
        if (
            result is None or result[1].outcome != Outcome.DONE or claim.id not in self.awarded
            or (end is not None and isinstance(end[1], Verdict))
            or any(self._gave_up(record, reopen, claim) for record, reopen in self._contest.reopens)
        ):
            return ()
        deed = self._deed(
            Kind.UNANSWERED, result[0], claim, rater=claim.author, subject=self._requester,
            capability=CONDUCT,
        )
        since_tick = self._seen(result[0].author, result[0].seq)
        return (Unanswered(deed, since_tick, self._offer.review),)

    def _gave_up(self, record: Record, reopen: Reopen, claim: Record) -> bool:
        """Whether the requester says why it takes no result: whoever calls a claim lapsed that
        delivered has still to judge what was delivered."""
        return (
            record.author == self._requester and reopen.claim == claim.id
            and reopen.reason not in _EXPIRED
        )

    def _contradicted(self, end: _End | None) -> Iterator[Deed]:
        """Content that was rejected from one author and accepted from another."""
        if end is None or not isinstance(end[1], Verdict):
            return
        record, accept = end[0], end[1]
        rejects = [
            verdict for _, verdict in self._verdicts
            if not verdict.accept and verdict.claim != accept.claim
        ]
        # Nearly all tasks have none, and to hash a result costs as much as most of this.
        taken = self._judged(accept) if rejects else None
        if taken is not None and taken in map(self._judged, rejects):
            yield self._deed(
                Kind.CONTRADICTED, record, record, rater=self._me, subject=self._requester,
                capability=CONDUCT,
            )

    def _judged(self, verdict: Verdict) -> tuple[bytes, str] | None:
        """(hash, media type) of the result that the verdict is on, if it is what it says."""
        result = self._results.get(verdict.claim)
        if (
            result is None or result[0].id != verdict.result
            or result[1].outcome != Outcome.DONE or result[1].hash != verdict.result_hash
        ):
            return None
        return result[1].hash, result[1].media_type

    # --- leases and what follows from them -------------------------------------------------------

    def _taken(self, accepted: bytes | None) -> Iterator[Deed]:
        """Leases that others than the requester took, rightly or not."""
        if all(record.author == self._requester for record, _ in self._contest.reopens):
            return
        reasons = {record.id: reopen.reason for record, reopen in self._contest.reopens}
        for claim_id, lapses in self._fold.lapses(self._contest.task).items():
            claim = self.claims[claim_id]
            if claim_id not in self.awarded or claim.author == self._requester:
                continue
            for lapse in lapses:
                if lapse.author == self._requester or reasons[lapse.id] != ReopenReason.LAPSED:
                    continue
                back = self._back(claim, lapse)
                if back is not None:
                    yield self._deed(
                        Kind.STOLEN, back, lapse, rater=self._requester, subject=lapse.author)
                elif claim_id != accepted:
                    yield self._deed(Kind.LAPSED, lapse, claim, rater=lapse.author)

    def _back(self, claim: Record, lapse: Record) -> Record | None:
        """The requester's award that gives the claim back because of this lapse."""
        return next((
            record for record, award in self._contest.awards
            if record.author == self._requester and award.claim == claim.id
            and lapse.id in record.refs
        ), None)

    def _exposed(
        self, accepted: bytes | None, said: AbstractSet[tuple[bytes, bytes]],
        unowned: list[tuple[bytes, bytes]],
    ) -> Iterator[Deed]:
        """Claims whose authors passed over in silence that their time was over."""
        if not any(reopen.reason in _EXPIRED for _, reopen in self._contest.reopens):
            return
        for claim in self.claims.values():
            expiry = self.expiry(claim)
            if (
                expiry is None or claim.id not in self.awarded or claim.id == accepted
                or claim.author == self._requester
                # What the observer has said of the claim itself stands for it.
                or (self._me, claim.id) in said
            ):
                continue
            answered_at = self.answered_at(claim)
            known_at = self._fold.first_naming(claim.author, self._requester, expiry[0].seq)
            if known_at and (not answered_at or answered_at > known_at):
                yield self._deed(Kind.EXPOSED, expiry[0], claim, rater=self._me)
            elif not answered_at:
                unowned.append((claim.author, self._requester))

    def answered_at(self, claim: Record) -> int:
        """The seq of the author's first result, release or dispute of the claim; 0: none."""
        contest = self._contest
        seqs = [
            record.seq
            for pairs in (contest.results, contest.reopens, contest.disputes)
            for record, body in pairs
            if record.author == claim.author and body.claim == claim.id
        ]
        return min(seqs, default=0)
