from __future__ import annotations

import itertools

from antsp2p.simulation.upheaval import (
    BurstLoss,
    Bursts,
    Churn,
    Halves,
    LostStore,
    MassCrash,
    Move,
    SlowNodes,
    WallStep,
)
from antsp2p.simulation.world import World

from .scripted_node import scripted, silent

SECOND_US = 1_000_000
DAY_MS = 86_400_000


def world_of(machines: int = 8) -> World:
    world = World(1)
    for _ in range(machines):
        world.add_machine(scripted(silent)).start()
    return world


def losses(fault: BurstLoss, source: int, target: int) -> list[bool]:
    bursts = Bursts(World(2).stream("bursts"), fault)
    return [bursts(source, target, now_us) for now_us in range(0, 200 * SECOND_US, 5_000)]


def test_burst_losses_come_together_at_about_their_share() -> None:
    lost = losses(BurstLoss(900, 100, bad_rate=1.0, good_rate=0.0, per_pair=True), 0, 1)
    share = sum(lost) / len(lost)
    assert 0.05 < share < 0.2
    follow = sum(after for before, after in itertools.pairwise(lost) if before)
    assert follow / sum(lost) > 0.8


def test_a_node_in_a_burst_loses_both_ways_and_a_pair_only_its_own_way() -> None:
    fault = BurstLoss(500, 500, bad_rate=1.0, good_rate=0.0)
    bursts = Bursts(World(2).stream("bursts"), fault)
    for now_us in range(0, 20 * SECOND_US, 10_000):
        assert bursts(0, 0, now_us) == bursts(0, 0, now_us)
        if bursts(0, 0, now_us):
            assert bursts(0, 1, now_us)
            assert bursts(1, 0, now_us)
    paired = BurstLoss(500, 500, bad_rate=1.0, good_rate=0.0, per_pair=True)
    bursts = Bursts(World(2).stream("bursts"), paired)
    ways = [(bursts(0, 1, t), bursts(1, 0, t)) for t in range(0, 20 * SECOND_US, 10_000)]
    assert any(there and not back for there, back in ways)


def test_bursts_end_with_the_trouble() -> None:
    world = world_of()
    BurstLoss(100, 100).arm(world, world.stream("x"), SECOND_US)
    world.run(SECOND_US)
    assert world.network.burst_loss is None


def test_churn_keeps_about_as_many_nodes_and_brings_new_ones() -> None:
    world = world_of(20)
    Churn(500).arm(world, world.stream("churn"), 10 * SECOND_US)
    world.run(11 * SECOND_US)
    assert len(world.machines) > 25
    assert 10 < len(world.running()) < 40
    assert sum(machine.node is None for machine in world.machines[:20]) > 5


def test_a_mass_crash_takes_its_share_at_once_for_good_or_for_a_while() -> None:
    world = world_of()
    MassCrash(1_000, 0.5).arm(world, world.stream("crash"), 0)
    MassCrash(2_000, 0.5, down_ms=500).arm(world, world.stream("again"), 0)
    world.run(SECOND_US)
    assert len(world.running()) == 4
    world.run(2 * SECOND_US)
    assert len(world.running()) == 2
    world.run(3 * SECOND_US)
    assert len(world.running()) == 4


def test_halves_are_equal_and_hear_each_other_again() -> None:
    world = world_of()
    Halves(100, 1_000).arm(world, world.stream("halves"), 0)
    world.run(100_000)
    first = world.machines[0]
    assert sum(world.network.connects(first, other) for other in world.machines) == 4
    world.run(1_100_000)
    assert all(world.network.connects(first, other) for other in world.machines)


def test_some_nodes_are_slow() -> None:
    world = world_of()
    SlowNodes(0.25, 5_000).arm(world, world.stream("slow"), 0)
    assert sorted(machine.handle_us for machine in world.machines) == [0] * 6 + [5_000] * 2


def test_a_node_that_moves_is_reached_at_its_new_address_alone() -> None:
    world = world_of(2)
    before = [machine.address for machine in world.machines]
    Move(300, (10, 20)).arm(world, world.stream("move"), 9 * SECOND_US)
    world.run(10 * SECOND_US)
    for machine, old in zip(world.machines, before, strict=True):
        assert machine.node is not None
        assert machine.address != old
        assert world.network.machine_at(machine.address) is machine
        assert world.network.machine_at(old) is None


def test_a_lost_store_leaves_the_key_and_the_count_of_boots() -> None:
    world = world_of(1)
    machine = world.machines[0]
    author = machine.author
    machine.disk.published = 7
    LostStore(300, (10, 20)).arm(world, world.stream("lost"), SECOND_US)
    world.run(2 * SECOND_US)
    assert (machine.author, machine.disk.published, machine.disk.logs) == (author, 0, {})
    assert machine.disk.boot > 1
    assert machine.node is not None


def test_a_calendar_steps_by_a_day_to_and_fro() -> None:
    world = world_of(1)
    machine = world.machines[0]
    fault = WallStep(300, (10, 20))
    fault._strike(machine, 10)
    assert machine.wall_step_ms == DAY_MS
    world.run(SECOND_US)
    fault._strike(machine, 10)
    assert machine.wall_step_ms == -DAY_MS
    world.run(2 * SECOND_US)
    assert machine.node is not None
