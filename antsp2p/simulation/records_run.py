"""Isolated records: how fast, how often and at what cost one record reaches every node.

Law: nothing here touches a node but to let it sign a record. No agent serves, nothing is announced,
no task is posted, so all traffic is the spreading of the records and the links' own upkeep.

A run has four parts. *Forming*: the nodes start at random moments and link up, for `form_ms` after
the last start. *Warm-up*: `WARM_UP_RECORDS` records are spread and not counted, so that the tree
has its shape. *Measured*: `records` records, each from a running node drawn at random, `gap_ms`
after the one before and not before that one is everywhere, for which it waits `PATIENCE_US` at
most. *Tail*: until every running node has every measured record, and one gap at least, or until
`DEADLINE_US` has passed since the last one. Loss holds from the first moment; the profile's other
faults begin with the measured part.

What the report means; the window is the measured part and the tail, and a pair is one measured
record and one node, other than its author, that runs at the end:

- `records`: measured records that some running node has at the end; `lost_with_author`: how many
  died with their author before they left it. Where a profile brings everybody back, the run waits
  for that first.
- `coverage`: share of the pairs in which the node has the record at the end; `missed`: how many
  pairs lack it.
- `copies_per_node`: transmissions of measured records (pushed, in answers, in parts; lost ones and
  those to nobody count) per measured record and node other than its author.
- `latency_ms`: from the moment at which the record was durable at its author, who sends it then, to
  the moment at which it entered the node's set, over all pairs that have one.
- `bytes_per_node`: UDP payload sent in the window per node; `spread_bytes_per_node`: only the
  messages that carry or ask for news (see `SPREADING`), without the datagrams' own headers;
  `bytes_per_node_and_record`: the latter per measured record.
- `bytes_by_message`: the bytes of all nodes in the window by message, and under `framing` what
  datagram headers add. Messages outside an open link (hello, welcome, ...) count with theirs.
- `adverts_per_node`: advert frames sent in the window, per measured record and node.
- `datagrams_per_node`: datagrams sent in the window per node.
- `links`: of the running nodes, when the measured part begins; `isolated`: nodes without any then.
- In the profile with forkers, what `Convictions.report` says.
- `wall_s`, `cpu_s`, `peak_memory_mb`: what the run cost this machine; no other figure depends on
  it.
"""
from __future__ import annotations

import functools
import gc
import resource
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, ClassVar, Final, ParamSpec, cast

from antsp2p.coordination.body import RecordType
from antsp2p.coordination.draft import Draft
from antsp2p.events import AppendRecord, Effect, Event
from antsp2p.simulation.discovery import Discovery
from antsp2p.simulation.faults import arm_all
from antsp2p.simulation.machine import Act, Kept, Machine, NodeMaker, shipped_node
from antsp2p.simulation.profiles import PROFILES
from antsp2p.simulation.quantiles import quantiles_ms
from antsp2p.simulation.world import Observer, World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence

    from antsp2p.coordination.body import Body
    from antsp2p.node import Node
    from antsp2p.records.record import Record
    from antsp2p.simulation.options import SimulationOptions

P = ParamSpec("P")
RECORD_MARK: Final = b"\xa9\x00\x01\x01\x50"
"""How every record's payload begins, before the network id; it counts the copies in a datagram."""
START_WITHIN_US: Final = 50_000
START_EACH_US: Final = 500
"""Nodes start within 50 ms of each other, and half a millisecond more for each node."""
WARM_UP_RECORDS: Final = 3
CONTENT_BYTES: Final = 119
"""Makes a record of 300 bytes on the wire, give or take the sizes of its numbers."""
DEADLINE_US: Final = 120_000_000
"""After the last record; what is not everywhere by then is missed."""
PATIENCE_US: Final = 2_000_000
"""A record that is not everywhere by then no longer keeps the next one waiting."""
LOOK_US: Final = 10_000
"""How often the run asks whether every node has the records."""
CURVE_POINTS: Final = 200
"""Of one curve; more are not seen."""
SPREADING: Final = (
    "news", "adverts", "records", "want", "wantids", "wantnames", "prune", "graft", "part",
)
"""Messages that carry news or ask for it."""
REPAIRING: Final = (
    "since", "changes", "probe", "nodes", "leaves", "wantauthors", "wantproofs",
)
"""Messages that find out what differs."""
UPKEEP: Final = (
    "hello", "welcome", "confirm", "busy", "gone", "cookie", "bye", "ping", "pong", "peers",
    "beatframe", "secret",
)
"""Messages that flow without news as well."""


