"""Which of several results of one task is to be accepted.

Law: a pure function of the results. Equal are those with the same content of the same media type;
each author has one voice.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.coordination.body import Result
    from antsp2p.records.record import Record

    Given = tuple[Record, Result]


class Choice(NamedTuple):
    """The result to accept, and those that more authors contradict than agree with."""

    best: Given
    outvoted: tuple[Given, ...]


def agreeing(given: Sequence[Given], result: Result) -> int:
    """How many authors gave this content."""
    return len({record.author for record, other in given if _said(other) == _said(result)})


def choose(given: Sequence[Given], last: Given) -> Choice:
    """What most say; `last` where several are in front."""
    best = max(given, key=lambda pair: (agreeing(given, pair[1]), pair[0] is last[0]))
    votes = agreeing(given, best[1])
    return Choice(best, tuple(
        pair for pair in given
        if _said(pair[1]) != _said(best[1]) and agreeing(given, pair[1]) < votes
    ))


def _said(result: Result) -> tuple[bytes, str]:
    return result.hash, result.media_type
