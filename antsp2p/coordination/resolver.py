"""Who holds a task, in which epoch, how it ended, and by which rule.

Law: a pure function of the record set. No clock of any machine, no order of arrival, no score.
Let Q be the requester's records that name task T, by seq.

1. The first accept or cancel in Q ends T for ever, whatever it names: the requester's word alone.
2. Epoch 0 opens with the offer. A reopen of (T, e, claim) by another than the requester is valid
   iff the claim is a claim of (T, e), precedes it, and it is its author's first reopen of T by
   seq, valid or not. By the claim's author it is a release, by another a lapse. The requester's
   is always valid. Epoch e+1 is open iff e is and a valid reopen of e exists.
3. Attempts are the requester's policy: only its `cancel(exhausted)` dead-letters.
4. If the last of Q's awards and reopens is an award of claim c, of any epoch, c holds, unless its
   author released it or is convicted, or a valid lapse of c has that award in its past. An award
   of a record that is not here yet leaves the task without a holder; an award of one that is here
   and is no claim of T means nothing.
5. Else, in the highest open epoch E, the candidates are the claims that (E > 0) have a valid
   reopen of E-1 in their past, by authors neither convicted nor excluded (the exclusions in Q's
   reopens act on later epochs); each author's first by seq; less those released.
6. Of these, the ones not preceded by another candidate; then the lowest tie-break hash.

Where the rules are silent: any reopen by a claim's own author that names it with its epoch
releases it, but only that author's first reopen of T also opens an epoch. Conviction of the author
of a lapse or release does not undo it. A claim whose `after` verdicts are not in its past is void:
no candidate, not to be awarded, and a reopen by another that names it is invalid; it remains a
record of T, so what it names still counts in the clocks. An author's own lower records are in its
past, as the chain says: one who lapses a claim may claim next. The tasks of a convicted requester
that nothing in the set had ended are orphaned.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from antsp2p.coordination.body import (
    Award,
    Cancel,
    CancelReason,
    Claim,
    Outcome,
    Result,
    Verdict,
)
from antsp2p.coordination.state import ENDS, Happening, State, walk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from antsp2p.coordination.contest import Contest
    from antsp2p.records.record import Record

TIE_DOMAIN: Final = b"antsp2p/1/tie\0"


class Rule(StrEnum):
    """Which rule decided about the holder."""

    END = "end"
    AWARD = "award"
    ONLY = "only-claim"
    BEFORE = "before"
    TIE = "tie-break"
    NONE = "no-claim"
    ORPHANED = "orphaned"


class Resolution(NamedTuple):
    """What the record set says about one task.

    `epoch` is the highest open epoch; the holder's own may be lower, and stands in its claim.
    `holder` is the holding claim, or the accepted one where it is here; None after a cancel.
    `settled`: ended, or awarded and holding; all else may change while records arrive.
    An alias is another name for the task `alias_of`; nothing else about it is evaluated.
    """

    task: bytes
    state: State
    epoch: int
    holder: Record | None
    rule: Rule
    settled: bool
    end: Record | None
    claims_in_epoch: int
    alias_of: bytes | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claim that held or was meant to, and what became of it."""

    claim: Record
    epoch: int
    state: State


class Past(Protocol):
    """What the resolver asks about causality; `Causality` answers it."""

    def __contains__(self, record_id: bytes) -> bool:
        """Whether the record is in the set, void or not."""

    def preceded(
        self, task: bytes, earlier: Sequence[Record], later: Sequence[Record]
    ) -> list[bool]:
        """For each of `later`, whether any of `earlier` precedes it."""

    def highest_named(self, author: bytes, seq: int, other: bytes) -> int:
        """The highest seq of `other` that the author's log names up to `seq`; or 0."""

    def highest_in_past(self, task: bytes, record: Record, other: bytes) -> int:
        """The entry of `other` in clock_T of a record of the task; or 0."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What lies outside the contest: causality, convictions, and the verdicts waited for.

    `accepted_at` holds the seq of each accept that the offer's `after` asks for; None where one
    of those tasks has not ended accepted.
    """

    past: Past
    convicted: AbstractSet[bytes]
    accepted_at: tuple[int, ...] | None


