from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from antsp2p.gossip import wire
from antsp2p.simulation.discovery import Discovery
from antsp2p.simulation.limits import EVERYBODY_HEARS_UP_TO, HEARD_BY_NODES, HEARS_OF_NODES
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.profiles import PROFILES
from antsp2p.simulation.records_report import REPAIRING, SPREADING, UPKEEP
from antsp2p.simulation.records_run import WARM_UP_RECORDS, RecordsRun, run_records
from antsp2p.simulation.world import World

from .scripted_node import script_of, scripted, silent

SMALL = SimulationOptions(
    nodes=12, tasks=0, records=8, loss=0.2, seed=7, form_ms=2_000, faults_ms=3_000
)
IN_ANOTHER_PROCESS = """
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.records_run import run_records
report = run_records(SimulationOptions(nodes=70, tasks=0, records=3, loss=0.2, seed=3,
                                       form_ms=2_000))
print(report["trace_hash"], report["copies_per_node"], report["missed"])
"""


def measured(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what depends on the machine that made it."""
    return {k: v for k, v in report.items() if k not in ("wall_s", "cpu_s", "peak_memory_mb")}


def test_the_report_has_what_the_command_prints_and_fits_json() -> None:
    report = run_records(SMALL, curves=True)
    assert report.keys() >= {
        "coverage", "missed", "copies_per_node", "latency_ms", "bytes_per_node",
        "bytes_by_message", "adverts_per_node", "datagrams_per_node", "links", "isolated",
        "steps", "wall_s", "bytes_per_node_and_record",
    }
    assert report["latency_ms"].keys() == {"p50", "p99", "max"}
    assert json.loads(json.dumps(report)).keys() == report.keys()


def test_every_record_is_everywhere_in_spite_of_loss_and_the_figures_add_up() -> None:
    report = run_records(SMALL, curves=True)
    assert (report["coverage"], report["missed"], report["records"]) == (1.0, 0, 8)
    assert report["warm_up_records"] == WARM_UP_RECORDS
    assert 295 <= report["record_bytes"] <= 305
    assert 1.0 <= report["copies_per_node"] < 5.0
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["max"]
    assert report["drops"]["loss"] > 0
    sent = sum(report["bytes_by_message"].values())
    assert sent == pytest.approx(report["bytes_per_node"] * 12, rel=0.05)
    curves = report["curves"]
    assert curves["coverage"][-1] == (report["latency_ms"]["max"], 1.0)
    assert len(curves["copies"]) == len(curves["slowest_ms"]) == 8
    assert max(curves["slowest_ms"]) == report["latency_ms"]["max"]


def test_without_loss_a_copy_each_is_nearly_enough() -> None:
    report = run_records(SimulationOptions(nodes=12, tasks=0, records=8, seed=7, form_ms=2_000))
    assert report["missed"] == 0
    assert 1.0 <= report["copies_per_node"] < 2.0


def test_the_same_seed_gives_the_same_report_and_another_seed_another_trace() -> None:
    first = measured(run_records(SMALL))
    assert first == measured(run_records(SMALL))
    other = run_records(SimulationOptions(**{
        name: getattr(SMALL, name) for name in ("nodes", "tasks", "records", "loss", "form_ms")
    }, seed=8))
    assert other["trace_hash"] != first["trace_hash"]


def test_the_trace_of_a_large_world_does_not_depend_on_the_order_of_sets() -> None:
    lines = set()
    for hash_seed in ("1", "4711"):
        finished = subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True,
            check=True,
        )
        lines.add(finished.stdout)
    assert len(lines) == 1


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_in_every_profile_all_that_run_have_every_record_in_the_end(profile: str) -> None:
    options = SimulationOptions(
        nodes=10, tasks=0, records=6, seed=5, form_ms=2_000, faults_ms=4_000, gap_ms=400,
        profile=profile,
    )
    report = run_records(options)
    assert report["missed"] == 0
    assert report["running"] >= 3


def test_every_message_is_news_repair_or_upkeep() -> None:
    names = [*(kind.__name__.lower() for kind in wire._TYPES), "gone", "cookie"]
    assert sorted([*SPREADING, *REPAIRING, *UPKEEP]) == sorted(names)


def test_copies_are_counted_when_they_are_sent_arrive_or_not() -> None:
    run = RecordsRun(SimulationOptions(nodes=2, tasks=0, seed=1))
    run.form()
    run.world.network.background_loss = 1.0
    run.isolated.publish_at(run.world.machines[0])
    run.world.run(run.world.now_us + 10_000)
    record = run.isolated.published[0]
    assert run.isolated.copies >= 1
    assert run.isolated.missing(0) == 1
    assert not run.isolated.is_everywhere(0)
    assert run.isolated.author_of(record) == 0
    run.world.network.background_loss = 0.0
    assert run.settle(0)
    assert list(run.isolated.arrivals_us[record.id]) == [1]


def test_the_counted_bytes_are_those_that_the_nodes_sent() -> None:
    run = RecordsRun(SimulationOptions(nodes=3, tasks=0, seed=1))
    run.form()
    sent = sum(
        machine.node.gossip.sent["datagram"] for machine in run.world.running() if machine.node
    )
    unframed = sum(
        machine.node.gossip.sent[name] for machine in run.world.running() if machine.node
        for name in ("hello", "welcome", "busy", "gone", "cookie", "bye")
    )
    assert sent + unframed == run.world.network.bytes


def test_in_a_large_world_a_newcomer_hears_of_a_few_and_a_few_hear_of_it() -> None:
    world = World(1)
    Discovery(world)
    for _ in range(EVERYBODY_HEARS_UP_TO + 20):
        world.add_machine(scripted(silent))
    for machine in world.machines[:-1]:
        machine.start()
    world.run(1_000_000)
    before = sum(len(script_of(machine).seen) for machine in world.machines[:-1])
    newcomer = world.machines[-1]
    newcomer.start()
    world.run(2_000_000)
    after = sum(len(script_of(machine).seen) for machine in world.machines[:-1])
    assert len(script_of(newcomer).seen) == HEARS_OF_NODES
    assert after - before == HEARD_BY_NODES


def test_who_has_gone_is_not_heard_of() -> None:
    world = World(1)
    discovery = Discovery(world)
    for _ in range(EVERYBODY_HEARS_UP_TO + 2):
        world.add_machine(scripted(silent))
    for machine in world.machines:
        machine.start()
    for machine in world.machines[1:-1]:
        machine.crash()
    assert [machine.index for machine in discovery.running()] == [0, len(world.machines) - 1]


def test_a_record_that_dies_with_its_author_is_counted_apart() -> None:
    run = RecordsRun(SimulationOptions(nodes=4, tasks=0, seed=1))
    run.form()
    author, other = run.world.machines[:2]
    run.isolated.publish_at(author)
    author.crash()
    assert run.isolated.published
    assert run.isolated.kept(0) == []
    assert (run.isolated.missing(0), run.isolated.is_everywhere(0)) == (0, True)
    run.isolated.publish_at(other)
    assert not run.isolated.is_everywhere(0)
    run.world.run(run.world.now_us + 1_000_000)
    assert len(run.isolated.kept(0)) == 1
    assert run.isolated.is_everywhere(0)
