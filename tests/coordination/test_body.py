from __future__ import annotations

import hashlib
from typing import Any

import pytest

from antsp2p.coordination.body import (
    MAX_INLINE_BYTES,
    Announce,
    Award,
    BlobRef,
    Body,
    Cancel,
    CancelReason,
    Claim,
    Dispute,
    Mark,
    Offer,
    Outcome,
    RecordType,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
    Vouch,
    body_map,
    content_hash,
    named_ids,
    parse_body,
    read_body,
)
from antsp2p.coordination.fields import MAX_TEXT_BYTES, is_capability_name
from antsp2p.records.keys import Identity
from antsp2p.records.record import MAX_RECORD_BYTES, NO_PREV, Record, parse_record, sign_record

TASK, CLAIM, RESULT, OTHER = (bytes((n,)) * 32 for n in (1, 2, 3, 4))
ME = Identity.from_seed(bytes(32))

PLAIN: list[Body] = [
    Announce("text.count"),
    Offer("text.count", 1_000, 0, 3, input=b""),
    Claim(TASK, 0),
    Award(TASK, CLAIM),
    Reopen(TASK, 0),
    Result(TASK, CLAIM, Outcome.DONE, b""),
    Verdict(TASK, CLAIM, RESULT, True, content_hash(b"")),
    Cancel(TASK, CancelReason.EXHAUSTED),
    Dispute(TASK, CLAIM, RESULT),
    Vouch(OTHER),
    Mark("site.lab"),
]
FULL: list[Body] = [
    Announce("text.count", 0, True, "counts words", "ann", bytes(32)),
    Offer("text.count", 1_000, 150, 3, blob=BlobRef(OTHER, 9), media_type="text/plain; charset=x",
          timeout_ms=60_000, review=True, cost=7, idempotency_key=b"k", after=(1, 2, 9),
          holder_only=True),
    Reopen(TASK, 3, CLAIM, ReopenReason.LAPSED, (CLAIM, RESULT), "no sign of life"),
    Result(TASK, CLAIM, Outcome.FAILED, blob=BlobRef(OTHER, 0), media_type="image/png",
           error="é" * 150),
    Verdict(TASK, CLAIM, RESULT, False, content_hash(b"4"), "wrong"),
    Cancel(TASK, CancelReason.REQUESTER, "changed my mind"),
    Dispute(TASK, CLAIM, RESULT, "it was there in time"),
    Mark("site.lab", "é" * 150, 2_592_000_000),
    Vouch(OTHER, 9, 30, "text.count", "we work in one office"),
]


def signed(type_: int, body: dict[int, Any]) -> Record:
    return sign_record(ME, network=bytes(16), seq=1, prev=NO_PREV, type=type_, body=body,
                       claimed_ms=0)


def parsed(type_: int, body: dict[int, Any]) -> Body | None:
    """Through the wire and back, as a stranger reads it."""
    return parse_body(parse_record(signed(type_, body).wire))


def ids(body: Body) -> str:
    return type(body).__name__


@pytest.mark.parametrize("body", [*PLAIN, *FULL], ids=ids)
def test_a_body_comes_back_as_it_was(body: Body) -> None:
    assert parsed(body.type, body_map(body)) == body


@pytest.mark.parametrize("body", PLAIN, ids=ids)
def test_optional_fields_at_their_default_are_left_out(body: Body) -> None:
    required = {key for key, (_, _, is_required) in body.shape.items() if is_required}
    content = {5} if isinstance(body, Offer) else {3} if isinstance(body, Result) else set()
    assert body_map(body).keys() == required | content


@pytest.mark.parametrize("body", PLAIN, ids=ids)
def test_unknown_keys_up_to_15_make_void_and_from_16_are_ignored(body: Body) -> None:
    for key in range(16):
        if key not in body.shape:
            assert parsed(body.type, {**body_map(body), key: 0}) is None
    for key in range(16, 24):
        assert parsed(body.type, {**body_map(body), key: [{0: b"anything"}]}) == body


