"""What a node held before it was started, as its own store gives it back.

Law: only the shape of it. What is taken back, and what it means, is the log set's and the node's.
"""
from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from antsp2p.records.record import Record

RUN: Final = 512
"""Records of one author that are taken back at once: few enough to hold twice for a moment."""


class StoredRecord(NamedTuple):
    """A record from our own store, with its age at the time of loading, and for how long it has
    been here."""

    record: Record
    age_ms: int
    held_ms: int = 0


def runs_of(history: Iterable[StoredRecord]) -> Iterator[list[StoredRecord]]:
    """The history in its order, in stretches of one author each, none of them empty."""
    for _, log in groupby(history, key=_author_of):
        while run := list(islice(log, RUN)):
            yield run


def parted(
    run: list[StoredRecord], published: int | None
) -> tuple[list[StoredRecord], list[StoredRecord]]:
    """Of own records, those that may have left this machine, and those that are held back; None:
    nothing is."""
    if published is None:
        return run, []
    return (
        [stored for stored in run if stored.record.seq <= published],
        [stored for stored in run if stored.record.seq > published],
    )


def _author_of(stored: StoredRecord) -> bytes:
    return stored.record.author
