"""Runs one node for real: its home, its sockets, its agents, and whoever asks it for something.

Law: no rule of the protocol is here, and no state that the node does not have; what stands in
tables here are waits: for an answer, for a blob, for an agent. The order of saving and sending is
the loop's (`antsp2p.runtime.loop`).
"""
from __future__ import annotations

import secrets
import signal
from collections import Counter, deque
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, overload

import trio

from antsp2p.coordination.body import BlobRef
from antsp2p.coordination.judgement import DEFAULT_POLICY, Policy
from antsp2p.events import (
    Address,
    Answer,
    Command,
    Effect,
    Event,
    FetchBlob,
    FetchLogs,
    MoreLogs,
    Notice,
    PeerHint,
    ReleaseClaim,
    SecretLearned,
    SendDatagram,
    ServeCapability,
    StartWork,
    StopLogs,
    StopWork,
    WithdrawAgent,
)
from antsp2p.gossip.network_keys import KeyRing
from antsp2p.gossip.outputs import Send
from antsp2p.gossip.protection import protect
from antsp2p.node import Node
from antsp2p.runtime import limits
from antsp2p.runtime.ahead import Ahead
from antsp2p.runtime.blobs import BlobError, BlobService, BlobUnavailable
from antsp2p.runtime.boot import Boot, boot_home
from antsp2p.runtime.bulk import LogsFetcher, LogsService
from antsp2p.runtime.content import Content
from antsp2p.runtime.discovery import Announced, Discovery
from antsp2p.runtime.feeds import Feeds, Work
from antsp2p.runtime.home import DEFAULT_NETWORK
from antsp2p.runtime.loop import Loop
from antsp2p.runtime.membership import Membership
from antsp2p.runtime.networks import OPEN_WARNING, wall_ms
from antsp2p.runtime.nursery import open_inner_nursery
from antsp2p.runtime.peers import greet, parse_address
from antsp2p.runtime.streams import StreamServer
from antsp2p.runtime.trust_file import LocalTrust, read_pins
from antsp2p.runtime.udp import UdpEndpoint, bind_all, close_all
from antsp2p.runtime.waits import Waits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from antsp2p.coordination.pins import Pins
    from antsp2p.runtime.udp import Bound

    Tap = Callable[[int, Event], None]


class CommandRefused(Exception):
    """The command did nothing; the text is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How a node runs on this machine. `peers` are "HOST:PORT"; `listen` empty: everywhere."""

    home: Path
    network: str = DEFAULT_NETWORK
    is_open: bool = False
    """Whether anybody may take part who knows the network's name."""
    listen: tuple[Address, ...] = ()
    peers: tuple[str, ...] = ()
    discovery: bool = True
    nickname: str = ""
    accept_lost_store: bool = False
    passphrase: bytes | None = field(default=None, repr=False)
    """What the key is sealed with, if it is."""
    only_copy: str = ""
    """How the author begins, in hex: a person's word that no other copy of the home ever ran."""
    remember: bool = True
    """Whether the starts of the key are counted outside the home too."""
    policy: Policy = DEFAULT_POLICY
    """What it does with what it thinks of others."""
    work_bits: int = 0
    """What the network asks each author to pay for its name; of an open one a part of its id."""


@dataclass(frozen=True, slots=True)
class AgentSession:
    """An agent that is being served: its work arrives on `work` until the agent is withdrawn."""

    agent: str
    work: trio.MemoryReceiveChannel[Work]


def monotonic_us() -> int:
    """Trio's clock, which is CLOCK_MONOTONIC: a process that stood still sees the gap."""
    return int(trio.current_time() * 1_000_000)


