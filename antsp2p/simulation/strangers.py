"""Streams to hosts on which no machine runs: an attacker answers there as it likes.

Law: what arrives, and when, is the stranger's; what the asker's own side of a stream refuses, too
much or too little, is refused here as in the runtime.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.events import FetchLogs, LogsEnded, LogsReceived
from antsp2p.gossip.bulk_wire import END, MAX_LOGS_CHUNK_BYTES
from antsp2p.simulation.limits import (
    STRANGER_DELAY_US,
    STREAM_BREAK_US,
    STREAM_CHUNKS_AHEAD,
)

if TYPE_CHECKING:
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

Stranger = Callable[[FetchLogs, int], tuple[int, bytes]]
"""(what is asked, chunks given so far) -> how long the next chunk takes (us), and its bytes."""


@dataclass(slots=True, eq=False)
class _Stream:
    asker: Machine
    generation: int
    asked: FetchLogs
    stranger: Stranger
    given: int = 0
    room: int = STREAM_CHUNKS_AHEAD
    is_waiting: bool = False


class Strangers:
    """All streams of a world that end at no machine. `hosts`: who answers where."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[tuple[int, int, int], _Stream] = {}
        self.hosts: dict[str, Stranger] = {}

    def answers(self, asked: FetchLogs) -> bool:
        """Whether a stranger is at the address that is asked."""
        return asked.address[0] in self.hosts

    def begin(self, machine: Machine, asked: FetchLogs) -> None:
        """Open a stream to the stranger that is asked."""
        stream = _Stream(machine, machine.generation, asked, self.hosts[asked.address[0]])
        self._open[machine.index, machine.generation, asked.fetch] = stream
        self._world.after(STRANGER_DELAY_US, self._next, stream)

    def more(self, key: tuple[int, int, int]) -> None:
        """(machine, generation, fetch): the asker has handled a chunk."""
        stream = self._open.get(key)
        if stream is not None:
            stream.room += 1
            if stream.is_waiting:
                stream.is_waiting = False
                self._next(stream)

    def stop(self, key: tuple[int, int, int]) -> None:
        """The asker wants nothing more."""
        self._open.pop(key, None)

    def _next(self, stream: _Stream) -> None:
        pause_us, chunk = stream.stranger(stream.asked, stream.given)
        if pause_us >= STREAM_BREAK_US:
            self._world.after(STREAM_BREAK_US, self._end, stream, "slow")
        elif len(chunk) > MAX_LOGS_CHUNK_BYTES:
            self._world.after(pause_us, self._end, stream, "too-large")
        elif chunk == END:
            self._world.after(pause_us, self._end, stream, "")
        else:
            self._world.after(pause_us, self._arrive, stream, chunk)

    def _arrive(self, stream: _Stream, chunk: bytes) -> None:
        if not self._is_open(stream):
            return
        stream.given += 1
        stream.room -= 1
        stream.asker.tell(LogsReceived(stream.asked.fetch, chunk))
        if stream.room > 0:
            self._next(stream)
        else:
            stream.is_waiting = True

    def _end(self, stream: _Stream, reason: str) -> None:
        if self._is_open(stream):
            del self._open[stream.asker.index, stream.generation, stream.asked.fetch]
            self._world.network.drops["stream-" + (reason or "ended")] += 1
            stream.asker.tell(LogsEnded(stream.asked.fetch, reason))

    def _is_open(self, stream: _Stream) -> bool:
        key = (stream.asker.index, stream.generation, stream.asked.fetch)
        if stream.asker.generation != stream.generation:
            self._open.pop(key, None)
        return self._open.get(key) is stream
