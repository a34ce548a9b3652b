"""Datagrams: what they are by their first byte, and the frames within.

Law: what a datagram is can be told before anything is decoded or opened. What frames mean, and
whose session it is, is not known here.

The first byte is the version in its upper half and the kind in its lower. In every version a
HELLO is kind 1 and has the network's id behind that byte.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.gossip.limits import MAX_DATAGRAM_BYTES, MAX_FRAMES
from antsp2p.gossip.wire import WIRE_VERSION, Frame, parse_frame
from antsp2p.records.encoding import Malformed, decode
from antsp2p.records.record import NETWORK_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION: Final = WIRE_VERSION << 4
HELLO: Final = _VERSION | 1
WELCOME: Final = _VERSION | 2
CONFIRM: Final = _VERSION | 3
SEALED: Final = _VERSION | 4
GONE: Final = _VERSION | 5
COOKIE: Final = _VERSION | 6
_KINDS: Final = bytes((HELLO, WELCOME, CONFIRM, SEALED, GONE, COOKIE))

SESSION_ID_BYTES: Final = 4
COUNTER_BYTES: Final = 8
SEALED_HEADER_BYTES: Final = 1 + SESSION_ID_BYTES + COUNTER_BYTES
SEALED_BYTES: Final = SEALED_HEADER_BYTES + 16
"""What a sealed datagram has besides its frames."""
_ROOM: Final = MAX_DATAGRAM_BYTES - SEALED_BYTES - 2


def kind_of(data: bytes, network: bytes) -> int:
    """What a datagram is. Raises `Malformed`: "size", "datagram", or "version" for a node of this
    network that speaks another one, because that is what people ask about."""
    if not 0 < len(data) <= MAX_DATAGRAM_BYTES:
        raise Malformed("size")
    kind = data[0]
    if kind not in _KINDS:
        is_hello = kind & 0x0F == HELLO & 0x0F and data[1 : 1 + NETWORK_BYTES] == network
        raise Malformed("version" if is_hello else "datagram")
    return kind


def in_clear(data: bytes) -> tuple[int, bytes] | None:
    """The version and the network that a HELLO says it is of; None for whatever else it is.

    Of another version's datagrams nothing but these two is known.
    """
    if len(data) < 1 + NETWORK_BYTES or data[0] & 0x0F != HELLO & 0x0F:
        return None
    return data[0] >> 4, data[1 : 1 + NETWORK_BYTES]


def session_id(data: bytes) -> bytes:
    """Where a datagram to a session says to which; whatever it is."""
    return data[1 : 1 + SESSION_ID_BYTES]


def join_frames(frames: Sequence[bytes]) -> bytes:
    """The array of encoded frames: what is sealed. They must fit and be at most MAX_FRAMES."""
    count = len(frames)
    size = bytes((0x80 + count,)) if count < 24 else bytes((0x98, count))
    return size + b"".join(frames)


def pack(frames: Sequence[bytes]) -> list[bytes]:
    """`frames` in order in as few arrays, each for one datagram, as that order allows."""
    packed: list[bytes] = []
    batch: list[bytes] = []
    size = 0
    for frame in frames:
        if batch and (size + len(frame) > _ROOM or len(batch) >= MAX_FRAMES):
            packed.append(join_frames(batch))
            batch, size = [], 0
        batch.append(frame)
        size += len(frame)
    if batch:
        packed.append(join_frames(batch))
    return packed


def split_frames(plain: bytes) -> tuple[list[Frame], int]:
    """The frames of an opened datagram, and how many were of unknown types.

    Raises `Malformed` and nothing else. One malformed frame refuses the whole datagram.
    """
    values = decode(plain, MAX_DATAGRAM_BYTES)
    if type(values) is not list or len(values) > MAX_FRAMES:
        raise Malformed("datagram")
    parsed = [parse_frame(value) for value in values]
    known = [frame for frame in parsed if frame is not None]
    return known, len(parsed) - len(known)
