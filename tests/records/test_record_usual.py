"""The short cut for usual records says what the plain way says, of any bytes."""
from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from antsp2p.records.encoding import MAX_DEPTH, MAX_UINT53, Malformed
from antsp2p.records.record import (
    NO_PREV,
    Record,
    parse_any_record,
    parse_record,
    restore_record,
)
from tests.records.chains import NETWORK, chain, identity
from tests.records.test_encoding import containers, values_of_depth

AUTHOR = identity().author
NOW_MS = 1_700_000_000_000
SEQS = st.sampled_from([0, 1, 2, 23, 24, 255, 256, 2**16, 2**32 - 1, 2**32, 2**53 - 1, 2**53])
IDS = st.sampled_from([bytes((n,)) * 32 for n in range(12)]) | st.binary(min_size=32, max_size=32)
TIMES = st.sampled_from([0, 23, 24, 2**32 - 1, 2**32, NOW_MS, MAX_UINT53, MAX_UINT53 + 1])


def wrap(payload: bytes) -> bytes:
    return cbor2.dumps([payload, bytes(64)])


def everything(record: Record) -> tuple[Any, ...]:
    return (
        record.wire, record.id, record.network, record.author, record.seq, record.prev,
        record.refs, record.type, record.body, record.claimed_ms, record.payload,
        record.signature, record.signed_bytes,
    )


def outcome(parse: Any, wire: bytes) -> Any:
    try:
        return everything(parse(wire))
    except Malformed as malformed:
        return malformed.reason


def assert_same(wire: bytes) -> None:
    assert outcome(parse_record, wire) == outcome(parse_any_record, wire)


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = [value]
    return {0: value}


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Payloads near what is allowed, their keys in order, each part encoded for itself."""
    refs = draw(st.lists(IDS, max_size=3).map(sorted) | st.lists(IDS, max_size=9))
    body = draw(containers(values_of_depth(2)) | values_of_depth(1))
    parts: list[Any] = [
        draw(st.sampled_from([1, 1, 1, 0, 2])), NETWORK, AUTHOR, draw(SEQS),
        draw(st.just(NO_PREV) | IDS), refs, draw(st.sampled_from([0, 3, 23, 24, 65_535, 65_536])),
        body, draw(TIMES),
    ]
    encoded = (bytes((key,)) + cbor2.dumps(part, canonical=True) for key, part in enumerate(parts))
    return b"\xa9" + b"".join(encoded)


@given(payloads())
def test_any_payload_is_read_alike(payload: bytes) -> None:
    assert_same(wrap(payload))


@given(payloads(), st.data())
def test_any_change_of_a_byte_is_read_alike(payload: bytes, data: st.DataObject) -> None:
    wire = bytearray(wrap(payload))
    place = data.draw(st.integers(0, len(wire) - 1))
    wire[place] ^= data.draw(st.integers(1, 255))
    assert_same(bytes(wire))


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x82")
def test_any_body_is_read_alike(body: bytes) -> None:
    before = chain(1, mark=NOW_MS)[0].payload.partition(b"\x07\xa0\x08\x1b")[0]
    assert_same(wrap(before + b"\x07" + body + b"\x08\x1b" + NOW_MS.to_bytes(8, "big")))
    assert_same(wrap(before + b"\x07" + body))


def test_every_change_of_one_byte_is_read_alike() -> None:
    wire = chain(3, mark=NOW_MS)[2].wire
    for place in range(len(wire)):
        for change in (1, 2, 0x20, 0x80, 0xFF):
            spoiled = bytearray(wire)
            spoiled[place] ^= change
            assert_same(bytes(spoiled))


def test_every_prefix_and_every_addition_is_read_alike() -> None:
    wire = chain(3, mark=NOW_MS)[2].wire
    for size in range(len(wire)):
        assert_same(wire[:size])
        assert_same(wire[:size] + wire[size + 1 :])
        assert_same(wire[:size] + b"\0" + wire[size:])


@pytest.mark.parametrize("depth", range(1, MAX_DEPTH + 3))
def test_a_body_is_as_deep_either_way(depth: int) -> None:
    fields = {
        0: 1, 1: NETWORK, 2: AUTHOR, 3: 1, 4: NO_PREV, 5: [], 6: 3, 7: nested(depth), 8: NOW_MS,
    }
    wire = wrap(cbor2.dumps(fields, canonical=True))
    assert_same(wire)
    assert isinstance(outcome(parse_record, wire), str) == (depth > MAX_DEPTH - 2)


def test_what_was_accepted_is_restored_alike() -> None:
    for record in chain(300, mark=NOW_MS):
        assert everything(restore_record(record.wire)) == everything(record)
    with pytest.raises(Malformed):
        restore_record(chain(1, mark=NOW_MS)[0].wire[:-1])
