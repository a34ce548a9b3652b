"""A node inside a Trio program: post tasks, serve capabilities, see what is going on.

Law: what stands here is only convenience over `Host`; anything that it can do, the local API can
do too, and nothing here decides.
"""
from __future__ import annotations

import tempfile
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from antsp2p.coordination.body import MAX_INLINE_BYTES, BlobRef, Outcome, parse_body
from antsp2p.coordination.body import Cancel as CancelBody
from antsp2p.coordination.body import Verdict as VerdictBody
from antsp2p.coordination.capability import configuration_digest
from antsp2p.coordination.fields import MAX_TEXT_BYTES
from antsp2p.coordination.marks import DEFAULT_HALF_LIFE_MS
from antsp2p.coordination.state import State
from antsp2p.events import (
    CancelTask,
    DecideTask,
    FinishClaim,
    LeaveMark,
    PostTask,
    ReleaseClaim,
    ReportProgress,
    StartWork,
)
from antsp2p.runtime.blobs import BlobUnavailable
from antsp2p.runtime.home import DEFAULT_NETWORK
from antsp2p.runtime.host import CommandRefused, Host, HostOptions, open_host
from antsp2p.runtime.mark_views import MarkReader
from antsp2p.runtime.nursery import open_inner_nursery
from antsp2p.runtime.peers import format_address, parse_address
from antsp2p.runtime.views import peer_authors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from antsp2p.coordination.body import Result
    from antsp2p.coordination.marks import Topic, Trace
    from antsp2p.coordination.reputation import Deed, Score
    from antsp2p.coordination.resolver import Resolution
    from antsp2p.events import Address
    from antsp2p.gossip.outputs import LinkView
    from antsp2p.records.record import Record
    from antsp2p.runtime.feeds import Work

    Handler = Callable[["Assignment"], Awaitable[bytes]]

DEFAULT_MEDIA_TYPE: Final = "application/octet-stream"
MAX_LISTED: Final = 10_000
"""Topics, or marks at one."""
REPORTS_PER_LEASE: Final = 3
"""A handler that runs is reported as alive this often; two reports may be late."""


class TaskFailed(Exception):
    """The task ended without an accepted result; the text is one line, `state` the last state."""

    def __init__(self, state: State, line: str) -> None:
        super().__init__(line)
        self.state = state


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
    """Tell the others that the work stands at so many thousandths."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node, as this one sees it."""

    author: bytes
    nickname: str
    address: Address | None
    """Where it is linked; None: heard of, but not linked."""
    rtt_us: int | None
    capabilities: tuple[str, ...]
    score: Score


class PostedTask:
    """A task of this node."""

    def __init__(self, host: Host, task: bytes, review: bool) -> None:
        self.id = task
        self._host = host
        self._ready = {State.ACCEPTED, State.DONE} if review else {State.ACCEPTED}

    def resolution(self) -> Resolution:
        """How the task stands."""
        resolution = self._host.node.tasks.resolve(self.id)
        assert resolution is not None, "a posted task is in the set"
        return resolution

    async def result(self) -> bytes:
        """The output, once accepted (with `review=True`: once it waits for the review).

        Raises `TaskFailed`.
        """
        while (resolution := self.resolution()).state not in self._ready:
            if resolution.state in ENDS:
                raise TaskFailed(resolution.state, self._why(resolution))
            await self._host.wait_task(self.id)
        record, result = self._chosen(resolution)
        if result.blob is None:
            return result.output or b""
        try:
            return await self._host.read(result.blob, self._host.sources(record.author))
        except BlobUnavailable as error:
            raise TaskFailed(resolution.state, f"the output is not to be had: {error}") from error

    def _chosen(self, resolution: Resolution) -> tuple[Record, Result]:
        """The accepted result, or the holder's that waits for review."""
        end = None if resolution.end is None else parse_body(resolution.end)
        wanted = end.result if isinstance(end, VerdictBody) else None
        claim = None if resolution.holder is None else resolution.holder.id
        for record, result in reversed(self._host.node.tasks.results(self.id)):
            if record.id == wanted or (wanted is None and result.claim == claim):
                return record, result
        raise TaskFailed(resolution.state, "the result's record is not here")

    def _why(self, resolution: Resolution) -> str:
        end = None if resolution.end is None else parse_body(resolution.end)
        reason = end.text if isinstance(end, CancelBody) else ""
        errors = [
            result.error for _, result in self._host.node.tasks.results(self.id)
            if result.outcome == Outcome.FAILED and result.error
        ]
        said = [text for text in (reason, *errors[-1:]) if text]
        return " ".join(f"the task is {resolution.state}: {'; '.join(said)}".split()).rstrip(": ")


ENDS: Final = frozenset({
    State.ACCEPTED, State.CANCELLED, State.DEAD_LETTERED, State.ORPHANED,
})


