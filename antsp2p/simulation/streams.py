"""Streams between simulated machines: logs fetched as over TCP, with delays, a rate, and breaks.

Law: a stream loses nothing and keeps its order; it breaks where a partition or a crash stands
between its ends, and says so late. What is asked for and answered is the nodes' own.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from antsp2p.events import FetchLogs, LogsEnded, LogsReceived, MoreLogs, StopLogs
from antsp2p.gossip.bulk_wire import END
from antsp2p.simulation.limits import (
    STREAM_BREAK_US,
    STREAM_BYTES_PER_S,
    STREAM_CHUNKS_AHEAD,
    STREAM_CONNECT_US,
    STREAM_PAUSE_US,
)
from antsp2p.simulation.strangers import Strangers

if TYPE_CHECKING:
    from antsp2p.gossip.bulk_serve import LogsAnswer
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World


@dataclass(slots=True, eq=False)
class _Stream:
    """One fetch: between two machines, as they were when it began."""

    asker: Machine
    server: Machine
    asker_generation: int
    server_generation: int
    asked: FetchLogs
    answer: LogsAnswer | None = None
    room: int = STREAM_CHUNKS_AHEAD
    """Chunks that the asker still takes before it has handled one."""
    is_waiting: bool = field(default=False)
    """The next chunk waits for room."""
    silent_us: int = 0


class Streams:
    """All streams of a world. `blocked`: no stream can be opened, as behind a firewall."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[tuple[int, int, int], _Stream] = {}
        self.strangers = Strangers(world)
        self.blocked = False
        self.opened = 0
        self.bytes = 0

    def perform(self, machine: Machine, effect: FetchLogs | MoreLogs | StopLogs) -> None:
        """Carry out what a node wants done about logs."""
        key = (machine.index, machine.generation, effect.fetch)
        match effect:
            case FetchLogs() if self.strangers.answers(effect):
                self.strangers.begin(machine, effect)
            case FetchLogs():
                self._connect(machine, effect)
            case MoreLogs():
                self.strangers.more(key)
                stream = self._open.get(key)
                if stream is not None:
                    stream.room += 1
                    if stream.is_waiting:
                        stream.is_waiting = False
                        self._send(stream)
            case StopLogs():
                self.strangers.stop(key)
                self._open.pop(key, None)

    def _connect(self, machine: Machine, asked: FetchLogs) -> None:
        server = self._world.network.machine_at(asked.address)
        if server is None and self._world.network.place_at(asked.address) is not None:
            self._world.network.drops["stream-elsewhere"] += 1
        if self.blocked or server is None or not self._world.network.connects(machine, server):
            self._world.after(STREAM_CONNECT_US, self._refuse, machine, machine.generation, asked)
            return
        round_trip_us = self._delay_us(machine, server) + self._delay_us(server, machine)
        if server.node is None:
            self._world.after(round_trip_us, self._refuse, machine, machine.generation, asked)
            return
        self._forget_earlier(machine)
        stream = _Stream(machine, server, machine.generation, server.generation, asked)
        self._open[machine.index, machine.generation, asked.fetch] = stream
        self.opened += 1
        # One round trip opens the stream; the request takes half of another.
        self._world.after(round_trip_us * 3 // 2, self._send, stream)

    def _forget_earlier(self, machine: Machine) -> None:
        """A stream that waited for room when its asker crashed waits for nobody."""
        for key in [key for key in self._open if key[0] == machine.index]:
            if key[1] != machine.generation:
                del self._open[key]

    def _delay_us(self, source: Machine, target: Machine) -> int:
        return self._world.network.stream_delay_us(source, target)

    def _refuse(self, machine: Machine, generation: int, asked: FetchLogs) -> None:
        if machine.generation == generation:
            machine.tell(LogsEnded(asked.fetch, "refused"))

    # --- an open stream ------------------------------------------------------------------------

    def _key(self, stream: _Stream) -> tuple[int, int, int]:
        return stream.asker.index, stream.asker_generation, stream.asked.fetch

    def _is_open(self, stream: _Stream) -> bool:
        return self._open.get(self._key(stream)) is stream

    def _send(self, stream: _Stream) -> None:
        """The server writes the next chunk, or waits until it can."""
        if not self._is_open(stream):
            return
        server, asker = stream.server, stream.asker
        if asker.generation != stream.asker_generation:
            del self._open[self._key(stream)]
            return
        if (
            server.node is None or server.generation != stream.server_generation
            or not self._world.network.connects(server, asker)
        ):
            self._world.after(STREAM_BREAK_US, self._break, stream)
            return
        if server.stalled:
            self._world.after(STREAM_PAUSE_US, self._send_later, stream)
            return
        stream.silent_us = 0
        if stream.answer is None:
            stream.answer = server.node.gossip.answer_logs(stream.asked.ranges, server.local_us)
        chunk = stream.answer.next_chunk(server.local_us)
        self.bytes += len(chunk)
        delay_us = self._delay_us(server, asker) + len(chunk) * 1_000_000 // STREAM_BYTES_PER_S
        self._world.after(delay_us, self._arrive, stream, chunk)

    def _send_later(self, stream: _Stream) -> None:
        stream.silent_us += STREAM_PAUSE_US
        if stream.silent_us >= STREAM_BREAK_US:
            self._break(stream)
        else:
            self._send(stream)

    def _arrive(self, stream: _Stream, chunk: bytes) -> None:
        if not self._is_open(stream):
            return
        if stream.asker.generation != stream.asker_generation:
            del self._open[self._key(stream)]
            return
        if not self._world.network.connects(stream.server, stream.asker):
            self._world.after(STREAM_BREAK_US, self._break, stream)
            return
        if chunk == END:
            del self._open[self._key(stream)]
            stream.asker.tell(LogsEnded(stream.asked.fetch))
            return
        stream.room -= 1
        stream.asker.tell(LogsReceived(stream.asked.fetch, chunk))
        if stream.room > 0:
            self._send(stream)
        else:
            stream.is_waiting = True

    def _break(self, stream: _Stream) -> None:
        if self._is_open(stream):
            del self._open[self._key(stream)]
            if stream.asker.generation == stream.asker_generation:
                stream.asker.tell(LogsEnded(stream.asked.fetch, "broken"))
