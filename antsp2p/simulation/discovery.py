"""Discovery on the simulated network: hints about who runs where.

Law: hints only, as from multicast DNS; nobody hears across a partition, and nothing is repeated.
In a small world whoever starts is heard of by all and hears of all; in a large one by and of a few.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.events import PeerHint
from antsp2p.simulation.limits import EVERYBODY_HEARS_UP_TO, HEARD_BY_NODES, HEARS_OF_NODES
from antsp2p.simulation.world import Observer, World

if TYPE_CHECKING:
    from antsp2p.simulation.network import Place

MIN_DISCOVERY_US = 20_000
MAX_DISCOVERY_US = 200_000


class Discovery(Observer):
    """Tells each machine of others some time after it starts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._delays = world.stream("discovery")
        self._choices = world.stream("discovery/choices")
        self._up: list[Place] = []
        """Machines that run, in no particular order, so that some are drawn at once."""
        self._places: dict[int, int] = {}
        """Machine index -> its place in `_up`."""
        world.observers.append(self)

    def started(self, machine: Place) -> None:
        machines = self._world.places
        if len(machines) <= EVERYBODY_HEARS_UP_TO:
            for other in machines:
                if other is not machine:
                    self._hint(machine, other)
                    self._hint(other, machine)
        else:
            count = min(HEARS_OF_NODES, len(self._up))
            for place, other in enumerate(self._choices.sample(self._up, count)):
                self._hint(machine, other)
                if place < HEARD_BY_NODES:
                    self._hint(other, machine)
        self._places[machine.index] = len(self._up)
        self._up.append(machine)

    def started_elsewhere(self, place: Place) -> None:
        # Each process draws for all nodes alike, and tells its own.
        self.started(place)

    def crashed(self, machine: Place) -> None:
        place = self._places.pop(machine.index)
        last = self._up.pop()
        if last is not machine:
            self._up[place] = last
            self._places[last.index] = place

    def running(self) -> list[Place]:
        """The machines that newcomers may hear of, in the order of their index."""
        return sorted(self._up, key=lambda machine: machine.index)

    def _hint(self, hearer: Place, found: Place) -> None:
        delay_us = self._delays.randrange(MIN_DISCOVERY_US, MAX_DISCOVERY_US)
        self._world.after(delay_us, self._tell, hearer, found)

    def _tell(self, hearer: Place, found: Place) -> None:
        if found.is_up and self._world.network.connects(hearer, found):
            hearer.tell(PeerHint(found.address))
