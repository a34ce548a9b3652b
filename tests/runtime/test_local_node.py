"""A node inside a program, as its users write it."""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

import antsp2p
from antsp2p.coordination.body import MAX_BLOB_BYTES
from antsp2p.coordination.state import State
from antsp2p.gossip.network_keys import KeyRing, NetworkKey
from antsp2p.gossip.protection import protect
from antsp2p.gossip.suite import NOISE
from antsp2p.records.keys import Identity
from antsp2p.runtime.blobs import BlobUnavailable, fetch_blob
from antsp2p.runtime.host import CommandRefused
from antsp2p.runtime.local_node import Assignment, Decline, LocalNode, TaskFailed
from antsp2p.runtime.views import peer_views
from tests.gossip.protections import protection_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATIENCE_S = 60


@asynccontextmanager
async def pair(**options: Any) -> AsyncIterator[tuple[LocalNode, LocalNode]]:
    """A worker's node and a poster's, linked."""
    with trio.fail_after(PATIENCE_S):
        async with (
            antsp2p.open_node(discovery=False, listen=["127.0.0.1:0"]) as worker,
            antsp2p.open_node(
                discovery=False, listen=["127.0.0.1:0"], peers=[worker.address], **options
            ) as poster,
        ):
            yield worker, poster


async def count_words(work: Assignment) -> bytes:
    return b"%d" % len(work.input.split())


async def double(work: Assignment) -> bytes:
    return work.input + work.input


async def test_one_serves_and_one_posts() -> None:
    async with pair(nickname="the poster") as (worker, poster):
        await worker.serve("text.wordcount", count_words, description="counts words")
        task = await poster.post("text.wordcount", b"to be or not to be")
        assert await task.result() == b"6"
        assert await task.result() == b"6"
        assert task.resolution().state is State.ACCEPTED
        assert [resolution.task for resolution in poster.tasks()] == [task.id]
        (peer,) = poster.peers()
        assert (peer.author, peer.capabilities) == (worker.author, ("text.wordcount",))
        assert peer.score.known
        assert peer.address is not None
        assert [evidence.task for evidence in poster.why(worker.author)] == [task.id]


async def test_an_input_for_the_holder_alone_is_given_to_nobody_else(tmp_path: Path) -> None:
    async with pair() as (worker, poster):
        asked, may_end = trio.Event(), trio.Event()

        async def ponder(work: Assignment) -> bytes:
            asked.set()
            await may_end.wait()
            return work.input[::-1]

        task = await poster.post("text.reverse", b"not for everybody", holder_only=True)
        offered = poster.host.node.tasks.offer(task.id)
        assert offered is not None
        blob = offered[1].blob
        assert blob is not None, "small as it is, it does not stand in the record"
        await worker.serve("text.reverse", ponder)
        await asked.wait()
        source = poster.host.address
        async with antsp2p.open_node(
            discovery=False, listen=["127.0.0.1:0"], peers=[poster.address], home=tmp_path / "third"
        ) as third:
            for host in (poster.host, worker.host):
                with pytest.raises(BlobUnavailable, match="does not have it"):
                    await fetch_blob(third.host.protection, blob, [host.address])
            assert await fetch_blob(worker.host.protection, blob, [source])
            nobody = Identity.from_seed(bytes(32))
            stranger = protection_of(nobody, b"another network!", suite=NOISE)
            with pytest.raises(BlobUnavailable, match="cut-off"):
                await fetch_blob(stranger, blob, [source])
            outsider = protect(
                nobody, poster.host.node.network,
                KeyRing(poster.host.node.network, [NetworkKey(bytes(32))]), os.urandom)
            with pytest.raises(BlobUnavailable, match="cut-off"):
                await fetch_blob(outsider, blob, [source])
            may_end.set()
            assert await task.result() == b"ydobyreve rof ton"
        served = poster.host.blob_service.used
        peers = peer_views(poster.host.node, 10, served)
        (used,) = [peer["used"] for peer in peers if peer["author"] == worker.author.hex()]
        assert "blob_bytes" in used["author"], "it is forgotten as soon as it counts no more"
        assert served(third.author) == {}
        assert poster.host.drops["stream-network"] == 1
        assert poster.host.drops["stream-key"] == 1


async def test_a_node_may_work_for_itself() -> None:
    with trio.fail_after(PATIENCE_S):
        async with antsp2p.open_node(discovery=False, listen=["127.0.0.1:0"]) as node:
            await node.serve("text.wordcount", count_words)
            assert await (await node.post("text.wordcount", b"one two")).result() == b"2"


async def test_many_tasks_share_the_slots() -> None:
    running = most = 0

    async def watched(work: Assignment) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.lowlevel.checkpoint()
        running -= 1
        return work.input

    async with pair() as (worker, poster):
        await worker.serve("echo", watched, slots=3)
        results: list[bytes] = []

        async def ask(number: int) -> None:
            task = await poster.post("echo", b"%d" % number, settle_ms=0)
            results.append(await task.result())

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, number)
    assert sorted(map(int, results)) == list(range(20))
    assert most <= 3


