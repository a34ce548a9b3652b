"""The replay window: each number is taken once, and old ones not at all.

Law: a number is noted only after its datagram was opened, so that forgeries move nothing.
"""
from __future__ import annotations

from typing import Final

WINDOW: Final = 1_024
"""Datagrams that may overtake one another; a bit each."""
_ALL: Final = (1 << WINDOW) - 1


class ReplayWindow:
    """Which of the last numbers were seen."""

    __slots__ = ("_seen", "_top")

    def __init__(self) -> None:
        self._top = -1
        self._seen = 0
        """Bit n: whether the number n below the highest was seen."""

    def is_new(self, number: int) -> bool:
        """Whether `number` was not seen and is not too old."""
        behind = self._top - number
        return behind < 0 or (behind < WINDOW and not self._seen >> behind & 1)

    def note(self, number: int) -> None:
        """`number` was seen; it is new."""
        ahead = number - self._top
        if ahead > 0:
            self._seen = (self._seen << ahead & _ALL if ahead < WINDOW else 0) | 1
            self._top = number
        else:
            self._seen |= 1 << -ahead
