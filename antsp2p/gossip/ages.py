"""How long ago each record was first shown to anybody, summed over hops.

Law: an age is what others said plus the time here; no two machines' clocks are compared. It is
for fading, retention and deadlines, never for a lapse.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.limits import MILLISECOND_US
from antsp2p.gossip.wire import MAX_AGE_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from antsp2p.records.record import Record


class Ages:
    """Record id -> the moment, on this node's clock, at which its age was 0."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._held: dict[bytes, int] = {}
        self._waiting: dict[bytes, int] = {}

    def offered(self, record: Record, age_ms: int, now_us: int) -> None:
        """A record of this age has come; it may have to wait before it is in the set."""
        if record.id in self._held or record.id in self._waiting:
            return
        if len(self._waiting) >= self._max_waiting:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[record.id] = now_us - age_ms * MILLISECOND_US

    def hold(self, record_id: bytes, now_us: int) -> None:
        """The record is in the set; without any offer its age is 0 now."""
        origin_us = self._waiting.pop(record_id, now_us)
        self._held.setdefault(record_id, origin_us)

    def restore(self, record_id: bytes, age_ms: int, now_us: int) -> None:
        """The record was stored, and has this age now."""
        self._held[record_id] = now_us - age_ms * MILLISECOND_US

    def forget(self, records: Iterable[Record]) -> None:
        """The records are no longer in the set."""
        for record in records:
            self._held.pop(record.id, None)

    def age_ms(self, record_id: bytes, now_us: int) -> int:
        """The age; 0 for a record that was never shown."""
        origin_us = self._held.get(record_id, self._waiting.get(record_id, now_us))
        return min(max(0, now_us - origin_us) // MILLISECOND_US, MAX_AGE_MS)

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"ages-waiting": len(self._waiting)}
