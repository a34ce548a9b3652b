from __future__ import annotations

import pytest

from antsp2p.simulation.faults import (
    ClockRate,
    Crash,
    Fault,
    Isolation,
    Loss,
    Partition,
    Stall,
    Wipe,
    arm_all,
)
from antsp2p.simulation.profiles import PROFILES
from antsp2p.simulation.world import Observer, World

from .scripted_node import scripted, silent

SECOND_US = 1_000_000


class Lives(Observer):
    """What happened to the machines, as lines."""

    def __init__(self, world: World) -> None:
        self.lines: list[str] = []
        self._world = world
        world.observers.append(self)

    def _note(self, what: str, index: int) -> None:
        self.lines.append(f"{self._world.now_us} {what} {index}")

    def started(self, machine: object) -> None:
        self._note("start", getattr(machine, "index", -1))

    def crashed(self, machine: object) -> None:
        self._note("crash", getattr(machine, "index", -1))

    def wiped(self, machine: object, lost: bytes) -> None:
        self._note("wipe", getattr(machine, "index", -1))


def world_under(*faults: Fault, seed: int = 1, machines: int = 6) -> tuple[World, Lives]:
    world = World(seed)
    lives = Lives(world)
    for _ in range(machines):
        world.add_machine(scripted(silent)).start()
    arm_all(world, faults, 20 * SECOND_US)
    return world, lives


@pytest.mark.parametrize("name", sorted(n for n, p in PROFILES.items() if p.tasks))
def test_after_the_end_nothing_of_a_profile_is_left(name: str) -> None:
    world, _ = world_under(*PROFILES[name].faults)
    world.run(30 * SECOND_US)
    network = world.network
    assert (network.loss, network.duplication, network.reordering) == (0, 0, 0)
    assert (network.extra_delay_us, network.groups, network.one_way_loss) == (0, None, {})
    assert all(m.node is not None and not m.stalled for m in world.machines)


def test_the_same_seed_brings_the_same_faults() -> None:
    runs = []
    for seed in (5, 5, 6):
        world, lives = world_under(*PROFILES["mixed"].faults, seed=seed)
        world.run(30 * SECOND_US)
        runs.append(lives.lines)
    assert runs[0] == runs[1] != runs[2]


def test_one_more_fault_does_not_shift_the_others() -> None:
    crash = Crash(1_000, (50, 500))
    alone, beside = world_under(crash), world_under(crash, Loss(0.5), Partition(500, (10, 900)))
    alone[0].run(30 * SECOND_US)
    beside[0].run(30 * SECOND_US)
    assert alone[1].lines == beside[1].lines
    assert sum("crash" in line for line in alone[1].lines) > 10


def test_a_wiped_machine_comes_back_as_somebody_else() -> None:
    world, lives = world_under(Wipe(5_000, (100, 200)))
    authors = {machine.author for machine in world.machines}
    world.run(30 * SECOND_US)
    wipes = sum("wipe" in line for line in lives.lines)
    assert wipes > 0
    assert len(authors | {machine.author for machine in world.machines}) == 6 + wipes


def test_partitions_begin_and_heal() -> None:
    world, _ = world_under(Partition(1_000, (100, 500)))
    seen = set()
    for time_us in range(0, 20 * SECOND_US, 50_000):
        world.run(time_us)
        seen.add(world.network.groups is None)
    assert seen == {True, False}


def test_isolation_cuts_one_node_off_from_everybody() -> None:
    world, _ = world_under(Isolation(at_ms=1_000, for_ms=500, node=2))
    world.run(1_200_000)
    first, cut, other = world.machines[1:4]
    assert not world.network.connects(first, cut)
    assert world.network.connects(first, other)
    world.run(1_600_000)
    assert world.network.connects(first, cut)


def test_a_stalled_machine_runs_on_afterwards() -> None:
    world, lives = world_under(Stall(500, (100, 1_000)))
    stalls = 0
    for time_us in range(0, 20 * SECOND_US, 50_000):
        world.run(time_us)
        stalls += any(machine.stalled for machine in world.machines)
    assert stalls > 10
    assert len(lives.lines) == 6


def test_clocks_run_at_different_rates() -> None:
    world, _ = world_under(ClockRate(10_000))
    rates = [machine.clock.rate_ppm for machine in world.machines]
    assert len(set(rates)) > 3
    assert all(-10_000 <= rate <= 10_000 for rate in rates)
