from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from antsp2p.events import (
    AppendRecord,
    Committed,
    DatagramReceived,
    PeerHint,
    RemoveRecords,
    SaveAddress,
    SendDatagram,
    Woke,
)
from antsp2p.simulation.limits import COMMIT_US
from antsp2p.simulation.machine import Act, Disk, Machine, MachineClock
from antsp2p.simulation.world import Violation, World

from .scripted_node import Script, ScriptedNode, own_record, script_of, scripted, silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.events import Effect, Event

HINT = PeerHint(("10.0.0.2", 4700))


def machine_with(script: Script = silent, peers: int = 1) -> Machine:
    world = World(1)
    machine = world.add_machine(scripted(script))
    for _ in range(peers):
        world.add_machine(scripted(silent)).start()
    machine.start()
    return machine


def never_again(node: ScriptedNode, event: Event) -> Sequence[Effect]:
    """Clears the deadline."""
    node.wake_at = None
    return ()


def appending(node: ScriptedNode, event: Event) -> Sequence[Effect]:
    """On a hint: keep an own record and send a datagram."""
    if isinstance(event, PeerHint):
        return (
            SendDatagram(event.address, b"news"),
            AppendRecord(own_record(node.machine), 0, own=True),
        )
    return ()


@pytest.mark.parametrize("rate_ppm", [-50_000, -1, 0, 1, 333, 50_000])
def test_a_deadline_is_reached_at_the_first_moment_the_clock_shows_it(rate_ppm: int) -> None:
    clock = MachineClock(offset_us=123_456_789, rate_ppm=rate_ppm)
    for shown_us in (123_456_789, 123_456_790, 124_000_001, 999_999_999_999):
        time_us = clock.reaches(shown_us)
        assert clock.read(time_us) >= shown_us
        assert clock.read(time_us - 1) < shown_us


def test_datagrams_leave_before_the_commit_and_after_it_the_node_hears_of_it() -> None:
    machine = machine_with(appending)
    world = machine.world
    machine.tell(HINT)
    assert world.network.datagrams == 1
    world.run(COMMIT_US - 1)
    assert machine.disk.logs == {}
    world.run(COMMIT_US)
    assert machine.disk.own(machine.author) == {1: own_record(machine).id}
    assert script_of(machine).seen[-1][1] == Committed(1)


def test_without_anything_to_keep_datagrams_leave_at_once() -> None:
    machine = machine_with(lambda node, event: [SendDatagram(HINT.address, b"x")])
    machine.tell(HINT)
    assert machine.world.network.datagrams == 1


