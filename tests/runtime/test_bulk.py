"""Logs over real TCP: whole, in order, and bounded whatever the other side does."""
from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial
from random import Random
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from antsp2p.events import FetchLogs, LogsEnded, LogsReceived
from antsp2p.gossip.bulk_wire import (
    END,
    MAX_LOGS_CHUNK_BYTES,
    MAX_LOGS_RANGES,
    encode_request,
    framed_chunk,
    parse_chunk,
)
from antsp2p.gossip.engine import Gossip
from antsp2p.gossip.wire import Range
from antsp2p.records.encoding import encode
from antsp2p.records.keys import Identity
from antsp2p.records.log import LogSet
from antsp2p.records.record import NO_PREV, Record, parse_record, sign_record
from antsp2p.runtime import limits
from antsp2p.runtime.blobs import BlobService, BlobStore
from antsp2p.runtime.blobs import encode_request as blob_request
from antsp2p.runtime.bulk import LogsFetcher, LogsService
from antsp2p.runtime.streams import Paced, StreamServer, framed
from antsp2p.runtime.udp import bind_all, close_all
from tests.gossip.protections import protection_of
from tests.runtime.secured import answer_sealed, ask, member, open_sealed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import pytest

    from antsp2p.events import Address
    from antsp2p.runtime.sealed import SecureStream

NETWORK = b"n" * 16
RECORDS = 600
PATIENCE_S = 60


@lru_cache
def log(index: int) -> tuple[Record, ...]:
    identity = Identity.from_seed(bytes([index]) * 32)
    records: list[Record] = []
    for seq in range(1, RECORDS + 1):
        records.append(sign_record(
            identity, network=NETWORK, seq=seq, prev=records[-1].id if records else NO_PREV,
            type=200, body={1: b"x" * 150}, claimed_ms=0,
        ))
    return tuple(records)


def gossip(*logs: tuple[Record, ...]) -> Gossip:
    held = LogSet(NETWORK, lambda *_: True)
    for records in logs:
        held.insert(records)
    return Gossip(
        logs=held, protection=protection_of(Identity.from_seed(bytes(32)), NETWORK),
        instance=bytes(8), rng=Random(1), now_us=0, verify=lambda *_: True,
    )


def whole(*indexes: int) -> tuple[Range, ...]:
    return tuple(Range(log(index)[0].author, 1, RECORDS) for index in indexes)


@asynccontextmanager
async def serving(
    folder: Path, *indexes: int
) -> AsyncIterator[tuple[StreamServer, Address]]:
    """A holder of logs, on a port of its own."""
    holder, bound = gossip(*map(log, indexes)), bind_all([("127.0.0.1", 0)])
    server = StreamServer(member(NETWORK), [
        BlobService(BlobStore(folder / "blobs"), NETWORK),
        LogsService(NETWORK, holder.answer_logs, lambda: 0),
    ])
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, [item.tcp for item in bound])
            with trio.fail_after(PATIENCE_S):
                yield server, bound[0].address
            nursery.cancel_scope.cancel()
    finally:
        close_all(bound)


@asynccontextmanager
async def playing(
    script: Callable[[SecureStream], Awaitable[None]],
) -> AsyncIterator[Address]:
    """A holder that does as `script` says after the request."""

    async def handle(raw: trio.SocketStream) -> None:
        async with raw:
            with suppress(trio.BrokenResourceError):
                stream = await answer_sealed(raw, NETWORK)
                size = int.from_bytes(await stream.receive_some(2), "big")
                while size:
                    size -= len(await stream.receive_some(size))
                await script(stream)
                await stream.send_eof()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        with trio.fail_after(PATIENCE_S):
            yield "127.0.0.1", listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


class Taker:
    """What a node would do with a fetch: takes every chunk at once, unless told otherwise."""

    def __init__(self, more: bool = True) -> None:
        self.records: list[Record] = []
        self.chunks = 0
        self.reasons: list[str] = []
        self._more = more
        self.fetcher = LogsFetcher(member(NETWORK, 1), self.put)

    async def put(self, event: LogsReceived | LogsEnded) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(event, LogsEnded):
            self.reasons.append(event.reason)
            return
        self.chunks += 1
        self.records += [parse_record(entry.wire) for entry in parse_chunk(event.chunk)]
        if self._more:
            self.fetcher.more(event.fetch)

    async def fetch(self, address: Address, ranges: tuple[Range, ...], number: int = 1) -> None:
        async with trio.open_nursery() as nursery:
            self.fetcher.begin(FetchLogs(number, b"", address, ranges), nursery.start_soon)


# --- whole ---------------------------------------------------------------------------------------


