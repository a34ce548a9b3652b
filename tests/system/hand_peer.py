"""A peer made by hand: it speaks the wire over a UDP socket, and says what it likes."""
from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from antsp2p.coordination.body import Body, body_map
from antsp2p.gossip.datagram import hello_datagram, join_frames, split_frames, split_header
from antsp2p.gossip.wire import (
    NO_HEAD,
    Confirm,
    Entry,
    Frame,
    Hello,
    Records,
    Welcome,
    encode_frame,
)
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from random import Random

    from tests.system.process import NodeProcess

ANSWER_S = 10.0


class HandPeer:
    """One identity, one socket, one link."""

    def __init__(
        self, socket: trio.socket.SocketType, network: bytes, address: tuple[str, int], rng: Random
    ) -> None:
        self.identity = Identity.from_seed(rng.randbytes(32))
        self.network = network
        self._socket = socket
        self._address = address
        self._instance = rng.randbytes(8)
        self._nonce = rng.randbytes(8)
        self._cookie = b""

    @property
    def author(self) -> bytes:
        return self.identity.author

    async def link(self) -> None:
        """Hello, welcome, confirm."""
        hello = Hello(self.author, self._instance, self._nonce, 0, b"")
        await self.throw(hello_datagram(self.network, hello))
        welcome = await self._next(Welcome)
        self._cookie = welcome.cookie
        await self.tell(Confirm(self.author, self._instance, self._nonce, 0, NO_HEAD))

    async def _next(self, kind: type[Welcome]) -> Welcome:
        with trio.fail_after(ANSWER_S):
            while True:
                data, _ = await self._socket.recvfrom(2_048)
                if split_header(data, self.network) != self._nonce:
                    continue
                for frame in split_frames(data)[0]:
                    if isinstance(frame, kind):
                        return frame

    def datagram(self, *frames: Frame) -> bytes:
        """The frames as the link carries them."""
        return join_frames(self.network, self._cookie, [encode_frame(f) for f in frames])

    async def tell(self, *frames: Frame) -> None:
        await self.throw(self.datagram(*frames))

    async def throw(self, data: bytes) -> None:
        """Any bytes, at most one datagram."""
        await self._socket.sendto(data, self._address)

    async def show(self, records: Sequence[Record]) -> None:
        """Send the records, one a datagram."""
        for record in records:
            await self.tell(Records(0, 1, (Entry(0, record.wire),)))

    def sign(
        self, seq: int, body: Body | Mapping[int, Any], type_: int | None = None,
        prev: Record | None = None,
    ) -> Record:
        """A record of this peer's log, whatever stands there already."""
        if isinstance(body, Body):
            type_, body = int(body.type), body_map(body)
        assert type_ is not None
        return sign_record(
            self.identity, network=self.network, seq=seq,
            prev=NO_PREV if prev is None else prev.id, type=type_, body=body, claimed_ms=0,
        )


@asynccontextmanager
async def open_hand_peer(node: NodeProcess, rng: Random) -> AsyncIterator[HandPeer]:
    """A peer with a socket of its own; not linked yet."""
    network = bytes.fromhex((await node.status())["network"])
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(("127.0.0.1", 0))
        yield HandPeer(socket, network, ("127.0.0.1", node.port), rng)


def some_hello(network: bytes, author: bytes, rng: Random) -> bytes:
    """A hello that is too short to be answered."""
    frame = Hello(author, rng.randbytes(8), rng.randbytes(8), 0, b"")
    return join_frames(network, bytes(8), [encode_frame(frame)])
