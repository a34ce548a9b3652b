"""Datagrams: a header in clear layout, and the frames behind it.

Law: what a datagram is can be told from its first bytes, before anything is decoded. What frames
mean, and whose token it is, is not known here.

    datagram = [1, network: 16 B, token: 8 B, [* frame]]
"""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.limits import HELLO_BYTES, MAX_DATAGRAM_BYTES, MAX_FRAMES
from antsp2p.gossip.wire import (
    NO_TOKEN,
    TOKEN_BYTES,
    WIRE_VERSION,
    Frame,
    Hello,
    encode_frame,
    parse_frame,
)
from antsp2p.records.encoding import Malformed, decode
from antsp2p.records.record import NETWORK_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER_BYTES: Final = 3 + NETWORK_BYTES + 1 + TOKEN_BYTES


def header(network: bytes, token: bytes) -> bytes:
    """The first bytes of a datagram; the array of its frames follows."""
    return b"\x84\x01\x50" + network + b"\x48" + token


def join_frames(network: bytes, token: bytes, frames: Sequence[bytes]) -> bytes:
    """One datagram of encoded frames; they must fit and be at most MAX_FRAMES."""
    count = len(frames)
    size = bytes((0x80 + count,)) if count < 24 else bytes((0x98, count))
    return header(network, token) + size + b"".join(frames)


def pack(network: bytes, token: bytes, first: bytes, frames: Sequence[bytes]) -> list[bytes]:
    """`frames` in order in as few datagrams as that order allows, each opened by `first`."""
    room = MAX_DATAGRAM_BYTES - _HEADER_BYTES - 2 - len(first)
    opening = [first] if first else []
    packed: list[bytes] = []
    batch: list[bytes] = []
    size = 0
    for frame in frames:
        if batch and (size + len(frame) > room or len(batch) + len(opening) >= MAX_FRAMES):
            packed.append(join_frames(network, token, opening + batch))
            batch, size = [], 0
        batch.append(frame)
        size += len(frame)
    if batch:
        packed.append(join_frames(network, token, opening + batch))
    return packed


def split_header(data: bytes, network: bytes) -> bytes:
    """The token of a datagram of this version and `network`.

    Raises `Malformed`: "size", "datagram", "version" or "network"; each is told apart, because
    "why do these two nodes not see each other" is the question that people ask.
    """
    if len(data) > MAX_DATAGRAM_BYTES or len(data) <= _HEADER_BYTES:
        raise Malformed("size")
    if data[0] != 0x84 or data[1] > 0x17:
        raise Malformed("datagram")
    if data[1] != WIRE_VERSION:
        raise Malformed("version")
    if data[2] != 0x50 or data[3 + NETWORK_BYTES] != 0x48:
        raise Malformed("datagram")
    if data[3 : 3 + NETWORK_BYTES] != network:
        raise Malformed("network")
    return data[4 + NETWORK_BYTES : _HEADER_BYTES]


def bare_token(data: bytes) -> bytes:
    """Where a datagram has its token, whether it is a datagram of ours or not."""
    return data[4 + NETWORK_BYTES : _HEADER_BYTES]


def split_frames(data: bytes) -> tuple[list[Frame], int]:
    """The frames of a datagram whose header was accepted, and how many were of unknown types.

    Raises `Malformed` and nothing else. One malformed frame refuses the whole datagram.
    """
    values = decode(data[_HEADER_BYTES:], MAX_DATAGRAM_BYTES)
    if type(values) is not list or len(values) > MAX_FRAMES:
        raise Malformed("datagram")
    parsed = [parse_frame(value) for value in values]
    known = [frame for frame in parsed if frame is not None]
    return known, len(parsed) - len(known)


def hello_datagram(network: bytes, hello: Hello, size: int = HELLO_BYTES) -> bytes:
    """`hello`, whose padding is empty, padded to `size` exactly: not below MIN_HELLO_BYTES."""
    bare = len(join_frames(network, NO_TOKEN, [encode_frame(hello)]))
    # The padding's own length takes one or two bytes more than that of an empty string.
    room = size - bare - 1
    padded = replace(hello, padding=bytes(room if room < 256 else room - 1))
    return join_frames(network, NO_TOKEN, [encode_frame(padded)])
