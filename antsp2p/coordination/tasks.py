"""The fold over task records: every task's resolution, kept up to date record by record.

Law: the same set of records gives the same state, whatever the order in which they came, and
`remove` is the exact inverse of `add`. The rules stand in the resolver; here is only the keeping:
which records name which task, what must be looked at again, and what was already resolved.
"""
from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any, Final, TypeVar

from antsp2p.coordination import resolver
from antsp2p.coordination.body import (
    Award,
    Body,
    Cancel,
    Claim,
    Dispute,
    Offer,
    Reopen,
    Result,
    Verdict,
    read_body,
)
from antsp2p.coordination.causality import Causality
from antsp2p.coordination.claim_refs import claim_refs
from antsp2p.coordination.contest import Contest, named_by, place_of, task_of
from antsp2p.coordination.resolver import (
    Attempt,
    Resolution,
    Rule,
    Setting,
)
from antsp2p.coordination.state import ENDS, State
from antsp2p.coordination.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from antsp2p.records.clock import Clock
    from antsp2p.records.record import Record

__all__ = ["Attempt", "Resolution", "Rule", "State", "TaskFold"]

_B = TypeVar("_B", Award, Verdict)
_TASK_TYPES: Final = frozenset({
    int(kind.type) for kind in (Offer, Claim, Award, Reopen, Result, Verdict, Cancel, Dispute)
})
_ENDING: Final = (Offer, Verdict, Cancel)
"""What may begin or end a task: those that come after it must be looked at again."""
_ID_KEYS: Final = (0, 1, 2)
"""Where task bodies have the ids of records."""


