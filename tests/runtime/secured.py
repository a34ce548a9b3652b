"""Both ends of a sealed stream, for tests that say by hand what stands in it."""
from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from antsp2p.gossip.suite import NOISE
from antsp2p.records.keys import Identity
from antsp2p.runtime.sealed import SecureStream, secure_answer
from antsp2p.runtime.streams import connect
from tests.gossip.protections import protection_of

if TYPE_CHECKING:
    from antsp2p.events import Address
    from antsp2p.gossip.protection import Protection


def member(network: bytes, index: int = 0) -> Protection:
    """What a node brings; everybody here knows the secret."""
    return protection_of(Identity.from_seed(bytes((index,)) * 32), network, suite=NOISE)


async def open_sealed(address: Address, network: bytes) -> SecureStream:
    """A stream as a member opens it."""
    return await connect(address, member(network, 1))


async def answer_sealed(stream: trio.SocketStream, network: bytes) -> SecureStream:
    """A stream as a member answers it."""
    return await secure_answer(stream, member(network, 2))


async def ask(address: Address, network: bytes, request: bytes) -> bytes:
    """All that a holder says to these bytes, after which the asker is silent."""
    said = b""
    async with await open_sealed(address, network) as stream:
        # A holder that has read enough closes, whatever else was sent.
        with suppress(trio.BrokenResourceError):
            await stream.send_all(request)
            await stream.send_eof()
            while chunk := await stream.receive_some():
                said += chunk
    return said
