"""How long the main job takes, and what a node costs when there is nothing to do.

    python -m tests.benchmarks.main_job [--json] [--runs N] [--tasks N] [--idle SECONDS]

Ten node processes on loopback. One posts tasks one after another through its local API, with a
settle window of 0; the other nine serve them, first with agents that answer at once over the work
stream (the node alone), then with the command `true` under `antsp2p work` (what people run). Times
are taken at the poster's local API. Then nobody does anything, and /proc says what that costs.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import trio
from rich.console import Console
from rich.table import Table

from tests.benchmarks.costs import cpu_s, resident_mb
from tests.system.process import Machine, NodeProcess, open_machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

NODES: Final = 10
CLAIMED_TARGET_MS: Final = 25.0
RESULT_TARGET_MS: Final = 60.0
IDLE_CPU_TARGET_PERCENT: Final = 1.0
RESIDENT_TARGET_MB: Final = 75.0
CALM_S: Final = 7.0
"""After the last news a link pings faster for 5 s."""
WARM_UP: Final = 5
"""Tasks before the measured ones: first connections and imports are not the node's daily life."""
TASK_LIMIT_S: Final = 30.0


@dataclass(slots=True)
class Delays:
    """Milliseconds from the post, one of each a task."""

    claimed_ms: list[float] = field(default_factory=list)
    result_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Idle:
    """What one node costs: percent of one core, MB resident."""

    cpu_percent: float
    resident_mb: float


@dataclass(frozen=True, slots=True)
class Run:
    """One set of ten nodes."""

    agent: Delays
    command: Delays
    idle: list[Idle]


# --- measuring -----------------------------------------------------------------------------------


async def measure(tasks: int, idle_s: float) -> Run:
    """Start ten nodes, and measure."""
    async with open_machine() as machine:
        first = await machine.start()
        others = [await machine.start(peers=[first]) for _ in range(NODES - 1)]
        await first.until_links(NODES - 1)
        async with AsyncExitStack() as stack:
            for node in others:
                await stack.enter_async_context(_instant_agent(node, "noop.agent"))
            await first.until_providers("noop.agent", NODES - 1)
            agent = await _post_all(first, "noop.agent", tasks)
        command = await _measure_command(machine, first, others, tasks)
        idle = await _measure_idle([first, *others], idle_s)
    return Run(agent, command, idle)


async def _measure_command(
    machine: Machine, first: NodeProcess, others: Sequence[NodeProcess], tasks: int
) -> Delays:
    agents = [await machine.work(node, "noop.command", "true") for node in others]
    await first.until_providers("noop.command", NODES - 1)
    delays = await _post_all(first, "noop.command", tasks)
    async with trio.open_nursery() as nursery:
        for agent in agents:
            nursery.start_soon(agent.end)
    return delays


@asynccontextmanager
async def _instant_agent(node: NodeProcess, capability: str) -> AsyncIterator[None]:
    """An agent of `node` that answers every claim with nothing, at once."""
    path = f"/v1/work?capability={capability}&slots=1"
    async with node.events(path) as work, trio.open_nursery() as nursery:

        async def serve() -> None:
            async for name, data in work:
                if name == "start":
                    await node.call("POST", f"/v1/claims/{data['claim']}/result", outcome="done")

        nursery.start_soon(serve)
        yield
        nursery.cancel_scope.cancel()


async def _post_all(node: NodeProcess, capability: str, tasks: int) -> Delays:
    """Post tasks one after another; when each was claimed and had its result."""
    delays = Delays()
    async with node.events() as notices:
        for number in range(WARM_UP + tasks):
            with trio.fail_after(TASK_LIMIT_S):
                claimed_ms, result_ms = await _post_one(node, notices, capability)
            if number >= WARM_UP:
                delays.claimed_ms.append(claimed_ms)
                delays.result_ms.append(result_ms)
    return delays


async def _post_one(
    node: NodeProcess, notices: AsyncIterator[tuple[str, dict[str, Any]]], capability: str
) -> tuple[float, float]:
    posted_s = time.perf_counter()
    task = await node.post(capability, settle_ms=0)
    times: dict[str, float] = {}

    async def wait_for_claim() -> None:
        async for _, notice in notices:
            if notice["subject"] == task and notice["holder"] is not None:
                times["claimed"] = time.perf_counter()
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_for_claim)
        await node.result(task)
        times["result"] = time.perf_counter()
    return (times["claimed"] - posted_s) * 1_000, (times["result"] - posted_s) * 1_000