@dataclass(frozen=True, slots=True)
class Filler:
    """The body of an isolated record: of a reserved type, so stored and relayed, and void."""

    content: bytes
    type: ClassVar[RecordType] = RecordType.MARK
    shape: ClassVar[Mapping[int, tuple[str, None, bool]]] = {1: ("content", None, True)}


class Isolated(Observer):
    """Publishes isolated records and follows where they arrive."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mark = RECORD_MARK + world.network_id
        self._contents = world.stream("records/contents")
        self._authors = world.stream("records/authors")
        self.published: list[Record] = []
        """In order of signing."""
        self._due: dict[bytes, tuple[int, int]] = {}
        """Record id -> (machine of its author, when it was durable there)."""
        self.arrivals_us: dict[bytes, dict[int, int]] = {}
        """Record id -> machine -> how long it took."""
        self.copies = 0
        self._sought: tuple[Record | None, Machine | None] = (None, None)
        world.observers.append(self)
        world.network.sniff = self._sniff

    def publish(self) -> None:
        """A running node, drawn at random, signs one record."""
        machine = self._authors.choice(self._world.running())
        self.publish_at(machine)

    def publish_at(self, machine: Machine) -> None:
        """The node of this machine signs one record, if it may sign now."""
        draft = Draft(cast("Body", Filler(self._contents.randbytes(CONTENT_BYTES))))

        def sign(node: Node) -> None:
            if node.may_sign:
                self.published.append(node.append(draft))

        machine.tell(Act(sign))

    def _sniff(self, data: bytes) -> None:
        self.copies += data.count(self._mark)

    def committed(self, machine: Machine, batch: Sequence[Kept]) -> None:
        for kept in batch:
            if type(kept) is AppendRecord and kept.own:
                self._due[kept.record.id] = (machine.index, self._world.now_us)
                self.arrivals_us.setdefault(kept.record.id, {})

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if type(effect) is AppendRecord and not effect.own:
                due = self._due.get(effect.record.id)
                if due is not None:
                    arrived = self.arrivals_us[effect.record.id]
                    arrived.setdefault(machine.index, self._world.now_us - due[1])

    def author_of(self, record: Record) -> int:
        """The index of the machine that signed the record; -1 where it never became durable."""
        return self._due.get(record.id, (-1, 0))[0]

    def kept(self, first: int) -> list[Record]:
        """The records from `first` on that some running node has. The others were lost with their
        author before anybody else had them."""
        running = self._world.running()
        return [
            record for record in self.published[first:]
            if any(_has(machine, record) for machine in running)
        ]

    def missing(self, first: int) -> int:
        """Pairs of such a record and a running node that lacks it."""
        running = self._world.running()
        return sum(
            not _has(machine, record) for record in self.kept(first) for machine in running
        )

    def is_everywhere(self, first: int) -> bool:
        """Whether every running node has all records from `first` on that are not lost with their
        author; looks first where one was missing before."""
        running = self._world.running()
        record, machine = self._sought
        if (
            record is not None and machine is not None and machine.node is not None
            and not _has(machine, record) and record in self.kept(first)
        ):
            return False
        for record in self.published[first:]:
            lacking = [machine for machine in running if not _has(machine, record)]
            if lacking and len(lacking) < len(running):
                self._sought = (record, lacking[0])
                return False
        return True


def _has(machine: Machine, record: Record) -> bool:
    return machine.node is not None and machine.node.logs.get(record.id) is not None


@dataclass(slots=True)
class Traffic:
    """What has been sent so far, by all nodes that ever ran."""

    bytes: int
    datagrams: int
    copies: int
    by_message: Counter[str]
    frames: Counter[str]


def traffic(world: World, isolated: Isolated) -> Traffic:
    """Everything sent until now."""
    by_message, frames = world.retired_bytes.copy(), world.retired_frames.copy()
    for machine in world.running():
        assert machine.node is not None
        by_message += machine.node.gossip.sent
        frames += machine.node.gossip.frames
    network = world.network
    return Traffic(network.bytes, network.datagrams, isolated.copies, by_message, frames)


class RecordsRun:
    """One world in which isolated records are spread."""

    def __init__(
        self, options: SimulationOptions, *, make_node: NodeMaker = shipped_node
    ) -> None:
        self.options = options
        self.world = World(options.seed, delay=options.delay_model, replay=options.command)
        Discovery(self.world)
        for _ in range(options.nodes):
            self.world.add_machine(make_node).handle_us = options.handle_us
        self.world.network.background_loss = options.loss
        self.isolated = Isolated(self.world)
        self._faults_end_us = 0
        self._copies: list[int] = []
        """All copies sent until the next record was due, record by record."""

    def form(self) -> None:
        """Start all nodes and let them link up."""
        world = self.world
        starts = world.stream("starts")
        within_us = START_WITHIN_US + START_EACH_US * len(world.machines)
        for machine in world.machines:
            world.after(starts.randrange(within_us), machine.start)
        world.run(world.now_us + within_us + self.options.form_ms * 1_000)

    def spread(self, count: int) -> None:
        """Publish `count` records, one after the other, each when the one before is everywhere."""
        world, gap_us = self.world, self.options.gap_ms * 1_000
        for _ in range(count):
            last = len(self.isolated.published)
            self.isolated.publish()
            world.run(world.now_us + gap_us)
            patient_until_us = world.now_us + PATIENCE_US
            while world.now_us < patient_until_us and not self.isolated.is_everywhere(last):
                world.run(world.now_us + LOOK_US)
            self._copies.append(self.isolated.copies)

    def settle(self, first: int) -> bool:
        """Wait until all records from `first` on are everywhere, and the profile's faults are over
        and have brought back whom they took away; False at the deadline."""
        world = self.world
        world.run(max(world.now_us, self._faults_end_us))
        deadline_us = world.now_us + DEADLINE_US
        comes_back = PROFILES[self.options.profile].tasks
        while not (
            (not comes_back or len(world.running()) == len(world.machines))
            and self.isolated.is_everywhere(first)
        ):
            if world.now_us >= deadline_us:
                return False
            world.run(world.now_us + LOOK_US)
        return True

    def run(self, *, curves: bool = False) -> dict[str, Any]:
        """All four parts, and the report."""
        started_s, started_cpu_s = perf_counter(), process_time()
        world, options = self.world, self.options
        self.form()
        self.spread(WARM_UP_RECORDS)
        self.settle(0)
        first = len(self.isolated.published)
        links = [len(machine.node.gossip.links()) for machine in world.running() if machine.node]
        before, from_us = traffic(world, self.isolated), world.now_us
        if faults := PROFILES[options.profile].faults:
            arm_all(world, faults, options.faults_ms * 1_000)
            self._faults_end_us = world.now_us + options.faults_ms * 1_000
        self.spread(options.records)
        self.settle(first)
        report = self._report(first, before, traffic(world, self.isolated), links)
        for observer in world.observers:
            report |= observer.report()
        return {
            **report,
            "window_ms": (world.now_us - from_us) // 1_000,
            "simulated_ms": world.now_us // 1_000,
            "steps": world.steps,
            "trace_hash": world.trace_hash,
            "wall_s": round(perf_counter() - started_s, 2),
            "cpu_s": round(process_time() - started_cpu_s, 2),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024,
            **({"curves": self.curves(first)} if curves else {}),
        }

    def curves(self, first: int) -> dict[str, Any]:
        """What the records from `first` on did over time.

        `coverage`: (milliseconds, share of the pairs that had the record by then); `copies`: of
        each record, per node; what is sent after the next record counts with that. `slowest_ms`:
        of each record, its last arrival.
        """
        arrivals = [self.isolated.arrivals_us.get(r.id, {}) for r in self.isolated.kept(first)]
        took = sorted(us for arrived in arrivals for us in arrived.values())
        pairs = len(took) + self.isolated.missing(first)
        marks = sorted({*range(0, len(took), max(1, len(took) // CURVE_POINTS)), len(took) - 1})
        others = max(1, len(self.world.machines) - 1)
        sent = self._copies
        return {
            "coverage": [
                (took[mark] / 1_000, round((mark + 1) / pairs, 6)) for mark in marks if took
            ],
            "copies": [
                round((sent[at] - (sent[at - 1] if at else 0)) / others, 4)
                for at in range(first, len(sent))
            ],
            "slowest_ms": [max(arrived.values(), default=0) / 1_000 for arrived in arrivals],
        }

    def _report(
        self, first: int, before: Traffic, after: Traffic, links: Sequence[int]
    ) -> dict[str, Any]:
        world, isolated = self.world, self.isolated
        records = isolated.kept(first)
        nodes = len(world.machines)
        running = len(world.running())
        authors = {machine.author for machine in world.running()}
        pairs = sum(running - (record.author in authors) for record in records)
        missed = isolated.missing(first)
        by_message = after.by_message - before.by_message
        sent = after.bytes - before.bytes
        datagrams_sent = by_message.pop("datagram", 0)
        framed = sum(
            size for name, size in by_message.items() if name not in UNFRAMED
        )
        by_message["framing"] = max(0, datagrams_sent - framed)
        spreading = sum(by_message[name] for name in SPREADING)
        latencies = [
            took for record in records
            for took in isolated.arrivals_us.get(record.id, {}).values()
        ]
        wanted = max(1, len(records) * (nodes - 1))
        return {
            "nodes": nodes,
            "running": running,
            "records": len(records),
            "lost_with_author": len(isolated.published) - first - len(records),
            "warm_up_records": first,
            "record_bytes": max((len(record.wire) for record in records), default=0),
            "loss": self.options.loss,
            "seed": self.options.seed,
            "coverage": round(1 - missed / pairs, 8) if pairs else 1.0,
            "missed": missed,
            "copies_per_node": round((after.copies - before.copies) / wanted, 4),
            "latency_ms": quantiles_ms(latencies),
            "bytes_per_node": sent // nodes,
            "spread_bytes_per_node": spreading // nodes,
            "bytes_per_node_and_record": round(spreading / nodes / max(1, len(records)), 1),
            "bytes_by_message": dict(sorted((k, v) for k, v in by_message.items() if v)),
            "adverts_per_node": round(
                (after.frames["adverts"] - before.frames["adverts"]) / wanted, 3
            ),
            "datagrams_per_node": round((after.datagrams - before.datagrams) / nodes, 1),
            "links": {
                "min": min(links, default=0),
                "mean": round(sum(links) / max(1, len(links)), 2),
                "max": max(links, default=0),
            },
            "isolated": links.count(0),
            "drops": dict(sorted(world.network.drops.items())),
        }


UNFRAMED: Final = frozenset({"hello", "welcome", "busy", "gone", "cookie", "bye"})
"""Messages that the engine counts with their datagram's header."""


def without_cycle_search(run: Callable[P, dict[str, Any]]) -> Callable[P, dict[str, Any]]:
    """Run it without the search for cycles of dead objects.

    Nodes live to the end of a run; looking through millions of objects again and again would
    double its time.
    """

    @functools.wraps(run)
    def running(*args: P.args, **options: P.kwargs) -> dict[str, Any]:
        searches = gc.isenabled()
        gc.disable()
        try:
            return run(*args, **options)
        finally:
            if searches:
                gc.enable()

    return running


@without_cycle_search
def run_records(options: SimulationOptions, *, curves: bool = False) -> dict[str, Any]:
    """Spread isolated records and return the report, with its curves if they are wanted."""
    return RecordsRun(options).run(curves=curves)
