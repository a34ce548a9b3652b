"""The tree: on which links new records are pushed at once (Plumtree, Leitao et al. 2007).

Law: only what arrived, by which link and whether it was asked for, shapes the tree; a single loss
never does. A push that comes again with the same stem (by pushes alone from the author, or from
one and the same pull) has gone round in a circle, and the longer way round is pruned; with another
stem it has not, for a pull enters a branch where no link leads. A row of pulls grafts a link. That
every record arrives rests on adverts and reconciliation, never on the tree.
"""
from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from antsp2p.gossip.limits import MAX_HOPS, MAX_STEM, Limits
from antsp2p.gossip.wire import Frame, Graft, Prune

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from random import Random

    from antsp2p.gossip.link import Link


class Way(NamedTuple):
    """How a record came, by pushes: under which stem, and over how many links since."""

    stem: int
    hops: int


FROM_HERE: Final = Way(0, 1)
"""The way of an own record."""


class Tree:
    """The eager links of a node. `loss_permille(link)` is the estimated loss of a link."""

    def __init__(
        self,
        *,
        limits: Limits,
        rng: Random,
        loss_permille: Callable[[Link], int],
        post: Callable[[Link, Frame], None],
    ) -> None:
        self._limits = limits
        self._rng = rng
        self._loss_permille = loss_permille
        self._post = post
        self._links: dict[int, Link] = {}
        self._eager: dict[int, None] = {}
        self._came: OrderedDict[bytes, tuple[int, Way]] = OrderedDict()
        """Record id -> the link that brought it and its way, for the latest records; 0: pulled."""
        self._pulls_in_a_row = 0

    # --- links -------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """The first links that this node dialled begin eager; the peer is told."""
        self._links[link.id] = link
        if link.initiated and len(self._eager) < self._limits.first_eager_links:
            self._graft(link)

    def closed(self, link: Link) -> None:
        """A branch that breaks is replaced at once; if that makes a circle, it is pruned."""
        self._links.pop(link.id, None)
        if link.id in self._eager:
            del self._eager[link.id]
            lazy = [other for other in self._links.values() if other.id not in self._eager]
            if lazy:
                self._graft(self._rng.choice(lazy))

    def is_eager(self, link: Link) -> bool:
        """Whether new records are pushed on the link."""
        return link.id in self._eager

    def leading_on(self, way: Way) -> Container[int]:
        """The ids of the links on which a new record that came this way is pushed on.

        Where much is lost, others pull what was pulled here, all at once, and pushes from each
        would meet: then it is told, and who still lacks it asks.
        """
        if way.stem == FROM_HERE.stem:
            return self._eager
        bound = self._limits.pulled_told_permille
        return [
            link_id for link_id in self._eager
            if link_id in self._links and self._loss_permille(self._links[link_id]) < bound
        ]

    def grafted(self, link: Link) -> None:
        """The peer asks to be pushed to."""
        self._eager[link.id] = None

    def pruned(self, link: Link) -> None:
        """The peer asks for adverts instead."""
        self._eager.pop(link.id, None)

    # --- what arrives ------------------------------------------------------------------------

    def pushed(self, link: Link, record_id: bytes, way: Way, is_new: bool) -> Way:
        """The peer has pushed a record that came this way; returns the way on which it goes on."""
        if is_new:
            self._pulls_in_a_row = 0
            self._remember(record_id, link.id, way)
            self._eager[link.id] = None
        else:
            first, known = self._came.get(record_id, (link.id, way))
            if known.stem == way.stem and first != link.id:
                self._cut(link, record_id, way, first, known)
        return Way(way.stem, min(way.hops + 1, MAX_HOPS))

    def _cut(self, link: Link, record_id: bytes, way: Way, first: int, known: Way) -> None:
        """A circle was closed: of the two ways round it the one of fewer links stays.

        That way cannot lead through this node, because every link adds one. Pushes mostly cross;
        then both ends see both ways, and where the peer will find ours the shorter one, the link
        is left to it: were it cut here, and the other one there, a branch would come off.
        """
        crossed = link.id in self._eager
        if way.hops < known.hops:
            self._came[record_id] = (link.id, way)
            self._eager[link.id] = None
            if first in self._links:
                self._prune(self._links[first])
        elif not crossed or way.hops <= known.hops + 2:
            self._prune(link)

    def _prune(self, link: Link) -> None:
        self._eager.pop(link.id, None)
        self._post(link, Prune())

    def pulled(self, record_id: bytes) -> Way:
        """A record was asked for; returns the way on which it goes on."""
        way = Way(1 + self._rng.randrange(MAX_STEM), 1)
        self._remember(record_id, 0, way)
        return way

    def _remember(self, record_id: bytes, link_id: int, way: Way) -> None:
        if len(self._came) >= self._limits.pushes_remembered:
            self._came.popitem(last=False)
        self._came[record_id] = (link_id, way)

    def missed(self, link: Link) -> None:
        """News had to be asked for: where that goes on, the answering link is grafted."""
        self._pulls_in_a_row += 1
        row = self._limits.pulls_before_graft
        # On lossy links rows of pulls come by chance, and grafting on them would only add copies.
        row += self._loss_permille(link) // self._limits.graft_loss_step_permille
        if self._pulls_in_a_row >= row:
            self._pulls_in_a_row = 0
            if link.id not in self._eager:
                self._graft(link)

    def _graft(self, link: Link) -> None:
        self._eager[link.id] = None
        self._post(link, Graft())

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"eager": len(self._eager), "pushes": len(self._came)}
