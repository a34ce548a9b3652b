"""Sealed TCP streams: the handshake of two members, and bytes both ways after it.

Law: nothing is read of a stream before it is known whose it is, and no end is believed that was not
said. What is asked and answered inside is not known here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import trio

from antsp2p.gossip.stream_cipher import (
    CHUNK_BYTES,
    HANDSHAKE_BYTES,
    LENGTH_BYTES,
    MAX_SEALED_BYTES,
    StreamAnswerer,
    StreamCaller,
)
from antsp2p.records.encoding import Malformed
from antsp2p.records.keys import verify
from antsp2p.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from antsp2p.gossip.network_keys import LinkKey
    from antsp2p.gossip.protection import Protection
    from antsp2p.gossip.stream_cipher import Channel

    FindDoor = Callable[[bytes], Protection | None]

_READ_BYTES: Final = 1 << 16


async def read_exactly(receive: Callable[[int], Awaitable[bytes | bytearray]], size: int) -> bytes:
    """`size` bytes of what `receive` brings. Raises `Malformed` where the stream ends before."""
    content = bytearray()
    while len(content) < size:
        chunk = await receive(size - len(content))
        if not chunk:
            raise Malformed("cut-off")
        content += chunk
    return bytes(content)


class SecureStream:
    """A stream between two members, sealed both ways. Closing it says nothing to the other side,
    which sees an end only after `send_eof`."""

    def __init__(self, stream: trio.abc.Stream, channel: Channel, network: bytes) -> None:
        self.network = network
        """The network in which the two met, or the door at which they did."""
        self._stream = stream
        self._channel = channel
        self._raw = bytearray()
        self._open = bytearray()
        self._is_over = False

    @property
    def author(self) -> bytes:
        """Whose the other side is."""
        return self._channel.author

    async def send_all(self, data: bytes) -> None:
        """Seal and send."""
        await self._stream.send_all(self._channel.seal(data))

    async def send_eof(self) -> None:
        """Say that nothing follows."""
        await self._stream.send_all(self._channel.end())

    async def receive_some(self, max_bytes: int = CHUNK_BYTES) -> bytes:
        """Some bytes, or none at the end. Raises `Malformed` where a chunk was touched, and
        `trio.BrokenResourceError` where the stream ends without saying so."""
        while not self._open and not self._is_over:
            part = self._channel.open(await self._read_chunk())
            self._open += part
            self._is_over = not part
        taken = bytes(self._open[:max_bytes])
        del self._open[:max_bytes]
        return taken

    async def _read_chunk(self) -> bytes:
        """One whole chunk; what was read of it is kept where this is cancelled."""
        size = LENGTH_BYTES
        while len(self._raw) < size or size == LENGTH_BYTES:
            if len(self._raw) >= LENGTH_BYTES:
                length = int.from_bytes(self._raw[:LENGTH_BYTES], "big")
                if length > MAX_SEALED_BYTES:
                    raise Malformed("too-large")
                size = LENGTH_BYTES + length
                if len(self._raw) >= size:
                    break
            some = await self._stream.receive_some(_READ_BYTES)
            if not some:
                raise trio.BrokenResourceError("the stream was cut off")
            self._raw += some
        chunk = bytes(self._raw[LENGTH_BYTES:size])
        del self._raw[:size]
        return chunk

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()


async def _read_handshake(stream: trio.abc.Stream) -> bytes:
    size = int.from_bytes(await read_exactly(stream.receive_some, LENGTH_BYTES), "big")
    if size > HANDSHAKE_BYTES:
        raise Malformed("too-large")
    return await read_exactly(stream.receive_some, size)


async def secure_call(
    stream: trio.abc.Stream, protection: Protection, key: LinkKey
) -> SecureStream:
    """The stream of the side that connected. Raises `Malformed`, `trio.TooSlowError` or
    `trio.BrokenResourceError`."""
    caller = StreamCaller(protection, key, verify)
    with trio.fail_after(limits.BLOB_REQUEST_MS / 1_000):
        await stream.send_all(caller.first)
        last, channel = caller.answered(await _read_handshake(stream))
        await stream.send_all(last)
    return SecureStream(stream, channel, protection.network)


async def secure_answer(
    stream: trio.abc.Stream, protection: Protection, door: FindDoor = lambda id: None
) -> SecureStream:
    """The stream of the side that listened. Raises `Malformed`; its time is the caller's."""
    answerer = StreamAnswerer(protection, verify, door)
    await stream.send_all(answerer.first(await _read_handshake(stream)))
    channel = answerer.last(await _read_handshake(stream))
    return SecureStream(stream, channel, answerer.network)
