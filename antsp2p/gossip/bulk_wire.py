"""Logs over TCP: what a request for them and the chunks of its answer look like.

Law: bytes to values and back; nothing here knows a log, a link or a stream. A stranger's bytes
raise `Malformed` and nothing else.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from antsp2p.gossip.wire import MAX_AGE_MS, Entry, Range
from antsp2p.records.encoding import MAX_UINT53, Malformed, decode, encode
from antsp2p.records.keys import PUBLIC_KEY_BYTES
from antsp2p.records.record import MAX_RECORD_BYTES, NETWORK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOGS_VERSION: Final = 1
MAX_LOGS_RANGES: Final = 1_024
"""Authors in one request; who wants more asks again."""
MAX_LOGS_REQUEST_BYTES: Final = 54_299
"""1,024 ranges of at most 53 bytes and 27 around them; two bytes of length can say it."""
MAX_LOGS_CHUNK_BYTES: Final = 1 << 17
"""The longest stretch of which only the top is signed has 65,850 bytes, and must fit in one."""
CHUNK_LENGTH_BYTES: Final = 4
END: Final = b"\x80"
"""The empty chunk: the answer is over."""

_ENTRY_START: Final = b"\x82"


def encode_request(network: bytes, ranges: Iterable[Range]) -> bytes:
    """The request, without its length."""
    return encode([LOGS_VERSION, network, "logs", [list(asked) for asked in ranges]])


def parse_request(message: Sequence[Any], network: bytes) -> tuple[Range, ...]:
    """The ranges of a decoded request. Raises `Malformed("request")`."""
    if len(message) != 4 or type(message[3]) is not list or message[1] != network:
        raise Malformed("request")
    assert len(network) == NETWORK_BYTES
    ranges = tuple(_range(item) for item in message[3])
    if not 1 <= len(ranges) <= MAX_LOGS_RANGES:
        raise Malformed("request")
    if len({asked.author for asked in ranges}) < len(ranges):
        raise Malformed("request")
    return ranges


def _range(item: Any) -> Range:
    if type(item) is not list or len(item) != 3:
        raise Malformed("request")
    author, first, last = item
    if type(author) is not bytes or len(author) != PUBLIC_KEY_BYTES:
        raise Malformed("request")
    if type(first) is not int or type(last) is not int or not 1 <= first <= last <= MAX_UINT53:
        raise Malformed("request")
    return Range(author, first, last)


def encode_entry(age_ms: int, wire: bytes) -> bytes:
    """One record of a chunk: `[age_ms, record]`."""
    return b"".join((_ENTRY_START, _head(0x00, age_ms), _head(0x40, len(wire)), wire))


def join_chunk(entries: Sequence[bytes]) -> bytes:
    """A chunk of encoded entries, without its length."""
    return _head(0x80, len(entries)) + b"".join(entries)


def framed_chunk(chunk: bytes) -> bytes:
    """A chunk as it travels: its length in four bytes, big-endian, before it."""
    return len(chunk).to_bytes(CHUNK_LENGTH_BYTES, "big") + chunk


def _head(kind: int, value: int) -> bytes:
    """The deterministic CBOR head of `kind` (the major type's bits) and `value`."""
    if value < 24:
        return bytes((kind | value,))
    if value < 0x100:
        return bytes((kind | 24, value))
    if value < 0x10000:
        return bytes((kind | 25,)) + value.to_bytes(2, "big")
    if value < 0x100000000:
        return bytes((kind | 26,)) + value.to_bytes(4, "big")
    return bytes((kind | 27,)) + value.to_bytes(8, "big")


def parse_chunk(chunk: bytes) -> tuple[Entry, ...]:
    """The records of a chunk with their ages, each still unread. Raises `Malformed`."""
    items = decode(chunk, MAX_LOGS_CHUNK_BYTES)
    if type(items) is not list:
        raise Malformed("array")
    return tuple(_entry(item) for item in items)


def _entry(item: Any) -> Entry:
    if type(item) is not list or len(item) != 2:
        raise Malformed("array")
    age_ms, wire = item
    if type(age_ms) is not int or not 0 <= age_ms <= MAX_AGE_MS:
        raise Malformed("age")
    if type(wire) is not bytes or not 1 <= len(wire) <= MAX_RECORD_BYTES:
        raise Malformed("too-large")
    return Entry(age_ms, wire)
