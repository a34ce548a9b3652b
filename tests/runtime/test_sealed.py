"""Sealed streams over real TCP: members are understood, others get nothing and are counted."""
from __future__ import annotations

import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio

from antsp2p.gossip.network_keys import KeyPurpose, KeyRing, NetworkKey
from antsp2p.gossip.stream_cipher import CHUNK_BYTES, StreamCaller
from antsp2p.gossip.suite import NOISE
from antsp2p.records.encoding import Malformed
from antsp2p.records.keys import Identity, verify
from antsp2p.runtime import limits
from antsp2p.runtime.streams import StreamServer, connect, framed
from tests.gossip.protections import SECRET, protection_of
from tests.runtime.secured import member, open_sealed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from antsp2p.events import Address
    from antsp2p.gossip.protection import Protection
    from antsp2p.runtime.sealed import SecureStream

NETWORK = b"n" * 16
NEW = NetworkKey(b"the next secret".ljust(32))


class Echo:
    """Gives back what stands in the request, and remembers who asked."""

    word, prefix = "echo", "echo"
    connections = connections_per_host = 4

    def __init__(self) -> None:
        self.askers: list[bytes] = []

    async def answer(self, stream: SecureStream, message: list[Any]) -> None:
        self.askers.append(stream.author)
        await stream.send_all(message[3] * message[4])


def knowing(*keys: NetworkKey, network: bytes = NETWORK) -> Protection:
    identity = Identity.from_seed(b"k" * 32)
    return protection_of(identity, network, suite=NOISE, keys=KeyRing(network, keys))


@asynccontextmanager
async def serving(
    protection: Protection | None = None, banned: Collection[bytes] = ()
) -> AsyncIterator[tuple[StreamServer, Echo, Address]]:
    echo = Echo()
    server = StreamServer(
        protection or member(NETWORK), [echo], is_banned=lambda author: author in banned)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, [listener])
            with trio.fail_after(30):
                yield server, echo, listener.getsockname()
            nursery.cancel_scope.cancel()


async def said_to(stream: SecureStream, request: bytes) -> bytes:
    async with stream:
        await stream.send_all(request)
        said = b""
        while chunk := await stream.receive_some(1_000):
            said += chunk
        return said


async def raw(address: Address, sent: bytes) -> bytes:
    """All that comes back to bytes that nobody has sealed."""
    said = b""
    async with await trio.open_tcp_stream(*address) as stream:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(sent)
            await stream.send_eof()
            while chunk := await stream.receive_some():
                said += chunk
    return said


async def test_a_member_is_answered_and_known() -> None:
    request = framed([1, NETWORK, "echo", b"0123456789", 10_000])
    async with serving() as (server, echo, address):
        stream = await open_sealed(address, NETWORK)
        assert stream.author == member(NETWORK).author
        assert await said_to(stream, request) == b"0123456789" * 10_000
        assert echo.askers == [member(NETWORK, 1).author]
        assert not server.drops
    assert CHUNK_BYTES < 10 * 10_000


async def test_a_banned_author_is_told_nothing_and_others_at_its_host_are() -> None:
    request = framed([1, NETWORK, "echo", b"0123456789", 1])
    async with serving(banned=[member(NETWORK, 1).author]) as (server, echo, address):
        for _ in range(limits.STRANGER_FAILURES + 1):
            stream = await open_sealed(address, NETWORK)
            with pytest.raises(trio.BrokenResourceError):
                await said_to(stream, request)
        assert server.drops == {"stream-banned": limits.STRANGER_FAILURES + 1}
        assert not echo.askers
        other = member(NETWORK, 3)
        assert await said_to(await connect(address, other), request) == b"0123456789"


async def test_others_get_nothing_and_are_counted() -> None:
    other = knowing(NEW)
    elsewhere = knowing(NetworkKey(SECRET), network=b"m" * 16)
    firsts = [
        StreamCaller(each, each.keys.members()[0], verify).first for each in (other, elsewhere)
    ]
    true = member(NETWORK, 1)
    good = StreamCaller(true, true.keys.members()[0], verify).first
    async with serving() as (server, echo, address):
        for sent in (
            b"", b"\0", good[:-1], b"GET / HTTP/1.1\r\n\r\n", framed([1, NETWORK, "echo", b"", 1]),
            *firsts, good[:-1] + bytes((good[-1] ^ 1,)),
        ):
            assert await raw(address, sent) == b""
        assert not echo.askers
        assert server.drops == {
            "stream-cut-off": 3, "stream-too-large": 1, "stream-version": 1, "stream-key": 1,
            "stream-network": 1, "stream-mac": 1,
        }


async def test_a_recorded_first_message_leads_nowhere() -> None:
    true = member(NETWORK, 1)
    good = StreamCaller(true, true.keys.members()[0], verify).first
    async with serving() as (server, echo, address):
        assert len(await raw(address, good + good)) < 256
        assert not echo.askers
        assert server.drops == {"stream-noise": 1}


async def test_who_says_nothing_has_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BLOB_REQUEST_MS", 20)
    async with serving() as (server, _, address):
        async with await trio.open_tcp_stream(*address) as silent:
            await silent.send_all(b"\0")
            assert await silent.receive_some() == b""
        assert server.drops == {"stream-slow": 1}


async def test_a_secret_is_changed_while_both_are_good() -> None:
    old, newer = knowing(NetworkKey(SECRET)), knowing(
        NEW, NetworkKey(SECRET, KeyPurpose.PREVIOUS))
    request = framed([1, NETWORK, "echo", b"x", 1])
    async with serving(old) as (_, _, address):
        assert await said_to(await connect(address, newer), request) == b"x"
    async with serving(newer) as (_, _, address):
        assert await said_to(await connect(address, old), request) == b"x"


async def test_an_end_that_was_not_said_is_no_end() -> None:
    async with serving() as (_, _, address):
        stream = await open_sealed(address, NETWORK)
        async with stream:
            await stream.send_all(framed([1, NETWORK, "nothing"]))
            with pytest.raises((trio.BrokenResourceError, Malformed)):
                await stream.receive_some()
