"""A node inside a Trio program: post tasks, serve capabilities, see what is going on."""
from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from antsp2p.coordination.tasks import Resolution
from antsp2p.events import Address
from antsp2p.runtime.home import DEFAULT_NETWORK
from antsp2p.runtime.host import Host


class TaskFailed(Exception):
    """The task ended without an accepted result; the text is one line, `state` the last state."""


class Decline(Exception):
    """Raised by a handler to give its claim back unfinished; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One claim to work on. A handler is cancelled when its claim is lost."""

    task: bytes
    claim: bytes
    epoch: int
    capability: str
    input: bytes
    media_type: str
    requester: bytes
    report_progress: Callable[[int], Awaitable[None]]
    """Say that the work lives and stands at so many thousandths."""


Handler = Callable[[Assignment], Awaitable[bytes]]


class PostedTask:
    """A task of this node."""

    id: bytes

    def resolution(self) -> Resolution:
        """How the task stands."""
        raise NotImplementedError

    async def result(self) -> bytes:
        """The output, once accepted (with `review=True`: once it waits for the review).

        Raises `TaskFailed`.
        """
        raise NotImplementedError


class LocalNode:
    """What `open_node` yields."""

    host: Host

    @property
    def author(self) -> bytes:
        raise NotImplementedError

    @property
    def address(self) -> Address:
        raise NotImplementedError

    async def post(
        self, capability: str, input: bytes, *,
        media_type: str = "application/octet-stream", lease_ms: int = 10_000,
        settle_ms: int = 150, attempts: int = 3, timeout_ms: int = 0, review: bool = False,
        cost: int = 1, after: Sequence[bytes] = (), idempotency_key: bytes = b"",
    ) -> PostedTask:
        """Offer a task; it is durable when this returns. Raises `CommandRefused`."""
        raise NotImplementedError

    async def serve(
        self, capability: str, handler: Handler, *, slots: int = 1, description: str = "",
        media_type: str = "application/octet-stream",
    ) -> None:
        """Announce a capability and run `handler` for each claim won, up to `slots` at once."""
        raise NotImplementedError

    async def accept(self, task: bytes, reason: str = "") -> bytes:
        """Accept the result under review; the verdict's id. Raises `CommandRefused`."""
        raise NotImplementedError

    async def reject(self, task: bytes, reason: str = "") -> bytes:
        """Reject the result under review; the verdict's id. Raises `CommandRefused`."""
        raise NotImplementedError

    async def cancel(self, task: bytes, reason: str = "") -> bytes:
        """End an own task; the cancel's id. Raises `CommandRefused`."""
        raise NotImplementedError


@asynccontextmanager
async def open_node(
    home: Path | str | None = None, *, network: str = DEFAULT_NETWORK,
    listen: Sequence[Address | str] = (), peers: Sequence[Address | str] = (),
    discovery: bool = True, nickname: str = "", accept_lost_store: bool = False,
) -> AsyncIterator[LocalNode]:
    """A node in this process. Without a `home` it has a new key, forgotten at the end."""
    raise NotImplementedError
    yield
