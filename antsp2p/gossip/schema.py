"""Readers of frame fields: each takes a decoded value and gives it back checked.

Law: a value has the shape that its place asks for, or it is `Malformed`; nothing is converted and
nothing is repaired. What a field means is not known here.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from antsp2p.records.encoding import Malformed
from antsp2p.records.keys import PUBLIC_KEY_BYTES, is_acceptable_public_key

Read = Callable[[Any], Any]

_DIGITS: Final = frozenset("0123456789abcdef")


def octets(low: int, high: int | None = None) -> Read:
    """A byte string of `low` to `high` bytes, or of exactly `low`."""
    top = low if high is None else high

    def read(value: Any) -> bytes:
        if type(value) is not bytes or not low <= len(value) <= top:
            raise Malformed("frame-field")
        return value

    return read


def uint(high: int, low: int = 0) -> Read:
    """An integer from `low` to `high`."""

    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Malformed("frame-field")
        return value

    return read


def author(value: Any) -> bytes:
    """A public key that may sign."""
    if (
        type(value) is not bytes or len(value) != PUBLIC_KEY_BYTES
        or not is_acceptable_public_key(value)
    ):
        raise Malformed("frame-author")
    return value


def host(value: Any) -> bytes:
    """An IPv4 or IPv6 address."""
    if type(value) is not bytes or len(value) not in (4, 16):
        raise Malformed("frame-field")
    return value


def digits(high: int) -> Read:
    """Text of at most `high` lower-case hex digits."""

    def read(value: Any) -> str:
        if type(value) is not str or len(value) > high or not set(value) <= _DIGITS:
            raise Malformed("frame-field")
        return value

    return read


def either(kind: type, first: Read, other: Read) -> Read:
    """A value of `kind` by `first`, anything else by `other`."""

    def read(value: Any) -> Any:
        return first(value) if type(value) is kind else other(value)

    return read


def items(build: Callable[..., Any], readers: Sequence[Read], low: int, high: int) -> Read:
    """An array of `low` to `high` arrays, each with one value per reader."""

    def read(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or not low <= len(value) <= high:
            raise Malformed("frame-array")
        built = []
        for item in value:
            if type(item) is not list or len(item) != len(readers):
                raise Malformed("frame-array")
            built.append(build(*[reader(part) for reader, part in zip(readers, item, strict=True)]))
        return tuple(built)

    return read


def plain(reader: Read, low: int, high: int) -> Read:
    """An array of `low` to `high` plain values."""

    def read(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or not low <= len(value) <= high:
            raise Malformed("frame-array")
        return tuple([reader(item) for item in value])

    return read
