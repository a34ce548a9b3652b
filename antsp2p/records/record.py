"""The record: one signed entry of one author's log.

Law: the envelope is final. The signature is never hashed, so signing again is not a fork; the
network is inside what is signed, so a record cannot be carried to another. What a body means is
not known here.
"""
from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from antsp2p.records.encoding import MAX_UINT53, Malformed, decode, encode, load
from antsp2p.records.keys import (
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    Identity,
    Verify,
    is_acceptable_public_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Parse = Callable[[bytes], "Record"]
    """Makes the record of its wire bytes, as `parse_record` does."""

VERSION: Final = 1
MAX_RECORD_BYTES: Final = 1_000
"""A record fits a 1,200-byte datagram with room for the frame and a cipher's tag."""
MAX_REFS: Final = 8
MAX_TYPE: Final = 65_535
NETWORK_BYTES: Final = 16
ID_BYTES: Final = 32
NO_PREV: Final = bytes(ID_BYTES)

ID_DOMAIN: Final = b"antsp2p/1/id\0"
SIGNATURE_DOMAIN: Final = b"antsp2p/1/sig\0"

_ENVELOPE_KEYS: Final = frozenset(range(9))


class Record:
    """One record. `id` is its identity; two records with one id differ at most in signature.

    Made by `parse_record` and `sign_record` alone, and never changed. It holds the bytes that came
    and what is asked for often; the rest is read from the bytes, because a node holds many.
    """

    __slots__ = (
        "_body_at", "_claimed_at", "_prev_at", "_read", "author", "id", "network", "refs", "seq",
        "type", "wire",
    )

    def __init__(
        self, wire: bytes, network: bytes, author: bytes, seq: int, refs: tuple[bytes, ...],
        type: int, prev_at: int, body_at: int, claimed_at: int,
        read: dict[int, Any] | None = None,
    ) -> None:
        self.wire: Final = wire
        """The record as it travels and is stored: CBOR `[payload, signature]`."""
        self.id: Final = record_id(wire[3 if wire[1] == 0x58 else 4 : -_TAIL_BYTES])
        self.network: Final = network
        self.author: Final = author
        self.seq: Final = seq
        self.refs: Final = refs
        self.type: Final = type
        self._prev_at: Final = prev_at
        self._body_at: Final = body_at
        self._claimed_at: Final = claimed_at
        self._read = read
        """The body as it was read to check it, for whoever asks first."""

    def __repr__(self) -> str:
        return f"Record(author={self.author!r}, seq={self.seq}, type={self.type}, id={self.id!r})"

    @property
    def payload(self) -> bytes:
        return self.wire[_payload_at(self.wire) : -_TAIL_BYTES]

    @property
    def signature(self) -> bytes:
        return self.wire[-SIGNATURE_BYTES:]

    @property
    def prev(self) -> bytes:
        """The id of the author's record at `seq - 1`; zeros at seq 1."""
        start = self._prev_at
        return self.wire[start : start + ID_BYTES]

    @property
    def body(self) -> dict[int, Any]:
        """The body, no two callers' the same object."""
        read = self._read
        if read is not None:
            self._read = None
            return read
        body: dict[int, Any] = load(self.wire[self._body_at : self._claimed_at - 1])
        return body

    def rest(self) -> None:
        """The record stays, and what only its first reader needs is let go."""
        self._read = None

    @property
    def claimed_ms(self) -> int:
        claimed_ms = load(self.wire[self._claimed_at : -_TAIL_BYTES])
        assert isinstance(claimed_ms, int)
        return claimed_ms

    @property
    def signed_bytes(self) -> bytes:
        """The bytes that `signature` covers."""
        return SIGNATURE_DOMAIN + self.payload

    def verifies(self, verify: Verify) -> bool:
        """Whether the record's own signature verifies."""
        return verify(self.author, self.signature, self.signed_bytes)


def record_id(payload: bytes) -> bytes:
    """The 32-byte id of an encoded payload."""
    return hashlib.sha256(ID_DOMAIN + payload).digest()


def parse_record(wire: bytes) -> Record:
    """The record of `wire`, its envelope checked but not its signature, network or chain.

    The order is size, encoding, schema. Raises `Malformed` and nothing else.
    """
    return _parse_usual(wire) or parse_any_record(wire)


def author_in(wire: bytes) -> bytes:
    """Whose the record says it is, where its wire is as nearly all are; nothing else is looked at,
    so that it costs next to nothing."""
    head = 3 if wire[1:2] == b"\x58" else 4
    return wire[head + _AUTHOR_AT : head + _AUTHOR_AT + PUBLIC_KEY_BYTES]


def parse_any_record(wire: bytes) -> Record:
    """What `parse_record` does, for any wire and without its short cut."""
    if len(wire) > MAX_RECORD_BYTES:
        raise Malformed("too-large")
    fields = decode(_split(wire), MAX_RECORD_BYTES)
    if type(fields) is not dict or fields.keys() != _ENVELOPE_KEYS:
        raise Malformed("envelope-keys")
    return _checked(wire, fields)


def restore_record(wire: bytes) -> Record:
    """The record of a wire that `parse_record` has accepted before, as a node's own store holds it.

    The body is not checked again. Raises `Malformed` where the envelope is damaged.
    """
    return _parse_usual(wire, is_known=True) or parse_any_record(wire)


# --- the usual wire ------------------------------------------------------------------------------

_USUAL: Final = re.compile(
    rb"\x82(?:\x58[\x18-\xff]|\x59[\x01-\x03].)"
    rb"\xa9\x00%c\x01\x50(.{16})\x02\x58\x20(.{32})"
    rb"\x03([\x00-\x17]|\x18[\x18-\xff]|\x19(?!\x00)..|\x1a(?!\x00\x00).{4})"
    rb"\x04\x58\x20(.{32})\x05([\x80-\x88])((?:\x58\x20.{32})*)\x06([\x00-\x17])"
    rb"\x07(.*)\x08\x1b(?!\x00{4})\x00[\x00-\x1f].{6}\x58\x40.{64}" % VERSION,
    re.DOTALL,
)
"""A wire as nearly all are: a type of one byte, a seq below 2^32, claimed since 1970-02-19. Every
length but the outermost and every order of keys is as the encoding has it."""
_AUTHOR_AT: Final = 5 + NETWORK_BYTES + 3
_SEQ_AT: Final = _AUTHOR_AT + PUBLIC_KEY_BYTES + 1
_TAIL_BYTES: Final = 2 + SIGNATURE_BYTES
_USUAL_CLAIMED_BYTES: Final = 9


def _parse_usual(wire: bytes, *, is_known: bool = False) -> Record | None:
    """The record of a usual wire; None for any other, and for every wire that is malformed.

    An encoding ends where it says it does. So if what the pattern takes for the body is one
    encoded map, the bytes after it are what they seem, and there is no second way to read them.
    """
    size = len(wire)
    usual = _USUAL.fullmatch(wire) if size <= MAX_RECORD_BYTES else None
    if usual is None:
        return None
    network, author, seq_bytes, prev, refs_head, refs_bytes, type_byte, body = usual.groups()
    payload_at = _payload_at(wire)
    if int.from_bytes(wire[2:payload_at], "big") != size - payload_at - _TAIL_BYTES:
        return None
    known_author = _known_author(author)
    seq = seq_bytes[0] if len(seq_bytes) == 1 else int.from_bytes(seq_bytes[1:], "big")
    if known_author is None or seq == 0 or (seq == 1) != (prev == NO_PREV):
        return None
    refs: tuple[bytes, ...] = ()
    if len(refs_bytes) != (refs_head[0] - 0x80) * (2 + ID_BYTES):
        return None
    if refs_bytes:
        refs = tuple(
            refs_bytes[at : at + ID_BYTES] for at in range(2, len(refs_bytes), 2 + ID_BYTES)
        )
        if prev in refs or any(lower >= upper for lower, upper in pairwise(refs)):
            return None
    read = None
    if not is_known:
        try:
            read = decode(body, MAX_RECORD_BYTES, inside=1)
        except Malformed:
            return None
        if type(read) is not dict:
            return None
    return Record(
        wire, _known_network(network), known_author, seq, refs, type_byte[0], usual.start(4),
        usual.start(8), size - _TAIL_BYTES - _USUAL_CLAIMED_BYTES, read,
    )


@lru_cache(maxsize=4_096)
def _known_author(author: bytes) -> bytes | None:
    """One and the same object for equal keys, so that a log holds its author once."""
    return author if is_acceptable_public_key(author) else None


@lru_cache(maxsize=16)
def _known_network(network: bytes) -> bytes:
    return network


def _payload_at(wire: bytes) -> int:
    return 3 if wire[1] == 0x58 else 4


def _uint_bytes(value: int) -> int:
    """How long the encoding of an unsigned integer is."""
    if value < 24:
        return 1
    return 2 if value < 1 << 8 else 3 if value < 1 << 16 else 5 if value < 1 << 32 else 9


# --- any wire ------------------------------------------------------------------------------------


def _outer(payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x58, size)) if size < 256 else b"\x59" + size.to_bytes(2, "big")
    return b"\x82" + head + payload + b"\x58\x40"