async def test_logs_come_whole_and_in_order(tmp_path: Path) -> None:
    taker = Taker()
    async with serving(tmp_path, 1, 2) as (server, address):
        await taker.fetch(address, whole(1, 2))
        assert taker.reasons == [""]
        assert [record.id for record in taker.records] == [
            record.id for index in (1, 2) for record in log(index)]
        assert not server.drops


async def test_only_what_is_asked_for_and_here_comes(tmp_path: Path) -> None:
    taker = Taker()
    author = log(1)[0].author
    async with serving(tmp_path, 1) as (_, address):
        await taker.fetch(address, (Range(author, 590, 599), Range(log(2)[0].author, 1, 5)))
        assert [record.seq for record in taker.records] == list(range(590, 600))
        await taker.fetch(address, (Range(author, 601, 2**53 - 1),))
    assert taker.reasons == ["", ""]


async def test_no_more_is_read_than_the_node_has_handled(tmp_path: Path) -> None:
    taker = Taker(more=False)
    async with serving(tmp_path, 1, 2, 3) as (_, address), trio.open_nursery() as nursery:
        nursery.start_soon(taker.fetch, address, whole(1, 2, 3))
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert taker.chunks == limits.LOGS_CHUNKS_AHEAD
        while not taker.reasons:
            taker.fetcher.more(1)
            await trio.testing.wait_all_tasks_blocked()
    assert len(taker.records) == 3 * RECORDS


async def test_a_fetch_that_is_stopped_says_nothing_more(tmp_path: Path) -> None:
    taker = Taker(more=False)
    async with serving(tmp_path, 1, 2, 3) as (_, address), trio.open_nursery() as nursery:
        nursery.start_soon(taker.fetch, address, whole(1, 2, 3))
        await trio.testing.wait_all_tasks_blocked(0.05)
        taker.fetcher.stop(1)
    assert taker.reasons == []
    taker.fetcher.more(1)
    taker.fetcher.stop(1)


async def test_a_fetch_can_be_stopped_before_it_runs(tmp_path: Path) -> None:
    taker = Taker()
    async with serving(tmp_path, 1) as (_, address), trio.open_nursery() as nursery:
        asked = FetchLogs(1, b"", address, whole(1))
        taker.fetcher.begin(asked, nursery.start_soon)
        taker.fetcher.stop(1)
    assert taker.chunks == 0
    assert taker.reasons == []


async def test_a_long_answer_ends_politely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOGS_ANSWER_MS", -1)
    taker = Taker()
    async with serving(tmp_path, 1) as (server, address):
        await taker.fetch(address, whole(1))
        assert not server.drops
    assert (taker.chunks, taker.reasons) == (0, [""])


# --- hostile holders -----------------------------------------------------------------------------


async def test_how_a_fetch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAM_PACE_MS", 50)
    some = framed_chunk(b"\x81\x82\x00\x41\x00")

    async def too_large(stream: SecureStream) -> None:
        await stream.send_all((MAX_LOGS_CHUNK_BYTES + 1).to_bytes(4, "big") + bytes(100))

    async def cut_off(stream: SecureStream) -> None:
        await stream.send_all(framed_chunk(bytes(100))[:50])

    async def silent(stream: SecureStream) -> None:
        await trio.sleep_forever()

    async def dribble(stream: SecureStream) -> None:
        await stream.send_all(b"\0" * 3)
        await trio.sleep_forever()

    async def end(stream: SecureStream) -> None:
        await stream.send_all(framed_chunk(END) + some)

    for script, reason in (
        (too_large, "too-large"), (cut_off, "cut-off"), (silent, "slow"), (dribble, "slow"),
        (end, ""),
    ):
        taker = FirstOnly()
        async with playing(script) as address:
            await taker.fetch(address, whole(1))
        assert taker.reasons == [reason], script.__name__


class FirstOnly(Taker):
    """Looks at no chunk, and wants no more after some."""

    def __init__(self, stop_at: int = 0) -> None:
        super().__init__()
        self._stop_at = stop_at

    async def put(self, event: LogsReceived | LogsEnded) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(event, LogsEnded):
            self.reasons.append(event.reason)
            return
        self.chunks += 1
        if self.chunks == self._stop_at:
            self.fetcher.stop(event.fetch)
        else:
            self.fetcher.more(event.fetch)


async def test_nobody_there() -> None:
    bound = bind_all([("127.0.0.1", 0)])
    nobody = bound[0].address
    close_all(bound)
    for address in (nobody, ("not an address", 1)):
        taker = Taker()
        await taker.fetch(address, whole(1))
        assert taker.reasons == ["broken"]


