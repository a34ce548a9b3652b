"""Who can do what: the latest announcement of each author and capability.

Law: a fold over records; the same set gives the same answers in any order. An announcement is
what its author says of itself; whether it is true is for reputation, and whether the author can
be reached or is free at this moment is not known here. Whom this node's person has blocked provides
nothing here, and what the snapshot commits to is the same.
"""
from __future__ import annotations

import hashlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.body import Announce
from antsp2p.coordination.latest import Latest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from antsp2p.coordination.latest import Entry

CONFIGURATION_DOMAIN: Final = b"antsp2p/1/configuration\0"


def configuration_digest(parts: Iterable[bytes]) -> bytes:
    """32 bytes that stand for what an agent is made of (model, prompt, tools …), in any order."""
    hashes = sorted(hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(CONFIGURATION_DOMAIN + b"".join(hashes)).digest()


class CapabilityFold(Latest[Announce]):
    """All announcements. `add` takes any record and looks only at announcements."""

    def __init__(self) -> None:
        super().__init__(Announce, lambda announce: announce.name)
        self._blocked: frozenset[bytes] = frozenset()

    def block(self, authors: frozenset[bytes]) -> None:
        """These, and no others, are not to be counted among the providers."""
        self._blocked = authors

    def providers(self, name: str) -> tuple[tuple[bytes, Announce], ...]:
        """(author, announcement) of all who provide the capability now, by author."""
        # This is asked for at every offer, and hardly anybody is ever blocked.
        live, blocked = self.live(name), self._blocked
        authors = [author for author in live if author not in blocked] if blocked else live
        return tuple([(author, live[author].body) for author in sorted(authors)])

    def shut_out(self, name: str) -> tuple[bytes, ...]:
        """Who would be among the providers if this node's person had not blocked them, sorted."""
        return tuple(sorted(self._blocked & self.live(name).keys()))

    def configuration(self, author: bytes, name: str, seq: int = 0) -> bytes:
        """The digest of what the author said it runs for the capability, below `seq` or (0) at
        last; empty where it said nothing. A withdrawal says nothing of it."""
        said = self.said(author, name)
        place = bisect_left(said, seq, key=_seq) if seq else len(said)
        while place and said[place - 1].body.withdrawn:
            place -= 1
        return said[place - 1].body.config_digest if place else b""

    def names(self) -> tuple[str, ...]:
        """The capabilities that somebody provides now, sorted."""
        names, blocked = super().names(), self._blocked
        if not blocked:
            return names
        return tuple(
            name for name in names if any(author not in blocked for author in self.live(name)))


def _seq(entry: Entry[Announce]) -> int:
    return entry.seq
