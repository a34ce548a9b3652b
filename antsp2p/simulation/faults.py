"""What goes wrong, each fault with a name and its parameters.

Law: a fault only schedules what the machines and the network already know how to suffer. Each one
draws from a stream of its own, and after `end_us` none of them is left.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

if TYPE_CHECKING:
    from random import Random

    from antsp2p.simulation.machine import Disk, Machine
    from antsp2p.simulation.world import World

MILLISECOND_US: Final = 1_000
DRAWN_PAIRS_UP_TO: Final = 300
"""Machines up to which every directed pair is drawn at once."""


class Fault(Protocol):
    """Armed once, before the world runs."""

    name: ClassVar[str]

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        """Schedule everything this fault does before `end_us`, and its end."""
        ...


def arm_all(world: World, faults: tuple[Fault, ...], end_us: int) -> None:
    """Arm each fault with its own stream; equal faults get different ones."""
    for index, fault in enumerate(faults):
        fault.arm(world, world.stream(f"fault/{fault.name}/{index}"), end_us)


# --- the network -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loss:
    """Each datagram is lost with probability `rate`."""

    rate: float
    name: ClassVar[str] = "loss"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        world.network.loss = self.rate
        world.after(end_us, self._end, world)

    def _end(self, world: World) -> None:
        world.network.loss = 0.0


@dataclass(frozen=True, slots=True)
class OneWayLoss:
    """On this share of the directed pairs, a datagram is lost with probability `rate`."""

    pairs: float
    rate: float
    name: ClassVar[str] = "one-way-loss"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        count = len(world.machines)
        if count > DRAWN_PAIRS_UP_TO:
            world.network.one_way_loss = LazyPairs(rng, self)
        else:
            world.network.one_way_loss = {
                (source, target): self.rate
                for source in range(count) for target in range(count)
                if source != target and rng.random() < self.pairs
            }
        world.after(end_us, self._end, world)

    def _end(self, world: World) -> None:
        world.network.one_way_loss = {}


class LazyPairs(dict[tuple[int, int], float]):
    """The directed pairs of a large world, each drawn when it is first used."""

    def __init__(self, rng: Random, fault: OneWayLoss) -> None:
        super().__init__({(-1, -1): 0.0})
        self._rng = rng
        self._fault = fault

    def get(self, pair: tuple[int, int], default: Any = None) -> Any:
        """The rate of this pair."""
        rate = super().get(pair)
        if rate is None:
            hit = self._rng.random() < self._fault.pairs
            rate = self[pair] = self._fault.rate if hit else 0.0
        return rate


@dataclass(frozen=True, slots=True)
class Delay:
    """Every datagram takes `extra_ms` longer, for a while and again and again."""

    extra_ms: int
    every_ms: int = 2_000
    name: ClassVar[str] = "delay"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        slow = False
        for time_us in arrivals(rng, self.every_ms, end_us):
            slow = not slow
            world.after(time_us, self._set, world, self.extra_ms * MILLISECOND_US if slow else 0)
        world.after(end_us, self._set, world, 0)

    def _set(self, world: World, extra_us: int) -> None:
        world.network.extra_delay_us = extra_us


@dataclass(frozen=True, slots=True)
class Duplication:
    """Each datagram arrives a second time with probability `rate`."""

    rate: float
    name: ClassVar[str] = "duplication"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        world.network.duplication = self.rate
        world.after(end_us, self._end, world)

    def _end(self, world: World) -> None:
        world.network.duplication = 0.0


@dataclass(frozen=True, slots=True)
class Reordering:
    """With probability `rate` a datagram is held back up to `up_to_ms`, behind later ones."""

    rate: float
    up_to_ms: int
    name: ClassVar[str] = "reordering"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        world.network.reordering = self.rate
        world.network.reordering_us = self.up_to_ms * MILLISECOND_US
        world.after(end_us, self._end, world)

    def _end(self, world: World) -> None:
        world.network.reordering = 0.0


@dataclass(frozen=True, slots=True)
class Partition:
    """The nodes fall into `groups` that do not hear each other, for `for_ms`, then it heals."""

    every_ms: int
    for_ms: tuple[int, int]
    groups: int = 2
    name: ClassVar[str] = "partition"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        healed_us = 0
        for time_us in arrivals(rng, self.every_ms, end_us):
            if time_us < healed_us:
                continue
            healed_us = min(end_us, time_us + duration_us(rng, self.for_ms))
            groups = {m.index: rng.randrange(self.groups) for m in world.machines}
            world.after(time_us, self._set, world, groups)
            world.after(healed_us, self._set, world, None)

    def _set(self, world: World, groups: dict[int, int] | None) -> None:
        world.network.groups = groups


@dataclass(frozen=True, slots=True)
class Isolation:
    """One node is cut off from everybody, for `for_ms`."""

    at_ms: int
    for_ms: int
    node: int
    name: ClassVar[str] = "isolation"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        groups = {m.index: int(m.index == self.node) for m in world.machines}
        world.after(self.at_ms * MILLISECOND_US, self._set, world, groups)
        world.after((self.at_ms + self.for_ms) * MILLISECOND_US, self._set, world, None)

    def _set(self, world: World, groups: dict[int, int] | None) -> None:
        world.network.groups = groups


# --- machines ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crash:
    """Now and then a node dies at any moment and restarts with its store after `down_ms`."""

    every_ms: int
    down_ms: tuple[int, int]
    name: ClassVar[str] = "crash"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        for time_us in arrivals(rng, self.every_ms, end_us):
            down_us = duration_us(rng, self.down_ms)
            victim = rng.choice(world.machines)
            world.after(time_us, self._strike, victim, down_us, rng.random() < 0.5)

    def _strike(self, victim: Machine, down_us: int, committed: bool) -> None:
        if victim.node is not None:
            victim.crash(committed)
            victim.world.after(down_us, victim.start)


@dataclass(frozen=True, slots=True)
class Wipe:
    """Now and then a node loses its home with its key, and comes back as somebody new."""

    every_ms: int
    down_ms: tuple[int, int]
    name: ClassVar[str] = "wipe"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        for time_us in arrivals(rng, self.every_ms, end_us):
            down_us = duration_us(rng, self.down_ms)
            world.after(time_us, self._strike, rng.choice(world.machines), down_us)

    def _strike(self, victim: Machine, down_us: int) -> None:
        if victim.node is not None:
            victim.wipe()
            victim.world.after(down_us, victim.start)


@dataclass(frozen=True, slots=True)
class Restore:
    """Now and then a home is put back from a backup made `backup_ms` before.

    Others have seen what the backup lacks; the node must learn that before it signs anything. It
    cannot where nobody who knows is reachable, so this one is in no profile with partitions.
    """

    every_ms: int
    backup_ms: int
    down_ms: tuple[int, int]
    name: ClassVar[str] = "restore"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        for time_us in arrivals(rng, self.every_ms, end_us):
            down_us = duration_us(rng, self.down_ms)
            world.after(time_us, self._back_up, rng.choice(world.machines), down_us)

    def _back_up(self, victim: Machine, down_us: int) -> None:
        backup_us = self.backup_ms * MILLISECOND_US
        victim.world.after(
            backup_us, self._strike, victim, victim.life, victim.disk.copy(), down_us
        )

    def _strike(self, victim: Machine, life: int, backup: Disk, down_us: int) -> None:
        if victim.node is not None and victim.life == life:
            victim.restore(backup)
            victim.world.after(down_us, victim.start)


@dataclass(frozen=True, slots=True)
class Stall:
    """Now and then a node's process stops (SIGSTOP) and continues; its inbox waits."""

    every_ms: int
    for_ms: tuple[int, int]
    name: ClassVar[str] = "stall"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        for time_us in arrivals(rng, self.every_ms, end_us):
            stall_us = min(duration_us(rng, self.for_ms), end_us - time_us)
            world.after(time_us, self._strike, rng.choice(world.machines), stall_us)

    def _strike(self, victim: Machine, stall_us: int) -> None:
        if victim.node is not None and not victim.stalled:
            victim.stall()
            victim.world.after(stall_us, self._resume, victim, victim.generation)

    def _resume(self, victim: Machine, generation: int) -> None:
        if victim.generation == generation:
            victim.resume()


@dataclass(frozen=True, slots=True)
class ClockRate:
    """Every node's clock runs fast or slow by up to `up_to_ppm`, for good."""

    up_to_ppm: int
    name: ClassVar[str] = "clock-rate"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        for machine in world.machines:
            machine.clock.rate_ppm = rng.randint(-self.up_to_ppm, self.up_to_ppm)


def arrivals(rng: Random, every_ms: int, end_us: int) -> list[int]:
    """Times before `end_us` of a Poisson process with this mean interval."""
    times: list[int] = []
    time_us = 0
    while True:
        time_us += 1 + int(rng.expovariate(1) * every_ms * MILLISECOND_US)
        if time_us >= end_us:
            return times
        times.append(time_us)


def duration_us(rng: Random, between_ms: tuple[int, int]) -> int:
    """A duration between these two, in microseconds."""
    return rng.randint(*between_ms) * MILLISECOND_US
