"""Deterministic CBOR (RFC 8949 section 4.2.1), or rejected.

Law: one value has one encoding, and bytes that are not that encoding are `Malformed`. What is
absent on purpose: floats, tags, undefined, simple values, indefinite lengths, and map keys other
than the integers 0 to 23. Every one of them is a second way to say the same thing, or a way to
make the decoder build something that nobody asked for.
"""
from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import cbor2

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    parts: list[bytes] = []
    return b"".join(parts) if _put(value, 1, parts) else cbor2.dumps(value, canonical=True)


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
    # Bytes that say the same are longer, or have keys in another order: the size tells.
    if _size(value, 1 + inside) != len(data):
        raise Malformed("not-deterministic")
    return value


def load(data: bytes) -> Any:
    """The value of bytes that `decode` has accepted before."""
    return cbor2.loads(data)


def _head(major: int, argument: int) -> bytes:
    """The first bytes of an item: its kind, and its number or size."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    size = 1 if argument < 1 << 8 else 2 if argument < 1 << 16 else 4 if argument < 1 << 32 else 8
    return bytes((major << 5 | 23 + size.bit_length(),)) + argument.to_bytes(size, "big")


# Nearly all numbers and sizes are small, and a look is cheaper than a call.
_INTS: Final = tuple(_head(0, number) for number in range(256))
_SIZES: Final = tuple(_head(2, size) for size in range(1_024))
_TEXTS: Final = tuple(_head(3, size) for size in range(256))
_LISTS: Final = tuple(_head(4, size) for size in range(256))
_UINT16: Final = struct.Struct(">BH").pack


def uint_item(value: int) -> bytes:
    """The encoding of an unsigned integer of at most 64 bits."""
    if value < 256:
        return _INTS[value]
    return _UINT16(0x19, value) if value < 65_536 else _head(0, value)


def array_head(size: int) -> bytes:
    """What stands before the items of an array."""
    return _LISTS[size] if size < 256 else _head(4, size)


def _put(value: Any, depth: int, parts: list[bytes]) -> bool:
    """Append the encoding of a value whose outermost container is the `depth`-th.

    False where the keys of a map do not ascend; then the parts are no encoding. Raises `Malformed`
    where the value is outside the allowed set. (The library asks of every list, at some length,
    whether it is a sequence, and sorts maps that are sorted.)
    """
    kind = type(value)
    if kind is bytes:
        size = len(value)
        parts.append(_SIZES[size] if size < 1_024 else _head(2, size))
        parts.append(value)
        return True
    if kind is int:
        if 0 <= value < 256:
            parts.append(_INTS[value])
        elif not MIN_INT <= value <= MAX_INT:
            raise Malformed("integer-range")
        else:
            parts.append(_head(0, value) if value > 0 else _head(1, -1 - value))
        return True
    if kind is bool or value is None:
        parts.append(b"\xf6" if value is None else b"\xf5" if value else b"\xf4")
        return True
    if kind is str:
        encoded = _text(value)
        size = len(encoded)
        parts.append(_TEXTS[size] if size < 256 else _head(3, size))
        parts.append(encoded)
        return True
    if kind is not dict and not isinstance(value, (list, tuple)):
        raise Malformed("value-kind")
    if depth > MAX_DEPTH:
        raise Malformed("depth")
    return (_put_map if kind is dict else _put_list)(value, depth, parts)


def _put_list(value: Sequence[Any], depth: int, parts: list[bytes]) -> bool:
    """What `_put` does, of a list."""
    parts.append(array_head(len(value)))
    ascending = True
    for item in value:
        # Most of all that is ever written are these two, and a call costs more than they do.
        kind = type(item)
        if kind is int and 0 <= item < 65_536:
            parts.append(_INTS[item] if item < 256 else _UINT16(0x19, item))
        elif kind is bytes and len(item) < 1_024:
            parts.append(_SIZES[len(item)])
            parts.append(item)
        elif not _put(item, depth + 1, parts):
            ascending = False
    return ascending


def _put_map(value: dict[Any, Any], depth: int, parts: list[bytes]) -> bool:
    """What `_put` does, of a map."""
    parts.append(_head(5, len(value)))
    ascending = True
    last = -1
    for key, item in value.items():
        if type(key) is not int or not 0 <= key <= MAX_KEY:
            raise Malformed("map-key")
        ascending = ascending and key > last
        last = key
        parts.append(_INTS[key])
        kind = type(item)
        if kind is int and 0 <= item < 65_536:
            parts.append(_INTS[item] if item < 256 else _UINT16(0x19, item))
        elif kind is bytes and len(item) < 1_024:
            parts.append(_SIZES[len(item)])
            parts.append(item)
        elif not _put(item, depth + 1, parts):
            ascending = False
    return ascending


_UNORDERED: Final = 1 << 40
"""What is added to the size of a map whose keys do not ascend: more than any data has."""


def _size(value: Any, depth: int) -> int:
    """How long the encoding is of a value that was read, its outermost container the `depth`-th.

    Nothing else that reads as the value is as short: not one head in it could be shorter, and
    what is not in a head has one form. More than `_UNORDERED` where the keys of a map do not
    ascend. Raises `Malformed` where the value is outside the allowed set.
    """
    kind = type(value)
    if kind is bytes:
        return _headed(len(value))
    if kind is int:
        if not MIN_INT <= value <= MAX_INT:
            raise Malformed("integer-range")
        return _head_size(value if value >= 0 else -1 - value)
    if kind is bool or value is None:
        return 1
    if kind is str:
        return _headed(len(value) if value.isascii() else len(_text(value)))
    if kind is not dict and kind is not list:
        raise Malformed("value-kind")
    if depth > MAX_DEPTH:
        raise Malformed("depth")
    size = _head_size(len(value))
    if kind is dict:
        last = -1
        for key, item in value.items():
            if type(key) is not int or not 0 <= key <= MAX_KEY:
                raise Malformed("map-key")
            size += 1 if key > last else _UNORDERED
            last = key
            kind = type(item)
            if kind is bytes:
                length = len(item)
                size += length + (1 if length < 24 else 2 if length < 256 else _head_size(length))
            elif kind is int and 0 <= item < 65_536:
                size += 1 if item < 24 else 2 if item < 256 else 3
            else:
                size += _size(item, depth + 1)
        return size
    for item in value:
        # Most of all that is ever read are these two, and a call costs more than they do.
        kind = type(item)
        if kind is bytes:
            length = len(item)
            size += length + (1 if length < 24 else 2 if length < 256 else _head_size(length))
        elif kind is int and 0 <= item < 65_536:
            size += 1 if item < 24 else 2 if item < 256 else 3
        else:
            size += _size(item, depth + 1)
    return size


def _headed(length: int) -> int:
    """How long bytes are with their head."""
    return length + _head_size(length)


def _head_size(argument: int) -> int:
    if argument < 24:
        return 1
    return 2 if argument < 1 << 8 else 3 if argument < 1 << 16 else 5 if argument < 1 << 32 else 9


def _text(value: str) -> bytes:
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("text") from error
