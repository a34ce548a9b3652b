"""What an observer thinks of others, and why: evidence, task by task, under the rule of trust.

Law: whatever the order of tasks, and however often each is looked at, the same records give the
same scores; and nothing here is ever sent to anyone. The evidence is `evidence.py`'s, the
arithmetic `trust.py`'s; here is only the keeping: which deeds stand now, who owes a verdict, and
which tasks must be looked at again because of a record that names none of theirs. What must never
be in here: a clock. The time comes in as a tick, and only moves on.

What counts for or against a key that was revoked counts for or against its successor
(`Standings.lineage`); so do pins and blocks.
"""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from antsp2p.coordination.evidence import (
    CONDUCT,
    NOTHING,
    Deed,
    Evidence,
    Kind,
    Proof,
    evidence_of,
)
from antsp2p.coordination.first_seen import BUCKET_TICKS, FirstSeen
from antsp2p.coordination.newcomers import Newcomers
from antsp2p.coordination.pins import NO_PINS, Pins
from antsp2p.coordination.trust import PPM, Contribution, Score, Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from antsp2p.coordination.evidence import Configuration, Unanswered
    from antsp2p.coordination.tasks import TaskFold
    from antsp2p.coordination.vouches import Given

__all__ = ["CONDUCT", "PPM", "Contribution", "Deed", "Kind", "Ledger", "Proof", "Score"]

_JUDGED = (Kind.ACCEPTED, Kind.REJECTED)
_WORK = (
    Kind.ACCEPTED, Kind.REJECTED, Kind.FAILED, Kind.LAPSED, Kind.OVERDUE, Kind.RELEASED,
)


