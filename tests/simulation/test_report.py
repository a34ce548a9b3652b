from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.quantiles import quantiles_ms
from antsp2p.simulation.report import build, run_from_options

SMALL = SimulationOptions(nodes=5, tasks=10, seed=7, loss=0.2)
IN_ANOTHER_PROCESS = """
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.report import run_from_options
print(run_from_options(SimulationOptions(
    nodes=6, tasks=10, seed=3, profile="mixed", lease_ms=1_500, faults_ms=4_000, attempts=50,
    blob_rate=0.2,
))["trace_hash"])
"""


def test_the_report_has_what_the_command_prints_and_fits_json() -> None:
    report = run_from_options(SMALL)
    assert report.keys() >= {
        "coverage", "copies_per_node", "latency_ms", "bytes_per_node", "tasks_done", "conflicts",
        "duplicate_runs", "holders_agree", "trace_hash", "claim_latency_ms", "result_latency_ms",
        "drops", "steps", "seed",
    }
    assert report["latency_ms"].keys() == {"p50", "p99", "max"}
    assert json.loads(json.dumps(report)) == report


def test_what_is_measured_is_plausible() -> None:
    report = run_from_options(SMALL)
    assert report["coverage"] == 1.0
    assert report["tasks_done"] == 10
    assert 1.0 <= report["copies_per_node"] < 5.0
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]
    assert 0 < report["claim_latency_ms"]["p50"] < report["result_latency_ms"]["p50"]
    assert report["runs"] >= 10
    assert report["drops"]["loss"] > 0


def test_the_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    first, second = run_from_options(SMALL), run_from_options(SMALL)
    assert first == second
    assert run_from_options(replace(SMALL, seed=8))["trace_hash"] != first["trace_hash"]


def test_the_trace_does_not_depend_on_the_order_of_sets() -> None:
    hashes = set()
    for hash_seed in ("0", "1", "4711"):
        finished = subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True,
            check=True,
        )
        hashes.add(finished.stdout.strip())
    assert len(hashes) == 1
    assert len(hashes.pop()) == 64


def test_the_replay_command_names_every_option_that_is_not_the_default() -> None:
    options = SimulationOptions(nodes=50, tasks=200, loss=0.2, seed=7, review=True)
    assert options.command == (
        "antsp2p simulate --nodes 50 --tasks 200 --loss 0.2 --review --seed 7"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"nodes": 0}, "at least one node"), ({"profile": "hail"}, "no profile 'hail'"),
     ({"loss": 1.0}, "below 1")],
)
def test_options_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimulationOptions(**changes)  # type: ignore[arg-type]


def test_quantiles_of_nothing_are_zero() -> None:
    assert quantiles_ms([]) == {"p50": 0.0, "p99": 0.0, "max": 0.0}
    assert quantiles_ms([3_000, 1_000, 2_000]) == {"p50": 2.0, "p99": 2.0, "max": 3.0}


def test_a_world_without_tasks_comes_to_rest() -> None:
    simulation = build(SimulationOptions(nodes=3, tasks=0))
    assert simulation.run()["coverage"] == 1.0
    assert simulation.at_rest