class Host:
    """One running node. Made by `open_host`."""

    def __init__(
        self,
        options: HostOptions,
        boot: Boot,
        bound: Sequence[Bound],
        *,
        clock: Callable[[], int] = monotonic_us,
        tap: Tap | None = None,
    ) -> None:
        self.options = options
        self.home = boot.home
        self.now_us = clock
        self.started_us = clock()
        network = boot.network.id
        self.keys = KeyRing(network, boot.network.keys(wall_ms()))
        """The secrets by which others are known; they may change while the node runs."""
        self.protection = protect(
            boot.identity, network, self.keys, secrets.token_bytes,
            work_bits=boot.network.work_bits, work=boot.work or 0,
        )
        self._ahead = Ahead(self.warn)
        self._bound = bound
        self._udp = UdpEndpoint(bound)
        pins = read_pins(boot.home.trust_path)
        self.node = self._make_node(boot, pins)
        self.warnings: deque[str] = deque(maxlen=limits.WARNINGS)
        """The latest lines that the user should know."""
        if boot.suspicion:
            self.warnings.append(boot.suspicion)
        self._boot = boot
        self._loop = Loop(
            self.node, boot.store, now_us=clock, perform=self._perform, shed=self._shed,
            warn=self.warn, is_awaited=self._is_awaited, tap=tap,
        )
        self._feeds = Feeds(self.node.author)
        self._content = Content(
            boot.home.blobs_path, self.node, self.protection, self._loop.put)
        self.membership = Membership(
            boot.home, boot.network, boot.identity, put=self._loop.put, warn=self.warn,
            unwarn=self.unwarn)
        self.blob_service = BlobService(self._content.store, network, self._content.may_have)
        self.trust = LocalTrust(boot.home.trust_path, pins, self._loop.put)
        self._server = StreamServer(self.protection, (
            self.blob_service,
            LogsService(network, self.node.gossip.answer_logs, clock),
        ), self.membership.invitations,
            lambda author: self.node.gossip.is_banned(author, clock()))
        self._logs = LogsFetcher(self.protection, self._loop.put)
        self._waits = Waits(self._loop.put)
        self._preparing: dict[bytes, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None
        self._stop = trio.Event()
        self._closed = False

    def _make_node(self, boot: Boot, pins: Pins) -> Node:
        """The node with what its store remembers, and with randomness of this run."""
        return Node(
            boot.identity, boot.network.id, protection=self.protection, boot=boot.number,
            instance=secrets.token_bytes(8), rng=Random(secrets.randbits(256)),
            now_us=self.started_us, wall_ms=wall_ms(), history=boot.store.records(),
            proofs=boot.history.proofs, published=boot.history.published, fresh=boot.fresh,
            answers=boot.history.answers, suspicion=boot.suspicion,
            nickname=self.options.nickname, recovery=boot.recovery,
            work_bits=boot.network.work_bits, work=boot.work,
            verify=self._ahead.verify, foresee=self._ahead.foresee,
            policy=self.options.policy, pins=pins, send=self._udp.send,
        )

    # --- what it is -------------------------------------------------------------------------------

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The bound UDP addresses (wildcards as they are)."""
        return self._udp.addresses

    @property
    def address(self) -> Address:
        """An address at which this machine reaches the node: wildcards become loopback."""
        host, port = self.addresses[0]
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port

    @property
    def drops(self) -> Counter[str]:
        """What the host itself dropped; the node counts its own in `node.drops`."""
        return self._udp.drops + self._loop.drops + self._server.drops

    def sources(self, *authors: bytes) -> tuple[Address, ...]:
        """Where the node reaches these authors now, then its other links, for `read`."""
        found = [address for author in authors for address in self.node.blob_sources(author)]
        return tuple(dict.fromkeys(found))

    # --- commands ---------------------------------------------------------------------------------

    async def command(self, kind: type[Command], **fields: Any) -> Mapping[str, Any]:
        """Give the node a command (without `request`) and return the answer's value.

        Raises `CommandRefused`.
        """
        if self._closed:
            raise CommandRefused("the node is stopping")
        return await self._ask(kind, fields)

    async def _ask(self, kind: type[Command], fields: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._loop.store_full:
            raise CommandRefused(self._loop.store_full)
        if self._waits.is_full:
            raise CommandRefused("too many commands wait for their answers: try again later")
        try:
            answer = await self._waits.ask(kind, fields)
        except (trio.ClosedResourceError, trio.BrokenResourceError) as error:
            raise CommandRefused("the node is stopping") from error
        if answer.refusal:
            raise CommandRefused(answer.refusal)
        return answer.value

    def _shed(self, event: Event) -> bool:
        """Refuse a command that a full disk leaves no room for. An agent's end is not refused."""
        return not isinstance(event, WithdrawAgent) and self._waits.end(
            getattr(event, "request", 0), Answer(0, refusal=self._loop.store_full))

    # --- listeners --------------------------------------------------------------------------------

    @overload
    def subscribe(self) -> AbstractContextManager[trio.MemoryReceiveChannel[Notice]]: ...
    @overload
    def subscribe(
        self, agent: str
    ) -> AbstractContextManager[trio.MemoryReceiveChannel[Work]]: ...
    def subscribe(self, agent: str | None = None) -> AbstractContextManager[Any]:
        """Notices for a watcher, or the starts and stops of one agent.

        A watcher that is too slow loses notices and gets one `Notice("missed", own author,
        {"count": n})` in their place. An agent loses nothing: one that does not read is withdrawn
        and its channel closed. All channels end when the host stops. Raises `CommandRefused`
        where there are too many.
        """
        if self._feeds.is_full:
            raise CommandRefused("too many watchers and agents are connected: end some first")
        return self._feeds.watch() if agent is None else self._feeds.attach(agent, 1)

    @asynccontextmanager
    async def serving(
        self, capability: str, *, slots: int = 1, description: str = "",
        configuration: bytes = b"",
    ) -> AsyncIterator[AgentSession]:
        """Announce a capability for as long as the block lasts; then its claims are released.

        Raises `CommandRefused`.
        """
        if self._feeds.is_full:
            raise CommandRefused("too many watchers and agents are connected: end some first")
        agent = secrets.token_hex(8)
        with self._feeds.attach(agent, slots) as work:
            try:
                await self.command(
                    ServeCapability, agent=agent, capability=capability, slots=slots,
                    description=description, config_digest=configuration,
                )
                yield AgentSession(agent, work)
            finally:
                # The node must learn it even if the agent's task was cancelled.
                with trio.move_on_after(limits.SHUTDOWN_MS / 1_000, shield=True):
                    await self._withdraw(agent)

    async def _withdraw(self, agent: str) -> None:
        if not self._closed:
            await self._loop.put(WithdrawAgent(self._waits.number(), agent))

    async def wait_task(self, task: bytes) -> None:
        """Return when the next notice about `task` has come (check its state before waiting)."""
        await self._feeds.wait_task(task)

    def warn(self, text: str) -> None:
        """Tell the user a line, now and in `warnings`."""
        self.warnings.append(text)
        self._feeds.tell(Notice("warning", self.node.author, {"text": text}))

    def unwarn(self, text: str) -> None:
        """What a line of `warn` said is so no more."""
        with suppress(ValueError):
            self.warnings.remove(text)

    # --- content ----------------------------------------------------------------------------------

    async def put_blob(self, content: bytes) -> BlobRef:
        """Keep content and name it. Raises `CommandRefused` above 16 MiB or without room."""
        try:
            return await self._content.keep(content)
        except BlobError as error:
            raise CommandRefused(str(error)) from error

    async def read(self, blob: BlobRef, sources: tuple[Address, ...] = ()) -> bytes:
        """The content of `blob`, from the blob store or from one of `sources`.

        Raises `BlobUnavailable` (antsp2p.runtime.blobs).
        """
        return await self._content.read(blob, sources)

    async def _prepare(self, start: StartWork, blob: BlobRef, scope: trio.CancelScope) -> None:
        """Have the input here before the agent starts; without it the claim is given back."""
        with scope:
            try:
                await self._content.read(blob, start.sources)
            except BlobUnavailable as error:
                reason = f"no input: {error}"
                await self._loop.put(ReleaseClaim(self._waits.number(), start.claim, reason))
            else:
                self._bring(start)
        self._preparing.pop(start.claim, None)

    # --- effects ----------------------------------------------------------------------------------

    def _is_awaited(self, effect: Effect) -> bool:
        return not isinstance(effect, Notice) or self._feeds.has_listener(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case SendDatagram(address=address, data=data):
                self._udp.send(address, data)
            case Answer(request=request):
                self._waits.end(request, effect)
            case Notice():
                self._feeds.tell(effect)
                if effect.kind == "warning":
                    self.warnings.append(str(effect.detail["text"]))
                elif effect.kind == "confirmed":
                    self._boot.settle()
                    self.unwarn(self._boot.suspicion)
            case StartWork(input=BlobRef() as blob):
                self._preparing[effect.claim] = scope = trio.CancelScope()
                self._spawn(self._prepare, effect, blob, scope)
            case StartWork():
                self._bring(effect)
            case StopWork(claim=claim):
                preparing = self._preparing.pop(claim, None)
                if preparing is None:
                    self._bring(effect)
                else:
                    preparing.cancel()
            case FetchBlob():
                self._spawn(self._content.fetch, effect)
            case FetchLogs():
                self._logs.begin(effect, self._spawn)
            case MoreLogs(fetch=fetch):
                self._logs.more(fetch)
            case StopLogs(fetch=fetch):
                self._logs.stop(fetch)
            case SecretLearned():
                self._spawn(self.membership.learned, effect)

    def _bring(self, work: Work) -> None:
        if not self._feeds.bring(work) and isinstance(work, StartWork):
            self._spawn(self._withdraw, work.agent)

    def _spawn(self, task: Callable[..., Any], *arguments: Any) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(task, *arguments)

    def _hint(self, address: Address, keep: bool = False) -> None:
        self._loop.offer(PeerHint(address, keep))

    # --- life -------------------------------------------------------------------------------------

    def start(self, nursery: trio.Nursery) -> None:
        """Set everything going in `nursery`."""
        self._nursery = nursery
        if self.options.is_open:
            self.warn(OPEN_WARNING)
        nursery.start_soon(self._loop.run)
        nursery.start_soon(self.membership.run)
        nursery.start_soon(self._udp.receive, self._loop.offer_datagram, self._loop.serve)
        nursery.start_soon(self._server.serve, [item.tcp for item in self._bound])
        for address in self._boot.history.addresses:
            self._hint(address)
        for host, port in map(parse_address, self.options.peers):
            nursery.start_soon(
                greet, (host, port), lambda address: self._hint(address, True),
                self.node.gossip.is_silent, self.warn, self.unwarn,
            )
        if self.options.discovery:
            own = Announced(self.node.network, self.node.author, self.addresses)
            nursery.start_soon(Discovery(own, self._hint, self.warn).run)

    def stop(self) -> None:
        """Ask whoever runs the host to leave `open_host`."""
        self._stop.set()

    async def wait_stop(self) -> None:
        """Return when `stop` was called, here or by a signal (see `stop_on_signals`)."""
        await self._stop.wait()

    async def end(self) -> None:
        """Release what is held, let peers fetch it, and say goodbye.

        What `start` had set going must have ended: the block may have been cancelled, and the
        last words need a loop that is not.
        """
        self._nursery = None
        self._closed = True
        if not await self._loop.finish():
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._loop.run)
            nursery.start_soon(self._udp.receive, self._loop.offer_datagram, self._loop.serve)
            await self._withdraw_all()
            nursery.cancel_scope.cancel()
        await self._loop.finish()
        for output in self.node.gossip.leave(self.now_us()):
            if isinstance(output, Send):
                self._udp.send(output.address, output.data)

    async def _withdraw_all(self) -> None:
        agents = tuple(self.node.claimant.agents)
        for agent in agents:
            with suppress(CommandRefused):
                await self._ask(WithdrawAgent, {"agent": agent, "reason": "the node is stopping"})
        if agents and self.node.gossip.links():
            # Peers hear of new records first, and ask for them then.
            await trio.sleep(limits.SHUTDOWN_LINGER_MS / 1_000)

    def close(self) -> None:
        """Let nobody wait any more."""
        self._closed = True
        self._waits.refuse_all("the node is stopping")
        self._feeds.close()
        self._loop.close()
        self._ahead.close()


@asynccontextmanager
async def open_host(options: HostOptions, *, tap: Tap | None = None) -> AsyncIterator[Host]:
    """A running node; leaving the block ends it cleanly within a bounded time.

    Raises `HomeError`, `StoreError` or `ListenError`: each is one clear line.
    """
    for peer in options.peers:
        parse_address(peer)
    with ExitStack() as opened:
        boot = await trio.to_thread.run_sync(_boot, options)
        opened.callback(boot.close)
        bound = bind_all(options.listen, boot.preferred_port)
        opened.callback(close_all, bound)
        boot.remember_port(bound[0].address[1])
        async with run_host(Host(options, boot, bound, tap=tap)) as host:
            yield host


def _boot(options: HostOptions) -> Boot:
    return boot_home(
        options.home, options.network, is_open=options.is_open,
        accept_lost_store=options.accept_lost_store, passphrase=options.passphrase,
        only_copy=options.only_copy, remember=options.remember,
        work_bits=options.work_bits, pause=trio.from_thread.check_cancelled,
    )


@asynccontextmanager
async def run_host(host: Host) -> AsyncIterator[Host]:
    """Run a host for as long as the block lasts. What it was made with is the caller's to close."""
    try:
        async with open_inner_nursery() as nursery:
            host.start(nursery)
            yield host
    finally:
        with trio.move_on_after(limits.SHUTDOWN_MS / 1_000, shield=True):
            await host.end()
        host.close()


async def stop_on_signals(host: Host) -> None:
    """Turn SIGINT and SIGTERM into `host.stop()`. Run it in a nursery; never returns."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            host.stop()
