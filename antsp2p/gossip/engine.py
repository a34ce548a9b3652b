"""The gossip engine: neighbours, spread, serving and reconciliation put together.

Law: bytes and time in, outputs out; it never raises on any bytes, never blocks, and every table
has a bound. It owns no rule of its own except the order: frames are read, timers run, and what a
turn brought is told in one batch at its end. What a record means is not known here.
"""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.bulk_serve import LogsAnswer
from antsp2p.gossip.callers import Caller, Callers
from antsp2p.gossip.limits import DEFAULT_LIMITS, Limits
from antsp2p.gossip.neighbours import Neighbours
from antsp2p.gossip.outputs import Dial, LinkView, Output, Send
from antsp2p.gossip.parts import Calls, build_parts
from antsp2p.gossip.quotas import Use
from antsp2p.gossip.reader import Reader
from antsp2p.gossip.tree import FROM_HERE
from antsp2p.gossip.wire import News, Ping, encode_frame, frame_name
from antsp2p.records.record import author_in, parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from antsp2p.gossip.link import Link, Reading
    from antsp2p.gossip.network_keys import NetworkKey
    from antsp2p.gossip.protection import Protection
    from antsp2p.gossip.wire import Address, Range
    from antsp2p.records.beat import Beat
    from antsp2p.records.keys import Foresee, Verify
    from antsp2p.records.log import Insertion, LogSet
    from antsp2p.records.record import Parse, Record

_GREETINGS: Final = ("welcome", "busy", "cookie")


