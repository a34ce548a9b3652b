"""The TCP side of a node: one listener on its port number, and what all streams have in common.

Law: a stream is bounded in number, size and time, and a stranger's bytes never raise. What is
asked for, and what the answer is, belongs to the services. This module connects only to the
addresses it is given.

A stream is sealed from end to end (`antsp2p.gossip.stream_cipher`). In it, a request is its
deterministic CBOR after two bytes of length (big-endian): an array that begins with the version,
the network and the word of the service.
"""
from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from antsp2p.gossip.bucket import Bucket
from antsp2p.gossip.bulk_wire import MAX_LOGS_REQUEST_BYTES
from antsp2p.gossip.stream_cipher import LENGTH_BYTES
from antsp2p.records.encoding import Malformed, decode, encode
from antsp2p.runtime import limits
from antsp2p.runtime.sealed import SecureStream, read_exactly, secure_answer, secure_call
from antsp2p.runtime.udp import parse_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.events import Address
    from antsp2p.gossip.network_keys import LinkKey
    from antsp2p.gossip.protection import Protection

VERSION: Final = 1


class TooFewBytes(trio.TooSlowError):
    """The stream lives, and brings less than is worth waiting for."""


# --- messages ------------------------------------------------------------------------------------


def framed(value: Any) -> bytes:
    """A message after its two bytes of length."""
    return framed_bytes(encode(value))


