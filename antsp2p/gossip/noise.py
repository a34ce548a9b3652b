"""The Noise protocol framework (revision 34) over X25519, ChaCha20-Poly1305 and SHA-256.

Law: patterns are data, and the machine knows none of them. A message that does not verify changes
nothing, so that the true one can still come. Randomness is brought by the caller: one ephemeral
seed a handshake, used once. What payloads mean, and where messages travel, is not known here.
"""
from __future__ import annotations

import hashlib
import hmac
from copy import copy
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from antsp2p.records.encoding import Malformed

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_BYTES: Final = 32
HASH_BYTES: Final = 32
TAG_BYTES: Final = 16
MAX_MESSAGE_BYTES: Final = 65_535
_REKEY_NONCE: Final = b"\0" * 4 + b"\xff" * 8

# A line a message: its direction, and its tokens. Before "...": what both know beforehand.
PATTERNS: Final[dict[str, tuple[str, ...]]] = {
    "NN": ("-> e", "<- e ee"),
    "KK": ("-> s", "<- s", "...", "-> e es ss", "<- e ee se"),
    "XX": ("-> e", "<- e ee s es", "-> s se"),
    "IK": ("<- s", "...", "-> e es s ss", "<- e ee se"),
}


class KeyPair:
    """An X25519 key pair."""

    __slots__ = ("_private", "public")

    def __init__(self, private: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(private)
        self.public: bytes = self._private.public_key().public_bytes_raw()

    def exchange(self, public: bytes) -> bytes:
        """The shared secret. Raises `Malformed` for a key that gives none."""
        try:
            return self._private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:
            raise Malformed("noise") from error


def nonce(counter: int) -> bytes:
    """The 96 bits under which message `counter` is sealed."""
    return b"\0\0\0\0" + counter.to_bytes(8, "little")


def rekeyed(key: bytes) -> bytes:
    """The key that follows `key`."""
    return ChaCha20Poly1305(key).encrypt(_REKEY_NONCE, bytes(KEY_BYTES), b"")[:KEY_BYTES]


def derive(chaining_key: bytes, material: bytes, count: int) -> list[bytes]:
    """HKDF: `count` outputs of 32 bytes."""
    secret = hmac.digest(chaining_key, material, "sha256")
    outputs: list[bytes] = []
    last = b""
    for number in range(1, count + 1):
        last = hmac.digest(secret, last + bytes((number,)), "sha256")
        outputs.append(last)
    return outputs


def script(name: str) -> tuple[list[tuple[bool, str]], list[tuple[bool, list[str]]]]:
    """(static keys known beforehand, messages) of a pattern with its psk modifiers, each with
    whether the initiator is the one whose it is."""
    base, *modifiers = name.replace("psk", "+psk").replace("++", "+").split("+")
    lines = list(PATTERNS[base])
    known: list[tuple[bool, str]] = []
    if "..." in lines:
        at = lines.index("...")
        known = [(line.startswith("->"), line[3:]) for line in lines[:at]]
        lines = lines[at + 1 :]
    messages = [(line.startswith("->"), line[3:].split()) for line in lines]
    for modifier in modifiers:
        place = int(modifier.removeprefix("psk"))
        if place == 0:
            messages[0][1].insert(0, "psk")
        else:
            messages[place - 1][1].append("psk")
    return known, messages


class Handshake:
    """One side of a handshake.

    `ephemeral` is 32 fresh random bytes. Where `write` and `read` are called out of turn, the
    caller is wrong, and an assertion says so.
    """

    def __init__(
        self,
        pattern: str,
        *,
        initiator: bool,
        prologue: bytes,
        ephemeral: bytes,
        static: KeyPair | None = None,
        remote_static: bytes | None = None,
        psks: Sequence[bytes] = (),
    ) -> None:
        protocol = f"Noise_{pattern}_25519_ChaChaPoly_SHA256".encode()
        self._hash = (
            protocol.ljust(HASH_BYTES, b"\0") if len(protocol) <= HASH_BYTES
            else hashlib.sha256(protocol).digest()
        )
        self._chaining_key = self._hash
        self._key: bytes | None = None
        self._counter = 0
        self._initiator = initiator
        self._static = static
        self._ephemeral = KeyPair(ephemeral)
        self.remote_static = remote_static
        """The other side's static public key, once it is known."""
        self.remote_ephemeral: bytes | None = None
        known, self._messages = script(pattern)
        self._psks = tuple(psks)
        self._next_psk = 0
        self._uses_psk = "psk" in pattern
        self._next = 0
        self._mix_hash(prologue)
        for is_initiators, _ in known:
            own = static.public if static else b""
            key = own if is_initiators == initiator else remote_static
            assert key, "the pattern says that this key is known beforehand"
            self._mix_hash(key)

    # --- symmetric state ---------------------------------------------------------------------

    def _mix_hash(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _mix_key(self, material: bytes) -> None:
        self._chaining_key, self._key = derive(self._chaining_key, material, 2)
        self._counter = 0

    def _mix_psk(self) -> None:
        psk = self._psks[self._next_psk]
        self._next_psk += 1
        self._chaining_key, mixed, self._key = derive(self._chaining_key, psk, 3)
        self._counter = 0
        self._mix_hash(mixed)

    def _seal(self, plain: bytes) -> bytes:
        sealed = plain
        if self._key is not None:
            cipher = ChaCha20Poly1305(self._key)
            sealed = cipher.encrypt(nonce(self._counter), plain, self._hash)
            self._counter += 1
        self._mix_hash(sealed)
        return sealed

    def _open(self, sealed: bytes) -> bytes:
        plain = sealed
        if self._key is not None:
            try:
                cipher = ChaCha20Poly1305(self._key)
                plain = cipher.decrypt(nonce(self._counter), sealed, self._hash)
            except InvalidTag as error:
                raise Malformed("noise") from error
            self._counter += 1
        self._mix_hash(sealed)
        return plain

    # --- messages ----------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether all messages were written and read."""
        return self._next == len(self._messages)

    @property
    def hash(self) -> bytes:
        """What both sides agree on about everything that was said."""
        return self._hash

    @property
    def ephemeral(self) -> bytes:
        """The own ephemeral public key."""
        return self._ephemeral.public

    def write(self, payload: bytes) -> bytes:
        """The next message, with `payload` in it."""
        tokens = self._turn(own=True)
        message = b""
        for token in tokens:
            if token == "e":
                message += self._ephemeral.public
                self._mix_ephemeral(self._ephemeral.public)
            elif token == "s":
                assert self._static is not None, "the pattern needs a static key"
                message += self._seal(self._static.public)
            else:
                self._mix(token)
        return message + self._seal(payload)

    def read(self, message: bytes) -> bytes:
        """The payload of the other side's message. Raises `Malformed`, and has changed nothing."""
        reading = copy(self)
        payload = reading._read(message)
        for name in _STATE:
            setattr(self, name, getattr(reading, name))
        return payload

    def _read(self, message: bytes) -> bytes:
        tokens = self._turn(own=False)
        rest = message
        for token in tokens:
            if token in ("e", "s"):
                size = KEY_BYTES + TAG_BYTES * (token == "s" and self._key is not None)
                part, rest = rest[:size], rest[size:]
                if len(part) < size:
                    raise Malformed("noise")
                if token == "e":
                    self.remote_ephemeral = part
                    self._mix_ephemeral(part)
                else:
                    self.remote_static = self._open(part)
            else:
                self._mix(token)
        return self._open(rest)

    def _turn(self, *, own: bool) -> list[str]:
        is_initiators, tokens = self._messages[self._next]
        assert (is_initiators == self._initiator) == own, "it is the other side's turn"
        self._next += 1
        return tokens

    def _mix_ephemeral(self, public: bytes) -> None:
        self._mix_hash(public)
        if self._uses_psk:
            self._mix_key(public)

    def _mix(self, token: str) -> None:
        """Mix in a pre-shared key, or a shared secret of the keys that `token` names."""
        if token == "psk":
            self._mix_psk()
            return
        # The first letter is the initiator's key, the second the responder's.
        keys = token if self._initiator else token[::-1]
        own = self._ephemeral if keys[0] == "e" else self._static
        other = self.remote_ephemeral if keys[1] == "e" else self.remote_static
        assert own is not None, "the pattern needs a static key"
        assert other is not None, "the pattern names only keys that are known by then"
        self._mix_key(own.exchange(other))

    def split(self) -> tuple[bytes, bytes]:
        """The keys for sending and for receiving."""
        assert self.is_over, "the handshake is not over"
        first, second = derive(self._chaining_key, b"", 2)
        return (first, second) if self._initiator else (second, first)


_STATE: Final = (
    "_hash", "_chaining_key", "_key", "_counter", "_next", "_next_psk", "remote_static",
    "remote_ephemeral",
)
