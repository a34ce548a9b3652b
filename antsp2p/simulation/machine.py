"""One simulated machine: a clock of its own, a disk, and the shipped node between them.

Law: the order of a turn is the runtime's: an overdue deadline, then what the inbox holds; datagrams
leave at once, and what is to be kept is committed behind the node's back, one commit at a time;
then follows what waited for it, and the node is told what is durable.
A crash loses everything but the disk.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from antsp2p.events import (
    AppendRecord,
    Committed,
    DatagramReceived,
    Effect,
    Event,
    FetchLogs,
    MoreLogs,
    PeerHint,
    RemoveRecords,
    SaveAddress,
    SaveAnswer,
    SaveProof,
    SavePublished,
    SendDatagram,
    StopLogs,
    Woke,
)
from antsp2p.gossip.limits import DEFAULT_LIMITS, Limits
from antsp2p.gossip.network_keys import KeyRing
from antsp2p.gossip.protection import protect
from antsp2p.history import StoredRecord
from antsp2p.node import Node
from antsp2p.records.keys import Identity
from antsp2p.simulation.limits import (
    COMMIT_US,
    MAX_IDLE_WAKES,
    MAX_INBOX_DATAGRAMS,
    MAX_TURN_EVENTS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from antsp2p.coordination.body import BlobRef
    from antsp2p.events import Address
    from antsp2p.records.log import ForkProof
    from antsp2p.records.record import Record
    from antsp2p.simulation.world import World

Kept = AppendRecord | RemoveRecords | SaveProof | SavePublished | SaveAnswer | SaveAddress
_KEPT: Final = (AppendRecord, RemoveRecords, SaveProof, SavePublished, SaveAnswer, SaveAddress)
_WOKE: Final = Woke()
PORT: Final = 4700
PARTS_PER_MILLION: Final = 1_000_000


@dataclass(slots=True)
class MachineClock:
    """A machine's own monotonic clock: no two start at the same number or run alike."""

    offset_us: int = 0
    rate_ppm: int = 0

    def read(self, time_us: int) -> int:
        """What the clock shows at `time_us` of the world."""
        if not self.rate_ppm:
            return self.offset_us + time_us
        return self.offset_us + time_us + time_us * self.rate_ppm // PARTS_PER_MILLION

    def reaches(self, shown_us: int) -> int:
        """The first time of the world at which the clock shows at least `shown_us`."""
        elapsed_us = shown_us - self.offset_us
        if not self.rate_ppm:
            return elapsed_us
        time_us = elapsed_us * PARTS_PER_MILLION // (PARTS_PER_MILLION + self.rate_ppm) - 2
        while self.read(time_us) < shown_us:
            time_us += 1
        return time_us


@dataclass(slots=True)
class Disk:
    """What survives a crash. Records are kept with their age and the time they were kept."""

    boot: int = 0
    published: int = 0
    logs: dict[bytes, dict[int, tuple[Record, int, int]]] = field(default_factory=dict)
    proofs: dict[bytes, ForkProof] = field(default_factory=dict)
    addresses: dict[bytes, Address] = field(default_factory=dict)
    blobs: dict[bytes, BlobRef] = field(default_factory=dict)
    answers: dict[bytes, bytes] = field(default_factory=dict)

    def apply(self, batch: Iterable[Kept], now_us: int) -> None:
        """One transaction."""
        for kept in batch:
            match kept:
                case AppendRecord(record=record, age_ms=age_ms):
                    log = self.logs.setdefault(record.author, {})
                    log[record.seq] = (record, age_ms, now_us)
                case RemoveRecords(author=author, first_seq=first_seq):
                    log = self.logs.get(author, {})
                    for seq in [seq for seq in log if seq >= first_seq]:
                        del log[seq]
                case SaveProof(proof=proof):
                    self.proofs[proof.author] = proof
                case SavePublished(seq=seq):
                    self.published = seq
                case SaveAnswer(task=task, answer=answer):
                    if answer:
                        self.answers[task] = answer
                    else:
                        self.answers.pop(task, None)
                case SaveAddress(author=author, address=address):
                    self.addresses[author] = address

    def copy(self) -> Disk:
        """A backup of everything on it."""
        return Disk(
            self.boot, self.published, {author: dict(log) for author, log in self.logs.items()},
            dict(self.proofs), dict(self.addresses), dict(self.blobs), dict(self.answers),
        )

    def history(self, now_us: int) -> list[StoredRecord]:
        """All records, authors sorted, ascending by seq, each with its age by now."""
        return [
            StoredRecord(
                record, age_ms + (now_us - kept_us) // 1_000, (now_us - kept_us) // 1_000
            )
            for author in sorted(self.logs)
            for _, (record, age_ms, kept_us) in sorted(self.logs[author].items())
        ]

    def own(self, author: bytes) -> Mapping[int, bytes]:
        """Seq -> id of the author's records."""
        return {seq: entry[0].id for seq, entry in self.logs.get(author, {}).items()}


