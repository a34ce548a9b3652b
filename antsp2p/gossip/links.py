"""Links: (address, datagram) becomes (link, frames), and frames become datagrams.

Law: nothing is read of anybody who does not know the network's secret and own the key that he
names. A link that seems lost is kept until a new one is up or its peer is silent. What frames
mean, whom to dial and when a link is dead are not known here.

    A -> B   HELLO     padded, from an address that is not proven
    B -> A   WELCOME   B's key and address are proven: A's link is up
    A -> B   CONFIRM   in front of A's frames until B's first; A's are proven: B's link is up
    A <-> B  sealed frames
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.gossip.bans import Bans
from antsp2p.gossip.bucket import Bucket
from antsp2p.gossip.datagram import (
    CONFIRM,
    COOKIE,
    GONE,
    HELLO,
    SEALED,
    WELCOME,
    kind_of,
    pack,
    session_id,
    split_frames,
)
from antsp2p.gossip.greeting import Greetings
from antsp2p.gossip.handshake import GONE_BYTES, is_authentic, make_gone
from antsp2p.gossip.limits import HELLO_BYTES, Limits
from antsp2p.gossip.link import BYE_REASONS, Closed, Doubted, Link, Reading, Refused, Reply
from antsp2p.gossip.table import Fading, Table
from antsp2p.gossip.wire import (
    Address,
    BeatFrame,
    Busy,
    Bye,
    Frame,
    News,
    Part,
    PeerAddress,
    Records,
)
from antsp2p.records.encoding import Malformed

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from antsp2p.gossip.link import Holding
    from antsp2p.gossip.network_keys import LinkKey
    from antsp2p.gossip.protection import Protection
    from antsp2p.gossip.session import Session
    from antsp2p.records.keys import Verify

_LASTING: Final = (News, Records, BeatFrame, Part)
"""Frames that mean the same on whatever link they come."""


class Links:
    """All links of a node. `holding(author)` is told in the handshake. A caller is sent on to the
    addresses that `room(links, author, host)` gives at its hello, or `may_open(author, host)` at
    its confirm. `takes(address, root)` is whether to link with a node that answered a hello.
    """

    def __init__(
        self,
        *,
        protection: Protection,
        instance: bytes,
        now_us: int,
        limits: Limits,
        drops: Counter[str],
        verify: Verify,
        holding: Callable[[bytes], Holding],
        room: Callable[[int, bytes, str], tuple[PeerAddress, ...] | None],
        may_open: Callable[[bytes, str], tuple[PeerAddress, ...] | None] = lambda *caller: None,
        takes: Callable[[Address, bytes], bool] = lambda address, root: True,
    ) -> None:
        self._protection = protection
        self._limits = limits
        self._drops = drops
        self._table = Table(limits)
        self._bans = Bans(limits)
        self._greetings = Greetings(
            protection=protection, table=self._table, instance=instance, now_us=now_us,
            limits=limits, drops=drops, verify=verify, holding=holding, room=room,
            may_open=may_open, takes=takes, read_early=self._read_early,
            is_banned=self.is_banned,
        )
        self._readers = {
            SEALED: self._sealed, HELLO: self._greetings.hello, WELCOME: self._greetings.welcome,
            CONFIRM: self._greetings.confirm, GONE: self._gone, COOKIE: self._greetings.cookie,
        }
        self._resets = Bucket(limits.reset_replies_per_s, limits.reset_replies_per_s, now_us)
        self.all = self._table.all
        self.at = self._table.at
        self.of = self._table.of
        self.holds = self._table.holds

    # --- looking -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._table)

    def bears_session(self, address: Address, data: bytes) -> bool:
        """Whether `data` says that it is for the link to `address`; no more is looked at."""
        link = self._table.at(address)
        return link is not None and session_id(data) == link.session.id_in

    def author_at(self, address: Address) -> bytes | None:
        """Who is linked at the address."""
        link = self._table.at(address)
        return None if link is None else link.author

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {
            **self._bans.sizes(), **self._table.sizes(), **self._greetings.sizes(),
        }

    # --- writing -----------------------------------------------------------------------------

    def dial(
        self, address: Address, now_us: int, size: int = HELLO_BYTES, key: LinkKey | None = None
    ) -> bytes:
        """A hello for `address`, under `key` or as a member. Repeats are the same call, so that
        any answer is the answer."""
        return self._greetings.dial(address, now_us, size, key)

    def forget_dial(self, address: Address) -> None:
        self._greetings.forget_dial(address)

    def write(self, link: Link, frames: Sequence[bytes], now_us: int) -> list[bytes]:
        """Datagrams that carry the encoded `frames` in order."""
        datagrams = [link.session.seal(plain, now_us) for plain in pack(frames)]
        link.sent += len(datagrams)
        if link.confirm and datagrams:
            datagrams.insert(0, link.confirm)
        return datagrams

    # --- reading -----------------------------------------------------------------------------

    def read(self, address: Address, data: bytes, now_us: int) -> Reading:
        """What `data` from `address` is. Never raises; what is wrong is a counted drop."""
        if self._bans.holds(address, now_us):
            return self._dropped("banned")
        try:
            kind = kind_of(data, self._protection.network)
            return self._readers[kind](address, data, now_us)
        except Malformed as malformed:
            return self._dropped(malformed.reason)

    def _dropped(self, reason: str) -> Reading:
        self._drops[reason] += 1
        return Reading(dropped=reason)

    def _sealed(self, address: Address, data: bytes, now_us: int) -> Reading:
        session = session_id(data)
        link = self._table.by_session(session)
        if link is not None and link.address == address:
            return self._read_linked(link, self._frames(link.session, data, now_us))
        fading = self._table.fading(session)
        if fading is not None and fading.address == address:
            return self._read_fading(fading, data, now_us)
        is_kept = self._greetings.early(address, data, now_us)
        if is_kept is not None:
            return Reading() if is_kept else self._dropped("early")
        return self._unlinked(session, data, now_us)

    def _unlinked(self, session: bytes, data: bytes, now_us: int) -> Reading:
        reading = self._dropped("unlinked")
        members = self._protection.keys.members()
        if len(data) > GONE_BYTES and members and self._resets.take(1, now_us):
            reading.replies = [Reply("gone", make_gone(members[0], session))]
        return reading

    def _frames(self, session: Session, data: bytes, now_us: int) -> list[Frame]:
        """What was sealed. Raises `Malformed`."""
        frames, unknown = split_frames(session.open(data, now_us))
        if unknown:
            self._drops["frame-unknown"] += unknown
        return frames

    def _read_linked(self, link: Link, frames: list[Frame]) -> Reading:
        if not link.confirmed:
            if frames and isinstance(frames[0], Busy):
                return Reading(changes=[
                    self.close(link, "peer-full"), Refused(link.address, frames[0].peers)
                ])
            link.confirmed, link.confirm = True, b""
        link.doubted_us = None
        for frame in frames:
            if isinstance(frame, Bye):
                reason = BYE_REASONS[frame.reason] if frame.reason < len(BYE_REASONS) else "other"
                return Reading(changes=[self.close(link, "peer-" + reason)])
        return Reading(link=link, frames=frames, heard=1)

    def _read_fading(self, fading: Fading, data: bytes, now_us: int) -> Reading:
        """What was under way on a link that was replaced; what only that one could mean is left."""
        if now_us >= fading.until_us:
            self._table.faded(fading)
            return self._dropped("unlinked")
        frames = self._frames(fading.session, data, now_us)
        link = self._table.twin(fading.author, fading.instance)
        return Reading(link=link, frames=[each for each in frames if isinstance(each, _LASTING)])

    def _read_early(self, link: Link, session: Session, data: bytes, now_us: int) -> Reading:
        """What came before its CONFIRM; `link` may be another that is kept in its place."""
        try:
            frames = self._frames(session, data, now_us)
        except Malformed as malformed:
            return self._dropped(malformed.reason)
        if link.session is session:
            return self._read_linked(link, frames)
        return Reading(frames=[frame for frame in frames if isinstance(frame, _LASTING)])

    def _gone(self, address: Address, data: bytes, now_us: int) -> Reading:
        link = self._table.at(address)
        if len(data) != GONE_BYTES or link is None or link.session.id_out != session_id(data):
            return self._dropped("unasked")
        if not any(is_authentic(data, key) for key in self._protection.keys.members()):
            return self._dropped("mac")
        if link.doubted_us is not None and now_us - link.doubted_us < self._limits.doubt_us:
            return Reading()
        link.doubted_us = now_us
        return Reading(changes=[Doubted(link)])

    # --- closing -----------------------------------------------------------------------------

    def close(self, link: Link, reason: str) -> Closed:
        """Forget a link that is in the table."""
        return self._table.close(link, reason)

    def ban(self, link: Link, now_us: int) -> None:
        """Neither read nor answer the peer of a link for a while, wherever it comes from."""
        self._bans.add(link.address, link.author, now_us)

    def is_banned(self, who: Address | bytes, now_us: int) -> bool:
        """Whether an address or an author is banned now."""
        return self._bans.holds(who, now_us)
