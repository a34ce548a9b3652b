"""Runs one Node for real: one inbox, one consumer, one deadline read afresh each turn."""
from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import trio

from antsp2p.coordination.body import BlobRef
from antsp2p.events import Address, Command, Event, Notice, StartWork, StopWork
from antsp2p.node import Node
from antsp2p.runtime.home import DEFAULT_NETWORK, Home

Tap = Callable[[int, Event], None]


class CommandRefused(Exception):
    """The command did nothing; the text is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How a node runs on this machine. `peers` are "HOST:PORT"; `listen` empty: everywhere."""

    home: Path
    network: str = DEFAULT_NETWORK
    listen: tuple[Address, ...] = ()
    peers: tuple[str, ...] = ()
    discovery: bool = True
    nickname: str = ""
    accept_lost_store: bool = False


@dataclass(frozen=True, slots=True)
class AgentSession:
    """An agent that is being served: its work arrives on `work` until the agent is withdrawn."""

    agent: str
    work: trio.MemoryReceiveChannel[StartWork | StopWork]


class Host:
    """One running node. Made by `open_host`."""

    node: Node
    home: Home
    options: HostOptions
    started_us: int
    drops: Counter[str]
    """What the host itself dropped; the node counts its own in `node.drops`."""

    def now_us(self) -> int:
        """The node's monotonic clock, in microseconds."""
        raise NotImplementedError

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The bound UDP addresses (wildcards as they are)."""
        raise NotImplementedError

    @property
    def address(self) -> Address:
        """An address at which this machine reaches the node: wildcards become loopback."""
        raise NotImplementedError

    async def command(self, kind: type[Command], **fields: Any) -> Mapping[str, Any]:
        """Give the node a command (without `request`) and return the answer's value.

        Raises `CommandRefused`.
        """
        raise NotImplementedError

    @overload
    def subscribe(self) -> AbstractContextManager[trio.MemoryReceiveChannel[Notice]]: ...
    @overload
    def subscribe(
        self, agent: str
    ) -> AbstractContextManager[trio.MemoryReceiveChannel[StartWork | StopWork]]: ...
    def subscribe(self, agent: str | None = None) -> AbstractContextManager[Any]:
        """Notices for a watcher, or the starts and stops of one agent.

        A watcher that is too slow loses notices and gets one `Notice("missed", own author,
        {"count": n})` in their place. An agent loses nothing: one that does not read is withdrawn
        and its channel closed. All channels end when the host stops.
        """
        raise NotImplementedError

    def serving(
        self, capability: str, *, slots: int = 1, description: str = ""
    ) -> AbstractAsyncContextManager[AgentSession]:
        """Announce a capability for as long as the block lasts; then its claims are released.

        Raises `CommandRefused`.
        """
        raise NotImplementedError

    async def wait_task(self, task: bytes) -> None:
        """Return when the next notice about `task` has come (check its state before waiting)."""
        raise NotImplementedError

    async def put_blob(self, content: bytes) -> BlobRef:
        """Keep content and name it. Raises `CommandRefused` above 16 MiB or when the disk is full."""
        raise NotImplementedError

    async def read(self, blob: BlobRef, sources: tuple[Address, ...] = ()) -> bytes:
        """The content of `blob`, from the blob store or from one of `sources`.

        Raises `BlobUnavailable` (antsp2p.runtime.blobs).
        """
        raise NotImplementedError

    def sources(self, *authors: bytes) -> tuple[Address, ...]:
        """Where the node reaches these authors now, for `read`."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ask whoever runs the host to leave `open_host`."""
        raise NotImplementedError

    async def wait_stop(self) -> None:
        """Return when `stop` was called, here or by SIGINT or SIGTERM (see `stop_on_signals`)."""
        raise NotImplementedError


@asynccontextmanager
async def open_host(options: HostOptions, *, tap: Tap | None = None) -> AsyncIterator[Host]:
    """A running node; leaving the block ends it cleanly within a bounded time.

    Raises `HomeError`, `StoreError` or `ListenError`: each is one clear line.
    """
    raise NotImplementedError
    yield


async def stop_on_signals(host: Host) -> None:
    """Turn SIGINT and SIGTERM into `host.stop()`. Run it in a nursery; never returns."""
    raise NotImplementedError