def test_what_arrives_during_a_commit_is_handled_and_kept_by_the_next_one() -> None:
    machine = machine_with(appending)
    machine.tell(HINT)
    machine.world.run(COMMIT_US // 2)
    first = own_record(machine)
    script_of(machine).script = lambda node, event: (
        [AppendRecord(own_record(machine, 2, first.id), 0, own=True)]
        if isinstance(event, PeerHint) else []
    )
    machine.tell(HINT)
    machine.world.run(2 * COMMIT_US - 1)
    assert [event for _, event in script_of(machine).seen] == [HINT, HINT, Committed(1)]
    assert list(machine.disk.own(machine.author)) == [1]
    machine.world.run(2 * COMMIT_US)
    assert list(machine.disk.own(machine.author)) == [1, 2]
    assert script_of(machine).seen[-1][1] == Committed(2)


def test_an_event_costs_the_processor_its_time_before_anything_leaves() -> None:
    machine = machine_with(lambda node, event: [SendDatagram(HINT.address, b"x")])
    machine.handle_us = 700
    machine.tell(HINT)
    machine.tell(HINT)
    machine.world.run(699)
    assert machine.world.network.datagrams == 0
    machine.world.run(700)
    assert machine.world.network.datagrams == 1
    machine.world.run(1_400)
    assert machine.world.network.datagrams == 2


def test_a_user_acts_on_the_node_within_a_turn() -> None:
    machine = machine_with()
    machine.tell(Act(lambda node: node.wake_at))
    assert [event for _, event in script_of(machine).seen] == [Woke()]


@pytest.mark.parametrize("committed", [False, True])
def test_a_crash_before_the_commit_may_or_may_not_keep(committed: bool) -> None:
    machine = machine_with(appending)
    machine.tell(HINT)
    machine.world.run(COMMIT_US // 2)
    seen = script_of(machine).seen
    machine.crash(committed)
    machine.world.run(10 * COMMIT_US)
    assert bool(machine.disk.own(machine.author)) is committed
    assert all(not isinstance(event, Committed) for _, event in seen)


def test_a_restart_keeps_the_disk_and_a_wiped_home_is_somebody_new() -> None:
    machine = machine_with(appending)
    machine.tell(HINT)
    machine.world.run(COMMIT_US)
    machine.crash()
    machine.start()
    assert machine.disk.boot == 2
    assert machine.disk.own(machine.author)
    author, address = machine.author, machine.address
    machine.wipe()
    machine.start()
    assert machine.author != author
    assert (machine.address, machine.disk.boot, machine.disk.logs) == (address, 1, {})


def test_a_stopped_process_reads_its_inbox_in_order_when_it_continues() -> None:
    machine = machine_with()
    machine.stall()
    for number in range(3):
        machine.tell(DatagramReceived(("10.0.0.9", 1), bytes([number])))
    machine.world.run(5_000_000)
    assert script_of(machine).seen == []
    machine.resume()
    assert [event.data for _, event in script_of(machine).seen
            if isinstance(event, DatagramReceived)] == [b"\0", b"\1", b"\2"]


def test_a_process_stopped_during_a_commit_hears_of_it_only_when_it_continues() -> None:
    machine = machine_with(appending)
    machine.tell(HINT)
    machine.stall()
    machine.world.run(1_000_000)
    assert machine.disk.own(machine.author)
    assert script_of(machine).seen[-1][1] == HINT
    machine.resume()
    assert script_of(machine).seen[-1][1] == Committed(1)


def test_a_deadline_wakes_the_node_by_its_own_clock() -> None:
    machine = machine_with()
    machine.clock.rate_ppm = 100_000
    node = script_of(machine)
    node.wake_at = machine.local_us + 1_100_000
    machine.tell(HINT)
    node.script = never_again
    machine.world.run(2_000_000)
    assert [event for _, event in node.seen] == [HINT, Woke()]
    assert node.seen[1][0] == machine.clock.read(1_000_000)


def test_a_deadline_that_never_moves_on_is_reported() -> None:
    machine = machine_with()
    script_of(machine).wake_at = 0
    machine.world.after(0, machine.tell, HINT)
    with pytest.raises(Violation, match="wake: a node's deadline stays in the past"):
        machine.world.run(1_000)


def test_a_node_that_raises_is_reported() -> None:
    def broken(node: ScriptedNode, event: Event) -> Sequence[Effect]:
        raise KeyError("gone")

    machine = machine_with(broken)
    with pytest.raises(Violation, match=r"handle\(PeerHint\) raised KeyError"):
        machine.tell(HINT)


def test_the_disk_ages_records_and_removes_them_from_a_place_on() -> None:
    machine = machine_with()
    first = own_record(machine)
    second = own_record(machine, 2, first.id)
    disk = Disk()
    disk.apply([AppendRecord(second, 5, own=True), AppendRecord(first, 0, own=True)], 1_000_000)
    assert [(s.record.seq, s.age_ms) for s in disk.history(3_000_000)] == [(1, 2_000), (2, 2_005)]
    disk.apply([RemoveRecords(machine.author, 2)], 0)
    assert disk.own(machine.author) == {1: first.id}


def test_remembered_addresses_are_dialled_after_a_restart() -> None:
    author = bytes(32)
    machine = machine_with(lambda node, event: [SaveAddress(author, HINT.address)])
    machine.tell(HINT)
    machine.world.run(1_000)
    machine.crash()
    machine.start()
    assert script_of(machine).seen[0][1] == HINT
