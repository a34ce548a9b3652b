"""Blobs over real files and real TCP: whole and true, or not at all."""
from __future__ import annotations

import socket
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from antsp2p.coordination.body import MAX_BLOB_BYTES, BlobRef, content_hash
from antsp2p.records.encoding import encode
from antsp2p.runtime import limits
from antsp2p.runtime.blobs import (
    BlobError,
    BlobFetcher,
    BlobService,
    BlobStore,
    BlobTooLarge,
    BlobUnavailable,
    encode_request,
    fetch_blob,
)
from antsp2p.runtime.streams import StreamServer, read_message
from antsp2p.runtime.udp import bind_all, close_all
from tests.runtime.secured import answer_sealed, ask, member

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from antsp2p.events import Address
    from antsp2p.runtime.sealed import SecureStream

NETWORK = b"n" * 16
CONTENT = bytes(range(256)) * 1_000
BLOB = BlobRef(content_hash(CONTENT), len(CONTENT))


def framed(value: object) -> bytes:
    message = encode(value)
    return len(message).to_bytes(2, "big") + message


@asynccontextmanager
async def serving(
    store: BlobStore, service: BlobService | None = None
) -> AsyncIterator[tuple[StreamServer, Address]]:
    bound = bind_all([("127.0.0.1", 0)])
    server = StreamServer(member(NETWORK), [service or BlobService(store, NETWORK)])
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, [item.tcp for item in bound])
            yield server, bound[0].address
            nursery.cancel_scope.cancel()
    finally:
        close_all(bound)


@asynccontextmanager
async def playing(
    script: Callable[[SecureStream, list[object]], Awaitable[None]],
) -> AsyncIterator[Address]:
    """A holder that does as `script` says after each request."""

    async def handle(raw: trio.SocketStream) -> None:
        async with raw:
            with suppress(trio.BrokenResourceError):
                stream = await answer_sealed(raw, NETWORK)
                await script(stream, await read_message(stream, 128))
                await stream.send_eof()

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, handle, 0, host="127.0.0.1")
        listeners = await nursery.start(serve)
        yield "127.0.0.1", listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


# --- on disk -------------------------------------------------------------------------------------


