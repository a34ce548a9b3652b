"""Named sets of faults."""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.simulation.faults import (
    ClockRate,
    Crash,
    Delay,
    Duplication,
    Fault,
    Loss,
    OneWayLoss,
    Partition,
    Reordering,
    Stall,
    Wipe,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILES: Final[Mapping[str, tuple[Fault, ...]]] = {
    "calm": (),
    "lossy": (Loss(0.3), Duplication(0.05), Reordering(0.1, 20)),
    "lopsided": (OneWayLoss(0.2, 0.9), Loss(0.05)),
    "slow": (Delay(80), Reordering(0.3, 100)),
    "partition": (Partition(2_000, (1_000, 4_000)),),
    "crashy": (Crash(1_000, (50, 2_000)),),
    "forgetful": (Wipe(4_000, (100, 1_000)), Crash(2_000, (50, 1_000))),
    "stalling": (Stall(1_500, (100, 4_000)), ClockRate(10_000)),
    "mixed": (
        Loss(0.1), Duplication(0.05), Reordering(0.1, 30), OneWayLoss(0.05, 0.7),
        Delay(20, 3_000), Partition(4_000, (500, 3_000)), Crash(2_000, (50, 2_000)),
        Wipe(10_000, (100, 1_000)), Stall(3_000, (100, 3_000)), ClockRate(10_000),
    ),
}
"""Rates are per world, not per node, and tuned to a few seconds of trouble for about ten nodes."""
