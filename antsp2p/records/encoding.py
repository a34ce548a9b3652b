"""Deterministic CBOR (RFC 8949 section 4.2.1), or rejected.

Law: one value has one encoding, and bytes that are not that encoding are `Malformed`. What is
absent on purpose: floats, tags, undefined, simple values, indefinite lengths, and map keys other
than the integers 0 to 23. Every one of them is a second way to say the same thing, or a way to
make the decoder build something that nobody asked for.
"""
from __future__ import annotations

from typing import Any, Final

import cbor2

MAX_DEPTH: Final = 8
"""Containers inside containers; a record needs 4, and a bound keeps every walk shallow."""
MAX_KEY: Final = 23
"""Map keys are one byte each, so that length-first and bytewise key order agree."""
MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**63 - 1
MAX_UINT53: Final = 2**53 - 1
"""The largest counter: exact in a double, so peers in any language can hold it."""


class Malformed(ValueError):
    """A stranger's bytes are not what the protocol allows; `reason` is a stable short word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_CONTAINERS: Final = frozenset({list, tuple, dict})


def _refuse_tag(*_: object) -> Any:
    raise Malformed("tag")


# These are the tags that cbor2 would turn into objects (dates, patterns, addresses, shared
# references). They are refused before anything is built; the walk refuses all other tags.
_BUILT_IN_TAGS: Final = (
    *range(0, 6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799,
)
_TAG_DECODERS: Final = dict.fromkeys(_BUILT_IN_TAGS, _refuse_tag)


def encode(value: Any) -> bytes:
    """The one encoding of `value`.

    Raises `Malformed` where the value is outside the allowed set, so that nothing can be signed
    that a peer would refuse.
    """
    _walk(value, 1)
    # Sorting what is sorted costs more than all the rest; without maps there is nothing to sort.
    return cbor2.dumps(value, canonical=not _is_ascending(value))


def plain(value: Any) -> Any:
    """A value without maps as plain lists, which `encode_array` takes.

    Raises `Malformed` where it is outside the allowed set.
    """
    kind = type(value)
    if kind is bytes:
        return value
    if kind is int:
        if not MIN_INT <= value <= MAX_INT:
            raise Malformed("integer-range")
        return value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if kind is dict:
        raise Malformed("value-kind")
    _walk(value, MAX_DEPTH)
    return value


def encode_array(items: list[Any]) -> bytes:
    """The one encoding of an array of what `plain` gave."""
    return cbor2.dumps(items)


def decode(data: bytes, max_bytes: int, *, inside: int = 0) -> Any:
    """The value of `data`, which must be its deterministic encoding and at most `max_bytes` long.

    `inside` is the number of containers around it. Raises `Malformed` and nothing else, whatever
    the bytes.
    """
    if len(data) > max_bytes:
        raise Malformed("too-large")
    try:
        value = cbor2.loads(
            data,
            max_depth=MAX_DEPTH - inside,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_TAG_DECODERS,
        )
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Malformed("encoding") from error
    _walk(value, 1 + inside)
    # The value keeps the order of the bytes: ascending keys and equal bytes leave nothing open.
    if not _is_ascending(value) or cbor2.dumps(value) != data:
        raise Malformed("not-deterministic")
    return value


def load(data: bytes) -> Any:
    """The value of bytes that `decode` has accepted before."""
    return cbor2.loads(data)


def _is_ascending(value: Any) -> bool:
    """Whether the keys of every map in `value` ascend."""
    kind = type(value)
    if kind is dict:
        last = -1
        for key, item in value.items():
            if key <= last:
                return False
            last = key
            if type(item) in _CONTAINERS and not _is_ascending(item):
                return False
        return True
    if kind is list or kind is tuple:
        for item in value:
            if type(item) in _CONTAINERS and not _is_ascending(item):
                return False
    return True


def _walk(value: Any, depth: int) -> None:
    kind = type(value)
    if kind is bytes or kind is bool or value is None:
        return
    if kind is int:
        if not MIN_INT <= value <= MAX_INT:
            raise Malformed("integer-range")
    elif kind is str:
        _check_text(value)
    elif depth > MAX_DEPTH:
        raise Malformed("depth")
    elif kind is list or kind is tuple:
        for item in value:
            _walk(item, depth + 1)
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not int or not 0 <= key <= MAX_KEY:
                raise Malformed("map-key")
            _walk(item, depth + 1)
    else:
        raise Malformed("value-kind")


def _check_text(value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("text") from error
