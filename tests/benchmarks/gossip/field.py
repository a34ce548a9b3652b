"""One system, measured in the network namespace in which this runs.

    python -m tests.benchmarks.gossip.field spread SYSTEM NODES EVENTS LOSS,LOSS... [VENV]
    python -m tests.benchmarks.gossip.field idle SYSTEM NODES SETTLE_S WINDOW_S [VENV]
    python -m tests.benchmarks.gossip.field busy SYSTEM NODES EVENTS SEED [VENV]

Writes one JSON object. A time is from the moment at which the publishing node was told to publish
to the moment at which a node had the record. A node that had it not within LIMIT_S counts with
LIMIT_S, and is missing in the coverage.
"""
from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import trio

from tests.benchmarks.costs import cpu_s, resident_mb
from tests.benchmarks.gossip import place
from tests.benchmarks.gossip.systems import System, make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMIT_S: Final = 5.0
"""Waited for the last node; what comes later is repair, not spread."""
LOOK_S: Final = 0.02
"""Between two looks at what has arrived: the nodes note the times themselves."""
PAUSE_S: Final = (0.2, 0.6)
"""Between two records, at random: not in step with anybody's timer."""
WARM_RECORDS: Final = 3
"""In a row, each everywhere in time, before anything is measured."""
WARM_LIMIT_S: Final = 90.0
SETTLE_S: Final = 2.0


@asynccontextmanager
async def running(name: str, nodes: int, venv: Path | None) -> AsyncIterator[System]:
    """The nodes of a system; all of them have ended after the block."""
    folder = Path(tempfile.mkdtemp(prefix="antsp2p-"))
    system = make(name, folder, venv)
    try:
        await system.start(nodes)
        yield system
    finally:
        await system.end()
        shutil.rmtree(folder, ignore_errors=True)


async def publish(system: System, nodes: int, publisher: int) -> list[float]:
    """Milliseconds until each node had one new record; only nodes that had it within the limit."""
    key = secrets.token_hex(8)
    told_ns = await system.publish(publisher, key)
    with trio.move_on_after(LIMIT_S):
        while len(system.arrivals[key]) < nodes:
            await trio.sleep(LOOK_S)
            system.collect()
    times = [(moment_ns - told_ns) / 1e6 for moment_ns in system.arrivals[key].values()]
    return [time_ms for time_ms in times if time_ms <= LIMIT_S * 1_000]


async def warm_up(system: System, nodes: int, rng: Random) -> None:
    """Return when records reach everybody: the system has formed."""
    good = 0
    with trio.fail_after(WARM_LIMIT_S):
        while good < WARM_RECORDS:
            times = await publish(system, nodes, rng.randrange(nodes))
            good = good + 1 if len(times) == nodes else 0
            await trio.sleep(rng.uniform(*PAUSE_S))
    await trio.sleep(SETTLE_S)


async def spread(
    name: str, nodes: int, events: int, losses: list[int], venv: Path | None
) -> dict[str, Any]:
    """How fast records spread, at each loss."""
    rng = Random(secrets.randbits(64))
    found: dict[str, Any] = {"losses": []}
    began_s = time.monotonic()
    async with running(name, nodes, venv) as system:
        await warm_up(system, nodes, rng)
        found["formed_s"] = round(time.monotonic() - began_s, 1)
        for loss in losses:
            if losses != [0]:
                place.lose(loss)
            found["losses"].append({"loss": loss, **await _publish_all(system, nodes, events, rng)})
        found["record_bytes"] = sorted(getattr(system, "record_bytes", ()))
    return found


async def _publish_all(system: System, nodes: int, events: int, rng: Random) -> dict[str, Any]:
    """Records one after another: for each, when the last and the median node had it."""
    last_ms, median_ms, reached = [], [], 0
    for _ in range(events):
        times = await publish(system, nodes, rng.randrange(nodes))
        reached += len(times)
        times += [LIMIT_S * 1_000] * (nodes - len(times))
        last_ms.append(max(times))
        median_ms.append(statistics.median(times))
        await trio.sleep(rng.uniform(*PAUSE_S))
    return {"last_ms": last_ms, "median_ms": median_ms, "coverage": reached / (events * nodes)}


async def busy(name: str, nodes: int, events: int, seed: int, venv: Path | None) -> dict[str, Any]:
    """How fast records spread without loss, and what that takes; `seed` chooses the publishers."""
    async with running(name, nodes, venv) as system:
        await warm_up(system, nodes, Random(secrets.randbits(64)))
        spent = _Spent(system)
        found = await _publish_all(system, nodes, events, Random(seed))
        return {
            "last_ms": statistics.median(found["last_ms"]),
            "median_ms": statistics.median(found["median_ms"]),
            "coverage": found["coverage"],
            **spent.a_node(nodes),
        }


class _Spent:
    """What a system's nodes spend from now on."""

    def __init__(self, system: System) -> None:
        place.count_traffic()
        self._pids = system.pids()
        self._cpu_s = [cpu_s(pid) for pid in self._pids]
        self._began_s, self._traffic = time.monotonic(), place.traffic()

    def a_node(self, nodes: int) -> dict[str, float]:
        """The average of them so far."""
        traffic, took_s = place.traffic(), time.monotonic() - self._began_s
        used_s = [cpu_s(pid) - past for pid, past in zip(self._pids, self._cpu_s, strict=True)]
        return {
            "bytes_per_s": (traffic.size - self._traffic.size) / took_s / nodes,
            "packets_per_s": (traffic.packets - self._traffic.packets) / took_s / nodes,
            "cpu_percent": 100 * sum(used_s) / took_s / nodes,
        }


async def idle(
    name: str, nodes: int, settle_s: float, window_s: float, venv: Path | None
) -> dict[str, Any]:
    """What nodes cost that have joined and have nothing to say."""
    async with running(name, nodes, venv) as system:
        await trio.sleep(settle_s)
        spent = _Spent(system)
        await trio.sleep(window_s)
        resident = statistics.median(resident_mb(pid) for pid in system.pids())
        return {**spent.a_node(nodes), "resident_mb": resident}


async def measure(words: list[str]) -> dict[str, Any]:
    """What the command line asks for; a signal ends it cleanly."""
    kind, name, nodes, third, fourth, *venvs = words
    venv = Path(venvs[0]) if venvs else None
    found: dict[str, Any] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_on_signal, nursery.cancel_scope)
        if kind == "spread":
            losses = [int(loss) for loss in fourth.split(",")]
            found = await spread(name, int(nodes), int(third), losses, venv)
        elif kind == "busy":
            found = await busy(name, int(nodes), int(third), int(fourth), venv)
        else:
            found = await idle(name, int(nodes), float(third), float(fourth), venv)
        nursery.cancel_scope.cancel()
    return found


async def _cancel_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()


if __name__ == "__main__":
    result = trio.run(measure, sys.argv[1:])
    print(json.dumps(result), flush=True)
    # A listener may still wait for an agent that has ended.
    os._exit(0 if result else 1)
