"""What a node brings to its links: who it is, by which key it agrees, and which secrets it knows.

Law: the Ed25519 key signs one thing here, the X25519 key of this run. That key is new at every
start and never written down, so what was sealed under it cannot be read later.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from antsp2p.gossip.suite import NOISE, PATTERN, Agreement, Keys, Suite
from antsp2p.records.work import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.network_keys import KeyRing, LinkKey

LINK_DOMAIN: Final = b"antsp2p/1/link\0"
DATAGRAMS_DOMAIN: Final = b"antsp2p/1/datagrams\0"
STREAM_DOMAIN: Final = b"antsp2p/1/stream\0"
SEED_BYTES: Final = 32


class Signer(Protocol):
    """An author who signs; `records.keys.Identity` is one."""

    author: bytes

    def sign(self, message: bytes) -> bytes:
        """64 bytes over `message`."""


@dataclass(frozen=True, slots=True)
class Protection:
    """Made by `protect`, once a start."""

    network: bytes
    author: bytes
    signature: bytes
    """The author's, over `LINK_DOMAIN`, the network and the public key of `static`."""
    keys: KeyRing
    entropy: Callable[[int], bytes] = field(repr=False)
    """So many bytes that nobody can guess."""
    static: Keys = field(repr=False)
    suite: Suite = field(repr=False)
    work_bits: int = 0
    """What the network asks of each author for its name."""
    work: int = 0
    """The nonce that pays for this author."""

    def is_paid(self, author: bytes, nonce: int) -> bool:
        """Whether that author may be linked, as far as the price of its name goes: one hash."""
        return check(self.network, author, nonce, self.work_bits)

    def agreement(
        self, key: LinkKey, *, initiator: bool, carrier: bytes = DATAGRAMS_DOMAIN
    ) -> Agreement:
        """One side of a new handshake over `carrier`."""
        return self.suite.agreement(
            PATTERN, initiator=initiator, prologue=carrier + self.network, static=self.static,
            ephemeral=self.entropy(SEED_BYTES), psks=(key.psk,),
        )

    def signed(self, static: bytes) -> bytes:
        """What an author signs to own a public key of this network."""
        return LINK_DOMAIN + self.network + static


def protect(
    identity: Signer, network: bytes, keys: KeyRing, entropy: Callable[[int], bytes],
    suite: Suite = NOISE, *, work_bits: int = 0, work: int = 0,
) -> Protection:
    """What one run of a node brings to its links. In a network that asks for `work_bits` of each
    author, `work` is the nonce that pays."""
    static = suite.key_pair(entropy(SEED_BYTES))
    signature = identity.sign(LINK_DOMAIN + network + static.public)
    return Protection(
        network, identity.author, signature, keys, entropy, static, suite, work_bits, work)