class Reading(NamedTuple):
    """The contest after rule 2: which claims count, which reopens are valid, what is open.

    `lapses` holds, by claim, the valid reopens that took it from its author.
    """

    claims: dict[bytes, tuple[Record, Claim]]
    reopens: dict[int, list[Record]]
    lapses: dict[bytes, list[Record]]
    released: frozenset[bytes]
    epoch: int


def tie_break(task: bytes, epoch: int, author: bytes) -> bytes:
    """32 bytes; the lowest wins. Nothing in it is chosen after the offer but the author's key."""
    return hashlib.sha256(TIE_DOMAIN + task + epoch.to_bytes(8, "big") + author).digest()


def end_of(contest: Contest) -> tuple[Record, Verdict | Cancel] | None:
    """Rule 1: the requester's first accept or cancel."""
    if contest.offer is None:
        return None
    requester = contest.offer[0].author
    end: tuple[Record, Verdict | Cancel] | None = None
    for record, verdict in contest.verdicts:
        if verdict.accept and record.author == requester:
            end = record, verdict
            break
    for record, cancel in contest.cancels:
        if record.author == requester:
            if end is None or record.seq < end[0].seq:
                end = record, cancel
            break
    return end


def is_void(contest: Contest, claim: Record, setting: Setting) -> bool:
    """Whether a verdict that the offer's `after` asks for is missing in the claim's past.

    That past reaches as far into the requester's log as any record of the claimant at or below
    the claim names, and as far as clock_T(claim) does: one ref to the requester's latest record
    suffices. A requester's own claim has all that stands below it in its past.
    """
    assert contest.offer is not None
    requester, needed = contest.offer[0].author, setting.accepted_at
    if needed is None:
        return True
    if not needed:
        return False
    last = max(needed)
    if claim.author == requester:
        return claim.seq < last
    past = setting.past
    return (
        past.highest_named(claim.author, claim.seq, requester) < last
        and past.highest_in_past(contest.task, claim, requester) < last
    )


def read(contest: Contest, setting: Setting) -> Reading:
    """Rule 2, and the claims that are not void."""
    assert contest.offer is not None
    requester = contest.offer[0].author
    claims = {
        pair[0].id: pair for pair in contest.claims
        if setting.accepted_at == () or not is_void(contest, pair[0], setting)
    }
    reopeners: set[bytes] = set()
    released: set[bytes] = set()
    valid: dict[int, list[Record]] = {}
    lapses: dict[bytes, list[Record]] = {}
    for record, reopen in contest.reopens:
        is_first = record.author not in reopeners
        reopeners.add(record.author)
        named = None if reopen.claim is None else claims.get(reopen.claim)
        is_of_epoch = named is not None and named[1].epoch == reopen.epoch
        if named is not None and is_of_epoch and named[0].author == record.author:
            released.add(named[0].id)
        # A reopen that names a claim of T has it in its past by that: `precedes` needs no look.
        if record.author == requester or (is_first and is_of_epoch):
            valid.setdefault(reopen.epoch, []).append(record)
            if named is not None and named[0].author != record.author:
                lapses.setdefault(named[0].id, []).append(record)
    epoch = 0
    while epoch in valid:
        epoch += 1
    return Reading(claims, valid, lapses, frozenset(released), epoch)


def excluded(contest: Contest, reading: Reading) -> frozenset[bytes]:
    """Whom the requester shut out of the highest open epoch."""
    assert contest.offer is not None
    requester = contest.offer[0].author
    return frozenset(
        author
        for record, reopen in contest.reopens
        if record.author == requester and reopen.epoch < reading.epoch
        for author in reopen.excluded
    )


