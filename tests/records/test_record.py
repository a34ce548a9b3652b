from __future__ import annotations

import hashlib
from typing import Any

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from antsp2p.records import keys
from antsp2p.records.encoding import MAX_INT, MAX_UINT53, MIN_INT, Malformed
from antsp2p.records.record import (
    MAX_RECORD_BYTES,
    NO_PREV,
    Record,
    parse_record,
    record_id,
    sign_record,
)
from tests.records.chains import NETWORK, chain, identity, spoiled

AUTHOR = identity().author
REFS = [bytes((n,)) * 32 for n in range(1, 9)]
FIELDS: dict[int, Any] = {
    0: 1, 1: NETWORK, 2: AUTHOR, 3: 7, 4: b"\xee" * 32, 5: REFS[:2], 6: 3,
    7: {0: b"task", 1: 5}, 8: 1_700_000_000_000,
}


def wrap(payload: bytes, signature: bytes | None = None) -> bytes:
    signed = identity().sign(b"antsp2p/1/sig\0" + payload) if signature is None else signature
    return cbor2.dumps([payload, signed])


def forge(**changes: Any) -> bytes:
    """The wire of a well-signed record with some envelope keys changed or added, `k3=...`."""
    fields = FIELDS | {int(name[1:]): value for name, value in changes.items()}
    return wrap(cbor2.dumps(fields, canonical=True))


VALID = parse_record(forge())


