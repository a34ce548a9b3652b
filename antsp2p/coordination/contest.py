"""The records that name one task, sorted by what they say.

Law: only storage. What follows from them is the resolver's, and which of them count as well.
"""
from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.body import (
    Award,
    Body,
    Cancel,
    Claim,
    Dispute,
    Offer,
    Reopen,
    Result,
    Verdict,
    named_ids,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.record import Record

_LISTS: Final[dict[type[Any], str]] = {
    Claim: "claims", Award: "awards", Reopen: "reopens", Result: "results", Verdict: "verdicts",
    Cancel: "cancels", Dispute: "disputes",
}


@dataclass(slots=True)
class Contest:
    """The records that name one task, each list by (seq, author); the resolver only reads it."""

    task: bytes
    offer: tuple[Record, Offer] | None = None
    claims: Sequence[tuple[Record, Claim]] = ()
    awards: Sequence[tuple[Record, Award]] = ()
    reopens: Sequence[tuple[Record, Reopen]] = ()
    results: Sequence[tuple[Record, Result]] = ()
    verdicts: Sequence[tuple[Record, Verdict]] = ()
    cancels: Sequence[tuple[Record, Cancel]] = ()
    disputes: Sequence[tuple[Record, Dispute]] = ()

    def put(self, record: Record, body: Body) -> None:
        """Take in a record that is here for the first time."""
        if type(body) is Offer:
            self.offer = (record, body)
            return
        name = _LISTS[type(body)]
        pairs = getattr(self, name)
        if pairs:
            insort(pairs, (record, body), key=place_of)
        else:
            setattr(self, name, [(record, body)])

    def take(self, record: Record, body: Body) -> None:
        """Undo the `put` of a record."""
        if isinstance(body, Offer):
            self.offer = None
            return
        pairs = getattr(self, _LISTS[type(body)])
        place = bisect_left(pairs, (record.seq, record.author), key=place_of)
        while pairs[place][0].id != record.id:
            place += 1
        del pairs[place]

    def is_empty(self) -> bool:
        """Whether no record names the task any more."""
        return self.offer is None and not (
            self.claims or self.awards or self.reopens
            or self.results or self.verdicts or self.cancels or self.disputes
        )


def place_of(pair: tuple[Record, Any]) -> tuple[int, bytes]:
    """Where the record of a pair stands among others of its kind."""
    return pair[0].seq, pair[0].author


def task_of(record: Record, body: Body | None) -> bytes | None:
    """The task that the record is of: its own id for an offer, else what it names as its task."""
    return record.id if type(body) is Offer else getattr(body, "task", None)


def named_by(record: Record, body: Body | None) -> tuple[bytes, ...]:
    """Every id that the record names, once; of a void one only the refs count."""
    if body is None:
        return record.refs
    named = named_ids(body)
    if record.refs or len(named) > 1:
        named = tuple(dict.fromkeys((*record.refs, *named)))
    return named