def candidates(contest: Contest, setting: Setting, reading: Reading) -> tuple[Record, ...]:
    """Rule 5, by (seq, author)."""
    shut_out = excluded(contest, reading)
    eligible = [
        record for record, claim in reading.claims.values()
        if claim.epoch == reading.epoch
        and record.author not in setting.convicted and record.author not in shut_out
    ]
    if reading.epoch and eligible:
        doors = reading.reopens[reading.epoch - 1]
        entered = setting.past.preceded(contest.task, doors, eligible)
        eligible = [record for record, is_in in zip(eligible, entered, strict=True) if is_in]
    firsts: dict[bytes, Record] = {}
    for record in eligible:
        firsts.setdefault(record.author, record)
    return tuple(record for record in firsts.values() if record.id not in reading.released)


def undominated(
    contest: Contest, setting: Setting, rivals: Sequence[Record]
) -> tuple[Record, ...]:
    """Those of `rivals` (claims of the task, each by another author) that none of them precedes."""
    if len(rivals) < 2:
        return tuple(rivals)
    dominated = setting.past.preceded(contest.task, rivals, rivals)
    return tuple(record for record, is_late in zip(rivals, dominated, strict=True) if not is_late)


def holding(
    contest: Contest, setting: Setting, reading: Reading
) -> tuple[Record | None, Rule]:
    """Rules 4 to 6: who holds or would hold, leaving aside whether the task has ended."""
    award = _standing_award(contest)
    if award is not None:
        claim = reading.claims.get(award[1].claim)
        if claim is not None and not _is_undone(contest, setting, reading, claim[0], award[0]):
            return claim[0], Rule.AWARD
        if award[1].claim not in setting.past:
            return None, Rule.AWARD
    rivals = candidates(contest, setting, reading)
    if not rivals:
        return None, Rule.NONE
    # Hashes make no cycle, so somebody is first; on a broken chain all are, rather than nobody.
    best = undominated(contest, setting, rivals) or rivals
    if len(rivals) == 1:
        return best[0], Rule.ONLY
    if len(best) == 1:
        return best[0], Rule.BEFORE
    winner = min(best, key=lambda claim: tie_break(contest.task, reading.epoch, claim.author))
    return winner, Rule.TIE


def _standing_award(contest: Contest) -> tuple[Record, Award] | None:
    """The last of Q's awards and reopens, if it is an award."""
    assert contest.offer is not None
    requester = contest.offer[0].author
    last: tuple[Record, Award] | None = None
    for pair in reversed(contest.awards):
        if pair[0].author == requester:
            last = pair
            break
    if last is None:
        return None
    reopened_later = any(
        record.author == requester and record.seq > last[0].seq
        for record, _ in reversed(contest.reopens)
    )
    return None if reopened_later else last


def _is_undone(
    contest: Contest, setting: Setting, reading: Reading, claim: Record, award: Record
) -> bool:
    if claim.author in setting.convicted or claim.id in reading.released:
        return True
    lapses = [
        record for record in reading.lapses.get(claim.id, ()) if record.author != award.author
    ]
    return bool(lapses) and any(setting.past.preceded(contest.task, [award], lapses))


def resolve(contest: Contest, setting: Setting) -> Resolution:
    """The state of the task, its holder, and the rule that decided. The offer must be there."""
    assert contest.offer is not None
    reading = read(contest, setting)
    end = end_of(contest)
    holder: Record | None = None
    happenings: tuple[Happening, ...]
    if end is not None:
        rule, happenings = Rule.END, (_ending(end[1]),)
        if isinstance(end[1], Verdict) and end[1].claim in reading.claims:
            holder = reading.claims[end[1].claim][0]
    elif contest.offer[0].author in setting.convicted:
        rule, happenings = Rule.ORPHANED, (Happening.CONVICT,)
    else:
        holder, rule = holding(contest, setting, reading)
        happenings = () if holder is None else _progress(contest, holder, rule)
    state = walk(happenings)
    return Resolution(
        task=contest.task, state=state, epoch=reading.epoch, holder=holder, rule=rule,
        settled=state in ENDS or (rule is Rule.AWARD and holder is not None),
        end=None if end is None else end[0],
        claims_in_epoch=sum(
            claim.epoch == reading.epoch for _, claim in reading.claims.values()
        ),
    )


