"""The beat: a signed sign of life that renews leases. It is not a log record.

Law: only a strictly greater counter replaces or renews; a beat carries no clock. When a lease
runs out is not known here.
"""
from __future__ import annotations

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
from antsp2p.records.record import ID_BYTES, NETWORK_BYTES, VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

BEAT_DOMAIN: Final = b"antsp2p/1/beat\0"
MAX_BEAT_BYTES: Final = 1_000
"""A beat fits one datagram, like a record."""
MAX_BEAT_CLAIMS: Final = 100
"""One beat renews all of a node's leases; 100 of them make about 800 bytes."""
MAX_SLOTS: Final = 65_535
COUNTER_BITS_PER_BOOT: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """A node's latest state: free slots, load in thousandths, and the claims it still works on.

    `claims` holds (seq of the claim in the author's log, progress in thousandths), ascending.
    """

    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    network: bytes = field(repr=False)
    author: bytes
    counter: int
    head_seq: int
    head: bytes = field(repr=False)
    free_slots: int
    load: int
    claims: tuple[tuple[int, int], ...]

    @property
    def wire(self) -> bytes:
        """CBOR `[payload, signature]`."""
        return encode([self.payload, self.signature])

    def verifies(self, verify: Verify) -> bool:
        """Whether the beat's signature verifies."""
        return verify(self.author, self.signature, BEAT_DOMAIN + self.payload)


def beat_counter(boot: int, n: int) -> int:
    """The counter of the n-th beat of a boot: `boot << 32 | n`."""
    return boot << COUNTER_BITS_PER_BOOT | n


def sign_beat(
    identity: Identity,
    *,
    network: bytes,
    counter: int,
    head_seq: int,
    head: bytes,
    free_slots: int,
    load: int,
    claims: Sequence[tuple[int, int]],
) -> Beat:
    """A signed beat. Raises `Malformed` where a field is out of range."""
    payload = encode({
        0: VERSION, 1: network, 2: identity.author, 3: counter, 4: [head_seq, head],
        5: free_slots, 6: load, 7: [list(claim) for claim in sorted(claims)],
    })
    signature = identity.sign(BEAT_DOMAIN + payload)
    return parse_beat(encode([payload, signature]))


def parse_beat(wire: bytes) -> Beat:
    """The beat of `wire`, checked except for signature and network. Raises `Malformed` only."""
    outer = decode(wire, MAX_BEAT_BYTES)
    if (
        type(outer) is not list or len(outer) != 2
        or type(outer[0]) is not bytes or type(outer[1]) is not bytes
        or len(outer[1]) != SIGNATURE_BYTES
    ):
        raise Malformed("outer")
    fields = decode(outer[0], MAX_BEAT_BYTES)
    if type(fields) is not dict or fields.keys() != set(range(8)):
        raise Malformed("beat-keys")
    version, network, author, counter, head, free_slots, load, claims = (
        fields[key] for key in range(8)
    )
    if type(version) is not int or version != VERSION:
        raise Malformed("version")
    if type(network) is not bytes or len(network) != NETWORK_BYTES:
        raise Malformed("network")
    if (
        type(author) is not bytes or len(author) != PUBLIC_KEY_BYTES
        or not is_acceptable_public_key(author)
    ):
        raise Malformed("author-key")
    if type(head) is not list or len(head) != 2 or not _is_id(head[1]):
        raise Malformed("head")
    _need_uint(counter, MAX_UINT53, "counter")
    _need_uint(head[0], MAX_UINT53, "head")
    _need_uint(free_slots, MAX_SLOTS, "free-slots")
    _need_uint(load, 1_000, "load")
    return Beat(
        payload=outer[0], signature=outer[1], network=network, author=author, counter=counter,
        head_seq=head[0], head=head[1], free_slots=free_slots, load=load,
        claims=_parse_claims(claims),
    )


def _parse_claims(claims: Any) -> tuple[tuple[int, int], ...]:
    if type(claims) is not list or len(claims) > MAX_BEAT_CLAIMS:
        raise Malformed("beat-claims")
    parsed: list[tuple[int, int]] = []
    for claim in claims:
        if type(claim) is not list or len(claim) != 2:
            raise Malformed("beat-claims")
        _need_uint(claim[0], MAX_UINT53, "beat-claims")
        _need_uint(claim[1], 1_000, "beat-claims")
        if parsed and claim[0] <= parsed[-1][0]:
            raise Malformed("beat-claims")
        parsed.append((claim[0], claim[1]))
    return tuple(parsed)


def _is_id(value: Any) -> bool:
    return type(value) is bytes and len(value) == ID_BYTES


def _need_uint(value: Any, high: int, reason: str) -> None:
    if type(value) is not int or not 0 <= value <= high:
        raise Malformed(reason)
