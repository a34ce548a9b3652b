"""New records of distinct authors at one node, and the same in a flood of junk."""
from __future__ import annotations

import statistics
import time
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

import trio

from antsp2p.gossip.datagram import SEALED
from antsp2p.gossip.wire import Adverts, Graft, News, Prune, WantNames
from tests.benchmarks.costs import cpu_s, resident_mb
from tests.benchmarks.records.peer import Peer, pushed
from tests.benchmarks.records.workload import NETWORK_NAME, singles
from tests.system.process import open_machine
from tests.wire_peer import plain_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event

    from antsp2p.records.record import Record
    from tests.system.process import NodeProcess

SINKS: Final = 7
"""Linked peers beside the one that sends; one of them is pushed to, as in a tree each node pushes
on to one other on average, and the others hear of it."""
_FIRST_PEER: Final = 700_000
START_LIMIT_S: Final = 60.0
PROBE_GAP_S: Final = 0.01
RETRY_S: Final = 0.05
TRIES: Final = 40


@dataclass(frozen=True, slots=True)
class Live:
    """What one node did with new records. `cpu_us` is all of its processor time for one."""

    records_per_s: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Spread:
    """How long a record took through the node, in milliseconds, and what the node holds."""

    median_ms: float
    p90_ms: float
    resident_mb: float
    junk_per_s: float


@asynccontextmanager
async def _node_with_peers(count: int) -> AsyncIterator[tuple[NodeProcess, list[Peer]]]:
    async with open_machine() as machine:
        node = await machine.start(None, "--open", "--network", NETWORK_NAME)
        with ExitStack() as opened:
            peers = []
            for number in range(count):
                peer = Peer(_FIRST_PEER + number, ("127.0.0.1", node.port))
                opened.callback(peer.close)
                peer.link()
                peers.append(peer)
            yield node, peers


async def measure(records: Sequence[Record], each: int) -> Live:
    """Feed a node records of distinct authors, `each` in one datagram."""
    async with _node_with_peers(1 + SINKS) as (node, (source, *sinks)):
        for sink in sinks[:1]:
            sink.tell(Graft())
        datagrams = source.news(records, each)
        before_s, start_s = cpu_s(node.process.pid), time.perf_counter()
        await trio.to_thread.run_sync(source.feed, datagrams)
        seconds = time.perf_counter() - start_s
        used_s = cpu_s(node.process.pid) - before_s
        held = (await node.status())["records"]
        assert held == len(records), f"{held} of {len(records)} records arrived"
    return Live(len(records) / seconds, used_s * 1e6 / len(records))


# --- floods --------------------------------------------------------------------------------------


async def spread(flood: str, first_author: int, probes: int) -> Spread:
    """Push single records to a node, and wait for each at another of its peers.

    `flood`: "" for quiet; "strangers": datagrams of this network that belong to no link;
    "peer": well-formed useless frames of one linked peer.
    """
    records = singles(probes, first_author)
    context = get_context("spawn")
    started, sent = context.Event(), context.Value("q", 0)
    async with _node_with_peers(2) as (node, (source, sink)):
        sink.tell(Graft())
        flooder = context.Process(
            target=_flood, args=(node.port, flood, started, sent), daemon=True
        )
        if flood:
            flooder.start()
            assert await trio.to_thread.run_sync(started.wait, START_LIMIT_S)
        before, start_s = sent.value, time.perf_counter()
        try:
            times_ms = await trio.to_thread.run_sync(_probe, source, sink, records)
        finally:
            seconds, junk = time.perf_counter() - start_s, sent.value - before
            if flood:
                flooder.terminate()
                flooder.join()
        return Spread(
            statistics.median(times_ms), sorted(times_ms)[len(times_ms) * 9 // 10],
            resident_mb(node.process.pid), junk / seconds,
        )


def _probe(source: Peer, sink: Peer, records: Sequence[Record]) -> list[float]:
    """Milliseconds for each record. What does not come is pushed again, as a repair would."""
    times_ms: list[float] = []
    for record in records:
        time.sleep(PROBE_GAP_S)
        while source.read(0):
            pass
        start_s = time.perf_counter()
        for _ in range(TRIES):
            source.tell(pushed(record))
            if _comes(sink, record, time.perf_counter() + RETRY_S):
                break
        times_ms.append((time.perf_counter() - start_s) * 1_000)
    return times_ms


def _comes(sink: Peer, record: Record, until_s: float) -> bool:
    while (left_s := until_s - time.perf_counter()) > 0:
        for frame in sink.read(left_s):
            if isinstance(frame, News) and any(e.wire == record.wire for e in frame.entries):
                return True
    return False


def _flood(port: int, kind: str, started: Event, sent: Synchronized[int]) -> None:
    """Send as fast as one process can, until ended."""
    peer = Peer(_FIRST_PEER + 99, ("127.0.0.1", port))
    is_linked = kind == "peer"
    if is_linked:
        peer.link()
        junk = [plain_of(each) for each in (WantNames((1,)), Adverts((), ()), Prune())]
    else:
        junk = [
            bytes((SEALED,)) + bytes((number,)) * size
            for number in range(8) for size in (30, 31, 32)
        ]
    started.set()
    while True:
        for _ in range(64):
            for data in junk:
                peer.throw(peer.seal(data) if is_linked else data)
        sent.value += 64 * len(junk)
