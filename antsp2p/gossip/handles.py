"""Handles: short numbers for authors on one link, so that an advert need not carry a key.

Law: each side numbers what it tells, for its own direction, and never uses a number again; a
handle whose name was lost is asked for, and costs nothing but time. A handle is never proof of
anything.
"""
from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from antsp2p.gossip.wire import Name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from antsp2p.gossip.limits import Limits


@dataclass(slots=True, eq=False)
class _Told:
    handle: int
    namings: int = 0


@dataclass(slots=True, eq=False)
class Handles:
    """The handles of one link, both directions."""

    limits: Limits
    # The oldest goes first, and a plain dict looks for it among all that went before.
    _told: OrderedDict[bytes, _Told] = field(default_factory=OrderedDict)
    _heard: dict[int, bytes] = field(default_factory=dict)
    _next: int = 0

    def tell(self, author: bytes) -> tuple[int, Name | None]:
        """The handle of `author` towards the peer, with its name while the peer may not know it."""
        told = self._told.get(author)
        if told is None:
            if len(self._told) >= self.limits.handles:
                self._told.popitem(last=False)
            told = self._told[author] = _Told(self._next)
            self._next += 1
        if told.namings >= self.limits.namings:
            return told.handle, None
        told.namings += 1
        return told.handle, Name(told.handle, author)

    def hear(self, names: Iterable[Name]) -> None:
        """The peer names handles of its own."""
        for name in names:
            if name.handle not in self._heard and len(self._heard) >= self.limits.handles:
                del self._heard[next(iter(self._heard))]
            self._heard[name.handle] = name.author

    def heard(self, handle: int) -> bytes | None:
        """The author that the peer means by `handle`; None where its name did not arrive."""
        return self._heard.get(handle)

    def asked(self, handles: Iterable[int]) -> list[bytes]:
        """The peer asks for the names of these handles: the authors, to be named once more."""
        wanted = set(handles)
        found = [author for author, told in self._told.items() if told.handle in wanted]
        for author in found:
            self._told[author].namings = 0
        return found

    def sizes(self) -> int:
        """Entries in the larger of the two tables."""
        return max(len(self._told), len(self._heard))
