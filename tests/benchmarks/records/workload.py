"""The records that are measured: simple tasks of many authors, signed once and kept in memory.

A task is five records of two authors: offer, claim, award, result, verdict. Nothing is drawn at
random, so every run measures the same bytes.
"""
from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.body import (
    Announce,
    Award,
    Body,
    Claim,
    Offer,
    Outcome,
    Result,
    Verdict,
    body_map,
    content_hash,
)
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.runtime.home import network_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NETWORK_NAME: Final = "benchmark"
NETWORK: Final = network_id(NETWORK_NAME)
RECORDS_PER_TASK: Final = 5
_OUTPUT: Final = b"done, and here is what came of it"


@lru_cache(maxsize=100_000)
def identity(index: int) -> Identity:
    """The key of author `index`."""
    return Identity.from_seed(hashlib.sha256(b"author %d" % index).digest())


class _Scribe:
    """Writes the next record of any author."""

    def __init__(self, first_author: int) -> None:
        self._first = first_author
        self._heads: dict[int, tuple[int, bytes]] = {}
        self.records: list[Record] = []

    def write(self, index: int, body: Body, refs: Iterable[bytes] = ()) -> Record:
        seq, prev = self._heads.get(index, (0, NO_PREV))
        record = sign_record(
            identity(self._first + index), network=NETWORK, seq=seq + 1, prev=prev, refs=refs,
            type=body.type, body=body_map(body), claimed_ms=1_700_000_000_000 + len(self.records),
        )
        self._heads[index] = (record.seq, record.id)
        self.records.append(record)
        return record


def tasks(count: int, authors: int, first_author: int = 1) -> list[Record]:
    """`count` accepted tasks among `authors` authors, in the order in which they were signed."""
    scribe = _Scribe(first_author)
    for number in range(count):
        requester, worker = number % authors, (number * 7 + 1 + number // authors) % authors
        if worker == requester:
            worker = (worker + 1) % authors
        offer = scribe.write(requester, Offer(
            "text.summary", lease_ms=10_000, settle_ms=150, attempts=3,
            input=b"what is to be summarised, number %d" % number, media_type="text/plain",
        ))
        claim = scribe.write(worker, Claim(offer.id, 0))
        scribe.write(requester, Award(offer.id, claim.id))
        result = scribe.write(worker, Result(
            offer.id, claim.id, Outcome.DONE, output=_OUTPUT, media_type="text/plain"
        ))
        scribe.write(requester, Verdict(
            offer.id, claim.id, result.id, accept=True, result_hash=content_hash(_OUTPUT)
        ))
    return scribe.records


def singles(count: int, first_author: int) -> list[Record]:
    """One record each of `count` authors: announcements, offers, and claims of those offers."""
    records: list[Record] = []
    offer: Record | None = None
    for number in range(count):
        body: Body
        if number % 3 == 0 or offer is None:
            body = Announce("text.summary", slots=1 + number % 4, nickname=f"node {number}")
        elif number % 3 == 1:
            body = Offer(
                "text.summary", lease_ms=10_000, settle_ms=150, attempts=3,
                input=b"what is to be summarised, number %d" % number, media_type="text/plain",
            )
        else:
            body = Claim(offer.id, 0)
        record = sign_record(
            identity(first_author + number), network=NETWORK, seq=1, prev=NO_PREV,
            type=body.type, body=body_map(body), claimed_ms=1_700_000_000_000 + number,
        )
        offer = record if isinstance(body, Offer) or offer is None else offer
        records.append(record)
    return records


def by_author(records: Sequence[Record]) -> list[list[Record]]:
    """The logs, each in order."""
    logs: dict[bytes, list[Record]] = {}
    for record in records:
        logs.setdefault(record.author, []).append(record)
    return list(logs.values())
