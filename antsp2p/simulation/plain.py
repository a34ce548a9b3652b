"""Links without a cipher, for simulations of many nodes: the same messages, sizes and counters.

Law: nothing is hidden and nothing is proven here; whoever reads the simulated wire reads it all.
The runtime cannot import this floor.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag

from antsp2p.gossip.noise import KEY_BYTES, TAG_BYTES
from antsp2p.gossip.suite import Suite
from antsp2p.records.encoding import Malformed

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAG: Final = bytes(TAG_BYTES)


class PlainKeys:
    """A key pair whose public half is the other half as well."""

    __slots__ = ("public",)

    def __init__(self, private: bytes) -> None:
        self.public = private


class PlainCipher:
    """Sixteen zeros after everything."""

    __slots__ = ()

    def __init__(self, key: bytes) -> None:
        pass

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """`data` and sixteen zeros."""
        return data + _TAG

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """`data` without its zeros. Raises `InvalidTag`."""
        if not data.endswith(_TAG):
            raise InvalidTag
        return data[:-TAG_BYTES]


class PlainHandshake:
    """XXpsk0 in its sizes: ephemeral, static and payload travel as they are."""

    def __init__(
        self, pattern: str, *, initiator: bool, prologue: bytes, ephemeral: bytes,
        static: PlainKeys, psks: Sequence[bytes] = (),
    ) -> None:
        self._static = static
        self._initiator = initiator
        self._turn = 0
        self.ephemeral = ephemeral
        self.hash = bytes(KEY_BYTES)
        self.remote_static: bytes | None = None

    def write(self, payload: bytes) -> bytes:
        """The next message."""
        assert (self._turn % 2 == 0) == self._initiator, "it is the other side's turn"
        message = b"" if self._turn == 2 else self.ephemeral
        if self._turn:
            message += self._static.public + _TAG
        self._turn += 1
        return message + payload + _TAG

    def read(self, message: bytes) -> bytes:
        """The payload of the other side's message. Raises `Malformed`."""
        assert (self._turn % 2 == 0) != self._initiator, "it is the other side's turn"
        at = 0 if self._turn == 2 else KEY_BYTES
        static = None
        if self._turn:
            static = message[at : at + KEY_BYTES]
            at += KEY_BYTES + TAG_BYTES
        if len(message) < at + TAG_BYTES or not message.endswith(_TAG):
            raise Malformed("noise")
        self._turn += 1
        self.remote_static = static or self.remote_static
        return message[at:-TAG_BYTES]

    def split(self) -> tuple[bytes, bytes]:
        """No keys."""
        return b"", b""


PLAIN: Final = Suite(PlainKeys, PlainHandshake, PlainCipher, lambda key: key)
