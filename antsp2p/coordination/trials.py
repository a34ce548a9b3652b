"""Which unknown worker a requester tries next.

Law: each is tried with one task at a time, and only where it wants the task itself. Whether a task
is one to try somebody with is not decided here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from antsp2p.coordination.judgement import Judgement
    from antsp2p.coordination.tasks import TaskFold
    from antsp2p.records.record import Record


class Trials:
    """The tasks that unknown workers got for being unknown; and, of those that were given before
    this node's start, whatever they still hold: no record says why they got it."""

    def __init__(
        self, tasks: TaskFold, judgement: Judgement, own: Callable[[], Iterable[bytes]]
    ) -> None:
        """`own` are the requester's tasks that may still be under way."""
        self._tasks = tasks
        self._judgement = judgement
        self._own = own
        self._trying: dict[bytes, bytes] | None = None

    def candidates(self, claims: Sequence[Record], capability: str) -> list[Record]:
        """Those whose authors are unknown, and not on trial already."""
        trying = self._begun()
        return [
            claim for claim in claims
            if self._judgement.is_stranger(claim.author, capability)
            and not self._is_on_trial(claim.author, trying)
        ]

    def begin(self, author: bytes, task: bytes) -> None:
        """The author gets the task."""
        self._begun()[author] = task

    def _begun(self) -> dict[bytes, bytes]:
        if self._trying is None:
            self._trying = {}
            for task in self._own():
                awarded = {body.claim for _, body in self._tasks.awards(task)}
                resolution = self._tasks.resolve(task) if awarded else None
                holder = None if resolution is None else resolution.holder
                if holder is not None and holder.id in awarded:
                    self._trying[holder.author] = task
        return self._trying

    def _is_on_trial(self, author: bytes, trying: dict[bytes, bytes]) -> bool:
        """Whether the author still holds the last task that it got for being unknown."""
        task = trying.get(author)
        resolution = None if task is None else self._tasks.resolve(task)
        holder = None if resolution is None or resolution.end is not None else resolution.holder
        if holder is not None and holder.author == author:
            return True
        trying.pop(author, None)
        return False
