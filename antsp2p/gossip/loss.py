"""How much is lost on a way, estimated from two counts.

Law: integers that peers told, never trusted for more than how often to repeat something. What is
only late counts as lost in one look and as found in the next, so that the two cancel.
"""
from __future__ import annotations


class CommonLoss:
    """What all links of a node together lose: all that is known of a link that is new."""

    __slots__ = ("_heard", "_sample", "_sent", "permille")

    def __init__(self, sample: int) -> None:
        self._sample = sample
        self._sent = self._heard = 0
        self.permille: int | None = None
        """Smoothed, from 0 on; None until enough was sent on all links."""

    def add(self, sent: int, heard: int) -> None:
        """So many more were sent on some link, and so many more of them heard."""
        self._sent += sent
        self._heard += heard
        if self._sent >= self._sample:
            missing = self._sent - self._heard
            if self.permille is None:
                self.permille = _first_look(self._sent, missing)
            else:
                lost = max(1_000 * missing // self._sent, 0)
                self.permille += (lost - self.permille) // 4
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
        missing = sent_since - heard_since
        if self.permille is None:
            self._permille = _first_look(sent_since, missing)
        else:
            lost = max(1_000 * missing // sent_since, -1_000)
            self._permille += (lost - self._permille) // 4
        self.permille = max(self._permille, 0)


def _first_look(sent: int, missing: int) -> int:
    """All that is known, and so not smoothed, which would take a dozen looks to come near; but one
    of the missing may only be late."""
    return max(1_000 * (missing - 1) // sent, 0)
