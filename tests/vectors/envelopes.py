"""Keys, records and beats: the envelopes that are signed, with every single defect."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cbor2

from antsp2p.records.beat import BEAT_DOMAIN, parse_beat, sign_beat
from antsp2p.records.encoding import MAX_UINT53
from antsp2p.records.record import NO_PREV, parse_record, sign_record
from tests.vectors.common import (
    NETWORK,
    OTHER_NETWORK,
    Case,
    byte_string,
    case,
    chain,
    identity,
    outer,
    signed,
    spoiled,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from antsp2p.records.beat import Beat
    from antsp2p.records.record import Record

_P = 2**255 - 19
_GONE = object()


def _refs(count: int) -> list[bytes]:
    return [bytes((index + 1,)) * 32 for index in range(count)]


# --- keys ----------------------------------------------------------------------------------------


def keys() -> dict[str, list[Case]]:
    """Public keys that are acceptable or not, and signatures."""

    def key(y: int, sign: int = 0) -> bytes:
        return (y | sign << 255).to_bytes(32, "little")

    order_eight = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
    order_eight_too = bytes.fromhex(
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    public_keys = [
        ("a plain key", "a key made from a seed", identity("ada").author, True),
        ("y = 0", "a point of order 4", key(0), False),
        ("y = 0, sign set", "a point of order 4", key(0, 1), False),
        ("y = 1", "the neutral element", key(1), False),
        ("y = 1, sign set", "the neutral element with a sign that it does not have", key(1, 1),
         False),
        ("y = -1", "the point of order 2", key(_P - 1), False),
        ("order 8", "a point of order 8", order_eight, False),
        ("order 8, sign set", "a point of order 8", order_eight[:31] + b"\xfa", False),
        ("order 8 too", "a point of order 8", order_eight_too, False),
        ("order 8 too, sign set", "a point of order 8", order_eight_too[:31] + b"\x85", False),
        ("y = p", "zero, written another way", key(_P), False),
        ("y = p + 1", "one, written another way", key(_P + 1), False),
        ("y = 2^255 - 1", "the largest that is not canonical", key(2**255 - 1), False),
        ("y = 2", "canonical; not on the curve, so that nothing verifies under it", key(2), True),
        ("31 bytes", "a key has 32 bytes", identity("ada").author[:31], False),
        ("33 bytes", "a key has 32 bytes", identity("ada").author + b"\0", False),
    ]
    seed, message = bytes(range(32)), b"antsp2p/1/sig\0" + bytes(5)
    return {
        "public_keys": [
            case(name, why, public_key=data, acceptable=acceptable)
            for name, why, data, acceptable in public_keys
        ],
        "signatures": [case(
            "a seed and its signature", "signing is deterministic (RFC 8032)", seed=seed,
            public_key=identity_of(seed).author, message=message,
            signature=identity_of(seed).sign(message),
        )],
    }


def identity_of(seed: bytes) -> Any:
    """The identity of a seed."""
    return type(identity("ada")).from_seed(seed)


# --- records -------------------------------------------------------------------------------------


def _payload(**changes: Any) -> dict[int, Any]:
    plain = {
        "version": 1, "network": NETWORK, "author": identity("ada").author, "seq": 1,
        "prev": NO_PREV, "refs": [], "type": 1, "body": {1: "text.wordcount"}, "claimed_ms": 0,
    }
    merged = plain | changes
    return {
        key: value for key, value in enumerate(merged.values()) if value is not _GONE
    }


def _made(**changes: Any) -> bytes:
    return signed("ada", cbor2.dumps(_payload(**changes), canonical=True))


def _valid_records() -> list[tuple[str, str, bytes]]:
    first = chain(1)[0]
    grown = sign_record(
        identity("ada"), network=NETWORK, seq=2, prev=first.id, refs=_refs(8), type=3,
        body={0: bytes(32), 1: 0}, claimed_ms=1_700_000_000_000,
    )
    room = 1_000 - len(_made(body={5: b""}))
    return [
        ("first", "seq 1 stands on zeros", first.wire),
        ("second, eight refs", "as many refs as there may be", grown.wire),
        ("empty body", "a body may be an empty map", _made(body={})),
        ("unknown type", "the type is not the envelope's matter", _made(type=65_535)),
        ("type 0", "the lowest type", _made(type=0)),
        ("void body", "a defect of the body is no defect of the record", _made(body={1: 7})),
        ("largest seq", "2^53 - 1, on some prev", _made(seq=MAX_UINT53, prev=b"\1" * 32)),
        ("largest time", "2^53 - 1", _made(claimed_ms=MAX_UINT53)),
        ("body eight deep", "the payload counts as one, the body as two",
         _made(body={0: [[[[[[0]]]]]]})),
        ("as large as may be", "1,000 bytes in all", _made(body={5: bytes(room - 3)})),
        ("wrong signature", "well formed, but not signed: valid only as an ancestor",
         spoiled(first).wire),
        ("another network", "well formed; refused by nodes of this network",
         chain(1, network=OTHER_NETWORK)[0].wire),
    ]


def _field_defects() -> Iterable[tuple[str, str, bytes, str]]:
    ada, prev = identity("ada").author, b"\1" * 32
    refs = _refs(9)
    table: tuple[tuple[str, str, dict[str, Any], str], ...] = (
        ("version 0", "there was none", {"version": 0}, "version"),
        ("version 2", "not known here", {"version": 2}, "version"),
        ("version true", "true is not 1", {"version": True}, "version"),
        ("network of 15 bytes", "it has 16", {"network": NETWORK[:15]}, "network"),
        ("network as text", "it is a byte string", {"network": "n" * 16}, "network"),
        ("author of 31 bytes", "it has 32", {"author": ada[:31]}, "author"),
        ("author null", "there is always one", {"author": None}, "author"),
        ("author of small order", "one signature would verify many messages",
         {"author": bytes(32)}, "author-key"),
        ("author not canonical", "the neutral element, written another way",
         {"author": (_P + 1).to_bytes(32, "little")}, "author-key"),
        ("seq 0", "counting begins at 1", {"seq": 0}, "seq"),
        ("seq -1", "counting begins at 1", {"seq": -1}, "seq"),
        ("seq 2^53", "beyond what every language can hold", {"seq": 2**53, "prev": prev}, "seq"),
        ("seq true", "true is not 1", {"seq": True}, "seq"),
        ("prev of 31 bytes", "it has 32", {"prev": bytes(31)}, "prev"),
        ("prev at seq 1", "nothing stands below the first record", {"prev": prev}, "prev"),
        ("no prev at seq 2", "zeros only at seq 1", {"seq": 2}, "prev"),
        ("nine refs", "eight are the most", {"refs": refs}, "refs"),
        ("ref of 31 bytes", "an id has 32", {"refs": [bytes(31)]}, "refs"),
        ("refs not in order", "ascending as bytes", {"refs": refs[1::-1]}, "refs"),
        ("ref twice", "each once", {"refs": [refs[0], refs[0]]}, "refs"),
        ("ref to prev", "prev is named already", {"seq": 2, "prev": prev, "refs": [prev]}, "refs"),
        ("refs a map", "an array", {"refs": {0: refs[0]}}, "refs"),
        ("type -1", "types begin at 0", {"type": -1}, "type"),
        ("type 65536", "types end at 65535", {"type": 65_536}, "type"),
        ("body an array", "a map", {"body": []}, "body"),
        ("body null", "a map", {"body": None}, "body"),
        ("time -1", "there is no time before 1970", {"claimed_ms": -1}, "claimed-ms"),
        ("time 2^53", "beyond what every language can hold", {"claimed_ms": 2**53}, "claimed-ms"),
        ("no time", "all nine keys are there", {"claimed_ms": _GONE}, "envelope-keys"),
        ("no version", "all nine keys are there", {"version": _GONE}, "envelope-keys"),
        ("a tenth key", "exactly nine keys", {"more": 0}, "envelope-keys"),
        ("float in the body", "floats do not exist", {"body": {1: 1.5}}, "value-kind"),
        ("key 24 in the body", "keys end at 23", {"body": {24: 0}}, "map-key"),
        ("body nine deep", "one deeper than allowed", {"body": {0: [[[[[[[0]]]]]]]}}, "encoding"),
        ("integer 2^63 in the body", "one above the largest", {"body": {0: 2**63}},
         "integer-range"),
    )
    for name, why, changes, reason in table:
        yield name, why, _made(**changes), reason


def _outer_defects() -> Iterable[tuple[str, str, bytes, str]]:
    first = chain(1)[0]
    payload, signature = first.payload, first.signature
    unsorted = b"\xa9" + cbor2.dumps({1: NETWORK})[1:] + b"\x00\x01" + payload[21:]
    room = 1_000 - len(_made(body={5: b""}))
    yield "nothing", "no bytes", b"", "outer"
    yield "cut off", "the last byte is missing", first.wire[:-1], "outer"
    yield "a byte after", "one record, and then nothing", first.wire + b"\0", "outer"
    yield "three items", "payload and signature", b"\x83" + first.wire[1:] + b"\0", "outer"
    yield "signature of 63 bytes", "it has 64", outer(payload, signature[:63]), "outer"
    yield ("long head of the payload", "a length below 256 takes one byte",
           b"\x82\x59" + len(payload).to_bytes(2, "big") + payload + b"\x58\x40" + signature,
           "outer")
    yield ("long head of the signature", "64 takes one byte",
           b"\x82" + byte_string(payload) + b"\x59\x00\x40" + signature, "outer")
    yield "payload not in a byte string", "the payload is embedded as bytes", (
        b"\x82" + payload + b"\x58\x40" + signature), "outer"
    yield "payload of 23 bytes", "no payload is that short", outer(bytes(23), signature), "outer"
    yield "1,001 bytes", "one too many", _made(body={5: bytes(room - 2)}), "too-large"
    yield "payload unsorted", "keys ascend", signed("ada", unsorted), "not-deterministic"
    yield ("payload with a byte after", "one value, and then nothing",
           signed("ada", payload + b"\0"), "not-deterministic")
    yield "payload an array", "a map", signed("ada", cbor2.dumps([0] * 30)), "envelope-keys"
    yield ("payload not CBOR", "a break alone", signed("ada", b"\xff" * 30), "encoding")


def _record_case(name: str, why: str, wire: bytes) -> Case:
    record: Record = parse_record(wire)
    return case(
        name, why, wire=wire, id=record.id, network=record.network, author=record.author,
        seq=record.seq, prev=record.prev, refs=record.refs, type=record.type,
        claimed_ms=record.claimed_ms, signed=record.verifies(verify),
    )


def records() -> dict[str, list[Case]]:
    """Records, and bytes that are none."""
    return {
        "valid": [_record_case(*entry) for entry in _valid_records()],
        "invalid": [
            case(name, why, wire=wire, reason=reason)
            for name, why, wire, reason in (*_outer_defects(), *_field_defects())
        ],
    }


# --- beats ---------------------------------------------------------------------------------------


def _beat(**changes: Any) -> bytes:
    plain = {
        "version": 1, "network": NETWORK, "author": identity("bob").author, "counter": 1,
        "head": [0, bytes(32)], "free_slots": 0, "load": 0, "claims": [],
    }
    merged = plain | changes
    payload = {key: value for key, value in enumerate(merged.values()) if value is not _GONE}
    return signed("bob", cbor2.dumps(payload, canonical=True), BEAT_DOMAIN)


def _valid_beats() -> list[tuple[str, str, bytes]]:
    bob = identity("bob")
    full = sign_beat(
        bob, network=NETWORK, counter=3 << 32 | 9, head_seq=200, head=b"\7" * 32, free_slots=2,
        load=875, claims=[(seq, 500) for seq in range(100, 200)],
    )
    idle = parse_beat(_beat())
    return [
        ("idle", "an empty log, nothing held", idle.wire),
        ("a hundred claims", "as many as one beat may name", full.wire),
        ("widest", "every number at its largest", _beat(
            counter=MAX_UINT53, head=[MAX_UINT53, b"\xff" * 32], free_slots=65_535, load=1_000,
            claims=[[0, 0], [MAX_UINT53, 1_000]])),
        ("wrong signature", "well formed; dropped when its turn comes",
         outer(idle.payload, bytes(64))),
        ("a record's domain", "what was signed as a record is no beat",
         signed("bob", idle.payload)),
    ]


def _beat_defects() -> Iterable[tuple[str, str, bytes, str]]:
    table: tuple[tuple[str, str, dict[str, Any], str], ...] = (
        ("version 2", "not known here", {"version": 2}, "version"),
        ("network of 17 bytes", "it has 16", {"network": bytes(17)}, "network"),
        ("author of small order", "no such key is acceptable", {"author": bytes(32)},
         "author-key"),
        ("author of 31 bytes", "it has 32", {"author": bytes(31)}, "author-key"),
        ("counter -1", "counting begins at 0", {"counter": -1}, "counter"),
        ("counter 2^53", "beyond what every language can hold", {"counter": 2**53}, "counter"),
        ("head of one item", "seq and id", {"head": [1]}, "head"),
        ("head's id of 31 bytes", "it has 32", {"head": [1, bytes(31)]}, "head"),
        ("head's seq -1", "0 is the empty log", {"head": [-1, bytes(32)]}, "head"),
        ("slots 65536", "65535 are the most", {"free_slots": 65_536}, "free-slots"),
        ("load 1001", "thousandths", {"load": 1_001}, "load"),
        ("101 claims", "100 are the most", {"claims": [[seq, 0] for seq in range(101)]},
         "beat-claims"),
        ("claims not in order", "ascending by seq", {"claims": [[2, 0], [1, 0]]}, "beat-claims"),
        ("claim twice", "each once", {"claims": [[1, 0], [1, 1]]}, "beat-claims"),
        ("progress 1001", "thousandths", {"claims": [[1, 1_001]]}, "beat-claims"),
        ("claim of three items", "seq and progress", {"claims": [[1, 0, 0]]}, "beat-claims"),
        ("claims a map", "an array", {"claims": {}}, "beat-claims"),
        ("no claims", "all eight keys are there", {"claims": _GONE}, "beat-keys"),
        ("a ninth key", "exactly eight keys", {"more": 0}, "beat-keys"),
        ("claims too large", "1,000 bytes are the most", {
            "claims": [[2**40 + seq, 1_000] for seq in range(100)]}, "too-large"),
    )
    for name, why, changes, reason in table:
        yield name, why, _beat(**changes), reason
    idle = parse_beat(_beat())
    yield "cut off", "the last byte is missing", idle.wire[:-1], "encoding"
    yield "three items", "payload and signature", b"\x83" + idle.wire[1:] + b"\0", "outer"
    yield "signature of 63 bytes", "it has 64", outer(idle.payload, bytes(63)), "outer"
    yield "a byte after", "one beat, and then nothing", idle.wire + b"\0", "not-deterministic"


def _beat_case(name: str, why: str, wire: bytes) -> Case:
    beat: Beat = parse_beat(wire)
    return case(
        name, why, wire=wire, network=beat.network, author=beat.author, counter=beat.counter,
        head_seq=beat.head_seq, head=beat.head, free_slots=beat.free_slots, load=beat.load,
        claims=beat.claims, signed=beat.verifies(verify),
    )


def beats() -> dict[str, list[Case]]:
    """Beats, and bytes that are none."""
    return {
        "valid": [_beat_case(*entry) for entry in _valid_beats()],
        "invalid": [
            case(name, why, wire=wire, reason=reason)
            for name, why, wire, reason in _beat_defects()
        ],
    }
