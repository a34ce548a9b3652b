"""The price of an identity: a nonce that takes long to find, and one hash to check.

Law: pure arithmetic over a network, an author and a nonce. What a network charges is one of its
parameters, and who asks for the price is not known here. There is no randomness either: a search
begins where its caller says.
"""
from __future__ import annotations

import hashlib
from typing import Final

from antsp2p.records.encoding import MAX_UINT53

WORK_DOMAIN: Final = b"antsp2p/1/work\0"
NONCE_BYTES: Final = 8
MAX_WORK_BITS: Final = 40
"""Zero bits that a network may ask for: a million million hashes, a machine's day. More would keep
out everybody but who has machines for it."""

_HASH_BITS: Final = 256


def check(network: bytes, author: bytes, nonce: int, bits: int) -> bool:
    """Whether the nonce pays for the author (32 B) in the network (16 B). One hash; with no bits
    asked for, none."""
    if bits <= 0:
        return True
    if not 0 <= nonce <= MAX_UINT53:
        return False
    content = WORK_DOMAIN + network + author + nonce.to_bytes(NONCE_BYTES, "big")
    return int.from_bytes(hashlib.sha256(content).digest(), "big") >> (_HASH_BITS - bits) == 0


def mine(network: bytes, author: bytes, bits: int, *, start: int, tries: int) -> int | None:
    """The first nonce from `start` on that pays, or None if none of `tries` does.

    About 2**bits tries are needed. A caller searches in stretches, so that it can be stopped.
    """
    if bits <= 0:
        return start
    prefix = hashlib.sha256(WORK_DOMAIN + network + author)
    shift = _HASH_BITS - bits
    for nonce in range(start, min(start + tries, MAX_UINT53 + 1)):
        tried = prefix.copy()
        tried.update(nonce.to_bytes(NONCE_BYTES, "big"))
        if int.from_bytes(tried.digest(), "big") >> shift == 0:
            return nonce
    return None
