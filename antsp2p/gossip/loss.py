"""How much is lost on a way, estimated from two counts.

Law: integers that peers told, never trusted for more than how often to repeat something. What is
only late counts as lost in one look and as found in the next, so that the two cancel.
"""
from __future__ import annotations

from typing import Final

LATE_OF: Final = 16
"""At the first look one of so many datagrams may only be late."""
LINKS_LOOKED_AT: Final = 4
"""Looks of one link in a look at all together: on a new link hardly anything has come in order."""


class CommonLoss:
    """What all links of a node together lose: all that is known of a link that is new."""

    __slots__ = ("_heard", "_permille", "_sample", "_sent", "permille")

    def __init__(self, sample: int) -> None:
        self._sample = LINKS_LOOKED_AT * sample
        self._sent = self._heard = 0
        self._permille = 0
        self.permille: int | None = None
        """Smoothed, from 0 on; None until enough was sent on all links."""

    def add(self, sent: int, heard: int) -> None:
        """So many more were sent on some link, and so many more of them heard."""
        self._sent += sent
        self._heard += heard
        if self._sent >= self._sample:
            before = None if self.permille is None else self._permille
            self._permille = _looked(before, self._sent, self._sent - self._heard)
            self.permille = max(self._permille, 0)
            self._sent = self._heard = 0


class Loss:
    """Datagrams sent against datagrams heard on one way, looked at every so many."""

    __slots__ = ("_common", "_heard", "_permille", "_sample", "_seen", "_sent", "permille")

    def __init__(self, sample: int, common: CommonLoss) -> None:
        self._sample = sample
        self._common = common
        self._sent = self._heard = 0
        self._seen = (0, 0)
        self._permille = 0
        self.permille: int | None = None
        """Smoothed, from 0 on; None until enough was sent."""

    def note(self, sent: int, heard: int) -> None:
        """So many were sent on this way so far, and so many of them heard."""
        seen_sent, seen_heard = self._seen
        if sent > seen_sent and heard >= seen_heard:
            self._common.add(sent - seen_sent, heard - seen_heard)
            self._seen = sent, heard
        sent_since, heard_since = sent - self._sent, heard - self._heard
        if 0 <= sent_since < self._sample and heard_since >= 0:
            return
        self._sent, self._heard = sent, heard
        if sent_since <= 0 or heard_since < 0:
            return
        before = None if self.permille is None else self._permille
        self._permille = _looked(before, sent_since, sent_since - heard_since)
        self.permille = max(self._permille, 0)


def _looked(before: int | None, sent: int, missing: int) -> int:
    """The estimate after one more look, `before` it None. What is only late is found again in the
    next look, so an estimate may be below nought for a while."""
    if before is not None:
        lost = max(1_000 * missing // sent, -1_000)
        return before + (lost - before) // 4
    # All that is known, and so not smoothed, which would take a dozen looks to come near.
    late = sent // LATE_OF
    return max(1_000 * (missing - late) // sent, 0)
