"""Many records of few authors at once: taken in, folded and stored."""
from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import trio

from antsp2p.events import AppendRecord, Woke
from antsp2p.gossip.outputs import Learned
from antsp2p.gossip.suite import NOISE
from antsp2p.gossip.wire import Entry
from antsp2p.node import Node
from antsp2p.records import keys
from antsp2p.runtime.boot import boot_home
from antsp2p.runtime.store import Store
from tests.benchmarks.costs import cpu_s, resident_mb
from tests.benchmarks.records.micro import no_search_for_cycles
from tests.benchmarks.records.workload import NETWORK, NETWORK_NAME, by_author, identity
from tests.gossip.protections import protection_of
from tests.system.process import open_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.record import Record
    from tests.system.process import NodeProcess

RUN: Final = 512
"""Consecutive records of one author that come together."""
LIMIT_S: Final = 180.0
LOOK_S: Final = 0.05
"""The shortest time between two looks at how far a node is: each takes milliseconds of its core."""
LONG_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What two processes showed. CPU seconds are the receiving node's."""

    records_per_s: float
    cpu_us: float
    resident_mb: float
    start_s: float
    source_resident_mb: float


def taken_in_us(records: Sequence[Record]) -> tuple[float, int]:
    """(Processor microseconds a record, signature checks) to parse, insert, fold and store runs of
    logs on one thread. No transfer is in it."""
    checks = 0

    def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
        nonlocal checks
        checks += 1
        return keys.verify(public_key, signature, message)

    me = identity(800_000)
    node = Node(
        me, NETWORK, protection=protection_of(me, NETWORK, suite=NOISE), boot=1,
        instance=bytes(8), rng=Random(0), now_us=0, wall_ms=0, verify=verify,
    )
    runs = [
        [Entry(1_000, record.wire) for record in log[start : start + RUN]]
        for log in by_author(records) for start in range(0, len(log), RUN)
    ]
    with tempfile.TemporaryDirectory(prefix="antsp2p-") as folder, no_search_for_cycles():
        store = Store(Path(folder) / "store.db")
        stored, start_s = 0, time.process_time()
        for number, entries in enumerate(runs):
            for taken in node.gossip._parts.intake.take(entries, number):
                node.take([Learned(taken.insertion, taken.run[0].author)])
            saved = [e for e in node.handle(Woke(), number) if isinstance(e, AppendRecord)]
            store.commit(saved)
            stored += len(saved)
        seconds = time.process_time() - start_s
        store.close()
    assert stored == len(records)
    return seconds * 1e6 / len(records), checks


def fill_home(home: Path, records: Sequence[Record]) -> None:
    """Make a home whose store holds the records, as if they had come from others."""
    boot = boot_home(home, NETWORK_NAME, is_open=True)
    try:
        for start in range(0, len(records), 1_000):
            boot.store.commit([
                AppendRecord(record, 0, own=False) for record in records[start : start + 1_000]
            ])
    finally:
        boot.close()


async def measure(records: Sequence[Record]) -> CaughtUp:
    """A node that starts from a full store, and one that gets everything from it."""
    async with open_machine() as machine:
        home = machine.new_home()
        await trio.to_thread.run_sync(fill_home, home, records)
        options = ("--open", "--network", NETWORK_NAME)
        began_s = time.perf_counter()
        source = await machine.start(home, *options)
        started_s = time.perf_counter() - began_s
        await _until_idle(source)
        source_mb = resident_mb(source.process.pid)
        target = await machine.start(None, *options, peers=[source])
        began_s = time.perf_counter()
        before_s = cpu_s(target.process.pid)
        await _until_records(target, len(records))
        seconds = time.perf_counter() - began_s
        used_s = cpu_s(target.process.pid) - before_s
        return CaughtUp(
            len(records) / seconds, used_s * 1e6 / len(records),
            resident_mb(target.process.pid), started_s, source_mb,
        )


async def _until_records(node: NodeProcess, count: int) -> None:
    """Return when the node holds so many; no notice tells of records. Looks are few while much is
    missing, and close together towards the end."""
    began_s = trio.current_time()
    with trio.fail_after(LIMIT_S):
        while (held := (await node.status())["records"]) < count:
            left_s = (trio.current_time() - began_s) * (count - held) / max(1, held)
            await trio.sleep(min(LONG_LOOK_S, max(LOOK_S, left_s / 2)))


async def _until_idle(node: NodeProcess) -> None:
    """Return when the node has done what a start leaves it to do."""
    tick_s = 2 / os.sysconf("SC_CLK_TCK")
    with trio.fail_after(LIMIT_S):
        while True:
            before_s = cpu_s(node.process.pid)
            await trio.sleep(0.5)
            if cpu_s(node.process.pid) - before_s <= tick_s:
                return
