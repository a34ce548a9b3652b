"""The event stream of a node's local API, read without anything that outlives a test.

A client library's stream is a chain of async generators, and leaving one in the middle leaves the
others to the garbage collector, which is a warning and so an error here.
"""
from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import h11
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Notice = tuple[str, dict[str, Any]]
CHUNK_BYTES: Final = 65_536


class StreamRefused(Exception):
    """The node answered with an error instead of a stream."""


class EventSource:
    """Server-sent events as (name, data); `async for`, or `anext` for one."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)
        self._text = b""

    async def ask(self, path: str, token: str) -> None:
        """Ask for the stream; returns when the node has answered that it begins."""
        headers = [("Host", "antsp2p"), ("Authorization", f"Bearer {token}")]
        request = h11.Request(method="GET", target=path, headers=headers)
        sent = (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        await self._stream.send_all(sent)
        answer = await self._next()
        if not isinstance(answer, h11.Response) or answer.status_code != 200:
            raise StreamRefused(repr(answer))

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # h11 has no type for its sentinels
            self._http.receive_data(await self._stream.receive_some(CHUNK_BYTES))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notice:
        while True:
            block, end, rest = self._text.partition(b"\n\n")
            if end:
                self._text = rest
                fields = dict(
                    line.split(": ", 1) for line in block.decode().split("\n") if ": " in line
                )
                if "data" in fields:
                    return fields["event"], json.loads(fields["data"])
                continue
            event = await self._next()
            if not isinstance(event, h11.Data):
                raise StopAsyncIteration
            self._text += bytes(event.data)


@asynccontextmanager
async def open_events(socket_path: str, token: str, path: str) -> AsyncIterator[EventSource]:
    """The stream at `path`; it is subscribed to before the block begins."""
    async with await trio.open_unix_socket(socket_path) as stream:
        source = EventSource(stream)
        await source.ask(path, token)
        yield source