class LocalNode:
    """What `open_node` yields."""

    def __init__(self, host: Host, nursery: trio.Nursery) -> None:
        self.host = host
        self._nursery = nursery

    @property
    def author(self) -> bytes:
        """The node's public key, 32 bytes: its name in the network."""
        return self.host.node.author

    @property
    def address(self) -> str:
        """HOST:PORT, at which other nodes on this machine reach this one."""
        return format_address(self.host.address)

    # --- the requester's side ---------------------------------------------------------------------

    async def post(
        self,
        capability: str,
        input: bytes,
        *,
        media_type: str = DEFAULT_MEDIA_TYPE,
        lease_ms: int = 10_000,
        settle_ms: int = 150,
        attempts: int = 3,
        timeout_ms: int = 0,
        review: bool = False,
        cost: int = 1,
        after: Sequence[bytes] = (),
        idempotency_key: bytes = b"",
        holder_only: bool = False,
    ) -> PostedTask:
        """Offer a task; it is durable when this returns. Input has at most 16 MiB. `holder_only`:
        of all members only whoever holds the task gets it.

        Raises `CommandRefused`.
        """
        answer = await self.host.command(
            PostTask, capability=capability, holder_only=holder_only,
            input=await (self.host.put_blob(input) if holder_only else self._content(input)),
            media_type=media_type, lease_ms=lease_ms, settle_ms=settle_ms, attempts=attempts,
            timeout_ms=timeout_ms, review=review, cost=cost, after=tuple(after),
            idempotency_key=idempotency_key,
        )
        return PostedTask(self.host, answer["task"], review)

    async def _content(self, content: bytes) -> bytes | BlobRef:
        return content if len(content) <= MAX_INLINE_BYTES else await self.host.put_blob(content)

    async def accept(self, task: bytes, reason: str = "") -> bytes:
        """Accept the result under review; the verdict's id. Raises `CommandRefused`."""
        return await self._decide(task, True, reason)

    async def reject(self, task: bytes, reason: str = "") -> bytes:
        """Reject the result under review; the verdict's id. Raises `CommandRefused`."""
        return await self._decide(task, False, reason)

    async def _decide(self, task: bytes, accept: bool, reason: str) -> bytes:
        answer = await self.host.command(DecideTask, task=task, accept=accept, reason=reason)
        verdict: bytes = answer["verdict"]
        return verdict

    async def cancel(self, task: bytes, reason: str = "") -> bytes:
        """End an own task; the cancel's id. Raises `CommandRefused`."""
        answer = await self.host.command(CancelTask, task=task, reason=reason)
        cancel: bytes = answer["cancel"]
        return cancel

    # --- the worker's side ------------------------------------------------------------------------

    async def serve(
        self,
        capability: str,
        handler: Handler,
        *,
        slots: int = 1,
        description: str = "",
        media_type: str = DEFAULT_MEDIA_TYPE,
        configuration: Sequence[bytes] = (),
    ) -> None:
        """Announce a capability and run `handler` for each claim won, up to `slots` at once.

        Returns when the capability is announced; it is served until the node closes. What the
        handler returns is the result, at most 16 MiB. An exception of it is a failed result;
        `Decline` gives the claim back. `configuration` is what the handler is made of (model,
        prompt, tools …): only a digest of it leaves the machine. Raises `CommandRefused`.
        """
        agent = _Agent(self.host, handler, media_type)
        digest = configuration_digest(configuration) if configuration else b""
        await self._nursery.start(agent.run, capability, slots, description, digest)

    async def mark(
        self, topic: str, text: str = "", half_life_ms: int = DEFAULT_HALF_LIFE_MS
    ) -> bytes:
        """Leave a mark at a topic, half as strong after every `half_life_ms` (0 wipes it off), in
        place of this node's earlier one there. Returns the record's id. Raises `CommandRefused`."""
        answer = await self.host.command(
            LeaveMark, topic=topic, text=text, half_life_ms=half_life_ms)
        return bytes(answer["mark"])

    # --- looking around ---------------------------------------------------------------------------

    def tasks(self) -> tuple[Resolution, ...]:
        """Every task known here, by id."""
        fold = self.host.node.tasks
        found = (fold.resolve(task) for task in fold.task_ids())
        return tuple(resolution for resolution in found if resolution is not None)

    def peers(self) -> tuple[Peer, ...]:
        """The other nodes known here, linked ones first, then by score."""
        node = self.host.node
        links = {link.author: link for link in node.gossip.links()}
        peers = [self._peer(author, links.get(author)) for author in peer_authors(node)]
        return tuple(sorted(peers, key=lambda p: (
            p.address is None, -p.score.value_ppm, p.score.failed, p.author)))

    def _peer(self, author: bytes, link: LinkView | None) -> Peer:
        node = self.host.node
        announces = node.capabilities.of(author)
        return Peer(
            author=author,
            nickname=next((announce.nickname for announce in announces), ""),
            address=None if link is None else link.address,
            rtt_us=None if link is None else link.rtt_us,
            capabilities=tuple(announce.name for announce in announces),
            score=node.ledger.score(author),
        )

    async def topics(self) -> tuple[Topic, ...]:
        """Where marks are that this node heeds, the most trusted first."""
        return tuple(await self._marks().topics(MAX_LISTED))

    async def marks(self, topic: str) -> tuple[Trace, ...]:
        """What is left of the marks at a topic, those that this node heeds first."""
        return tuple(await self._marks().marks(topic, MAX_LISTED))

    def _marks(self) -> MarkReader:
        return MarkReader(self.host.node, self.host.now_us())

    def why(self, author: bytes) -> tuple[Deed, ...]:
        """The records that the author's score rests on."""
        return self.host.node.ledger.why(author)