@pytest.mark.parametrize("body", PLAIN, ids=ids)
def test_a_missing_field_makes_void(body: Body) -> None:
    for key in body_map(body):
        shorter = {k: value for k, value in body_map(body).items() if k != key}
        assert parsed(body.type, shorter) is None


@pytest.mark.parametrize("body", [*PLAIN, *FULL], ids=ids)
def test_a_field_of_another_kind_makes_void(body: Body) -> None:
    for key, value in body_map(body).items():
        for wrong in (None, True, -1, 2**62, b"?" * 401, "?", "x" * 400, [], [1], {}, {0: 1}):
            if type(wrong) is not type(value):
                assert parsed(body.type, {**body_map(body), key: wrong}) is None


@pytest.mark.parametrize(("body", "key", "value"), [
    (PLAIN[0], 1, "Text"), (PLAIN[0], 1, "a..b"), (PLAIN[0], 1, ""), (PLAIN[0], 1, "a\n"),
    (PLAIN[0], 1, "a" * 65), (PLAIN[0], 2, 10_001), (PLAIN[0], 4, "x" * 301),
    (PLAIN[0], 6, bytes(31)), (PLAIN[1], 2, 499), (PLAIN[1], 2, 86_400_001),
    (PLAIN[1], 3, 60_001), (PLAIN[1], 4, 0), (PLAIN[1], 4, 1_001), (PLAIN[1], 7, ""),
    (PLAIN[1], 7, "text/plain\n"), (PLAIN[1], 10, 0), (PLAIN[1], 11, b""),
    (PLAIN[1], 11, bytes(33)), (PLAIN[1], 12, []), (PLAIN[1], 12, [2, 1]), (PLAIN[1], 12, [1, 1]),
    (PLAIN[1], 12, [0]), (PLAIN[1], 12, list(range(1, 18))), (PLAIN[1], 5, bytes(401)),
    (PLAIN[1], 6, [OTHER, 1]), (PLAIN[2], 0, bytes(31)), (PLAIN[2], 1, -1), (PLAIN[2], 1, 2**53),
    (PLAIN[4], 3, 256), (PLAIN[4], 4, [RESULT, CLAIM]), (PLAIN[4], 4, [CLAIM, CLAIM]),
    (PLAIN[5], 2, 2), (PLAIN[5], 4, [OTHER, 1]), (PLAIN[6], 3, 1), (PLAIN[6], 4, bytes(31)),
    (PLAIN[7], 1, 256), (PLAIN[8], 2, bytes(31)), (PLAIN[9], 1, bytes(31)), (PLAIN[9], 2, 0),
    (PLAIN[9], 2, 1_001), (PLAIN[9], 3, 367), (PLAIN[9], 4, "Text"), (PLAIN[9], 5, "x" * 301),
    (PLAIN[10], 1, "Site"), (PLAIN[10], 2, "x" * 301), (PLAIN[10], 3, 2_592_000_001),
])
def test_values_out_of_range_make_void(body: Body, key: int, value: Any) -> None:
    assert parsed(body.type, {**body_map(body), key: value}) is None


@pytest.mark.parametrize("blob", [
    [OTHER], [OTHER, 1, 2], [bytes(31), 1], [OTHER, -1], [OTHER, 16 * 1024 * 1024 + 1],
    [OTHER, True], OTHER,
])
def test_a_blob_is_a_hash_and_a_bounded_size(blob: Any) -> None:
    body = {key: value for key, value in body_map(PLAIN[1]).items() if key != 5}
    assert parsed(RecordType.OFFER, {**body, 6: blob}) is None
    assert parsed(RecordType.OFFER, {**body, 6: [OTHER, 16 * 1024 * 1024]}) is not None


def test_reserved_and_unknown_types_are_void() -> None:
    for type_ in (0, 13, 14, 65_535):
        assert parsed(type_, {0: TASK}) is None
        assert parsed(type_, {}) is None


