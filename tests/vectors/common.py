"""What the vectors share: fixed keys, one network, and verification that remembers."""
from __future__ import annotations

import hashlib
from functools import cache

from antsp2p.records import keys
from antsp2p.records.keys import Identity

NETWORK = bytes(range(16))


@cache
def identity(name: str) -> Identity:
    """The key whose seed is the SHA-256 of the name."""
    return Identity.from_seed(hashlib.sha256(name.encode()).digest())


@cache
def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Real verification; the same question is asked often."""
    return keys.verify(public_key, signature, message)