async def _measure_idle(nodes: Sequence[NodeProcess], idle_s: float) -> list[Idle]:
    await trio.sleep(CALM_S)
    before = [cpu_s(node.process.pid) for node in nodes]
    began_s = time.perf_counter()
    await trio.sleep(idle_s)
    window_s = time.perf_counter() - began_s
    return [
        Idle(100 * (cpu_s(node.process.pid) - used_s) / window_s, resident_mb(node.process.pid))
        for node, used_s in zip(nodes, before, strict=True)
    ]


# --- telling -------------------------------------------------------------------------------------


def figures(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Each quantity: the median over the runs of what each run had in its middle."""

    def row(name: str, unit: str, values: Iterator[float], target: float | None) -> dict[str, Any]:
        each = [round(value, 2) for value in values]
        middle = round(statistics.median(each), 2)
        met = None if target is None else middle <= target
        return {"name": name, "unit": unit, "value": middle, "runs": each, "target": target,
                "met": met}

    median = statistics.median
    return [
        row("post to claimed, true", "ms", (median(r.command.claimed_ms) for r in runs),
            CLAIMED_TARGET_MS),
        row("post to result, true", "ms", (median(r.command.result_ms) for r in runs),
            RESULT_TARGET_MS),
        row("post to claimed, agent", "ms", (median(r.agent.claimed_ms) for r in runs),
            CLAIMED_TARGET_MS),
        row("post to result, agent", "ms", (median(r.agent.result_ms) for r in runs),
            RESULT_TARGET_MS),
        row("post to result, true, 90 %", "ms", (_p90(r.command.result_ms) for r in runs), None),
        row("post to result, agent, 90 %", "ms", (_p90(r.agent.result_ms) for r in runs), None),
        row("idle node, of one core", "%", (median(i.cpu_percent for i in r.idle) for r in runs),
            IDLE_CPU_TARGET_PERCENT),
        row("busiest idle node, of one core", "%",
            (max(i.cpu_percent for i in r.idle) for r in runs), None),
        row("idle node, resident", "MB", (median(i.resident_mb for i in r.idle) for r in runs),
            RESIDENT_TARGET_MB),
    ]


def _p90(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 9 // 10)]


def write_table(rows: Sequence[dict[str, Any]], machine: str) -> None:
    """For people."""
    table = Table(title=f"The main job, {NODES} nodes on loopback ({machine})",
                  title_justify="left")
    for name in ("median of", "value", "target", "met", "each run"):
        table.add_column(name, justify="right" if name in ("value", "target") else "left")
    for row in rows:
        target = "" if row["target"] is None else f"≤ {row['target']:g} {row['unit']}"
        met = {True: "yes", False: "NO", None: ""}[row["met"]]
        each = " ".join(f"{value:g}" for value in row["runs"])
        table.add_row(row["name"], f"{row['value']:g} {row['unit']}", target, met, each)
    Console(highlight=False, width=None if sys.stdout.isatty() else 110).print(table)


def main() -> int:
    """Measure and tell; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="sets of nodes (3)")
    parser.add_argument("--tasks", type=int, default=100, metavar="N", help="tasks a run (100)")
    parser.add_argument("--idle", type=float, default=10.0, metavar="SECONDS", help="window (10)")
    options = parser.parse_args()
    if options.runs < 1 or options.tasks < 1 or options.idle <= 0:
        parser.error("--runs, --tasks and --idle must be above 0")
    runs = []
    for number in range(options.runs):
        print(f"run {number + 1} of {options.runs}", file=sys.stderr, flush=True)
        runs.append(trio.run(measure, options.tasks, options.idle))
    rows = figures(runs)
    machine = {"cores": os.cpu_count(), "python": sys.version.split()[0]}
    if options.json:
        print(json.dumps({"figures": rows, "tasks": options.tasks, **machine}))
    else:
        write_table(rows, f"{machine['cores']} cores, Python {machine['python']}")
    return 0 if all(row["met"] is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
