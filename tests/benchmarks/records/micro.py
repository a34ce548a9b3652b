"""The pieces of the hot path, each for itself, beside the machine's own signature check."""
from __future__ import annotations

import gc
import statistics
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.body import parse_body
from antsp2p.coordination.tasks import TaskFold
from antsp2p.events import AppendRecord, DatagramReceived, PeerHint, SendDatagram
from antsp2p.gossip.datagram import join_frames, split_frames
from antsp2p.gossip.suite import NOISE
from antsp2p.gossip.wire import encode_frame
from antsp2p.node import Node
from antsp2p.records.encoding import decode
from antsp2p.records.fork import MAX_UNSIGNED
from antsp2p.records.keys import verify
from antsp2p.records.log import LogSet
from antsp2p.records.record import parse_record, record_id
from antsp2p.runtime.store import Store
from tests.benchmarks.records.peer import pushed
from tests.benchmarks.records.workload import NETWORK, by_author, identity
from tests.gossip.protections import protection_of
from tests.wire_peer import plain_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from antsp2p.events import Effect
    from antsp2p.records.record import Record

STORE_BATCH: Final = 1_000
NODES: Final = ("192.0.2.1", 1), ("192.0.2.2", 1)


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds for one of something."""

    name: str
    us: float


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """As a node runs: it searches rarely."""
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(20_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def time_us(
    count: int, repeats: int, work: Callable[[], object],
    clock_s: Callable[[], float] = time.process_time,
) -> float:
    """The median of `repeats` runs, for one of `count`, in processor time: what else runs on the
    machine counts as little as can be."""
    times: list[float] = []
    for _ in range(repeats):
        start_s = clock_s()
        work()
        times.append((clock_s() - start_s) * 1e6 / count)
    return statistics.median(times)


def verify_us(records: Sequence[Record], repeats: int = 3) -> float:
    """One signature check, on one thread."""
    return time_us(len(records), repeats, lambda: _verify_all(records))


def verify_two_us(records: Sequence[Record], repeats: int = 3) -> float:
    """One signature check where two threads share the work, by the clock on the wall."""

    def both() -> None:
        threads = [
            threading.Thread(target=_verify_all, args=(records[part::2],)) for part in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return time_us(len(records), repeats, both, time.perf_counter)


def _verify_all(records: Sequence[Record]) -> None:
    for record in records:
        assert record.verifies(verify)


def costs(tasks: Sequence[Record], singles: Sequence[Record], repeats: int) -> list[Cost]:
    """Every piece, over simple tasks; the node's over records of distinct authors."""
    wires = [record.wire for record in tasks]
    payloads = [record.payload for record in tasks]
    frames = [encode_frame(pushed(record)) for record in tasks]
    datagrams = [join_frames([frame]) for frame in frames]
    logs = by_author(tasks)

    def timed(name: str, work: Callable[[], object]) -> Cost:
        return Cost(name, time_us(len(tasks), repeats, work))

    def insert(step: int) -> None:
        kept = LogSet(NETWORK, lambda *_: True)
        for log in logs:
            for start in range(0, len(log), step):
                kept.insert(log[start : start + step])

    def fold() -> None:
        folded = TaskFold()
        for record in tasks:
            folded.add(record)

    with no_search_for_cycles():
        return [
            timed("parse a record", lambda: [parse_record(wire) for wire in wires]),
            timed("decode its payload plainly", lambda: [decode(p, 1_000) for p in payloads]),
            timed("hash its id", lambda: [record_id(payload) for payload in payloads]),
            timed("insert alone, signature not counted", lambda: insert(1)),
            timed(f"insert in runs of {MAX_UNSIGNED + 1}", lambda: insert(MAX_UNSIGNED + 1)),
            timed("read its body", lambda: [parse_body(record) for record in tasks]),
            timed("fold it", fold),
            timed(f"store, {STORE_BATCH} at once", lambda: _store(tasks)),
            timed("encode its frame", lambda: [encode_frame(pushed(r)) for r in tasks]),
            timed("read its frame", lambda: [split_frames(data) for data in datagrams]),
            Cost("a node's turn, signature not counted", _turns_us(singles)),
        ]


def _store(records: Sequence[Record]) -> None:
    with tempfile.TemporaryDirectory(prefix="antsp2p-") as folder:
        store = Store(Path(folder) / "store.db")
        for start in range(0, len(records), STORE_BATCH):
            store.commit([
                AppendRecord(record, 0, own=False)
                for record in records[start : start + STORE_BATCH]
            ])
        store.close()


def _turns_us(records: Sequence[Record]) -> float:
    """One datagram with one new record, handled by a node with one link."""
    nodes = {address: _node(number) for number, address in enumerate(NODES)}
    queue: list[tuple[tuple[str, int], Effect]] = [
        (NODES[1], effect) for effect in nodes[NODES[1]].handle(PeerHint(NODES[0]), 1)
    ]
    while queue:
        source, effect = queue.pop(0)
        if isinstance(effect, SendDatagram):
            event = DatagramReceived(source, effect.data)
            queue += [(effect.address, more) for more in nodes[effect.address].handle(event, 2)]
    node = nodes[NODES[0]]
    (link,) = nodes[NODES[1]].gossip._parts.links.all()
    datagrams = [link.session.seal(plain_of(pushed(record)), 2) for record in records]

    def turns() -> None:
        for number, data in enumerate(datagrams):
            node.handle(DatagramReceived(NODES[1], data), 1_000 + number)

    cost_us = time_us(len(records), 1, turns)
    assert len(node.logs.authors()) == len(records)
    return cost_us


def _node(number: int) -> Node:
    me = identity(900_000 + number)
    return Node(
        me, NETWORK, protection=protection_of(me, NETWORK, suite=NOISE), boot=1,
        instance=bytes((number,)) * 8, rng=Random(number), now_us=0, wall_ms=0,
        verify=lambda *_: True,
    )