class TaskFold:
    """All tasks. `add` takes any record; those that say nothing about tasks may carry refs."""

    def __init__(self) -> None:
        self._causality = Causality()
        self._places = self._causality.places
        self._contests: dict[bytes, Contest] = {}
        self._convicted: set[bytes] = set()
        self._plain = Setting(self._causality, self._convicted, ())
        """Of every task that comes after no other."""
        self._resolved: dict[bytes, Resolution] = {}
        self._offers_at: dict[tuple[bytes, int], bytes] = {}
        self._offers_by_key: dict[tuple[bytes, bytes], list[tuple[int, bytes]]] = {}
        self._for_holders: dict[bytes, dict[bytes, None]] = {}
        """Hash of an input that is for the holder alone -> the tasks that have it."""
        self._waiting: dict[tuple[bytes, int], dict[bytes, None]] = {}
        self._waiting_claims: dict[tuple[bytes, bytes], dict[bytes, None]] = {}
        self._tally = Tally(self.resolve)

    # --- taking in -----------------------------------------------------------------------------

    def add(self, record: Record) -> tuple[bytes, ...]:
        """Take in a record. Returns the sorted ids of the tasks whose state may have changed.

        Adding a record again changes nothing. A record without meaning for tasks changes
        something only by its refs, and only where it came after later records of its author.
        """
        if record.id in self._places:
            return ()
        body = self._body_of(record)
        task = task_of(record, body)
        tasks, pairs = self._causality.add(record, task, named_by(record, body))
        if pairs:
            self._spread(pairs, tasks)
        if body is not None and task is not None:
            self._enter(task, record, body, tasks)
        return self._touch(tasks) if tasks else ()

    def remove(self, record: Record) -> tuple[bytes, ...]:
        """Undo the `add` of a record. Returns the tasks whose state may have changed, also such
        as are no longer there."""
        if record.id not in self._places:
            return ()
        body = self._body_of(record)
        task = task_of(record, body)
        tasks, pairs = self._causality.remove(record)
        self._spread(pairs, tasks)
        if body is not None and task is not None:
            self._leave(task, record, body, tasks)
        return self._touch(tasks, (record.id,) if isinstance(body, Offer) else ())

    def convict(self, author: bytes) -> tuple[bytes, ...]:
        """The author is out (`Standing.is_out`): its claims hold nothing, its tasks are orphaned.

        Its records that count no more are removed by the caller.
        """
        if author in self._convicted:
            return ()
        self._convicted.add(author)
        return self._touch(self._causality.tasks_of(author))

    def pardon(self, author: bytes) -> tuple[bytes, ...]:
        """Undo `convict`: it turns out that the author is not out."""
        if author not in self._convicted:
            return ()
        self._convicted.discard(author)
        return self._touch(self._causality.tasks_of(author))

    def _body_of(self, record: Record) -> Body | None:
        """The record's body, its ids being those of the records that are here."""
        if record.type not in _TASK_TYPES:
            return None
        values, places = record.body, self._places
        for key in _ID_KEYS:
            value = values.get(key)
            if type(value) is bytes and (place := places.get(value)) is not None:
                values[key] = place.id
        return read_body(record.type, values)[0]

    def _enter(
        self, task: bytes, record: Record, body: Body, tasks: dict[bytes, None]
    ) -> None:
        contest = self._contests.get(task)
        if contest is None:
            contest = self._contests[task] = Contest(task)
        contest.put(record, body)
        if type(body) is Offer:
            self._offers_at[record.author, record.seq] = task
            if body.idempotency_key:
                key = (record.author, body.idempotency_key)
                insort(self._offers_by_key.setdefault(key, []), (record.seq, task))
            for seq in body.after:
                self._waiting.setdefault((record.author, seq), {})[task] = None
            if body.holder_only and body.blob is not None:
                self._for_holders.setdefault(body.blob.hash, {})[task] = None
        if contest.offer is not None and contest.offer[1].after:
            self._note_waiting_claims(contest, contest.offer[0].author, record, body)
        if isinstance(body, _ENDING):
            self._touch_group(contest, tasks)

    def _leave(
        self, task: bytes, record: Record, body: Body, tasks: dict[bytes, None]
    ) -> None:
        contest = self._contests[task]
        if isinstance(body, _ENDING):
            self._touch_group(contest, tasks)
        contest.take(record, body)
        if isinstance(body, Offer):
            del self._offers_at[record.author, record.seq]
            if body.idempotency_key:
                group = self._offers_by_key[record.author, body.idempotency_key]
                group.remove((record.seq, task))
                if not group:
                    del self._offers_by_key[record.author, body.idempotency_key]
            for seq in body.after:
                _discard(self._waiting, (record.author, seq), task)
            if body.holder_only and body.blob is not None:
                _discard(self._for_holders, body.blob.hash, task)
        if contest.is_empty():
            del self._contests[task]

    def _note_waiting_claims(
        self, contest: Contest, requester: bytes, record: Record, body: Body
    ) -> None:
        """Remember which claims ask how far their author's log reaches into the requester's.

        An entry that outlives its claim costs one needless look.
        """
        claims = contest.claims if isinstance(body, Offer) else [(record, body)]
        for claim, claim_body in claims:
            if isinstance(claim_body, Claim):
                self._waiting_claims.setdefault((claim.author, requester), {})[contest.task] = None

    def _touch_group(self, contest: Contest, tasks: dict[bytes, None]) -> None:
        """The offer's aliases, and the tasks that come after any of them."""
        if contest.offer is None:
            return
        record, offer = contest.offer
        key, here = offer.idempotency_key, (record.seq, record.id)
        for seq, task in self._offers_by_key.get((record.author, key), (here,)) if key else (here,):
            tasks[task] = None
            if self._waiting:
                tasks.update(self._waiting.get((record.author, seq), {}))

    def _spread(self, pairs: Iterable[tuple[bytes, bytes]], tasks: dict[bytes, None]) -> None:
        for pair in pairs:
            tasks.update(self._waiting_claims.get(pair, {}))

    def _touch(
        self, tasks: Iterable[bytes], gone: tuple[bytes, ...] = ()
    ) -> tuple[bytes, ...]:
        known: list[bytes] = []
        for task in (*tasks, *gone) if gone else tasks:
            self._resolved.pop(task, None)
            contest = self._contests.get(task)
            if (contest is not None and contest.offer is not None) or task in gone:
                known.append(task)
                self._tally.touch(task)
        return tuple(sorted(known)) if len(known) > 1 else tuple(known)

    # --- what was offered and said -------------------------------------------------------------

    def _offered(self, task: bytes) -> Contest | None:
        contest = self._contests.get(task)
        return None if contest is None or contest.offer is None else contest

    def offer(self, task: bytes) -> tuple[Record, Offer] | None:
        """The offer that the task is, if it is here."""
        contest = self._contests.get(task)
        return None if contest is None else contest.offer

    def is_alias(self, task: bytes) -> bool:
        """Whether the offer is here, and is another name for a task of its author's."""
        contest = self._offered(task)
        return contest is not None and self._original(contest) != task

    def for_the_holder(self, blob: bytes) -> tuple[bytes, ...]:
        """The tasks whose input is the blob of that hash and for their holder alone."""
        return tuple(self._for_holders.get(blob, ()))

    def contest(self, task: bytes) -> Contest | None:
        """All records of the task, meant or not to count, if its offer is here; not to change."""
        return self._offered(task)

    def has_claimed(self, task: bytes, author: bytes) -> bool:
        """Whether a claim of the task by the author is here, void or not."""
        contest = self._contests.get(task)
        return contest is not None and any(
            record.author == author for record, _ in contest.claims)

    def is_reopened(self, task: bytes) -> bool:
        """Whether any reopen of the task is here, valid or not."""
        contest = self._contests.get(task)
        return contest is not None and bool(contest.reopens)

    def end(self, task: bytes) -> tuple[Record, Verdict | Cancel] | None:
        """The record that ended the task, with its body; an alias has none."""
        contest = self._evaluated(task)
        return None if contest is None else resolver.end_of(contest)

    def lapses(self, task: bytes) -> dict[bytes, list[Record]]:
        """By claim, the valid reopens that took it from its author."""
        contest = self._offered(task)
        return {} if contest is None else self._read(contest).lapses

    def first_naming(self, author: bytes, other: bytes, seq: int) -> int:
        """The lowest seq at which the author's log names a record of `other` at or above `seq`,
        of whatever task; 0 where it names none."""
        return self._causality.first_naming(author, other, seq)

    def naming(self, record: Record) -> tuple[tuple[bytes, bytes], ...]:
        """(author, other) where a log reaches into another's by this record: its own by what it
        names, and others by naming it."""
        return self._causality.naming(record.id)

    def task_ids(self) -> tuple[bytes, ...]:
        """Every task whose offer is here, aliases too; sorted."""
        return tuple(sorted(
            task for task, contest in self._contests.items() if contest.offer is not None
        ))

    def active(self) -> tuple[bytes, ...]:
        """The tasks that have not ended, aliases left out; sorted."""
        return tuple(sorted(self._tally.active()))

    def tasks_of(self, author: bytes) -> tuple[bytes, ...]:
        """The tasks that the author's records are of, in order of arrival."""
        return self._causality.tasks_of(author)

    def counts(self) -> dict[State, int]:
        """How many tasks are in which state, aliases too; states without any are left out."""
        return self._tally.counts()

    def claims(self, task: bytes) -> tuple[tuple[Record, Claim], ...]:
        """The claims of the task that are not void, by (epoch, seq, author)."""
        contest = self._offered(task)
        if contest is None:
            return ()
        setting, claims = self._setting(contest), contest.claims
        if setting.accepted_at != ():
            claims = [pair for pair in claims if not resolver.is_void(contest, pair[0], setting)]
        if len(claims) > 1:
            claims = sorted(claims, key=lambda pair: (pair[1].epoch, *place_of(pair)))
        return tuple(claims)

    def results(self, task: bytes) -> tuple[tuple[Record, Result], ...]:
        """The results that claimants gave for their own claims, by (epoch, seq, author)."""
        claims = {record.id: (record, claim) for record, claim in self.claims(task)}
        found = [
            (record, result) for record, result in self._contest_of(task).results
            if result.claim in claims and claims[result.claim][0].author == record.author
        ]
        found.sort(key=lambda pair: (claims[pair[1].claim][1].epoch, *place_of(pair)))
        return tuple(found)

    def verdicts(self, task: bytes) -> tuple[tuple[Record, Verdict], ...]:
        """The requester's verdicts, by seq."""
        return self._by_requester(task, self._contest_of(task).verdicts)

    def awards(self, task: bytes) -> tuple[tuple[Record, Award], ...]:
        """The requester's awards, by seq."""
        return self._by_requester(task, self._contest_of(task).awards)

    def reopens(self, task: bytes) -> tuple[tuple[Record, Reopen], ...]:
        """All reopens, valid or not, by (epoch, seq, author)."""
        reopens = self._contest_of(task).reopens
        return tuple(sorted(reopens, key=lambda pair: (pair[1].epoch, *place_of(pair))))

    def _contest_of(self, task: bytes) -> Contest:
        return self._offered(task) or Contest(task)

    def _by_requester(
        self, task: bytes, pairs: Sequence[tuple[Record, _B]]
    ) -> tuple[tuple[Record, _B], ...]:
        contest = self._offered(task)
        if contest is None or contest.offer is None:
            return ()
        requester = contest.offer[0].author
        return tuple(pair for pair in pairs if pair[0].author == requester)

    def valid_reopens(self, task: bytes, epoch: int) -> tuple[Record, ...]:
        """The reopens of `epoch` that rule 2 lets count, by (seq, author)."""
        contest = self._offered(task)
        return () if contest is None else tuple(self._read(contest).reopens.get(epoch, ()))

    # --- what follows --------------------------------------------------------------------------

    def resolve(self, task: bytes) -> Resolution | None:
        """The task's resolution, or None where its offer is not here."""
        resolution = self._resolved.get(task)
        if resolution is None:
            contest = self._offered(task)
            if contest is None:
                return None
            original = self._original(contest)
            if original == task:
                resolution = resolver.resolve(contest, self._setting(contest))
            else:
                resolution = Resolution(
                    task, State.OPEN, 0, None, Rule.NONE, settled=False, end=None,
                    claims_in_epoch=0, alias_of=original,
                )
            self._resolved[task] = resolution
        return resolution

    def attempts(self, task: bytes) -> tuple[Attempt, ...]:
        """The claims that were awarded, gave a result, were reopened or hold, in epoch order.

        More than one author in it: the task has moved.
        """
        contest = self._evaluated(task)
        return () if contest is None else resolver.attempts(contest, self._setting(contest))

    def candidates(self, task: bytes) -> tuple[Record, ...]:
        """The claims that rule 5 admits in the highest open epoch, by (seq, author)."""
        contest = self._evaluated(task)
        if contest is None:
            return ()
        return resolver.candidates(contest, self._setting(contest), self._read(contest))

    def excluded(self, task: bytes) -> frozenset[bytes]:
        """The authors whom the requester shut out of the highest open epoch."""
        contest = self._offered(task)
        return frozenset() if contest is None else resolver.excluded(contest, self._read(contest))

    def is_stalled(self, task: bytes) -> bool:
        """Whether the task stands without a holder until its requester reopens it.

        So it is where the award names a record that is not here (a conviction may have taken it
        away for good), and where a claim of the highest open epoch was released by an author
        whose first reopen was spent before: nothing opened, and it cannot claim there again.
        """
        resolution, contest = self.resolve(task), self._evaluated(task)
        if contest is None or resolution is None or resolution.holder is not None:
            return False
        if resolution.state in ENDS:
            return False
        reading = self._read(contest)
        return resolution.rule is Rule.AWARD or any(
            reading.claims[claim][1].epoch == reading.epoch for claim in reading.released
        )

    def after_satisfied(self, task: bytes) -> bool:
        """Whether every task that the offer comes after has ended accepted."""
        contest = self._offered(task)
        return contest is not None and self._accepted_at(contest) is not None

    def after_failed(self, task: bytes) -> bool:
        """Whether a task that the offer comes after has ended without being accepted: then nobody
        can ever claim this one."""
        contest = self._offered(task)
        return contest is not None and contest.offer is not None and any(
            isinstance(end[1], Cancel) for end in self._after_endings(contest) if end is not None
        )

    def claim_refs(self, task: bytes, author: bytes) -> tuple[bytes, ...]:
        """What a claim that `author` makes now must ref, at most `MAX_REFS`, in byte order."""
        contest = self._evaluated(task)
        if contest is None:
            return ()
        return claim_refs(
            contest, self._setting(contest), self._read(contest), self._after_accepts(contest),
            author,
        )

    def clock(self, task: bytes, record_id: bytes) -> Clock:
        """clock_T of a record of the task, with its author's own lower records of the task.

        Empty where the record is not here.
        """
        return self._causality.clock(task, record_id)

    def snapshot(self) -> bytes:
        """32 bytes that commit to every task's resolution: equal sets, equal bytes."""
        return self._tally.snapshot()

    # --- across tasks --------------------------------------------------------------------------

    def _evaluated(self, task: bytes) -> Contest | None:
        """The contest, unless its offer is missing or it is an alias."""
        contest = self._offered(task)
        return None if contest is None or self._original(contest) != task else contest

    def _original(self, contest: Contest) -> bytes:
        """The task that the offer means: the lowest of those with its author and key."""
        assert contest.offer is not None
        record, offer = contest.offer
        if not offer.idempotency_key:
            return contest.task
        return self._offers_by_key[record.author, offer.idempotency_key][0][1]

    def _setting(self, contest: Contest) -> Setting:
        assert contest.offer is not None
        if not contest.offer[1].after:
            return self._plain
        return Setting(self._causality, self._convicted, self._accepted_at(contest))

    def _read(self, contest: Contest) -> resolver.Reading:
        return resolver.read(contest, self._setting(contest))

    def _accepted_at(self, contest: Contest) -> tuple[int, ...] | None:
        accepts: list[int] = []
        for accept in self._after_accepts(contest):
            if accept is None:
                return None
            accepts.append(accept.seq)
        return tuple(accepts)

    def _after_accepts(self, contest: Contest) -> list[Record | None]:
        """The accept that ended each task the offer comes after."""
        return [
            end[0] if end is not None and isinstance(end[1], Verdict) else None
            for end in self._after_endings(contest)
        ]

    def _after_endings(self, contest: Contest) -> list[tuple[Record, Verdict | Cancel] | None]:
        """How each task the offer comes after ended; an alias stands for its task."""
        assert contest.offer is not None
        requester = contest.offer[0].author
        found: list[tuple[Record, Verdict | Cancel] | None] = []
        for seq in contest.offer[1].after:
            named = self._contests.get(self._offers_at.get((requester, seq), b""))
            found.append(None if named is None else resolver.end_of(
                self._contests[self._original(named)]))
        return found


def _discard(index: dict[Any, dict[bytes, None]], key: Any, task: bytes) -> None:
    entries = index[key]
    del entries[task]
    if not entries:
        del index[key]
