"""As much of serf's RPC as it takes to publish an event and to hear of events.

MessagePack over TCP, a header and a body one after another, as serf's documentation has it. A
stream is fairer to serf than its event handlers, which are a new process for every event.
"""
from __future__ import annotations

import struct
from typing import Any, Final

import trio

_HELLO_SEQ: Final = 1
_STREAM_SEQ: Final = 2
_READ_BYTES: Final = 65_536


class Incomplete(Exception):
    """The bytes end within a value."""


def pack(value: Any) -> bytes:
    """MessagePack, in the old form that serf writes: texts and bytes alike are raw."""
    match value:
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return b"\xce" + struct.pack(">I", value)
        case str():
            return pack(value.encode())
        case bytes():
            return b"\xda" + struct.pack(">H", len(value)) + value
        case dict():
            assert len(value) < 16
            parts = (pack(key) + pack(item) for key, item in value.items())
            return bytes((0x80 | len(value),)) + b"".join(parts)
    raise TypeError(f"nothing to pack a {type(value).__name__} with")


_SCALARS: Final = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}
_RAW: Final = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_ARRAYS: Final = {0xDC: ">H", 0xDD: ">I"}
_MAPS: Final = {0xDE: ">H", 0xDF: ">I"}
_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}


class Reader:
    """Values out of a growing buffer."""

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._at :] + data
        self._at = 0

    def values(self) -> list[Any]:
        """All values that are complete."""
        found = []
        while True:
            began = self._at
            try:
                found.append(self._value())
            except Incomplete:
                self._at = began
                return found

    def _take(self, size: int) -> bytes:
        if self._at + size > len(self._buffer):
            raise Incomplete
        taken = self._buffer[self._at : self._at + size]
        self._at += size
        return taken

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _value(self) -> Any:
        kind = self._take(1)[0]
        if kind < 0x80:
            return kind
        if kind >= 0xE0:
            return kind - 256
        if kind < 0x90:
            return self._map(kind & 0x0F)
        if kind < 0xA0:
            return [self._value() for _ in range(kind & 0x0F)]
        if kind < 0xC0:
            return self._take(kind & 0x1F)
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind in _RAW:
            return self._take(self._number(_RAW[kind]))
        if kind in _ARRAYS:
            return [self._value() for _ in range(self._number(_ARRAYS[kind]))]
        if kind in _MAPS:
            return self._map(self._number(_MAPS[kind]))
        raise ValueError(f"serf wrote something unknown: {kind:#x}")

    def _map(self, size: int) -> dict[Any, Any]:
        return {self._value(): self._value() for _ in range(size)}


class Connection:
    """One connection to one agent."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._reader = Reader()
        self._ready: list[Any] = []
        self._seq = _STREAM_SEQ

    async def hello(self) -> None:
        """What every connection begins with."""
        await self._ask(_HELLO_SEQ, "handshake", Version=1)

    async def follow(self) -> None:
        """From now on `event` gives user events."""
        await self._ask(_STREAM_SEQ, "stream", Type="user")

    async def event(self) -> bytes:
        """The payload of the next user event."""
        await self._next()
        return bytes((await self._next())[b"Payload"])

    async def publish(self, payload: bytes) -> None:
        """Publish an event that is never merged with others; returns when the agent has it."""
        self._seq += 1
        await self._ask(self._seq, "event", Name="b", Payload=payload, Coalesce=False)

    async def _ask(self, seq: int, command: str, **body: Any) -> None:
        header = pack({"Command": command, "Seq": seq})
        await self._stream.send_all(header + pack(body))
        answer = await self._next()
        if answer[b"Error"]:
            raise RuntimeError(f"serf, {command}: {answer[b'Error']!r}")

    async def _next(self) -> Any:
        while not self._ready:
            data = await self._stream.receive_some(_READ_BYTES)
            if not data:
                raise ConnectionError("the serf agent closed the connection")
            self._reader.feed(data)
            self._ready += self._reader.values()
        return self._ready.pop(0)


async def connect(port: int, limit_s: float) -> Connection:
    """A connection to the agent there, as soon as it listens."""
    with trio.fail_after(limit_s):
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.05)
                continue
            stream.setsockopt(6, 1, 1)  # TCP_NODELAY
            connection = Connection(stream)
            await connection.hello()
            return connection
