"""The gossip engine: links, view, spread, serving and reconciliation put together.

Law: bytes and time in, outputs out; it never raises on any bytes, never blocks, and every table
has a bound. It owns no rule of its own except the order: frames are read, timers run, and what a
turn brought is told in one batch at its end. What a record means is not known here.
"""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.ages import Ages
from antsp2p.gossip.beats import Beats
from antsp2p.gossip.blame import Blame
from antsp2p.gossip.intake import Intake
from antsp2p.gossip.limits import DEFAULT_LIMITS, Limits
from antsp2p.gossip.link import (
    BYE_REASONS,
    Change,
    Closed,
    Link,
    Links,
    Opened,
    Own,
    Reached,
    Reading,
    Refused,
)
from antsp2p.gossip.liveness import Liveness
from antsp2p.gossip.outbox import Outbox
from antsp2p.gossip.outputs import (
    BeatLearned,
    HeadReported,
    Learned,
    LinkDown,
    LinkUp,
    LinkView,
    Output,
    OwnDisplaced,
    Send,
)
from antsp2p.gossip.proofs import Proofs
from antsp2p.gossip.pursuit import Pursuits
from antsp2p.gossip.reconcile import Reconcile
from antsp2p.gossip.serve import Server
from antsp2p.gossip.sharing import Sharing
from antsp2p.gossip.spread import Spread
from antsp2p.gossip.view import Linked, View
from antsp2p.gossip.visible import Visible
from antsp2p.gossip.wire import (
    Address,
    Adverts,
    BeatFrame,
    Bye,
    Digest,
    Frame,
    PeerAddress,
    Peers,
    Ping,
    Pong,
    ProofPart,
    Records,
    Want,
    WantIds,
    WantProofs,
    encode_frame,
    frame_name,
    pack_host,
)

if TYPE_CHECKING:
    from random import Random

    from antsp2p.records.beat import Beat
    from antsp2p.records.keys import Verify
    from antsp2p.records.log import Insertion, LogSet
    from antsp2p.records.record import Record

__all__ = [
    "BeatLearned", "Gossip", "HeadReported", "Learned", "LinkDown", "LinkUp", "LinkView",
    "Output", "OwnDisplaced", "Send",
]

_TOO_EARLY: Final = frozenset({"too-far", "waiting-full"})
_BUSY_PEERS: Final = 8
"""Addresses in a refusal: with them it is still smaller than the hello it answers."""


