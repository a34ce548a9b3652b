"""Amplifier: an outsider makes nodes send to somebody who never asked for anything.

Law: it sends what it heard, from the victim's address. A node that sends a victim more bytes than
came in the victim's name has broken a rule, and the world stops.
"""
from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from antsp2p.events import SendDatagram
from antsp2p.gossip.datagram import HELLO
from antsp2p.simulation.world import Observer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from antsp2p.events import Address, Effect, Event
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

REMEMBERED: Final = 256
VICTIMS: Final[tuple[Address, ...]] = tuple((f"203.0.113.{n}", 4_700) for n in range(1, 9))


@dataclass(frozen=True, slots=True)
class Amplifier:
    """Sends `per_s` datagrams a second in the name of victims, HELLOs above all."""

    per_s: int
    name: ClassVar[str] = "amplifier"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        _Spoofer(world, rng, 1_000_000 // self.per_s, end_us)


class _Spoofer(Observer):
    def __init__(self, world: World, rng: Random, pause_us: int, end_us: int) -> None:
        self._world = world
        self._rng = rng
        self._pause_us = pause_us
        self._end_us = end_us
        self._hellos: deque[bytes] = deque(maxlen=REMEMBERED)
        self._others: deque[bytes] = deque(maxlen=REMEMBERED)
        self._owed: Counter[tuple[int, Address]] = Counter()
        """(machine, victim) -> bytes that came in the victim's name and were not answered."""
        world.observers.append(self)
        world.after(pause_us, self._strike)

    def delivered(self, machine: Machine, data: bytes) -> None:
        (self._hellos if data[:1] == bytes((HELLO,)) else self._others).append(data)

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SendDatagram) and effect.address in VICTIMS:
                place = (machine.index, effect.address)
                self._owed[place] -= len(effect.data)
                if self._owed[place] < 0:
                    what = f"{effect.address[0]} is sent more than came in its name"
                    raise self._world.violation("amplification", what, machine)

    def _strike(self) -> None:
        world, rng = self._world, self._rng
        heard = self._hellos if rng.random() < 0.8 else self._others
        machine = rng.choice(world.machines)
        if heard and machine.node is not None:
            victim, data = rng.choice(VICTIMS), rng.choice(heard)
            self._owed[machine.index, victim] += len(data)
            machine.datagram_arrived(victim, data)
        if world.now_us < self._end_us:
            world.after(self._pause_us, self._strike)