def test_a_blob_is_kept_and_found_again(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    assert store.get(BLOB.hash) is None
    assert store.put(CONTENT) == store.put(CONTENT) == BLOB
    assert store.total_bytes == len(CONTENT)
    again = BlobStore(tmp_path / "blobs")
    assert again.get(BLOB.hash) == CONTENT
    assert again.total_bytes == len(CONTENT)
    assert store.put(b"") == BlobRef(content_hash(b""), 0)
    assert store.get(content_hash(b"")) == b""


def test_sixteen_mebibytes_and_no_more(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    assert store.put(bytes(MAX_BLOB_BYTES)).size == MAX_BLOB_BYTES
    with pytest.raises(BlobTooLarge, match="16777217 bytes are too many") as refusal:
        store.put(bytes(MAX_BLOB_BYTES + 1))
    assert "\n" not in str(refusal.value)


def test_a_damaged_file_is_not_handed_out(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    store.put(CONTENT)
    (path,) = (path for path in (tmp_path / "blobs").rglob("*") if path.is_file())
    path.write_bytes(CONTENT[:-1] + b"!")
    assert store.get(BLOB.hash) is None
    assert not path.exists()
    assert store.put(CONTENT) == BLOB
    assert store.get(BLOB.hash) == CONTENT


def test_a_write_that_was_cut_off_is_cleared_away(tmp_path: Path) -> None:
    BlobStore(tmp_path).put(CONTENT)
    (shard,) = tmp_path.iterdir()
    (shard / ".half").write_bytes(b"half")
    (shard / "other").write_bytes(b"not ours")
    store = BlobStore(tmp_path)
    assert sorted(path.name for path in shard.iterdir()) == [BLOB.hash.hex(), "other"]
    assert store.total_bytes == BLOB.size


def test_the_oldest_unpinned_blobs_make_room(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, max_bytes=1_000)
    first, second, third = (store.put(bytes([n]) * 300) for n in range(3))
    assert store.get(first.hash) is not None
    fourth = store.put(bytes(400), pinned={second.hash})
    assert [store.has(blob.hash) for blob in (first, second, third, fourth)] == [
        True, True, False, True,
    ]
    with pytest.raises(BlobError, match="still open"):
        store.put(b"x" * 700, pinned={first.hash, second.hash})
    assert store.has(first.hash)
    assert store.total_bytes <= 1_000


# --- over TCP ------------------------------------------------------------------------------------


async def test_a_blob_is_fetched_and_kept(tmp_path: Path) -> None:
    theirs, ours = BlobStore(tmp_path / "theirs"), BlobStore(tmp_path / "ours")
    theirs.put(CONTENT)
    async with serving(theirs) as (server, address):
        fetcher = BlobFetcher(ours, member(NETWORK), tuple)
        assert await fetcher.fetch(BLOB, [address]) == CONTENT
        assert ours.has(BLOB.hash)
        assert await fetcher.fetch(BLOB, []) == CONTENT
        assert not server.drops


async def test_a_blob_without_room_is_unavailable(tmp_path: Path) -> None:
    theirs = BlobStore(tmp_path / "theirs")
    theirs.put(CONTENT)
    ours = BlobStore(tmp_path / "ours", max_bytes=1_000)
    async with serving(theirs) as (_, address):
        with pytest.raises(BlobUnavailable, match="fill their 1000 bytes"):
            await BlobFetcher(ours, member(NETWORK), tuple).fetch(BLOB, [address])


async def test_the_largest_and_the_smallest_are_fetched(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    for content in (bytes(MAX_BLOB_BYTES), b""):
        blob = store.put(content)
        async with serving(store) as (_, address):
            assert await fetch_blob(member(NETWORK), blob, [address]) == content


async def test_a_transfer_goes_on_at_the_next_source(tmp_path: Path) -> None:
    offsets: list[object] = []

    async def break_off(stream: SecureStream, request: list[object]) -> None:
        offsets.append(request[4])
        await stream.send_all(framed([1, 0, BLOB.size]) + CONTENT[:100_000])

    async def give_the_rest(stream: SecureStream, request: list[object]) -> None:
        offset = request[4]
        assert isinstance(offset, int)
        offsets.append(offset)
        await stream.send_all(framed([1, 0, BLOB.size]) + CONTENT[offset:])

    async with playing(break_off) as first, playing(give_the_rest) as second:
        assert await fetch_blob(member(NETWORK), BLOB, [first, second]) == CONTENT
    assert offsets == [0, 100_000]


async def test_a_false_beginning_costs_one_more_try(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    store.put(CONTENT)

    async def lie_and_break_off(stream: SecureStream, request: list[object]) -> None:
        await stream.send_all(framed([1, 0, BLOB.size]) + b"lies")

    async with playing(lie_and_break_off) as liar, serving(store) as (_, honest):
        assert await fetch_blob(member(NETWORK), BLOB, [liar, honest]) == CONTENT


async def test_every_source_is_tried_and_told_of(tmp_path: Path) -> None:
    async def lie(stream: SecureStream, request: list[object]) -> None:
        await stream.send_all(framed([1, 0, BLOB.size]) + bytes(BLOB.size))

    async def other_size(stream: SecureStream, request: list[object]) -> None:
        await stream.send_all(framed([1, 0, BLOB.size + 1]) + CONTENT + b"+")

    async def babble(stream: SecureStream, request: list[object]) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n" * 20)

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    async with (
        serving(BlobStore(tmp_path)) as (_, empty),
        playing(lie) as liar, playing(other_size) as other, playing(babble) as babbler,
    ):
        sources = [nobody, empty, liar, other, babbler, ("a.b", 1)]
        with pytest.raises(BlobUnavailable) as failure:
            await fetch_blob(member(NETWORK), BLOB, sources)
    line = str(failure.value)
    for reason in (
        "Connection refused", "does not have it", "other content", "another size", "too-large",
        "no address",
    ):
        assert reason in line
    assert "\n" not in line


async def test_a_source_that_resets_the_connection_is_one_that_failed() -> None:
    """It may do so before it is known who it is, or at any moment later."""

    async def reset(stream: SecureStream, request: list[object]) -> None:
        await stream.send_all(framed([1, 0, BLOB.size]))
        raise trio.BrokenResourceError

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        async def refuse() -> None:
            with trio.socket.from_stdlib_socket(listener.dup()) as accepting:
                while True:
                    connection, _ = await accepting.accept()
                    # To linger for no time is to reset.
                    linger = b"\1\0\0\0" + bytes(4)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    connection.close()

        async with playing(reset) as late, trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            with pytest.raises(BlobUnavailable) as failure:
                await fetch_blob(member(NETWORK), BLOB, [listener.getsockname(), late])
            nursery.cancel_scope.cancel()
    assert str(failure.value).count("broke off") == 2


async def test_without_a_source_the_line_says_so() -> None:
    with pytest.raises(BlobUnavailable, match="nobody is known to have it"):
        await fetch_blob(member(NETWORK), BLOB, [])
    with pytest.raises(BlobUnavailable, match="larger than"):
        await fetch_blob(member(NETWORK), BlobRef(BLOB.hash, MAX_BLOB_BYTES + 1), [])


async def test_a_silent_source_costs_its_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BLOB_CHUNK_MS", 20)

    async def be_silent(stream: SecureStream, request: list[object]) -> None:
        await trio.sleep_forever()

    async with playing(be_silent) as silent:
        with pytest.raises(BlobUnavailable, match="too slow"):
            await fetch_blob(member(NETWORK), BLOB, [silent])


async def test_of_a_source_without_end_no_more_is_read_than_the_blob_has() -> None:
    given = 0

    async def never_end(stream: SecureStream, request: list[object]) -> None:
        nonlocal given
        await stream.send_all(framed([1, 0, BLOB.size]) + CONTENT)
        while True:
            given += 1
            await stream.send_all(bytes(limits.BLOB_CHUNK_BYTES))

    async def more_than_it_may_be(stream: SecureStream, request: list[object]) -> None:
        await stream.send_all(framed([1, 0, MAX_BLOB_BYTES + 1]))

    async with playing(never_end) as endless:
        assert await fetch_blob(member(NETWORK), BLOB, [endless]) == CONTENT
    assert given < MAX_BLOB_BYTES // limits.BLOB_CHUNK_BYTES, "it was left, and not drained"
    async with playing(more_than_it_may_be) as larger:
        with pytest.raises(BlobUnavailable, match="another size"):
            await fetch_blob(member(NETWORK), BLOB, [larger])


async def test_a_silent_client_costs_its_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BLOB_REQUEST_MS", 20)
    async with serving(BlobStore(tmp_path)) as (server, address):
        async with await trio.open_tcp_stream(*address) as silent:
            assert await silent.receive_some() == b""
        assert server.drops == {"stream-slow": 1}


async def test_what_is_no_request_gets_no_answer(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    store.put(CONTENT)
    good = encode_request(NETWORK, BLOB.hash, 0)
    async with serving(store) as (server, address):
        for request in (
            b"", good[:-1], b"\xff\xff", b"\x00\x01\xa0", framed([]), framed([2]), framed({1: 1}),
            framed([1, NETWORK, "put", BLOB.hash, 0]), framed([1, NETWORK, "get", BLOB.hash]),
            framed([1, bytes(16), "get", BLOB.hash, 0]), framed([1, NETWORK, "get", b"", 0]),
            framed([1, NETWORK, "get", BLOB.hash, -1]),
            framed([1, NETWORK, "get", BLOB.hash, MAX_BLOB_BYTES + 1]),
        ):
            assert await ask(address, NETWORK, request) == b""
        assert sum(server.drops.values()) == 13
        assert await ask(address, NETWORK, good) == framed([1, 0, BLOB.size]) + CONTENT
        past_the_end = encode_request(NETWORK, BLOB.hash, BLOB.size + 1)
        assert await ask(address, NETWORK, past_the_end) == framed([1, 0, BLOB.size])


async def test_what_a_member_is_given_is_counted_and_beyond_its_share_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlobStore(tmp_path)
    store.put(CONTENT)
    service = BlobService(store, NETWORK)
    asker = member(NETWORK)
    async with serving(store, service) as (_, address):
        assert service.used(asker.author) == {}
        monkeypatch.setattr(limits, "BLOB_BYTES_PER_S", 1)
        assert await fetch_blob(asker, BLOB, [address]) == CONTENT
        assert service.used(asker.author) == {"blob_bytes": BLOB.size}
        assert service.used(member(NETWORK, 1).author) == {}
        monkeypatch.setattr(limits, "BLOB_BURST_BYTES", BLOB.size)
        monkeypatch.setattr(limits, "BLOB_ACCOUNTS", 1)
        other = member(NETWORK, 1)
        assert await fetch_blob(other, BLOB, [address]) == CONTENT
        assert service.used(asker.author) == {}, "its account has given way"
        with trio.move_on_after(0.05):
            await fetch_blob(other, BLOB, [address])
            raise AssertionError("a share that is used up takes days at this pace")
        assert service.used(other.author) == {"blob_bytes": BLOB.size}


async def test_connections_are_bounded_for_each_host(tmp_path: Path) -> None:
    async with serving(BlobStore(tmp_path)) as (server, address):
        open_ones = []
        for _ in range(limits.BLOB_CONNECTIONS_PER_HOST):
            stream = await trio.open_tcp_stream(*address)
            await stream.send_all(b"\x00")
            open_ones.append(stream)
        refused = await trio.open_tcp_stream(*address)
        assert await refused.receive_some() == b""
        assert server.drops["blob-busy"] == 1
        await refused.aclose()
        for stream in open_ones:
            await stream.aclose()


async def test_a_source_that_dribbles_is_left_for_another_and_its_bytes_are_kept(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_PACE_MS", 50)
    offsets: list[object] = []

    async def dribble(stream: SecureStream, request: list[object]) -> None:
        await stream.send_all(framed([1, 0, BLOB.size]) + CONTENT[:100])
        await trio.sleep_forever()

    async def give_the_rest(stream: SecureStream, request: list[object]) -> None:
        offset = request[4]
        assert isinstance(offset, int)
        offsets.append(offset)
        await stream.send_all(framed([1, 0, BLOB.size]) + CONTENT[offset:])

    async with playing(dribble) as first, playing(give_the_rest) as second:
        assert await fetch_blob(member(NETWORK), BLOB, [first, second]) == CONTENT
    assert offsets == [100]


async def test_a_slow_source_is_asked_again_where_there_is_no_other(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_PACE_MS", 50)
    calls: list[object] = []

    async def dribble_once(stream: SecureStream, request: list[object]) -> None:
        calls.append(request[4])
        offset = request[4]
        assert isinstance(offset, int)
        await stream.send_all(framed([1, 0, BLOB.size]))
        if len(calls) == 1:
            await stream.send_all(CONTENT[:100])
            await trio.sleep_forever()
        await stream.send_all(CONTENT[offset:])

    async with playing(dribble_once) as only:
        assert await fetch_blob(member(NETWORK), BLOB, [only]) == CONTENT
    assert calls == [0, 100]
