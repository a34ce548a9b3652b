"""How much is lost on a way, estimated from two counts.

Law: integers that peers told, never trusted for more than how often to repeat something.
"""
from __future__ import annotations


class Loss:
    """Datagrams sent against datagrams heard, looked at every so many."""

    __slots__ = ("_heard", "_sample", "_sent", "permille")

    def __init__(self, sample: int) -> None:
        self._sample = sample
        self._sent = self._heard = 0
        self.permille: int | None = None
        """Smoothed; None until enough was sent."""

    def note(self, sent: int, heard: int) -> None:
        """So many were sent on this way so far, and so many of them heard."""
        sent_since, heard_since = sent - self._sent, heard - self._heard
        if 0 <= sent_since < self._sample and heard_since >= 0:
            return
        self._sent, self._heard = sent, heard
        if sent_since < 0 or heard_since < 0:
            return
        lost = 1_000 * max(sent_since - heard_since, 0) // sent_since
        self.permille = lost if self.permille is None else (3 * self.permille + lost) // 4
