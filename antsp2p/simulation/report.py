"""A whole simulation from a few options, and what it measured.

`run_from_options` builds the world, lets it run under its faults and checkers until everything has
ended, and returns a flat dictionary that JSON can hold. A broken rule raises `Violation`.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.body import Claim, Verdict, parse_body
from antsp2p.events import AppendRecord, Effect, Event
from antsp2p.simulation.checkers import Checkers, conflicts, holders_digest
from antsp2p.simulation.discovery import Discovery
from antsp2p.simulation.faults import Fault, arm_all
from antsp2p.simulation.limits import OBSERVE_US
from antsp2p.simulation.machine import Kept, Machine, NodeMaker, shipped_node
from antsp2p.simulation.profiles import PROFILES
from antsp2p.simulation.quantiles import quantiles_ms
from antsp2p.simulation.records_run import run_records
from antsp2p.simulation.workload import (
    FLAKY,
    HONEST,
    PRETENDING,
    SILENT,
    WRONG,
    Behaviour,
    TaskTerms,
    Workload,
)
from antsp2p.simulation.world import Observer, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.record import Record
    from antsp2p.simulation.options import SimulationOptions

RECORD_MARK: Final = b"\xa9\x00\x01\x01\x50"
"""How every record's payload begins, before the network id; it counts the copies in a datagram."""
START_WITHIN_US: Final = 50_000
"""Nodes start within this of each other."""
FIRST_POST_US: Final = 500_000
"""Tasks are posted from here on, when the nodes have found each other."""


@dataclass(slots=True)
class Simulation:
    """One world with its workload, checkers and measurements, ready to run."""

    options: SimulationOptions
    world: World
    workload: Workload
    checkers: Checkers
    spread: Spread
    at_rest: bool = False

    def run(self) -> dict[str, Any]:
        """Run until at rest, check liveness, and report."""
        self.world.after(self._busy_until_us(), self._observe)
        self.world.run(self.options.until_ms * 1_000)
        self.checkers.finish()
        return self.report()

    def _busy_until_us(self) -> int:
        last_us = max((posting.due_us for posting in self.workload.postings), default=0)
        faults_us = self.options.faults_ms * 1_000 if PROFILES[self.options.profile].faults else 0
        return max(last_us, faults_us, FIRST_POST_US)

    def _observe(self) -> None:
        self.at_rest = self.checkers.is_at_rest()
        if self.at_rest:
            self.world.stop()
        else:
            self.world.after(OBSERVE_US, self._observe)

    def report(self) -> dict[str, Any]:
        """What was measured so far."""
        world, workload = self.world, self.workload
        nodes = [machine.node for machine in world.running() if machine.node is not None]
        count = len(world.machines)
        posted = [posting for posting in workload.postings if posting.task]
        ends = [nodes[0].tasks.resolve(posting.task) for posting in posted]
        claim_ms, result_ms = self.spread.task_latencies_ms(workload)
        drops = sum((node.drops + node.gossip.drops for node in nodes), world.network.drops.copy())
        return {
            "nodes": count,
            "tasks": len(workload.postings),
            "seed": self.options.seed,
            "coverage": self._coverage(),
            "copies_per_node": self.spread.copies_per_node(count),
            "latency_ms": quantiles_ms(self.spread.latencies_us),
            "bytes_per_node": world.network.bytes // count,
            "datagrams_per_node": world.network.datagrams // count,
            "tasks_done": sum(end is not None and end.state == "accepted" for end in ends),
            "tasks_ended": sum(end is not None and end.end is not None for end in ends),
            "conflicts": round(conflicts(nodes[0]) / max(1, len(posted)), 4),
            "duplicate_runs": workload.duplicate_runs,
            "runs": workload.counts["runs"],
            "holders_agree": len({holders_digest(node) for node in nodes}) == 1,
            "claim_latency_ms": claim_ms,
            "result_latency_ms": result_ms,
            "refusals": workload.counts["refusals"],
            "drops": dict(sorted(drops.items())),
            "simulated_ms": world.now_us // 1_000,
            "steps": world.steps,
            "trace_hash": world.trace_hash,
        }

    def _coverage(self) -> float:
        held: dict[bytes, int] = {}
        running = self.world.running()
        for machine in running:
            assert machine.node is not None
            for record in machine.node.logs.records():
                held[record.id] = held.get(record.id, 0) + 1
        wanted = len(held) * len(running)
        return round(sum(held.values()) / wanted, 6) if wanted else 1.0


