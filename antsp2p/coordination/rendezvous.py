"""Who should claim first: weighted rendezvous hashing (Thaler & Ravishankar 1998; Schindelhauer
& Schomaker 2005 for the weights).

Law: a rank only makes conflicts rare. It is each node's own estimate, nothing is decided by it,
and no two nodes need to agree on it.
"""
from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

RANK_DOMAIN: Final = b"antsp2p/1/rank\0"
_CACHED_HASHES: Final = 65_536
"""Hashes of (task, epoch, author) are asked for again whenever a slot becomes free."""


@lru_cache(maxsize=_CACHED_HASHES)
def _exponential(task: bytes, epoch: int, author: bytes) -> float:
    digest = hashlib.sha256(RANK_DOMAIN + task + epoch.to_bytes(8, "big") + author).digest()
    uniform = (int.from_bytes(digest[:8], "big") + 1) / (2**64 + 1)
    return -math.log(uniform)


def rank(task: bytes, epoch: int, me: bytes, rivals: Iterable[tuple[bytes, int]], weight: int
         ) -> int:
    """How many of `rivals` (author, free slots) come before `me`, who has `weight` free slots.

    The smallest -ln(u)/weight is first. Rivals without a free slot do not count.
    """
    mine = _exponential(task, epoch, me) / max(weight, 1)
    return sum(
        1
        for author, free in rivals
        if free > 0 and author != me and _exponential(task, epoch, author) / free < mine
    )
