"""Serving logs in bulk: the answer to one request, a chunk at a time.

Law: only what is visible, every author's run in ascending order up to a record whose own signature
is good. The logs may change between two chunks; what has left them is not in the next one. Who
asked, and how the bytes travel, is not known here.
"""
from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.bulk_wire import END, MAX_LOGS_RANGES, encode_entry, join_chunk
from antsp2p.records.fork import MAX_UNSIGNED
from antsp2p.records.record import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.visible import Visible
    from antsp2p.gossip.wire import Range
    from antsp2p.records.record import Record

_STRETCH_BYTES: Final = (MAX_UNSIGNED + 1) * MAX_RECORD_BYTES


class LogsAnswer:
    """What is here of `ranges`, the authors that changed last first."""

    def __init__(
        self,
        *,
        visible: Visible,
        limits: Limits,
        age_ms: Callable[[bytes, int], int],
        ranges: Sequence[Range],
        now_us: int,
    ) -> None:
        self._visible = visible
        self._limits = limits
        self._age_ms = age_ms
        self._ranges = deque(
            sorted(ranges[:MAX_LOGS_RANGES], key=lambda asked: self._head_age(asked, now_us))
        )
        self._seq = self._ranges[0].first if self._ranges else 0

    def _head_age(self, asked: Range, now_us: int) -> int:
        head = self._visible.at(asked.author, self._visible.seq(asked.author))
        return -1 if head is None else self._age_ms(head.id, now_us)

    def next_chunk(self, now_us: int) -> bytes:
        """The next chunk, without its length; the empty one when there is nothing more."""
        entries: list[bytes] = []
        size = runs = 0
        while self._ranges and runs < self._limits.bulk_runs:
            room = self._limits.bulk_chunk_bytes - size
            run = self._run(room, is_first=not entries)
            if run is None:
                break
            if run:
                runs += 1
                new = [encode_entry(self._age_ms(record.id, now_us), record.wire) for record in run]
                entries += new
                size += sum(map(len, new))
                self._seq = run[-1].seq + 1
            if not run or self._seq > self._ranges[0].last:
                self._next_range()
        return join_chunk(entries) if entries else END

    def _next_range(self) -> None:
        self._ranges.popleft()
        self._seq = self._ranges[0].first if self._ranges else 0

    def _run(self, room: int, is_first: bool) -> tuple[Record, ...] | None:
        """A run from where the answer stands; () where there is none; None: in the next chunk."""
        author, _, last = self._ranges[0]
        if self._seq > self._visible.seq(author):
            return ()
        run = self._visible.servable(author, self._seq, last, room)
        if run or not is_first:
            return run or None
        return self._visible.servable(author, self._seq, self._seq, _STRETCH_BYTES)
