"""The tree: on which links new records are pushed at once (Plumtree, Leitao et al. 2007).

Law: only what arrived, by which link and whether it was asked for, shapes the tree; a single loss
never does. Only records that came from their author by pushes alone ("rooted") show a circle, and
prune it: what was pulled on the way has entered a branch where no link leads. A row of pulls
grafts a link. That every record arrives rests on adverts and reconciliation, never on the tree.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.wire import Frame, Graft, Prune

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from antsp2p.gossip.limits import Limits
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
        self._pushed: dict[bytes, int] = {}
        """Record id -> the link whose push brought it, for the latest rooted records."""
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

    def pushed(self, link: Link, record_id: bytes, is_new: bool, rooted: bool) -> None:
        """The peer has pushed a record."""
        if is_new:
            self._pulls_in_a_row = 0
        if not rooted:
            return
        if is_new:
            if len(self._pushed) >= self._limits.pushes_remembered:
                del self._pushed[next(iter(self._pushed))]
            self._pushed[record_id] = link.id
            self._eager[link.id] = None
        elif self._pushed.get(record_id, link.id) != link.id:
            self._eager.pop(link.id, None)
            self._post(link, Prune())

    def pulled(self, link: Link) -> None:
        """New records had to be asked for: where that goes on, the answering link is grafted."""
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
        return {"eager": len(self._eager), "pushes": len(self._pushed)}