async def test_an_endless_stream_stops_where_the_node_stops() -> None:
    async def endless(stream: SecureStream) -> None:
        while True:
            await stream.send_all(framed_chunk(b"\x81\x82\x00\x41\x00") * 100)

    taker = FirstOnly(stop_at=50)
    async with playing(endless) as address:
        await taker.fetch(address, whole(1))
    assert taker.chunks == 50
    assert taker.reasons == []


# --- hostile askers ------------------------------------------------------------------------------


async def test_what_is_no_request_gets_no_answer(tmp_path: Path) -> None:
    author = log(1)[0].author
    good = encode_request(NETWORK, whole(1))

    def asked(*items: object) -> bytes:
        return framed([1, NETWORK, "logs", list(items)])

    async with serving(tmp_path, 1) as (server, address):
        requests = [
            asked(), asked([author, 0, 1]), asked([author, 2, 1]), asked([author, 1]),
            asked([author[:31], 1, 1]), asked([author, 1, 1], [author, 2, 2]), asked(author),
            asked([author, 1, 2**53]), framed([1, bytes(16), "logs", [[author, 1, 1]]]),
            asked(*([index.to_bytes(32, "big"), 1, 1] for index in range(MAX_LOGS_RANGES + 1))),
            framed([1, NETWORK, "logs"]), framed([1, NETWORK, "logs", 1]),
        ]
        for request in requests:
            assert await ask(address, NETWORK, request) == b""
        assert server.drops == {"bulk-request": len(requests)}
        for request in (framed([1, NETWORK, "list", []]), framed([1]), b"\xff\xff"):
            assert await ask(address, NETWORK, request) == b""
        assert server.drops["blob-request"] == 2
        assert server.drops["blob-too-large"] == 1
        said = await ask(address, NETWORK, len(good).to_bytes(2, "big") + good)
        assert said.endswith(framed_chunk(END))


async def test_the_largest_request_is_answered(tmp_path: Path) -> None:
    ranges = [
        Range(index.to_bytes(32, "big"), 2**53 - 1, 2**53 - 1) for index in range(MAX_LOGS_RANGES)
    ]
    request = encode_request(NETWORK, ranges)
    async with serving(tmp_path, 1) as (_, address):
        said = await ask(address, NETWORK, len(request).to_bytes(2, "big") + request)
    assert said == framed_chunk(END)


class Endless:
    """An answer that never ends."""

    def next_chunk(self, now_us: int) -> bytes:
        return encode([[0, bytes(60_000)]])


def endless(ranges: object, now_us: int) -> Any:
    return Endless()


@asynccontextmanager
async def serving_endlessly(folder: Path) -> AsyncIterator[tuple[StreamServer, Address]]:
    server = StreamServer(member(NETWORK), [
        BlobService(BlobStore(folder / "blobs"), NETWORK),
        LogsService(NETWORK, endless, lambda: 0),
    ])
    bound = bind_all([("127.0.0.1", 0)])
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, [item.tcp for item in bound])
            with trio.fail_after(PATIENCE_S):
                yield server, bound[0].address
            nursery.cancel_scope.cancel()
    finally:
        close_all(bound)


async def test_logs_and_blobs_leave_room_for_each_other(tmp_path: Path) -> None:
    request = encode_request(NETWORK, whole(1))
    request = len(request).to_bytes(2, "big") + request
    async with serving_endlessly(tmp_path) as (server, address):
        readers = []
        for _ in range(limits.LOGS_CONNECTIONS_PER_HOST):
            stream = await open_sealed(address, NETWORK)
            await stream.send_all(request)
            assert await stream.receive_some(1)
            readers.append(stream)
        assert await ask(address, NETWORK, request) == b""
        assert server.drops == {"bulk-busy": 1}
        assert await ask(address, NETWORK, blob_request(NETWORK, bytes(32), 0)) == framed([1, 1, 0])
        for stream in readers:
            await stream.aclose()


async def test_a_slow_reader_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BLOB_CHUNK_MS", 200)
    request = encode_request(NETWORK, whole(1))
    async with serving_endlessly(tmp_path) as (server, address):
        async with await open_sealed(address, NETWORK) as stream:
            await stream.send_all(len(request).to_bytes(2, "big") + request)
            while not server.drops:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert server.drops == {"bulk-slow": 1}


async def test_only_waiting_for_the_peer_counts_against_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = trio.testing.memory_stream_pair()
    paced = Paced(near, limits.STREAM_BYTES_PER_S)  # type: ignore[arg-type]
    for _ in range(3):
        await far.send_all(b"x")
        assert await paced.receive(10) == b"x"
        await trio.sleep(limits.STREAM_PACE_MS)
    await far.send_eof()
    assert await paced.receive(10) == b""
