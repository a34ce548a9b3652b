"""Honest nodes finish their tasks while somebody attacks; every checker watches every step."""
from __future__ import annotations

import pytest

from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.report import run_from_options

DROPS = {
    "replayer": ("replayed", "unlinked"),
    "handshakes": ("mac",),
    "amplifier": ("unasked", "unlinked"),
    "flooder": ("quota-records",),
}
"""What of each attack must be told apart."""


def attacked(profile: str, seed: int) -> SimulationOptions:
    return SimulationOptions(
        nodes=6, tasks=15, seed=seed, profile=profile, tasks_per_s=5.0, faults_ms=4_000,
        lease_ms=2_000,
    )


def check(profile: str, seed: int) -> None:
    report = run_from_options(attacked(profile, seed))
    assert report["tasks_done"] == 15
    assert report["holders_agree"]
    assert report["coverage"] == 1.0
    assert any(report["drops"].get(reason) for reason in DROPS[profile]), report["drops"]


@pytest.mark.parametrize("profile", DROPS)
def test_tasks_are_done_under_attack(profile: str) -> None:
    check(profile, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 40))
@pytest.mark.parametrize("profile", DROPS)
def test_tasks_are_done_under_attack_with_many_more_seeds(profile: str, seed: int) -> None:
    check(profile, seed)
