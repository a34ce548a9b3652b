"""Places: which links a node keeps when there are more than it wants, and whom it lets in.

Law: the nearest by a hash of both keys stay, whoever calls most, and now and then one guest besides
for somebody in need. Where many press there are more places for a while, as who is nearest calls
no louder than others. Links to addresses that a person named are not counted up to a number. Nobody
is closed here: it is said who gives way.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.affinity import FARTHEST

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link
    from antsp2p.gossip.links import Links
    from antsp2p.gossip.view import View


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of a link that has just come up."""

    leaving: tuple[Link, ...] = ()
    """Those that give way, in this order."""
    is_guest: bool = False
    """Whether the newcomer stays for a while only."""


class Places:
    """The places for links of one node."""

    def __init__(
        self, *, links: Links, view: View, limits: Limits, now_us: int
    ) -> None:
        self._affinity = view.affinity
        self._links = links
        self._view = view
        self._limits = limits
        self._guest: Link | None = None
        """A link beyond the usual number, for a short while, to somebody in need."""
        self._hosts_us = now_us
        """When there may be another guest."""

    def settle(self, newcomer: Link, now_us: int) -> Settled:
        """Keep links within their number: the nearest stay, and one guest besides."""
        if self._free(now_us) >= 0:
            return Settled()
        farthest = max(self._rivals(newcomer), key=self._distance)
        if farthest is not newcomer:
            return Settled((farthest,))
        if not self._has_guest_room(now_us):
            return Settled((newcomer,))
        before = self._end_visit()
        self._guest = newcomer
        self._hosts_us = now_us + self._limits.guest_pause_us
        return Settled(before, is_guest=True)

    def overstaying(self, now_us: int) -> tuple[Link, ...]:
        """Who is to leave: one by one those that have no place since nobody presses any more, then
        the guest if its time is over."""
        if self._free(now_us) < 0:
            return (max(self._rivals(), key=self._distance),)
        guest = self._guest
        if guest is None or now_us - guest.since_us < self._limits.guest_us:
            return ()
        return self._end_visit()

    def _end_visit(self) -> tuple[Link, ...]:
        guest, self._guest = self._guest, None
        return (guest,) if guest is not None and self._links.holds(guest) else ()

    def admits(self, caller: bytes, *, is_needy: bool, now_us: int) -> bool:
        """Whether there is a place for a caller; a needy one may be a guest."""
        return (
            self._free(now_us) > 0 or self._view.is_returning(caller)
            or self._affinity.far(caller) < self.reach()
            or (is_needy and self._has_guest_room(now_us))
        )

    def _has_guest_room(self, now_us: int) -> bool:
        """Where many press for links anybody may say that he is in need, so there nobody is let in
        for that."""
        return now_us >= self._hosts_us and not self._view.is_pressed(now_us)

    def reach(self) -> int:
        """The distance of the farthest link that may give way."""
        return max(map(self._distance, self._rivals()), default=FARTHEST)

    def _rivals(self, newcomer: Link | None = None) -> list[Link]:
        """Links of which the farthest gives way: all, or those that others chose, while there are
        no more of this node's choice than there must be."""
        links = self._bounded()
        initiated = sum(link.initiated for link in links if link is not newcomer)
        if initiated * self._limits.dialled_share > len(links):
            return links
        return [link for link in links if not link.initiated] or links

    def _distance(self, link: Link) -> int:
        return self._affinity.far(link.author)

    def _bounded(self) -> list[Link]:
        """All but the guest and those to addresses that a person named."""
        links = [link for link in self._links.all() if link is not self._guest]
        if self._view.has_kept:
            links = [link for link in links if not self._view.is_kept(link.address)]
        return links

    def _free(self, now_us: int) -> int:
        bounded = len(self._bounded())
        guests = self._guest is not None and self._links.holds(self._guest)
        kept = len(self._links) - bounded - guests - self._limits.kept_links
        most = self._limits.target_links + self._limits.accepted_links
        if self._view.is_pressed(now_us):
            most += self._limits.pressed_links
        return most - bounded - max(kept, 0)