def reason_of(wire: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        parse_record(wire)
    return caught.value.reason


def test_a_record_says_what_was_signed() -> None:
    assert VALID.network == NETWORK
    assert VALID.author == AUTHOR
    assert (VALID.seq, VALID.prev) == (7, b"\xee" * 32)
    assert VALID.refs == tuple(REFS[:2])
    assert (VALID.type, VALID.body) == (3, {0: b"task", 1: 5})
    assert VALID.claimed_ms == 1_700_000_000_000
    assert VALID.verifies(keys.verify)
    assert VALID.wire == forge()


def test_nobody_changes_the_body_that_another_reads() -> None:
    record = parse_record(forge())
    record.body.clear()
    assert record.body == {0: b"task", 1: 5}
    rested = parse_record(forge())
    rested.rest()
    rested.body.clear()
    assert rested.body == {0: b"task", 1: 5}


def test_the_id_and_the_signed_bytes_are_the_domain_and_the_payload() -> None:
    assert VALID.id == hashlib.sha256(b"antsp2p/1/id\0" + VALID.payload).digest()
    assert VALID.id == record_id(VALID.payload)
    assert VALID.signed_bytes == b"antsp2p/1/sig\0" + VALID.payload


def test_signing_again_makes_the_same_record() -> None:
    again = parse_record(wrap(VALID.payload, bytes(64)))
    assert again.id == VALID.id
    assert not again.verifies(keys.verify)


def test_a_signed_record_is_parsed_from_its_own_wire() -> None:
    record = sign_record(
        identity(), network=NETWORK, seq=1, prev=NO_PREV, refs=[REFS[1], REFS[0], REFS[1]],
        type=2, body={1: "x"}, claimed_ms=0,
    )
    assert record.refs == (REFS[0], REFS[1])
    assert parse_record(record.wire).id == record.id
    assert record.verifies(keys.verify)


def test_the_signature_binds_the_network() -> None:
    elsewhere = forge(k1=b"\x01" * 16)
    moved = parse_record(wrap(VALID.payload, parse_record(elsewhere).signature))
    assert not moved.verifies(keys.verify)


# --- size ----------------------------------------------------------------------------------------


def with_body_of(size: int) -> bytes:
    return forge(k7={0: bytes(size)})


def test_a_record_may_have_1000_bytes_and_no_more() -> None:
    size = MAX_RECORD_BYTES - len(with_body_of(300)) + 300
    assert len(with_body_of(size)) == 1_000
    assert parse_record(with_body_of(size)).verifies(keys.verify)
    assert len(with_body_of(size + 1)) == 1_001
    assert reason_of(with_body_of(size + 1)) == "too-large"


def test_what_would_be_too_large_is_not_signed() -> None:
    size = MAX_RECORD_BYTES - len(with_body_of(300)) + 300
    common: dict[str, Any] = {
        "network": NETWORK, "seq": 7, "prev": b"\xee" * 32, "refs": REFS[:2], "type": 3,
        "claimed_ms": FIELDS[8],
    }
    assert len(sign_record(identity(), body={0: bytes(size)}, **common).wire) == 1_000
    with pytest.raises(Malformed, match="too-large"):
        sign_record(identity(), body={0: bytes(size + 1)}, **common)


@pytest.mark.parametrize("body_size", [0, 50, 51, 52, 53, 54, 60, 61, 62, 63, 64, 300])
def test_payloads_around_256_bytes_keep_their_wire(body_size: int) -> None:
    wire = forge(k5=[], k7={0: bytes(body_size)})
    assert parse_record(wire).wire == wire


# --- each defect of the envelope -----------------------------------------------------------------


@pytest.mark.parametrize(("wire", "reason"), [
    pytest.param(forge(k0=0), "version", id="version 0"),
    pytest.param(forge(k0=2), "version", id="version 2"),
    pytest.param(forge(k0=True), "version", id="version true"),
    pytest.param(forge(k1=NETWORK[:-1]), "network", id="network of 15 bytes"),
    pytest.param(forge(k1=NETWORK + b"\0"), "network", id="network of 17 bytes"),
    pytest.param(forge(k1="0123456789abcdef"), "network", id="network as text"),
    pytest.param(forge(k2=AUTHOR[:-1]), "author", id="author of 31 bytes"),
    pytest.param(forge(k2=AUTHOR.hex()), "author", id="author as text"),
    pytest.param(forge(k2=bytes(32)), "author-key", id="author of small order"),
    pytest.param(forge(k2=b"\xff" * 32), "author-key", id="author not canonical"),
    pytest.param(forge(k3=0), "seq", id="seq 0"),
    pytest.param(forge(k3=-1), "seq", id="seq -1"),
    pytest.param(forge(k3=MAX_UINT53 + 1), "seq", id="seq 2^53"),
    pytest.param(forge(k3=b"\7"), "seq", id="seq as bytes"),
    pytest.param(forge(k3=True, k4=NO_PREV), "seq", id="seq true"),
    pytest.param(forge(k4=bytes(31)), "prev", id="prev of 31 bytes"),
    pytest.param(forge(k4=None), "prev", id="no prev"),
    pytest.param(forge(k4=NO_PREV), "prev", id="prev of zeros above seq 1"),
    pytest.param(forge(k3=1), "prev", id="a prev at seq 1"),
    pytest.param(forge(k5=None), "refs", id="no refs"),
    pytest.param(forge(k5={}), "refs", id="refs as a map"),
    pytest.param(forge(k5=[*REFS, b"\x09" * 32]), "refs", id="nine refs"),
    pytest.param(forge(k5=[REFS[1], REFS[0]]), "refs", id="refs out of order"),
    pytest.param(forge(k5=[REFS[0], REFS[0]]), "refs", id="a ref twice"),
    pytest.param(forge(k5=[REFS[0][:31]]), "refs", id="a ref of 31 bytes"),
    pytest.param(forge(k5=[3]), "refs", id="a ref as a number"),
    pytest.param(forge(k5=[b"\xee" * 32]), "refs", id="a ref to prev"),
    pytest.param(forge(k6=-1), "type", id="type -1"),
    pytest.param(forge(k6=65_536), "type", id="type 65536"),
    pytest.param(forge(k6="claim"), "type", id="type as text"),
    pytest.param(forge(k6=True), "type", id="type true"),
    pytest.param(forge(k7=[]), "body", id="body as an array"),
    pytest.param(forge(k7=None), "body", id="no body"),
    pytest.param(forge(k7=b"{}"), "body", id="body as bytes"),
    pytest.param(forge(k8=-1), "claimed-ms", id="claimed -1"),
    pytest.param(forge(k8=MAX_UINT53 + 1), "claimed-ms", id="claimed 2^53"),
    pytest.param(forge(k8=None), "claimed-ms", id="claimed nothing"),
    pytest.param(forge(k9=0), "envelope-keys", id="a tenth key"),
    pytest.param(
        wrap(cbor2.dumps({key: FIELDS[key] for key in range(8)})), "envelope-keys",
        id="a key is missing",
    ),
    pytest.param(wrap(cbor2.dumps(list(FIELDS.values()))), "envelope-keys", id="an array"),
    pytest.param(forge(k7={24: 0}), "map-key", id="body key 24"),
    pytest.param(forge(k7={0: 1.5}), "value-kind", id="a float in the body"),
    pytest.param(forge(k7={0: 2**63}), "integer-range", id="2^63 in the body"),
    pytest.param(forge(k7={0: cbor2.CBORTag(99, 0)}), "value-kind", id="a tag in the body"),
    pytest.param(forge(k7={0: [[[[[[[0]]]]]]]}), "encoding", id="depth 9"),
    pytest.param(wrap(VALID.payload + b"\0"), "not-deterministic", id="payload with a tail"),
    pytest.param(wrap(VALID.payload[:-1]), "encoding", id="payload cut short"),
    pytest.param(
        wrap(cbor2.dumps(dict(reversed(FIELDS.items())))), "not-deterministic",
        id="envelope keys unsorted",
    ),
])
def test_each_defect_of_the_envelope_has_its_name(wire: bytes, reason: str) -> None:
    assert reason_of(wire) == reason


SHORT = forge(k5=[], k7={})


@pytest.mark.parametrize("wire", [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\x82", id="a head alone"),
    pytest.param(bytes(200), id="zeros"),
    pytest.param(forge() + b"\0", id="a tail"),
    pytest.param(forge()[:-1], id="cut short"),
    pytest.param(wrap(VALID.payload, bytes(63)), id="signature of 63 bytes"),
    pytest.param(wrap(VALID.payload, bytes(65)), id="signature of 65 bytes"),
    pytest.param(cbor2.dumps([VALID.payload]), id="no signature"),
    pytest.param(cbor2.dumps([VALID.payload, VALID.signature, 0]), id="three items"),
    pytest.param(cbor2.dumps([VALID.payload.hex(), VALID.signature]), id="payload as text"),
    pytest.param(cbor2.dumps({0: VALID.payload, 1: VALID.signature}), id="a map"),
    pytest.param(SHORT[:1] + b"\x59\x00" + SHORT[2:], id="length not minimal"),
    pytest.param(b"\x9f" + forge()[1:] + b"\xff", id="indefinite array"),
    pytest.param(b"\xd9\xd9\xf7" + forge(), id="a tag in front"),
    pytest.param(wrap(b"\xa0"), id="payload of one byte"),
])
def test_the_outer_form_is_exact(wire: bytes) -> None:
    assert reason_of(wire) == "outer"


def test_limits_are_within_what_is_allowed() -> None:
    widest = parse_record(forge(
        k3=MAX_UINT53, k5=REFS, k6=65_535, k8=MAX_UINT53,
        k7={0: MAX_INT, 23: [MIN_INT, None, True, "ü", {0: [[[[]]]]}]},
    ))
    assert widest.verifies(keys.verify)
    assert parse_record(forge(k3=1, k4=NO_PREV, k5=[], k6=0, k7={}, k8=0)).prev == NO_PREV


# --- changed bytes -------------------------------------------------------------------------------


def check_changed(wire: bytes, original: Record) -> None:
    """Malformed, or a record whose signature does not verify; no other exception."""
    try:
        record = parse_record(wire)
    except Malformed:
        return
    assert record.wire == wire
    assert not record.verifies(keys.verify)
    assert (record.id == original.id) == (record.payload == original.payload)


MUTATED = [VALID, chain(1)[0], parse_record(forge(k5=REFS, k7={0: bytes(200), 1: "text", 5: None}))]


@pytest.mark.parametrize("record", MUTATED)
def test_every_byte_flipped_is_noticed(record: Record) -> None:
    for place in range(len(record.wire)):
        for flip in (0x01, 0x80):
            changed = bytearray(record.wire)
            changed[place] ^= flip
            check_changed(bytes(changed), record)


@pytest.mark.parametrize("record", MUTATED)
def test_every_value_of_structural_bytes_is_noticed(record: Record) -> None:
    # The first 12 bytes hold the outer heads and the version; then every eleventh of the rest.
    places = [*range(12), *range(12, len(record.wire), 11)]
    for place in places:
        for flip in range(1, 256):
            changed = bytearray(record.wire)
            changed[place] ^= flip
            check_changed(bytes(changed), record)


@pytest.mark.parametrize("record", MUTATED)
def test_every_byte_left_out_or_doubled_is_noticed(record: Record) -> None:
    wire = record.wire
    for place in range(len(wire)):
        for changed in (wire[:place] + wire[place + 1 :], wire[: place + 1] + wire[place:]):
            if changed != wire:
                check_changed(changed, record)


@pytest.mark.parametrize("record", MUTATED)
def test_every_prefix_is_malformed(record: Record) -> None:
    for size in range(len(record.wire)):
        reason_of(record.wire[:size])


@given(st.binary(max_size=1_100))
@example(b"\x82\x58\x18" + bytes(24) + b"\x58\x40" + bytes(64))
def test_any_bytes_are_malformed_or_unsigned(data: bytes) -> None:
    check_changed(data, VALID)


ITEMS = st.none() | st.booleans() | st.integers() | st.binary(max_size=33) | st.text(max_size=5)


@given(st.dictionaries(st.integers(0, 9), ITEMS | st.lists(ITEMS, max_size=3), max_size=3))
def test_any_signed_payload_is_malformed_or_a_record(fields: dict[int, Any]) -> None:
    wire = wrap(cbor2.dumps(FIELDS | fields, canonical=True))
    try:
        record = parse_record(wire)
    except Malformed:
        return
    assert record.wire == wire
    assert record.verifies(keys.verify) == (record.author == AUTHOR)


def test_a_spoiled_signature_keeps_the_id() -> None:
    assert spoiled(VALID).id == VALID.id
    assert not spoiled(VALID).verifies(keys.verify)