class Gossip:
    """How one node talks to others. Every call returns what is to be done, in order."""

    def __init__(
        self,
        *,
        logs: LogSet,
        network: bytes,
        me: bytes,
        instance: bytes,
        rng: Random,
        now_us: int,
        verify: Verify,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.drops: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        """Bytes by frame name; "datagram" counts headers, "hello" and replies included."""
        self.received: Counter[str] = Counter()
        self._limits = limits
        self._me = me
        self._visible = visible = Visible(logs, me)
        self._ages = Ages(limits.ages_waiting)
        self._outbox = outbox = Outbox(self.sent)
        self._view = View(me=me, rng=rng, now_us=now_us, limits=limits, drops=self.drops)
        self._links = Links(
            network=network, me=me, instance=instance, rng=rng, now_us=now_us, limits=limits,
            drops=self.drops, holding=visible.holding, room=self._busy_peers,
        )
        self._liveness = Liveness(limits=limits, ping=self._ping)
        self._sharing = Sharing(limits=limits, share=self._share)
        self._pursuits = Pursuits(
            limits=limits, drops=self.drops, have=visible.seq, wait_us=self._liveness.wait_us,
            post=outbox.post,
        )
        self._server = Server(
            visible=visible, verify=verify, limits=limits, drops=self.drops,
            age_ms=self._ages.age_ms, post=outbox.post,
        )
        self._proofs = Proofs(
            visible=visible, limits=limits, drops=self.drops, may_send=self._server.may_send,
            post=outbox.post,
        )
        self._spread = Spread(
            visible=visible, pursuits=self._pursuits, limits=limits,
            offer_proof=self._proofs.offer, post=outbox.post,
        )
        self._reconcile = Reconcile(
            visible=visible, spread=self._spread, proofs=self._proofs, limits=limits,
            post=outbox.post,
        )
        self._beats = Beats(
            visible=visible, network=network, verify=verify, limits=limits, drops=self.drops,
            post=outbox.post,
        )
        self._intake = Intake(visible=visible, verify=verify, ages=self._ages, drops=self.drops)
        self._blame = Blame(limits)
        self._rng = rng
        self._told_heads: dict[int, tuple[int, bytes]] = {}
        self._out: list[Output] = []
        self._expected_us: int | None = None
        self._wake_us = self._earliest()

    # --- events ------------------------------------------------------------------------------

    def receive(self, address: Address, data: bytes, now_us: int) -> list[Output]:
        """A datagram came from `address`."""
        self._begin(now_us)
        self.received["datagram"] += len(data)
        reading = self._links.read(address, data, now_us)
        for change in reading.changes:
            self._apply(change, now_us)
        if reading.replies:
            self._reply(address, reading)
        link = reading.link
        if link is not None and self._links.at(link.address) is link:
            self._liveness.heard(link, now_us)
            self._read_frames(link, reading, now_us)
        return self._end(now_us)

    def hint(self, address: Address, now_us: int, keep: bool) -> list[Output]:
        """Somebody may listen at `address`; `keep`: a person named it, dial it for ever."""
        self._begin(now_us)
        self._view.hint(address, now_us, keep)
        self._dial(now_us)
        return self._end(now_us)

    def publish(self, upto_seq: int, now_us: int) -> list[Output]:
        """Own records up to `upto_seq` are durable: they may be shown and sent."""
        self._begin(now_us)
        self._publish(upto_seq, now_us)
        return self._end(now_us)

    def publish_beat(self, beat: Beat, now_us: int) -> list[Output]:
        """An own beat goes to all links."""
        self._begin(now_us)
        self._beats.publish(beat, now_us)
        for link in self._links.all():
            self._liveness.active(link, now_us)
        return self._end(now_us)

    def publish_proof(self, author: bytes, now_us: int) -> list[Output]:
        """The logs have a new proof against `author` that did not come from a peer."""
        self._begin(now_us)
        self._convicted(author, None, now_us)
        return self._end(now_us)

    def wake(self, now_us: int) -> list[Output]:
        """`wake_at` has passed."""
        self._begin(now_us)
        self._pursuits.due(now_us)
        for link in self._liveness.due(now_us):
            self._close(link, "timeout", now_us)
        self._reconcile.due(now_us)
        self._sharing.due(now_us)
        if self._view.wake_us <= now_us:
            self._dial(now_us)
        return self._end(now_us)

    def leave(self, now_us: int) -> list[Output]:
        """The node stops: say goodbye on all links."""
        self._begin(now_us)
        for link in self._links.all():
            self._dismiss(link, "leaving", now_us)
        return self._end(now_us)

    def attend(self, now_us: int) -> None:
        """Somebody waits for signs of life: ping all links at the short interval for a while."""
        for link in self._links.all():
            self._liveness.active(link, now_us)
        self._wake_us = self._earliest()

    def restored(self, record_id: bytes, age_ms: int, now_us: int) -> None:
        """A record of the store has this age now."""
        self._ages.restore(record_id, age_ms, now_us)

    def forgotten(self, records: tuple[Record, ...]) -> None:
        """Own records that were taken back by the node itself have no age any more."""
        self._ages.forget(records)

    # --- answers -----------------------------------------------------------------------------

    @property
    def wake_at(self) -> int | None:
        """When `wake` is to be called next."""
        return self._wake_us

    def _earliest(self) -> int | None:
        times = (
            self._pursuits.wake_us, self._liveness.wake_us, self._reconcile.wake_us,
            self._sharing.wake_us, self._view.wake_us,
        )
        return min((time for time in times if time is not None), default=None)

    @property
    def published(self) -> int:
        """Own records above this seq were never shown to anybody."""
        return self._visible.published

    def age_ms(self, record_id: bytes, now_us: int) -> int:
        """How long ago the record was first shown to anybody; 0 if never."""
        return self._ages.age_ms(record_id, now_us)

    def links(self) -> tuple[LinkView, ...]:
        """All links, oldest first."""
        return tuple(
            LinkView(
                link.author, link.address, self._liveness.rtt_us(link), link.since_us,
                link.initiated,
            )
            for link in self._links.all()
        )

    def is_linked(self, address: Address) -> bool:
        """Whether a link to `address` is up."""
        return self._links.at(address) is not None

    def address_of(self, author: bytes) -> Address | None:
        """The best known address of `author`."""
        return next(iter(self.addresses_of(author)), None)

    def addresses_of(self, author: bytes) -> tuple[Address, ...]:
        """Where `author` is linked, then where it was reached, then where others say it is."""
        linked = [link.address for link in reversed(self._links.of(author))]
        return tuple(dict.fromkeys([*linked, *self._view.addresses_of(author)]))

    def sizes(self) -> dict[str, int]:
        """Sizes of all tables, to be checked against their bounds."""
        parts = (
            self._links, self._view, self._pursuits, self._server, self._proofs, self._spread,
            self._reconcile, self._beats, self._ages, self._blame,
        )
        return {name: size for part in parts for name, size in part.sizes().items()}

    # --- a turn ------------------------------------------------------------------------------

    def _begin(self, now_us: int) -> None:
        """Find a gap in the own loop, for which no peer is to blame."""
        if self._expected_us is not None:
            gap_us = now_us - self._expected_us
            if gap_us > self._limits.stall_us:
                self._liveness.extend(gap_us)
                self._pursuits.extend(gap_us)
                self._view.extend(gap_us)
        self._out = []

    def _end(self, now_us: int) -> list[Output]:
        self._pursuits.flush(now_us)
        self._spread.flush()
        self._out.extend(self._outbox.flush(self._links))
        self._expected_us = self._wake_us = self._earliest()
        return self._out

    def _read_frames(self, link: Link, reading: Reading, now_us: int) -> None:
        wants: list[Want] = []
        ids: list[bytes] = []
        asked = ponged = False
        for frame in reading.frames:
            self.received[frame_name(frame)] += len(encode_frame(frame))
            match frame:
                case Want():
                    wants.append(frame)
                    asked = True
                case WantIds(wanted_ids):
                    ids.extend(wanted_ids)
                    asked = True
                case Ping(counter, root, _):
                    self._hear_root(link, root, now_us)
                    if not ponged:
                        self._outbox.post(link, self._pong(link, counter, now_us))
                    ponged = True
                case _:
                    self._read_frame(link, frame, now_us)
            if self._links.at(link.address) is not link:
                return
        if asked:
            self._liveness.active(link, now_us)
            for author in self._server.answer(link, wants, ids, now_us):
                self._proofs.offer(link, author, now_us)

    def _read_frame(self, link: Link, frame: Frame, now_us: int) -> None:
        match frame:
            case Pong(counter, root, _):
                self._liveness.answered(link, counter, now_us)
                self._hear_root(link, root, now_us)
            case Adverts(adverts):
                self._liveness.active(link, now_us)
                self._spread.told(link, adverts, now_us)
            case Records():
                self._liveness.active(link, now_us)
                self._take(link, frame, now_us)
            case Digest():
                self._compare(link, frame, now_us)
            case BeatFrame(wire):
                self._liveness.active(link, now_us)
                beat, is_bad = self._beats.receive(link, wire, now_us)
                if beat is not None:
                    self._out.append(BeatLearned(beat))
                if is_bad:
                    self._bad_signature(link, now_us)
            case ProofPart():
                insertion = self._proofs.receive(link, frame)
                if insertion is not None:
                    self._intake.settle(insertion, now_us)
                    self._learn(link, insertion, 0, now_us)
            case WantProofs(authors):
                for author in authors:
                    self._proofs.offer(link, author, now_us)
            case Peers(peers):
                if self._sharing.may_name(link, len(peers), now_us):
                    self._view.named(link.author, link.address[0], peers, now_us)
                else:
                    self.drops["peers-rate"] += 1
            case _:
                self.drops["frame-misplaced"] += 1

    # --- records -----------------------------------------------------------------------------

    def _take(self, link: Link, frame: Records, now_us: int) -> None:
        is_news = False
        for taken in self._intake.take(frame.entries, now_us):
            run, insertion = taken.run, taken.insertion
            if taken.displaced:
                self._ages.forget(taken.displaced)
                self._out.append(OwnDisplaced(taken.displaced))
            author, first, last = run[0].author, run[0].seq, run[-1].seq
            if not insertion.refused:
                self._spread.shown(link, author, last)
            self._learn(link, insertion, taken.age_ms, now_us)
            if self._links.at(link.address) is not link:
                return
            if insertion.refused in _TOO_EARLY:
                self._pursuits.refused(link, author, first, last, now_us)
                continue
            is_new = not insertion.refused and insertion.duplicates < len(run)
            self._pursuits.arrived(link, author, first, last, is_new, now_us)
            is_news = is_news or is_new
        if frame.number:
            self._pursuits.answered(link, frame.number, is_news, bool(frame.last), now_us)

    def _learn(self, link: Link, insertion: Insertion, age_ms: int, now_us: int) -> None:
        """Tell what an insertion changed, pass it on, and ask for what it lacks."""
        if insertion.added or insertion.removed or insertion.convicted:
            self._out.append(Learned(insertion, age_ms, link.author))
        if insertion.added:
            self._spread.news(insertion.added, link)
        if insertion.convicted is not None:
            self._convicted(insertion.convicted.author, link, now_us)
        missing = insertion.missing
        if missing is not None:
            self._pursuits.fill(link, missing.author, missing.first, missing.last, now_us)
        if insertion.sibling is not None:
            self._proofs.ask_sibling(link, insertion.sibling, now_us)
        if insertion.refused == "signature":
            self._bad_signature(link, now_us)

    def _convicted(self, author: bytes, source: Link | None, now_us: int) -> None:
        self._pursuits.cut(author)
        self._proofs.spread(author, source, now_us)

    def _publish(self, upto_seq: int, now_us: int) -> None:
        first = self._visible.published + 1
        self._visible.publish(upto_seq)
        fresh = [self._visible.at(self._me, seq) for seq in range(first, upto_seq + 1)]
        records = [record for record in fresh if record is not None]
        for record in records:
            self._ages.hold(record.id, now_us)
        if records:
            self._spread.news(records, None)
            for link in self._links.all():
                self._liveness.active(link, now_us)

    def _compare(self, link: Link, page: Digest, now_us: int) -> None:
        told = self._reconcile.compare(link, page, now_us)
        if told is not None and self._told_heads.get(link.id) != (told.seq, told.head):
            self._told_heads[link.id] = (told.seq, told.head)
            self._out.append(HeadReported(link.author, told.seq, told.head))

    # --- links -------------------------------------------------------------------------------

    def _apply(self, change: Change, now_us: int) -> None:
        match change:
            case Opened(link, seq, head):
                self._open(link, seq, head, now_us)
            case Closed(link, reason):
                self._closed(link, reason, now_us)
            case Reached(address, author):
                self._view.reached(address, author, now_us)
            case Own(address):
                self._view.own(address)
            case Refused(address, peers):
                self._view.refused(address, now_us)
                self._view.named(b"", address[0], peers, now_us)

    def _open(self, link: Link, seq: int, head: bytes, now_us: int) -> None:
        self._view.reached(link.address, link.author, now_us)
        self._links.forget_dial(link.address)
        self._told_heads[link.id] = (seq, head)
        self._out.append(LinkUp(link.author, link.address))
        self._out.append(HeadReported(link.author, seq, head))
        self._pursuits.opened(link)
        self._server.opened(link, now_us)
        self._proofs.opened(link)
        self._spread.opened(link)
        self._reconcile.opened(link)
        self._blame.opened(link, now_us)
        self._liveness.opened(link, now_us)
        self._beats.opened(link, now_us)
        self._introduce(link)
        self._sharing.opened(link, now_us)
        self._displace(link, now_us)

    def _close(self, link: Link, reason: str, now_us: int) -> None:
        self._closed(self._links.close(link, reason).link, reason, now_us)

    def _closed(self, link: Link, reason: str, now_us: int) -> None:
        """Forget all that was kept for a link that is out of the table."""
        self._pursuits.closed(link, now_us)
        self._server.closed(link)
        self._proofs.closed(link)
        self._spread.closed(link)
        self._reconcile.closed(link)
        self._blame.closed(link)
        self._liveness.closed(link)
        self._beats.closed(link)
        self._sharing.closed(link)
        self._outbox.closed(link)
        self._told_heads.pop(link.id, None)
        if reason == "peer-full":
            self._view.refused(link.address, now_us)
        else:
            self._view.lost(link.address, now_us)
        if not self._links.of(link.author):
            self._out.append(LinkDown(link.author, link.address, reason))

    def _dismiss(self, link: Link, reason: str, now_us: int) -> None:
        """Close a link and say so."""
        bye = Bye(BYE_REASONS.index(reason))
        for data in self._links.write(link, [encode_frame(bye)]):
            self.sent["bye"] += len(data)
            self._out.append(Send(link.address, data))
        self._close(link, reason, now_us)

    def _displace(self, newcomer: Link, now_us: int) -> None:
        """Keep accepted links within their number; the newcomer has one turn at least."""
        accepted = self._displaceable()
        if len(accepted) > self._limits.accepted_links:
            others = [link for link in accepted if link is not newcomer]
            self._dismiss(self._rng.choice(others), "full", now_us)

    def _displaceable(self) -> list[Link]:
        return [
            link for link in self._links.all()
            if not link.initiated and not self._view.is_kept(link.address)
        ]

    def _busy_peers(self, caller_links: int) -> tuple[PeerAddress, ...] | None:
        """Addresses to name where there is no room for the caller; None where there is."""
        limits = self._limits
        everything = limits.target_links + limits.accepted_links + limits.kept_links
        if len(self._links) < everything and (
            len(self._displaceable()) < limits.accepted_links
            or caller_links < limits.needy_links
        ):
            return None
        return self._sample("", b"", _BUSY_PEERS)

    def _bad_signature(self, link: Link, now_us: int) -> None:
        if self._blame.add(link, now_us) and self._links.at(link.address) is link:
            self._dismiss(link, "signatures", now_us)
            self._links.ban(link.address, now_us)

    # --- pings, addresses, dialling ----------------------------------------------------------

    def _ping(self, link: Link, counter: int, now_us: int) -> None:
        root, seq = self._reconcile.root(now_us), self._visible.seq(link.author)
        self._outbox.post(link, Ping(counter, root, seq))

    def _pong(self, link: Link, counter: int, now_us: int) -> Pong:
        root, seq = self._reconcile.root(now_us), self._visible.seq(link.author)
        return Pong(counter, root, seq)

    def _hear_root(self, link: Link, root: bytes, now_us: int) -> None:
        if self._reconcile.heard(link, root, now_us):
            self._liveness.active(link, now_us)

    def _share(self, link: Link) -> None:
        peers = self._sample(link.address[0], link.author, 2 * _BUSY_PEERS)
        if peers:
            self._outbox.post(link, Peers(peers))

    def _sample(self, host: str, asker: bytes, count: int) -> tuple[PeerAddress, ...]:
        linked = [(link.author, link.address) for link in self._links.all()]
        return self._view.sample(linked, host, asker, count)

    def _introduce(self, newcomer: Link) -> None:
        """Tell the other links of a newcomer, so that a mesh forms at once."""
        host, port = newcomer.address
        if not pack_host(host):
            return
        frame = Peers((PeerAddress(newcomer.author, pack_host(host), port),))
        for link in self._links.all():
            if link.author != newcomer.author:
                self._outbox.post(link, frame)

    def _dial(self, now_us: int) -> None:
        links = self._links.all()
        linked = Linked(
            addresses={link.address for link in links}, authors={link.author for link in links}
        )
        for address in self._view.plan(linked, now_us):
            if not self._links.is_banned(address, now_us):
                data = self._links.dial(address)
                self.sent["hello"] += len(data)
                self._out.append(Send(address, data))

    def _reply(self, address: Address, reading: Reading) -> None:
        data = self._links.reply(reading.reply_token, reading.replies)
        self.sent[frame_name(reading.replies[0])] += len(data)
        self._out.append(Send(address, data))