class Ledger:
    """The evidence of one observer, and its scores. `update` is idempotent, in any order of tasks.
    """

    def __init__(
        self, me: bytes, lineage: Callable[[bytes], Sequence[bytes]] = lambda author: (author,),
        configuration: Configuration = lambda *_: b"",
    ) -> None:
        """`configuration` says what an author had announced to run, below a seq or (0) at last."""
        self._me = me
        self._lineage = lineage
        self._configuration = configuration
        self.trust = Trust(me, lineage=lineage)
        self._newcomers = Newcomers()
        self.pins = NO_PINS
        self.seen = FirstSeen()
        self._now_tick = 0
        self._by_task: dict[bytes, Evidence] = {}
        self._about: dict[bytes, dict[bytes, None]] = {}
        self._judged: dict[bytes, dict[bytes, int]] = {}
        self._failures: dict[bytes, int] = {}
        self._owed: dict[bytes, dict[bytes, Unanswered]] = {}
        self._waits: dict[tuple[bytes, bytes], dict[bytes, None]] = {}
        self._sealed: set[bytes] = set()

    # --- taking in -------------------------------------------------------------------------------

    @property
    def bucket(self) -> int:
        """The present bucket."""
        return self._now_tick // BUCKET_TICKS

    def advance(self, tick: int) -> None:
        """It is `tick` now, or was later already."""
        if tick > self._now_tick:
            self._now_tick = tick
            self.trust.advance(self.bucket)

    def update(self, task: bytes, fold: TaskFold) -> None:
        """Make the evidence from `task` what the fold now says; forget it if the task is gone."""
        if task in self._sealed:
            return
        found = evidence_of(self._me, task, fold, self.seen.tick, self._configuration)
        before = self._by_task.get(task, NOTHING)
        if found == before:
            return
        # What rests on the same word of the same rater must go before it comes anew.
        for deed in before.deeds:
            self._count(deed, -1)
            self._drop_from(deed.subject, task)
        for deed in found.deeds:
            self._count(deed, +1)
            self._about.setdefault(deed.subject, {})[task] = None
        self._settle_debts(before, found)
        self._wait(task, before.unowned, found.unowned)
        if found == NOTHING:
            del self._by_task[task]
        else:
            self._by_task[task] = found

    def seal(self, task: bytes) -> None:
        """The task's records will go, and not because they were wrong: what they say stays."""
        self._sealed.add(task)

    def waiting_for(self, pairs: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, ...]:
        """Tasks to look at again because an author's log now reaches further into another's."""
        if not self._waits:
            return ()
        return tuple(task for pair in pairs for task in self._waits.get(pair, ()))

    @property
    def is_waiting(self) -> bool:
        """Whether `waiting_for` has anything to say at all."""
        return bool(self._waits)

    def _count(self, deed: Deed, sign: int) -> None:
        if sign > 0:
            self.trust.add(deed)
        else:
            self.trust.remove(deed)
        if not deed.good:
            failures = self._failures.get(deed.subject, 0) + sign
            self._failures[deed.subject] = failures
            if not failures:
                del self._failures[deed.subject]
        if deed.rater == self._me and deed.kind in _WORK:
            self._newcomers.count(deed.subject, deed.bucket, deed.good, sign * deed.weight)
        if deed.kind in _JUDGED:
            judged = self._judged.setdefault(deed.rater, {})
            judged[deed.subject] = judged.get(deed.subject, 0) + sign
            if not judged[deed.subject]:
                del judged[deed.subject]
            if not judged:
                del self._judged[deed.rater]

    def _drop_from(self, subject: bytes, task: bytes) -> None:
        tasks = self._about.get(subject, {})
        tasks.pop(task, None)
        if not tasks:
            self._about.pop(subject, None)

    def _settle_debts(self, before: Evidence, found: Evidence) -> None:
        for owed in before.unanswered:
            debts = self._owed[owed.deed.subject]
            del debts[owed.deed.claim]
            if not debts:
                del self._owed[owed.deed.subject]
        for owed in found.unanswered:
            self._owed.setdefault(owed.deed.subject, {})[owed.deed.claim] = owed

    def _wait(
        self, task: bytes, before: Sequence[tuple[bytes, bytes]],
        now: Sequence[tuple[bytes, bytes]],
    ) -> None:
        for pair in before:
            tasks = self._waits.get(pair, {})
            tasks.pop(task, None)
            if not tasks:
                self._waits.pop(pair, None)
        for pair in now:
            self._waits.setdefault(pair, {})[task] = None

    # --- what the observer decides ---------------------------------------------------------------

    def convict(self, author: bytes) -> None:
        """The author forked its log: its score is zero."""
        self.trust.convict(author)

    def pardon(self, author: bytes) -> None:
        """Undo `convict`: who forked the log was not its owner."""
        self.trust.pardon(author)

    def lend(self, voucher: bytes, subject: bytes, given: Given | None) -> None:
        """What the voucher lends the subject is this now; None: it never lent anything."""
        if given is None:
            self.trust.unvouch(voucher, subject, at=0)
        else:
            self.trust.vouch(
                voucher, subject, given.weight, since=given.since, until=given.until,
                capability=given.capability or None,
            )

    def set_pins(self, pins: Pins) -> None:
        """From now on a person's word is this, and nothing of what it was before."""
        before, self.pins = self.pins, pins
        for author in before.authors():
            if author in before.weights and author not in pins.weights:
                self.trust.unpin(author)
            if author in before.blocked and author not in pins.blocked:
                self.trust.unblock(author)
        for author in pins.authors():
            weight = pins.weights.get(author, 0)
            if weight and weight != before.weights.get(author):
                self.trust.pin(author, weight)
            if author in pins.blocked and author not in before.blocked:
                self.trust.block(author)

    def is_blocked(self, author: bytes) -> bool:
        """Whether the author, or a key that it succeeds, is shut out here."""
        blocked = self.pins.blocked
        return bool(blocked) and any(key in blocked for key in self._lineage(author))

    # --- what follows ----------------------------------------------------------------------------

    def runs(self, author: bytes, capability: str | None) -> bytes | None:
        """What the author says it runs today; None where all evidence is of one kind."""
        return self._configuration(author, capability, 0) if capability else None

    def score(self, author: bytes, capability: str | None = None) -> Score:
        """The author's score in a capability, or over all of them."""
        return self._or_blocked(author, self.trust.score(
            author, capability, now=self.bucket, configuration=self.runs(author, capability)))

    def score_later(self, author: bytes, capability: str | None, buckets: int) -> Score:
        """What the score would be so many buckets later, without news; see `Trust.score_later`."""
        return self._or_blocked(author, self.trust.score_later(
            author, capability, buckets, now=self.bucket,
            configuration=self.runs(author, capability),
        ))

    def score_after_task(self, author: bytes, capability: str | None) -> Score:
        """What the score would be if the observer accepted one more task of cost 1."""
        runs = self.runs(author, capability) or b""
        done = Deed(
            b"", b"", b"", self._me, author, capability or "", Kind.ACCEPTED, 1, self.bucket, runs)
        self.trust.add(done)
        score = self.score(author, capability)
        self.trust.remove(done)
        return score

    def _or_blocked(self, author: bytes, score: Score) -> Score:
        if self.is_blocked(author):
            return replace(score, value_ppm=0, known=True, uncertainty_ppm=0, stranger=False)
        return score

    def contributions(
        self, author: bytes, capability: str | None = None
    ) -> tuple[Contribution, ...]:
        """What the score is made of; see `Trust.contributions`."""
        return self.trust.contributions(
            author, capability, now=self.bucket, configuration=self.runs(author, capability))

    def why(self, author: bytes) -> tuple[Deed, ...]:
        """What is said of the author, by (task, record): what its scores rest on, and the verdicts
        that it owes."""
        deeds = [
            deed for key in self._lineage(author) for task in self._about.get(key, ())
            for deed in self._by_task.get(task, NOTHING).deeds if deed.subject == key
        ]
        deeds += [
            owed.deed for key in self._lineage(author) for owed in self._owed.get(key, {}).values()
        ]
        return tuple(sorted(deeds, key=lambda deed: (deed.task, deed.record_id, deed.rater)))

    def authors(self) -> tuple[bytes, ...]:
        """Everybody there is evidence about, sorted."""
        return tuple(sorted({*self._about, *self._owed}))

    def welcome_ppm(self) -> int:
        """What part of the trials meant for strangers they are worth, as newcomers did lately."""
        return self._newcomers.welcome_ppm(self.bucket)

    def judged(self, requester: bytes) -> int:
        """On how many claims the requester gave a verdict, of the observer's own and of those who
        did good work for the observer: on names that it made up it could give any number."""
        return sum(
            count for subject, count in self._judged.get(requester, {}).items()
            if subject == self._me or self.trust.has_worked_well(subject)
        )

    def owed(
        self, requester: bytes, patience_ticks: int = 0, review_patience_ticks: int = 0
    ) -> int:
        """How many results the requester has left without a verdict for so long or longer, and
        where a person is to judge for so long."""
        since = self._now_tick - patience_ticks
        reviewed_since = self._now_tick - review_patience_ticks
        return sum(
            owed.since_tick <= (reviewed_since if owed.by_person else since)
            for owed in self._owed.get(requester, {}).values()
        )

    def has_failed(self, author: bytes) -> bool:
        """Whether anybody says, rightly or not, that the author failed. It costs next to nothing.
        """
        return any(key in self._failures for key in self._lineage(author))
