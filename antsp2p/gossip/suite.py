"""What links and streams are sealed with, as one exchangeable piece.

Law: there is one suite for real use, `NOISE`. The floor of the simulation has another that seals
nothing, because ten thousand nodes in one process cannot afford it; nothing here knows of it.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from antsp2p.gossip.noise import Handshake, KeyPair, rekeyed

if TYPE_CHECKING:
    from collections.abc import Callable

PATTERN: Final = "XXpsk0"


class Cipher(Protocol):
    """Seals under one key; `decrypt` raises `InvalidTag`."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """The sealed bytes, 16 longer."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """What was sealed."""


class Keys(Protocol):
    """A key pair for agreement."""

    public: bytes


class Agreement(Protocol):
    """One side of a handshake; see `noise.Handshake`."""

    remote_static: bytes | None

    @property
    def ephemeral(self) -> bytes:
        """The own ephemeral public key."""

    @property
    def hash(self) -> bytes:
        """What both sides agree on about everything that was said."""

    def write(self, payload: bytes) -> bytes:
        """The next message."""

    def read(self, message: bytes) -> bytes:
        """The payload of the other side's. Raises `Malformed`, and has changed nothing."""

    def split(self) -> tuple[bytes, bytes]:
        """The keys for sending and for receiving."""


@dataclass(frozen=True, slots=True)
class Suite:
    """How keys are agreed on and used."""

    key_pair: Callable[[bytes], Any]
    """32 random bytes -> `Keys`."""
    agreement: Callable[..., Agreement]
    """Takes what `noise.Handshake` takes."""
    cipher: Callable[[bytes], Cipher]
    rekeyed: Callable[[bytes], bytes]


NOISE: Final = Suite(KeyPair, Handshake, ChaCha20Poly1305, rekeyed)
