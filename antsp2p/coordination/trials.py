"""Which unknown worker a requester tries next.

Law: each is tried with one task at a time, and only where it wants the task itself. Whether a task
is one to try somebody with is not decided here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.coordination.judgement import Judgement
    from antsp2p.coordination.tasks import TaskFold
    from antsp2p.records.record import Record


class Trials:
    """The tasks that unknown workers got for being unknown."""

    def __init__(self, tasks: TaskFold, judgement: Judgement) -> None:
        self._tasks = tasks
        self._judgement = judgement
        self._trying: dict[bytes, bytes] = {}

    def candidates(self, claims: Sequence[Record], capability: str) -> list[Record]:
        """Those whose authors are unknown, and not on trial already."""
        return [
            claim for claim in claims
            if self._judgement.is_stranger(claim.author, capability)
            and not self._is_on_trial(claim.author)
        ]

    def begin(self, author: bytes, task: bytes) -> None:
        """The author gets the task."""
        self._trying[author] = task

    def _is_on_trial(self, author: bytes) -> bool:
        """Whether the author still holds the last task that it got for being unknown."""
        task = self._trying.get(author)
        resolution = None if task is None else self._tasks.resolve(task)
        holder = None if resolution is None or resolution.end is not None else resolution.holder
        if holder is not None and holder.author == author:
            return True
        self._trying.pop(author, None)
        return False
