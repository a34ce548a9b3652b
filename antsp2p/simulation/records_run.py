"""Isolated records: how fast, how often and at what cost one record reaches every node.

Law: nothing here touches a node but to let it sign a record. No agent serves, nothing is announced,
no task is posted, so all traffic is the spreading of the records and the links' own upkeep.

A run has four parts. *Forming*: the nodes start at random moments and link up, for `form_ms` after
the last start. *Warm-up*: `WARM_UP_RECORDS` records are spread and not counted, so that the tree
has its shape. *Measured*: `records` records, each from a running node drawn at random, `gap_ms`
after the one before and not before that one is everywhere, for which it waits `PATIENCE_US` at
most. *Tail*: until every running node has every measured record, and one gap at least, or until
`DEADLINE_US` has passed since the last one. Loss holds from the first moment; the profile's other
faults begin with the measured part. `records_report` says what the report means.
"""
from __future__ import annotations

import functools
import gc
import resource
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Final, ParamSpec

from antsp2p.simulation.discovery import Discovery
from antsp2p.simulation.faults import arm_all
from antsp2p.simulation.isolated import Isolated, SharedIsolated, has
from antsp2p.simulation.machine import NodeMaker, shipped_node
from antsp2p.simulation.profiles import PROFILES
from antsp2p.simulation.records_report import Outcome, Share, Traffic
from antsp2p.simulation.sharded_world import ShardedWorld
from antsp2p.simulation.shards import in_shards
from antsp2p.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.simulation.options import SimulationOptions
    from antsp2p.simulation.shards import Shard

P = ParamSpec("P")
START_WITHIN_US: Final = 50_000
START_EACH_US: Final = 500
"""Nodes start within 50 ms of each other, and half a millisecond more for each node."""
WARM_UP_RECORDS: Final = 3
DEADLINE_US: Final = 120_000_000
"""After the last record; what is not everywhere by then is missed."""
PATIENCE_US: Final = 2_000_000
"""A record that is not everywhere by then no longer keeps the next one waiting."""
LOOK_US: Final = 10_000
"""How often the run asks whether every node has the records."""


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
        self, options: SimulationOptions, *, make_node: NodeMaker = shipped_node,
        shard: Shard | None = None,
    ) -> None:
        """`shard`: which process of the run this is, where there are several."""
        assert options.processes == (1 if shard is None else shard.count), "`run_records` forks"
        self.options = options
        self.world, self.isolated = self._build(make_node, shard)
        self.world.network.background_loss = options.loss
        self._faults_end_us = 0
        self._copies: list[int] = []
        """All copies sent until the next record was due, record by record."""

    def _build(self, make_node: NodeMaker, shard: Shard | None) -> tuple[World, Isolated]:
        options, model = self.options, self.options.delay_model
        if shard is None:
            world = World(options.seed, delay=model, replay=options.command)
            Discovery(world)
            for _ in range(options.nodes):
                world.add_machine(make_node).handle_us = options.handle_us
            return world, Isolated(world)
        sharded = ShardedWorld(options.seed, shard, delay=model, replay=options.command)
        Discovery(sharded)
        for _ in range(options.nodes):
            if sharded.runs_next():
                sharded.add_machine(make_node).handle_us = options.handle_us
            else:
                sharded.add_elsewhere()
        return sharded, SharedIsolated(sharded)

    def form(self) -> None:
        """Start all nodes and let them link up."""
        world = self.world
        starts = world.stream("starts")
        within_us = START_WITHIN_US + START_EACH_US * len(world.places)
        for place in world.places:
            world.after(starts.randrange(within_us), place.start)
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
            (not comes_back or len(world.up()) == len(world.places))
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
        share = self._share(first, before, links, started_cpu_s)
        outcome = Outcome(options, first, world.gather(share))
        report = outcome.figures()
        for observer in world.observers:
            report |= observer.report()
        return {
            **report,
            "window_ms": (world.now_us - from_us) // 1_000,
            "simulated_ms": world.now_us // 1_000,
            **outcome.cost(),
            "wall_s": round(perf_counter() - started_s, 2),
            **({"curves": outcome.curves()} if curves else {}),
        }

    def _share(
        self, first: int, before: Traffic, links: Sequence[int], started_cpu_s: float
    ) -> Share:
        """What this process has seen."""
        world, isolated = self.world, self.isolated
        running = world.running()
        authors = {machine.author for machine in running}
        published = isolated.published[first:]
        return Share(
            nodes=len(world.places),
            running=len(running),
            published=published,
            lacking=[sum(not has(machine, r) for machine in running) for r in published],
            has_author=[record.author in authors for record in published],
            due_us=isolated.due_us(published),
            arrivals_us={r.id: isolated.arrivals_us.get(r.id, {}) for r in published},
            links=links,
            before=before,
            after=traffic(world, isolated),
            copies=self._copies,
            drops=world.network.drops,
            steps=world.steps,
            trace_hash=world.trace_hash,
            cpu_s=process_time() - started_cpu_s,
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024,
        )


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
def run_records(
    options: SimulationOptions, *, curves: bool = False, make_node: NodeMaker = shipped_node
) -> dict[str, Any]:
    """Spread isolated records and return the report, with its curves if they are wanted.

    Raises `Violation` where a rule is broken, and `ShardLost` where a process of the run dies.
    """
    if options.processes == 1:
        return RecordsRun(options, make_node=make_node).run(curves=curves)
    return in_shards(
        options.processes,
        lambda shard: RecordsRun(options, make_node=make_node, shard=shard).run(curves=curves),
    )
