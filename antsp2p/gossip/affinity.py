"""Affinity: how near two authors are to each other, which nobody chooses.

Law: a hash of the two keys, the same from both ends. Who calls most often, answers first or is
named most is no nearer for it; so members that want all links get no more of them than their share
of the keys. What nearness is used for is not known here.
"""
from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

AFFINITY_DOMAIN: Final = b"antsp2p/1/near"
FARTHEST: Final = 2**64 - 1
MAX_AFFINITIES: Final = 1_024
"""Authors whose distance a node remembers: several times those in its book and its links."""


@lru_cache(maxsize=65_536)
def distance(one: bytes, other: bytes) -> int:
    """From 0 to `FARTHEST`, uniform over pairs of authors."""
    low, high = (one, other) if one < other else (other, one)
    digest = blake2b(low + high, digest_size=8, person=AFFINITY_DOMAIN)
    return int.from_bytes(digest.digest(), "big")


class Affinity:
    """How far others are from one author, who asks about the same ones again and again."""

    __slots__ = ("_far", "_me")

    def __init__(self, me: bytes) -> None:
        self._me = me
        self._far: dict[bytes, int] = {}

    def far(self, author: bytes) -> int:
        """The `distance` of the author."""
        found = self._far.get(author)
        if found is None:
            if len(self._far) >= MAX_AFFINITIES:
                self._far.clear()
            found = self._far[author] = distance(self._me, author)
        return found
