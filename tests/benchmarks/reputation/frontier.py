"""What each setting costs where: alpha, eta and epsilon varied one at a time around the choice."""
from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.trust import DEFAULT, PPM, TrustSettings
from tests.benchmarks.reputation.policies import Antsp2p
from tests.benchmarks.reputation.world import SCENARIOS, TRY_STRANGERS, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ALPHAS: Final = (0.0, 0.1, 0.25, 0.5, 0.7)
ETAS: Final = (0.0, 0.25, 0.5, 1.0)
EPSILONS: Final = (0.05, 0.1, 0.2)
WHERE: Final = ("A40", "C", "D", "E", "O", "G")


def settings() -> list[tuple[str, TrustSettings, float]]:
    """Name, settings, epsilon."""
    return [
        *((f"alpha {each:g}", replace(DEFAULT, alpha_ppm=int(each * PPM)), TRY_STRANGERS)
          for each in ALPHAS),
        *((f"eta {each:g}", replace(DEFAULT, eta_ppm=int(each * PPM)), TRY_STRANGERS)
          for each in ETAS),
        *((f"epsilon {each:g}", DEFAULT, each) for each in EPSILONS),
    ]


def play(job: tuple[str, TrustSettings, float, int]) -> float:
    gc.disable()
    name, chosen, epsilon, seed = job
    return World(SCENARIOS[name], seed, epsilon).play(Antsp2p(chosen))


def rows(
    seeds: Sequence[int], pool: Any, row: Callable[..., dict[str, Any]]
) -> list[dict[str, Any]]:
    """One row a scenario and setting; `policy` names the setting. The choice itself, which is on
    all three lines, is played once."""
    jobs = list(dict.fromkeys(
        (name, chosen, epsilon, seed)
        for name in WHERE for _, chosen, epsilon in settings() for seed in seeds
    ))
    found = dict(zip(jobs, pool.map(play, jobs, chunksize=1), strict=True))
    return [
        row(name, label, [found[name, chosen, epsilon, seed] for seed in seeds],
            SCENARIOS[name].target)
        for name in WHERE for label, chosen, epsilon in settings()
    ]
