from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.records import keys
from antsp2p.records.beat import (
    MAX_BEAT_BYTES,
    MAX_BEAT_CLAIMS,
    beat_counter,
    parse_beat,
    sign_beat,
)
from antsp2p.records.encoding import MAX_UINT53, Malformed
from tests.records.chains import NETWORK, chain, identity

AUTHOR = identity().author
HEAD = chain(3)[-1]
FIELDS: dict[int, Any] = {
    0: 1, 1: NETWORK, 2: AUTHOR, 3: beat_counter(2, 9), 4: [3, HEAD.id], 5: 2, 6: 500,
    7: [[1, 0], [3, 1_000]],
}


def wrap(payload: bytes, signature: bytes | None = None) -> bytes:
    signed = identity().sign(b"antsp2p/1/beat\0" + payload) if signature is None else signature
    return cbor2.dumps([payload, signed])


def forge(**changes: Any) -> bytes:
    fields = FIELDS | {int(name[1:]): value for name, value in changes.items()}
    return wrap(cbor2.dumps(fields, canonical=True))


VALID = parse_beat(forge())


def reason_of(wire: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        parse_beat(wire)
    return caught.value.reason


def test_a_beat_says_what_was_signed() -> None:
    assert (VALID.network, VALID.author) == (NETWORK, AUTHOR)
    assert VALID.counter == 2 << 32 | 9
    assert (VALID.head_seq, VALID.head) == (3, HEAD.id)
    assert (VALID.free_slots, VALID.load) == (2, 500)
    assert VALID.claims == ((1, 0), (3, 1_000))
    assert VALID.verifies(keys.verify)
    assert VALID.wire == forge()


def test_a_signed_beat_has_its_claims_in_order() -> None:
    beat = sign_beat(
        identity(), network=NETWORK, counter=5, head_seq=0, head=bytes(32), free_slots=0, load=0,
        claims=[(9, 1), (2, 3)],
    )
    assert beat.claims == ((2, 3), (9, 1))
    assert beat.verifies(keys.verify)
    assert parse_beat(beat.wire).payload == beat.payload


def test_a_later_boot_counts_above_all_beats_of_the_one_before() -> None:
    assert beat_counter(3, 0) > beat_counter(2, 2**32 - 1)


def test_a_beat_is_not_a_record_signature() -> None:
    as_record = wrap(VALID.payload, identity().sign(b"antsp2p/1/sig\0" + VALID.payload))
    assert not parse_beat(as_record).verifies(keys.verify)


def test_a_hundred_leases_in_the_first_65535_records_fit_one_beat() -> None:
    claims = [(65_536 - MAX_BEAT_CLAIMS + n, 1_000) for n in range(MAX_BEAT_CLAIMS)]
    beat = sign_beat(
        identity(), network=NETWORK, counter=beat_counter(2**20, 2**31), head_seq=MAX_UINT53,
        head=HEAD.id, free_slots=65_535, load=1_000, claims=claims,
    )
    assert len(beat.wire) <= MAX_BEAT_BYTES
    with pytest.raises(Malformed, match="beat-claims"):
        sign_beat(
            identity(), network=NETWORK, counter=1, head_seq=1, head=HEAD.id, free_slots=0, load=0,
            claims=[*claims, (65_536, 0)],
        )


@pytest.mark.parametrize(("wire", "reason"), [
    pytest.param(forge(k0=2), "version", id="version 2"),
    pytest.param(forge(k0=True), "version", id="version true"),
    pytest.param(forge(k1=NETWORK[1:]), "network", id="network of 15 bytes"),
    pytest.param(forge(k1=5), "network", id="network as a number"),
    pytest.param(forge(k2=AUTHOR[1:]), "author-key", id="author of 31 bytes"),
    pytest.param(forge(k2=AUTHOR.hex()), "author-key", id="author as text"),
    pytest.param(forge(k2=bytes(32)), "author-key", id="author of small order"),
    pytest.param(forge(k3=-1), "counter", id="counter -1"),
    pytest.param(forge(k3=MAX_UINT53 + 1), "counter", id="counter 2^53"),
    pytest.param(forge(k3=True), "counter", id="counter true"),
    pytest.param(forge(k4=3), "head", id="head as a number"),
    pytest.param(forge(k4=[3]), "head", id="head without an id"),
    pytest.param(forge(k4=[3, HEAD.id, 0]), "head", id="head of three"),
    pytest.param(forge(k4=[3, HEAD.id[1:]]), "head", id="head id of 31 bytes"),
    pytest.param(forge(k4=[-1, HEAD.id]), "head", id="head seq -1"),
    pytest.param(forge(k4=[MAX_UINT53 + 1, HEAD.id]), "head", id="head seq 2^53"),
    pytest.param(forge(k5=-1), "free-slots", id="slots -1"),
    pytest.param(forge(k5=65_536), "free-slots", id="slots 65536"),
    pytest.param(forge(k6=-1), "load", id="load -1"),
    pytest.param(forge(k6=1_001), "load", id="load 1001"),
    pytest.param(forge(k6=None), "load", id="no load"),
    pytest.param(forge(k7=None), "beat-claims", id="no claims"),
    pytest.param(forge(k7=[[1]]), "beat-claims", id="a claim of one"),
    pytest.param(forge(k7=[[1, 2, 3]]), "beat-claims", id="a claim of three"),
    pytest.param(forge(k7=[5]), "beat-claims", id="a claim as a number"),
    pytest.param(forge(k7=[[-1, 0]]), "beat-claims", id="a claim at -1"),
    pytest.param(forge(k7=[[1, 1_001]]), "beat-claims", id="progress 1001"),
    pytest.param(forge(k7=[[1, 0], [1, 0]]), "beat-claims", id="a claim twice"),
    pytest.param(forge(k7=[[2, 0], [1, 0]]), "beat-claims", id="claims out of order"),
    pytest.param(forge(k7=[[n, 0] for n in range(101)]), "beat-claims", id="101 claims"),
    pytest.param(forge(k8=0), "beat-keys", id="a ninth key"),
    pytest.param(wrap(cbor2.dumps({k: FIELDS[k] for k in range(7)})), "beat-keys", id="seven keys"),
    pytest.param(wrap(cbor2.dumps([1])), "beat-keys", id="an array"),
    pytest.param(wrap(VALID.payload + b"\0"), "not-deterministic", id="payload with a tail"),
    pytest.param(wrap(VALID.payload, bytes(63)), "outer", id="signature of 63 bytes"),
    pytest.param(cbor2.dumps([VALID.payload]), "outer", id="no signature"),
    pytest.param(cbor2.dumps([VALID.payload, VALID.signature, 0]), "outer", id="three items"),
    pytest.param(cbor2.dumps(["x", VALID.signature]), "outer", id="payload as text"),
    pytest.param(cbor2.dumps(5), "outer", id="a number"),
    pytest.param(VALID.wire + b"\0", "not-deterministic", id="a tail"),
    pytest.param(VALID.wire[:-1], "encoding", id="cut short"),
    pytest.param(b"", "encoding", id="nothing"),
    pytest.param(bytes(MAX_BEAT_BYTES + 1), "too-large", id="1001 bytes"),
])
def test_each_defect_of_a_beat_has_its_name(wire: bytes, reason: str) -> None:
    assert reason_of(wire) == reason


def check_changed(wire: bytes) -> None:
    try:
        beat = parse_beat(wire)
    except Malformed:
        return
    assert beat.wire == wire
    assert not beat.verifies(keys.verify)


def test_every_byte_changed_is_noticed() -> None:
    for place in range(len(VALID.wire)):
        flips = range(1, 256) if place < 12 or place % 11 == 0 else (0x01, 0x80)
        for flip in flips:
            changed = bytearray(VALID.wire)
            changed[place] ^= flip
            check_changed(bytes(changed))


@given(st.binary(max_size=300))
def test_any_bytes_are_malformed_or_unsigned(data: bytes) -> None:
    check_changed(data)


ITEMS = st.none() | st.booleans() | st.integers() | st.binary(max_size=33) | st.text(max_size=5)


LISTS = st.lists(ITEMS | st.lists(ITEMS, max_size=3), max_size=3)


@given(st.dictionaries(st.integers(0, 8), ITEMS | LISTS, max_size=3))
def test_any_signed_payload_is_malformed_or_a_beat(fields: dict[int, Any]) -> None:
    wire = wrap(cbor2.dumps(FIELDS | fields, canonical=True))
    try:
        beat = parse_beat(wire)
    except Malformed:
        return
    assert beat.wire == wire
    assert beat.verifies(keys.verify) == (beat.author == AUTHOR)