def address_of(index: int, moves: int = 0) -> Address:
    """Each machine's own, and after a move one that nobody else has."""
    net = 2 * (moves % 128) + index // 62_500
    return (f"10.{net}.{index // 250 % 250}.{index % 250 + 1}", PORT)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that this machine's user does with the node itself, as a command does."""

    do: Callable[[Node], object]


@dataclass(slots=True)
class _Batch:
    """What one commit keeps, what waits for it, and the last own record that it leaves."""

    kept: list[Kept] = field(default_factory=list)
    rest: list[Effect] = field(default_factory=list)
    own_seq: int | None = None


NodeMaker = Callable[["Machine"], Node]
"""Starts a node on a machine: the shipped one, unless a test breaks it on purpose."""


def shipped_node(
    machine: Machine, kind: type[Node] = Node, limits: Limits = DEFAULT_LIMITS
) -> Node:
    """The node as the runtime starts it; an adversary is of another kind, with other limits."""
    world = machine.world
    start = f"{machine.index}/{machine.life}/{machine.disk.boot}"
    rng = world.stream(f"node/{start}")
    protection = protect(
        machine.identity, world.network_id, KeyRing(world.network_id, [world.network_key]),
        world.stream(f"links/{start}").randbytes, world.suite,
    )
    return kind(
        machine.identity, world.network_id, protection=protection, boot=machine.disk.boot,
        instance=rng.randbytes(8), rng=rng, history=machine.disk.history(world.now_us),
        proofs=tuple(machine.disk.proofs[author] for author in sorted(machine.disk.proofs)),
        fresh=machine.disk.boot == 1, published=machine.disk.published,
        answers=tuple(machine.disk.answers.items()),
        now_us=machine.local_us,
        wall_ms=world.epoch_ms + world.now_us // 1_000 + machine.wall_step_ms,
        verify=world.verify, parse=world.parse,
        nickname=f"node-{machine.index}", limits=limits,
    )


