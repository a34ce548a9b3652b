"""Forkers: members that show two histories, each to some of their peers, and pass on no proof.

Law: both branches are well signed; nothing but their contradiction is wrong with them. What a
forker does beyond that is silence. `Convictions` only watches: from when on honest nodes had both
branches between them, and when each has convicted.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from antsp2p.coordination.body import RecordType
from antsp2p.events import SaveProof
from antsp2p.gossip.wire import Entry, News
from antsp2p.records.record import NO_PREV, sign_record
from antsp2p.simulation.faults import arrivals
from antsp2p.simulation.machine import Act
from antsp2p.simulation.quantiles import quantiles_ms
from antsp2p.simulation.world import Observer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from random import Random

    from antsp2p.events import Effect, Event
    from antsp2p.node import Node
    from antsp2p.records.record import Record
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

Pattern = Literal["split", "late", "whisper"]
PATTERNS: Final[tuple[Pattern, ...]] = ("split", "late", "whisper")
"""Half of its peers get the one branch and half the other; all get the one, and `LATE_US` later all
the other; all get the one, and a single peer the other at the same moment."""
LATE_US: Final = 700_000
TIMES: Final = 4
"""So often each branch is shown to whom it is meant for: datagrams may be lost."""
AGAIN_US: Final = 20_000
CONTENT_BYTES: Final = 119


@dataclass(slots=True)
class Fork:
    """Two branches of one author, and what became of them."""

    author: bytes
    branches: tuple[Record, Record]
    seen_us: list[int | None] = field(default_factory=lambda: [None, None])
    """When the first honest node got each."""
    convicted_us: dict[int, int] = field(default_factory=dict)
    """Honest machine -> when it convicted."""

    @property
    def both_seen_us(self) -> int | None:
        """When both branches had been seen by honest nodes."""
        first, second = self.seen_us
        return None if first is None or second is None else max(first, second)


class Convictions(Observer):
    """Who forked, and who has convicted whom."""

    def __init__(self, world: World, forkers: Sequence[Machine]) -> None:
        self._world = world
        self._forkers = frozenset(machine.index for machine in forkers)
        self._guilty: dict[bytes, Fork] = {}
        self._unseen: list[Fork] = []
        self._started_us: dict[int, int] = {}
        self.false: list[tuple[int, bytes]] = []
        """(machine, author): convictions of authors that did not fork."""
        world.observers.append(self)

    def expect(self, fork: Fork) -> None:
        """From now on the branches may be shown."""
        self._guilty[fork.author] = fork
        self._unseen.append(fork)

    def started(self, machine: Machine) -> None:
        self._started_us[machine.index] = self._world.now_us

    def delivered(self, machine: Machine, data: bytes) -> None:
        if not self._unseen or machine.index in self._forkers:
            return
        for fork in self._unseen:
            for side, branch in enumerate(fork.branches):
                if fork.seen_us[side] is None and branch.wire in data:
                    fork.seen_us[side] = self._world.now_us
        self._unseen = [fork for fork in self._unseen if fork.both_seen_us is None]

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if type(effect) is SaveProof:
                author = effect.proof.author
                fork = self._guilty.get(author)
                if fork is None:
                    self.false.append((machine.index, author))
                elif machine.index not in self._forkers:
                    fork.convicted_us.setdefault(machine.index, self._world.now_us)

    def forks(self) -> list[Fork]:
        """All forks so far, in order."""
        return list(self._guilty.values())

    def honest(self) -> list[Machine]:
        """The running machines that do not fork."""
        return [m for m in self._world.running() if m.index not in self._forkers]

    def report(self) -> dict[str, Any]:
        """The figures. `everywhere_ms`: per fork, from when honest nodes had both branches between
        them until the last honest node that runs now had convicted; `node_ms`: the same per honest
        node. For a node that was down then, the time counts from its start. `unconvicted`: pairs
        of a fork that was seen and an honest node without a proof; `unseen`: forks of which no
        honest node got a second branch."""
        honest = self.honest()
        everywhere: list[int] = []
        each: list[int] = []
        unseen = unconvicted = 0
        for fork in self._guilty.values():
            since_us = fork.both_seen_us
            if since_us is None:
                unseen += 1
                continue
            took = [
                at_us - max(since_us, self._started_us.get(machine.index, 0))
                for machine in honest
                if (at_us := fork.convicted_us.get(machine.index)) is not None
            ]
            # A node that came back with a proof on its disk has not learned it again.
            known = sum(
                machine.node is not None and machine.node.logs.proof(fork.author) is not None
                for machine in honest
            )
            unconvicted += len(honest) - known
            if took:
                everywhere.append(max(took))
                each += took
        return {
            "forks": len(self._guilty), "unseen": unseen, "unconvicted": unconvicted,
            "false_convictions": len(self.false),
            "everywhere_ms": quantiles_ms(everywhere), "node_ms": quantiles_ms(each),
        }


def fork(machine: Machine, pattern: Pattern, draws: Random, watch: Convictions) -> None:
    """Let the machine's node show two branches from its head on. It is not asked itself."""
    contents = (draws.randbytes(CONTENT_BYTES), draws.randbytes(CONTENT_BYTES))
    later = machine.world.after

    def show(node: Node) -> None:
        head = node.logs.head(node.author)
        one, other = (
            sign_record(
                machine.identity, network=node.network, seq=1 if head is None else head.seq + 1,
                prev=NO_PREV if head is None else head.id, type=RecordType.MARK,
                body={1: content}, claimed_ms=0,
            )
            for content in contents
        )
        _silence(node)
        watch.expect(Fork(node.author, (one, other)))
        peers = [link.author for link in _links(node)]
        count = {"split": len(peers) // 2, "late": 0, "whisper": min(1, len(peers))}[pattern]
        chosen = frozenset(draws.sample(peers, count))
        for time in range(TIMES):
            later(time * AGAIN_US, machine.tell, Act(_Show(one, other, chosen)))
            if pattern == "late":
                later(LATE_US + time * AGAIN_US, machine.tell, Act(_Show(other, one, frozenset())))

    machine.tell(Act(show))


@dataclass(frozen=True, slots=True)
class _Show:
    """Push `one` on each link, and `other` on those to the chosen; it leaves with the next
    effects."""

    one: Record
    other: Record
    chosen: Collection[bytes]

    def __call__(self, node: Node) -> None:
        parts: Any = node.gossip._parts
        for link in _links(node):
            shown = self.other if link.author in self.chosen else self.one
            parts.outbox.post(link, News(0, 1, (Entry(0, shown.wire),)))


def _links(node: Node) -> Sequence[Any]:
    parts: Any = node.gossip._parts
    links: Sequence[Any] = parts.links.all()
    return links


def _silence(node: Node) -> None:
    """From now on the node shows no proof to anybody, though it still asks for them."""
    proofs: Any = node.gossip._parts.proofs
    may = proofs._mark
    proofs.spread = lambda *_: None
    proofs._mark = lambda link, what, *rest: what != "sent" and may(link, what, *rest)


@dataclass(frozen=True, slots=True)
class Forkers:
    """This share of the nodes, each once, forks its log; one after the other, at random times."""

    share: float
    name: ClassVar[str] = "forkers"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        count = max(1, round(len(world.machines) * self.share))
        chosen = rng.sample(world.machines, min(count, len(world.machines)))
        watch = Convictions(world, chosen)
        times = arrivals(rng, max(1, end_us // 1_000 // count), end_us)
        for number, machine in enumerate(chosen):
            time_us = times[number] if number < len(times) else rng.randrange(end_us)
            pattern = PATTERNS[number % len(PATTERNS)]
            world.after(time_us, fork, machine, pattern, rng, watch)
