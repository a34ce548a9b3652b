"""The simulated network: it carries datagrams, and holds the state that network faults set.

Law: a datagram is lost, delayed or doubled here and nowhere else. Every purpose draws from its own
stream, so that turning on loss does not change the delays of the datagrams that arrive.
"""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from antsp2p.simulation.delays import DELAY_MODELS
from antsp2p.simulation.limits import MAX_DATAGRAM_BYTES
from antsp2p.simulation.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from antsp2p.events import Address, Event
    from antsp2p.simulation.machine import Act
    from antsp2p.simulation.world import World


class Place(Protocol):
    """Where a node runs: a machine of this process, or one of another."""

    index: int
    address: Address

    @property
    def is_up(self) -> bool:
        """Whether its node runs."""

    def start(self) -> None:
        """Its node starts."""

    def tell(self, event: Event | Act, /) -> None:
        """Put an event into its inbox."""

    def expect(self, source: Machine, delay_us: int, data: bytes, /) -> None:
        """A datagram is under way to it, and takes so long."""


class Network:
    """Carries datagrams between machines. The public fields are what faults set."""

    def __init__(self, world: World, delay: str) -> None:
        if delay not in DELAY_MODELS:
            known = ", ".join(sorted(DELAY_MODELS))
            raise ValueError(f"there is no delay model {delay!r}: take one of {known}")
        self._world = world
        self._delay = DELAY_MODELS[delay](world.stream)
        self._stream_delay = DELAY_MODELS[delay](lambda purpose: world.stream(f"tcp/{purpose}"))
        self._losses = world.stream("network/loss")
        self._duplications = world.stream("network/duplication")
        self._reorderings = world.stream("network/reordering")
        self._places: dict[Address, Place] = {}
        self.loss = 0.0
        self.background_loss = 0.0
        """Never ends, whatever the faults do."""
        self.one_way_loss: Mapping[tuple[int, int], float] = {}
        self.burst_loss: Callable[[int, int, int], bool] | None = None
        """(source, target, time) -> whether a burst takes this datagram."""
        self.duplication = 0.0
        self.reordering = 0.0
        self.reordering_us = 0
        self.extra_delay_us = 0
        self.groups: Mapping[int, int] | None = None
        """Machine index -> its side of a partition; None where there is no partition."""
        self.sniff: Callable[[bytes], None] | None = None
        """Sees each datagram as it is sent, also one that is lost."""
        self.drops: Counter[str] = Counter()
        self.datagrams = 0
        self.bytes = 0

    def attach(self, place: Place) -> None:
        """Let `place` be reached at its address."""
        self._places[place.address] = place

    def detach(self, place: Place) -> None:
        """Let nobody be reached at the place's present address."""
        del self._places[place.address]

    def place_at(self, address: Address) -> Place | None:
        """Who has this address, in this process or another."""
        return self._places.get(address)

    def machine_at(self, address: Address) -> Machine | None:
        """The machine of this process with this address."""
        place = self._places.get(address)
        return place if isinstance(place, Machine) else None

    def connects(self, source: Place, target: Place) -> bool:
        """Whether no partition stands between the two."""
        groups = self.groups
        if groups is None:
            return True
        return groups.get(source.index, 0) == groups.get(target.index, 0)

    def stream_delay_us(self, source: Place, target: Place) -> int:
        """How long one way takes in a stream, which loses nothing."""
        delay_us = self._stream_delay(source.index, target.index, self._world.now_us)
        return delay_us + self.extra_delay_us

    def send(self, source: Machine, address: Address, data: bytes) -> None:
        """Take one datagram; it arrives later, twice, or never."""
        if len(data) > MAX_DATAGRAM_BYTES:
            raise ValueError(f"a datagram of {len(data)} bytes does not fit {MAX_DATAGRAM_BYTES}")
        self.datagrams += 1
        self.bytes += len(data)
        if self.sniff is not None:
            self.sniff(data)
        target = self._places.get(address)
        if target is None:
            self.drops["no-such-address"] += 1
        elif not self.connects(source, target):
            self.drops["partition"] += 1
        elif self._is_lost(source.index, target.index):
            self.drops["loss"] += 1
        else:
            self._carry(source, target, data)
            if self.duplication and self._duplications.random() < self.duplication:
                self._carry(source, target, data)

    def _is_lost(self, source: int, target: int) -> bool:
        if self.background_loss and self._losses.random() < self.background_loss:
            return True
        if self.loss and self._losses.random() < self.loss:
            return True
        burst_loss = self.burst_loss
        if burst_loss is not None and burst_loss(source, target, self._world.now_us):
            return True
        one_way = self.one_way_loss.get((source, target)) if self.one_way_loss else None
        return one_way is not None and self._losses.random() < one_way

    def _carry(self, source: Machine, target: Place, data: bytes) -> None:
        delay_us = self._delay(source.index, target.index, self._world.now_us)
        delay_us += self.extra_delay_us
        if self.reordering and self._reorderings.random() < self.reordering:
            delay_us += self._reorderings.randrange(self.reordering_us + 1)
        target.expect(source, delay_us, data)
