"""A session: frames sealed into datagrams and opened again, under keys that change as they go.

Law: a number is used once under a key, and read once. A counter has its epoch in its upper half,
so that a datagram says itself under which key to read it: nobody has to agree on when to change.
Whose session it is, and what frames mean, is not known here.

    sealed = 14, receiver: 4 B, counter: 8 B little-endian, ciphertext and tag
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag

from antsp2p.gossip.datagram import SEALED, SEALED_HEADER_BYTES
from antsp2p.gossip.noise import TAG_BYTES
from antsp2p.gossip.replay import ReplayWindow
from antsp2p.records.encoding import Malformed

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.suite import Cipher, Suite

EPOCHS_AHEAD: Final = 4
"""Epochs of which everything may be lost, but for one; each costs a forger's victim 2 µs."""
_NO_BYTES: Final = b"\0\0\0\0"
_EPOCH_BITS: Final = 32
_MAX_EPOCH: Final = (1 << _EPOCH_BITS) - 1


@dataclass(slots=True)
class _Reading:
    """What reads one epoch."""

    epoch: int
    key: bytes
    cipher: Cipher
    window: ReplayWindow


class Session:
    """Both directions between two nodes. `id_in` is what the peer writes on its datagrams."""

    __slots__ = (
        "_cipher", "_epoch", "_key", "_limits", "_number", "_old", "_old_until_us", "_prefix",
        "_reading", "_since_us", "_suite", "id_in", "id_out",
    )

    def __init__(
        self, suite: Suite, keys: tuple[bytes, bytes], *, id_in: bytes, id_out: bytes, now_us: int,
        limits: Limits,
    ) -> None:
        self.id_in = id_in
        self.id_out = id_out
        self._suite = suite
        self._limits = limits
        self._key, key_in = keys
        self._cipher = suite.cipher(self._key)
        self._prefix = bytes((SEALED,)) + id_out
        self._epoch = self._number = 0
        self._since_us = now_us
        self._reading = _Reading(0, key_in, suite.cipher(key_in), ReplayWindow())
        self._old: _Reading | None = None
        self._old_until_us = now_us

    # --- out ---------------------------------------------------------------------------------

    def seal(self, plain: bytes, now_us: int) -> bytes:
        """The datagram that carries `plain`."""
        if (
            self._number >= self._limits.rekey_datagrams
            or now_us - self._since_us >= self._limits.rekey_us
        ):
            self._next_epoch(now_us)
        counter = (self._epoch << _EPOCH_BITS | self._number).to_bytes(8, "little")
        self._number += 1
        header = self._prefix + counter
        return header + self._cipher.encrypt(_NO_BYTES + counter, plain, header)

    def _next_epoch(self, now_us: int) -> None:
        assert self._epoch < _MAX_EPOCH, "an epoch lasts a minute at least: 8,000 years are over"
        self._epoch += 1
        self._number = 0
        self._since_us = now_us
        self._key = self._suite.rekeyed(self._key)
        self._cipher = self._suite.cipher(self._key)

    # --- in ----------------------------------------------------------------------------------

    def open(self, data: bytes, now_us: int) -> bytes:
        """What was sealed in a datagram that bears `id_in`. Raises `Malformed`: "size", "epoch",
        "replayed" or "seal"; only what was opened moves anything."""
        if len(data) < SEALED_HEADER_BYTES + TAG_BYTES:
            raise Malformed("size")
        counter = data[5:SEALED_HEADER_BYTES]
        number = int.from_bytes(counter, "little")
        epoch = number >> _EPOCH_BITS
        reading = self._reading if epoch == self._reading.epoch else self._other(epoch, now_us)
        if not reading.window.is_new(number):
            raise Malformed("replayed")
        try:
            plain = reading.cipher.decrypt(
                _NO_BYTES + counter, data[SEALED_HEADER_BYTES:], data[:SEALED_HEADER_BYTES]
            )
        except InvalidTag as error:
            raise Malformed("seal") from error
        reading.window.note(number)
        if epoch > self._reading.epoch:
            self._old, self._reading = self._reading, reading
            self._old_until_us = now_us + self._limits.old_key_us
        return plain

    def _other(self, epoch: int, now_us: int) -> _Reading:
        """What reads the epoch before, or one soon after, the current one."""
        ahead = epoch - self._reading.epoch
        if 0 < ahead <= EPOCHS_AHEAD:
            key = self._reading.key
            for _ in range(ahead):
                key = self._suite.rekeyed(key)
            return _Reading(epoch, key, self._suite.cipher(key), ReplayWindow())
        old = self._old
        if old is not None and old.epoch == epoch and now_us < self._old_until_us:
            return old
        raise Malformed("epoch")
