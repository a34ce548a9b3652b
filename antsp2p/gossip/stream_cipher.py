"""A byte stream between two members: the handshake of links, then sealed chunks.

Law: bytes in and out, no socket and no clock. Whoever does not know a secret of the network gets
nothing back; whoever breaks the order of chunks, or ends the stream without saying so, is found
out. What is asked and answered inside is not known here.

    message = length: 2 B big-endian, that many bytes
    first   = 17, network: 16 B, key id: 4 B, noise, mac: 16 B        then two messages of Noise
    chunk   = a message: ciphertext and tag, over 1 to 16,384 bytes; over none at the end
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag

from antsp2p.gossip.network_keys import KEY_ID_BYTES, MAC_BYTES
from antsp2p.gossip.noise import TAG_BYTES, nonce
from antsp2p.gossip.protection import STREAM_DOMAIN
from antsp2p.gossip.wire import WIRE_VERSION
from antsp2p.records.encoding import MAX_UINT53, Malformed, decode, encode
from antsp2p.records.keys import PUBLIC_KEY_BYTES
from antsp2p.records.record import NETWORK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.network_keys import LinkKey
    from antsp2p.gossip.protection import Protection
    from antsp2p.gossip.suite import Agreement, Suite
    from antsp2p.records.keys import Verify

LENGTH_BYTES: Final = 2
CHUNK_BYTES: Final = 16_384
"""What one chunk carries at most: it is opened when it is whole."""
MAX_SEALED_BYTES: Final = CHUNK_BYTES + TAG_BYTES
HANDSHAKE_BYTES: Final = 256
"""A message of the handshake at most: the second has 198 to 206."""
_FIRST: Final = WIRE_VERSION << 4 | 7
_NOISE: Final = 1 + NETWORK_BYTES + KEY_ID_BYTES


def framed(message: bytes) -> bytes:
    """A message after its two bytes of length."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


class Channel:
    """What is sealed and opened once both sides are known."""

    def __init__(self, suite: Suite, agreement: Agreement, author: bytes) -> None:
        key_out, key_in = agreement.split()
        self.author = author
        """Whose the other side is."""
        self._out, self._in = suite.cipher(key_out), suite.cipher(key_in)
        self._sealed = self._opened = 0

    def seal(self, data: bytes) -> bytes:
        """The chunks that carry `data`, as they travel."""
        chunks: list[bytes] = []
        for start in range(0, len(data), CHUNK_BYTES):
            chunks.append(self._seal(data[start : start + CHUNK_BYTES]))
        return b"".join(chunks)

    def end(self) -> bytes:
        """The chunk that says that nothing follows."""
        return self._seal(b"")

    def _seal(self, part: bytes) -> bytes:
        length = (len(part) + TAG_BYTES).to_bytes(LENGTH_BYTES, "big")
        sealed = self._out.encrypt(nonce(self._sealed), part, length)
        self._sealed += 1
        return length + sealed

    def open(self, sealed: bytes) -> bytes:
        """What one chunk carries; empty at the end. Raises `Malformed`."""
        length = len(sealed).to_bytes(LENGTH_BYTES, "big")
        try:
            part = self._in.decrypt(nonce(self._opened), sealed, length)
        except InvalidTag as error:
            raise Malformed("seal") from error
        self._opened += 1
        return part


class StreamCaller:
    """The side that connects."""

    def __init__(self, protection: Protection, key: LinkKey, verify: Verify) -> None:
        self._protection = protection
        self._verify = verify
        self._agreement = protection.agreement(key, initiator=True, carrier=STREAM_DOMAIN)
        start = bytes((_FIRST,)) + protection.network + key.id + self._agreement.write(b"")
        self.first: bytes = framed(start + key.mac(start))
        """What to send first."""

    def answered(self, message: bytes) -> tuple[bytes, Channel]:
        """(what to send next, the channel). Raises `Malformed`."""
        author = _author(self._protection, self._agreement, message, self._verify)
        last = framed(self._agreement.write(_claim(self._protection)))
        return last, Channel(self._protection.suite, self._agreement, author)


class StreamAnswerer:
    """The side that listens. `door(id)` is what it brings where a caller names another id than
    the network's: the door of an invitation, or nothing."""

    def __init__(
        self, protection: Protection, verify: Verify,
        door: Callable[[bytes], Protection | None] = lambda id: None,
    ) -> None:
        self._protection = protection
        self._verify = verify
        self._door = door
        self._agreement: Agreement | None = None

    def first(self, message: bytes) -> bytes:
        """What to answer to the first message. Raises `Malformed`: "version", "network", "key",
        "key-replaced", "mac" or "noise"."""
        network = message[1 : 1 + NETWORK_BYTES]
        if len(message) <= _NOISE + MAC_BYTES or message[0] != _FIRST:
            raise Malformed("version")
        if network != self._protection.network:
            door = self._door(network)
            if door is None:
                raise Malformed("network")
            self._protection = door
        key = self._protection.keys.good(message[1 + NETWORK_BYTES : _NOISE])
        if not key.vouches(message[-MAC_BYTES:], message[:-MAC_BYTES]):
            raise Malformed("mac")
        self._agreement = self._protection.agreement(key, initiator=False, carrier=STREAM_DOMAIN)
        self._agreement.read(message[_NOISE:-MAC_BYTES])
        return framed(self._agreement.write(_claim(self._protection)))

    @property
    def network(self) -> bytes:
        """The network's id, or that of the door at which the caller stands."""
        return self._protection.network

    def last(self, message: bytes) -> Channel:
        """The channel that the third message opens. Raises `Malformed`."""
        assert self._agreement is not None, "the first message comes first"
        author = _author(self._protection, self._agreement, message, self._verify)
        return Channel(self._protection.suite, self._agreement, author)


def _claim(protection: Protection) -> bytes:
    """What both sides say of themselves: `[author, signature, work]`."""
    return encode([protection.author, protection.signature, protection.work])


def _author(
    protection: Protection, agreement: Agreement, message: bytes, verify: Verify
) -> bytes:
    """Who wrote the message. Raises `Malformed`."""
    claim: Any = decode(agreement.read(message), HANDSHAKE_BYTES)
    if type(claim) is not list or [type(part) for part in claim] != [bytes, bytes, int]:
        raise Malformed("payload")
    author, signature, nonce = claim
    if not 0 <= nonce <= MAX_UINT53:
        raise Malformed("payload")
    if not protection.is_paid(author, nonce):
        raise Malformed("unpaid")
    static = agreement.remote_static
    assert static is not None, "a message with an author in it has the static key as well"
    if len(author) != PUBLIC_KEY_BYTES or not verify(
        author, signature, protection.signed(static)
    ):
        raise Malformed("link-signature")
    return bytes(author)
