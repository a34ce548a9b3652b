"""The record: one signed entry of one author's log.

Law: the envelope is final. The signature is never hashed, so signing again is not a fork; the
network is inside what is signed, so a record cannot be carried to another. What a body means is
not known here.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from antsp2p.records.encoding import MAX_UINT53, Malformed, decode, encode
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


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One record. `id` is its identity; two records with one id differ at most in signature."""

    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    id: bytes
    network: bytes = field(repr=False)
    author: bytes
    seq: int
    prev: bytes = field(repr=False)
    refs: tuple[bytes, ...]
    type: int
    body: Mapping[int, Any]
    claimed_ms: int

    @property
    def wire(self) -> bytes:
        """The record as it travels and is stored: CBOR `[payload, signature]`."""
        return _outer(self.payload) + self.signature

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


def _outer(payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x58, size)) if size < 256 else b"\x59" + size.to_bytes(2, "big")
    return b"\x82" + head + payload + b"\x58\x40"


def parse_record(wire: bytes) -> Record:
    """The record of `wire`, its envelope checked but not its signature, network or chain.

    The order is size, encoding, schema. Raises `Malformed` and nothing else.
    """
    if len(wire) > MAX_RECORD_BYTES:
        raise Malformed("too-large")
    payload, signature = _split(wire)
    fields = decode(payload, MAX_RECORD_BYTES)
    if type(fields) is not dict or fields.keys() != _ENVELOPE_KEYS:
        raise Malformed("envelope-keys")
    return _checked(payload, signature, fields)


def _split(wire: bytes) -> tuple[bytes, bytes]:
    payload_start = 3 if wire[1:2] == b"\x58" else 4
    payload = wire[payload_start : -(SIGNATURE_BYTES + 2)]
    signature = wire[-SIGNATURE_BYTES:]
    if len(payload) < 24 or _outer(payload) + signature != wire:
        raise Malformed("outer")
    return payload, signature


def _checked(payload: bytes, signature: bytes, fields: Mapping[int, Any]) -> Record:
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
    return Record(
        payload=payload, signature=signature, id=record_id(payload), network=network,
        author=author, seq=seq, prev=prev, refs=tuple(refs), type=type_, body=body,
        claimed_ms=claimed_ms,
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
