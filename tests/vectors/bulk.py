"""Requests for logs over TCP and their answers, byte by byte."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.records.encoding import encode
from antsp2p.records.record import NO_PREV, Record, parse_record, sign_record
from tests.vectors.common import NETWORK, OTHER_NETWORK, Case, case, identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AGES_MS = {"old": 70_000, "new": 24}
"""The age of every record of a log."""


def log(name: str, count: int = 4) -> list[Record]:
    """A log whose third record has lost its own signature: it is valid as an ancestor."""
    records: list[Record] = []
    for seq in range(1, count + 1):
        record = sign_record(
            identity(name), network=NETWORK, seq=seq,
            prev=records[-1].id if records else NO_PREV, type=200, body={1: seq}, claimed_ms=0,
        )
        if seq == 3:
            record = parse_record(record.wire[:-64] + bytes(64))
        records.append(record)
    return records


def _author(name: str) -> bytes:
    return identity(name).author


def framed(value: Any) -> bytes:
    """A request after its two bytes of length."""
    message = encode(value)
    return len(message).to_bytes(2, "big") + message


def asking(*ranges: tuple[str, int, int]) -> bytes:
    """A request for ranges of named authors."""
    return framed([1, NETWORK, "logs", [[_author(name), *seqs] for name, *seqs in ranges]])


def _entries(*shown: tuple[str, int, int]) -> list[list[Any]]:
    return [
        [AGES_MS[name], record.wire]
        for name, first, last in shown for record in log(name)[first - 1 : last]
    ]


def _chunk(entries: Sequence[Any]) -> bytes:
    content = encode(list(entries))
    return len(content).to_bytes(4, "big") + content


_END = _chunk([])


def _answered() -> Iterable[tuple[str, str, bytes, bytes]]:
    yield "a whole log", "one chunk, and the empty one", asking(("old", 1, 4)), (
        _chunk(_entries(("old", 1, 4))) + _END)
    yield "the last changed first", "whatever the order asked in", (
        asking(("old", 1, 4), ("new", 1, 4))), (
        _chunk(_entries(("new", 1, 4), ("old", 1, 4))) + _END)
    yield "from the second on", "an interrupted answer is resumed", asking(("old", 2, 4)), (
        _chunk(_entries(("old", 2, 4))) + _END)
    yield "up to one that is not signed", "the run goes on to the next that is", (
        asking(("old", 1, 3))), _chunk(_entries(("old", 1, 4))) + _END
    yield "up to a signed one", "no further", asking(("old", 1, 2)), (
        _chunk(_entries(("old", 1, 2))) + _END)
    yield "more than there is", "what is here", asking(("old", 4, 2**53 - 1)), (
        _chunk(_entries(("old", 4, 4))) + _END)
    yield "above the head", "nothing", asking(("old", 5, 9)), _END
    yield "an author that is not here", "nothing", asking(("nobody", 1, 9)), _END


def _refused() -> Iterable[tuple[str, str, bytes, str]]:
    author = _author("old")
    plain = [1, NETWORK, "logs", [[author, 1, 4]]]

    def changed(index: int, value: Any) -> bytes:
        return framed([*plain[:index], value, *plain[index + 1 :]])

    yield "another network", "nothing is given across", changed(1, OTHER_NETWORK), "bulk-request"
    yield "no range", "one at least", changed(3, []), "bulk-request"
    yield "an author twice", "each once", (
        changed(3, [[author, 1, 1], [author, 3, 4]])), "bulk-request"
    yield "author of 31 bytes", "it has 32", changed(3, [[author[:31], 1, 4]]), "bulk-request"
    yield "from 0", "seqs begin at 1", changed(3, [[author, 0, 4]]), "bulk-request"
    yield "backwards", "the first is not above the last", changed(3, [[author, 4, 1]]), (
        "bulk-request")
    yield "up to 2^53", "no seq is that high", changed(3, [[author, 1, 2**53]]), "bulk-request"
    yield "true as a seq", "true is not 1", changed(3, [[author, True, 4]]), "bulk-request"
    yield "a range of two", "three", changed(3, [[author, 1]]), "bulk-request"
    yield "no array", "ranges stand in one", changed(3, author), "bulk-request"
    yield "three items", "four", framed(plain[:3]), "bulk-request"
    yield "length 54300", "54,299 are the most", b"\xd4\x1c", "blob-too-large"


def _malformed() -> Iterable[tuple[str, str, bytes, str]]:
    wire = log("old")[0].wire
    yield "nothing", "no bytes are no value", b"", "encoding"
    yield "a map", "an array", encode({0: 1}), "array"
    yield "a record alone", "its age stands before it", encode([wire]), "array"
    yield "three in an entry", "two", encode([[0, wire, 0]]), "array"
    yield "age -1", "0 at least", encode([[-1, wire]]), "age"
    yield "age true", "true is not 1", encode([[True, wire]]), "age"
    yield "an empty record", "one byte at least", encode([[0, b""]]), "too-large"
    yield "a record of 1,001 bytes", "1,000 are the most", encode([[0, bytes(1_001)]]), "too-large"
    yield "a byte after", "one value, and then nothing", encode([[0, wire]]) + b"\0", (
        "not-deterministic")


def cases() -> dict[str, Any]:
    """Requests to a holder of two logs, all that comes back, and chunks that are refused."""
    answered: list[Case] = [
        case(name, why, request=request, answer=answer)
        for name, why, request, answer in _answered()
    ]
    return {
        "logs": {
            name: {"age_ms": age_ms, "records": [record.wire.hex() for record in log(name)]}
            for name, age_ms in AGES_MS.items()
        },
        "answered": answered,
        "refused": [
            case(name, why, request=request, reason=reason)
            for name, why, request, reason in _refused()
        ],
        "malformed": [
            case(name, why, chunk=chunk, reason=reason)
            for name, why, chunk, reason in _malformed()
        ],
    }
