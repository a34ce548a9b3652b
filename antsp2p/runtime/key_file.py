"""A key in a file: in clear, or sealed with a passphrase.

Law: what a file says is believed only within bounds: a hostile one costs no more memory and time
than `MAX_SCRYPT_BYTES` and `MAX_SCRYPT_COST` allow. A sealed file tells whose key it holds, and
that is authenticated too. Where the file lies, and who types the passphrase, is not known here.

A file is one line of ASCII, `antsp2p-key-1 ` and a map in the encoding of records, in base64url:

    { 0: kind (0 a node's key, 1 a recovery key), 1: public key, ? 2: recovery key's public key,
      ? 3: seed | ? (4: [log2 N, r, p], 5: salt, 6: nonce, 7: sealed seed) }

The seed is sealed with ChaCha20-Poly1305 under the key that scrypt makes of the passphrase; what
stands before it in the map is authenticated with it. With neither, the secret lies elsewhere.
"""
from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from antsp2p.records.encoding import Malformed, decode, encode
from antsp2p.records.keys import PUBLIC_KEY_BYTES, SEED_BYTES, Identity, is_acceptable_public_key

HEAD: Final = b"antsp2p-key-1 "
MAX_KEY_FILE_BYTES: Final = 1_024
"""The largest has about 300."""
DEFAULT_SCRYPT: Final = (17, 8, 1)
"""log2 N, r, p: 128 MiB and about a third of a second, for a start and for each guess."""
MIN_SCRYPT_LOG_N: Final = 4
MAX_SCRYPT_LOG_N: Final = 21
MAX_SCRYPT_BYTES: Final = 256 * 1024 * 1024
"""Memory that a file may ask for: twice the default, what every machine that runs a node has."""
MAX_SCRYPT_COST: Final = 1 << 23
"""N * r * p that a file may ask for: eight times the default, a few seconds."""
SALT_BYTES: Final = 16
SEAL_NONCE_BYTES: Final = 12
_SEALED_BYTES: Final = SEED_BYTES + 16


class KeyFileError(Exception):
    """The file cannot be used; the text is the end of a line that names it."""


class WrongPassphrase(KeyFileError):
    """The passphrase does not open the file."""


class Kind(IntEnum):
    """What the key is for."""

    NODE = 0
    RECOVERY = 1


@dataclass(frozen=True, slots=True)
class Sealed:
    """A seed under a passphrase."""

    scrypt: tuple[int, int, int]
    salt: bytes
    nonce: bytes
    content: bytes


@dataclass(frozen=True, slots=True, repr=False)
class KeyFile:
    """What a file holds: the seed, or the seed sealed, or neither."""

    kind: Kind
    public_key: bytes
    recovery_key: bytes = b""
    """Of a node's key: the public key of its recovery key, where that is known."""
    seed: bytes = b""
    sealed: Sealed | None = None

    @classmethod
    def of(cls, kind: Kind, seed: bytes, recovery_key: bytes = b"") -> Self:
        """A seed in clear."""
        return cls(kind, Identity.from_seed(seed).author, recovery_key, seed)

    @property
    def has_secret(self) -> bool:
        return bool(self.seed) or self.sealed is not None

    def without_secret(self) -> KeyFile:
        """Only what may be known."""
        return replace(self, seed=b"", sealed=None)

    def seal(
        self, passphrase: bytes, scrypt: tuple[int, int, int] = DEFAULT_SCRYPT
    ) -> KeyFile:
        """The same key under a passphrase. The seed must be here. Takes a while."""
        assert self.seed, "only a seed in clear can be sealed"
        bare = Sealed(scrypt, secrets.token_bytes(SALT_BYTES),
                      secrets.token_bytes(SEAL_NONCE_BYTES), b"")
        told = replace(self, seed=b"", sealed=bare)
        content = _cipher(bare, passphrase).encrypt(bare.nonce, self.seed, told._bound())
        return replace(told, sealed=replace(bare, content=content))

    def open(self, passphrase: bytes | None) -> KeyFile:
        """The same key with its seed in clear.

        Raises `KeyFileError`, and `WrongPassphrase` where it is sealed with another.
        """
        sealed = self.sealed
        if sealed is None:
            if not self.seed:
                raise KeyFileError("holds no secret: it was moved away")
            return self
        if passphrase is None:
            raise KeyFileError("is sealed with a passphrase")
        try:
            cipher = _cipher(sealed, passphrase)
            seed = cipher.decrypt(sealed.nonce, sealed.content, self._bound())
        except InvalidTag as error:
            raise WrongPassphrase("is sealed with another passphrase, or was changed") from error
        except MemoryError as error:
            raise KeyFileError("needs more memory to be opened than there is") from error
        if Identity.from_seed(seed).author != self.public_key:
            raise KeyFileError("holds another key than it says")
        return replace(self, seed=seed, sealed=None)

    def _bound(self) -> bytes:
        """What is authenticated with the sealed seed."""
        told = self._map()
        told.pop(7, None)
        return HEAD + encode(told)

    def _map(self) -> dict[int, Any]:
        told: dict[int, Any] = {0: int(self.kind), 1: self.public_key}
        if self.recovery_key:
            told[2] = self.recovery_key
        if self.seed:
            told[3] = self.seed
        elif self.sealed is not None:
            told[4], told[5] = list(self.sealed.scrypt), self.sealed.salt
            told[6], told[7] = self.sealed.nonce, self.sealed.content
        return told

    def encode(self) -> bytes:
        """The content of the file."""
        return HEAD + base64.urlsafe_b64encode(encode(self._map())).rstrip(b"=") + b"\n"


