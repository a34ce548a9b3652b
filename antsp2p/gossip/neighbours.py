"""Neighbours: whom a node is linked with, whom it calls, and how a link begins and ends.

Law: what happens to a link is carried out here, in one order, for all parts; who may have a place
is decided in `places`, which addresses are called in `view`. Frames of a link are not read here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.gossip.addresses import pack_host
from antsp2p.gossip.book import Purpose
from antsp2p.gossip.handshake import answerer_of, this_is
from antsp2p.gossip.limits import HELLO_BYTES, MIN_HELLO_BYTES, Limits
from antsp2p.gossip.link import (
    BYE_REASONS,
    Change,
    Closed,
    Doubted,
    Link,
    Opened,
    Own,
    Reached,
    Refused,
)
from antsp2p.gossip.outputs import LinkDown, LinkUp, Output, Send
from antsp2p.gossip.places import Places
from antsp2p.gossip.view import Linked
from antsp2p.gossip.wire import Address, Bye, PeerAddress, Peers, encode_frame

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from antsp2p.gossip.parts import Parts
    from antsp2p.gossip.reader import Reader

_BUSY_PEERS: Final = 8
"""Addresses in a refusal: with them it is still smaller than the hello it answers."""


class Neighbours:
    """The links of one node. `sent` counts bytes by frame name; `tell` takes outputs."""

    def __init__(
        self,
        *,
        parts: Parts,
        reader: Reader,
        limits: Limits,
        sent: Counter[str],
        tell: Callable[[Output], None],
        now_us: int,
    ) -> None:
        self._me = parts.visible.me
        self._parts = parts
        self._reader = reader
        self._limits = limits
        self._sent = sent
        self._tell = tell
        self._places = Places(
            links=parts.links, view=parts.view, limits=limits, now_us=now_us,
        )

    # --- a link begins and ends --------------------------------------------------------------

    def apply(self, change: Change, now_us: int) -> None:
        """Do what a datagram changed about links and addresses."""
        match change:
            case Opened(link, seq, head):
                self._open(link, seq, head, now_us)
            case Closed(link, reason):
                self._closed(link, reason, now_us)
            case Doubted(link):
                self._call(link.address, HELLO_BYTES, now_us)
            case Reached(address, author):
                self._parts.view.reached(address, author, now_us)
            case Own(address):
                self._parts.view.own(address)
            case Refused(address, peers):
                self._parts.view.refused(address, now_us, answerer_of(peers))
                self._parts.view.named(
                    address[0].encode(), address[0], peers, now_us, is_full=True)

    def _open(self, link: Link, seq: int, head: bytes, now_us: int) -> None:
        self._parts.view.linked(link.address, link.author, now_us)
        self._parts.links.forget_dial(link.address)
        self._tell(LinkUp(link.author, link.address))
        self._parts.opened(link, now_us)
        self._reader.opened(link, seq, head, now_us)
        if self._parts.view.is_small():
            self._introduce(link)
        self._settle(link, now_us)

    def close(self, link: Link, reason: str, now_us: int) -> None:
        """Close a link without a word."""
        self._closed(self._parts.links.close(link, reason).link, reason, now_us)

    def _closed(self, link: Link, reason: str, now_us: int) -> None:
        """Forget all that was kept for a link that is out of the table."""
        self._parts.closed(link, now_us)
        self._reader.closed(link)
        if reason in ("peer-full", "full"):
            self._parts.view.refused(link.address, now_us)
        else:
            self._parts.view.lost(link.address, now_us, is_silent=reason == "timeout")
        self._parts.view.thinned(now_us)
        if reason == "timeout":
            self._parts.sharing.soon(now_us)
        if not self._parts.links.of(link.author):
            self._tell(LinkDown(link.author, link.address, reason))

    def dismiss(self, link: Link, reason: str, now_us: int) -> None:
        """Close a link and say so."""
        bye = Bye(BYE_REASONS.index(reason))
        for data in self._parts.links.write(link, [encode_frame(bye)], now_us):
            self._sent["bye"] += len(data)
            self._tell(Send(link.address, data))
        self.close(link, reason, now_us)

    def cut(self, link: Link, reason: str, now_us: int) -> None:
        """Close the link of an offender, and do not answer there for a while."""
        if self._parts.links.holds(link):
            self.dismiss(link, reason, now_us)
            self._parts.links.ban(link, now_us)

    def offend(self, link: Link, now_us: int) -> None:
        """The peer sent a wrong signature."""
        if self._parts.blame.add(link, now_us):
            self.cut(link, "signatures", now_us)

    # --- who has a place ---------------------------------------------------------------------

    def _settle(self, newcomer: Link, now_us: int) -> None:
        """Keep links within their number."""
        settled = self._places.settle(newcomer, now_us)
        for link in settled.leaving:
            self.dismiss(link, "full", now_us)
        if settled.is_guest:
            self._parts.view.wake_by(now_us + self._limits.guest_us)

    def busy_peers(
        self, caller: bytes, host: str, now_us: int, *, is_needy: bool
    ) -> tuple[PeerAddress, ...] | None:
        """Addresses to name where there is no room for the caller; None where there is."""
        if self._places.admits(caller, is_needy=is_needy, now_us=now_us):
            return None
        if self._parts.view.turned_away(host, now_us):
            self._parts.sharing.pressed(now_us)
        return (this_is(self._me), *self.sample(host, caller, _BUSY_PEERS - 1, now_us))

    def takes(self, address: Address, root: bytes, now_us: int) -> bool:
        """Whether to link with the node that answered at `address` and told `root`."""
        own_root, _ = self._parts.reconcile.root(now_us)
        is_strange = root != own_root
        return self._parts.view.wants(address, self._linked(), is_strange=is_strange)

    def _linked(self) -> Linked:
        links = self._parts.links.all()
        return Linked(
            addresses={link.address for link in links}, authors={link.author for link in links},
            initiated=sum(link.initiated for link in links),
            reach=self._places.reach(),
        )

    # --- calling -----------------------------------------------------------------------------

    def dial(self, now_us: int) -> None:
        """Call those whose turn it is, and close links that have no place any more."""
        leaving = self._places.overstaying(now_us)
        for link in leaving:
            self.dismiss(link, "full", now_us)
        for address, purpose in self._parts.view.plan(self._linked(), now_us):
            if not self._parts.links.is_banned(address, now_us):
                asks_little = purpose is Purpose.LOST or (
                    purpose is Purpose.LOOK and not self._parts.view.is_pressed(now_us)
                ) or (purpose is Purpose.NEED and not self._parts.view.is_hungry)
                size = MIN_HELLO_BYTES if asks_little else HELLO_BYTES
                self._call(address, size, now_us)
        if leaving:
            self._parts.view.wake_by(now_us + self._limits.shuffle_soon_us)

    def _call(self, address: Address, size: int, now_us: int) -> None:
        data = self._parts.links.dial(address, now_us, size)
        self._sent["hello"] += len(data)
        self._tell(Send(address, data))

    # --- naming others -----------------------------------------------------------------------

    def share(self, link: Link, count: int, asks: bool, now_us: int) -> None:
        """Name up to `count` addresses to a peer; `asks`: as many are wanted back."""
        peers = self.sample(link.address[0], link.author, count, now_us)
        if peers or asks:
            self._parts.outbox.post(link, Peers(int(asks), peers))

    def sample(
        self, host: str, asker: bytes, count: int, now_us: int
    ) -> tuple[PeerAddress, ...]:
        """Up to `count` addresses that are worth telling to `asker` at `host`."""
        linked = [(link.author, link.address) for link in self._parts.links.all()]
        return self._parts.view.sample(linked, host, asker, count, now_us)

    def _introduce(self, newcomer: Link) -> None:
        """Tell the other links of a newcomer, so that a mesh forms at once."""
        host, port = newcomer.address
        if not pack_host(host):
            return
        frame = Peers(0, (PeerAddress(newcomer.author, pack_host(host), port),))
        for link in self._parts.links.all():
            if link.author != newcomer.author:
                self._parts.outbox.post(link, frame)
