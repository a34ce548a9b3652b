"""Blobs: content too large for a record, kept by its SHA-256 and fetched from any holder.

Law: nothing is kept or handed out under a hash that it does not have. A stranger's bytes are
bounded in size, number and time, and never raise. This module connects only to the addresses it is
given.

The exchange, over TCP on the node's port number: each side's message is its deterministic CBOR
after two bytes of length (big-endian). Request: `[1, network, "get", hash, offset]`. Answer:
`[1, status, size]`; with status 0 the blob's bytes from `offset` on follow, and then the end.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import trio

from antsp2p.coordination.body import MAX_BLOB_BYTES, BlobRef, content_hash
from antsp2p.gossip.quotas import Account, Use
from antsp2p.records.encoding import Malformed, encode
from antsp2p.runtime import limits
from antsp2p.runtime.home import sync_folder
from antsp2p.runtime.streams import (
    VERSION,
    Paced,
    TooFewBytes,
    connect,
    framed,
    read_message,
    send,
)
from antsp2p.runtime.udp import parse_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from antsp2p.events import Address
    from antsp2p.gossip.protection import Protection
    from antsp2p.runtime.sealed import SecureStream

HASH_BYTES: Final = 32


class BlobStatus(IntEnum):
    """How a holder answers."""

    HERE = 0
    MISSING = 1


class BlobError(Exception):
    """A blob cannot be kept; the text is one line."""


class BlobTooLarge(BlobError):
    """The content is above 16 MiB."""


class BlobUnavailable(BlobError):
    """No source gave the blob; the text is one line."""


# --- on disk -------------------------------------------------------------------------------------


class BlobStore:
    """Blobs under one folder, in 256 shards. Its calls block; run them in threads."""

    def __init__(self, folder: Path, *, max_bytes: int = limits.BLOB_STORE_BYTES) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: dict[bytes, int] = {}
        """Hash -> size, the least recently used first."""
        self._scan()
        self.total_bytes = sum(self._sizes.values())

    def _scan(self) -> None:
        found: list[tuple[float, bytes, int]] = []
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for shard in sorted(self.folder.iterdir()):
            for path in shard.iterdir() if shard.is_dir() else ():
                if path.name.startswith("."):
                    path.unlink()  # A write that a crash cut off.
                    continue
                with contextlib.suppress(ValueError):
                    facts = path.stat()
                    found.append((facts.st_mtime, bytes.fromhex(path.name), facts.st_size))
        self._sizes = {hash_: size for _, hash_, size in sorted(found)}

    def _path(self, hash_: bytes) -> Path:
        name = hash_.hex()
        return self.folder / name[:2] / name

    def has(self, hash_: bytes) -> bool:
        """Whether the blob is here, as far as the names tell; `get` looks at the bytes."""
        return hash_ in self._sizes

    def needs_room(self, size: int) -> bool:
        """Whether others would have to go for a blob of `size` bytes."""
        return self.total_bytes + size > self._max_bytes

    def put(self, content: bytes, pinned: Collection[bytes] = ()) -> BlobRef:
        """Keep content; on return it is durable. The oldest blobs not `pinned` make room.

        Raises `BlobTooLarge` above 16 MiB, and `BlobError` without room.
        """
        size = len(content)
        if size > MAX_BLOB_BYTES:
            raise BlobTooLarge(
                f"{size} bytes are too many: inputs and results have at most {MAX_BLOB_BYTES} bytes"
            )
        blob = BlobRef(content_hash(content), size)
        with self._lock:
            if not self.has(blob.hash):
                self._make_room(size, pinned)
                self._write(self._path(blob.hash), content)
                self._sizes[blob.hash] = size
                self.total_bytes += size
        return blob

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f".{secrets.token_hex(8)}")
        try:
            new_shard = not path.parent.exists()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with open(temporary, "xb", opener=_private) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
            if new_shard:
                sync_folder(self.folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise BlobError(f"cannot keep a blob in {self.folder}: {error.strerror}") from error

    def _make_room(self, size: int, pinned: Collection[bytes]) -> None:
        for hash_ in [hash_ for hash_ in self._sizes if hash_ not in pinned]:
            if not self.needs_room(size):
                return
            self._forget(hash_)
        if self.needs_room(size):
            raise BlobError(
                f"the blobs in {self.folder} fill their {self._max_bytes} bytes with tasks that "
                "are still open: wait for some to end, or cancel them"
            )

    def _forget(self, hash_: bytes) -> None:
        self._path(hash_).unlink(missing_ok=True)
        self.total_bytes -= self._sizes.pop(hash_, 0)

    def open(self, hash_: bytes) -> BinaryIO | None:
        """The blob's file at its start, its bytes verified, or None.

        A damaged file is removed, as if it had never been. An open one outlives its removal.
        """
        if not self.has(hash_):
            return None
        try:
            file = self._path(hash_).open("rb")
        except OSError:
            file = None
        if file is not None and hashlib.file_digest(file, "sha256").digest() == hash_:
            file.seek(0)
            with self._lock:
                size = self._sizes.pop(hash_, None)
                if size is not None:
                    self._sizes[hash_] = size
            return file
        if file is not None:
            file.close()
        with self._lock:
            self._forget(hash_)
        return None

    def get(self, hash_: bytes) -> bytes | None:
        """The content, verified, or None."""
        file = self.open(hash_)
        if file is None:
            return None
        with file:
            return file.read()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


# --- messages ------------------------------------------------------------------------------------


def encode_request(network: bytes, hash_: bytes, offset: int) -> bytes:
    """The request as it travels."""
    return framed([VERSION, network, "get", hash_, offset])


def _parse_request(message: list[Any], network: bytes) -> tuple[bytes, int]:
    if len(message) != 5 or message[1] != network or message[2] != "get":
        raise Malformed("request")
    hash_, offset = message[3:]
    if type(hash_) is not bytes or len(hash_) != HASH_BYTES:
        raise Malformed("request")
    if type(offset) is not int or not 0 <= offset <= MAX_BLOB_BYTES:
        raise Malformed("request")
    return hash_, offset


# --- serving -------------------------------------------------------------------------------------


class BlobService:
    """Gives blobs to members of the network, through a `StreamServer`.

    `allows(author, hash)`: whether this member may have this blob. What each has been given lately
    is counted, and beyond its share a member waits.
    """

    word = "get"
    prefix = "blob"
    connections = limits.BLOB_CONNECTIONS
    connections_per_host = limits.BLOB_CONNECTIONS_PER_HOST

    def __init__(
        self, store: BlobStore, network: bytes,
        allows: Callable[[bytes, bytes], bool] = lambda author, hash_: True,
    ) -> None:
        self._store = store
        self._network = network
        self._allows = allows
        self._shares: dict[bytes, _Share] = {}
        """By author, the one that asked longest ago first."""

    def used(self, author: bytes) -> dict[str, int]:
        """What still counts of what this member was given, by name."""
        share = self._shares.get(author)
        return {} if share is None else share.account.used(_now_us())

    def _share(self, author: bytes) -> _Share:
        share = self._shares.pop(author, None)
        if share is None:
            if len(self._shares) >= limits.BLOB_ACCOUNTS:
                del self._shares[next(iter(self._shares))]
            share = _Share()
        self._shares[author] = share
        return share

    async def answer(self, stream: SecureStream, message: list[Any]) -> None:
        """Answer one request. Raises `Malformed` where it is none."""
        if len(encode(message)) > limits.BLOB_REQUEST_BYTES:
            raise Malformed("too-large")
        hash_, offset = _parse_request(message, self._network)
        file = None
        if self._allows(stream.author, hash_):
            file = await trio.to_thread.run_sync(self._store.open, hash_)
        if file is None:
            await send(stream, framed([VERSION, int(BlobStatus.MISSING), 0]))
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            await send(stream, framed([VERSION, int(BlobStatus.HERE), size]))
            file.seek(offset)
            # The bytes were hashed a moment ago, so they come from memory and not from the disk.
            share = self._share(stream.author)
            while chunk := file.read(limits.BLOB_CHUNK_BYTES):
                await share.take(len(chunk))
                await send(stream, chunk)


class _Share:
    """What one member may be given: so much at once and so much a second, over all its streams."""

    def __init__(self) -> None:
        share = limits.BLOB_BYTES_PER_S, limits.BLOB_BURST_BYTES
        self.account = Account({Use.BLOB_BYTES: share})
        self._turn = trio.Lock()

    async def take(self, size: int) -> None:
        """Wait until there is room for `size` bytes more; who came first has them first."""
        async with self._turn:
            now_us = _now_us()
            due_us = now_us + self.account.wait_us(Use.BLOB_BYTES, size, now_us)
            await trio.sleep_until(due_us / 1_000_000)
            # Rounding may show the time before the deadline.
            is_taken = self.account.charge(Use.BLOB_BYTES, size, max(due_us, _now_us()))
            assert is_taken, "nobody else takes of the share in this turn"


def _now_us() -> int:
    return int(trio.current_time() * 1_000_000)


# --- fetching ------------------------------------------------------------------------------------


class _SourceFailed(Exception):
    """This source did not give what was asked; the text is short."""


_FAILURES: Final = (
    _SourceFailed, Malformed, OSError, trio.TooSlowError, trio.BrokenResourceError
)


async def fetch_blob(
    protection: Protection, blob: BlobRef, sources: Sequence[Address]
) -> bytes:
    """The blob's content, its hash checked, from the first of `sources` that has it.

    What one source gave before it broke off, or became too slow, is kept, and the next is asked
    for the rest; one that was only slow is asked again when there is no other. If the whole has
    another hash, the source that ended it is asked for all of it, once. Raises `BlobUnavailable`
    with a line that tells what each source said.
    """
    if blob.size > MAX_BLOB_BYTES:
        raise BlobUnavailable(f"a blob of {blob.size} bytes is larger than {MAX_BLOB_BYTES}")
    content = bytearray()
    told: list[str] = []
    known = tuple(dict.fromkeys(sources))[: limits.BLOB_SOURCES]
    waiting = deque((source, limits.STREAM_BYTES_PER_S) for source in known)
    while waiting:
        source, bytes_per_s = waiting.popleft()
        mixed = len(content) > 0
        for _ in range(2):
            try:
                with trio.fail_after(limits.BLOB_TRANSFER_MS / 1_000):
                    await _fetch_rest(protection, blob, source, content, bytes_per_s)
            except _FAILURES as error:
                told.append(_said(source, error))
                if isinstance(error, TooFewBytes) and bytes_per_s:
                    waiting.append((source, 0))
                break
            if hashlib.sha256(content).digest() == blob.hash:
                return bytes(content)
            content.clear()
            if not mixed:
                told.append(_said(source, _SourceFailed("other content than its hash says")))
                break
            mixed = False
    reasons = "; ".join(told) or "nobody is known to have it"
    raise BlobUnavailable(f"blob {blob.hash.hex()[:16]} ({blob.size} bytes): {reasons}")


def _said(source: Address, error: Exception) -> str:
    match error:
        case trio.TooSlowError():
            text = "too slow"
        case OSError():
            text = error.strerror or "no connection"
        case trio.BrokenResourceError():
            text = "broke off"
        case _:
            text = str(error)
    return f"{source[0]} port {source[1]}: {text}"


async def _fetch_rest(
    protection: Protection, blob: BlobRef, source: Address, content: bytearray, bytes_per_s: int
) -> None:
    """Append what is missing of `content`. Raises on any failure; what came stays."""
    if parse_literal(source[0]) is None:
        raise _SourceFailed("no address")
    stream = await connect(source, protection)
    async with stream:
        try:
            await send(stream, encode_request(protection.network, blob.hash, len(content)))
            with trio.fail_after(limits.BLOB_CHUNK_MS / 1_000):
                answer = await read_message(stream, limits.BLOB_REQUEST_BYTES)
            _check_answer(answer, blob)
            paced = Paced(stream, bytes_per_s)
            while len(content) < blob.size:
                chunk = await paced.receive(
                    min(limits.BLOB_CHUNK_BYTES, blob.size - len(content))
                )
                if not chunk:
                    raise _SourceFailed("broke off")
                content += chunk
        except trio.BrokenResourceError as error:
            raise _SourceFailed("broke off") from error


def _check_answer(answer: list[Any], blob: BlobRef) -> None:
    if len(answer) != 3 or answer[1] != BlobStatus.HERE:
        raise _SourceFailed("does not have it")
    if answer[2] != blob.size:
        raise _SourceFailed("has another size")


class BlobFetcher:
    """Fetches into a store, a few at once; the rest wait, bounded."""

    def __init__(
        self, store: BlobStore, protection: Protection, pinned: Callable[[], Collection[bytes]]
    ) -> None:
        self._store = store
        self._protection = protection
        self._pinned = pinned
        self._turn = trio.Semaphore(limits.BLOB_FETCHES)

    async def fetch(self, blob: BlobRef, sources: Sequence[Address]) -> bytes:
        """The content, kept in the store. Raises `BlobUnavailable`, also where it has no room."""
        content = await trio.to_thread.run_sync(self._store.get, blob.hash)
        if content is not None:
            return content
        if self._turn.statistics().tasks_waiting >= limits.BLOB_FETCHES_WAITING:
            raise BlobUnavailable("too many blobs are being fetched")
        async with self._turn:
            content = await trio.to_thread.run_sync(self._store.get, blob.hash)
            if content is None:
                content = await fetch_blob(self._protection, blob, sources)
                pinned = self._pinned() if self._store.needs_room(len(content)) else ()
                try:
                    await trio.to_thread.run_sync(self._store.put, content, pinned)
                except BlobError as error:
                    raise BlobUnavailable(str(error)) from error
        return content
