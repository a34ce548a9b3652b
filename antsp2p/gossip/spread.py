"""Spread: telling links what is new here, and learning from them what is new there.

Law: news is pushed on eager links and advertised on the others, to those who are not known to have
it; being told starts a pursuit where the push does not come. What does not fit a link's share, or
an author's, is advertised instead: an advert names the latest only, so what waits is bounded by
the number of authors and nothing is ever lost by waiting. What is in a record is not known here.
"""
from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.bucket import Bucket
from antsp2p.gossip.handles import Handles
from antsp2p.gossip.limits import ADVERT_BYTES, MAX_ADVERTS, MAX_NAMES, NAME_BYTES, Limits
from antsp2p.gossip.tree import FROM_HERE, Way
from antsp2p.gossip.wire import (
    SHORT_ID_BYTES,
    Advert,
    Adverts,
    Frame,
    Name,
    News,
    Range,
    Want,
    WantNames,
    encode_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence
    from random import Random

    from antsp2p.gossip.awaited import Awaited
    from antsp2p.gossip.link import Link
    from antsp2p.gossip.pursuit import Pursuits
    from antsp2p.gossip.serve import Server
    from antsp2p.gossip.tree import Tree
    from antsp2p.gossip.visible import Visible
    from antsp2p.records.record import Record

_ROOM: Final = MAX_ADVERTS * ADVERT_BYTES - ADVERT_BYTES - NAME_BYTES
"""Bytes in a frame of adverts, one of each kind left free."""


@dataclass(slots=True, eq=False)
class _Tell:
    """What is to be advertised to a peer, and how often it was."""

    record: Record
    due_us: int
    times: int = 0


@dataclass(slots=True, eq=False)
class _Peer:
    link: Link
    handles: Handles
    pushes: Bucket
    heads: OrderedDict[bytes, int] = field(default_factory=OrderedDict)
    """Author -> the highest seq that the peer has shown."""
    tells: dict[bytes, _Tell] = field(default_factory=dict)
    due_us: int | None = None
    loss_permille: int = 0
    """As it was looked at last: once for all records of a turn."""
    suspected: dict[bytes, int] = field(default_factory=dict)
    """Author -> when the peer may next be asked for a record that differs from ours."""


class Spread:
    """Pushes and adverts out, adverts in. `offer_proof(link, author, now_us)` answers news of the
    convicted; `post_bytes(link, frame name, bytes)` sends a frame that was encoded once for all."""

    def __init__(
        self,
        *,
        visible: Visible,
        tree: Tree,
        awaited: Awaited,
        pursuits: Pursuits,
        server: Server,
        limits: Limits,
        loss_permille: Callable[[Link], int],
        offer_proof: Callable[[Link, bytes, int], None],
        post: Callable[[Link, Frame], None],
        post_bytes: Callable[[Link, str, bytes], None],
        rng: Random,
    ) -> None:
        self._visible = visible
        self._tree = tree
        self._awaited = awaited
        self._pursuits = pursuits
        self._server = server
        self._limits = limits
        self._loss_permille = loss_permille
        self._offer_proof = offer_proof
        self._post = post
        self._post_bytes = post_bytes
        self._rng = rng
        self._held: dict[bytes, list[int]] = {}
        self._release_us: int | None = None
        self._peers: dict[int, _Peer] = {}
        self._looked_us = -1
        """When the losses of all links were looked at last."""
        self._due_us: int | None = None
        """Not later than the first advert that is due on any link."""
        self._calm_due_us = -1
        """When the adverts that are collected for calm links are sent, all together."""
        self._shares: OrderedDict[bytes, Bucket] = OrderedDict()
        """Author -> what of it may be pushed on; the rest is advertised."""

    def opened(self, link: Link, now_us: int) -> None:
        limits = self._limits
        self._peers[link.id] = _Peer(
            link, Handles(limits),
            Bucket(limits.push_bytes_per_s, limits.push_burst_bytes, now_us),
        )
        self._looked_us = -1

    def closed(self, link: Link) -> None:
        self._peers.pop(link.id, None)

    # --- out ---------------------------------------------------------------------------------

    def news(
        self, records: Sequence[Record], source: Link | None, way: Way, now_us: int
    ) -> None:
        """Records of one author that are newly here: pushed on eager links, and advertised."""
        frames = self._frames(records, way, now_us)
        self._spread(records, source, frames, now_us, self._tree.leading_on(way))

    def broadcast(self, records: Sequence[Record], now_us: int) -> None:
        """Own records, to everybody at once: in a full mesh nothing is faster or less."""
        frames = [encode_frame(frame) for frame in self._news(records, FROM_HERE, now_us)]
        self._spread(records, None, frames, now_us)

    def announce(self, records: Sequence[Record], source: Link | None, now_us: int) -> None:
        """Records of one author that are newly here, in bulk or long known: advertised only."""
        self._spread(records, source, (), now_us)

    def _spread(
        self, records: Sequence[Record], source: Link | None, frames: Sequence[bytes],
        now_us: int, eager: Container[int] | None = None,
    ) -> None:
        """The frames go to the links that are named by id, or to all; whoever gets none is told."""
        top = records[-1]
        author, seq = top.author, top.seq
        size = sum(map(len, frames))
        if now_us != self._looked_us:
            self._look_at_losses(now_us)
        lossy_permille = self._lossy_permille
        calm: list[_Peer] = []
        for peer in self._peers.values():
            link = peer.link
            if link is source or peer.heads.get(author, 0) >= seq:
                continue
            is_pushed = (
                frames and (eager is None or link.id in eager) and peer.pushes.take(size, now_us))
            if is_pushed:
                for frame in frames:
                    self._post_bytes(link, "news", frame)
            if peer.loss_permille >= lossy_permille:
                self._tell(peer, top, now_us + self._limits.advert_us)
            elif not is_pushed:
                calm.append(peer)
        if calm:
            self._tell_calm(calm, top, now_us)

    def _look_at_losses(self, now_us: int) -> None:
        self._looked_us = now_us
        for peer in self._peers.values():
            peer.loss_permille = self._loss_permille(peer.link)

    def _tell_calm(self, peers: list[_Peer], record: Record, now_us: int) -> None:
        """Where little is lost the push comes first anyway, and of the two ends of a link mostly
        only one needs to advertise: some of the links are enough, and there is time."""
        limits = self._limits
        if self._calm_due_us <= now_us:
            calm_us = limits.calm_advert_us
            self._calm_due_us = now_us + calm_us // 4 + self._rng.randrange(calm_us)
        if len(peers) > limits.calm_adverts:
            peers = self._rng.sample(peers, limits.calm_adverts)
        for peer in peers:
            self._tell(peer, record, self._calm_due_us)

    @property
    def _lossy_permille(self) -> int:
        """From this loss on a link counts as lossy now: from none, where pushes are missed."""
        return 0 if self._awaited.is_rough else self._limits.lossy_permille

    def _frames(self, records: Sequence[Record], way: Way, now_us: int) -> list[bytes]:
        """The records as frames to be pushed, if the author has not used up its share."""
        author = records[0].author
        share = self._shares.get(author)
        if share is None:
            if len(self._shares) >= self._limits.shares:
                self._shares.popitem(last=False)
            share = self._shares[author] = Bucket(
                self._limits.pushed_per_s, self._limits.pushed_burst, now_us
            )
        if not share.take(len(records), now_us):
            return []
        return [encode_frame(frame) for frame in self._news(records, way, now_us)]

    def _news(self, records: Sequence[Record], way: Way, now_us: int) -> Sequence[News]:
        if len(records) > self._limits.pushed_records:
            return ()
        author, first, last = records[0].author, records[0].seq, records[-1].seq
        return self._server.news(author, first, last, way, now_us)

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
        """When `due` or `flush` may have something to do."""
        if self._due_us is None or self._release_us is None:
            return self._release_us if self._due_us is None else self._due_us
        return min(self._due_us, self._release_us)

    def due(self, now_us: int) -> None:
        """Tell what was held back and not told by others meanwhile."""
        if self._release_us is None or now_us < self._release_us:
            return
        self._release_us = None
        held, self._held = self._held, {}
        for author, (seq, _) in held.items():
            record = self._visible.at(author, seq)
            if record is not None:
                self._spread((record,), None, (), now_us)

    def _overheard(self, author: bytes, seq: int) -> None:
        """Another relay told what we hold back."""
        held = self._held.get(author)
        if held is not None and seq >= held[0]:
            held[1] += 1
            if held[1] >= self._limits.relays_heard:
                del self._held[author]

    def tell(self, link: Link, author: bytes, now_us: int) -> None:
        """The peer lacks something of `author`: tell it what is here."""
        peer = self._peers.get(link.id)
        record = self._visible.at(author, self._visible.seq(author))
        if peer is not None and record is not None:
            self._tell(peer, record, now_us)

    def _tell(self, peer: _Peer, record: Record, due_us: int) -> None:
        author = record.author
        told = peer.tells.get(author)
        if told is not None and told.times == 0 and told.due_us < due_us:
            due_us = told.due_us
        peer.tells[author] = _Tell(record, due_us)
        if peer.due_us is None or due_us < peer.due_us:
            peer.due_us = due_us
        if self._due_us is None or due_us < self._due_us:
            self._due_us = due_us

    def shown(self, link: Link, author: bytes, seq: int) -> None:
        """The peer has shown that it has `author` up to `seq`."""
        peer = self._peers.get(link.id)
        if peer is None or peer.heads.get(author, 0) >= seq:
            return
        if author not in peer.heads and len(peer.heads) >= self._limits.peer_heads:
            peer.heads.popitem(last=False)
        peer.heads[author] = seq
        told = peer.tells.get(author)
        if told is not None and told.record.seq <= seq:
            del peer.tells[author]
            if not peer.tells and peer.due_us is not None:
                is_first, peer.due_us = peer.due_us == self._due_us, None
                if is_first:
                    self._set_due()

    def lacks(self, link: Link, author: bytes, seq: int) -> None:
        """The peer has said that it has `author` only up to `seq`."""
        peer = self._peers.get(link.id)
        if peer is not None and author in peer.heads:
            peer.heads[author] = min(peer.heads[author], seq)

    def flush(self, now_us: int) -> None:
        """Send the adverts whose time has come."""
        if self._due_us is None or now_us < self._due_us:
            return
        for peer in self._peers.values():
            if peer.due_us is None or now_us < peer.due_us:
                continue
            due = [told for told in peer.tells.values() if told.due_us <= now_us]
            if self._loss_permille(peer.link) >= self._lossy_permille:
                for told in due:
                    self._again(peer, told, now_us)
            else:
                for told in due:
                    del peer.tells[told.record.author]
            self._advertise(peer, [told.record for told in due])
            peer.due_us = min((told.due_us for told in peer.tells.values()), default=None)
        self._set_due()

    def _set_due(self) -> None:
        self._due_us = min(
            (peer.due_us for peer in self._peers.values() if peer.due_us is not None), default=None
        )

    def _again(self, peer: _Peer, told: _Tell, now_us: int) -> None:
        """On a lossy link an advert is repeated, ever more rarely, unless the peer shows it has
        what was told; the more links there are, the fewer times."""
        told.times += 1
        enough = -(-self._limits.adverts_each // len(self._peers)) - 1
        if told.times <= min(max(enough, 1), self._limits.repeats):
            told.due_us = now_us + (self._limits.repeat_us << told.times)
        else:
            del peer.tells[told.record.author]

    def _advertise(self, peer: _Peer, told: Iterable[Record]) -> None:
        names: list[Name] = []
        adverts: list[Advert] = []
        room = _ROOM
        for record in told:
            author, seq = record.author, record.seq
            if self._visible.seq(author) < seq:
                continue  # It is no longer here.
            handle, name = peer.handles.tell(author)
            adverts.append(Advert(handle, seq, record.id[:SHORT_ID_BYTES]))
            room -= ADVERT_BYTES
            if name is not None:
                names.append(name)
                room -= NAME_BYTES
            if room < 0 or len(names) == MAX_NAMES:
                self._post(peer.link, Adverts(tuple(names), tuple(adverts)))
                names, adverts, room = [], [], _ROOM
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
            self._follow(link, author, advert.seq, self._awaited.heard, now_us)
            record = self._visible.at(author, advert.seq)
            if record is not None and record.id[:SHORT_ID_BYTES] != advert.short_id:
                self._suspect(link, author, advert.seq, now_us)
        if unnamed:
            self._post(link, WantNames(tuple(unnamed)[:MAX_NAMES]))

    def name(self, link: Link, wanted: WantNames, now_us: int) -> None:
        """The peer does not know these handles: name them, with what is here of their authors."""
        for author in self._peers[link.id].handles.asked(wanted.handles):
            self.tell(link, author, now_us)

    def follow(self, link: Link, author: bytes, upto: int, now_us: int) -> None:
        """The peer has `author` up to `upto`: fetch what is missing, below a proven fork."""
        self._follow(link, author, upto, self._pursuits.pursue, now_us)

    def _follow(
        self, link: Link, author: bytes, upto: int,
        fetch: Callable[[Link, bytes, int, int], None], now_us: int,
    ) -> None:
        fork_seq = self._visible.fork_seq(author)
        if fork_seq and upto >= fork_seq:
            self._offer_proof(link, author, now_us)
            upto = fork_seq - 1
        if upto > self._visible.seq(author):
            fetch(link, author, upto, now_us)

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
            "handles": max((peer.handles.sizes() for peer in peers), default=0),
            "tells": max((len(peer.tells) for peer in peers), default=0),
            "held": len(self._held),
            "shares": len(self._shares),
            "suspected": max((len(peer.suspected) for peer in peers), default=0),
        }
