"""Two members exchange a steady stream of tasks: in quiet, and while somebody floods one of them.

    python -m tests.benchmarks.hostile [--json] [--seconds S] [--tasks-per-s N]
        [--outsider-rate N] [--member-rate N]

Node processes on loopback. One posts, the other serves with an agent that answers at once. Quiet
and each attack are measured in the same run, one after the other, on new nodes. A task is in time
where its result came within a second of its post.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import trio
from rich.console import Console
from rich.table import Table

from tests.benchmarks.costs import cpu_s
from tests.system.process import NodeProcess, open_machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

IN_TIME_S: Final = 1.0
CALM_S: Final = 2.0
LEAD_S: Final = 1.0
"""The flood begins so long before the first task, and the last answers get as long."""
WORD: Final = "noop.agent"


@dataclass(slots=True)
class Times:
    """Seconds of the poster's clock, by task."""

    posted: dict[str, float] = field(default_factory=dict)
    claimed: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    def row(self, tasks: int) -> dict[str, Any]:
        """What they come to, of `tasks` that were due."""
        claims = sorted(
            1_000 * (at_s - self.posted[task]) for task, at_s in self.claimed.items()
            if task in self.posted
        )
        in_time = sum(
            at_s - self.posted[task] <= IN_TIME_S for task, at_s in self.ended.items()
            if task in self.posted
        )
        return {
            "tasks": tasks,
            "in_time_percent": round(100 * in_time / tasks, 1),
            "claimed_ms": round(median(claims), 2) if claims else None,
            "claimed_90_ms": round(claims[len(claims) * 9 // 10], 2) if claims else None,
        }


@asynccontextmanager
async def _agent(node: NodeProcess) -> AsyncIterator[None]:
    """An agent of `node` that answers every claim with nothing, at once."""
    path = f"/v1/work?capability={WORD}&slots=16"
    async with node.events(path) as work, trio.open_nursery() as nursery:

        async def answer(claim: str) -> None:
            await node.call("POST", f"/v1/claims/{claim}/result", outcome="done")

        async def serve() -> None:
            async for name, data in work:
                if name == "start":
                    nursery.start_soon(answer, data["claim"])

        nursery.start_soon(serve)
        yield
        nursery.cancel_scope.cancel()


async def _exchange(node: NodeProcess, seconds: float, tasks_per_s: int) -> dict[str, Any]:
    """Post at a steady rate, whatever becomes of it."""
    times = Times()
    tasks = int(seconds * tasks_per_s)

    async def post() -> None:
        began_s = time.perf_counter()
        task = await node.post(WORD, settle_ms=0)
        times.posted[task] = began_s

    async def watch(notices: AsyncIterator[tuple[str, dict[str, Any]]]) -> None:
        async for _, notice in notices:
            now_s, task = time.perf_counter(), notice["subject"]
            if notice.get("holder") is not None:
                times.claimed.setdefault(task, now_s)
            if notice.get("state") == "accepted":
                times.ended.setdefault(task, now_s)

    async with node.events() as notices, trio.open_nursery() as nursery:
        nursery.start_soon(watch, notices)
        began_s = trio.current_time()
        for number in range(tasks):
            await trio.sleep_until(began_s + number / tasks_per_s)
            nursery.start_soon(post)
        await trio.sleep(IN_TIME_S)
        nursery.cancel_scope.cancel()
    return times.row(tasks)


async def _measure(kind: str, rate: int, seconds: float, tasks_per_s: int) -> dict[str, Any]:
    async with open_machine() as machine:
        first = await machine.start()
        second = await machine.start(peers=[first])
        await first.until_links(1)
        async with _agent(second):
            await first.until_providers(WORD, 1)
            await _exchange(first, CALM_S, tasks_per_s)
            flood = None
            if kind != "quiet":
                flood = await trio.to_thread.run_sync(
                    _start_flood, kind, first.port, _network_file(machine.folder), rate,
                    seconds + 2 * LEAD_S,
                )
                await trio.sleep(LEAD_S)
            before_s = cpu_s(first.process.pid)
            row = await _exchange(first, seconds, tasks_per_s)
            row["cpu_percent"] = round(100 * (cpu_s(first.process.pid) - before_s)
                                       / (seconds + IN_TIME_S))
        row |= {"attack": kind, "rate": rate}
        if flood is not None:
            assert flood.stdout is not None
            said = await trio.to_thread.run_sync(flood.stdout.read)
            row |= json.loads(said)
            await trio.to_thread.run_sync(flood.wait)
        drops: dict[str, int] = (await first.status()).get("drops", {})
        row["drops"] = dict(sorted(drops.items(), key=lambda item: -item[1])[:4])
    return row


def _network_file(folder: Path) -> Path:
    (path,) = (folder / "config" / "networks").glob("*.json")
    return path


def _start_flood(
    kind: str, port: int, path: Path, rate: int, seconds: float
) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tests.benchmarks.hostile.flood", kind, str(port), str(path),
             str(rate), str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (10)")
    parser.add_argument("--tasks-per-s", type=int, default=50, help="exchanged all the time (50)")
    parser.add_argument("--outsider-rate", type=int, default=20_000, help="datagrams/s (20000)")
    parser.add_argument("--member-rate", type=int, default=5_000, help="records/s (5000)")
    options = parser.parse_args()
    rates = {"quiet": 0, "outsider": options.outsider_rate, "member": options.member_rate}
    rows = []
    for kind, rate in rates.items():
        print(kind, file=sys.stderr, flush=True)
        rows.append(trio.run(_measure, kind, rate, options.seconds, options.tasks_per_s))
    if options.json:
        print(json.dumps({"rows": rows}))
        return 0
    names = ("attack", "in_time_percent", "claimed_ms", "claimed_90_ms", "cpu_percent", "sent",
             "bytes_sent", "bytes_back", "links", "drops")
    table = Table(*names)
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in names))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