def _ending(body: Verdict | Cancel) -> Happening:
    if isinstance(body, Cancel):
        exhausted = body.reason == CancelReason.EXHAUSTED
        return Happening.EXHAUST if exhausted else Happening.CANCEL
    return Happening.ACCEPT


def first_result(contest: Contest, claim: Record) -> Result | None:
    """The claimant's first result for its claim; what it says later changes no state."""
    for record, result in contest.results:
        if result.claim == claim.id and record.author == claim.author:
            return result
    return None


def _progress(contest: Contest, holder: Record, rule: Rule) -> tuple[Happening, ...]:
    """The present attempt from `open` on. Whatever came before it led back to `open`."""
    happenings = [Happening.CLAIM]
    if rule is Rule.AWARD:
        happenings.append(Happening.AWARD)
    happenings += _outcome(contest, holder)
    return tuple(happenings)


def _outcome(contest: Contest, claim: Record) -> list[Happening]:
    """The claim's result, and its rejection unless the requester awarded the claim after it."""
    assert contest.offer is not None
    requester = contest.offer[0].author
    result = first_result(contest, claim)
    if result is None:
        return []
    outcome = [Happening.DONE if result.outcome == Outcome.DONE else Happening.FAIL]
    awarded = max(
        (record.seq for record, award in contest.awards
         if record.author == requester and award.claim == claim.id), default=0,
    )
    if any(
        record.author == requester and not verdict.accept
        and verdict.claim == claim.id and record.seq > awarded
        for record, verdict in contest.verdicts
    ):
        outcome.append(Happening.REJECT)
    return outcome


def attempts(contest: Contest, setting: Setting) -> tuple[Attempt, ...]:
    """Every claim that was awarded, gave a result, was reopened or holds; by (epoch, seq, author).

    Which of several claims held for a while without an award is not in the records.
    """
    assert contest.offer is not None
    requester = contest.offer[0].author
    reading = read(contest, setting)
    resolution = resolve(contest, setting)
    holder, rule = holding(contest, setting, reading)
    awarded = {award.claim for record, award in contest.awards if record.author == requester}
    found: list[Attempt] = []
    for record, claim in reading.claims.values():
        is_holder = holder is not None and record.id == holder.id
        was_accepted = resolution.state is State.ACCEPTED and resolution.holder is record
        happenings = _history(record, reading, awarded, rule if is_holder else Rule.NONE)
        happenings += _outcome(contest, record)
        if len(happenings) == 1 and not is_holder and not was_accepted:
            continue
        if was_accepted:
            happenings.append(Happening.ACCEPT)
        elif is_holder and resolution.state in ENDS and resolution.state is not State.ACCEPTED:
            end = end_of(contest)
            happenings.append(Happening.CONVICT if end is None else _ending(end[1]))
        found.append(Attempt(record, claim.epoch, walk(happenings)))
    return tuple(sorted(found, key=lambda a: (a.epoch, a.claim.seq, a.claim.author)))


def _history(
    claim: Record, reading: Reading, awarded: AbstractSet[bytes], held_by: Rule
) -> list[Happening]:
    """Claim, award, and release or lapse, up to where the claim's result would follow."""
    over: list[Happening] = []
    if claim.id in reading.released:
        over.append(Happening.RELEASE)
    elif claim.id in reading.lapses:
        over.append(Happening.LAPSE)
    if held_by is Rule.AWARD:
        return [Happening.CLAIM, *over, Happening.AWARD]
    if held_by is not Rule.NONE:
        return [Happening.CLAIM]
    award = [Happening.AWARD] if claim.id in awarded else []
    return [Happening.CLAIM, *award, *over]
