"""Faults that change who is there: losses in bursts, churn, mass crashes, halves, moves.

Law: as in `faults`: a fault only schedules what machines and the network know how to suffer, from
a stream of its own. Those that say so strike for good; nothing heals them at the end.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from antsp2p.simulation.faults import MILLISECOND_US, arrivals, duration_us

if TYPE_CHECKING:
    from random import Random

    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

DAY_MS: Final = 86_400_000


class Bursts:
    """Gilbert and Elliott's channel: each place is good or bad for a while, and loses by that."""

    def __init__(self, rng: Random, fault: BurstLoss) -> None:
        self._rng = rng
        self._fault = fault
        self._states: dict[int | tuple[int, int], tuple[bool, int]] = {}
        """Place -> (bad, until when)."""

    def _is_bad(self, place: int | tuple[int, int], now_us: int) -> bool:
        bad, until_us = self._states.get(place, (True, 0))
        if until_us > now_us:
            return bad
        while until_us <= now_us:
            bad = not bad
            mean_ms = self._fault.bad_ms if bad else self._fault.good_ms
            until_us = max(until_us, now_us - 10 * mean_ms * MILLISECOND_US)
            until_us += 1 + int(self._rng.expovariate(1) * mean_ms * MILLISECOND_US)
        self._states[place] = (bad, until_us)
        return bad

    def __call__(self, source: int, target: int, now_us: int) -> bool:
        """Whether this datagram is lost."""
        if self._fault.per_pair:
            bad = self._is_bad((source, target), now_us)
        else:
            at_source = self._is_bad(source, now_us)
            bad = self._is_bad(target, now_us) or at_source
        rate = self._fault.bad_rate if bad else self._fault.good_rate
        return self._rng.random() < rate


@dataclass(frozen=True, slots=True)
class BurstLoss:
    """Losses that come together, at a node (both ways) or on a directed pair."""

    good_ms: int
    bad_ms: int
    bad_rate: float = 0.9
    good_rate: float = 0.01
    per_pair: bool = False
    name: ClassVar[str] = "burst-loss"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        world.network.burst_loss = Bursts(rng, self)
        world.after(end_us, self._end, world)

    def _end(self, world: World) -> None:
        world.network.burst_loss = None


@dataclass(frozen=True, slots=True)
class Churn:
    """Nodes leave for good without a word, and as many new ones join: one each `every_ms`."""

    every_ms: int
    name: ClassVar[str] = "churn"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        for time_us in arrivals(rng, self.every_ms, end_us):
            world.after(time_us, self._leave, world, rng)
        for time_us in arrivals(rng, self.every_ms, end_us):
            world.after(time_us, self._join, world)

    def _leave(self, world: World, rng: Random) -> None:
        running = world.running()
        if len(running) > 1:
            rng.choice(running).crash()

    def _join(self, world: World) -> None:
        world.add_machine(world.machines[0].make_node).start()


@dataclass(frozen=True, slots=True)
class MassCrash:
    """A share of all nodes dies at one moment, for good or for `down_ms`."""

    at_ms: int
    share: float
    down_ms: int = 0
    name: ClassVar[str] = "mass-crash"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        world.after(self.at_ms * MILLISECOND_US, self._strike, world, rng)

    def _strike(self, world: World, rng: Random) -> None:
        running = world.running()
        for victim in rng.sample(running, int(len(running) * self.share)):
            victim.crash()
            if self.down_ms:
                world.after(self.down_ms * MILLISECOND_US, victim.start)


@dataclass(frozen=True, slots=True)
class Halves:
    """All nodes fall into two halves that do not hear each other, once."""

    at_ms: int
    for_ms: int
    name: ClassVar[str] = "halves"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        indices = list(range(len(world.machines)))
        rng.shuffle(indices)
        groups = {index: place % 2 for place, index in enumerate(indices)}
        world.after(self.at_ms * MILLISECOND_US, self._set, world, groups)
        world.after((self.at_ms + self.for_ms) * MILLISECOND_US, self._set, world, None)

    def _set(self, world: World, groups: dict[int, int] | None) -> None:
        world.network.groups = groups


@dataclass(frozen=True, slots=True)
class SlowNodes:
    """Each event costs this share of the nodes so much processor time, for good."""

    share: float
    handle_us: int
    name: ClassVar[str] = "slow-nodes"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        for machine in rng.sample(world.machines, int(len(world.machines) * self.share)):
            machine.handle_us = self.handle_us


@dataclass(frozen=True, slots=True)
class _Restart(ABC):
    """Now and then one node goes down for a while, and comes back changed."""

    every_ms: int
    down_ms: tuple[int, int]
    name: ClassVar[str]

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        for time_us in arrivals(rng, self.every_ms, end_us):
            down_us = duration_us(rng, self.down_ms)
            world.after(time_us, self._strike, rng.choice(world.machines), down_us)

    def _strike(self, victim: Machine, down_us: int) -> None:
        if victim.node is not None:
            self._change(victim)
            victim.world.after(down_us, victim.start)

    @abstractmethod
    def _change(self, victim: Machine) -> None:
        """What is different when the node comes back."""


class Move(_Restart):
    """A node comes back at another address."""

    name = "move"

    def _change(self, victim: Machine) -> None:
        victim.move()


class LostStore(_Restart):
    """A node comes back with its key and an empty store."""

    name = "lost-store"

    def _change(self, victim: Machine) -> None:
        victim.lose_store()


class WallStep(_Restart):
    """A node comes back with its calendar a day ahead, the next time a day behind."""

    name = "wall-step"

    def _change(self, victim: Machine) -> None:
        victim.crash()
        victim.wall_step_ms = DAY_MS if victim.wall_step_ms <= 0 else -DAY_MS
