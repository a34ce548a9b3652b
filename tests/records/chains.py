"""Logs to test with: chains of one author, branches of them, records with a spoiled signature."""
from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from antsp2p.records import keys
from antsp2p.records.keys import Identity
from antsp2p.records.log import LogSet
from antsp2p.records.record import NO_PREV, Record, parse_record, sign_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NETWORK = bytes(range(16))


@cache
def identity(name: str = "ada") -> Identity:
    """One and the same key for each name."""
    return Identity.from_seed(hashlib.sha256(name.encode()).digest())


def extend(
    below: Sequence[Record],
    count: int,
    *,
    mark: int = 0,
    name: str = "ada",
    network: bytes = NETWORK,
    body: Mapping[int, Any] | None = None,
) -> list[Record]:
    """`below` and `count` more records on top; another `mark` makes another branch."""
    records = list(below)
    for _ in range(count):
        records.append(sign_record(
            identity(name), network=network, seq=len(records) + 1,
            prev=records[-1].id if records else NO_PREV, type=1, body=body or {},
            claimed_ms=mark,
        ))
    return records


@cache
def _grown(mark: int, name: str) -> list[Record]:
    return []


def chain(count: int, *, mark: int = 0, name: str = "ada") -> tuple[Record, ...]:
    """The first `count` records of one and the same log for each mark and name."""
    grown = _grown(mark, name)
    if len(grown) < count:
        grown[:] = extend(grown, count - len(grown), mark=mark, name=name)
    return tuple(grown[:count])


def spoiled(record: Record, flip: int = 1) -> Record:
    """The same record by id, with a signature that does not verify."""
    return parse_record(record.wire[:-1] + bytes((record.wire[-1] ^ flip,)))


class CountingVerify:
    """Real verification that counts, and remembers, so that a test may ask often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        self.calls += 1
        return _verify(public_key, signature, message)


@cache
def _verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    return keys.verify(public_key, signature, message)


def unsigned(records: Sequence[Record]) -> list[Record]:
    """The records with every signature spoiled but the last one's."""
    return [*map(spoiled, records[:-1]), records[-1]]


def log_set() -> LogSet:
    """Empty, and it counts the checks."""
    return LogSet(NETWORK, CountingVerify())
