"""The parts of the gossip engine and what each is given.

Law: this is the only place that knows all parts. Each part is given the few calls that it needs,
so that one can be replaced without touching the rest.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.ages import Ages
from antsp2p.gossip.assembly import Assemblies
from antsp2p.gossip.awaited import Awaited
from antsp2p.gossip.beats import Beats
from antsp2p.gossip.blame import Blame
from antsp2p.gossip.bulk import Bulk
from antsp2p.gossip.intake import Intake
from antsp2p.gossip.links import Links
from antsp2p.gossip.liveness import Liveness
from antsp2p.gossip.outbox import Outbox
from antsp2p.gossip.proofs import Proofs
from antsp2p.gossip.pursuit import Pursuits
from antsp2p.gossip.quotas import Quotas
from antsp2p.gossip.reconcile import Reconcile, Ties
from antsp2p.gossip.rotation import Rotation
from antsp2p.gossip.serve import Server
from antsp2p.gossip.settle import Settle
from antsp2p.gossip.sharing import Sharing
from antsp2p.gossip.spread import Spread
from antsp2p.gossip.tree import Tree
from antsp2p.gossip.view import View
from antsp2p.gossip.visible import Visible

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from random import Random

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link
    from antsp2p.gossip.outputs import Output
    from antsp2p.gossip.protection import Protection
    from antsp2p.gossip.wire import Address, PeerAddress
    from antsp2p.records.keys import Verify
    from antsp2p.records.log import LogSet
    from antsp2p.records.record import Parse


@dataclass(frozen=True, slots=True)
class Calls:
    """What the parts ask of the engine."""

    room: Callable[[int, bytes, str], tuple[PeerAddress, ...] | None]
    """(links of a caller, its key, its host) -> addresses to name instead of a welcome, or None."""
    may_open: Callable[[bytes, str], tuple[PeerAddress, ...] | None]
    """(key and host of a caller whose address is proven) -> the same."""
    takes: Callable[[Address, bytes], bool]
    """(address that answered, its root) -> whether to link with it."""
    ping: Callable[[Link, int, int], None]
    tell: Callable[[Output], None]
    offence: Callable[[Link, int], None]
    share: Callable[[Link, int, bool, int], None]
    """(link, count, whether as many are wanted back, now)"""
    report: Callable[[Link, int, bytes], None]
    """(link, seq, head): what a peer says that it holds of our own log."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each."""

    visible: Visible
    ages: Ages
    assemblies: Assemblies
    outbox: Outbox
    view: View
    links: Links
    liveness: Liveness
    sharing: Sharing
    pursuits: Pursuits
    awaited: Awaited
    tree: Tree
    bulk: Bulk
    server: Server
    proofs: Proofs
    spread: Spread
    reconcile: Reconcile
    beats: Beats
    intake: Intake
    blame: Blame
    rotation: Rotation
    quotas: Quotas

    def opened(self, link: Link, now_us: int) -> None:
        """A link is up."""
        self.quotas.opened(link)
        # Before the first ping, which would else tell the peer the secret that it has shown.
        self.rotation.opened(link, now_us)
        self.pursuits.opened(link)
        self.bulk.opened(link)
        self.server.opened(link, now_us)
        self.assemblies.opened(link)
        self.proofs.opened(link)
        self.tree.opened(link)
        self.spread.opened(link, now_us)
        self.reconcile.opened(link, now_us)
        self.blame.opened(link, now_us)
        self.liveness.opened(link, now_us)
        self.beats.opened(link, now_us)
        self.sharing.opened(link, now_us)

    def closed(self, link: Link, now_us: int) -> None:
        """A link is out of the table: forget all that was kept for it."""
        self.quotas.closed(link)
        self.pursuits.closed(link, now_us)
        self.bulk.closed(link, now_us)
        self.server.closed(link)
        self.assemblies.closed(link)
        self.proofs.closed(link)
        self.awaited.closed(link)
        self.tree.closed(link)
        self.spread.closed(link)
        self.reconcile.closed(link)
        self.blame.closed(link)
        self.liveness.closed(link)
        self.beats.closed(link)
        self.sharing.closed(link)
        self.rotation.closed(link)
        self.outbox.closed(link)

    def sizes(self) -> dict[str, int]:
        """Sizes of all tables, to be checked against their bounds."""
        sized = (
            self.links, self.view, self.pursuits, self.bulk, self.awaited, self.server,
            self.proofs, self.tree, self.spread,
            self.reconcile, self.beats, self.ages, self.assemblies, self.blame,
            self.rotation,
            self.quotas,
        )
        return {name: size for part in sized for name, size in part.sizes().items()}


