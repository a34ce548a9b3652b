"""The tree: on which links new records are pushed at once (Plumtree, Leitao et al. 2007).

Law: only what arrived, by which link and whether it was asked for, shapes the tree; a single loss
never does. A push that comes again with the same stem (by pushes alone from the author, or from
one and the same pull) has gone round in a circle, and prunes its link; with another stem it has
not, for a pull enters a branch where no link leads. A row of pulls grafts a link. That every
record arrives rests on adverts and reconciliation, never on the tree.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.limits import MAX_STEM, Limits
from antsp2p.gossip.wire import Frame, Graft, Prune

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from antsp2p.gossip.link import Link


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
        self._came: dict[bytes, tuple[int, int]] = {}
        """Record id -> the link that first brought it and its stem, for the latest records."""
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

    def grafted(self, link: Link) -> None:
        """The peer asks to be pushed to."""
        self._eager[link.id] = None

    def pruned(self, link: Link) -> None:
        """The peer asks for adverts instead."""
        self._eager.pop(link.id, None)

    # --- what arrives ------------------------------------------------------------------------

    def pushed(self, link: Link, record_id: bytes, stem: int, is_new: bool) -> None:
        """The peer has pushed a record."""
        if is_new:
            self._pulls_in_a_row = 0
            self._remember(record_id, link, stem)
            self._eager[link.id] = None
            return
        first_link, first_stem = self._came.get(record_id, (link.id, stem))
        if first_stem == stem and first_link != link.id:
            self._eager.pop(link.id, None)
            self._post(link, Prune())

    def pulled(self, link: Link, record_id: bytes) -> int:
        """A record was asked for; returns the stem under which it goes on."""
        stem = 1 + self._rng.randrange(MAX_STEM)
        self._remember(record_id, None, stem)
        return stem

    def _remember(self, record_id: bytes, link: Link | None, stem: int) -> None:
        if len(self._came) >= self._limits.pushes_remembered:
            del self._came[next(iter(self._came))]
        self._came[record_id] = (0 if link is None else link.id, stem)

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
