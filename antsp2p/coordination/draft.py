"""A draft: what a node has decided to say, before it is signed."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from antsp2p.coordination.body import Body


@dataclass(frozen=True, slots=True)
class Draft:
    """A body and the refs its record must carry (at most 8 ids, none of the signer's own log)."""

    body: Body
    refs: tuple[bytes, ...] = ()
