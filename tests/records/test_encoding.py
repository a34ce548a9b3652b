from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from antsp2p.records.encoding import MAX_DEPTH, MAX_INT, MIN_INT, Malformed, decode, encode

LIMIT = 10_000
SCALARS = (
    st.none() | st.booleans() | st.integers(MIN_INT, MAX_INT) | st.binary(max_size=40)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 23), inner, max_size=4)


def values_of_depth(depth: int) -> st.SearchStrategy[Any]:
    return SCALARS if depth == 0 else SCALARS | containers(values_of_depth(depth - 1))


def reason_of(data: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        decode(data, LIMIT)
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


@given(values_of_depth(5))
def test_what_is_encoded_decodes_to_itself(value: Any) -> None:
    data = encode(value)
    decoded = decode(data, LIMIT)
    assert decoded == value
    assert encode(decoded) == data


@given(st.binary(max_size=60))
@example(b"")
def test_any_bytes_are_one_value_or_malformed(data: bytes) -> None:
    try:
        value = decode(data, LIMIT)
    except Malformed:
        return
    assert encode(value) == data


@given(values_of_depth(3), st.data())
def test_changed_bytes_are_another_value_or_malformed(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        changed = decode(bytes(encoded), LIMIT)
    except Malformed:
        return
    assert encode(changed) == bytes(encoded)


@pytest.mark.parametrize(("value", "encoded"), [
    (0, "00"), (23, "17"), (24, "1818"), (255, "18ff"), (256, "190100"), (65_536, "1a00010000"),
    (2**32, "1b0000000100000000"), (MAX_INT, "1b7fffffffffffffff"), (-1, "20"), (-25, "3818"),
    (MIN_INT, "3b7fffffffffffffff"), (b"", "40"), (b"\1", "4101"), ("", "60"), ("ü", "62c3bc"),
    ([], "80"), ([1, [2]], "82018102"), ({}, "a0"), ({1: 2, 0: None}, "a200f60102"),
    (False, "f4"), (True, "f5"), (None, "f6"),
])
def test_the_encoding_of_each_kind(value: Any, encoded: str) -> None:
    assert encode(value).hex() == encoded
    assert decode(bytes.fromhex(encoded), LIMIT) == value


@pytest.mark.parametrize(("data", "reason"), [
    pytest.param("1817", "not-deterministic", id="23 in two bytes"),
    pytest.param("190018", "not-deterministic", id="24 in three bytes"),
    pytest.param("1a00000100", "not-deterministic", id="256 in five bytes"),
    pytest.param("1b0000000000010000", "not-deterministic", id="65536 in nine bytes"),
    pytest.param("3817", "not-deterministic", id="-24 in two bytes"),
    pytest.param("580101", "not-deterministic", id="length of bytes not minimal"),
    pytest.param("780161", "not-deterministic", id="length of text not minimal"),
    pytest.param("980101", "not-deterministic", id="length of an array not minimal"),
    pytest.param("b8010001", "not-deterministic", id="length of a map not minimal"),
    pytest.param("a1180001", "not-deterministic", id="map key not minimal"),
    pytest.param("a201000000", "not-deterministic", id="unsorted keys"),
    pytest.param("a200000001", "encoding", id="duplicate keys"),
    pytest.param("a20000180001", "encoding", id="duplicate keys in two encodings"),
    pytest.param("a2010001f5", "encoding", id="duplicate keys with other values"),
    pytest.param("0000", "not-deterministic", id="a trailing value"),
    pytest.param("00ff", "not-deterministic", id="a trailing break"),
    pytest.param("80f9", "not-deterministic", id="a trailing piece"),
    pytest.param("", "encoding", id="nothing"),
    pytest.param("18", "encoding", id="integer cut short"),
    pytest.param("42ff", "encoding", id="bytes cut short"),
    pytest.param("8200", "encoding", id="array cut short"),
    pytest.param("a100", "encoding", id="map cut short"),
    pytest.param("f93c00", "value-kind", id="half float"),
    pytest.param("fa3f800000", "value-kind", id="single float"),
    pytest.param("fb3ff0000000000000", "value-kind", id="double float"),
    pytest.param("f97e00", "value-kind", id="not a number"),
    pytest.param("f97c00", "value-kind", id="infinity"),
    pytest.param("81f93c00", "value-kind", id="float in an array"),
    pytest.param("f7", "value-kind", id="undefined"),
    pytest.param("e0", "value-kind", id="simple 0"),
    pytest.param("f3", "value-kind", id="simple 19"),
    pytest.param("f820", "value-kind", id="simple 32"),
    pytest.param("f8ff", "value-kind", id="simple 255"),
    pytest.param("f814", "encoding", id="false in two bytes"),
    pytest.param("f818", "encoding", id="reserved simple 24"),
    pytest.param("5f4100ff", "encoding", id="indefinite bytes"),
    pytest.param("7f6161ff", "encoding", id="indefinite text"),
    pytest.param("9f00ff", "encoding", id="indefinite array"),
    pytest.param("bf0001ff", "encoding", id="indefinite map"),
    pytest.param("ff", "encoding", id="a lone break"),
    pytest.param("81ff", "encoding", id="a break for a value"),
    pytest.param("1c", "encoding", id="reserved length 28"),
    pytest.param("1f", "encoding", id="indefinite integer"),
    pytest.param("a1181800", "map-key", id="key 24"),
    pytest.param("a12000", "map-key", id="key -1"),
    pytest.param("a1616100", "map-key", id="text key"),
    pytest.param("a1410000", "map-key", id="bytes key"),
    pytest.param("a1f500", "map-key", id="true as a key"),
    pytest.param("a1f600", "map-key", id="null as a key"),
    pytest.param("61ff", "encoding", id="text that is not UTF-8"),
    pytest.param("62c080", "encoding", id="overlong UTF-8"),
    pytest.param("63eda080", "encoding", id="a surrogate in UTF-8"),
    pytest.param("64f4908080", "encoding", id="a character above U+10FFFF"),
    pytest.param("61c3", "encoding", id="UTF-8 cut short"),
    pytest.param("1b8000000000000000", "integer-range", id="2^63"),
    pytest.param("1bffffffffffffffff", "integer-range", id="2^64 - 1"),
    pytest.param("3b8000000000000000", "integer-range", id="-2^63 - 1"),
    pytest.param("3bffffffffffffffff", "integer-range", id="-2^64"),
    pytest.param("5bffffffffffffffff", "encoding", id="2^64 - 1 bytes"),
    pytest.param("5a7fffffff", "encoding", id="2^31 - 1 bytes"),
    pytest.param("7bffffffffffffffff", "encoding", id="text of 2^64 - 1"),
    pytest.param("9bffffffffffffffff", "encoding", id="array of 2^64 - 1"),
    pytest.param("9a7fffffff", "encoding", id="array of 2^31 - 1"),
    pytest.param("bbffffffffffffffff", "encoding", id="map of 2^64 - 1"),
])
def test_every_other_way_to_say_it_is_refused(data: str, reason: str) -> None:
    assert reason_of(bytes.fromhex(data)) == reason


def head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes((major << 5 | argument,))
    size = next(n for n in (0, 1, 2, 3) if argument < 256 ** (2**n))
    return bytes((major << 5 | 24 + size,)) + argument.to_bytes(2**size, "big")


CONTENTS = (b"\x00", b"\x41\x01", b"\x61a", b"\x80", b"\x82\x01\x01", b"\xa0", b"\xf5")


def test_no_tag_is_let_through() -> None:
    for tag in (*range(70_000), 2**32, 2**63, 2**64 - 1):
        assert reason_of(head(6, tag) + CONTENTS[tag % len(CONTENTS)]) in ("encoding", "value-kind")


def is_built_in(tag: int) -> bool:
    for content in CONTENTS:
        try:
            value = cbor2.loads(head(6, tag) + content)
        except cbor2.CBORError:
            return True
        if not isinstance(value, cbor2.CBORTag):
            return True
    return False


def test_nothing_is_built_for_a_tag_that_the_decoder_knows() -> None:
    # A tag that the decoder does not know is handed over as a tag and refused by the walk. One
    # that it knows must be refused before it makes an object: a date, a pattern, an address.
    known = [tag for tag in range(70_000) if is_built_in(tag)]
    assert {0, 1, 2, 4, 28, 29, 35, 37, 258, 260, 55_799} <= set(known)
    for tag in known:
        for content in CONTENTS:
            assert reason_of(head(6, tag) + content) == "encoding"


def test_eight_containers_may_be_nested_and_no_more() -> None:
    nested: Any = 0
    for _ in range(MAX_DEPTH):
        nested = [nested]
    data = b"\x81" * MAX_DEPTH + b"\x00"
    assert encode(nested) == data
    assert decode(data, LIMIT) == nested
    with pytest.raises(Malformed, match="depth"):
        encode([nested])
    assert reason_of(b"\x81" + data) == "encoding"
    assert reason_of(b"\x81" * MAX_DEPTH + b"\x80") == "depth"
    assert reason_of(b"\xa1\x00" * MAX_DEPTH + b"\xa0") == "depth"
    assert reason_of(b"\x81" * (LIMIT - 1) + b"\x00") == "encoding"


def test_size_is_checked_before_anything_is_decoded() -> None:
    data = encode(bytes(97))
    assert len(data) == 99
    assert decode(data, 99) == bytes(97)
    with pytest.raises(Malformed, match="too-large"):
        decode(data, 98)
    with pytest.raises(Malformed, match="too-large"):
        decode(b"\xff" * 99, 98)


class Word(str):
    __slots__ = ()


@pytest.mark.parametrize(("value", "reason"), [
    (1.0, "value-kind"), (float("nan"), "value-kind"), (MAX_INT + 1, "integer-range"),
    (MIN_INT - 1, "integer-range"), ("\ud800", "text"), ({24: 0}, "map-key"), ({-1: 0}, "map-key"),
    ({"a": 0}, "map-key"), ({True: 0}, "map-key"), ({1, 2}, "value-kind"),
    (cbor2.undefined, "value-kind"), (cbor2.CBORTag(0, "x"), "value-kind"),
    (bytearray(b"x"), "value-kind"), (Word("x"), "value-kind"), ([0, [1.5]], "value-kind"),
    ({0: {1: "\udfff"}}, "text"),
])
def test_what_a_peer_would_refuse_is_not_encoded(value: Any, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        encode(value)
    assert caught.value.reason == reason
