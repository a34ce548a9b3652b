"""One node: `handle(event, now_us) -> effects`, and one pulled deadline, `wake_at`.

Law: pure and synchronous, so every event is atomic. It composes the log set, the folds, the
decisions and the gossip, and holds no rule of its own. No clock, no socket, no file, no thread,
no randomness that was not handed in. A stranger's bytes never raise out of `handle`.
"""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from antsp2p.commands import Commands
from antsp2p.coordination.answers import OwedAnswers
from antsp2p.coordination.claimant import Claimant, Holding
from antsp2p.coordination.draft import Draft
from antsp2p.coordination.first_seen import TICK_MS
from antsp2p.coordination.judgement import (
    DEFAULT_POLICY,
    QUOTA_DOMAIN,
    Judgement,
    Policy,
)
from antsp2p.coordination.lease import Leases
from antsp2p.coordination.marks import Blackboard
from antsp2p.coordination.meaning import Meaning
from antsp2p.coordination.pins import NO_PINS, Pins
from antsp2p.coordination.requester import Requester
from antsp2p.decisions import Decisions
from antsp2p.events import (
    Address,
    AppendRecord,
    BlobFetched,
    BlobMissing,
    Committed,
    DatagramReceived,
    DatagramsReceived,
    Effect,
    Event,
    FetchLogs,
    KeysChanged,
    LogsEnded,
    LogsReceived,
    MoreLogs,
    Notice,
    PeerHint,
    PinsChanged,
    SaveAddress,
    SaveAnswer,
    SecretLearned,
    SendDatagram,
    StopLogs,
    Woke,
)
from antsp2p.folding import Folding
from antsp2p.gossip.engine import Gossip
from antsp2p.gossip.limits import DEFAULT_LIMITS, Limits
from antsp2p.gossip.outputs import (
    BeatLearned,
    HeadReported,
    Learned,
    LinkDown,
    LinkUp,
    Output,
    OwnDisplaced,
    Send,
)
from antsp2p.history import StoredRecord, parted, runs_of
from antsp2p.own_log import OwnLog
from antsp2p.profile import Profile
from antsp2p.publication import Publication
from antsp2p.pulse import Pulse
from antsp2p.records import keys
from antsp2p.records.log import ForkProof, Insertion, LogSet
from antsp2p.records.record import NO_PREV, Record, parse_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from random import Random

    from antsp2p.gossip.protection import Protection
    from antsp2p.records.beat import Beat
    from antsp2p.records.record import Parse

STALL_US: Final = 1_000_000
"""A deadline served later than this means that our own loop stood still."""
MAX_BEATS: Final = 10_000
"""Latest beats kept, one an author; the gossip bounds authors likewise."""
MAX_BLOB_SOURCES: Final = 8


