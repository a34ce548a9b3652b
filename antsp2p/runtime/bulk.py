"""Logs over TCP: served chunk by chunk to whoever asks, and fetched for the node.

Law: what a chunk holds is the node's to read and to judge; here are its length, its pace and its
end. A chunk is read from the socket only when the node has handled those before it, so that memory
stays bounded however fast a peer sends.
"""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from antsp2p.events import FetchLogs, LogsEnded, LogsReceived
from antsp2p.gossip.bulk_wire import (
    CHUNK_LENGTH_BYTES,
    END,
    MAX_LOGS_CHUNK_BYTES,
    encode_request,
    framed_chunk,
    parse_request,
)
from antsp2p.records.encoding import Malformed
from antsp2p.runtime import limits
from antsp2p.runtime.sealed import read_exactly
from antsp2p.runtime.streams import Paced, connect, send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.gossip.bulk_serve import LogsAnswer
    from antsp2p.gossip.protection import Protection
    from antsp2p.gossip.wire import Range
    from antsp2p.runtime.sealed import SecureStream

    Answering = Callable[[Sequence[Range], int], LogsAnswer]

Put = Callable[[LogsReceived | LogsEnded], Awaitable[None]]


class LogsService:
    """Gives logs through a `StreamServer`, out of what `answering(ranges, now_us)` has."""

    word = "logs"
    prefix = "bulk"
    connections = limits.LOGS_CONNECTIONS
    connections_per_host = limits.LOGS_CONNECTIONS_PER_HOST

    def __init__(
        self, network: bytes, answering: Answering, now_us: Callable[[], int]
    ) -> None:
        self._network = network
        self._answering = answering
        self._now_us = now_us

    async def answer(self, stream: SecureStream, message: list[Any]) -> None:
        """Answer one request. Raises `Malformed` where it is none."""
        ranges = parse_request(message, self._network)
        answer = self._answering(ranges, self._now_us())
        chunk, began_us = b"", self._now_us()
        while chunk != END:
            now_us = self._now_us()
            is_over = now_us - began_us > limits.LOGS_ANSWER_MS * 1_000
            chunk = END if is_over else answer.next_chunk(now_us)
            await send(stream, framed_chunk(chunk))


class LogsFetcher:
    """Carries out the node's fetches. `put` takes their events and may wait."""

    def __init__(self, protection: Protection, put: Put) -> None:
        self._protection = protection
        self._put = put
        self._running: dict[int, tuple[trio.CancelScope, trio.Semaphore]] = {}

    def begin(self, asked: FetchLogs, spawn: Callable[..., None]) -> None:
        """Have `spawn` carry out a fetch; from now on it can be stopped."""
        scope, ahead = trio.CancelScope(), trio.Semaphore(limits.LOGS_CHUNKS_AHEAD)
        self._running[asked.fetch] = scope, ahead
        spawn(self._run, asked, scope, ahead)

    async def _run(
        self, asked: FetchLogs, scope: trio.CancelScope, ahead: trio.Semaphore
    ) -> None:
        reason = "stopped"
        try:
            with scope:
                reason = await self._fetch(asked, ahead)
        finally:
            del self._running[asked.fetch]
        if not scope.cancelled_caught:
            await self._put(LogsEnded(asked.fetch, reason))

    def more(self, fetch: int) -> None:
        """The node has handled a chunk of `fetch`."""
        if fetch in self._running:
            self._running[fetch][1].release()

    def stop(self, fetch: int) -> None:
        """The node wants nothing more of `fetch`."""
        if fetch in self._running:
            self._running[fetch][0].cancel()

    async def _fetch(self, asked: FetchLogs, ahead: trio.Semaphore) -> str:
        """Empty where the peer said all it had to say, else why it ended."""
        try:
            stream = await connect(asked.address, self._protection)
            async with stream:
                request = encode_request(self._protection.network, asked.ranges)
                await send(stream, len(request).to_bytes(2, "big") + request)
                paced = Paced(stream, limits.STREAM_BYTES_PER_S)
                while (chunk := await _read_chunk(paced)) != END:
                    await ahead.acquire()
                    await self._put(LogsReceived(asked.fetch, chunk))
        except Malformed as error:
            return error.reason
        except trio.TooSlowError:
            return "slow"
        except (OSError, trio.BrokenResourceError):
            return "broken"
        return ""


async def _read_chunk(paced: Paced) -> bytes:
    size = int.from_bytes(await read_exactly(paced.receive, CHUNK_LENGTH_BYTES), "big")
    if size > MAX_LOGS_CHUNK_BYTES:
        raise Malformed("too-large")
    return await read_exactly(paced.receive, size)
