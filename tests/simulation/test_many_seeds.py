"""Two hundred small worlds in which everything goes wrong; every checker watches every step."""
from __future__ import annotations

import pytest

from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.report import run_from_options

SEEDS_A_CHUNK = 10


def mixed(seed: int) -> SimulationOptions:
    """Eight nodes and twenty tasks under all faults at once, with a few bad agents."""
    return SimulationOptions(
        nodes=8, tasks=20, seed=seed, profile="mixed", lease_ms=1_500, tasks_per_s=5.0,
        faults_ms=6_000, attempts=100, flaky=seed % 3, silent=seed % 2,
        blob_rate=0.1 * (seed % 4 == 0), capabilities=1 + seed % 2,
    )


def check(chunk: int) -> None:
    for seed in range(chunk * SEEDS_A_CHUNK, (chunk + 1) * SEEDS_A_CHUNK):
        report = run_from_options(mixed(seed))
        assert report["holders_agree"], seed
        assert report["coverage"] == 1.0, seed


@pytest.mark.parametrize("chunk", range(20))
def test_mixed_faults(chunk: int) -> None:
    check(chunk)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(20, 200))
def test_mixed_faults_with_many_more_seeds(chunk: int) -> None:
    check(chunk)
