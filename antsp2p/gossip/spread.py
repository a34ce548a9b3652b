"""Spread: telling links what is new here, and learning from them what is new there.

Law: news is told at once and in batches, to those who are not known to have it; being told starts
a pursuit. In a full mesh, what its author told everybody is told again only late, and only where
few others did. An eager tree replaces how news is told, and nothing else. What is in a record is
not known here.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from antsp2p.gossip.handles import Handles
from antsp2p.gossip.limits import ADVERT_BYTES, MAX_ADVERTS, MAX_NAMES, NAME_BYTES, Limits
from antsp2p.gossip.wire import (
    SHORT_ID_BYTES,
    Advert,
    Adverts,
    Frame,
    Name,
    Range,
    Want,
    WantNames,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from antsp2p.gossip.link import Link
    from antsp2p.gossip.pursuit import Pursuits
    from antsp2p.gossip.visible import Visible
    from antsp2p.records.record import Record


@dataclass(slots=True, eq=False)
class _Peer:
    link: Link
    handles: Handles
    heads: dict[bytes, int] = field(default_factory=dict)
    """Author -> the highest seq that the peer has shown."""
    pending: dict[bytes, Record] = field(default_factory=dict)
    suspected: dict[bytes, int] = field(default_factory=dict)
    """Author -> when the peer may next be asked for a record that differs from ours."""


class Spread:
    """Adverts in and out. `offer_proof(link, author, now_us)` answers news of the convicted."""

    def __init__(
        self,
        *,
        visible: Visible,
        pursuits: Pursuits,
        limits: Limits,
        offer_proof: Callable[[Link, bytes, int], None],
        post: Callable[[Link, Frame], None],
        rng: Random,
    ) -> None:
        self._rng = rng
        self._held: dict[bytes, list[int]] = {}
        self._release_us: int | None = None
        self._visible = visible
        self._pursuits = pursuits
        self._limits = limits
        self._offer_proof = offer_proof
        self._post = post
        self._peers: dict[int, _Peer] = {}

    def opened(self, link: Link) -> None:
        self._peers[link.id] = _Peer(link, Handles(self._limits))

    def closed(self, link: Link) -> None:
        self._peers.pop(link.id, None)

    # --- out ---------------------------------------------------------------------------------

    def news(self, records: Iterable[Record], source: Link | None) -> None:
        """Records that are newly here, to be told to all but `source` when the turn ends."""
        tops: dict[bytes, Record] = {}
        for record in records:
            top = tops.get(record.author)
            if top is None or record.seq > top.seq:
                tops[record.author] = record
        for peer in self._peers.values():
            if source is None or peer.link.id != source.id:
                for record in tops.values():
                    if peer.heads.get(record.author, 0) < record.seq:
                        self._tell(peer, record)

    def hold(self, records: Iterable[Record], now_us: int) -> None:
        """Records straight from their author in a full mesh: tell them late, if at all."""
        for record in records:
            if record.author in self._held or len(self._held) < self._limits.pursuits:
                self._held[record.author] = [record.seq, 0]
        if self._held and self._release_us is None:
            hold_us = self._limits.relay_hold_us
            self._release_us = now_us + hold_us // 2 + self._rng.randrange(hold_us)

    @property
    def wake_us(self) -> int | None:
        """When `due` has something to do."""
        return self._release_us

    def due(self, now_us: int) -> None:
        """Tell what was held back and not told by others meanwhile."""
        if self._release_us is None or now_us < self._release_us:
            return
        self._release_us = None
        held, self._held = self._held, {}
        records = (self._visible.at(author, seq) for author, (seq, _) in held.items())
        self.news([record for record in records if record is not None], None)

    def _overheard(self, author: bytes, seq: int) -> None:
        """Another relay told what we hold back."""
        held = self._held.get(author)
        if held is not None and seq >= held[0]:
            held[1] += 1
            if held[1] >= self._limits.relays_heard:
                del self._held[author]

    def tell(self, link: Link, author: bytes) -> None:
        """The peer lacks something of `author`: tell it what is here."""
        peer = self._peers.get(link.id)
        record = self._visible.at(author, self._visible.seq(author))
        if peer is not None and record is not None:
            self._tell(peer, record)

    def _tell(self, peer: _Peer, record: Record) -> None:
        peer.pending[record.author] = record

    def shown(self, link: Link, author: bytes, seq: int) -> None:
        """The peer has shown that it has `author` up to `seq`."""
        peer = self._peers.get(link.id)
        if peer is None or peer.heads.get(author, 0) >= seq:
            return
        if author not in peer.heads and len(peer.heads) >= self._limits.peer_heads:
            del peer.heads[next(iter(peer.heads))]
        peer.heads[author] = seq

    def lacks(self, link: Link, author: bytes, seq: int) -> None:
        """The peer has said that it has `author` only up to `seq`."""
        peer = self._peers.get(link.id)
        if peer is not None and author in peer.heads:
            peer.heads[author] = min(peer.heads[author], seq)

    def flush(self) -> None:
        """Send the adverts of this turn."""
        for peer in self._peers.values():
            if not peer.pending:
                continue
            told = [
                record for record in peer.pending.values()
                if self._visible.seq(record.author) >= record.seq
            ]
            peer.pending.clear()
            self._advertise(peer, told)

    def _advertise(self, peer: _Peer, told: Iterable[Record]) -> None:
        names: list[Name] = []
        adverts: list[Advert] = []
        for record in told:
            handle, name = peer.handles.tell(record.author)
            adverts.append(Advert(handle, record.seq, record.id[:SHORT_ID_BYTES]))
            if name is not None:
                names.append(name)
            size = (len(names) + 1) * NAME_BYTES + (len(adverts) + 1) * ADVERT_BYTES
            if size > MAX_ADVERTS * ADVERT_BYTES or len(names) == MAX_NAMES:
                self._post(peer.link, Adverts(tuple(names), tuple(adverts)))
                names, adverts = [], []
        if adverts:
            self._post(peer.link, Adverts(tuple(names), tuple(adverts)))

    # --- in ----------------------------------------------------------------------------------

    def told(self, link: Link, frame: Adverts, now_us: int) -> None:
        """The peer's news."""
        handles = self._peers[link.id].handles
        handles.hear(frame.names)
        unnamed: dict[int, None] = {}
        for advert in frame.adverts:
            author = handles.heard(advert.handle)
            if author is None:
                unnamed[advert.handle] = None
                continue
            self.shown(link, author, advert.seq)
            self._overheard(author, advert.seq)
            self.follow(link, author, advert.seq, now_us)
            record = self._visible.at(author, advert.seq)
            if record is not None and record.id[:SHORT_ID_BYTES] != advert.short_id:
                self._suspect(link, author, advert.seq, now_us)
        if unnamed:
            self._post(link, WantNames(tuple(unnamed)[:MAX_NAMES]))

    def name(self, link: Link, wanted: WantNames) -> None:
        """The peer does not know these handles: name them, with what is here of their authors."""
        for author in self._peers[link.id].handles.asked(wanted.handles):
            self.tell(link, author)

    def follow(self, link: Link, author: bytes, upto: int, now_us: int) -> None:
        """The peer has `author` up to `upto`: fetch what is missing, below a proven fork."""
        fork_seq = self._visible.fork_seq(author)
        if fork_seq and upto >= fork_seq:
            self._offer_proof(link, author, now_us)
            upto = fork_seq - 1
        self._pursuits.pursue(link, author, upto, now_us)

    def _suspect(self, link: Link, author: bytes, seq: int, now_us: int) -> None:
        """The peer's record differs from ours at `seq`: its record is one half of a proof."""
        peer = self._peers.get(link.id)
        if peer is None or now_us < peer.suspected.get(author, now_us):
            return
        peer.suspected.pop(author, None)
        if len(peer.suspected) >= self._limits.proof_marks:
            del peer.suspected[next(iter(peer.suspected))]
        peer.suspected[author] = now_us + self._limits.proof_retry_us
        self._post(link, Want(0, (Range(author, seq, seq),)))

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        peers = self._peers.values()
        return {
            "peer-heads": max((len(peer.heads) for peer in peers), default=0),
            "held": len(self._held),
            "handles": max((peer.handles.sizes() for peer in peers), default=0),
            "suspected": max((len(peer.suspected) for peer in peers), default=0),
        }
