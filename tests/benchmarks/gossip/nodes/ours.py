"""One node of ours, as `antsp2p start` runs it, that tells when a record enters its set.

    python -m tests.benchmarks.gossip.nodes.ours HOME PORT [PEER ...]

Reads `publish KEY` on standard input and writes `ready`, then `have KEY NANOSECONDS` of the
machine's monotonic clock. It ends when its input does. The record is an offer of a task that
nobody can serve, with an input that begins with KEY and makes the record 300 bytes long.
"""
from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from antsp2p.events import AppendRecord, PostTask
from antsp2p.runtime.api import serve_api
from antsp2p.runtime.host import Host, HostOptions, open_host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from antsp2p.events import Effect, Event

CAPABILITY: Final = "benchmark.gossip"
INPUT_KEY: Final = 5
"""Where an offer's body has its input (protocol.md, 12)."""
INPUT_BYTES: Final = 92
"""Makes the record 300 bytes long, give or take what its numbers take."""
KEY_BYTES: Final = 8


def tell(line: str) -> None:
    """Write a line now; the reader looks at it later."""
    os.write(1, line.encode() + b"\n")


def watch(host: Host) -> None:
    """Tell of every record at the moment at which `Node.handle` has put it into the set."""
    handle: Callable[[Event, int], list[Effect]] = host.node.handle

    def handle_and_tell(event: Event, now_us: int) -> list[Effect]:
        effects = handle(event, now_us)
        for effect in effects:
            if isinstance(effect, AppendRecord):
                content = effect.record.body.get(INPUT_KEY)
                if isinstance(content, bytes) and len(content) == INPUT_BYTES:
                    moment_ns = time.monotonic_ns()
                    tell(f"have {content[:KEY_BYTES].hex()} {moment_ns} {len(effect.record.wire)}")
        return effects

    setattr(host.node, "handle", handle_and_tell)  # noqa: B010 (a method, which types forbid)


async def serve(home: str, port: int, peers: tuple[str, ...]) -> None:
    """Run until the input ends."""
    options = HostOptions(
        home=Path(home), network="benchmark", is_open=True, listen=(("127.0.0.1", port),),
        peers=peers, discovery=False,
    )
    closing = trio.Event()
    async with trio.open_nursery() as nursery, open_host(options) as host:
        watch(host)
        await nursery.start(serve_api, host, closing)
        tell("ready")
        async for key in _orders():
            nursery.start_soon(_publish, host, key)
        closing.set()
        nursery.cancel_scope.cancel()


async def _orders() -> AsyncIterator[bytes]:
    rest = b""
    async with trio.lowlevel.FdStream(os.dup(0)) as source:
        async for part in source:
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield bytes.fromhex(line.removeprefix(b"publish ").decode())


async def _publish(host: Host, key: bytes) -> None:
    content = key + os.urandom(INPUT_BYTES - len(key))
    await host.command(PostTask, capability=CAPABILITY, input=content)


if __name__ == "__main__":
    trio.run(serve, sys.argv[1], int(sys.argv[2]), tuple(sys.argv[3:]))
