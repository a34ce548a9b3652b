"""Ed25519 keys and signatures (RFC 8032), with the hygiene that proofs need.

Law: a public key that could make one signature verify many messages is refused before use, so
that "two signed records at one place" always proves two deeds of one author. Verification is the
cofactorless equation over canonical S, with R compared as bytes. Key files are not read here.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
SEED_BYTES: Final = 32

_P: Final = 2**255 - 19
# The y coordinates of the eight points of small order (RFC 7748 section 6.1 lists their likes).
_SMALL_ORDER_Y: Final = frozenset({
    0,
    1,
    _P - 1,
    int.from_bytes(
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
    ),
    int.from_bytes(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
    ),
})

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) -> whether it verifies; the simulator passes a cached one."""
Check = tuple[bytes, bytes, bytes]
"""(public key, signature, message): what a `Verify` is asked."""
Foresee = Callable[[Sequence[Check]], None]
"""Told what a `Verify` will be asked soon, in this order, so that it may be checked meanwhile."""


@lru_cache(maxsize=4096)
def is_acceptable_public_key(public_key: bytes) -> bool:
    """Whether the 32 bytes are a canonical point encoding that is not of small order.

    Does not check that the point is on the curve; verification does.
    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        return False
    y = int.from_bytes(public_key, "little") & ((1 << 255) - 1)
    return y < _P and y not in _SMALL_ORDER_Y


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 B) of `message` verifies under an acceptable `public_key` (32 B)."""
    if len(signature) != SIGNATURE_BYTES or not is_acceptable_public_key(public_key):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class Identity:
    """A private key and the author it signs for. Signing is deterministic (RFC 8032)."""

    __slots__ = ("_private_key", "author")

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.author: bytes = private_key.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The identity of a 32-byte secret seed; the caller brings the randomness."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, message: bytes) -> bytes:
        """64 bytes over `message`, which must begin with its domain string."""
        return self._private_key.sign(message)