def framed_bytes(message: bytes) -> bytes:
    """An encoded message after its two bytes of length."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


async def send(stream: SecureStream, data: bytes) -> None:
    """Send a chunk. Raises `trio.TooSlowError` where nobody takes it."""
    with trio.fail_after(limits.BLOB_CHUNK_MS / 1_000):
        await stream.send_all(data)


async def read_message(stream: SecureStream, max_bytes: int) -> list[Any]:
    """A message of this version. Raises `Malformed`."""
    size = int.from_bytes(await read_exactly(stream.receive_some, LENGTH_BYTES), "big")
    if size > max_bytes:
        raise Malformed("too-large")
    message = decode(await read_exactly(stream.receive_some, size), max_bytes)
    if type(message) is not list or not message or message[0] != VERSION:
        raise Malformed("version")
    return message


class Paced:
    """Receiving from a stream that must bring `bytes_per_s` while it is waited for.

    Only the time spent waiting for the peer counts: who takes long to read blames nobody.
    """

    def __init__(self, stream: SecureStream, bytes_per_s: int) -> None:
        self._stream = stream
        self._due = bytes_per_s * limits.STREAM_PACE_MS // 1_000
        self._left_s = limits.STREAM_PACE_MS / 1_000
        self._received = 0

    async def receive(self, max_bytes: int) -> bytes:
        """Some bytes, or none at the end. Raises `TooFewBytes`, or `trio.TooSlowError` where
        nothing came at all."""
        while True:
            began = trio.current_time()
            with trio.move_on_after(self._left_s):
                chunk = await self._stream.receive_some(max_bytes)
                self._left_s = max(0.0, self._left_s - (trio.current_time() - began))
                self._received += len(chunk)
                return bytes(chunk)
            if not self._received:
                raise trio.TooSlowError
            if self._received < self._due:
                raise TooFewBytes
            self._left_s, self._received = limits.STREAM_PACE_MS / 1_000, 0


# --- going out -----------------------------------------------------------------------------------


async def connect(source: Address, protection: Protection) -> SecureStream:
    """A sealed stream to a literal address, under the newest secret that is known there.

    Raises `OSError`, `Malformed`, `trio.TooSlowError` or `trio.BrokenResourceError`.
    """
    *newer, last = protection.keys.members()
    for key in newer:
        with contextlib.suppress(Malformed, trio.BrokenResourceError):
            return await connect_by(source, protection, key)
    return await connect_by(source, protection, last)


async def connect_by(source: Address, protection: Protection, key: LinkKey) -> SecureStream:
    """`connect` under one secret, raising the same."""
    stream = await connect_plainly(source)
    try:
        return await secure_call(stream, protection, key)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def connect_plainly(source: Address) -> trio.SocketStream:
    """A stream to a literal address that is not sealed yet. Raises `OSError` or
    `trio.TooSlowError`."""
    literal = parse_literal(source[0])
    if literal is None:
        raise OSError(f"{source[0]} is no address")
    family, host, scope = literal
    connection = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        with trio.fail_after(limits.BLOB_CONNECT_MS / 1_000):
            name = (host, source[1]) if family == socket.AF_INET else (host, source[1], 0, scope)
            await connection.connect(name)
    except BaseException:
        connection.close()
        raise
    return trio.SocketStream(connection)


# --- coming in -----------------------------------------------------------------------------------


class Service(Protocol):
    """What is given to those who ask with `word`; its drops are counted under `prefix`."""

    word: str
    prefix: str
    connections: int
    connections_per_host: int

    async def answer(self, stream: SecureStream, message: list[Any]) -> None:
        """Answer one request. Raises `Malformed` where it is none."""


class Doors(Protocol):
    """The doors of open invitations; behind one only this service answers, and it knows by
    the request at which door the newcomer stands."""

    @property
    def service(self) -> Service:
        """What answers there."""

    def find(self, door: bytes) -> Protection | None:
        """What the host brings to a door; None if there is no such door."""


class StreamServer:
    """Serves whoever connects; `drops` counts what was refused.

    All streams share one bound in all and per host, and each service has its own below that: one
    that is busy leaves room for the others. A member whose author `is_banned` gets nothing. Until
    it is known what is asked for, the first service's prefix stands for it; until it is known who
    asks, "stream".
    """

    def __init__(
        self, protection: Protection, services: Sequence[Service], doors: Doors | None = None,
        is_banned: Callable[[bytes], bool] = lambda author: False,
    ) -> None:
        self._protection = protection
        self._is_banned = is_banned
        self._doors = doors
        self._strangers = Strangers()
        self._services = {service.word: service for service in services}
        self._first = services[0].prefix
        self._open: Counter[str] = Counter()
        self._served: Counter[tuple[str, str]] = Counter()
        """(word, host) -> streams being answered; the host is empty for all together."""
        self.drops: Counter[str] = Counter()

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Serve connections on listening sockets, until cancelled."""
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(self._accept, trio.socket.from_stdlib_socket(listener), nursery)

    async def _accept(self, listener: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        while True:
            try:
                connection, name = await listener.accept()
            except OSError:
                # Out of descriptors, or gone before it was accepted: give others time to end.
                self.drops[f"{self._first}-accept"] += 1
                await trio.sleep(limits.BLOB_ACCEPT_PAUSE_MS / 1_000)
                continue
            host = _reach(str(name[0]))
            if (
                self._open.total() >= limits.STREAM_CONNECTIONS
                or self._open[host] >= limits.STREAM_CONNECTIONS_PER_HOST
                or self._strangers.is_shut_out(host, _now_us())
            ):
                self.drops[f"{self._first}-busy"] += 1
                connection.close()
                continue
            self._open[host] += 1
            nursery.start_soon(self._serve, trio.SocketStream(connection), host)

    async def _serve(self, stream: trio.SocketStream, host: str) -> None:
        prefix = ["stream"]
        try:
            with trio.fail_after(limits.BLOB_TRANSFER_MS / 1_000):
                async with stream:
                    await self._answer(stream, host, prefix)
        except Malformed as error:
            self.drops[f"{prefix[0]}-{error.reason}"] += 1
        except trio.TooSlowError:
            self.drops[f"{prefix[0]}-slow"] += 1
        except (OSError, trio.BrokenResourceError):
            self.drops[f"{prefix[0]}-broken"] += 1
        finally:
            _count_down(self._open, host)

    async def _answer(self, raw: trio.SocketStream, host: str, prefix: list[str]) -> None:
        with trio.fail_after(limits.BLOB_REQUEST_MS / 1_000):
            stream = await self._greet(raw, host)
            service = self._at_door(stream.network)
            if service is None and self._is_banned(stream.author):
                raise Malformed("banned")
            prefix[0] = self._first if service is None else service.prefix
            message = await read_message(stream, MAX_LOGS_REQUEST_BYTES)
        word = message[2] if len(message) > 2 else None
        if service is None:
            service = self._services.get(word) if type(word) is str else None
        if service is None or word != service.word:
            raise Malformed("request")
        prefix[0] = service.prefix
        everybody, this = (service.word, ""), (service.word, host)
        if (
            self._served[everybody] >= service.connections
            or self._served[this] >= service.connections_per_host
        ):
            self.drops[f"{service.prefix}-busy"] += 1
            return
        self._served.update((everybody, this))
        try:
            await service.answer(stream, message)
            await stream.send_eof()
        finally:
            _count_down(self._served, everybody)
            _count_down(self._served, this)


    async def _greet(self, raw: trio.SocketStream, host: str) -> SecureStream:
        """A sealed stream with a member, or with somebody at a door."""
        try:
            find = (lambda door: None) if self._doors is None else self._doors.find
            return await secure_answer(raw, self._protection, find)
        except Malformed:
            self._strangers.failed(host, _now_us())
            raise

    def _at_door(self, place: bytes) -> Service | None:
        """The only service for those who stand at a door; None for members."""
        if self._doors is None or place == self._protection.network:
            return None
        return self._doors.service


class Strangers:
    """Hosts whose callers failed to show that they know a secret. A secret cannot be guessed, but
    each try costs a connection."""

    def __init__(self) -> None:
        self._failures: dict[str, Bucket] = {}
        """By host, the one that failed longest ago first."""

    def __len__(self) -> int:
        return len(self._failures)

    def failed(self, host: str, now_us: int) -> None:
        """A caller from `host` failed."""
        bucket = self._failures.pop(host, None)
        if bucket is None:
            if len(self._failures) >= limits.STRANGER_HOSTS:
                del self._failures[next(iter(self._failures))]
            bucket = Bucket(limits.STRANGER_FAILURES_PER_S, limits.STRANGER_FAILURES, now_us)
        self._failures[host] = bucket
        bucket.take(1, now_us)

    def is_shut_out(self, host: str, now_us: int) -> bool:
        """Whether callers from `host` have failed too often lately."""
        bucket = self._failures.get(host)
        return bucket is not None and not bucket.available(now_us)


def _now_us() -> int:
    return int(trio.current_time() * 1_000_000)


def _count_down(counter: Counter[Any], key: Any) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _reach(host: str) -> str:
    """What counts as one asker: an IPv4 address, or an IPv6 network of 64 bits."""
    literal = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(literal, ipaddress.IPv4Address):
        return host
    return str(ipaddress.ip_network((literal, 64), strict=False))
