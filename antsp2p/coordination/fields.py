"""The fields of a record's body: how the value of one is read.

Law: a value is of exactly the kind and size that its field says, or it is void. Which fields a
body has is not known here.
"""
from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from antsp2p.records.record import ID_BYTES

MAX_NAME_BYTES: Final = 64
"""A capability's name; it is shown in one column and hashed into ranks."""
MAX_TEXT_BYTES: Final = 300
"""Descriptions, reasons and the end of stderr; an error's gist fits, a record stays small."""
MAX_MEDIA_TYPE_BYTES: Final = 100

_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*\Z")
# Visible ASCII, with a space only after a `;` that something stands before. A text matches in one
# way alone: a pattern that backtracks would let one record stop every node for good.
_MEDIA_TYPE = re.compile(r"[\x21-\x7e]+(?:(?<=[\x21-\x7e];) [\x21-\x7e]+)*\Z")

VOID: Final = object()
"""What is read where a value does not fit."""
Read = Callable[[Any], Any]
"""A decoded value -> what it means, or `VOID`."""


def is_capability_name(text: str) -> bool:
    """Lower-case words and digits joined by `.`, `_` or `-`, at most 64 bytes."""
    return len(text.encode()) <= MAX_NAME_BYTES and _NAME.match(text) is not None


def uint(high: int, low: int = 0) -> Read:
    """A whole number from `low` to `high`."""
    return lambda value: value if type(value) is int and low <= value <= high else VOID


def bytes_of(size: int) -> Read:
    """Exactly `size` bytes."""
    return lambda value: value if type(value) is bytes and len(value) == size else VOID


def bytes_up_to(high: int, low: int = 0) -> Read:
    """Bytes, from `low` to `high` of them."""
    return lambda value: value if type(value) is bytes and low <= len(value) <= high else VOID


def read_text(value: Any) -> Any:
    """Words for people."""
    return value if type(value) is str and len(value.encode()) <= MAX_TEXT_BYTES else VOID


def read_media_type(value: Any) -> Any:
    """What kind of content it is."""
    return _known_media_type(value) if type(value) is str else VOID


@lru_cache(maxsize=256)
def _known_media_type(text: str) -> Any:
    """One and the same object for equal texts: many tasks are of one kind."""
    fits = len(text) <= MAX_MEDIA_TYPE_BYTES and _MEDIA_TYPE.match(text)
    return text if fits else VOID


def read_name(value: Any) -> Any:
    """A capability's name."""
    return _known_name(value) if type(value) is str else VOID


@lru_cache(maxsize=1_024)
def _known_name(text: str) -> Any:
    """One and the same object for equal names."""
    return text if is_capability_name(text) else VOID


def read_bool(value: Any) -> Any:
    """Yes or no."""
    return value if type(value) is bool else VOID


def ascending(read: Read, most: int) -> Read:
    """One to `most` different values, in order."""

    def read_list(value: Any) -> Any:
        if type(value) is not list or not 1 <= len(value) <= most:
            return VOID
        items = tuple(read(item) for item in value)
        if any(item is VOID for item in items):
            return VOID
        strictly = all(left < right for left, right in itertools.pairwise(items))
        return items if strictly else VOID

    return read_list


read_id: Final = bytes_of(ID_BYTES)
"""The id of a record, a key, a hash."""