class Machine:
    """A machine of the world. `node` is None while it is down."""

    def __init__(self, world: World, index: int, make_node: NodeMaker = shipped_node) -> None:
        self.world = world
        self.index = index
        self.moves = 0
        self.address: Address = address_of(index)
        self.make_node = make_node
        self.wall_step_ms = 0
        """How far off this machine's calendar is; a node reads it as it starts."""
        self.life = 0
        """Counts the keys this machine has had; a wiped home begins a new life."""
        self.identity = self._new_identity()
        self.disk = Disk()
        self.clock = MachineClock(offset_us=world.stream(f"clock/{index}").randrange(10**12))
        self.node: Node | None = None
        self.generation = 0
        """Counts starts and crashes, so that events meant for an earlier start find nobody."""
        self.inbox: deque[Event | Act] = deque()
        self.handle_us = 0
        """What one event cost_us this machine's processor; its effects leave after that."""
        self.stalled = False
        self._datagrams_waiting = 0
        self._next = _Batch()
        self._writing: _Batch | None = None
        self._busy = False
        self._computed: Sequence[Effect] | None = None
        """Effects of a turn that ended while the process was stopped."""
        self._wake_due_us: int | None = None
        self._idle_wakes = 0

    @property
    def local_us(self) -> int:
        """What this machine's clock shows now."""
        return self.clock.read(self.world.now_us)

    @property
    def author(self) -> bytes:
        """The key of the home on this machine."""
        return self.identity.author

    @property
    def is_up(self) -> bool:
        """Whether the node runs."""
        return self.node is not None

    def _new_identity(self) -> Identity:
        stream = self.world.stream(f"identity/{self.index}/{self.life}")
        return Identity.from_seed(stream.randbytes(32))

    # --- life and death ---------------------------------------------------------------------

    def start(self) -> None:
        """Start a node over what the disk holds."""
        if self.node is not None:
            return
        self.generation += 1
        self.disk.boot += 1
        self.node = self.make_node(self)
        for observer in self.world.observers:
            observer.started(self)
        for author in sorted(self.disk.addresses):
            self.tell(PeerHint(self.disk.addresses[author]))
        self._arm_wake()

    def crash(self, committed: bool = False) -> None:
        """Lose all but the disk. `committed`: the commit under way was durable, unseen."""
        if self.node is None:
            return
        if committed:
            self.disk.apply(self._writing.kept if self._writing else (), self.world.now_us)
        self.generation += 1
        self.world.retire(self.node)
        self.node = None
        self.inbox.clear()
        self.stalled = self._busy = False
        self._datagrams_waiting = 0
        self._next, self._writing = _Batch(), None
        self._computed = None
        self._wake_due_us = None
        for observer in self.world.observers:
            observer.crashed(self)

    def wipe(self) -> None:
        """Lose the home with its key: the next start is somebody new at the same address."""
        self.crash()
        lost, self.life = self.author, self.life + 1
        self.identity, self.disk = self._new_identity(), Disk()
        for observer in self.world.observers:
            observer.wiped(self, lost)

    def restore(self, backup: Disk) -> None:
        """Crash, and put the backup in the place of the disk: the same key with an older store."""
        self.crash()
        self.disk = backup.copy()

    def lose_store(self) -> None:
        """Crash, and lose the store but not the key: who one is, and nothing that one said."""
        self.crash()
        self.disk = Disk(boot=self.disk.boot)

    def move(self) -> None:
        """Crash, and come back at another address."""
        self.crash()
        self.world.network.detach(self)
        self.moves += 1
        self.address = address_of(self.index, self.moves)
        self.world.network.attach(self)

    def stall(self) -> None:
        """Stop the node's process; what arrives waits, as far as a socket holds it."""
        if self.node is not None:
            self.stalled = True

    def resume(self) -> None:
        """Let the node's process run again."""
        if not self.stalled:
            return
        self.stalled = False
        if self._computed is not None:
            effects, self._computed = self._computed, None
            self._carry_out(effects)
        else:
            self._take_turn()

    # --- events -----------------------------------------------------------------------------

    def expect(self, source: Machine, delay_us: int, data: bytes) -> None:
        """A datagram is under way, and reaches the socket in `delay_us`."""
        self.world.after(delay_us, self.datagram_arrived, source.address, data)

    def datagram_arrived(self, source: Address, data: bytes) -> None:
        """A datagram reaches the socket."""
        if self.node is None:
            self.world.network.drops["down"] += 1
        elif self._datagrams_waiting >= MAX_INBOX_DATAGRAMS:
            self.world.network.drops["inbox-full"] += 1
        else:
            for observer in self.world.observers:
                observer.delivered(self, data)
            self._datagrams_waiting += 1
            self.tell(DatagramReceived(source, data))

    def tell(self, event: Event | Act) -> None:
        """Put an event into the inbox."""
        if self.node is None:
            return
        self.inbox.append(event)
        if not self._busy and not self.stalled:
            self._take_turn()

    def _take_turn(self) -> None:
        if self._busy or self.stalled or self.node is None:
            return
        effects: list[Effect] = []
        local_us = self.clock.read(self.world.now_us)
        events = min(len(self.inbox), MAX_TURN_EVENTS)
        cost_us = events * self.handle_us
        wake_at = self.node.wake_at
        if wake_at is not None and wake_at <= local_us:
            effects += self._handle(_WOKE, local_us)
            cost_us += self.handle_us
        for _ in range(events):
            event = self.inbox.popleft()
            if type(event) is DatagramReceived:
                self._datagrams_waiting -= 1
            effects += self._handle(event, local_us)
        if cost_us:
            self._busy = True
            self._later(cost_us, self._carry_out, effects)
        else:
            self._carry_out(effects)

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        """Datagrams leave at once, what is to be kept goes to the disk, and the rest waits for
        that, as in the runtime."""
        if self.stalled:
            self._computed = effects
            return
        self._busy = False
        if effects:
            self._pass_on(effects)
        if self.inbox:
            self._later(0, self._take_turn)
        self._arm_wake()

    def _pass_on(self, effects: Sequence[Effect]) -> None:
        send = self.world.network.send
        rest: list[Effect] = []
        for effect in effects:
            if type(effect) is SendDatagram:
                send(self, effect.address, effect.data)
            elif isinstance(effect, _KEPT):
                self._keep(effect)
            else:
                rest.append(effect)
        if self._next.kept or self._next.rest or self._writing is not None:
            self._next.rest += rest
            self._save()
        else:
            self._perform(rest)

    def _keep(self, effect: Kept) -> None:
        self._next.kept.append(effect)
        if isinstance(effect, AppendRecord):
            # Own ones that peers gave back, too: until told, the node shows them to nobody.
            if effect.record.author == self.author:
                self._next.own_seq = max(self._next.own_seq or 0, effect.record.seq)
        elif isinstance(effect, RemoveRecords) and effect.author == self.author:
            # The old ones, once durable, say nothing about those that are signed anew.
            for batch in (self._writing, self._next):
                if batch is not None and batch.own_seq is not None:
                    batch.own_seq = min(batch.own_seq, effect.first_seq - 1)

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, FetchLogs | MoreLogs | StopLogs):
                self.world.streams.perform(self, effect)
            else:
                for observer in self.world.observers:
                    observer.performed(self, effect)

    def _save(self) -> None:
        """Begin a commit, unless one is under way."""
        if self._writing is None and (self._next.kept or self._next.rest):
            self._writing, self._next = self._next, _Batch()
            self._later(COMMIT_US, self._commit)

    def _commit(self) -> None:
        batch, self._writing = self._writing, None
        assert batch is not None
        self.disk.apply(batch.kept, self.world.now_us)
        for observer in self.world.observers:
            observer.committed(self, batch.kept)
        self._perform(batch.rest)
        self._save()
        if batch.own_seq:
            self.inbox.appendleft(Committed(batch.own_seq))
            self._take_turn()

    def _handle(self, event: Event | Act, local_us: int) -> Sequence[Effect]:
        assert self.node is not None
        try:
            if isinstance(event, Act):
                event.do(self.node)
                event = _WOKE
            effects = self.node.handle(event, local_us)
        except Exception as error:
            what = f"handle({type(event).__name__}) raised {error!r}"
            raise self.world.violation("node", what, self) from error
        return self.world.handled(self, event, effects)

    def _later(self, delay_us: int, action: Callable[..., None], *arguments: object) -> None:
        self.world.after(delay_us, self._if_still, self.generation, action, arguments)

    def _if_still(
        self, generation: int, action: Callable[..., None], arguments: tuple[object, ...]
    ) -> None:
        if generation == self.generation:
            action(*arguments)

    # --- the deadline -----------------------------------------------------------------------

    def _arm_wake(self) -> None:
        wake_at = None if self.node is None else self.node.wake_at
        if wake_at is None:
            return
        now_us = self.world.now_us
        due_us = max(self.clock.reaches(wake_at), now_us)
        if self._wake_due_us is None or due_us < self._wake_due_us:
            self._wake_due_us = due_us
            self._idle_wakes = self._idle_wakes + 1 if due_us == now_us else 0
            if self._idle_wakes > MAX_IDLE_WAKES:
                raise self.world.violation("wake", "a node's deadline stays in the past", self)
            self._later(due_us - now_us, self._wake, due_us)

    def _wake(self, due_us: int) -> None:
        if due_us == self._wake_due_us:
            self._wake_due_us = None
            self._take_turn()
