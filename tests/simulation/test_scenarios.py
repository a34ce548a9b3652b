"""Whole worlds of shipped nodes under one kind of trouble each."""
from __future__ import annotations

from typing import Any

import pytest

from antsp2p.simulation.faults import Crash, Fault, Isolation, Partition, Stall
from antsp2p.simulation.report import Simulation, SimulationOptions, build

LARGE = SimulationOptions(nodes=50, tasks=500, tasks_per_s=100.0, seed=1)
SMALL = SimulationOptions(nodes=8, tasks=40, lease_ms=2_000)


def run(options: SimulationOptions, *faults: Fault) -> tuple[Simulation, dict[str, Any]]:
    simulation = build(options, faults=faults or None)
    return simulation, simulation.run()


def with_(options: SimulationOptions, **changes: Any) -> SimulationOptions:
    from dataclasses import replace

    return replace(options, **changes)


def test_fifty_capable_nodes_share_five_hundred_tasks_with_hardly_a_conflict() -> None:
    _, report = run(LARGE)
    assert report["tasks_done"] == 500
    assert report["conflicts"] <= 0.05
    assert report["duplicate_runs"] == 0
    assert report["coverage"] == 1.0
    assert report["holders_agree"]


def test_with_a_third_of_all_datagrams_lost_every_task_is_accepted() -> None:
    _, report = run(with_(LARGE, nodes=30, tasks=150, tasks_per_s=40.0, loss=0.3))
    assert report["tasks_done"] == 150
    assert report["holders_agree"]


def test_after_a_partition_heals_every_task_is_accepted_and_all_agree() -> None:
    options = with_(LARGE, nodes=30, tasks=150, tasks_per_s=20.0, lease_ms=2_000, faults_ms=8_000)
    _, report = run(options, Partition(1_500, (2_000, 5_000)))
    assert report["tasks_done"] == 150
    assert report["holders_agree"]


@pytest.mark.parametrize("seed", range(3))
def test_a_node_stopped_for_a_minute_lapses_nobodys_lease(seed: int) -> None:
    _check_no_lapse(seed, Stall(10_000, (60_000, 60_000)))


@pytest.mark.parametrize("seed", range(3))
def test_a_node_cut_off_for_a_minute_lapses_nobodys_lease(seed: int) -> None:
    _check_no_lapse(seed, Isolation(at_ms=2_000, for_ms=60_000, node=0))


def _check_no_lapse(seed: int, *faults: Fault) -> None:
    raise NotImplementedError


@pytest.mark.parametrize("seed", range(2))
def test_crashes_lose_nothing_and_fork_nobody(seed: int) -> None:
    options = with_(SMALL, seed=seed, tasks_per_s=2.0, faults_ms=25_000)
    simulation, report = run(options, Crash(500, (20, 1_500)))
    assert sum(machine.disk.boot - 1 for machine in simulation.world.machines) >= 25
    assert report["tasks_done"] == 40


