"""Whole nodes on loopback that catch up over TCP, also when a source goes away in the midst."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from antsp2p.events import AppendRecord, LogsReceived
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.runtime.boot import boot_home
from antsp2p.runtime.home import DEFAULT_NETWORK, network_id
from antsp2p.runtime.host import Host, HostOptions, open_host
from antsp2p.runtime.peers import format_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from antsp2p.events import Event
    from antsp2p.runtime.host import Tap

AUTHORS, RECORDS = 4, 400
PATIENCE_S = 60


def history() -> Iterator[Record]:
    for index in range(AUTHORS):
        identity, prev = Identity.from_seed(bytes([index + 1]) * 32), NO_PREV
        for seq in range(1, RECORDS + 1):
            record = sign_record(
                identity, network=network_id(DEFAULT_NETWORK), seq=seq, prev=prev, type=200,
                body={1: b"x" * 200}, claimed_ms=0,
            )
            yield record
            prev = record.id


def fill(home: Path) -> None:
    boot = boot_home(home, DEFAULT_NETWORK, is_open=True)
    boot.store.commit([AppendRecord(record, 5_000, own=False) for record in history()])
    boot.close()


def host(home: Path, *peers: Host, tap: Tap | None = None) -> Any:
    options = HostOptions(
        home=home, is_open=True, listen=(("127.0.0.1", 0),), discovery=False,
        peers=tuple(format_address(peer.address) for peer in peers),
    )
    return open_host(options, tap=tap)


class Progress:
    """Counts chunks, and tells when one comes and when all records are here."""

    def __init__(self) -> None:
        self.host: Host | None = None
        self.chunks = 0
        self.begun, self.whole = trio.Event(), trio.Event()

    def tap(self, now_us: int, event: Event) -> None:
        if isinstance(event, LogsReceived):
            self.chunks += 1
            self.begun.set()
        if self.host is not None and self.held() == AUTHORS * RECORDS:
            self.whole.set()

    def held(self) -> int:
        assert self.host is not None
        return sum(leaf.seq for leaf in self.host.node.logs.leaves())


async def test_an_empty_node_catches_up_and_keeps_what_came(tmp_path: Path) -> None:
    fill(tmp_path / "full")
    progress = Progress()
    with trio.fail_after(PATIENCE_S):
        async with host(tmp_path / "full") as full:
            async with host(tmp_path / "empty", full, tap=progress.tap) as progress.host:
                await progress.whole.wait()
                assert progress.chunks > AUTHORS
                assert not progress.host.node.gossip.drops
                record = next(history())
                assert progress.host.node.gossip.age_ms(record.id, progress.host.now_us()) >= 5_000
            assert not full.drops
        async with host(tmp_path / "empty") as again:
            assert sum(leaf.seq for leaf in again.node.logs.leaves()) == AUTHORS * RECORDS


async def test_when_the_source_goes_away_another_gives_the_rest(tmp_path: Path) -> None:
    fill(tmp_path / "one")
    fill(tmp_path / "other")
    progress = Progress()
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery, host(tmp_path / "other") as other:
            one = await nursery.start(run_until, tmp_path / "one", progress.begun)
            async with host(tmp_path / "empty", one, tap=progress.tap) as empty:
                progress.host = empty
                await progress.begun.wait()
                empty._hint(other.address, True)
                await progress.whole.wait()


async def run_until(
    home: Path, end: trio.Event, task_status: trio.TaskStatus[Host] = trio.TASK_STATUS_IGNORED
) -> None:
    async with host(home) as running:
        task_status.started(running)
        await end.wait()


async def test_without_tcp_it_takes_longer_and_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "full")
    monkeypatch.setattr("antsp2p.runtime.limits.STREAM_CONNECTIONS", 0)
    progress = Progress()
    with trio.fail_after(PATIENCE_S):
        async with (
            host(tmp_path / "full") as full,
            host(tmp_path / "empty", full, tap=progress.tap) as progress.host,
        ):
            await progress.whole.wait()
            assert progress.chunks == 0
            assert full.drops["blob-busy"] >= 1