def build_parts(
    *,
    logs: LogSet,
    protection: Protection,
    instance: bytes,
    rng: Random,
    now_us: int,
    verify: Verify,
    parse: Parse,
    limits: Limits,
    drops: Counter[str],
    sent: Counter[str],
    calls: Calls,
) -> Parts:
    """All parts, each with the calls that it needs."""
    network, me = protection.network, protection.author
    visible, ages, outbox = Visible(logs, me), Ages(limits.ages_waiting), Outbox(sent)
    liveness = Liveness(limits=limits, rng=rng, ping=calls.ping)
    pursuits, bulk = _fetching(visible, liveness, outbox, limits, drops, calls)
    server = Server(
        visible=visible, verify=verify, limits=limits, drops=drops, age_ms=ages.age_ms,
        post=outbox.post,
    )
    proofs = Proofs(
        visible=visible, limits=limits, drops=drops, may_send=server.may_send, post=outbox.post
    )
    awaited = Awaited(limits=limits, have=visible.seq, pursue=pursuits.pursue)
    tree = Tree(limits=limits, rng=rng, loss_permille=liveness.loss_permille, post=outbox.post)
    spread = Spread(
        visible=visible, tree=tree, awaited=awaited, pursuits=pursuits, server=server,
        limits=limits, loss_permille=liveness.loss_permille, offer_proof=proofs.offer,
        post=outbox.post, post_bytes=outbox.post_bytes, rng=rng,
    )
    return Parts(
        visible=visible, ages=ages, outbox=outbox, liveness=liveness, pursuits=pursuits,
        bulk=bulk, server=server, proofs=proofs, spread=spread, awaited=awaited, tree=tree,
        view=View(me=me, rng=rng, now_us=now_us, limits=limits, drops=drops),
        links=Links(
            protection=protection, instance=instance, now_us=now_us, limits=limits, drops=drops,
            verify=verify, holding=visible.holding, room=calls.room, may_open=calls.may_open,
            takes=calls.takes,
        ),
        sharing=Sharing(limits=limits, rng=rng, now_us=now_us, share=calls.share),
        reconcile=Reconcile(
            visible=visible, instance=instance, rng=rng, limits=limits, drops=drops, now_us=now_us,
            settle=Settle(visible=visible, spread=spread, proofs=proofs, report=calls.report),
            ties=_ties(liveness, pursuits, server, outbox),
        ),
        beats=Beats(
            visible=visible, network=network, verify=verify, limits=limits, drops=drops,
            post=outbox.post,
        ),
        intake=Intake(visible=visible, verify=verify, parse=parse, ages=ages, drops=drops),
        assemblies=Assemblies(limits), blame=Blame(limits), quotas=Quotas(limits),
        rotation=Rotation(
            keys=protection.keys, limits=limits, now_us=now_us, drops=drops, post=outbox.post,
            tell=calls.tell,
        ),
    )


def _fetching(
    visible: Visible, liveness: Liveness, outbox: Outbox, limits: Limits, drops: Counter[str],
    calls: Calls,
) -> tuple[Pursuits, Bulk]:
    """The two ways of fetching what is missing, each of which leaves to the other what it must."""
    pursuits = Pursuits(
        limits=limits, drops=drops, have=visible.seq, wait_us=liveness.wait_us,
        turn_us=liveness.turn_us, sample=liveness.sample, post=outbox.post,
    )
    bulk = Bulk(
        limits=limits, drops=drops, have=visible.seq, pursue=pursuits.pursue, tell=calls.tell,
        offence=calls.offence,
    )
    pursuits.share_with(bulk.take)
    return pursuits, bulk


def _ties(liveness: Liveness, pursuits: Pursuits, server: Server, outbox: Outbox) -> Ties:
    """What reconciliation asks of the other parts."""
    return Ties(
        wait_us=liveness.wait_us, soon=liveness.soon, room=pursuits.room,
        may_send=server.may_send, post=outbox.post,
    )