class _Agent:
    """Runs one handler for the claims of one capability."""

    def __init__(self, host: Host, handler: Handler, media_type: str) -> None:
        self._host = host
        self._handler = handler
        self._media_type = media_type
        self._running: dict[bytes, trio.CancelScope] = {}

    async def run(
        self, capability: str, slots: int, description: str, configuration: bytes, *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        async with (
            self._host.serving(
                capability, slots=slots, description=description, configuration=configuration
            ) as session,
            trio.open_nursery() as nursery,
        ):
            task_status.started()
            async for work in session.work:
                self._take(work, nursery)

    def _take(self, work: Work, nursery: trio.Nursery) -> None:
        if isinstance(work, StartWork):
            self._running[work.claim] = scope = trio.CancelScope()
            nursery.start_soon(self._work, work, scope)
        elif work.claim in self._running:
            self._running[work.claim].cancel()

    async def _work(self, start: StartWork, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await self._finish(start)
        except CommandRefused:
            # The claim was lost in the very moment it was finished; others have the task now.
            pass
        finally:
            del self._running[start.claim]

    async def _finish(self, start: StartWork) -> None:
        claim, command = start.claim, self._host.command
        try:
            output = await self._handled(start)
        except (Decline, BlobUnavailable) as error:
            await command(ReleaseClaim, claim=claim, reason=_line(error))
            return
        except Exception as error:
            await command(FinishClaim, claim=claim, done=False, error=_line(error))
            return
        await command(
            FinishClaim, claim=claim, done=True, media_type=self._media_type, output=output
        )

    async def _handled(self, start: StartWork) -> bytes | BlobRef:
        """What the handler returned, as it goes into the result."""
        content = start.input
        if isinstance(content, BlobRef):
            content = await self._host.read(content, start.sources)

        async def report_progress(thousandths: int) -> None:
            await self._host.command(ReportProgress, claim=start.claim, progress=thousandths)

        output: bytes | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_alive, start.claim)
            output = await self._handler(Assignment(
                start.task, start.claim, start.epoch, start.capability, content,
                start.media_type, start.requester, report_progress,
            ))
            nursery.cancel_scope.cancel()
        if not isinstance(output, bytes):
            raise TypeError(f"the handler returned {type(output).__name__} instead of bytes")
        return output if len(output) <= MAX_INLINE_BYTES else await self._host.put_blob(output)

    async def _keep_alive(self, claim: bytes) -> None:
        """Renew the lease for as long as the handler runs."""
        while (holding := self._host.node.holding.get(claim)) is not None:
            await trio.sleep(holding.lease_us / 1_000_000 / REPORTS_PER_LEASE)
            if claim in self._host.node.holding:
                await self._host.command(
                    ReportProgress, claim=claim, progress=holding.progress
                )


def _line(error: BaseException) -> str:
    """What an exception says, in one line, its own type first unless it is ours."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    text = " ".join(str(error).split())
    if not isinstance(error, Decline | BlobUnavailable):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text[:MAX_TEXT_BYTES]


@asynccontextmanager
async def open_node(
    home: Path | str | None = None,
    *,
    network: str = DEFAULT_NETWORK,
    is_open: bool = False,
    work_bits: int = 0,
    listen: Sequence[Address | str] = (),
    peers: Sequence[Address | str] = (),
    discovery: bool = True,
    nickname: str = "",
    accept_lost_store: bool = False,
    passphrase: bytes | None = None,
    only_copy: str = "",
) -> AsyncIterator[LocalNode]:
    """A node in this process, which runs for as long as the block lasts.

    The network's secret is shared by all nodes of this user; with `is_open` anybody may take part
    who knows its name, and has paid for a key of his own where the network asks for `work_bits`:
    about two to that power of hashes, once. Without a `home` it has a new key and store, both
    forgotten at the end. `listen` and `peers` are "HOST:PORT"; port 0 is any free one;
    `passphrase` opens a sealed key, and `only_copy` is for a home that seems to be an old copy
    (`boot_home`). Raises `HomeError`, `StoreError` or `ListenError`, each one line.
    """
    remember = home is not None
    with ExitStack() as opened:
        if home is None:
            home = opened.enter_context(tempfile.TemporaryDirectory(prefix="antsp2p-"))
        options = HostOptions(
            home=Path(home), network=network, is_open=is_open, work_bits=work_bits,
            listen=tuple(parse_address(a) if isinstance(a, str) else a for a in listen),
            peers=tuple(a if isinstance(a, str) else format_address(a) for a in peers),
            discovery=discovery, nickname=nickname, accept_lost_store=accept_lost_store,
            passphrase=passphrase, only_copy=only_copy, remember=remember,
        )
        async with open_host(options) as host, open_inner_nursery() as nursery:
            yield LocalNode(host, nursery)
