"""Single runs, each in a process of its own.

They stand apart from the script because a process that is started afresh does not import that.
"""
from __future__ import annotations

import gc
import sys

from tests.benchmarks.reputation import sybils
from tests.benchmarks.reputation.policies import POLICIES
from tests.benchmarks.reputation.world import SCENARIOS, World


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def play(job: tuple[str, str, int, str]) -> float:
    """Scenario, policy, seed, who is a stranger: the share of bad outcomes."""
    scenario, policy, seed, strangers = job
    gc.disable()  # A run makes a million objects and no cycles worth looking for.
    value = World(SCENARIOS[scenario], seed, strangers=strangers).play(POLICIES[policy]())
    gc.enable()
    gc.collect()
    say(f"{scenario} {policy} seed {seed}: {value:.3f}")
    return value


def sybil_gains(job: tuple[int, tuple[int, ...]]) -> dict[str, float]:
    """Seed and sizes of swarms: the gain of each."""
    found = sybils.gains(*job)
    say(f"sybils seed {job[0]}")
    return found


def slander(seed: int) -> float:
    """How far a score moved."""
    found = sybils.slander(seed)
    say(f"slander seed {seed}: {found}")
    return found
