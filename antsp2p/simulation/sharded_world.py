"""One process's part of a simulated world that several processes run.

Law: what a machine does reaches another process's only as a message that takes at least the least
delay of the network, the lookahead. Each process tells the others before which time it does nothing
more, and goes no further than no message can come from before; who is ahead waits. Messages take
their place among the events by their time and source, not by when they were read, so a run depends
on its seed and the number of processes alone.

Of two processes each knows when the other is idle, and empty time costs nothing; more than two pass
it in steps of the lookahead.
"""
from __future__ import annotations

import heapq
import marshal
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from antsp2p.simulation.delays import LEAST_DELAY_US
from antsp2p.simulation.limits import MAX_PENDING_EVENTS
from antsp2p.simulation.machine import Machine, address_of
from antsp2p.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence
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


_BEFORE_ALL: Final = -(1 << 62)
"""Where messages stand among what is due in one microsecond: first, by source, then as sent."""
_TURNS: Final = 4
"""So often a process tells the others how far it is while it advances by the lookahead: the sooner
they know, the less they wait; each telling costs some microseconds."""


@dataclass(slots=True)
class _Neighbour:
    """What is known of another process."""

    outbox: list[Message] = field(default_factory=list)
    idle_until_us: int = 0
    """It does nothing before, but for what it is told by this process."""
    batches_sent: int = 0
    """Of messages."""
    unread: deque[tuple[int, int]] = field(default_factory=deque)
    """Those that it has not read: (number, earliest arrival)."""
    batches_read: int = 0
    messages_read: int = 0
    told: tuple[int, int] = (-1, 0)
    """What it was told last: until when this process is idle, how many batches it had read."""

    def active_us(self) -> int:
        """Before that it does nothing, whatever has been sent to it so far."""
        return min((us for _, us in self.unread), default=_NEVER)


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
        self._neighbours = {
            number: _Neighbour() for number in range(shard.count) if number != shard.number
        }

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
        place = Elsewhere(self, index, self._neighbours[index % self._shard.count].outbox)
        self.places.append(place)
        self.network.attach(place)

    def run(self, until_us: int) -> None:
        """Let the world run to `until_us`, in all processes."""
        heap, lookahead_us = self._heap, self._lookahead_us
        while True:
            self._tell(until_us)
            next_us = heap[0][0] if heap else _NEVER
            safe_us = min(map(self._hears_from_us, self._neighbours.values()))
            if next_us > until_us and safe_us > until_us:
                break
            # What is done here comes back after two delays at the earliest.
            end_us = min(safe_us, next_us + 2 * lookahead_us)
            if next_us < end_us and next_us <= until_us:
                assert next_us >= self.now_us, "a message came too late"
                super().run(min(end_us - 1, until_us, next_us + lookahead_us // _TURNS))
            else:
                self._learn(self._shard.wait_for_news())
        self.now_us = until_us

    def gather(self, fact: Any) -> list[Any]:
        """What each process of this run says here, in order; all processes ask together."""
        return self._shard.gather(fact)

    def _hears_from_us(self, neighbour: _Neighbour) -> int:
        """All messages of this neighbour that arrive before have been read, but for answers to
        what is sent to it from now on."""
        return min(neighbour.idle_until_us, neighbour.active_us()) + self._lookahead_us

    def _tell(self, until_us: int) -> None:
        """Send what is under way, and tell each neighbour how long this process is idle.

        Not beyond `until_us`: what happens between two runs happens then.
        """
        next_us = min(until_us, self._heap[0][0]) if self._heap else until_us
        for number, neighbour in self._neighbours.items():
            idle_us = min(next_us, *(
                self._hears_from_us(other)
                for other in self._neighbours.values() if other is not neighbour
            )) if len(self._neighbours) > 1 else next_us
            told = (idle_us, neighbour.batches_read)
            outbox = neighbour.outbox
            if outbox or told != neighbour.told:
                neighbour.told = told
                self._shard.send(number, marshal.dumps((*told, outbox), _MARSHAL))
                if outbox:
                    neighbour.batches_sent += 1
                    earliest_us = min(message[0] for message in outbox)
                    neighbour.unread.append((neighbour.batches_sent, earliest_us))
                    outbox.clear()

    def _learn(self, news: Sequence[tuple[int, bytes]]) -> None:
        """Take in what neighbours have told."""
        for number, frame in news:
            neighbour = self._neighbours[number]
            neighbour.idle_until_us, batches_read, messages = marshal.loads(frame)
            unread = neighbour.unread
            neighbour.batches_read += bool(messages)
            while unread and unread[0][0] <= batches_read:
                unread.popleft()
            for arrives_us, source, target, data in messages:
                neighbour.messages_read += 1
                tie = _BEFORE_ALL + (source << 40) + neighbour.messages_read
                machine = self.places[target]
                assert isinstance(machine, Machine), "a message went to the wrong process"
                arrived = (machine.datagram_arrived, (address_of(source), data))
                heapq.heappush(self._heap, (arrives_us, tie, *arrived))
        if len(self._heap) > MAX_PENDING_EVENTS:
            raise self.violation("heap", f"more than {MAX_PENDING_EVENTS} events are pending")