class Gossip:
    """How one node talks to others. Every call returns what is to be done, in order."""

    def __init__(
        self,
        *,
        logs: LogSet,
        protection: Protection,
        instance: bytes,
        rng: Random,
        now_us: int,
        verify: Verify,
        foresee: Foresee | None = None,
        parse: Parse = parse_record,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.drops: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        """Bytes by frame name; "datagram" counts headers, "hello" and replies included."""
        self.received: Counter[str] = Counter()
        self._limits = limits
        self._foresee = foresee
        self._me = protection.author
        calls = self._calls()
        self._parts = build_parts(
            logs=logs, protection=protection, instance=instance, rng=rng, now_us=now_us,
            verify=verify, parse=parse, limits=limits, drops=self.drops, sent=self.sent,
            calls=calls,
        )
        self._reader = Reader(
            parts=self._parts, limits=limits, drops=self.drops, tell=calls.tell,
            bad_signature=calls.offence,
        )
        self._neighbours = Neighbours(
            parts=self._parts, reader=self._reader, limits=limits, sent=self.sent,
            tell=calls.tell, now_us=now_us,
        )
        self._callers = Callers(limits)
        self._out: list[Output] = []
        self._read: list[tuple[Address, int, Reading]] = []
        """Datagrams of one call, with sizes, that were read and are acted on with the next."""
        self._read_due_us = 0
        """When they are acted on even if no others follow."""
        self.heard_us = -1
        """When a linked peer, by its session and not by its address alone, was last heard."""
        self._last_us = now_us
        self._wake_us: int | None = None
        self._is_settled = False
        """Whether `_wake_us` is what the parts say now. It is not asked for after every event."""

    def _calls(self) -> Calls:
        """What the parts ask, for the most part of the neighbours, who come after them."""
        return Calls(
            room=lambda links, caller, host: self._neighbours.busy_peers(
                caller, host, self._last_us, is_needy=links < self._limits.needy_links),
            # When the caller confirms: many may have been welcomed to one place.
            may_open=lambda caller, host: self._neighbours.busy_peers(
                caller, host, self._last_us, is_needy=True),
            takes=lambda address, root: self._neighbours.takes(address, root, self._last_us),
            share=lambda link, count, asks, now_us: self._neighbours.share(
                link, count, asks, now_us),
            offence=lambda link, now_us: self._neighbours.offend(link, now_us),
            ping=self._ping, report=lambda link, seq, head: self._reader.report(link, seq, head),
            tell=self._tell,
        )

    # --- events ------------------------------------------------------------------------------

    def receive(self, address: Address, data: bytes, now_us: int) -> list[Output]:
        """A datagram came from `address`."""
        return self.receive_all(((address, data),), now_us)

    def receive_all(
        self, datagrams: Iterable[tuple[Address, bytes]], now_us: int, *, more: bool = False
    ) -> list[Output]:
        """Datagrams came; what goes out is put together when all of them were read. `more`: others
        follow at once, and until then these are only read; their signatures are foreseen."""
        self._begin(now_us)
        read, self._read = self._read, [
            self._take_in(address, data, now_us) for address, data in datagrams
        ]
        if self._foresee is not None and (more or len(self._read) > 1):
            is_flooding = self._parts.quotas.is_flooding
            self._foresee(self._parts.intake.foresee(
                [entry for entry in frame.entries if not is_flooding(author_in(entry.wire), now_us)]
                for _, _, reading in self._read if reading.link is not None
                for frame in reading.frames if isinstance(frame, News)
            ))
        self._settle(self._read, now_us)
        self._act_on(read, now_us)
        if more:
            self._read_due_us = now_us + self._limits.read_ahead_us
        else:
            self._act_on_read(now_us)
        return self._end(now_us)

    def _take_in(
        self, address: Address, data: bytes, now_us: int
    ) -> tuple[Address, int, Reading]:
        reading = self._parts.links.read(address, data, now_us)
        if reading.link is None:
            self._callers.heard(address, data, reading, now_us)
        return address, len(data), reading

    def _act_on_read(self, now_us: int) -> None:
        read, self._read = self._read, []
        self._act_on(read, now_us)

    def _act_on(self, read: Sequence[tuple[Address, int, Reading]], now_us: int) -> None:
        for _, size, reading in read:
            self._act(size, reading, now_us)

    def _settle(self, read: Sequence[tuple[Address, int, Reading]], now_us: int) -> None:
        """Do what datagrams changed about links, and answer greetings. This never waits for others
        that follow: a link that is up has its place with all parts from that moment on."""
        for address, size, reading in read:
            self.received["datagram"] += size
            for change in reading.changes:
                self._neighbours.apply(change, now_us)
            for reply in reading.replies:
                if reply.name in _GREETINGS:
                    self._parts.quotas.of_host(address[0]).charge(Use.HANDSHAKES, 1, now_us)
                self.sent[reply.name] += len(reply.data)
                self._tell(Send(address, reply.data))

    def _act(self, size: int, reading: Reading, now_us: int) -> None:
        """Do what the frames of a datagram of `size` bytes ask for."""
        link = reading.link
        if link is not None and self._parts.links.holds(link):
            self.heard_us = now_us
            link.heard += reading.heard
            self._parts.liveness.heard(link, now_us)
            self._count_received(reading, size)
            told = len(self._out)
            if self._is_within_quota(link, size, now_us):
                self._reader.read(link, reading.frames, now_us)
            if len(self._out) == told and self._parts.blame.vain(link, now_us):
                self._neighbours.cut(link, "flood", now_us)

    def _is_within_quota(self, link: Link, size: int, now_us: int) -> bool:
        account = self._parts.quotas.of_link(link)
        if not account.charge(Use.DATAGRAMS, 1, now_us):
            self.drops["quota-datagrams"] += 1
        elif not account.charge(Use.BYTES, size, now_us):
            self.drops["quota-bytes"] += 1
        else:
            return True
        return False

    def hint(self, address: Address, now_us: int, keep: bool) -> list[Output]:
        """Somebody may listen at `address`; `keep`: a person named it, dial it for ever."""
        self._begin(now_us)
        self._parts.view.hint(address, now_us, keep)
        if self._parts.view.wake_us <= now_us:
            self._neighbours.dial(now_us)
        return self._end(now_us)

    def publish(self, upto_seq: int, now_us: int) -> list[Output]:
        """Own records up to `upto_seq` are durable: they may be shown and sent."""
        self._begin(now_us)
        self._publish(upto_seq, now_us)
        return self._end(now_us)

    def publish_beat(self, beat: Beat, now_us: int) -> list[Output]:
        """An own beat goes to all links."""
        self._begin(now_us)
        self._parts.beats.publish(beat, now_us)
        for link in self._parts.links.all():
            self._parts.liveness.active(link, now_us)
        return self._end(now_us)

    def publish_proof(self, author: bytes, now_us: int) -> list[Output]:
        """The logs have a new proof against `author` that did not come from a peer."""
        self._begin(now_us)
        self._reader.convicted(author, None, now_us)
        return self._end(now_us)

    def introduce(self, record: Record, now_us: int) -> tuple[Insertion, list[Output]]:
        """A record of another author comes from this machine's user, and goes to all."""
        self._begin(now_us)
        insertion = self._parts.visible.logs.insert((record,))
        for added in insertion.added:
            self._parts.ages.hold(added.id, now_us)
        if insertion.added:
            self._parts.spread.news(insertion.added, None, FROM_HERE, now_us)
        if insertion.convicted is not None:
            self._reader.convicted(insertion.convicted.author, None, now_us)
        for link in self._parts.links.all():
            self._parts.liveness.active(link, now_us)
        return insertion, self._end(now_us)

    def logs_received(self, fetch: int, chunk: bytes, now_us: int) -> list[Output]:
        """A chunk of the answer to a `FetchLogs`."""
        self._begin(now_us)
        self._reader.read_logs(fetch, chunk, now_us)
        return self._end(now_us)

    def logs_ended(self, fetch: int, reason: str, now_us: int) -> list[Output]:
        """A `FetchLogs` is over; `reason` is empty where the peer said all it had to say."""
        self._begin(now_us)
        self._parts.bulk.ended(fetch, reason, now_us)
        return self._end(now_us)

    def wake(self, now_us: int) -> list[Output]:
        """`wake_at` has passed."""
        due_us = self.wake_at
        self._begin(now_us)
        if self._read and now_us >= self._read_due_us:
            self._act_on_read(now_us)
        if due_us is not None:
            self._parts.liveness.late(now_us - due_us, now_us)
        self._parts.awaited.due(now_us)
        self._parts.bulk.due(now_us)
        self._parts.pursuits.due(now_us)
        for link in self._parts.liveness.due(now_us):
            self._neighbours.close(link, "timeout", now_us)
        self._parts.reconcile.due(now_us)
        self._parts.sharing.due(now_us)
        self._parts.proofs.due(now_us)
        self._parts.spread.due(now_us)
        if self._parts.view.wake_us <= now_us:
            self._neighbours.dial(now_us)
        return self._end(now_us)

    def keys_changed(
        self, keys: tuple[NetworkKey, ...], overlap_ms: int, now_us: int
    ) -> list[Output]:
        """These secrets are good from now on, the newest first; the one before it is for
        `overlap_ms` more."""
        self._begin(now_us)
        links = self._parts.links.all()
        for link in self._parts.rotation.changed(keys, overlap_ms, links, now_us):
            self._neighbours.dismiss(link, "secret", now_us)
        return self._end(now_us)

    def leave(self, now_us: int) -> list[Output]:
        """The node stops: say goodbye on all links."""
        self._begin(now_us)
        for link in self._parts.links.all():
            self._neighbours.dismiss(link, "leaving", now_us)
        return self._end(now_us)

    def attend(self, now_us: int) -> None:
        """Somebody waits for signs of life: ping all links at the short interval for a while."""
        self._parts.liveness.attend(now_us)
        self._is_settled = False

    def restored(self, record_id: bytes, age_ms: int, now_us: int) -> None:
        """A record of the store has this age now."""
        self._parts.ages.restore(record_id, age_ms, now_us)

    def forgotten(self, records: tuple[Record, ...]) -> None:
        """Own records that were taken back by the node itself have no age any more."""
        self._parts.ages.forget(records)

    # --- answers -----------------------------------------------------------------------------

    @property
    def wake_at(self) -> int | None:
        """When `wake` is to be called next."""
        if not self._is_settled:
            self._wake_us, self._is_settled = self._earliest(self._last_us), True
        return self._wake_us

    def _earliest(self, now_us: int) -> int | None:
        parts = self._parts
        times = (
            self._read_due_us if self._read else None,
            parts.pursuits.wake_us, parts.bulk.wake_us, parts.liveness.wake_us,
            parts.reconcile.wake_us, parts.sharing.wake_us, parts.view.wake_us,
            parts.spread.wake_us, parts.awaited.wake_us, parts.proofs.wake_us,
        )
        earliest_us = min([time for time in times if time is not None], default=None)
        return None if earliest_us is None else max(earliest_us, now_us)

    @property
    def published(self) -> int:
        """Own records above this seq were never shown to anybody."""
        return self._parts.visible.published

    def age_ms(self, record_id: bytes, now_us: int) -> int:
        """How long ago the record was first shown to anybody; 0 if never."""
        return self._parts.ages.age_ms(record_id, now_us)

    def is_silent(self, address: Address) -> bool:
        """Whether hellos went to `address` and nobody has answered there yet."""
        return self._parts.view.is_silent(address)

    def answer_logs(self, ranges: Sequence[Range], now_us: int) -> LogsAnswer:
        """What is here of `ranges`, in chunks. It may be read between any two events."""
        parts = self._parts
        return LogsAnswer(
            visible=parts.visible, limits=self._limits, age_ms=parts.ages.age_ms, ranges=ranges,
            now_us=now_us,
        )

    @property
    def generation(self) -> int:
        """Of the network's secret."""
        return self._parts.rotation.generation

    @property
    def catching_up(self) -> int:
        """Records known to be missing that come in bulk; answers are provisional until then."""
        return self._parts.bulk.missing

    def is_far_behind(self, now_us: int) -> bool:
        """Whether the node should let others claim for a while."""
        return self._parts.bulk.is_far_behind(now_us)

    def links(self) -> tuple[LinkView, ...]:
        """All links, oldest first."""
        return tuple(
            LinkView(
                link.author, link.address, self._parts.liveness.rtt_us(link), link.since_us,
                link.initiated, self._used(link),
            )
            for link in self._parts.links.all()
        )

    def _used(self, link: Link) -> dict[str, dict[str, int]]:
        used = self._parts.quotas.used(link, self._last_us)
        bad = self._parts.blame.count(link, self._last_us)
        return {**used, "link": {**used["link"], "bad_signatures": bad}} if bad else used

    def callers(self) -> tuple[Caller, ...]:
        """Who called without a link, the latest last."""
        return self._callers.all()

    def dials(self) -> tuple[Dial, ...]:
        """The addresses without a link to which hellos went, and what came of them."""
        return tuple(
            Dial(known.address, known.origin.name.lower(), known.failures, known.dialled_us,
                 known.reached_us)
            for known in self._parts.view.known()
            if known.dialled_us >= 0 and not self.is_linked(known.address)
        )

    def is_linked(self, address: Address) -> bool:
        """Whether a link to `address` is up."""
        return self._parts.links.at(address) is not None

    def bears_session(self, address: Address, data: bytes) -> bool:
        """Whether `data` says that it is for the link to `address`; no more is looked at."""
        return self._parts.links.bears_session(address, data)

    def is_flooding(self, author: bytes) -> bool:
        """Whether more records of this author were pushed than are looked at now."""
        return self._parts.quotas.is_flooding(author, self._last_us)

    def author_at(self, address: Address) -> bytes | None:
        """Who is linked at the address."""
        return self._parts.links.author_at(address)

    def is_banned(self, author: bytes, now_us: int) -> bool:
        """Whether this author was cut and is not spoken with now."""
        return self._parts.links.is_banned(author, now_us)

    def address_of(self, author: bytes) -> Address | None:
        """The best known address of `author`."""
        return next(iter(self.addresses_of(author)), None)

    def addresses_of(self, author: bytes) -> tuple[Address, ...]:
        """Where `author` is linked, then where it was reached, then where others say it is."""
        linked = [link.address for link in reversed(self._parts.links.of(author))]
        return tuple(dict.fromkeys([*linked, *self._parts.view.addresses_of(author)]))

    @property
    def frames(self) -> Counter[str]:
        """How many frames of each name were sent on links."""
        return self._parts.outbox.frames

    def sizes(self) -> dict[str, int]:
        """Sizes of all tables, to be checked against their bounds."""
        return self._parts.sizes() | self._callers.sizes()

    # --- a turn ------------------------------------------------------------------------------

    def _begin(self, now_us: int) -> None:
        """Find a gap in the own loop, for which no peer is to blame."""
        if now_us - self._last_us > self._limits.stall_us and self.wake_at is not None:
            # Counted once: what waited in the socket comes after it, still before the next wake.
            gap_us = now_us - max(self.wake_at, self._last_us)
            if gap_us > self._limits.stall_us:
                self._parts.liveness.extend(gap_us)
                self._parts.awaited.extend(gap_us)
                self._parts.pursuits.extend(gap_us)
                self._parts.reconcile.extend(gap_us)
                self._parts.bulk.extend(gap_us)
                self._parts.view.extend(gap_us)
        self._last_us = now_us
        self._is_settled = False
        self._out = []

    def _tell(self, output: Output) -> None:
        self._out.append(output)

    def _count_received(self, reading: Reading, size: int) -> None:
        """Bytes by frame; where all are of one kind no encoding is needed to know them."""
        names = {frame_name(frame): None for frame in reading.frames}
        if len(names) == 1:
            self.received[next(iter(names))] += size
            return
        for frame in reading.frames:
            self.received[frame_name(frame)] += len(encode_frame(frame))

    def _end(self, now_us: int) -> list[Output]:
        self._parts.reconcile.flush(now_us)
        self._parts.bulk.flush(now_us)
        self._parts.pursuits.flush(now_us)
        self._parts.spread.flush(now_us)
        self._out.extend(self._parts.outbox.flush(self._parts.links, now_us))
        return self._out

    def _publish(self, upto_seq: int, now_us: int) -> None:
        first = self._parts.visible.published + 1
        self._parts.visible.publish(upto_seq)
        fresh = [self._parts.visible.at(self._me, seq) for seq in range(first, upto_seq + 1)]
        records = [record for record in fresh if record is not None]
        for record in records:
            self._parts.ages.hold(record.id, now_us)
        links = self._parts.links.all()
        if records and self._reader.is_mesh(now_us):
            self._parts.spread.broadcast(records, now_us)
        elif records:
            self._parts.spread.news(records, None, FROM_HERE, now_us)
        for link in links if records else ():
            self._parts.liveness.active(link, now_us)

    def _ping(self, link: Link, counter: int, now_us: int) -> None:
        root, cursor = self._parts.reconcile.root(now_us)
        self._parts.outbox.post(link, Ping(counter, root, cursor, link.sent + 1))
        self._parts.rotation.remind(link, now_us)
