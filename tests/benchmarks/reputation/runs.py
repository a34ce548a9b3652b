"""Single runs, each in a process of its own: to end it costs less than to collect what it leaves.

They stand apart from the script because a process that is started afresh does not import that.
"""
from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from tests.benchmarks.reputation import sybils
from tests.benchmarks.reputation.policies import POLICIES
from tests.benchmarks.reputation.world import SCENARIOS, World

if TYPE_CHECKING:
    from collections.abc import Sequence


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def play(job: tuple[str, Sequence[str], int, str]) -> dict[tuple[str, str, int], float]:
    """Scenario, policies, seed, who is a stranger: the share of bad outcomes under each."""
    scenario, policies, seed, strangers = job
    gc.disable()  # A run makes a million objects and no cycles worth looking for.
    found = {}
    for policy in policies:
        value = World(SCENARIOS[scenario], seed, strangers=strangers).play(POLICIES[policy]())
        say(f"{scenario} {policy} seed {seed}: {value:.3f}")
        found[scenario, policy, seed] = value
    gc.enable()
    return found


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