class Spread(Observer):
    """How fast and how often records reach the other nodes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mark = RECORD_MARK + world.network_id
        self._committed_us: dict[bytes, int] = {}
        self._first_claim_us: dict[bytes, int] = {}
        self._accepted_us: dict[bytes, int] = {}
        self.copies = 0
        self.latencies_us: list[int] = []
        world.observers.append(self)

    def delivered(self, machine: Machine, data: bytes) -> None:
        self.copies += data.count(self._mark)

    def committed(self, machine: Machine, batch: Sequence[Kept]) -> None:
        for kept in batch:
            if isinstance(kept, AppendRecord) and kept.own:
                self._committed_us.setdefault(kept.record.id, self._world.now_us)
                self._note_task(kept.record)

    def _note_task(self, record: Record) -> None:
        body = parse_body(record)
        if isinstance(body, Claim):
            self._first_claim_us.setdefault(body.task, self._world.now_us)
        elif isinstance(body, Verdict) and body.accept:
            self._accepted_us.setdefault(body.task, self._world.now_us)

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, AppendRecord) and not effect.own:
                signed_us = self._committed_us.get(effect.record.id)
                if signed_us is not None:
                    self.latencies_us.append(self._world.now_us - signed_us)

    def copies_per_node(self, nodes: int) -> float:
        """Copies of a record that arrive at a node which has to learn it, on average."""
        wanted = len(self._committed_us) * (nodes - 1)
        return round(self.copies / wanted, 3) if wanted else 0.0

    def task_latencies_ms(self, workload: Workload) -> tuple[dict[str, float], dict[str, float]]:
        """(post to first claim, post to accepted result)."""
        posted = [posting for posting in workload.postings if posting.task]
        return (
            quantiles_ms([self._first_claim_us[p.task] - p.due_us for p in posted
                          if p.task in self._first_claim_us]),
            quantiles_ms([self._accepted_us[p.task] - p.due_us for p in posted
                          if p.task in self._accepted_us]),
        )


def build(
    options: SimulationOptions, *, faults: tuple[Fault, ...] | None = None,
    make_node: NodeMaker = shipped_node,
) -> Simulation:
    """The world of `options`. `faults` replaces the profile's."""
    world = World(options.seed, delay=options.delay_model, replay=options.command)
    terms = TaskTerms(
        lease_ms=options.lease_ms, settle_ms=options.settle_ms, attempts=options.attempts,
        timeout_ms=options.timeout_ms, review=options.review, blob_rate=options.blob_rate,
    )
    workload = Workload(world, terms)
    checkers = Checkers(world, workload)
    spread = Spread(world)
    Discovery(world)
    for _ in range(options.nodes):
        world.add_machine(make_node)
    world.network.background_loss = options.loss
    chosen = PROFILES[options.profile].faults if faults is None else faults
    arm_all(world, chosen, options.faults_ms * 1_000)
    starts = world.stream("starts")
    for machine, behaviour in zip(world.machines, _behaviours(options), strict=True):
        workload.add_agent(
            machine, f"work.{machine.index % options.capabilities}", behaviour, options.slots
        )
        world.after(starts.randrange(START_WITHIN_US), machine.start)
    _post_tasks(world, workload, options)
    return Simulation(options, world, workload, checkers, spread)


def _behaviours(options: SimulationOptions) -> list[Behaviour]:
    """The bad ones last, so that the first nodes are honest in every mix."""
    bad = [
        behaviour
        for behaviour, count in (
            (FLAKY, options.flaky), (SILENT, options.silent),
            (PRETENDING, options.pretending), (WRONG, options.wrong),
        )
        for _ in range(count)
    ][: options.nodes]
    honest = Behaviour(HONEST.name, service_ms=options.service_ms)
    return [honest] * (options.nodes - len(bad)) + bad


def _post_tasks(world: World, workload: Workload, options: SimulationOptions) -> None:
    stream = world.stream("workload/postings")
    due_us = FIRST_POST_US
    for number in range(options.tasks):
        due_us += int(stream.expovariate(options.tasks_per_s) * 1_000_000)
        poster = stream.choice(world.machines)
        workload.post(poster, f"work.{number % options.capabilities}", due_us)
    if options.tasks and due_us >= options.until_ms * 1_000:
        raise ValueError(
            f"the last task is posted after {due_us // 1_000} ms, and the simulation ends after "
            f"{options.until_ms} ms: take a later --until-ms"
        )


def run_from_options(options: SimulationOptions, *, curves: bool = False) -> dict[str, Any]:
    """Run the simulation and return its report, with the curves of isolated records if they are
    wanted. Raises `Violation` where a rule is broken."""
    if options.tasks == 0:
        return run_records(options, curves=curves)
    return build(options).run()