async def test_large_content_travels_by_itself() -> None:
    content = os.urandom(700_000)
    async with pair() as (worker, poster):
        await worker.serve("double", double)
        task = await poster.post("double", content)
        assert await task.result() == content + content


async def test_sixteen_mebibytes_and_one_byte_is_one_line() -> None:
    async with pair() as (worker, poster):
        await worker.serve("double", double)
        with pytest.raises(CommandRefused, match="16777217 bytes are too many") as refused:
            await poster.post("double", bytes(MAX_BLOB_BYTES + 1))
        assert "\n" not in str(refused.value)
        task = await poster.post("double", bytes(MAX_BLOB_BYTES // 2 + 1), attempts=1)
        with pytest.raises(TaskFailed, match=r"dead-lettered: .*16777218 bytes are too many"):
            await task.result()


async def test_a_failing_handler_is_a_failed_result() -> None:
    async def fail(work: Assignment) -> bytes:
        raise ValueError("no\nway")

    async with pair() as (worker, poster):
        await worker.serve("fail", fail)
        task = await poster.post("fail", b"", attempts=2, settle_ms=0)
        with pytest.raises(TaskFailed) as failure:
            await task.result()
        assert str(failure.value) == (
            "the task is dead-lettered: all attempts are used up; ValueError: no way"
        )
        assert failure.value.state is State.DEAD_LETTERED


async def test_what_is_not_bytes_is_a_failed_result() -> None:
    async def talk(work: Assignment) -> bytes:
        return "text"  # type: ignore[return-value]  # The mistake that is tested.

    async with pair() as (worker, poster):
        await worker.serve("talk", talk)
        task = await poster.post("talk", b"", attempts=1, settle_ms=0)
        with pytest.raises(TaskFailed, match="TypeError: the handler returned str instead of byte"):
            await task.result()


async def test_a_handler_may_decline() -> None:
    asked = 0

    async def decline_once(work: Assignment) -> bytes:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise Decline("not now")
        return b"%d" % work.epoch

    async with pair() as (worker, poster):
        await worker.serve("try", decline_once)
        task = await poster.post("try", b"", settle_ms=0)
        assert await task.result() == b"1"
        assert asked == 2


async def test_a_handler_whose_claim_is_lost_is_cancelled() -> None:
    started, stopped = trio.Event(), trio.Event()

    async def linger(work: Assignment) -> bytes:
        await work.report_progress(500)
        started.set()
        try:
            await trio.sleep_forever()
        finally:
            stopped.set()
        return b""

    async with pair() as (worker, poster):
        await worker.serve("linger", linger)
        task = await poster.post("linger", b"", settle_ms=0)
        await started.wait()
        await poster.cancel(task.id, "changed my mind")
        await stopped.wait()
        with pytest.raises(TaskFailed, match="the task is cancelled: changed my mind"):
            await task.result()


async def test_a_review_comes_before_the_verdict() -> None:
    async with pair() as (worker, poster):
        await worker.serve("double", double)
        task = await poster.post("double", b"a", review=True, settle_ms=0)
        assert await task.result() == b"aa"
        assert task.resolution().state is State.DONE
        await poster.accept(task.id)
        assert task.resolution().state is State.ACCEPTED
        with pytest.raises(CommandRefused, match="ended already"):
            await poster.reject(task.id)


async def test_a_home_is_kept_and_no_home_is_forgotten(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        authors = []
        for _ in range(2):
            async with antsp2p.open_node(tmp_path / "home", discovery=False) as node:
                authors.append(node.author)
        assert authors[0] == authors[1]
        async with antsp2p.open_node(discovery=False) as node:
            forgotten = node.host.home.path
            assert node.author not in authors
        assert str(forgotten.parent) == tempfile.gettempdir()
    assert not forgotten.exists()


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, antsp2p; print([m for m in sys.modules if m in ('trio', 'sqlite3')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = antsp2p.nonsense


async def test_a_mark_is_left_in_one_program_and_read_in_another() -> None:
    async with pair() as (worker, poster):
        with poster.host.subscribe() as notices:
            left = await worker.mark("site.lab", "printer is down", half_life_ms=60_000)
            async for notice in notices:
                if notice.kind == "marked":
                    break
        (trace,) = await poster.marks("site.lab")
        assert (trace.author, trace.record_id) == (worker.author, left)
        assert (trace.mark.text, trace.heeded) == ("printer is down", True)
        assert [topic.name for topic in await poster.topics()] == ["site.lab"]
        with pytest.raises(CommandRefused):
            await worker.mark("Site Lab")
        await worker.mark("site.lab", half_life_ms=0)
        assert await worker.marks("site.lab") == ()
        with pytest.raises(CommandRefused):
            await worker.mark("site.lab", None)  # type: ignore[arg-type]  # as a program may
