"""Whole nodes on loopback: real sockets, real files, real order."""
from __future__ import annotations

import os
import signal
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from antsp2p.coordination.body import MAX_BLOB_BYTES, Announce, BlobRef, Reopen, parse_body
from antsp2p.coordination.state import State
from antsp2p.events import (
    AppendRecord,
    CancelTask,
    Committed,
    FinishClaim,
    PostTask,
    ServeCapability,
    StartWork,
    StopWork,
    Woke,
)
from antsp2p.gossip.session import Session
from antsp2p.runtime import boot, host, limits
from antsp2p.runtime.blobs import BlobUnavailable
from antsp2p.runtime.discovery import Discovery, Interfaces
from antsp2p.runtime.home import HomeError
from antsp2p.runtime.host import CommandRefused, Host, HostOptions, open_host, stop_on_signals
from antsp2p.runtime.loop import Loop
from antsp2p.runtime.networks import network_path
from antsp2p.runtime.peers import format_address
from antsp2p.runtime.store import Store
from antsp2p.runtime.udp import ListenError, UdpEndpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from antsp2p.events import Address, Event
    from antsp2p.records.record import Record
    from antsp2p.runtime.store import Saved

PATIENCE_S = 60
LOOPBACK = (("127.0.0.1", 0),)


@asynccontextmanager
async def running(path: Path, *peers: Host, **options: Any) -> AsyncIterator[Host]:
    """A node on loopback, linked to `peers`."""
    given = HostOptions(
        home=path, listen=LOOPBACK, discovery=False,
        peers=tuple(format_address(peer.address) for peer in peers), **options,
    )
    with trio.fail_after(PATIENCE_S):
        async with open_host(given) as opened:
            with opened.subscribe() as notices:
                missing = {peer.node.author for peer in peers}
                while not missing <= {link.author for link in opened.node.gossip.links()}:
                    await notices.receive()
            yield opened


async def ended(poster: Host, task: bytes) -> State:
    while True:
        resolution = poster.node.tasks.resolve(task)
        if resolution is not None and resolution.end is not None:
            return resolution.state
        await poster.wait_task(task)


async def post(poster: Host, content: bytes | BlobRef = b"", **fields: Any) -> bytes:
    fields = {"capability": "echo", "settle_ms": 0, **fields}
    answer = await poster.command(PostTask, input=content, **fields)
    task: bytes = answer["task"]
    return task


async def echo(worker: Host, *, slots: int = 4) -> None:
    """Serve `echo` until cancelled."""
    async with worker.serving("echo", slots=slots) as session:
        async for work in session.work:
            if isinstance(work, StartWork):
                await worker.command(
                    FinishClaim, claim=work.claim, done=True, output=work.input
                )


# --- no send precedes its commit -----------------------------------------------------------------


@dataclass
class Trace:
    """What one node committed and sent, in the order of its deeds."""

    deeds: list[tuple[str, Any]] = field(default_factory=list)
    plain: dict[bytes, bytes] = field(default_factory=dict)
    """What was sealed in each datagram."""

    def check(self, own: Sequence[Record]) -> int:
        """How many own records were seen in datagrams; asserts that each was durable before."""
        durable: set[bytes] = set()
        seen: set[bytes] = set()
        for deed, what in self.deeds:
            if deed == "commit":
                durable |= {item.record.id for item in what if isinstance(item, AppendRecord)}
            else:
                inside = {record.id for record in own if record.payload in what}
                assert inside <= durable, "an own record was sent before it was committed"
                seen |= inside
        return len(seen)


class TracedStore(Store):
    traces: dict[Path, Trace]

    def commit(self, batch: Sequence[Saved]) -> None:
        super().commit(batch)
        self.traces[self.path.parent].deeds.append(("commit", list(batch)))


class TracedEndpoint(UdpEndpoint):
    trace: Trace | None = None

    def send(self, address: Address, data: bytes) -> None:
        if self.trace is not None:
            self.trace.deeds.append(("send", self.trace.plain.get(data, data)))
        super().send(address, data)


