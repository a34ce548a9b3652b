"""An attacker that knows the rule: a search over its strategy with a budget, under one seed.

It may do a part of its work well, do so for some rounds and not for others, praise its own and
blame the honest, as much as it likes or little. Half of the budget is spent on chance, the other
half on changing the best so far.
"""
from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.reputation.policies import POLICIES
from tests.benchmarks.reputation.world import ROUNDS, UNLIMITED, Scenario, World

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET: Final = 24
AT_ONCE: Final = 2
SEED: Final = 1
MALICIOUS: Final = 42


@dataclass(frozen=True, slots=True)
class Strategy:
    """`good`: the chance of good work in a bad phase; phases of `period` rounds begin good."""

    good: float
    period: int
    spies: int
    fakes: int
    blames: bool


def _draw(rng: Random) -> Strategy:
    return Strategy(
        rng.choice((0.0, 0.25, 0.5, 0.6, 0.7, 0.8)), rng.choice((2, 5, 10, 15, 30, ROUNDS)),
        rng.choice((0, 0, 5, 15, 25)), rng.choice((0, 1, 100, UNLIMITED)), rng.random() < 0.5,
    )


def _change(strategy: Strategy, rng: Random) -> Strategy:
    field = rng.choice(("good", "period", "spies", "fakes", "blames"))
    return replace(strategy, **{field: getattr(_draw(rng), field)})


def scenario_of(strategy: Strategy) -> Scenario:
    def fails(which: int, _capability: int, at: int) -> float:
        if which < strategy.spies:
            return 0.05
        good_phase = strategy.period < ROUNDS and at // strategy.period % 2 == 0
        return 0.05 if good_phase else 1 - strategy.good

    return Scenario(
        "optimised", "an attacker that searched", MALICIOUS, fails, fakes=strategy.fakes,
        praised_from=strategy.spies, blames=strategy.blames,
    )


def play(strategy: Strategy, policy: str = "antsp2p") -> float:
    gc.disable()
    return World(scenario_of(strategy), SEED).play(POLICIES[policy]())


def rows(pool: Any, row: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst that was found, and what the same strategy does to the others."""
    rng = Random(f"search {SEED}")
    worst, value = _draw(rng), -1.0
    for turn in range(BUDGET // AT_ONCE):
        early = turn < BUDGET // AT_ONCE // 2
        tries = [_draw(rng) if early else _change(worst, rng) for _ in range(AT_ONCE)]
        for strategy, found in zip(tries, pool.map(play, tries, chunksize=1), strict=True):
            if found > value:
                worst, value = strategy, found
    others = pool.starmap(play, [(worst, policy) for policy in POLICIES], chunksize=1)
    return [
        row(f"optimised {worst}", policy, [other])
        for policy, other in zip(POLICIES, others, strict=True)
    ]
