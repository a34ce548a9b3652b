"""Changes: asking a peer what has changed since its change number that is known here.

Law: a cursor saves bytes and proves nothing: it is moved only along answers without a gap, and
where it misleads, the roots still differ and the trie finds it. The one who answers keeps nothing.
"""
from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from antsp2p.gossip.limits import MAX_LINES, Limits
from antsp2p.gossip.trie import line, lines_in_frames
from antsp2p.gossip.wire import ASK_ON, END, FOLLOWS, Changes, Since

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.link import Link
    from antsp2p.gossip.visible import Visible
    from antsp2p.gossip.wire import Frame


def changes_after(visible: Visible, cursor: int, most_frames: int) -> list[Changes]:
    """What has changed here after change `cursor`, in at most so many frames."""
    digest = visible.logs.digest
    found = islice(digest.changes(cursor), most_frames * MAX_LINES + 1)
    numbered = {
        leaf.author: (number, line(leaf)) for number, author in found
        if (leaf := visible.leaf(author)) is not None
    }
    batches = lines_in_frames(told for _, told in numbered.values())
    is_all = len(batches) <= most_frames
    frames: list[Changes] = []
    start = cursor
    for index, batch in enumerate(batches[:most_frames], 1):
        is_last = index == min(len(batches), most_frames)
        upto = digest.number if is_last and is_all else numbered[batch[-1].author][0]
        more = FOLLOWS if not is_last else END if is_all else ASK_ON
        frames.append(Changes(start, upto, more, batch))
        start = upto
    return frames or [Changes(cursor, digest.number, END, ())]


class Catching:
    """One peer's changes being asked for, from `cursor` on."""

    def __init__(
        self,
        link: Link,
        cursor: int,
        *,
        limits: Limits,
        wait_us: Callable[[Link], int],
        room: Callable[[Link], int],
        post: Callable[[Link, Frame], None],
        now_us: int,
    ) -> None:
        self.link = link
        self.cursor = cursor
        self.is_done = False
        self._limits = limits
        self._wait_us = wait_us
        self._room = room
        self._post = post
        self._tries = 0
        self._early: dict[int, tuple[int, int]] = {}
        """Start -> (upto, more) of frames that came before the one below them."""
        self._asks = True
        self.deadline_us = now_us

    def heard(self, frame: Changes, now_us: int) -> None:
        """A part of an answer, whose lines have been settled."""
        if len(self._early) <= 2 * self._limits.since_frames:
            self._early[frame.start] = (frame.upto, frame.more)
        more = FOLLOWS
        while more == FOLLOWS and (found := self._early.pop(self.cursor, None)) is not None:
            if found[0] > self.cursor:
                self._tries = 0
            self.cursor, more = found
        if more == END:
            self.is_done = True
        elif more == ASK_ON:
            self._early.clear()
            self._asks = True
            self.deadline_us = now_us

    def due(self, now_us: int) -> None:
        """Ask, or ask again for what was lost."""
        if now_us < self.deadline_us or self.is_done:
            return
        if self._asks and self._room(self.link) < self._limits.since_frames * MAX_LINES:
            self.deadline_us = now_us + self._limits.probe_pause_us
            return
        self._asks = False
        if self._tries >= self._limits.probe_tries:
            self.is_done = True
            return
        wait_us = self._wait_us(self.link) << self._tries
        self._tries += 1
        self._early.clear()
        self.deadline_us = now_us + min(wait_us, self._limits.max_wait_us)
        self._post(self.link, Since(self.link.instance, self.cursor))

    def flush(self, now_us: int) -> None:
        self.due(now_us)

    def extend(self, gap_us: int) -> None:
        self.deadline_us += gap_us

    def size(self) -> int:
        return len(self._early)
