"""One node of py-libp2p's gossipsub; it runs in an environment of its own, without our package.

    DIR/bin/python libp2p_node.py PORT [MULTIADDRESS ...]

The same lines as in `ours.py`; `ready` is followed by the node's address. The mesh has the
specification's degrees (6, from 4 to 12) and beats once a second. Off is what would change that
interval by itself, and what mistrusts a mesh whose peers share one IP address, as all do here.
"""
from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import trio
from libp2p import new_host
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOPIC: Final = "benchmark"
PAYLOAD_BYTES: Final = 300
KEY_BYTES: Final = 8
CONNECT_S: Final = 60.0
RETRY_S: Final = 0.5


def tell(line: str) -> None:
    """Write a line now; the reader looks at it later."""
    os.write(1, line.encode() + b"\n")


async def serve(port: int, peers: list[str]) -> None:
    """Run until the input ends."""
    host = new_host()
    router = GossipSub(
        protocols=[PROTOCOL_ID_V11], degree=6, degree_low=4, degree_high=12, heartbeat_interval=1,
        adaptive_gossip_enabled=False, spam_protection_enabled=False,
        eclipse_protection_enabled=False,
    )
    pubsub = Pubsub(host, router)
    async with (
        host.run(listen_addrs=[Multiaddr(f"/ip4/127.0.0.1/tcp/{port}")]),
        background_trio_service(pubsub), background_trio_service(router),
        trio.open_nursery() as nursery,
    ):
        await pubsub.wait_until_ready()
        subscription = await pubsub.subscribe(TOPIC)
        nursery.start_soon(_receive, subscription)
        tell(f"ready /ip4/127.0.0.1/tcp/{port}/p2p/{host.get_id()}")
        async for order, word in _orders():
            if order == "join":
                await _connect(host, word)
            else:
                key = bytes.fromhex(word)
                content = key + os.urandom(PAYLOAD_BYTES - len(key))
                nursery.start_soon(pubsub.publish, TOPIC, content)
        nursery.cancel_scope.cancel()


async def _connect(host: Any, peer: str) -> None:
    with trio.move_on_after(CONNECT_S):
        while True:
            try:
                await host.connect(info_from_p2p_addr(Multiaddr(peer)))
            except Exception as error:
                print(f"{peer}: {error!r}", file=sys.stderr)
                await trio.sleep(RETRY_S)
            else:
                tell("joined")
                return


async def _receive(subscription: Any) -> None:
    while True:
        message = await subscription.get()
        tell(f"have {message.data[:KEY_BYTES].hex()} {time.monotonic_ns()} {len(message.data)}")


async def _orders() -> AsyncIterator[tuple[str, str]]:
    rest = b""
    async with trio.lowlevel.FdStream(os.dup(0)) as source:
        async for part in source:
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                order, _, word = line.decode().partition(" ")
                yield order, word


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]), sys.argv[2:])