def _split(wire: bytes) -> bytes:
    payload = wire[3 if wire[1:2] == b"\x58" else 4 : -_TAIL_BYTES]
    if len(payload) < 24 or _outer(payload) + wire[-SIGNATURE_BYTES:] != wire:
        raise Malformed("outer")
    return payload


def _checked(wire: bytes, fields: Mapping[int, Any]) -> Record:
    version, network, author, seq, prev, refs, type_, body, claimed_ms = (
        fields[key] for key in range(9)
    )
    if type(version) is not int or version != VERSION:
        raise Malformed("version")
    _need_bytes(network, NETWORK_BYTES, "network")
    _need_bytes(author, PUBLIC_KEY_BYTES, "author")
    if not is_acceptable_public_key(author):
        raise Malformed("author-key")
    _need_int(seq, 1, MAX_UINT53, "seq")
    _need_bytes(prev, ID_BYTES, "prev")
    if (seq == 1) != (prev == NO_PREV):
        raise Malformed("prev")
    _check_refs(refs, prev)
    _need_int(type_, 0, MAX_TYPE, "type")
    if type(body) is not dict:
        raise Malformed("body")
    _need_int(claimed_ms, 0, MAX_UINT53, "claimed-ms")
    prev_at = _payload_at(wire) + _SEQ_AT + _uint_bytes(seq) + 3
    type_at = prev_at + ID_BYTES + 2 + len(refs) * (2 + ID_BYTES) + 1
    return Record(
        wire, _known_network(network), author, seq, tuple(refs), type_, prev_at,
        type_at + _uint_bytes(type_) + 1, len(wire) - _TAIL_BYTES - _uint_bytes(claimed_ms),
    )


