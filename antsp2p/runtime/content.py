"""Content: the blobs that a node's tasks need, kept, fetched and held on to.

Law: it decides nothing about tasks. What came of a blob that the node asked for is told back to it
as an event.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from antsp2p.coordination.confidence import may_have
from antsp2p.events import BlobFetched, BlobMissing
from antsp2p.runtime.blobs import BlobFetcher, BlobStore, BlobUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from pathlib import Path

    from antsp2p.coordination.body import BlobRef
    from antsp2p.events import Address, Event, FetchBlob
    from antsp2p.gossip.protection import Protection
    from antsp2p.node import Node


class Content:
    """The blobs of one node. `put` takes events."""

    def __init__(
        self, folder: Path, node: Node, protection: Protection,
        put: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._node = node
        self._put = put
        self.store = BlobStore(folder)
        self._fetcher = BlobFetcher(self.store, protection, self.pinned)

    async def keep(self, content: bytes) -> BlobRef:
        """Keep content and name it. Raises `BlobError` above 16 MiB or without room."""
        pinned = self.pinned() if self.store.needs_room(len(content)) else ()
        return await trio.to_thread.run_sync(self.store.put, content, pinned)

    async def read(self, blob: BlobRef, sources: tuple[Address, ...]) -> bytes:
        """The content of `blob`, from the store or from one of `sources`.

        Raises `BlobUnavailable`.
        """
        return await self._fetcher.fetch(blob, sources)

    def may_have(self, author: bytes, hash_: bytes) -> bool:
        """Whether the author may be given the blob of that hash."""
        return may_have(self._node.tasks, self._node.author, author, hash_)

    def pinned(self) -> Collection[bytes]:
        """The blobs that open tasks of this node, or held by it, still need."""
        me, tasks = self._node.author, self._node.tasks
        held = {holding.task for holding in self._node.holding.values()}
        pinned: set[bytes] = set()
        for task in tasks.active():
            offered = tasks.offer(task)
            own = offered is not None and offered[0].author == me
            if offered is not None and offered[1].blob is not None and (own or task in held):
                pinned.add(offered[1].blob.hash)
            for record, result in tasks.results(task):
                if result.blob is not None and (own or record.author == me):
                    pinned.add(result.blob.hash)
        return pinned

    async def fetch(self, wanted: FetchBlob) -> None:
        """Have content here, and tell the node what came of it."""
        try:
            await self._fetcher.fetch(wanted.blob, wanted.sources)
        except BlobUnavailable as error:
            await self._put(BlobMissing(wanted.blob, str(error)))
        else:
            await self._put(BlobFetched(wanted.blob))
