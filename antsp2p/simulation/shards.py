"""Processes that run one simulation together: forked, and joined by pipes.

Law: all of them ask for the same exchanges in the same order, and nothing of worlds is known here.
None outlives the run: who loses a pipe ends, and the first process ends those that it forked.
"""
from __future__ import annotations

import os
import pickle
import select
import signal
import traceback
from typing import TYPE_CHECKING, Any, Final, TypeVar

from antsp2p.simulation.limits import MAX_SHARD_FRAME_BYTES, SHARD_SPINS
from antsp2p.simulation.world import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
_HEAD_BYTES: Final = 5
"""Four of length, one that tells a last word from a frame."""
_READ_BYTES: Final = 1 << 18
_LAST_WORD_WAIT_MS: Final = 1_000


class ShardLost(Exception):
    """A process of the run is gone, and with it the run."""


class _Pipes:
    """To and from one other process."""

    def __init__(self, number: int, incoming: int, outgoing: int) -> None:
        self.number = number
        self.incoming = incoming
        self.outgoing = outgoing
        self._read = bytearray()
        self._unsent = b""
        self._is_broken = False
        os.set_blocking(incoming, False)
        os.set_blocking(outgoing, False)

    @property
    def is_sending(self) -> bool:
        """Whether something waits for room in the pipe."""
        return bool(self._unsent)

    def send(self, frame: bytes, *, is_last_word: bool = False) -> None:
        """Begin to send a frame."""
        if len(frame) > MAX_SHARD_FRAME_BYTES:
            raise ValueError(f"a frame of {len(frame)} bytes is more than processes exchange")
        self._unsent += len(frame).to_bytes(4, "big") + bytes([is_last_word]) + frame
        self.flush()

    def flush(self) -> None:
        """Send what the pipe takes. To whom nobody listens, nothing is sent; why, reading tells."""
        if self._is_broken or not self._unsent:
            return
        try:
            self._unsent = self._unsent[os.write(self.outgoing, self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._is_broken, self._unsent = True, b""

    def receive(self) -> bytes | None:
        """The next frame, or None while it is not whole. Raises what ended the other process."""
        read = self._read
        if not self._has_frame():
            try:
                chunk = os.read(self.incoming, _READ_BYTES)
            except BlockingIOError:
                return None
            if not chunk:
                raise ShardLost(f"process {self.number} of the simulation ended before its time")
            read += chunk
            if not self._has_frame():
                return None
        end = _HEAD_BYTES + int.from_bytes(read[:4], "big")
        is_last_word, frame = read[4], bytes(read[_HEAD_BYTES:end])
        del read[:end]
        if is_last_word:
            raise pickle.loads(frame)
        return frame

    def _has_frame(self) -> bool:
        read = self._read
        return len(read) >= _HEAD_BYTES and (
            len(read) - _HEAD_BYTES >= int.from_bytes(read[:4], "big")
        )


class Shard:
    """One of the processes: its number, and the pipes to the others."""

    def __init__(self, number: int, count: int, others: Sequence[_Pipes]) -> None:
        self.number = number
        self.count = count
        self._others = others

    def exchange(self, frames: Sequence[bytes]) -> list[bytes]:
        """Give each process its frame, and get one from each, in order; all do so together."""
        received = list(frames)
        for pipes in self._others:
            pipes.send(frames[pipes.number])
        waiting, spins = list(self._others), SHARD_SPINS
        while waiting:
            still = []
            for pipes in waiting:
                frame = pipes.receive()
                if frame is None:
                    still.append(pipes)
                else:
                    received[pipes.number] = frame
            waiting = still
            sending = [pipes for pipes in self._others if pipes.is_sending]
            for pipes in sending:
                pipes.flush()
            if spins:
                spins -= 1
            elif waiting:
                self._wait(waiting, sending)
        while sending := [pipes for pipes in self._others if pipes.is_sending]:
            self._wait([], sending)
            for pipes in sending:
                pipes.flush()
        return received

    def gather(self, fact: Any) -> list[Any]:
        """What each process says, in order; all do so together."""
        said = pickle.dumps(fact)
        received = self.exchange([said] * self.count)
        return [
            fact if number == self.number else pickle.loads(frame)
            for number, frame in enumerate(received)
        ]

    def last_word(self, error: Exception) -> None:
        """Tell the others why this process ends."""
        if not isinstance(error, Violation | ShardLost):
            lost = ShardLost(f"process {self.number} of the simulation ended: {error!r}")
            lost.add_note(traceback.format_exc())
            error = lost
        frame = pickle.dumps(error)
        for pipes in self._others:
            pipes.send(frame, is_last_word=True)
            if pipes.is_sending:
                self._wait([], [pipes], _LAST_WORD_WAIT_MS)
                pipes.flush()

    def close(self) -> None:
        """Close all pipes, which ends the others where they have not ended."""
        for pipes in self._others:
            os.close(pipes.incoming)
            os.close(pipes.outgoing)

    @staticmethod
    def _wait(
        readers: Sequence[_Pipes], writers: Sequence[_Pipes], timeout_ms: int | None = None
    ) -> None:
        poll = select.poll()
        for pipes in readers:
            poll.register(pipes.incoming, select.POLLIN)
        for pipes in writers:
            poll.register(pipes.outgoing, select.POLLOUT)
        poll.poll(timeout_ms)


def in_shards(count: int, work: Callable[[Shard], T]) -> T:
    """Do `work` in `count` processes, of which this one is number 0, and return its result here.

    Raises what a process raised: a `Violation` as it is, anything else as `ShardLost`.
    """
    ends = {
        (source, target): os.pipe()
        for source in range(count) for target in range(count) if source != target
    }
    forked: list[int] = []
    shard = None
    try:
        for number in range(1, count):
            pid = os.fork()
            if not pid:
                _work_and_end(number, count, ends, work)
            forked.append(pid)
        shard = _take_ends(0, count, ends)
        result = work(shard)
    except BaseException:
        for pid in forked:
            os.kill(pid, signal.SIGKILL)
        raise
    finally:
        if shard is None:
            for reading, writing in ends.values():
                os.close(reading)
                os.close(writing)
        else:
            shard.close()
        for pid in forked:
            os.waitpid(pid, 0)
    return result


def _take_ends(number: int, count: int, ends: dict[tuple[int, int], tuple[int, int]]) -> Shard:
    """Close all ends but this process's own."""
    for (source, target), (reading, writing) in ends.items():
        if source != number:
            os.close(writing)
        if target != number:
            os.close(reading)
    return Shard(number, count, [
        _Pipes(other, ends[other, number][0], ends[number, other][1])
        for other in range(count) if other != number
    ])


def _work_and_end(
    number: int, count: int, ends: dict[tuple[int, int], tuple[int, int]],
    work: Callable[[Shard], object],
) -> None:
    """The whole life of a forked process; it never returns into what its parent was doing."""
    code = 1
    try:
        shard = _take_ends(number, count, ends)
        try:
            work(shard)
            code = 0
        except Exception as error:
            shard.last_word(error)
    finally:
        os._exit(code)
