"""Where the time of a catch-up goes: the own time of each module, and calls a record.

What a module calls of the library and of the language counts as its own.
"""
from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import antsp2p
from tests.benchmarks.records import catch_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.record import Record

ROOT: Final = Path(antsp2p.__file__).parent
CALLS: Final = "calls of functions, a record"
OTHER: Final = "other"
LEAST: Final = 0.005
"""Modules with less than this part of the time stand together under `OTHER`."""


def of_catch_up(records: Sequence[Record]) -> dict[str, float]:
    """Percent of the time by module, the largest first, and the calls a record under `CALLS`."""
    profile = cProfile.Profile()
    profile.enable()
    catch_up.taken_in_us(records)
    profile.disable()
    # The stubs know nothing of what it has gathered.
    stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    seconds: Counter[str] = Counter()
    for place, (_, _, own_s, _, callers) in stats.items():
        module = _module(place)
        if module is not None:
            seconds[module] += own_s
            continue
        for caller, (_, _, own_there_s, _) in callers.items():
            seconds[_module(caller) or OTHER] += own_there_s
    whole_s = sum(seconds.values())
    for module, own_s in list(seconds.items()):
        if own_s < LEAST * whole_s:
            seconds[OTHER] += seconds.pop(module)
    calls = sum(count for _, count, _, _, _ in stats.values())
    return {
        **{module: 100 * own_s / whole_s for module, own_s in seconds.most_common()},
        CALLS: calls / len(records),
    }


def _module(place: tuple[str, int, str]) -> str | None:
    """The module of this package in which a function is."""
    file = Path(place[0])
    return file.relative_to(ROOT).with_suffix("").as_posix() if ROOT in file.parents else None
