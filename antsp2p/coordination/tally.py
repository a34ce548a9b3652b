"""What is kept over all tasks together: how many stand where, which are open, and one digest.

Law: a function of the tasks' resolutions and of nothing else. A task that was touched is resolved
anew when somebody asks, so that a burst of records costs one look, and a question costs what has
changed since the last one.
"""
from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.state import ENDS, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from antsp2p.coordination.resolver import Resolution

_SNAPSHOT_MODULUS: Final = 2**256


class Tally:
    """The states of all tasks. `resolve(task)` is None where the task is not there any more."""

    def __init__(self, resolve: Callable[[bytes], Resolution | None]) -> None:
        self._resolve = resolve
        self._touched: dict[bytes, None] = {}
        self._states: dict[bytes, State] = {}
        self._counts: Counter[State] = Counter()
        self._active: dict[bytes, None] = {}
        self._undigested: dict[bytes, None] = {}
        self._digests: dict[bytes, int] = {}
        self._digest_sum = 0

    def touch(self, task: bytes) -> None:
        """The task's resolution may be another one, or gone."""
        self._touched[task] = None

    def counts(self) -> dict[State, int]:
        """How many tasks are in which state, aliases too; states without any are left out."""
        self._settle()
        return dict(sorted(self._counts.items()))

    def active(self) -> Iterable[bytes]:
        """The tasks that have not ended, aliases left out."""
        self._settle()
        return self._active

    def snapshot(self) -> bytes:
        """32 bytes that commit to every resolution: equal sets, equal bytes."""
        self._settle()
        for task in self._undigested:
            resolution = self._resolve(task)
            self._digest_sum -= self._digests.pop(task, 0)
            if resolution is not None:
                digest = self._digests[task] = _digest(resolution)
                self._digest_sum += digest
        self._digest_sum %= _SNAPSHOT_MODULUS
        self._undigested.clear()
        return hashlib.sha256(
            len(self._digests).to_bytes(8, "big") + self._digest_sum.to_bytes(32, "big")
        ).digest()

    def _settle(self) -> None:
        for task in self._touched:
            resolution = self._resolve(task)
            self._count(task, None if resolution is None else resolution.state)
            self._active.pop(task, None)
            if (
                resolution is not None and resolution.state not in ENDS
                and resolution.alias_of is None
            ):
                self._active[task] = None
            self._undigested[task] = None
        self._touched.clear()

    def _count(self, task: bytes, state: State | None) -> None:
        last = self._states.get(task)
        if state is last:
            return
        if last is not None:
            del self._states[task]
            self._counts[last] -= 1
            if not self._counts[last]:
                del self._counts[last]
        if state is not None:
            self._states[task] = state
            self._counts[state] += 1


def _digest(resolution: Resolution) -> int:
    holder, end = resolution.holder, resolution.end
    fields = (
        resolution.task,
        holder.id if holder is not None else b"",
        end.id if end is not None else b"",
        resolution.alias_of or b"",
        f"{resolution.state} {resolution.rule} {resolution.epoch} {resolution.claims_in_epoch} "
        f"{resolution.settled:d}".encode(),
    )
    digest = hashlib.sha256()
    for value in fields:
        digest.update(bytes((len(value),)))
        digest.update(value)
    return int.from_bytes(digest.digest(), "big")
