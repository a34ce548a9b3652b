"""Delay models by name: how long a datagram takes from one machine to another.

Law: a model knows indices, the time and its own streams, and nothing of nodes or faults. Which
region a machine is in follows from its index, so that more machines do not move the others.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

Delays = Callable[[int, int, int], int]
"""(source index, target index, time of the world) -> one-way delay in microseconds."""
Streams = Callable[[str], "Random"]
"""Purpose -> its stream of draws."""

REGIONS: Final = ("east", "west", "europe", "india", "japan", "brazil")
_BETWEEN_MS: Final = (
    (1, 32, 40, 95, 75, 58),
    (32, 1, 70, 110, 52, 88),
    (40, 70, 1, 60, 115, 95),
    (95, 110, 60, 1, 62, 150),
    (75, 52, 115, 62, 1, 130),
    (58, 88, 95, 150, 130, 1),
)
"""One-way delays between regions, the same in both directions: half of common round trips."""


def lan(streams: Streams) -> Delays:
    """A wired local network: 0.1 ms and a little, one in a hundred up to some milliseconds."""
    rng = streams("network/delay")

    def delay_us(source: int, target: int, now_us: int) -> int:
        taken_us = 100 + int(rng.expovariate(1 / 150))
        return taken_us * 10 if rng.random() < 0.01 else min(taken_us, 1_000)

    return delay_us


QUIET_US: Final = 2_000_000
BURST_US: Final = 60_000


class Wifi:
    """A wireless local network: milliseconds, and bursts in which a machine hears nothing: what is
    sent from it or to it then arrives after the burst."""

    def __init__(self, streams: Streams) -> None:
        self._rng = streams("network/delay")
        self._bursts_rng = streams("network/bursts")
        self._bursts: dict[int, tuple[int, int]] = {}
        """Machine -> when its next burst begins and ends."""

    def _hold_us(self, machine: int, now_us: int) -> int:
        """What is left of a burst at this machine."""
        begin_us, end_us = self._bursts.get(machine, (0, 0))
        while end_us <= now_us:
            quiet_us = int(self._bursts_rng.expovariate(1 / QUIET_US))
            begin_us = (end_us or now_us) + quiet_us
            end_us = begin_us + 1 + int(self._bursts_rng.expovariate(1 / BURST_US))
            self._bursts[machine] = (begin_us, end_us)
        return end_us - now_us if begin_us <= now_us else 0

    def __call__(self, source: int, target: int, now_us: int) -> int:
        held_us = max(self._hold_us(source, now_us), self._hold_us(target, now_us))
        return held_us + 1_000 + int(self._rng.expovariate(1 / 1_500))


def wan(streams: Streams) -> Delays:
    """Nodes in six regions: 1 to 150 ms between regions, a place of 0 to 8 ms within each, and
    jitter."""
    rng = streams("network/delay")

    def delay_us(source: int, target: int, now_us: int) -> int:
        between_us = _BETWEEN_MS[source % len(REGIONS)][target % len(REGIONS)] * 1_000
        last_miles_us = (source * 7_919 % 8_000 + target * 7_919 % 8_000) // 2
        jitter_us = int(rng.expovariate(1 / 1_500))
        return between_us + last_miles_us + (jitter_us * 8 if rng.random() < 0.01 else jitter_us)

    return delay_us


LEAST_DELAY_US: Final[Mapping[str, int]] = {"lan": 100, "wifi": 1_000, "wan": 1_000}
"""No datagram of the model takes less: so far apart are the processes of one run, at least."""
DELAY_MODELS: Final[Mapping[str, Callable[[Streams], Delays]]] = {
    "lan": lan, "wifi": Wifi, "wan": wan,
}
