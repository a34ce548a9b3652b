"""Who stands in for whom, as far as an observer has been told.

Law: a fold over records; the same set gives the same answers. When a vouch runs out is counted in
the observer's own days from when it first saw it, so nobody's clock is believed. What a vouch is
worth, and what it costs when the other fails, is the rule of trust's.
"""
from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.body import RecordType, Vouch, parse_body
from antsp2p.coordination.first_seen import BUCKET_TICKS

if TYPE_CHECKING:
    from antsp2p.records.record import Record

MAX_VOUCHED: Final = 64
"""Authors that one author may vouch for at a time of its log, the first ones: what it is charged is
summed over them, and who knows more people than that lends them nothing worth having."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a voucher lends to a subject in the buckets from `since` to below `until`."""

    record_id: bytes
    weight: int
    since: int
    until: int
    capability: str


_Said = tuple[int, bytes, int, Vouch]
"""(seq, record id, bucket, vouch)."""


class Vouches:
    """All vouches. A record that is none changes nothing."""

    def __init__(self) -> None:
        self._said: dict[bytes, dict[bytes, list[_Said]]] = {}
        self._for: dict[bytes, dict[bytes, None]] = {}

    def add(self, record: Record, tick: int) -> tuple[bytes, bytes] | None:
        """Take in a record that was first seen at `tick`. Returns (voucher, subject) if what one
        lends the other may be something else now."""
        vouch = _vouch_of(record)
        if vouch is None:
            return None
        by_subject = self._said.setdefault(record.author, {})
        said = by_subject.get(vouch.author)
        if said is None:
            if len(by_subject) >= MAX_VOUCHED:
                return None
            said = by_subject[vouch.author] = []
            self._for.setdefault(vouch.author, {})[record.author] = None
        place = bisect_left(said, record.seq, key=_seq)
        if place < len(said) and said[place][0] == record.seq:
            return None
        said.insert(place, (record.seq, record.id, tick // BUCKET_TICKS, vouch))
        return record.author, vouch.author

    def remove(self, record: Record) -> tuple[bytes, bytes] | None:
        """Undo the `add` of a record."""
        vouch = _vouch_of(record)
        by_subject = self._said.get(record.author, {})
        said = by_subject.get(vouch.author) if vouch is not None else None
        if vouch is None or said is None:
            return None
        place = bisect_left(said, record.seq, key=_seq)
        if place == len(said) or said[place][1] != record.id:
            return None
        del said[place]
        if not said:
            del by_subject[vouch.author]
            del self._for[vouch.author][record.author]
            if not self._for[vouch.author]:
                del self._for[vouch.author]
        if not by_subject:
            del self._said[record.author]
        return record.author, vouch.author

    def given(self, voucher: bytes, subject: bytes) -> Given | None:
        """What the voucher lends the subject, perhaps no longer; None where it never did.

        Who vouches again does not get rid of what it is charged for: `since` is the first time.
        """
        given: Given | None = None
        for _, record_id, bucket, vouch in self._said.get(voucher, {}).get(subject, ()):
            if vouch.days:
                since = bucket if given is None else given.since
                given = Given(
                    record_id, vouch.weight, since, bucket + vouch.days, vouch.capability)
            elif given is not None:
                given = Given(
                    record_id, given.weight, given.since, min(given.until, bucket),
                    given.capability,
                )
        return given

    def vouchers(self, subject: bytes) -> tuple[bytes, ...]:
        """Everybody who ever vouched for the subject, sorted."""
        return tuple(sorted(self._for.get(subject, ())))


def _vouch_of(record: Record) -> Vouch | None:
    if record.type != RecordType.VOUCH:
        return None
    body = parse_body(record)
    # Who vouches for itself says nothing.
    return body if isinstance(body, Vouch) and body.author != record.author else None


def _seq(said: _Said) -> int:
    return said[0]