def test_the_reason_for_a_void_body_is_named() -> None:
    assert read_body(99, {}) == (None, "type")
    assert read_body(RecordType.CLAIM, {0: TASK}) == (None, "epoch")
    assert read_body(RecordType.CLAIM, {0: TASK, 1: "x"}) == (None, "epoch")
    assert read_body(RecordType.CLAIM, {0: TASK, 1: 0, 5: 0}) == (None, "key 5")
    assert read_body(RecordType.CLAIM, {0: TASK, 1: 0}) == (Claim(TASK, 0), "")


def test_the_ids_in_a_body_are_its_causal_edges() -> None:
    assert [named_ids(body) for body in PLAIN] == [
        (), (), (TASK,), (TASK, CLAIM), (TASK,), (TASK, CLAIM), (TASK, CLAIM, RESULT), (TASK,),
        (TASK, CLAIM, RESULT), (), (),
    ]
    assert named_ids(FULL[2]) == (TASK, CLAIM)


def test_every_body_about_a_task_names_it_under_key_0() -> None:
    for body in PLAIN[2:9]:
        assert body.shape[0][0] == "task"


def test_a_result_is_named_by_the_hash_of_its_content() -> None:
    assert Result(TASK, CLAIM, 0, b"4").hash == hashlib.sha256(b"4").digest()
    assert Result(TASK, CLAIM, 0, blob=BlobRef(OTHER, 9)).hash == OTHER


def test_capability_names() -> None:
    for name in ("a", "text.wordcount", "a-b_c.9", "9"):
        assert is_capability_name(name)
    for name in ("", "A", "a ", ".a", "a.", "a--b", "ä", "a/b", "a" * 65):
        assert not is_capability_name(name)


def test_no_media_type_keeps_a_node_busy() -> None:
    # With a pattern that backtracks, each `;` doubles the time: this would not end.
    for end in ("\x01", " ", " ;"):
        hostile = ";a" * 48 + end
        read, wrong = read_body(
            Offer.type, {1: "work", 2: 1_000, 3: 0, 4: 1, 5: b"", 7: hostile})
        assert (read, wrong) == (None, "media_type")


@pytest.mark.parametrize(("text", "is_valid"), [
    ("text/plain", True), ("text/plain;charset=utf-8", True), ("text/plain; charset=utf-8", True),
    ("a;;b", True), ("a; b; c", True), ("a;", True), ("", False), ("; a", False), ("a ;b", False),
    ("a;  b", False), ("a; ; b", False), ("a b", False), ("a; ", False), ("a\n", False),
])
def test_media_types(text: str, is_valid: bool) -> None:
    read, _ = read_body(Offer.type, {1: "work", 2: 1_000, 3: 0, 4: 1, 5: b"", 7: text})
    assert (read is not None) == is_valid


def test_the_widest_bodies_that_a_node_signs_fit_a_record() -> None:
    text = "x" * MAX_TEXT_BYTES
    inline = bytes(MAX_INLINE_BYTES)
    top = 2**53 - 1
    name, media_type = "a" * 64, "m" * 100
    bodies: list[Body] = [
        Announce(name, 10_000, True, text, text, bytes(32)),
        Offer(name, 86_400_000, 60_000, 1_000, inline, None, media_type, 2_592_000_000, True,
              1_000, bytes(32), tuple(range(top - 15, top + 1))),
        Reopen(TASK, top, CLAIM, 255, tuple(bytes((n,)) * 32 for n in range(8)), ""),
        Reopen(TASK, top, CLAIM, 255, (CLAIM,), text),
        Result(TASK, CLAIM, Outcome.DONE, inline, None, media_type),
        Result(TASK, CLAIM, Outcome.FAILED, b"", None, media_type, text),
        Verdict(TASK, CLAIM, RESULT, False, OTHER, text),
        Cancel(TASK, 255, text),
    ]
    for body in bodies:
        record = sign_record(ME, network=bytes(16), seq=top, prev=OTHER, type=body.type,
                             body=body_map(body), claimed_ms=top)
        assert len(record.wire) <= MAX_RECORD_BYTES
        assert parse_body(record) == body
