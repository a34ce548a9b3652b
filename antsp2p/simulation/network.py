"""The simulated network: delay models by name, and the state that network faults set.

Law: a datagram is lost, delayed or doubled here and nowhere else. Every purpose draws from its own
stream, so that turning on loss does not change the delays of the datagrams that arrive.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from antsp2p.simulation.limits import MAX_DATAGRAM_BYTES

if TYPE_CHECKING:
    from random import Random

    from antsp2p.events import Address
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

DelayModel = Callable[["Random", int, int], int]
"""(stream, source index, target index) -> one-way delay in microseconds."""


def lan(rng: Random, source: int, target: int) -> int:
    """A wired local network: 0.1 ms and a little, one in a hundred up to some milliseconds."""
    delay_us = 100 + int(rng.expovariate(1 / 150))
    return delay_us * 10 if rng.random() < 0.01 else min(delay_us, 1_000)


def wifi(rng: Random, source: int, target: int) -> int:
    """A wireless local network: milliseconds, with bursts of retransmission."""
    delay_us = 1_000 + int(rng.expovariate(1 / 2_000))
    return delay_us + rng.randrange(20_000, 80_000) if rng.random() < 0.02 else delay_us


def wan(rng: Random, source: int, target: int) -> int:
    """Across continents: each pair has its own distance, the same in both directions."""
    low, high = sorted((source, target))
    base_us = 10_000 + (low * 7_919 + high * 104_729) % 110_000
    return base_us + int(rng.expovariate(1 / 3_000))


DELAY_MODELS: Final[Mapping[str, DelayModel]] = {"lan": lan, "wifi": wifi, "wan": wan}


class Network:
    """Carries datagrams between machines. The public fields are what faults set."""

    def __init__(self, world: World, delay: str) -> None:
        if delay not in DELAY_MODELS:
            known = ", ".join(sorted(DELAY_MODELS))
            raise ValueError(f"there is no delay model {delay!r}: take one of {known}")
        self._world = world
        self._delay = DELAY_MODELS[delay]
        self._delays = world.stream("network/delay")
        self._stream_delays = world.stream("network/stream-delay")
        self._losses = world.stream("network/loss")
        self._duplications = world.stream("network/duplication")
        self._reorderings = world.stream("network/reordering")
        self._machines: dict[Address, Machine] = {}
        self.loss = 0.0
        self.background_loss = 0.0
        """Never ends, whatever the faults do."""
        self.one_way_loss: dict[tuple[int, int], float] = {}
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

    def machine_at(self, address: Address) -> Machine | None:
        """The machine with this address."""
        return self._machines.get(address)

    def connects(self, source: Machine, target: Machine) -> bool:
        """Whether no partition stands between the two."""
        groups = self.groups
        return groups is None or groups[source.index] == groups[target.index]

    def stream_delay_us(self, source: Machine, target: Machine) -> int:
        """How long one way takes in a stream, which loses nothing."""
        delay_us = self._delay(self._stream_delays, source.index, target.index)
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
        one_way = self.one_way_loss.get((source, target)) if self.one_way_loss else None
        return one_way is not None and self._losses.random() < one_way

    def _carry(self, source: Machine, target: Machine, data: bytes) -> None:
        delay_us = self._delay(self._delays, source.index, target.index) + self.extra_delay_us
        if self.reordering and self._reorderings.random() < self.reordering:
            delay_us += self._reorderings.randrange(self.reordering_us + 1)
        self._world.after(delay_us, target.datagram_arrived, source.address, data)
