"""When to look at what again: one pulled deadline over many keys.

Law: an entry only says "look"; whoever looks decides afresh from the state, so a stale entry does
no harm.
"""
from __future__ import annotations

import heapq


class Agenda:
    """At most one deadline per key; setting a key again moves it."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, bytes]] = []
        self._due_us: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._due_us)

    @property
    def wake_at(self) -> int | None:
        """The earliest deadline in microseconds, or None."""
        while self._heap and self._due_us.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def set(self, key: bytes, due_us: int) -> None:
        """Look at `key` at `due_us` instead of whenever was said before."""
        if self._due_us.get(key) == due_us:
            return
        self._due_us[key] = due_us
        heapq.heappush(self._heap, (due_us, key))
        if len(self._heap) > 64 + 4 * len(self._due_us):
            self._heap = sorted((due, key) for key, due in self._due_us.items())

    def set_earliest(self, key: bytes, due_us: int | None) -> None:
        """Look at `key` at `due_us` unless an earlier look is planned; None changes nothing."""
        if due_us is not None and due_us < self._due_us.get(key, due_us + 1):
            self.set(key, due_us)

    def drop(self, key: bytes) -> None:
        """Forget `key`."""
        self._due_us.pop(key, None)

    def take_due(self, now_us: int) -> list[bytes]:
        """The keys whose deadline has come, earliest first; they are forgotten."""
        taken: list[bytes] = []
        while self._heap and self._heap[0][0] <= now_us:
            due_us, key = heapq.heappop(self._heap)
            if self._due_us.get(key) == due_us:
                del self._due_us[key]
                taken.append(key)
        return taken
