"""Serving: answers to wants, within what a stranger may make this node send.

Law: an answer has a window, a link has a rate, and a record travels alone only if its own
signature is good. What the asker does with it is not known here.
"""
from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.assembly import split
from antsp2p.gossip.bucket import Bucket
from antsp2p.gossip.limits import MAX_ENTRIES, MAX_FRAME_BYTES, Limits
from antsp2p.gossip.wire import RUN, Entry, Frame, News, Range, Records, Want
from antsp2p.records.encoding import encode
from antsp2p.records.fork import MAX_UNSIGNED
from antsp2p.records.record import MAX_RECORD_BYTES, Record

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from antsp2p.gossip.link import Link
    from antsp2p.gossip.tree import Way
    from antsp2p.gossip.visible import Visible
    from antsp2p.records.keys import Verify

_FRAME_OVERHEAD: Final = 1 + 1 + 9 + 1 + 1
_ENTRY_OVERHEAD: Final = 1 + 9 + 3
_STRETCH_BYTES: Final = (MAX_UNSIGNED + 1) * MAX_RECORD_BYTES


class Server:
    """Answers wants out of what is visible. `age_ms(record, now_us)` travels with each record."""

    def __init__(
        self,
        *,
        visible: Visible,
        verify: Verify,
        limits: Limits,
        drops: Counter[str],
        age_ms: Callable[[bytes, int], int],
        post: Callable[[Link, Frame], None],
    ) -> None:
        self._visible = visible
        self._verify = verify
        self._limits = limits
        self._drops = drops
        self._age_ms = age_ms
        self._post = post
        self._buckets: dict[int, Bucket] = {}

    def opened(self, link: Link, now_us: int) -> None:
        limits = self._limits
        self._buckets[link.id] = Bucket(
            limits.serve_bytes_per_s, limits.serve_burst_bytes, now_us
        )

    def closed(self, link: Link) -> None:
        self._buckets.pop(link.id, None)

    def may_send(self, link: Link, size: int, now_us: int) -> bool:
        """Charge `size` bytes to the link's rate; False, counted, where it is used up."""
        bucket = self._buckets.get(link.id)
        if bucket is not None and bucket.take(size, now_us):
            return True
        self._drops["serve-rate"] += 1
        return False

    def answer(
        self, link: Link, wants: Sequence[Want], ids: Sequence[bytes], now_us: int
    ) -> list[bytes]:
        """Send what one datagram of wants asks for, as far as the window goes.

        Returns the authors of asked ids that can be shown only inside a fork proof.
        """
        singles, places, proven = self._by_id(ids)
        batch = _Batch(0)
        served = all(self._add(link, batch, (record,), now_us) for record in singles)
        for want in (Want(0, tuple(places)), *wants):
            batch = _Batch(want.number, batch)
            for asked in want.ranges:
                served = served and self._serve_range(link, batch, asked, now_us)
            if want.number or batch.records:
                served = served and self._send(link, batch, 1, now_us)
        return proven

    def news(
        self, author: bytes, first: int, last: int, way: Way, now_us: int
    ) -> tuple[News, ...]:
        """A few new records as they are pushed; none where one does not stand in a frame."""
        frames: list[News] = []
        while first <= last:
            upto = min(last, first + MAX_ENTRIES // 2 - 1)
            run = self._visible.servable(author, first, upto, MAX_RECORD_BYTES)
            if not run or run[-1].seq > last:
                return ()
            frames.append(News(way.stem, way.hops, tuple(
                Entry(self._age_ms(record.id, now_us), record.wire) for record in run
            )))
            first = run[-1].seq + 1
        return tuple(frames)

    def _by_id(self, ids: Sequence[bytes]) -> tuple[list[Record], list[Range], list[bytes]]:
        """Asked ids: records that stand alone, places in the set, and authors of proofs."""
        singles: list[Record] = []
        places: list[Range] = []
        proven: list[bytes] = []
        for record_id in ids[: self._limits.verified_ids]:
            record = self._visible.get(record_id)
            if record is None:
                continue
            if record.verifies(self._verify):
                singles.append(record)
            elif self._visible.at(record.author, record.seq) is record:
                places.append(Range(record.author, record.seq, record.seq))
            else:
                proven.append(record.author)
        return singles, places, proven

    def _serve_range(self, link: Link, batch: _Batch, asked: Range, now_us: int) -> bool:
        """Whether the answer may go on."""
        seq = asked.first
        while seq <= asked.last and batch.total < self._limits.serve_window_bytes:
            run = self._fitting(asked.author, seq, asked.last, batch)
            if not run and batch.records:
                if not self._send(link, batch, 0, now_us):
                    return False
                run = self._fitting(asked.author, seq, asked.last, batch)
            if run:
                if not self._add(link, batch, run, now_us):
                    return False
            else:
                run = self._visible.servable(asked.author, seq, seq, _STRETCH_BYTES)
                if not run:
                    return True
                if not self._serve_stretch(link, batch, run, now_us):
                    return False
            seq = run[-1].seq + 1
        return True

    def _serve_stretch(
        self, link: Link, batch: _Batch, run: Sequence[Record], now_us: int
    ) -> bool:
        """A run too large for one frame, of which only the top is signed: in parts.

        Frames of their own would come in any order, and each looks forged without those above.
        """
        content = encode([record.wire for record in run])
        if not self.may_send(link, len(content), now_us):
            return False
        age_ms = self._age_ms(run[-1].id, now_us)
        id_ = hashlib.sha256(content).digest()
        for part in split(RUN, run[0].author, id_, age_ms, content):
            self._post(link, part)
        batch.total += len(content)
        return True

    def _add(
        self, link: Link, batch: _Batch, run: Sequence[Record], now_us: int
    ) -> bool:
        cost = _cost(run)
        full = cost > batch.room or len(batch.records) + len(run) > MAX_ENTRIES
        if batch.records and full and not self._send(link, batch, 0, now_us):
            return False
        batch.records.extend(run)
        batch.room -= cost
        batch.total += cost
        return True

    def _fitting(
        self, author: bytes, first: int, last: int, batch: _Batch
    ) -> tuple[Record, ...]:
        """A run from `first` that fits in what is left of the frame; empty if none does."""
        slots = MAX_ENTRIES - len(batch.records)
        room = batch.room - _ENTRY_OVERHEAD
        last = min(last, first + slots - 1)
        while slots > 0 and room > 0 and first <= last:
            run = self._visible.servable(author, first, last, room)
            if len(run) <= slots and _cost(run) <= batch.room:
                return run
            # It does not fit with the entries' own overhead, or goes on to the next signed record.
            last = min(last, run[-1].seq) - 1
        return ()

    def _send(self, link: Link, batch: _Batch, last: int, now_us: int) -> bool:
        entries = tuple(
            Entry(self._age_ms(record.id, now_us), record.wire) for record in batch.records
        )
        if not self.may_send(link, MAX_FRAME_BYTES - batch.room, now_us):
            return False
        self._post(link, Records(batch.number, last, entries))
        batch.records.clear()
        batch.room = MAX_FRAME_BYTES - _FRAME_OVERHEAD
        return True

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"buckets": len(self._buckets)}


class _Batch:
    """The frame being filled, and the bytes of the whole answer so far."""

    __slots__ = ("number", "records", "room", "total")

    def __init__(self, number: int, before: _Batch | None = None) -> None:
        self.number = number
        self.records: list[Record] = before.records if before else []
        self.room: int = before.room if before else MAX_FRAME_BYTES - _FRAME_OVERHEAD
        self.total: int = before.total if before else 0


def _cost(run: Sequence[Record]) -> int:
    return sum(len(record.wire) + _ENTRY_OVERHEAD for record in run)
