"""Deterministic CBOR: one value has one encoding."""
from __future__ import annotations

from typing import Any

from antsp2p.records.encoding import encode
from tests.vectors.common import Case, case, diagnostic

_VALID: tuple[tuple[str, str, Any], ...] = (
    ("zero", "the smallest integer", 0),
    ("23", "the last integer in one byte", 23),
    ("24", "the first integer in two bytes", 24),
    ("255", "the last integer in two bytes", 255),
    ("256", "the first integer in three bytes", 256),
    ("65536", "the first integer in five bytes", 65_536),
    ("2^32", "the first integer in nine bytes", 2**32),
    ("2^53-1", "the largest counter", 2**53 - 1),
    ("2^63-1", "the largest integer", 2**63 - 1),
    ("minus one", "negative integers count from -1", -1),
    ("-2^63", "the smallest integer of all", -(2**63)),
    ("false", "a simple value that exists", False),
    ("true", "a simple value that exists", True),
    ("null", "a simple value that exists", None),
    ("empty bytes", "a byte string may be empty", b""),
    ("bytes", "a byte string of 24 bytes has a two-byte head", bytes(range(24))),
    ("empty text", "a text may be empty", ""),
    ("text", "text is UTF-8", "ant"),
    ("text not normalised", "e and a combining accent stay two characters", "e\u0301"),
    ("text beyond the basic plane", "four bytes of UTF-8", "\U0001f41c"),
    ("zero in text", "U+0000 is a character like any other", "\0"),
    ("empty array", "an array may be empty", []),
    ("array", "items of every kind", [1, b"\x02", "3", [4], {5: 6}, True, None]),
    ("empty map", "a map may be empty", {}),
    ("map", "keys ascend", {0: "a", 10: "b", 23: "c"}),
    ("eight deep", "the deepest nesting", [[[[[[[[0]]]]]]]]),
    ("maps eight deep", "maps count like arrays", {0: {0: {0: {0: {0: {0: {0: {0: 0}}}}}}}}),
)

_INVALID: tuple[tuple[str, str, str, str], ...] = (
    ("nothing", "no bytes are no value", "", "encoding"),
    ("long zero", "0 has one byte", "1800", "not-deterministic"),
    ("long 23", "23 has one byte", "1817", "not-deterministic"),
    ("long 255", "255 has two bytes", "1900ff", "not-deterministic"),
    ("long 65535", "65535 has three bytes", "1a0000ffff", "not-deterministic"),
    ("long 2^32-1", "2^32-1 has five bytes", "1b00000000ffffffff", "not-deterministic"),
    ("long minus one", "-1 has one byte", "3800", "not-deterministic"),
    ("2^63", "one above the largest integer", "1b8000000000000000", "integer-range"),
    ("2^64-1", "far above the largest integer", "1bffffffffffffffff", "integer-range"),
    ("-2^63-1", "one below the smallest integer", "3b8000000000000000", "integer-range"),
    ("long bytes length", "a length of 1 has no second byte", "580100", "not-deterministic"),
    ("long text length", "a length of 1 has no second byte", "780161", "not-deterministic"),
    ("long array length", "a length of 0 has no second byte", "9800", "not-deterministic"),
    ("long map length", "a length of 0 has no second byte", "b800", "not-deterministic"),
    ("bytes cut off", "two bytes are promised, one comes", "4200", "encoding"),
    ("text cut off", "two bytes are promised, one comes", "6261", "encoding"),
    ("array cut off", "two items are promised, one comes", "8200", "encoding"),
    ("map cut off", "a key without its value", "a100", "encoding"),
    ("huge array", "a length is not believed before the items are there", "9b00000000ffffffff",
     "encoding"),
    ("huge bytes", "a length is not believed before the bytes are there", "5b7fffffffffffffff",
     "encoding"),
    ("bytes after", "one value, and then nothing", "0000", "not-deterministic"),
    ("break alone", "a break ends nothing here", "ff", "encoding"),
    ("indefinite bytes", "lengths are definite", "5f4100ff", "encoding"),
    ("indefinite text", "lengths are definite", "7f6161ff", "encoding"),
    ("indefinite array", "lengths are definite", "9f00ff", "encoding"),
    ("indefinite map", "lengths are definite", "bf0000ff", "encoding"),
    ("half float", "floats do not exist", "f93c00", "value-kind"),
    ("single float", "floats do not exist", "fa3f800000", "value-kind"),
    ("double float", "floats do not exist", "fb3ff0000000000000", "value-kind"),
    ("NaN", "floats do not exist", "f97e00", "value-kind"),
    ("undefined", "undefined does not exist", "f7", "value-kind"),
    ("simple 0", "other simple values do not exist", "e0", "value-kind"),
    ("simple 255", "other simple values do not exist", "f8ff", "value-kind"),
    ("false in two bytes", "false has one byte", "f814", "encoding"),
    ("date", "tags do not exist", "c074323031332d30332d32315432303a30343a30305a", "encoding"),
    ("epoch time", "tags do not exist", "c11a514b67b0", "encoding"),
    ("big integer", "tags do not exist", "c24101", "encoding"),
    ("pattern", "a tag that would build a regular expression", "d823613f", "encoding"),
    ("embedded CBOR", "tags do not exist", "d8184100", "value-kind"),
    ("shared reference", "a tag that would make a cycle", "d81c81d81d00", "encoding"),
    ("self-described", "tags do not exist", "d9d9f700", "encoding"),
    ("unsorted keys", "keys ascend", "a201000000", "not-deterministic"),
    ("repeated key", "each key once", "a200000001", "encoding"),
    ("key 24", "keys end at 23", "a1181800", "map-key"),
    ("negative key", "keys begin at 0", "a12000", "map-key"),
    ("text key", "keys are integers", "a1616100", "map-key"),
    ("bytes key", "keys are integers", "a1410000", "map-key"),
    ("true as key", "true is not 1", "a1f500", "map-key"),
    ("array as key", "keys are integers", "a18000", "map-key"),
    ("nine deep", "one deeper than allowed", "81" * 9 + "00", "encoding"),
    ("a thousand deep", "refused without following it", "81" * 1_000 + "00", "too-large"),
    ("bad UTF-8", "a continuation byte is missing", "62c328", "encoding"),
    ("surrogate", "half of a character is none", "63eda080", "encoding"),
    ("overlong UTF-8", "a slash in two bytes", "62c0af", "encoding"),
    ("reserved length", "additional information 28 means nothing", "1c", "encoding"),
)


def cases() -> dict[str, list[Case]]:
    """Values with their bytes, and bytes that are refused."""
    return {
        "valid": [
            case(name, why, bytes=encode(value), value=diagnostic(value))
            for name, why, value in _VALID
        ],
        "invalid": [
            case(name, why, bytes=digits, reason=reason) for name, why, digits, reason in _INVALID
        ],
    }
