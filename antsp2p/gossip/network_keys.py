"""The secrets by which nodes of one network know each other, and what is derived from them.

Law: a secret itself is never sent and never shown; what goes in front of a message is derived
from it for that purpose alone. The network's id stays when its secret changes.
"""
from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from antsp2p.records.encoding import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

SECRET_BYTES: Final = 32
INVITATION_BYTES: Final = 16
MAX_KEYS: Final = 64
"""Good at once: one or two of members, and invitations that nobody has used yet."""
KEY_ID_BYTES: Final = 4
MAC_BYTES: Final = 16
KEY_DOMAIN: Final = b"antsp2p/1/network-key\0"
MAX_GENERATION: Final = 2**53 - 1
"""How often a secret can be changed: as high as an integer may be."""


class KeyPurpose(Enum):
    """What a secret opens."""

    MEMBER = "member"
    """The network, now."""
    PREVIOUS = "previous"
    """The network, until all have learned the next secret."""
    REPLACED = "replaced"
    """Nothing any more; who comes with it is told apart from a stranger."""
    INVITATION = "invitation"
    """A talk about joining, once."""


@dataclass(frozen=True, slots=True)
class NetworkKey:
    """A secret (16 bytes or more) and what it is for."""

    secret: bytes = field(repr=False)
    purpose: KeyPurpose = KeyPurpose.MEMBER
    generation: int = 0
    """Of a network's secret: how many came before it."""

    def is_later_than(self, other: NetworkKey) -> bool:
        """Whether this secret replaces `other`; of two made at once all choose the same."""
        return (self.generation, self.secret) > (other.generation, other.secret)


@dataclass(frozen=True, slots=True)
class LinkKey:
    """What a secret comes to in one network."""

    source: NetworkKey
    id: bytes
    """What a caller says, so that one MAC decides."""
    psk: bytes = field(repr=False)
    _mac_key: bytes = field(repr=False)

    def mac(self, *parts: bytes) -> bytes:
        """16 bytes over `parts` that only those who know the secret can make."""
        return hashlib.blake2s(
            b"".join(parts), key=self._mac_key, digest_size=MAC_BYTES
        ).digest()

    def vouches(self, mac: bytes, *parts: bytes) -> bool:
        """Whether `mac` is the one over `parts`."""
        return hmac.compare_digest(self.mac(*parts), mac)


def link_key(network: bytes, source: NetworkKey) -> LinkKey:
    """What `source` comes to in `network`."""
    def derived(use: bytes, size: int = 32) -> bytes:
        return hashlib.blake2s(
            KEY_DOMAIN + use + b"\0" + network, key=source.secret, digest_size=size
        ).digest()

    return LinkKey(source, derived(b"id", KEY_ID_BYTES), derived(b"psk"), derived(b"mac"))


class KeyRing:
    """The keys of one network that are good now; they may change while links are up."""

    def __init__(self, network: bytes, keys: Iterable[NetworkKey] = ()) -> None:
        self._network = network
        self._keys: dict[bytes, LinkKey] = {}
        """By id; members come in the order of their use, the newest first."""
        self.set(keys)

    def set(self, keys: Iterable[NetworkKey]) -> None:
        """From now on these are good, the newest first, and no others. Links that are up stay.

        Raises `ValueError` for more than `MAX_KEYS`.
        """
        derived = [link_key(self._network, key) for key in keys]
        if len(derived) > MAX_KEYS:
            raise ValueError(f"{len(derived)} keys are too many: {MAX_KEYS} can be good at once")
        self._keys = {
            key.id: key for key in derived if key.source.purpose is not KeyPurpose.REPLACED}
        self._replaced = {key.id for key in derived} - self._keys.keys()

    def all(self) -> tuple[NetworkKey, ...]:
        """The keys that are good, the newest first."""
        return tuple(key.source for key in self._keys.values())

    def by_id(self, key_id: bytes) -> LinkKey | None:
        return self._keys.get(key_id)

    def calling(self) -> list[LinkKey]:
        """The keys with which others are called: as a member, or else as one who is invited."""
        return self.members() or list(self._keys.values())

    def good(self, key_id: bytes) -> LinkKey:
        """The key of that id. Raises `Malformed`: "key", or "key-replaced" of one that was good."""
        key = self._keys.get(key_id)
        if key is not None:
            return key
        if key_id in self._replaced:
            raise Malformed("key-replaced")
        raise Malformed("key")

    def newest(self) -> LinkKey | None:
        """The secret of the network now; None where there is none."""
        return next(iter(self.members()), None)

    def members(self) -> list[LinkKey]:
        """The keys with which other members are called, the newest first."""
        return [
            key for key in self._keys.values()
            if key.source.purpose is not KeyPurpose.INVITATION
        ]
