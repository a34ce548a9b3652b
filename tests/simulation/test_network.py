from __future__ import annotations

import pytest

from antsp2p.events import DatagramReceived
from antsp2p.simulation.world import World

from .scripted_node import script_of, scripted, silent

SECOND_US = 1_000_000


def started_world(count: int = 2, seed: int = 1) -> World:
    world = World(seed)
    for _ in range(count):
        world.add_machine(scripted(silent)).start()
    return world


def send(world: World, count: int, source: int = 0, target: int = 1) -> list[bytes]:
    """What arrives of `count` datagrams, in order of arrival. Sent one each 10 ms."""
    origin, goal = world.machines[source], world.machines[target]
    before = len(script_of(goal).seen)
    for number in range(count):
        world.after(
            number * 10_000, world.network.send, origin, goal.address, number.to_bytes(2, "big")
        )
    world.run(world.now_us + count * 10_000 + SECOND_US)
    seen = script_of(goal).seen[before:]
    return [event.data for _, event in seen if isinstance(event, DatagramReceived)]


def test_without_faults_everything_arrives_once_and_in_order() -> None:
    arrived = send(started_world(), 100)
    assert arrived == sorted(arrived)
    assert len(arrived) == 100


def test_the_sender_is_named_by_its_address() -> None:
    world = started_world()
    send(world, 1)
    (_, event), = script_of(world.machines[1]).seen
    assert event == DatagramReceived(world.machines[0].address, b"\0\0")


def test_loss_takes_its_share() -> None:
    world = started_world()
    world.network.loss = 0.3
    assert 620 < len(send(world, 1_000)) < 780
    assert world.network.drops["loss"] == 1_000 - len(script_of(world.machines[1]).seen)


def test_loss_does_not_shift_the_delays_of_what_arrives() -> None:
    def arrivals(loss: float) -> dict[bytes, int]:
        world = started_world()
        world.network.loss = loss
        send(world, 50)
        return {event.data: now_us - world.machines[1].clock.offset_us
                for now_us, event in script_of(world.machines[1]).seen
                if isinstance(event, DatagramReceived)}

    assert arrivals(1e-12) == arrivals(0.0)


def test_one_way_loss_leaves_the_way_back() -> None:
    world = started_world()
    world.network.one_way_loss = {(0, 1): 1.0}
    assert send(world, 20, 0, 1) == []
    assert len(send(world, 20, 1, 0)) == 20


def test_duplication_delivers_twice() -> None:
    world = started_world()
    world.network.duplication = 1.0
    assert sorted(send(world, 10)) == sorted([n.to_bytes(2, "big") for n in range(10)] * 2)


def test_reordering_lets_later_ones_pass() -> None:
    world = started_world()
    world.network.reordering, world.network.reordering_us = 0.5, 100_000
    arrived = send(world, 100)
    assert len(arrived) == 100
    assert arrived != sorted(arrived)


def test_a_partition_separates_its_groups_until_it_heals() -> None:
    world = started_world(3)
    world.network.groups = {0: 0, 1: 1, 2: 0}
    assert send(world, 5, 0, 1) == []
    assert len(send(world, 5, 0, 2)) == 5
    world.network.groups = None
    assert len(send(world, 5, 0, 1)) == 5


def test_a_socket_holds_only_so_much() -> None:
    world = started_world()
    world.machines[1].stall()
    send(world, 300)
    world.machines[1].resume()
    world.run(world.now_us + SECOND_US)
    assert len(script_of(world.machines[1]).seen) == 256
    assert world.network.drops["inbox-full"] == 44


def test_a_datagram_too_large_for_the_network_is_the_senders_fault() -> None:
    world = started_world()
    with pytest.raises(ValueError, match="does not fit"):
        world.network.send(world.machines[0], world.machines[1].address, bytes(1_201))


def test_nobody_listens_at_an_unknown_address_or_a_machine_that_is_down() -> None:
    world = started_world()
    world.network.send(world.machines[0], ("10.9.9.9", 1), b"x")
    world.machines[1].crash()
    world.network.send(world.machines[0], world.machines[1].address, b"x")
    world.run(SECOND_US)
    assert world.network.drops == {"no-such-address": 1, "down": 1}
