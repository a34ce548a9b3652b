"""Discovery on the simulated network: whoever starts is heard of by all, and hears of all.

Law: hints only, as from multicast DNS; nobody hears across a partition, and nothing is repeated.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.events import PeerHint
from antsp2p.simulation.world import Observer, World

if TYPE_CHECKING:
    from antsp2p.simulation.machine import Machine

MIN_DISCOVERY_US = 20_000
MAX_DISCOVERY_US = 200_000


class Discovery(Observer):
    """Tells each machine of the others some time after it starts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._delays = world.stream("discovery")
        world.observers.append(self)

    def started(self, machine: Machine) -> None:
        for other in self._world.machines:
            if other is not machine:
                self._hint(machine, other)
                self._hint(other, machine)

    def _hint(self, hearer: Machine, found: Machine) -> None:
        delay_us = self._delays.randrange(MIN_DISCOVERY_US, MAX_DISCOVERY_US)
        self._world.after(delay_us, self._tell, hearer, found)

    def _tell(self, hearer: Machine, found: Machine) -> None:
        if found.node is not None and self._world.network.connects(hearer, found):
            hearer.tell(PeerHint(found.address))
