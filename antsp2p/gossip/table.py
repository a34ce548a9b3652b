"""The table of links: who is linked where, and which session belongs to whom.

Law: one link an address, and one of a pair of nodes in the end. A session that another has taken
the place of is read a little longer. How links come about is not known here.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.link import Change, Closed, Link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.session import Session
    from antsp2p.gossip.wire import Address


@dataclass(frozen=True, slots=True)
class Fading:
    """A session that another has taken the place of, and that is read a little longer."""

    session: Session
    address: Address
    author: bytes
    instance: bytes
    until_us: int


class Table:
    """All links of a node."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_address: dict[Address, Link] = {}
        self._by_author: dict[bytes, list[Link]] = {}
        self._by_session: dict[bytes, Link] = {}
        self._fading: dict[bytes, Fading] = {}
        self._next_id = 1

    # --- looking -----------------------------------------------------------------------------

    def all(self) -> list[Link]:
        """Every link, oldest first."""
        return sorted(self._by_address.values(), key=lambda link: link.id)

    def __len__(self) -> int:
        return len(self._by_address)

    def at(self, address: Address) -> Link | None:
        return self._by_address.get(address)

    def holds(self, link: Link) -> bool:
        """Whether the link is still up."""
        return self._by_address.get(link.address) is link

    def of(self, author: bytes) -> Sequence[Link]:
        """The links to `author`, oldest first."""
        return self._by_author.get(author, ())

    def by_session(self, session: bytes) -> Link | None:
        """The link that reads what is sent to `session`."""
        return self._by_session.get(session)

    def fading(self, session: bytes) -> Fading | None:
        return self._fading.get(session)

    def knows(self, session: bytes) -> bool:
        """Whether anything is read of what is sent to `session`."""
        return session in self._by_session or session in self._fading

    def twin(self, author: bytes, instance: bytes) -> Link | None:
        """The link to this run of a node."""
        return next((link for link in self.of(author) if link.instance == instance), None)

    def is_full(self, author: bytes, address: Address) -> bool:
        """Whether a key has its links already."""
        elsewhere = [link for link in self.of(author) if link.address != address]
        return len(elsewhere) >= self._limits.links_per_author

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"links": len(self._by_address), "fading": len(self._fading)}

    # --- changing ----------------------------------------------------------------------------

    def take_id(self) -> int:
        """A number that no link had before."""
        self._next_id += 1
        return self._next_id - 1

    def put(self, link: Link) -> None:
        """The link is up."""
        self._by_address[link.address] = link
        self._by_session[link.session.id_in] = link
        self._by_author[link.author] = [*self.of(link.author), link]

    def close(self, link: Link, reason: str) -> Closed:
        """Forget a link that is in the table."""
        if self._by_address.get(link.address) is link:
            del self._by_address[link.address]
        self._by_session.pop(link.session.id_in, None)
        others = [other for other in self.of(link.author) if other is not link]
        if others:
            self._by_author[link.author] = others
        else:
            self._by_author.pop(link.author, None)
        return Closed(link, reason)

    def make_way(self, link: Link, twin: Link | None, now_us: int) -> list[Change]:
        """Close what `link` takes the place of: the twin, and what stood at its address."""
        changes: list[Change] = []
        if twin is not None:
            self.fade(twin.session, twin.address, twin, now_us)
            changes.append(self.close(twin, "replaced"))
        here = self._by_address.get(link.address)
        if here is not None:
            changes.append(self.close(here, "restarted"))
        return changes

    def fade(self, session: Session, address: Address, twin: Link, now_us: int) -> None:
        """Read `session` for a while: what comes on it is for the link that `twin` is, or was."""
        if len(self._fading) >= self._limits.fading_sessions:
            del self._fading[next(iter(self._fading))]
        self._fading[session.id_in] = Fading(
            session, address, twin.author, twin.instance, now_us + self._limits.fading_us
        )

    def faded(self, fading: Fading) -> None:
        """Its time is over."""
        self._fading.pop(fading.session.id_in, None)
