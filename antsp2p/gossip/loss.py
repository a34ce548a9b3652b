"""How much is lost on a way, estimated from two counts.

Law: integers that peers told, never trusted for more than how often to repeat something. What is
only late counts as lost in one look and as found in the next, so that the two cancel.
"""
from __future__ import annotations


class Loss:
    """Datagrams sent against datagrams heard, looked at every so many."""

    __slots__ = ("_heard", "_permille", "_sample", "_sent", "permille")

    def __init__(self, sample: int) -> None:
        self._sample = sample
        self._sent = self._heard = 0
        self._permille = 0
        self.permille: int | None = None
        """Smoothed, from 0 on; None until enough was sent."""

    def note(self, sent: int, heard: int) -> None:
        """So many were sent on this way so far, and so many of them heard."""
        sent_since, heard_since = sent - self._sent, heard - self._heard
        if 0 <= sent_since < self._sample and heard_since >= 0:
            return
        self._sent, self._heard = sent, heard
        if sent_since <= 0 or heard_since < 0:
            return
        lost = max(1_000 * (sent_since - heard_since) // sent_since, -1_000)
        self._permille += (lost - self._permille) // 4
        self.permille = max(self._permille, 0)
