"""Replayer: an outsider who hears everything and sends it again.

Law: it knows no secret and makes no datagram of its own. What it heard goes, whenever it likes, to
whomever it likes, from any address: the sender's, another node's, or nobody's.
"""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from antsp2p.simulation.world import Observer

if TYPE_CHECKING:
    from random import Random

    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

REMEMBERED: Final = 4_096
"""Datagrams, some seconds of a small network: what is older is no session's any more."""
STRANGERS: Final = 250


@dataclass(frozen=True, slots=True)
class Replayer:
    """Sends `per_s` recorded datagrams a second."""

    per_s: int
    name: ClassVar[str] = "replayer"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        _Ear(world, rng, 1_000_000 // self.per_s, end_us)


class _Ear(Observer):
    def __init__(self, world: World, rng: Random, pause_us: int, end_us: int) -> None:
        self._world = world
        self._rng = rng
        self._pause_us = pause_us
        self._end_us = end_us
        self._heard: deque[bytes] = deque(maxlen=REMEMBERED)
        self._own = False
        world.observers.append(self)
        world.after(pause_us, self._strike)

    def delivered(self, machine: Machine, data: bytes) -> None:
        if not self._own:
            self._heard.append(data)

    def _strike(self) -> None:
        world, rng = self._world, self._rng
        if self._heard:
            victim, source = rng.choice(world.machines), rng.choice(world.machines).address
            if rng.random() < 0.3:
                source = (f"203.0.113.{rng.randrange(STRANGERS)}", 4_700)
            self._own = True
            victim.datagram_arrived(source, rng.choice(self._heard))
            self._own = False
        if world.now_us < self._end_us:
            world.after(self._pause_us, self._strike)
