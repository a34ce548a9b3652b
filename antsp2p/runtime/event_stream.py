"""Server-sent events (WHATWG HTML, section 9.2) over ASGI, on Trio.

Law: a stream ends when its client goes, when its source ends, or when we say so; whatever its
source holds open is closed then, before anything else happens.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.types import Receive, Scope, Send

KEEP_ALIVE_S: Final = 10.0
"""A comment this often tells the client that we live; it gives up after three times as long."""
ServerEvent = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Feed:
    """What a stream tells: the `first` events, then `render` of each item of `items`."""

    items: trio.MemoryReceiveChannel[Any]
    render: Callable[[Any], ServerEvent]
    first: tuple[ServerEvent, ...]


class EventStream:
    """An ASGI response that lasts. `opened` is entered before the first byte is sent, so what it
    raises becomes an ordinary error."""

    def __init__(self, closing: trio.Event, opened: AbstractAsyncContextManager[Feed]) -> None:
        self._closing = closing
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opened as feed:
            await send({
                "type": "http.response.start", "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"),
                ],
            })
            async with trio.open_nursery() as nursery:

                async def end_after(wait: Callable[[], Awaitable[None]]) -> None:
                    await wait()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(end_after, self._closing.wait)
                nursery.start_soon(end_after, lambda: _disconnected(receive))
                await _pump(feed, send)
                nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _pump(feed: Feed, send: Send) -> None:
    for event in feed.first:
        await _send(send, _encoded(event))
    while True:
        chunk = b":\n\n"
        with trio.move_on_after(KEEP_ALIVE_S):
            try:
                chunk = _encoded(feed.render(await feed.items.receive()))
            except (trio.EndOfChannel, trio.ClosedResourceError):
                return
        await _send(send, chunk)


def _encoded(event: ServerEvent) -> bytes:
    name, data = event
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


async def _send(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})
