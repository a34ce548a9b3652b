"""Whole worlds of shipped nodes under one kind of trouble each."""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from antsp2p.coordination.body import RecordType
from antsp2p.simulation.faults import Crash, Fault, Isolation, Partition, Restore
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.report import Simulation, build
from antsp2p.simulation.workload import PRETENDING

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND_US = 1_000_000
LARGE = SimulationOptions(nodes=50, tasks=500, tasks_per_s=100.0)
SMALL = SimulationOptions(nodes=8, tasks=40, lease_ms=2_000)


def run(options: SimulationOptions, *faults: Fault) -> tuple[Simulation, dict[str, Any]]:
    simulation = build(options, faults=faults or None)
    return simulation, simulation.run()


@pytest.mark.timeout(900)
def test_fifty_capable_nodes_share_five_hundred_tasks_with_hardly_a_conflict() -> None:
    _, report = run(LARGE)
    assert report["tasks_done"] == 500
    assert report["conflicts"] <= 0.05
    assert report["duplicate_runs"] == 0
    assert report["coverage"] == 1.0
    assert report["holders_agree"]


def test_with_a_third_of_all_datagrams_lost_every_task_is_accepted() -> None:
    options = replace(LARGE, nodes=30, tasks=150, tasks_per_s=40.0, loss=0.3)
    _, report = run(options)
    assert report["tasks_done"] == 150
    assert report["holders_agree"]


def test_after_a_partition_heals_every_task_is_accepted_and_all_agree() -> None:
    options = replace(
        LARGE, nodes=30, tasks=150, tasks_per_s=20.0, lease_ms=2_000, faults_ms=8_000
    )
    simulation, report = run(options, Partition(1_500, (2_000, 5_000)))
    assert simulation.world.network.drops["partition"] > 0
    assert report["tasks_done"] == 150
    assert report["holders_agree"]


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    "options",
    [
        replace(LARGE, loss=0.3, seed=7),
        replace(LARGE, profile="partition", tasks_per_s=50.0, seed=7),
    ],
    ids=["loss", "partition"],
)
def test_fifty_nodes_end_five_hundred_tasks_in_trouble(options: SimulationOptions) -> None:
    _, report = run(options)
    assert report["tasks_done"] == 500
    assert report["holders_agree"]
    assert report["coverage"] == 1.0


@pytest.mark.parametrize("profile", ["lossy", "lopsided", "slow", "crashy", "stalling"])
def test_every_task_is_accepted_under_one_kind_of_trouble(profile: str) -> None:
    _, report = run(replace(SMALL, profile=profile, tasks_per_s=5.0))
    assert report["tasks_done"] == 40
    assert report["holders_agree"]


def test_tasks_of_a_lost_home_are_the_only_ones_without_an_end() -> None:
    simulation, report = run(replace(SMALL, profile="forgetful", tasks_per_s=5.0))
    machines = simulation.world.machines
    kept = [p for p in simulation.workload.postings if machines[p.machine].author == p.author]
    assert 0 < len(kept) < 40
    assert report["tasks_done"] >= len(kept)


def test_bad_agents_delay_tasks_and_stop_none() -> None:
    _, report = run(replace(SMALL, flaky=2, silent=1, tasks=30, attempts=50, blob_rate=0.2))
    assert report["tasks_done"] == 30


def test_wrong_results_are_rejected_until_an_honest_one_comes() -> None:
    _, report = run(replace(SMALL, wrong=2, review=True, tasks=20, attempts=50))
    assert report["tasks_done"] == 20


def test_agents_that_all_fail_now_and_then_get_everything_done() -> None:
    _, report = run(replace(SMALL, nodes=3, flaky=3, attempts=50))
    assert report["tasks_done"] == 40


def test_a_pretender_holds_a_task_until_its_time_is_over() -> None:
    _, report = run(replace(SMALL, pretending=2, tasks=20, timeout_ms=20_000))
    assert report["tasks_ended"] == 20
    assert report["tasks_done"] >= 15


# --- coming back after a minute ----------------------------------------------------------------


def stop_the_poster(simulation: Simulation) -> None:
    machine = simulation.world.machines[0]
    simulation.world.after(5 * SECOND_US, machine.stall)
    simulation.world.after(65 * SECOND_US, machine.resume)


def stop_a_rival(simulation: Simulation) -> None:
    machine = simulation.world.machines[3]
    simulation.world.after(5 * SECOND_US, machine.stall)
    simulation.world.after(65 * SECOND_US, machine.resume)


def cut_the_poster_off(simulation: Simulation) -> None:
    world = simulation.world
    Isolation(at_ms=5_000, for_ms=60_000, node=0).arm(world, world.stream("cut"), 0)


def cut_a_rival_off(simulation: Simulation) -> None:
    world = simulation.world
    Isolation(at_ms=5_000, for_ms=60_000, node=3).arm(world, world.stream("cut"), 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "trouble", [stop_the_poster, stop_a_rival, cut_the_poster_off, cut_a_rival_off]
)
def test_who_comes_back_after_a_minute_lapses_nobodys_lease(
    trouble: Callable[[Simulation], None], seed: int
) -> None:
    """Nodes 1 and 2 hold tasks of node 0 for as long as the world runs; node 3 could take over."""
    options = SimulationOptions(nodes=4, tasks=0, capabilities=4, lease_ms=2_000, seed=seed)
    simulation = build(options)
    world, workload = simulation.world, simulation.workload
    for index, capability in ((1, "long.one"), (2, "long.two")):
        workload.add_agent(world.machines[index], capability, PRETENDING, slots=4)
    trouble(simulation)
    for number in range(6):
        workload.post(world.machines[0], ("long.one", "long.two")[number % 2], SECOND_US)
    world.after(3 * SECOND_US, workload.add_agent, world.machines[3], "long.one", PRETENDING, 4)
    world.run(4 * SECOND_US)
    assert len(workload.runs) == 6
    world.run(80 * SECOND_US)
    for machine in world.machines:
        assert machine.node is not None
        types = [record.type for record in machine.node.logs.records()]
        assert types.count(RecordType.OFFER) == 6
        assert types.count(RecordType.REOPEN) == 0
    assert len(workload.runs) == 6


# --- crashes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_fifty_crashes_lose_nothing_and_fork_nobody(seed: int) -> None:
    options = replace(SMALL, seed=seed, tasks_per_s=2.0, faults_ms=25_000)
    simulation, report = run(options, Crash(250, (20, 1_000)))
    assert sum(machine.disk.boot - 1 for machine in simulation.world.machines) >= 50
    assert report["tasks_done"] == 40
    assert report["coverage"] == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_a_home_put_back_from_a_backup_forks_nobody(seed: int) -> None:
    options = replace(SMALL, seed=seed, tasks_per_s=4.0, faults_ms=12_000)
    simulation, report = run(options, Restore(1_500, 1_000, (20, 1_000)))
    assert sum(machine.disk.boot - 1 for machine in simulation.world.machines) >= 3
    assert report["tasks_done"] == 40


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("profile", ["lossy", "partition", "crashy", "mixed"])
def test_a_large_world_comes_to_rest(profile: str, seed: int) -> None:
    options = replace(
        LARGE, seed=seed, profile=profile, nodes=30, tasks=200, tasks_per_s=20.0, lease_ms=2_000
    )
    _, report = run(options)
    assert report["holders_agree"]
