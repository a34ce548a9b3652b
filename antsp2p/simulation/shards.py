"""Processes that run one simulation together: forked, and joined by pipes.

Law: frames between two processes keep their order, and nothing of worlds is known here. All ask the
same questions in the same order. None outlives the run: who loses a pipe ends, and the first
process ends those that it forked.
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
"""Four of length, one that says what kind it is."""
_ANSWER: Final = 0
_LAST_WORD: Final = 1
_NEWS: Final = 2
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

    def send(self, frame: bytes, kind: int) -> None:
        """Begin to send a frame."""
        if len(frame) > MAX_SHARD_FRAME_BYTES:
            raise ValueError(f"a frame of {len(frame)} bytes is more than processes exchange")
        self._unsent += len(frame).to_bytes(4, "big") + bytes([kind]) + frame
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

    def receive(self, kind: int) -> bytes | None:
        """The next frame, or None while it is not whole or of another kind. Raises what ended the
        other process."""
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
        if read[4] not in (kind, _LAST_WORD):
            return None
        end = _HEAD_BYTES + int.from_bytes(read[:4], "big")
        is_last_word, frame = read[4] == _LAST_WORD, bytes(read[_HEAD_BYTES:end])
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
        self._others = {pipes.number: pipes for pipes in others}
        self._early: list[tuple[int, bytes]] = []
        """News that came before an answer, and nobody has asked for yet."""

    def send(self, number: int, frame: bytes) -> None:
        """Tell another process something, which it gets when it asks for news."""
        self._others[number].send(frame, _NEWS)

    def wait_for_news(self) -> list[tuple[int, bytes]]:
        """What others have sent by now, each with its number; at least one frame."""
        spins = SHARD_SPINS
        while not (news := self._news()):
            self._flush()
            if spins:
                spins -= 1
            else:
                self._wait(list(self._others.values()))
        return news

    def _news(self) -> list[tuple[int, bytes]]:
        news, self._early = self._early, []
        for number, pipes in self._others.items():
            while (frame := pipes.receive(_NEWS)) is not None:
                news.append((number, frame))
        return news

    def gather(self, fact: Any) -> list[Any]:
        """What each process says, in order; all do so together."""
        said = pickle.dumps(fact)
        for pipes in self._others.values():
            pipes.send(said, _ANSWER)
        answers = {self.number: fact}
        while len(answers) < self.count or any(p.is_sending for p in self._others.values()):
            before = len(answers)
            for number, pipes in self._others.items():
                # Who has answered may have ended since.
                if number in answers:
                    continue
                while (frame := pipes.receive(_NEWS)) is not None:
                    self._early.append((number, frame))
                answer = pipes.receive(_ANSWER)
                if answer is not None:
                    answers[number] = pickle.loads(answer)
            self._flush()
            if len(answers) == before:
                self._wait([p for p in self._others.values() if p.number not in answers])
        return [answers[number] for number in range(self.count)]

    def _flush(self) -> None:
        for pipes in self._others.values():
            pipes.flush()

    def last_word(self, error: Exception) -> None:
        """Tell the others why this process ends."""
        if not isinstance(error, Violation | ShardLost):
            lost = ShardLost(f"process {self.number} of the simulation ended: {error!r}")
            lost.add_note(traceback.format_exc())
            error = lost
        frame = pickle.dumps(error)
        for pipes in self._others.values():
            pipes.send(frame, _LAST_WORD)
        if any(pipes.is_sending for pipes in self._others.values()):
            self._wait([], _LAST_WORD_WAIT_MS)
            self._flush()

    def close(self) -> None:
        """Close all pipes, which ends the others where they have not ended."""
        for pipes in self._others.values():
            os.close(pipes.incoming)
            os.close(pipes.outgoing)

    def _wait(self, readers: Sequence[_Pipes], timeout_ms: int | None = None) -> None:
        """Sleep until one of these has sent something, or a pipe has room for what waits."""
        writers = [pipes for pipes in self._others.values() if pipes.is_sending]
        if not readers and not writers:
            return
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
