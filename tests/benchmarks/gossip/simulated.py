"""The numbers that only the simulation can reach: thousands of nodes of the shipped code.

The seeds are not those that timers were tuned on.
"""
from __future__ import annotations

import importlib
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.gossip.rows import Options, Row, at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME: Final = "simulated"
SYSTEM: Final = "antsp2p, simulated"
NODES: Final = 1_000
QUICK_NODES: Final = 50
RECORDS: Final = 20
TIMED_RECORDS: Final = 100
SPREAD_TARGETS: Final = {0: (1.05, 8.0), 30: (1.8, 60.0), 50: (2.6, 180.0)}
"""Loss in percent -> copies a node, 99 % of all deliveries in ms."""
TIMED_S: Final = {1_000: 60.0, 10_000: 900.0}
PROCESSES: Final = 2
"""That share one world of isolated records: the targets are for two cores."""
HALVES_S: Final = 15.0
WAITED_S: Final = 120.0
"""By the scenario, before it gives up."""
PART_S: Final = 60.0
WRITES_PER_S: Final = 10.0
CRASH_SHARE: Final = 0.5
BYTES_GROWTH: Final = 1.5
"""Bytes a node and record at 10,000 nodes, against those at 100."""
LARGE_P99_MS: Final = 10.0


def run(options: Options) -> list[Row]:
    """All of it, or fifty nodes, of which no target speaks, where it is to be quick."""
    try:
        scenarios = importlib.import_module("antsp2p.simulation.scenarios")
    except ImportError as error:
        return [Row("scenarios", SYSTEM, NODES, missing=str(error))]
    nodes = QUICK_NODES if options.quick else NODES
    seeds = options.seeds[:1] if options.quick else options.seeds
    rows: list[Row] = []
    for loss, (copies, p99_ms) in SPREAD_TARGETS.items():
        each = [
            _tell(scenarios.isolated, nodes, RECORDS, loss / 100, seed, "lan", PROCESSES)
            for seed in seeds
        ]
        rows += _spread_rows(each, nodes, loss, copies, p99_ms)
    rows += _timed(scenarios.isolated, nodes, seeds[0])[0]
    rows += _halves(scenarios, nodes, seeds)
    rows += _crash(scenarios, nodes, seeds)
    if options.everything:
        rows += _large(scenarios.isolated, seeds[0])
    return [replace(row, target="", met=None) if options.quick else row for row in rows]


def _tell(scenario: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    print(f"simulated: {scenario.__name__}{arguments}", file=sys.stderr, flush=True)
    return scenario(*arguments)


def _spread_rows(
    each: Sequence[dict[str, Any]], nodes: int, loss: int, copies: float, p99_ms: float
) -> list[Row]:
    coverage = min(result["coverage"] for result in each)
    return [
        at_most("copies a node", SYSTEM, nodes, "", [r["copies_per_node"] for r in each], copies,
                loss=loss, coverage=coverage),
        at_most("99 % of nodes", SYSTEM, nodes, "ms", [r["latency_ms"]["p99"] for r in each],
                p99_ms, loss=loss, coverage=coverage),
        at_most("records missed", SYSTEM, nodes, "", [max(r["missed"] for r in each)], 0,
                loss=loss),
    ]


def _timed(
    isolated: Callable[..., dict[str, Any]], nodes: int, seed: int
) -> tuple[list[Row], dict[str, Any]]:
    began_s = time.monotonic()
    result = _tell(isolated, nodes, TIMED_RECORDS, 0.0, seed, "lan", PROCESSES)
    took_s = time.monotonic() - began_s
    what = f"time to simulate {TIMED_RECORDS} records"
    if nodes not in TIMED_S:
        return [Row(what, SYSTEM, nodes, "s", (round(took_s, 1),), 0)], result
    return [
        at_most(what, SYSTEM, nodes, "s", [took_s], TIMED_S[nodes], loss=0,
                coverage=result["coverage"])
    ], result


def _halves(scenarios: Any, nodes: int, seeds: Sequence[int]) -> list[Row]:
    seconds = PART_S if nodes == NODES else PART_S / 6
    each = [_tell(scenarios.halves, nodes, seconds, WRITES_PER_S, seed) for seed in seeds]
    took = [
        WAITED_S if r["seconds_to_converge"] is None else r["seconds_to_converge"] for r in each
    ]
    missed = sum(result["missed"] for result in each)
    pairs = sum(result["pairs_differing"] for result in each)
    return [
        at_most("halves as one again", SYSTEM, nodes, "s", [max(took)], HALVES_S,
                coverage=1 - missed / max(1, pairs)),
        Row("  repair, a missing copy", SYSTEM, nodes, "B",
            tuple(result["bytes_per_pair"] for result in each)),
    ]


def _crash(scenarios: Any, nodes: int, seeds: Sequence[int]) -> list[Row]:
    each = [_tell(scenarios.mass_crash, nodes, CRASH_SHARE, seed) for seed in seeds]
    # In every run, not in most of them; and a survivor is cut off in a small group, too.
    return [
        at_most(f"half crash: {what}", SYSTEM, nodes, "", [max(r[key] for r in each)], most)
        for key, what, most in (
            ("isolated", "alone after 30 s", 0), ("parts", "parts after 30 s", 1),
            ("lost_records", "records lost", 0), ("missed_after", "later records missed", 0),
        )
    ]


def _large(isolated: Callable[..., dict[str, Any]], seed: int) -> list[Row]:
    small = _tell(isolated, 100, TIMED_RECORDS, 0.0, seed, "lan", PROCESSES)
    rows, large = _timed(isolated, 10_000, seed)
    growth = large["bytes_per_node_and_record"] / small["bytes_per_node_and_record"]
    return [
        *rows,
        at_most("99 % of nodes", SYSTEM, 10_000, "ms", [large["latency_ms"]["p99"]], LARGE_P99_MS,
                loss=0, coverage=large["coverage"]),
        at_most("bytes a node, ÷ those at 100", SYSTEM, 10_000, "", [growth], BYTES_GROWTH, loss=0),
        at_most("records missed", SYSTEM, 10_000, "", [large["missed"]], 0, loss=0),
    ]
