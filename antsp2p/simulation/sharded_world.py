"""One process's part of a simulated world that several processes run.

Law: what a machine does may reach another process's only as a message that takes at least the least
delay of the network. All processes advance together: each as far as no message can come from
before, and what was sent is exchanged then, in an order that no scheduler decides. So a run depends
on its seed and the number of processes alone.
"""
from __future__ import annotations

import marshal
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from antsp2p.simulation.delays import LEAST_DELAY_US
from antsp2p.simulation.machine import Machine, address_of
from antsp2p.simulation.world import World

if TYPE_CHECKING:
    from random import Random

    from antsp2p.events import Event
    from antsp2p.simulation.machine import Act
    from antsp2p.simulation.shards import Shard

_NEVER: Final = 1 << 62
_MARSHAL: Final = 2
"""The newest version of marshal's format that does not look for equal objects."""
_OWN_STREAMS: Final = ("network/", "tcp/")
"""Purposes that each process draws for on its own: for the datagrams of its machines."""
Message = tuple[int, int, int, bytes]
"""When it arrives, the indices of its source and target, and the datagram."""
_by_arrival = itemgetter(0, 1)


class Elsewhere:
    """A machine that another process runs: here it starts, and takes what is sent to it."""

    __slots__ = ("_outbox", "_world", "address", "index", "is_up")

    def __init__(self, world: ShardedWorld, index: int, outbox: list[Message]) -> None:
        self._world = world
        self._outbox = outbox
        self.index = index
        self.address = address_of(index)
        self.is_up = False

    def start(self) -> None:
        """Its node starts just now, as it does in its own process."""
        self.is_up = True
        for observer in self._world.observers:
            observer.started_elsewhere(self)

    def tell(self, event: Event | Act) -> None:
        """Nothing: its own process tells it the same."""

    def expect(self, source: Machine, delay_us: int, data: bytes) -> None:
        """A datagram from a machine here is under way."""
        arrives_us = self._world.now_us + delay_us
        self._outbox.append((arrives_us, source.index, self.index, data))


class ShardedWorld(World):
    """The machines of this process, and the others as places to send to."""

    def __init__(
        self, seed: int, shard: Shard, *, delay: str = "lan", replay: str = ""
    ) -> None:
        self._shard = shard
        super().__init__(seed, delay=delay, replay=replay)
        self._lookahead_us = LEAST_DELAY_US[delay]
        self._outboxes: list[list[Message]] = [[] for _ in range(shard.count)]

    def stream(self, purpose: str) -> Random:
        """The draws of one purpose; what the network draws, each process draws for itself."""
        if purpose.startswith(_OWN_STREAMS):
            purpose = f"{purpose}/{self._shard.number} of {self._shard.count}"
        return super().stream(purpose)

    def runs_next(self) -> bool:
        """Whether the machine with the next index runs in this process."""
        return len(self.places) % self._shard.count == self._shard.number

    def add_elsewhere(self) -> None:
        """One more machine, of another process."""
        index = len(self.places)
        place = Elsewhere(self, index, self._outboxes[index % self._shard.count])
        self.places.append(place)
        self.network.attach(place)

    def run(self, until_us: int) -> None:
        """Let the world run to `until_us`, in all processes."""
        number = self._shard.number
        while True:
            upcoming_us = self._exchange()
            if min(upcoming_us) > until_us:
                break
            others_us = min(us for other, us in enumerate(upcoming_us) if other != number)
            # What the others do, they do from then on; what this one does comes back after two
            # delays at the earliest.
            horizon_us = min(
                others_us + self._lookahead_us, upcoming_us[number] + 2 * self._lookahead_us
            )
            assert horizon_us > self.now_us, "what is done cannot be done otherwise"
            super().run(min(horizon_us - 1, until_us))
        self.now_us = until_us

    def gather(self, fact: Any) -> list[Any]:
        """What each process of this run says here, in order; all processes ask together."""
        return self._shard.gather(fact)

    def _exchange(self) -> list[int]:
        """Pass on what was sent, and take what comes: when each process has something to do."""
        shard, heap = self._shard, self._heap
        upcoming_us = [
            min(box, key=_by_arrival)[0] if box else _NEVER for box in self._outboxes
        ]
        upcoming_us[shard.number] = heap[0][0] if heap else _NEVER
        received = shard.exchange([
            marshal.dumps((upcoming_us, box), _MARSHAL) for box in self._outboxes
        ])
        arrivals: list[Message] = []
        for number, frame in enumerate(received):
            if number != shard.number:
                seen_us, box = marshal.loads(frame)
                upcoming_us = list(map(min, upcoming_us, seen_us))
                arrivals += box
        for outbox in self._outboxes:
            outbox.clear()
        arrivals.sort(key=_by_arrival)
        for arrives_us, source, target, data in arrivals:
            machine = self.places[target]
            assert isinstance(machine, Machine), "a message went to the wrong process"
            self.after(
                arrives_us - self.now_us, machine.datagram_arrived, address_of(source), data
            )
        return upcoming_us
