"""What this node still has to say of its own claims that a requester called lapsed or overdue.

Law: an author that knows of such a word and goes on as if nothing had happened is exposed by its
own log (`evidence.py`), so the answer is signed before anything else is. A dispute where an agent
was at work, or else a release: it claims nothing that the node has not seen. Nothing is sent or
signed here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.coordination.body import Claim, Dispute, Reopen, ReopenReason, parse_body
from antsp2p.coordination.draft import Draft
from antsp2p.coordination.evidence import owed_answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.coordination.tasks import TaskFold
    from antsp2p.records.record import Record

RELEASED_TEXT: Final = "no agent works on it"
DISPUTED_TEXT: Final = "its agent was at work"


class OwedAnswers:
    """The tasks in which `me` may owe an answer: no more than it has claims."""

    def __init__(
        self, me: bytes, tasks: TaskFold, is_at_work: Callable[[bytes], bool]
    ) -> None:
        self._me = me
        self._tasks = tasks
        self._is_at_work = is_at_work
        self._noted: dict[bytes, dict[bytes, bool]] = {}

    def __bool__(self) -> bool:
        return bool(self._noted)

    def note(self, record: Record) -> None:
        """A record is new in the fold."""
        if record.type == Reopen.type and record.author != self._me:
            reopen = parse_body(record)
            if (
                isinstance(reopen, Reopen) and reopen.claim is not None
                and self._tasks.has_claimed(reopen.task, self._me)
            ):
                claims = self._noted.setdefault(reopen.task, {})
                claims.setdefault(reopen.claim, self._is_at_work(reopen.claim))
        elif record.type == Claim.type and record.author == self._me:
            # What came back of an own log may come after what was said of it.
            claim = parse_body(record)
            if isinstance(claim, Claim) and self._tasks.is_reopened(claim.task):
                self._noted.setdefault(claim.task, {})

    def take(self) -> list[Draft]:
        """What to sign now, before anything else; not asked for twice."""
        noted, self._noted = self._noted, {}
        drafts: list[Draft] = []
        for task, claims in noted.items():
            if self._tasks.offer(task) is None:
                self._noted[task] = claims
            for claim, epoch, expiry in owed_answers(self._me, task, self._tasks):
                drafts.append(Draft(
                    Dispute(task, claim.id, expiry.id, DISPUTED_TEXT) if claims.get(claim.id)
                    else Reopen(task, epoch, claim.id, ReopenReason.RELEASED, text=RELEASED_TEXT)
                ))
        return drafts
