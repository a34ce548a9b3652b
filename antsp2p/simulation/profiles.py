"""Named worlds: how long datagrams take, and which faults strike."""
from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Profile:
    """A name's meaning. `text` is its line in the help."""

    text: str
    faults: tuple[Fault, ...] = ()
    delay: str = "lan"


PROFILES: Final[Mapping[str, Profile]] = {
    "calm": Profile("a wired local network where nothing goes wrong"),
    "lan": Profile("the same under the name of its delays"),
    "wifi": Profile("a wireless local network: milliseconds, with bursts", delay="wifi"),
    "wan": Profile("nodes across continents: 10 to 120 ms, each pair its own", delay="wan"),
    "lossy": Profile("30 % loss, duplicates, reordering", (
        Loss(0.3), Duplication(0.05), Reordering(0.1, 20),
    )),
    "lopsided": Profile("a fifth of the directed pairs lose nine datagrams of ten", (
        OneWayLoss(0.2, 0.9), Loss(0.05),
    )),
    "slow": Profile("delays of 80 ms that come and go", (Delay(80), Reordering(0.3, 100))),
    "partition": Profile("two sides that do not hear each other, again and again", (
        Partition(2_000, (1_000, 4_000)),
    )),
    "crashy": Profile("nodes die at any moment and come back with their store", (
        Crash(1_000, (50, 2_000)),
    )),
    "forgetful": Profile("nodes crash, and some lose their key and store", (
        Wipe(4_000, (100, 1_000)), Crash(2_000, (50, 1_000)),
    )),
    "stalling": Profile("nodes stop for seconds, and their clocks run differently", (
        Stall(1_500, (100, 4_000)), ClockRate(10_000),
    )),
    "mixed": Profile("all of that, but for restored backups", (
        Loss(0.1), Duplication(0.05), Reordering(0.1, 30), OneWayLoss(0.05, 0.7),
        Delay(20, 3_000), Partition(4_000, (500, 3_000)), Crash(2_000, (50, 2_000)),
        Wipe(10_000, (100, 1_000)), Stall(3_000, (100, 3_000)), ClockRate(10_000),
    )),
}
"""Rates are per world, not per node, and tuned to a few seconds of trouble for about ten nodes."""