class HastyLoop(Loop):
    """The mutant: says that a batch is durable, and writes it some batches later."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.late: list[Sequence[Saved]] = []

    async def _commit(self, batch: Sequence[Saved]) -> bool:
        self.late.append(batch)
        return await super()._commit(self.late.pop(0) if len(self.late) > 10 else [])


async def trace_of_a_busy_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """(own records seen in datagrams, own records) of a node that posts and works under load."""
    path = tmp_path / "busy"
    trace = Trace()
    seal = Session.seal

    def traced_seal(session: Session, plain: bytes, now_us: int) -> bytes:
        data = seal(session, plain, now_us)
        trace.plain[data] = plain
        return data

    monkeypatch.setattr(Session, "seal", traced_seal)
    TracedStore.traces = {path: trace}
    with monkeypatch.context() as patch:
        patch.setattr(boot, "Store", TracedStore)
        patch.setattr(host, "UdpEndpoint", TracedEndpoint)
        busy = open_host(HostOptions(home=path, listen=LOOPBACK, discovery=False))
        async with busy as node:
            patch.undo()
            assert isinstance(node._udp, TracedEndpoint)
            node._udp.trace = trace
            async with (
                running(tmp_path / "other", node) as other, trio.open_nursery() as working
            ):
                working.start_soon(echo, node)
                working.start_soon(echo, other)
                async with trio.open_nursery() as posting:
                    for number in range(60):
                        poster = node if number % 2 else other
                        posting.start_soon(post_and_wait, poster, b"%d" % number)
                working.cancel_scope.cancel()
            own = [r for r in node.node.logs.records() if r.author == node.node.author]
            return trace.check(own), len(own)


async def post_and_wait(poster: Host, content: bytes) -> None:
    assert await ended(poster, await post(poster, content)) is State.ACCEPTED


async def test_no_send_precedes_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trio.fail_after(PATIENCE_S):
        seen, own = await trace_of_a_busy_node(tmp_path, monkeypatch)
    assert seen > 60
    assert seen >= own - 5


async def test_the_check_of_the_order_can_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "Loop", HastyLoop)
    with trio.fail_after(PATIENCE_S), pytest.raises(AssertionError, match="before it was commit"):
        await trace_of_a_busy_node(tmp_path, monkeypatch)


# --- commands, agents, blobs ---------------------------------------------------------------------


async def test_a_task_is_posted_worked_on_and_accepted(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as a, running(tmp_path / "b", a) as b:
        async with a.serving("echo", slots=2) as session:
            task = await post(b, b"hello")
            start = await session.work.receive()
            assert isinstance(start, StartWork)
            assert (start.task, start.input, start.requester) == (task, b"hello", b.node.author)
            await a.command(FinishClaim, claim=start.claim, done=True, output=b"hello back")
            assert await ended(b, task) is State.ACCEPTED
        assert not a.drops
        assert not b.drops


async def test_a_refused_command_is_one_line(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        with pytest.raises(CommandRefused, match="capability is not allowed here"):
            await post(node, capability="No Such Name")
        with pytest.raises(CommandRefused, match="late"):
            await node.command(FinishClaim, claim=bytes(32), done=True)
        with pytest.raises(CommandRefused, match="16777217 bytes are too many"):
            await node.put_blob(bytes(MAX_BLOB_BYTES + 1))
    with pytest.raises(CommandRefused, match="stopping"):
        await post(node)


async def test_leaving_the_serving_block_gives_claims_back(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as a, running(tmp_path / "b", a) as b:
        async with a.serving("echo") as session:
            task = await post(b)
            await session.work.receive()
        while not b.node.tasks.reopens(task):
            await b.wait_task(task)
        reopens = b.node.tasks.reopens(task)
        assert [record.author for record, _ in reopens] == [a.node.author]


async def test_an_agent_is_told_to_stop(tmp_path: Path) -> None:
    async with (
        running(tmp_path / "a") as a, running(tmp_path / "b", a) as b,
        a.serving("echo") as session,
    ):
        task = await post(b)
        start = await session.work.receive()
        await b.command(CancelTask, task=task)
        stop = await session.work.receive()
        assert isinstance(stop, StopWork)
        assert stop.claim == start.claim


async def test_an_agent_that_does_not_read_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AGENT_EVENTS", 0)
    async with running(tmp_path) as a, a.serving("echo") as deaf:
        with a.subscribe() as notices:
            for number in range(3):
                claim = bytes([number]) * 32
                a._perform(StartWork(
                    deaf.agent, claim, claim, 0, "echo", b"", "text/plain", a.node.author, ()
                ))
            async for notice in notices:
                if notice.kind == "announced" and notice.detail["withdrawn"]:
                    break
        assert deaf.agent not in a.node.claimant.agents
        assert len([work async for work in deaf.work]) == 2


async def test_a_large_input_is_here_before_the_agent_starts(tmp_path: Path) -> None:
    content = os.urandom(1_000_000)
    async with (
        running(tmp_path / "a") as a, running(tmp_path / "b", a) as b,
        a.serving("echo") as session,
    ):
        blob = await b.put_blob(content)
        task = await post(b, blob)
        start = await session.work.receive()
        assert isinstance(start, StartWork)
        assert await a.read(blob) == content
        assert blob.hash in a._content.pinned()
        assert blob.hash in b._content.pinned()
        await a.command(FinishClaim, claim=start.claim, done=True, output=start.input)
        assert await ended(b, task) is State.ACCEPTED
        assert blob.hash not in b._content.pinned()


async def test_an_input_that_nobody_has_gives_the_claim_back(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as a, running(tmp_path / "b", a) as b:
        async with a.serving("echo"):
            task = await post(b, BlobRef(bytes(32), 1_000))
            while not (reopens := b.node.tasks.reopens(task)):
                await b.wait_task(task)
            assert reopens[0][0].author == a.node.author
            assert reopens[0][1].text.startswith("no input: blob 0000000000000000 (1000 bytes): ")
        with pytest.raises(BlobUnavailable):
            await a.read(BlobRef(bytes(32), 1_000), a.sources(b.node.author))


# --- starts and ends -----------------------------------------------------------------------------


async def test_a_second_node_on_one_home_is_told_the_pid(tmp_path: Path) -> None:
    async with running(tmp_path):
        with pytest.raises(HomeError, match=rf"already runs in .* \(pid {os.getpid()}\)"):
            async with running(tmp_path):
                raise AssertionError
    async with running(tmp_path):
        pass


async def test_a_port_in_use_is_one_line_and_gives_the_home_back(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        options = HostOptions(home=tmp_path / "x", listen=(taken.getsockname(),), discovery=False)
        with pytest.raises(ListenError, match="is in use"):
            async with open_host(options):
                raise AssertionError
    async with open_host(options) as node:
        assert node.addresses == options.listen


async def test_a_bad_peer_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="not HOST:PORT"):
        async with open_host(HostOptions(home=tmp_path / "x", peers=("nonsense",))):
            raise AssertionError
    assert not (tmp_path / "x").exists()


async def test_a_restart_finds_history_port_and_peers_again(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as a:
        async with running(tmp_path / "b", a) as b:
            task = await post(b, b"kept")
            author, address = b.node.author, b.address
        async with running(tmp_path / "b") as again:
            assert (again.node.author, again.address) == (author, address)
            assert again.node.tasks.offer(task) is not None
            with again.subscribe() as notices:
                while not again.node.gossip.links():
                    await notices.receive()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(echo, a)
                assert await ended(again, task) is State.ACCEPTED
                nursery.cancel_scope.cancel()


async def test_a_clean_end_gives_back_what_was_held(tmp_path: Path) -> None:
    async with running(tmp_path / "b") as b:
        with trio.CancelScope() as scope:
            async with running(tmp_path / "a", b) as a:
                author = a.node.author
                with a.subscribe("agent") as work:
                    await a.command(ServeCapability, agent="agent", capability="echo")
                    task = await post(b)
                    assert isinstance(await work.receive(), StartWork)
                scope.cancel()
                await trio.sleep_forever()
        while not b.node.tasks.reopens(task):
            await b.wait_task(task)
    store = Store(tmp_path / "a" / "store.db")
    own = [s.record for s in store.records() if s.record.author == author]
    store.close()
    bodies = [parse_body(record) for record in own]
    assert any(isinstance(body, Reopen) and body.text == "the node is stopping" for body in bodies)
    assert isinstance(bodies[-1], Announce)
    assert bodies[-1].withdrawn


async def test_an_error_in_the_block_leaves_as_itself(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with running(tmp_path):
            raise KeyError("mine")


async def test_a_cancelled_block_ends_the_node(tmp_path: Path) -> None:
    with trio.move_on_after(PATIENCE_S) as scope:
        async with running(tmp_path) as node:
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    with pytest.raises(CommandRefused, match="stopping"):
        await post(node)


async def test_signals_ask_for_the_end(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        async with running(tmp_path) as node, trio.open_nursery() as nursery:
            nursery.start_soon(stop_on_signals, node)
            await trio.testing.wait_all_tasks_blocked(0.01)
            signal.raise_signal(number)
            await node.wait_stop()
            nursery.cancel_scope.cancel()


async def test_the_tap_sees_the_events_in_order(tmp_path: Path) -> None:
    seen: list[tuple[int, Event]] = []
    options = HostOptions(home=tmp_path / "home", listen=LOOPBACK, discovery=False)
    async with open_host(options, tap=lambda now_us, event: seen.append((now_us, event))) as node:
        await post(node)
    assert [now_us for now_us, _ in seen] == sorted(now_us for now_us, _ in seen)
    kinds = [type(event) for _, event in seen if not isinstance(event, Woke)]
    assert kinds[:2] == [PostTask, Committed]


# --- a hostile world -----------------------------------------------------------------------------


async def test_a_flood_of_nonsense_is_counted_and_the_user_is_served(tmp_path: Path) -> None:
    dice = Random(7)
    async with running(tmp_path) as node, trio.open_nursery() as nursery:
        nursery.start_soon(echo, node)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(100):
                for _ in range(50):
                    stranger.sendto(dice.randbytes(dice.randrange(2_000)), node.address)
                await trio.lowlevel.checkpoint()
            assert await ended(node, await post(node, b"still here")) is State.ACCEPTED
        drops = node.node.drops + node.node.gossip.drops + node.drops
        assert drops.total() > 0
        nursery.cancel_scope.cancel()


async def test_without_multicast_there_is_a_warning_and_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = partial(Discovery, find_interfaces=lambda: Interfaces((), (), ()))
    monkeypatch.setattr(host, "Discovery", nowhere)
    options = HostOptions(home=tmp_path / "home", listen=LOOPBACK)
    with trio.fail_after(PATIENCE_S):
        async with open_host(options) as node, trio.open_nursery() as nursery:
            with node.subscribe() as notices:
                async for notice in notices:
                    if notice.kind == "warning":
                        break
            assert "no network interface is up" in node.warnings[0]
            nursery.start_soon(echo, node)
            assert await ended(node, await post(node)) is State.ACCEPTED
            nursery.cancel_scope.cancel()


# --- a full disk ---------------------------------------------------------------------------------


async def test_a_full_disk_refuses_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STORE_RETRY_MS", 5)
    async with running(tmp_path / "a") as a, running(tmp_path / "b", a) as b:
        store = a._boot.store
        accepted = [await post(a, b"x" * 300)]
        with a.subscribe() as notices:
            store._connection.execute("PRAGMA max_page_count=1")
            async with trio.open_nursery() as nursery:
                for number in range(40):
                    nursery.start_soon(post_into, a, accepted, b"%d" % number * 100)
                while (await notices.receive()).kind != "warning":
                    pass
                assert "disk is full" in a.warnings[-1]
                with pytest.raises(CommandRefused, match="disk is full"):
                    await post(a)
                await post(b)
                while not a.drops["store-full"]:
                    await post(b)
                store._connection.execute(f"PRAGMA max_page_count={1 << 30}")
                while (await notices.receive()).kind != "warning":
                    pass
        assert a.warnings[-1] == "the disk has room again"
        accepted.append(await post(a, b"last"))
    async with running(tmp_path / "a") as again:
        assert len(accepted) >= 2
        for task in accepted:
            assert again.node.tasks.offer(task) is not None


async def post_into(poster: Host, accepted: list[bytes], content: bytes) -> None:
    """Refusals are what the test is about; the line is checked there."""
    with suppress(CommandRefused):
        accepted.append(await post(poster, content))


async def test_a_given_peer_that_does_not_answer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PEER_SILENT_MS", 1_500)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(LOOPBACK[0])
        at = format_address(deaf.getsockname())
        async with running(tmp_path / "b") as other:
            given = HostOptions(
                home=tmp_path / "a", listen=LOOPBACK, discovery=False,
                peers=(at, format_address(other.address)),
            )
            async with open_host(given) as opened:
                with opened.subscribe() as notices:
                    while (notice := await notices.receive()).kind != "warning":
                        pass
                assert f"no node has answered at {at} so far" in notice.detail["text"]
                await trio.testing.wait_all_tasks_blocked()
                assert len(opened.warnings) == 1


async def test_a_warning_goes_with_what_it_warned_of(tmp_path: Path) -> None:
    async with running(tmp_path / "a", network="mended") as opened:
        path, look = network_path("mended"), opened.membership._refresh
        for mode in (0o640, 0o644):
            path.chmod(mode)
            for _ in range(2):
                await look()
            (warning,) = opened.warnings
            assert "chmod 600" in warning
        path.chmod(0o600)
        await look()
        assert not opened.warnings
