"""Streams in the simulated world: logs in bulk, with breaks, and a node that lost its store."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.events import AppendRecord, FetchLogs, LogsEnded, LogsReceived, PeerHint, StopLogs
from antsp2p.gossip.wire import Range
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.simulation.limits import STREAM_BREAK_US, STREAM_CONNECT_US
from antsp2p.simulation.machine import Disk, Machine
from antsp2p.simulation.world import World

from .scripted_node import script_of, scripted, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 1_000_000
AUTHORS, RECORDS = 5, 300


def history(world: World) -> Iterator[Record]:
    """The logs of some authors that are not here."""
    for index in range(AUTHORS):
        identity, prev = Identity.from_seed(bytes([index]) * 32), NO_PREV
        for seq in range(1, RECORDS + 1):
            record = sign_record(
                identity, network=world.network_id, seq=seq, prev=prev, type=200,
                body={1: b"x" * 100}, claimed_ms=0,
            )
            yield record
            prev = record.id


def full_and_empty(full: int = 1, **options: str) -> tuple[World, Machine]:
    """A world of machines that know all history, and one that knows none."""
    world = World(7, **options)
    records = [AppendRecord(record, 0, own=False) for record in history(world)]
    for _ in range(full):
        machine = world.add_machine()
        machine.disk.apply(records, 0)
        machine.start()
    empty = world.add_machine()
    empty.start()
    for machine in world.machines[:full]:
        empty.tell(PeerHint(machine.address, keep=True))
    return world, empty


def agree(world: World) -> bool:
    return len({machine.node.logs.root() for machine in world.machines if machine.node}) == 1


def run_until_agreed(world: World, limit_us: int) -> int:
    """Run until all hold the same, and say when; the limit where they never did."""
    end_us = world.now_us + limit_us
    while world.now_us < end_us:
        world.run(world.now_us + 50_000)
        if agree(world):
            return world.now_us
    return end_us


def test_an_empty_node_catches_up_over_streams() -> None:
    world, empty = full_and_empty()
    assert run_until_agreed(world, 10 * SECOND) < 2 * SECOND
    assert world.streams.opened >= 1
    assert len(empty.disk.logs) == AUTHORS
    assert all(len(log) == RECORDS for log in empty.disk.logs.values())


def test_a_node_that_lost_its_home_catches_up_again() -> None:
    world, empty = full_and_empty(full=3)
    run_until_agreed(world, 10 * SECOND)
    opened = world.streams.opened
    empty.wipe()
    assert empty.disk == Disk()
    empty.start()
    for machine in world.machines[:3]:
        empty.tell(PeerHint(machine.address, keep=True))
    began_us = world.now_us
    assert run_until_agreed(world, 20 * SECOND) < began_us + 20 * SECOND
    assert world.streams.opened > opened


def test_a_crash_of_the_source_costs_only_the_rest() -> None:
    world, empty = full_and_empty(full=2, delay="wan")
    while not world.streams.bytes:
        world.run(world.now_us + 10_000)
    world.run(world.now_us + 100_000)
    world.machines[0].crash()
    before = world.streams.bytes
    assert run_until_agreed(world, 60 * SECOND) < 60 * SECOND
    whole = sum(len(record.wire) for record in history(world))
    assert world.streams.bytes - before < 1.2 * whole
    assert empty.node is not None


def test_a_partition_in_the_midst_heals() -> None:
    world, _ = full_and_empty(delay="wan")
    while not world.streams.bytes:
        world.run(world.now_us + 10_000)
    world.network.groups = {0: 0, 1: 1}
    world.run(world.now_us + 30 * SECOND)
    assert not agree(world)
    world.network.groups = None
    began_us = world.now_us
    assert run_until_agreed(world, 60 * SECOND) < began_us + 60 * SECOND


def test_behind_a_firewall_datagrams_bring_everything() -> None:
    world, _ = full_and_empty()
    world.streams.blocked = True
    assert run_until_agreed(world, 60 * SECOND) < 60 * SECOND
    assert world.streams.opened == 0


# --- the streams themselves ----------------------------------------------------------------------


def asker_and(world: World) -> Machine:
    machine = world.add_machine(scripted(silent))
    machine.start()
    return machine


def heard(machine: Machine) -> list[object]:
    return [event for _, event in script_of(machine).seen]


def test_nobody_there_is_refused_and_a_partition_takes_longer() -> None:
    world = World(1)
    asker, down = asker_and(world), world.add_machine()
    wanted = (Range(bytes(32), 1, 9),)
    world.streams.perform(asker, FetchLogs(1, b"", down.address, wanted))
    world.run(SECOND)
    assert heard(asker) == [LogsEnded(1, "refused")]
    world.network.groups = {0: 0, 1: 1}
    world.streams.perform(asker, FetchLogs(2, b"", down.address, wanted))
    world.run(world.now_us + STREAM_CONNECT_US - 1)
    assert len(heard(asker)) == 1
    world.run(world.now_us + 1)
    assert heard(asker)[1:] == [LogsEnded(2, "refused")]


def test_chunks_wait_for_the_asker_and_a_stall_breaks_the_stream() -> None:
    world, empty = full_and_empty()
    server = world.machines[0]
    empty.crash()
    asker = asker_and(world)
    author = Identity.from_seed(bytes(32)).author
    ranges = tuple(
        Range(Identity.from_seed(bytes([index]) * 32).author, 1, RECORDS)
        for index in range(AUTHORS)
    )
    world.streams.perform(asker, FetchLogs(1, author, server.address, ranges))
    world.run(world.now_us + SECOND)
    chunks = heard(asker)
    assert [type(event) for event in chunks] == [LogsReceived, LogsReceived]
    world.streams.perform(asker, StopLogs(1))
    world.streams.perform(asker, FetchLogs(2, author, server.address, ranges))
    server.stall()
    world.run(world.now_us + STREAM_BREAK_US + SECOND)
    assert heard(asker)[2:] == [LogsEnded(2, "broken")]