def _cipher(sealed: Sealed, passphrase: bytes) -> ChaCha20Poly1305:
    log_n, r, p = sealed.scrypt
    return ChaCha20Poly1305(Scrypt(sealed.salt, SEED_BYTES, 1 << log_n, r, p).derive(passphrase))


def parse_key_file(content: bytes) -> KeyFile:
    """The key of a file, its seal unopened. Raises `KeyFileError`.

    The 32 bytes of a seed alone are a node's key too.
    """
    if len(content) == SEED_BYTES:
        return KeyFile.of(Kind.NODE, content)
    line = content.strip()
    if len(content) > MAX_KEY_FILE_BYTES or not line.startswith(HEAD):
        raise KeyFileError("is no key file")
    text = line[len(HEAD) :]
    try:
        wire = base64.b64decode(text + b"=" * (-len(text) % 4), b"-_", validate=True)
        told = decode(wire, MAX_KEY_FILE_BYTES)
    except (Malformed, binascii.Error, ValueError) as error:
        raise KeyFileError("is damaged") from error
    if not isinstance(told, dict) or not _is_shaped(told):
        raise KeyFileError("is damaged, or of a later version")
    sealed = Sealed(tuple(told[4]), told[5], told[6], told[7]) if 4 in told else None
    found = KeyFile(Kind(told[0]), told[1], told.get(2, b""), told.get(3, b""), sealed)
    if found.seed and Identity.from_seed(found.seed).author != found.public_key:
        raise KeyFileError("holds another key than it says")
    return found


def _is_shaped(told: dict[int, Any]) -> bool:
    sizes = {1: PUBLIC_KEY_BYTES, 2: PUBLIC_KEY_BYTES, 3: SEED_BYTES, 5: SALT_BYTES,
             6: SEAL_NONCE_BYTES, 7: _SEALED_BYTES}
    keys = set(told)
    return (
        {0, 1} <= keys <= {0, 1, 2, 3, 4, 5, 6, 7}
        and keys & {3, 4, 5, 6, 7} in (set(), {3}, {4, 5, 6, 7})
        and type(told[0]) is int and told[0] in (Kind.NODE, Kind.RECOVERY)
        and all(type(told[k]) is bytes and len(told[k]) == sizes[k] for k in keys & sizes.keys())
        and all(is_acceptable_public_key(told[k]) for k in keys & {1, 2})
        and (4 not in keys or _is_bounded(told[4]))
    )


def _is_bounded(scrypt: Any) -> bool:
    """Whether the parameters are three numbers that this machine is willing to work with."""
    if type(scrypt) is not list or len(scrypt) != 3 or any(type(n) is not int for n in scrypt):
        return False
    log_n, r, p = map(int, scrypt)
    if not MIN_SCRYPT_LOG_N <= log_n <= MAX_SCRYPT_LOG_N or r < 1 or p < 1:
        return False
    return (
        128 * r * ((1 << log_n) + p) <= MAX_SCRYPT_BYTES and (1 << log_n) * r * p <= MAX_SCRYPT_COST
    )