def _check_refs(refs: Any, prev: bytes) -> None:
    if type(refs) is not list or len(refs) > MAX_REFS:
        raise Malformed("refs")
    last = b""
    for ref in refs:
        _need_bytes(ref, ID_BYTES, "refs")
        if ref <= last or ref == prev:
            raise Malformed("refs")
        last = ref


def _need_bytes(value: Any, size: int, reason: str) -> None:
    if type(value) is not bytes or len(value) != size:
        raise Malformed(reason)


def _need_int(value: Any, low: int, high: int, reason: str) -> None:
    if type(value) is not int or not low <= value <= high:
        raise Malformed(reason)


def sign_record(
    identity: Identity,
    *,
    network: bytes,
    seq: int,
    prev: bytes,
    refs: Iterable[bytes] = (),
    type: int,
    body: Mapping[int, Any],
    claimed_ms: int,
) -> Record:
    """A new record at `seq` on top of `prev`; refs are put in order and made unique.

    Raises `Malformed` if a peer would refuse it: a body too large, a value outside the encoding.
    """
    payload = encode({
        0: VERSION, 1: network, 2: identity.author, 3: seq, 4: prev, 5: sorted(set(refs)),
        6: int(type), 7: dict(body), 8: claimed_ms,
    })
    signature = identity.sign(SIGNATURE_DOMAIN + payload)
    return parse_record(_outer(payload) + signature)
