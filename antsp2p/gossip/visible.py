"""What of the logs may be shown to others.

Law: everything that leaves this floor about a log is read through here, and own records above
`published` are not here. They may not be durable yet, and what was never sent can be signed again.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.link import Holding
from antsp2p.gossip.wire import NO_HEAD

if TYPE_CHECKING:
    from antsp2p.records.log import Leaf, LogSet
    from antsp2p.records.record import Record


class Visible:
    """A LogSet without the own records above `published`."""

    def __init__(self, logs: LogSet, me: bytes) -> None:
        self.logs = logs
        self.me = me
        self.published = 0
        logs.veil(me, 0)

    def publish(self, upto_seq: int) -> None:
        """Own records up to `upto_seq` may be shown from now on."""
        self.published = max(self.published, upto_seq)
        self.logs.veil(self.me, self.published)

    def seq(self, author: bytes) -> int:
        """The highest seq that may be shown of `author`; 0: nothing."""
        seq = self.logs.seq(author)
        return min(seq, self.published) if author == self.me else seq

    def at(self, author: bytes, seq: int) -> Record | None:
        if author == self.me and seq > self.published:
            return None
        return self.logs.at(author, seq)

    def get(self, record_id: bytes) -> Record | None:
        """A record of the set, or one kept for a proof."""
        record = self.logs.get(record_id)
        hidden = record is not None and record.author == self.me and record.seq > self.published
        return None if hidden else record

    def holding(self, author: bytes) -> Holding:
        """What is held of `author`, and the root."""
        seq = self.seq(author)
        record = self.at(author, seq)
        if record is None:
            return Holding(0, NO_HEAD, self.logs.digest.root())
        return Holding(seq, record.id, self.logs.digest.root())

    def leaf(self, author: bytes) -> Leaf | None:
        """The author's line in the digest, which knows of nothing that may not be shown."""
        return self.logs.leaf(author)

    def servable(
        self, author: bytes, first: int, last: int, max_bytes: int
    ) -> tuple[Record, ...]:
        """Consecutive records from `first`, the last of which is own-signed."""
        if author == self.me:
            last = min(last, self.published)
        if first > last:
            return ()
        run = self.logs.servable(author, first, last, max_bytes)
        if author == self.me and run and run[-1].seq > self.published:
            return ()
        return run

    def fork_seq(self, author: bytes) -> int:
        """The lowest proven fork of `author`, or 0."""
        proof = self.logs.proof(author)
        return 0 if proof is None else proof.seq
