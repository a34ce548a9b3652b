"""A peer made by hand: it speaks the wire over a UDP socket, and says what it likes."""
from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from antsp2p.coordination.body import Body, body_map
from antsp2p.gossip.network_keys import KeyRing
from antsp2p.gossip.wire import Entry, Frame, Records
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.runtime.networks import closed_network
from tests.wire_peer import WirePeer, plain_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from random import Random

    from antsp2p.runtime.networks import Network
    from tests.system.process import NodeProcess

ANSWER_S = 10.0


class HandPeer:
    """One identity, one socket, one link."""

    def __init__(
        self, socket: trio.socket.SocketType, network: Network, address: tuple[str, int],
        rng: Random,
    ) -> None:
        self.identity = Identity.from_seed(rng.randbytes(32))
        self.network = network.id
        self.wire = WirePeer(
            self.identity, network.id, KeyRing(network.id, [network.key]), seed=rng.random()
        )
        self._socket = socket
        self._address = address

    @property
    def author(self) -> bytes:
        return self.identity.author

    async def link(self) -> None:
        """Hello, welcome, confirm."""
        with trio.fail_after(ANSWER_S):
            await self.throw(self.wire.call(self._address))
            while self.wire.link is None:
                data, _ = await self._socket.recvfrom(2_048)
                for answer in self.wire.read(self._address, data)[1]:
                    await self.throw(answer)
        await self.throw(self.wire.link.confirm)

    def datagram(self, *frames: Frame) -> bytes:
        """The frames as the link carries them, once."""
        return self.wire.seal(plain_of(*frames))

    async def tell(self, *frames: Frame) -> None:
        for data in self.wire.say(*frames):
            await self.throw(data)

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
    """A peer with a socket of its own, in the node's network; not linked yet."""
    network = closed_network((await node.status())["network_name"])
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(("127.0.0.1", 0))
        yield HandPeer(socket, network, ("127.0.0.1", node.port), rng)