class Node:
    """A node of one network. `now_us` is the observer's monotonic clock, `wall_ms` its calendar.

    `foresee` is told which signatures `verify` will be asked for soon, and may do nothing.
    """

    def __init__(
        self,
        identity: keys.Identity,
        network: bytes,
        *,
        protection: Protection,
        boot: int,
        instance: bytes,
        rng: Random,
        now_us: int,
        wall_ms: int,
        history: Iterable[StoredRecord] = (),
        proofs: Iterable[ForkProof] = (),
        fresh: bool = True,
        published: int | None = None,
        nickname: str = "",
        recovery: bytes = b"",
        work_bits: int = 0,
        work: int | None = None,
        suspicion: str = "",
        verify: keys.Verify = keys.verify,
        foresee: keys.Foresee | None = None,
        parse: Parse = parse_record,
        limits: Limits = DEFAULT_LIMITS,
        send: Callable[[Address, bytes], None] | None = None,
        policy: Policy = DEFAULT_POLICY,
        pins: Pins = NO_PINS,
        answers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """`recovery` is the digest of the identity's recovery key, and `work` its nonce where the
        network asks for `work_bits`. With a `suspicion`, a line that says why this may be an old
        copy, nothing is signed before a peer has confirmed the head. `answers` are what
        `SaveAnswer` saved. Datagrams go to `send`, where it is given, before `handle` returns, and
        are no effects then."""
        self.author: bytes = identity.author
        self.network = network
        self.nickname = nickname
        self.drops: Counter[str] = Counter()
        self.beats: dict[bytes, Beat] = {}
        self.logs = LogSet(network, verify)
        self.gossip = Gossip(
            logs=self.logs, protection=protection, instance=instance, rng=rng, now_us=now_us,
            verify=verify, foresee=foresee, parse=parse, limits=limits,
        )
        self._own = OwnLog(
            identity, network, self.logs, fresh=fresh, wall_offset_us=wall_ms * 1_000 - now_us,
            suspicion=suspicion,
        )
        self._profile = Profile(recovery, work)
        self._compose(identity.sign(QUOTA_DOMAIN), policy, pins, work_bits, now_us)
        self._effects: list[Effect] = []
        self._send = send
        self._now_us = now_us
        self._wall_offset_us, self._began_ms = wall_ms * 1_000 - now_us, wall_ms
        self._pulse = Pulse(identity, network, boot, now_us)
        self._restore(history, proofs, published, now_us)
        self._recall(answers)
        self._wake_at: int | None = None
        self._is_settled = False
        """Whether `_wake_at` is what the parts say now. It is not asked for after every event."""

    def _compose(
        self, secret: bytes, policy: Policy, pins: Pins, work_bits: int, now_us: int
    ) -> None:
        """The parts that make sense of records, decide by it, and see to what was decided."""
        self.meaning = Meaning(self.author, self.network, self._in_set, work_bits=work_bits)
        self.tasks, self.capabilities = self.meaning.tasks, self.meaning.capabilities
        self.ledger = self.meaning.ledger
        self.meaning.set_pins(pins)
        self._leases = Leases(now_us)
        self._judgement = judgement = Judgement(self.ledger, policy, secret)
        self.blackboard = Blackboard(self.author, self.meaning.marks, judgement)
        self.requester = Requester(
            self.author, self.tasks, self.capabilities, self._leases, self._is_reachable,
            judgement,
        )
        self.claimant = Claimant(
            self.author, self.tasks, self.capabilities, self._leases, judgement)
        self._answers = OwedAnswers(self.author, self.tasks, self._is_at_work)
        self._commands = Commands(self)
        self._publication = Publication(self, self._own, self._commands)
        self._decisions = Decisions(self)
        self._folding = Folding(
            self, own=self._own, answers=self._answers, commands=self._commands,
            publication=self._publication, decisions=self._decisions,
        )

    @property
    def holding(self) -> dict[bytes, Holding]:
        """Own claims that are held, by claim id."""
        return self.claimant.holdings

    @property
    def is_confirmed(self) -> bool:
        """Whether own records may leave: a peer has reported our head, or the log is new."""
        return self._own.confirmed

    @property
    def why_closed(self) -> str:
        """One line that says why nothing will ever be signed here again; empty where that is not
        so."""
        return self._own.why_not if self._own.is_closed else ""

    def is_linked(self, address: Address, data: bytes) -> bool:
        """Whether a datagram says that it is for the link to its sender; no more is looked at."""
        return self.gossip.bears_session(address, data)

    def is_bad(self, address: Address) -> bool:
        """Whether the peer that is linked at the address is known to be bad, or floods."""
        author = self.gossip.author_at(address)
        return author is not None and (
            self.gossip.is_flooding(author) or self._judgement.sheds(author))

    def last_seq(self, author: bytes) -> int:
        """The seq of the author's last record that is here for good; own ones are once they are
        on disk, held back or not."""
        if author == self.author:
            return min(self._publication.durable_seq, self._own.head[0])
        head = self.logs.head(author)
        return 0 if head is None else head.seq

    def record_at(self, author: bytes, seq: int) -> Record | None:
        """The author's record at `seq`, up to `last_seq`."""
        if seq > self.last_seq(author):
            return None
        held = self._own.held_at(seq) if author == self.author else None
        return self.logs.at(author, seq) if held is None else held

    def age_ms(self, record: Record, now_us: int) -> int:
        """How long ago the record was made, for display: since it was first shown to anybody, and
        an own one of this run since it was signed, though it may be held back."""
        shown_ms = self.gossip.age_ms(record.id, now_us)
        if record.author != self.author or record.claimed_ms < self._began_ms:
            return shown_ms
        return max(shown_ms, (now_us + self._wall_offset_us) // 1_000 - record.claimed_ms)

    @property
    def wake_at(self) -> int | None:
        """When `Woke` is due, in microseconds of the observer's clock; None: not at all."""
        if not self._is_settled:
            self._wake_at, self._is_settled = self._earliest(), True
        return self._wake_at

    def _earliest(self) -> int | None:
        deadlines = (
            self.gossip.wake_at, self._decisions.wake_at(self._now_us), self._own.confirm_at,
            self._pulse.wake_at, self._commands.wake_at,
        )
        return min([due for due in deadlines if due is not None], default=None)

    # --- the one entry -------------------------------------------------------------------------

    def handle(self, event: Event, now_us: int) -> list[Effect]:
        """What the node does about `event`. `now_us` never runs backwards."""
        if now_us - self._now_us > STALL_US:
            self._note_stall(now_us)
        self._now_us = now_us = max(now_us, self._now_us)
        self.ledger.advance(self.tick())
        match event:
            case DatagramReceived(address=address, data=data):
                self._receive(((address, data),), now_us)
            case DatagramsReceived(datagrams=datagrams, more=more):
                self._receive([(d.address, d.data) for d in datagrams], now_us, more)
            case Woke():
                if self._leases:
                    self.gossip.attend(now_us)
                self.take(self.gossip.wake(now_us))
            case Committed(seq=seq):
                self._publication.committed(seq, now_us)
            case PeerHint(address=address, keep=keep):
                self.take(self.gossip.hint(address, now_us, keep))
            case BlobFetched(blob=blob):
                self._decisions.blob_done(blob, "", now_us)
            case BlobMissing(blob=blob, reason=reason):
                self._decisions.blob_done(blob, reason or "no source", now_us)
            case LogsReceived(fetch=fetch, chunk=chunk):
                self.take(self.gossip.logs_received(fetch, chunk, now_us))
            case LogsEnded(fetch=fetch, reason=reason):
                self.take(self.gossip.logs_ended(fetch, reason, now_us))
            case KeysChanged(keys=secrets, overlap_ms=overlap_ms):
                if secrets[0].generation != self.gossip.generation:
                    self.notice("secret", self.author, generation=secrets[0].generation,
                                overlap_ms=overlap_ms)
                self.take(self.gossip.keys_changed(secrets, overlap_ms, now_us))
            case PinsChanged(pins=pins):
                self._decisions.touch(self.meaning.set_pins(pins))
            case _:
                self._publication.run(event, now_us)
        if self._own.may_confirm(now_us):
            self._publication.confirm(now_us)
        if self._publication.run_deferred(now_us):
            self._decisions.resume(now_us)
        self._commands.wake(now_us)
        self._decisions.settle(now_us)
        self._answer()
        self._beat()
        self._is_settled = False
        effects, self._effects = self._effects, []
        return effects

    def _note_stall(self, now_us: int) -> None:
        """Whoever was stopped has observed nothing: no lease ran in that time."""
        due_us = self.wake_at
        if due_us is not None and now_us - max(due_us, self._now_us) > STALL_US:
            self._leases.restart_all()

    def _receive(
        self, datagrams: Iterable[tuple[Address, bytes]], now_us: int, more: bool = False
    ) -> None:
        outputs = self.gossip.receive_all(datagrams, now_us, more=more)
        if self.gossip.heard_us == now_us:
            self._leases.heard(now_us)
        self.take(outputs)

    @property
    def is_confirming(self) -> bool:
        """Whether peers are about to say where our log ends. Nothing is signed in that moment: it
        would have to be signed again, and ids that were told would change."""
        return not self._own.confirmed and bool(self.gossip.links())

    @property
    def may_sign(self) -> bool:
        """Whether drafts may become records now."""
        return not (self._own.is_closed or self._own.is_suspect or self.is_confirming)

    # --- history -------------------------------------------------------------------------------

    def _restore(
        self, history: Iterable[StoredRecord], proofs: Iterable[ForkProof],
        published: int | None, now_us: int,
    ) -> None:
        self.ledger.advance(self.tick())
        for run in runs_of(history):
            is_own = run[0].record.author == self.author
            for record, age_ms, held_ms in self._taken_back(run, published if is_own else None):
                self.gossip.restored(record.id, age_ms, now_us)
                self._folding.fold(record, now_us, held_ms)
                if is_own:
                    self._folding.adopt(record, age_ms, now_us)
        for proof in proofs:
            self._folding.apply(self.logs.convict(proof), now_us)
        self._effects.clear()
        self._publication.begin(now_us)
        self._commands.restored(now_us)

    def _taken_back(
        self, run: list[StoredRecord], published: int | None
    ) -> Iterator[StoredRecord]:
        """Those of the run that are in the set again, and own ones that are held back."""
        run, held = parted(run, published)
        while run:
            count = self.logs.restore([stored.record for stored in run])
            yield from run[:count]
            if count < len(run):
                self.drops["history-gap"] += 1
            run = run[count + 1 :]
        for stored in held:
            self._own.hold(stored.record)
            yield stored

    def _recall(self, answers: Iterable[tuple[bytes, bytes]]) -> None:
        """The right answers of own tasks, as they were saved; of what is over they may go."""
        for task, answer in answers:
            resolution = self.tasks.resolve(task)
            if resolution is None or resolution.end is not None:
                self._effects.append(SaveAnswer(task, b""))
            else:
                self.requester.expect(task, answer)

    def expect(self, task: bytes, answer: bytes) -> None:
        """Whoever gives the answer with this hash for the own task is right, and nobody else."""
        self.requester.expect(task, answer)
        self._effects.append(SaveAnswer(task, answer))

    def _in_set(self, author: bytes, seq: int) -> Record | None:
        """The author's record at `seq`; of one's own those too that are held back."""
        record = self.logs.at(author, seq)
        if record is None and author == self.author:
            return self._own.held_at(seq)
        return record

    def tick(self, ago_ms: int = 0) -> int:
        """The observer's own calendar `ago_ms` ago, as coarse as evidence needs it."""
        return ((self._now_us + self._wall_offset_us) // 1_000 - ago_ms) // TICK_MS

    def append(self, draft: Draft) -> Record:
        """Sign a draft, fold it in, and have it stored. Raises `Malformed` if it does not fit.

        In an empty log a record comes before it that says what is to be said of the key; and what
        must be answered is answered before.
        """
        self._answer()
        *before, body = self._profile.bodies(
            draft.body, has_announced=self.meaning.standings.has_announced(self.author),
            is_first=not self._own.head[0],
        )
        for opening in before:
            self._sign(Draft(opening))
        return self._sign(Draft(body, draft.refs))

    def _answer(self) -> None:
        """Say of own claims whose time was called over what must be said before anything else."""
        if self._answers and self.may_sign:
            for draft in self._answers.take():
                self._sign(draft)

    def _is_at_work(self, claim: bytes) -> bool:
        holding = self.claimant.holdings.get(claim)
        return holding is not None and holding.started

    def _sign(self, draft: Draft) -> Record:
        record = self._own.sign(draft, self._now_us)
        self._folding.fold(record, self._now_us)
        self._folding.adopt(record, 0, self._now_us)
        self._publication.save()
        self._effects.append(AppendRecord(record, 0, own=True))
        return record

    # --- what gossip learned -------------------------------------------------------------------

    def take(self, outputs: Sequence[Output]) -> None:
        """Do what gossip brought. Datagrams leave first: who waits for them need not wait for what
        the rest means here."""
        rest: list[Output] = []
        for output in outputs:
            if type(output) is not Send:
                rest.append(output)
            elif self._send is not None:
                self._send(output.address, output.data)
            else:
                self._effects.append(SendDatagram(output.address, output.data))
        for output in rest:
            match output:
                case Learned(insertion=insertion):
                    self._folding.apply(insertion, self._now_us)
                case BeatLearned(beat=beat):
                    self._beat_learned(beat)
                case HeadReported(seq=seq, head=head):
                    warning = self._own.head_reported(seq, head, self._now_us)
                    if warning:
                        self.notice("warning", self.author, text=warning)
                case LinkUp(author=author, address=address):
                    self._effects.append(SaveAddress(author, address))
                    self.notice("peer-up", author, address=f"{address[0]} {address[1]}")
                case LinkDown(author=author, reason=reason):
                    self.notice("peer-down", author, reason=reason)
                case OwnDisplaced(records=records):
                    self._own.displaced(records, self._now_us)
                case FetchLogs() | MoreLogs() | StopLogs() | SecretLearned():
                    self._effects.append(output)

    def _beat_learned(self, beat: Beat) -> None:
        latest = self.beats.get(beat.author)
        if latest is not None and beat.counter <= latest.counter:
            return  # Gossip forgets sooner than we do: an old beat must not renew a lease.
        if latest is not None or len(self.beats) < MAX_BEATS:
            self.beats[beat.author] = beat
        self._leases.renewed(beat.author, tuple(seq for seq, _ in beat.claims))

    # --- what the decisions need ----------------------------------------------------------------

    def blob_sources(self, author: bytes) -> tuple[Address, ...]:
        """Where an author's blobs may be had: at its own address first, then at linked peers."""
        addresses: dict[Address, None] = {}
        own = self.gossip.address_of(author)
        if own is not None:
            addresses[own] = None
        for link in self.gossip.links():
            addresses[link.address] = None
        return tuple(addresses)[:MAX_BLOB_SOURCES]

    def _is_reachable(self, author: bytes) -> bool:
        return author == self.author or any(
            link.author == author for link in self.gossip.links())

    def notice(self, kind: str, subject: bytes, **detail: Any) -> None:
        """Tell watchers."""
        self._effects.append(Notice(kind, subject, detail))

    def introduce(self, record: Record) -> Insertion:
        """Take in and pass on a record of another author that the user brings."""
        insertion, outputs = self.gossip.introduce(record, self._now_us)
        self._folding.apply(insertion, self._now_us)
        self.take(outputs)
        return insertion

    def emit(self, effect: Effect) -> None:
        """Have something done."""
        self._effects.append(effect)

    def replace(self, pairs: list[tuple[Record, Record]]) -> None:
        """Own records that were held back were signed anew: take (old, new) in."""
        self._folding.replace(pairs, self._now_us)

    def release(self, task: bytes, claim: bytes, reason: str) -> Record | None:
        """Give an own claim back; None where the claim is not there."""
        return self._decisions.release(task, claim, reason)

    def _beat(self) -> None:
        # Who has not been heard of yet cannot be renewed: the first record comes first.
        if not self._own.confirmed or self._own.is_closed or not self._publication.published_seq:
            return
        head = self.logs.at(self.author, self._publication.published_seq)
        agents = self.claimant.agents.values()
        beat = self._pulse.beat(
            self.claimant.renewable(self._now_us),
            slots=sum(agent.slots for agent in agents),
            free_slots=sum(agent.slots - agent.held for agent in agents),
            head_seq=self._publication.published_seq, head=NO_PREV if head is None else head.id,
            now_us=self._now_us,
        )
        if beat is not None:
            self.take(self.gossip.publish_beat(beat, self._now_us))
