"""The simulated network: it carries datagrams, and holds the state that network faults set.

Law: a datagram is lost, delayed or doubled here and nowhere else. Every purpose draws from its own
stream, so that turning on loss does not change the delays of the datagrams that arrive.
"""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from antsp2p.simulation.delays import DELAY_MODELS
from antsp2p.simulation.limits import MAX_DATAGRAM_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from antsp2p.events import Address
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

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
        self._machines: dict[Address, Machine] = {}
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

    def attach(self, machine: Machine) -> None:
        """Let `machine` be reached at its address."""
        self._machines[machine.address] = machine

    def detach(self, machine: Machine) -> None:
        """Let nobody be reached at the machine's present address."""
        del self._machines[machine.address]

    def machine_at(self, address: Address) -> Machine | None:
        """The machine with this address."""
        return self._machines.get(address)

    def connects(self, source: Machine, target: Machine) -> bool:
        """Whether no partition stands between the two."""
        groups = self.groups
        if groups is None:
            return True
        return groups.get(source.index, 0) == groups.get(target.index, 0)

    def stream_delay_us(self, source: Machine, target: Machine) -> int:
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
        target = self._machines.get(address)
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

    def _carry(self, source: Machine, target: Machine, data: bytes) -> None:
        delay_us = self._delay(source.index, target.index, self._world.now_us)
        delay_us += self.extra_delay_us
        if self.reordering and self._reorderings.random() < self.reordering:
            delay_us += self._reorderings.randrange(self.reordering_us + 1)
        self._world.after(delay_us, target.datagram_arrived, source.address, data)
