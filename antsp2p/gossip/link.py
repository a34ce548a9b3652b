"""Links: (address, datagram) becomes (link, frames), and frames become datagrams.

Law: nothing larger than what was received goes to an address before it has echoed a number that
only its owner could have read. Today links are in clear: a key is *claimed*, not proven, and
tokens keep out only those who cannot read the traffic. A cipher replaces this file and no other.
What frames mean, whom to dial and when a link is dead are not known here.

    A -> B   HELLO   (nonce)             padded; B keeps nothing
    B -> A   WELCOME (cookie)            under token nonce: B's address is proven, A's link is up
    A -> B   CONFIRM (nonce), frames     under token cookie: A's address is proven, B's link is up
    A <-> B  frames                      to A under the nonce, to B under the cookie
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.bucket import Bucket
from antsp2p.gossip.datagram import hello_datagram, join_frames, pack, split_frames, split_header
from antsp2p.gossip.limits import HELLO_BYTES, MIN_HELLO_BYTES, Limits
from antsp2p.gossip.wire import (
    NO_TOKEN,
    TOKEN_BYTES,
    Address,
    Busy,
    Bye,
    Confirm,
    Frame,
    Gone,
    Hello,
    PeerAddress,
    Welcome,
    encode_frame,
)
from antsp2p.records.encoding import Malformed

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence
    from random import Random

GONE_BYTES: Final = 31
"""A datagram up to this size is never answered with GONE, so that two GONEs cannot echo."""

BYE_REASONS: Final = ("leaving", "full", "signatures", "flood")


@dataclass(slots=True, eq=False)
class Link:
    """A peer that can be talked to. `author` is what it claims to be."""

    id: int
    author: bytes
    instance: bytes
    address: Address
    initiated: bool
    """Whether this side sent the hello."""
    token_in: bytes = field(repr=False)
    token_out: bytes = field(repr=False)
    since_us: int
    confirmed: bool
    """Whether the peer has shown that its side is up."""
    sent: int = 0
    """Datagrams written for it."""
    heard: int = 0
    """Datagrams read on it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A link is up; the peer holds our log up to `seq` with `head` there."""

    link: Link
    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    link: Link
    reason: str


@dataclass(frozen=True, slots=True)
class Reached:
    """A dialled address answered, but there is a link to that author, or none is wanted."""

    address: Address
    author: bytes


@dataclass(frozen=True, slots=True)
class Own:
    """The dialled address is this node's own."""

    address: Address


@dataclass(frozen=True, slots=True)
class Refused:
    """The dialled node has no room, and names others."""

    address: Address
    peers: tuple[PeerAddress, ...]


Change = Opened | Closed | Reached | Own | Refused


@dataclass(slots=True)
class Reading:
    """What a datagram came to. Replies go to the address it came from."""

    link: Link | None = None
    frames: Sequence[Frame] = ()
    replies: list[Frame] = field(default_factory=list)
    reply_token: bytes = NO_TOKEN
    changes: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of an author's log, and the root over everything."""

    seq: int
    head: bytes
    root: bytes


class Links:
    """All links of a node. `holding(author)` is told in the handshake. A caller is sent on to the
    addresses that `room(links, author, host)` gives at its hello, or `may_open(author, host)` at
    its confirm. `takes(address, root)` is whether to link with a node that answered a hello.
    """

    def __init__(
        self,
        *,
        network: bytes,
        me: bytes,
        instance: bytes,
        rng: Random,
        now_us: int,
        limits: Limits,
        drops: Counter[str],
        holding: Callable[[bytes], Holding],
        room: Callable[[int, bytes, str], tuple[PeerAddress, ...] | None],
        may_open: Callable[[bytes, str], tuple[PeerAddress, ...] | None] = lambda *caller: None,
        takes: Callable[[Address, bytes], bool] = lambda address, root: True,
    ) -> None:
        self._network = network
        self._me = me
        self._instance = instance
        self._rng = rng
        self._limits = limits
        self._drops = drops
        self._holding = holding
        self._room = room
        self._may_open = may_open
        self._takes = takes
        self._secret = rng.randbytes(32)
        self._by_address: dict[Address, Link] = {}
        self._by_author: dict[bytes, list[Link]] = {}
        self._dials: dict[Address, bytes] = {}
        self._banned: dict[Address, int] = {}
        self._next_id = 1
        self._resets = Bucket(limits.reset_replies_per_s, limits.reset_replies_per_s, now_us)

    # --- looking -----------------------------------------------------------------------------

    def all(self) -> list[Link]:
        """Every link, oldest first."""
        return sorted(self._by_address.values(), key=lambda link: link.id)

    def __len__(self) -> int:
        return len(self._by_address)

    def at(self, address: Address) -> Link | None:
        return self._by_address.get(address)

    def holds(self, link: Link) -> bool:
        """Whether the link is still up."""
        return self._by_address.get(link.address) is link

    def of(self, author: bytes) -> Sequence[Link]:
        """The links to `author`, oldest first."""
        return self._by_author.get(author, ())

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {
            "links": len(self._by_address), "dials": len(self._dials),
            "banned": len(self._banned),
        }

    # --- writing -----------------------------------------------------------------------------

    def dial(self, address: Address, size: int = HELLO_BYTES) -> bytes:
        """A hello for `address`. Repeats keep their nonce, so that any answer is the answer."""
        nonce = self._dials.get(address)
        if nonce is None:
            if len(self._dials) >= self._limits.dials:
                del self._dials[next(iter(self._dials))]
            nonce = self._dials[address] = self._fresh_token()
        links = min(len(self._by_address), 255)
        return hello_datagram(
            self._network, Hello(self._me, self._instance, nonce, links, padding=b""), size
        )

    def forget_dial(self, address: Address) -> None:
        self._dials.pop(address, None)

    def write(self, link: Link, frames: Sequence[bytes]) -> list[bytes]:
        """Datagrams that carry the encoded `frames` in order."""
        first = b"" if link.confirmed else self._confirmation(link)
        datagrams = pack(self._network, link.token_out, first, frames)
        link.sent += len(datagrams)
        return datagrams

    def reply(self, token: bytes, frames: Sequence[Frame]) -> bytes:
        """The answer of a `Reading` as a datagram."""
        return join_frames(self._network, token, [encode_frame(frame) for frame in frames])

    def _confirmation(self, link: Link) -> bytes:
        held = self._holding(link.author)
        return encode_frame(
            Confirm(self._me, self._instance, link.token_in, held.seq, held.head)
        )

    # --- reading -----------------------------------------------------------------------------

    def read(self, address: Address, data: bytes, now_us: int) -> Reading:
        """What `data` from `address` is. Never raises; what is wrong is a counted drop."""
        banned_until_us = self._banned.get(address)
        if banned_until_us is not None:
            if now_us < banned_until_us:
                return self._drop("banned")
            del self._banned[address]
        try:
            token = split_header(data, self._network)
            frames, unknown = split_frames(data)
        except Malformed as malformed:
            return self._drop(malformed.reason)
        if unknown:
            self._drops["frame-unknown"] += unknown
        link = self._by_address.get(address)
        if link is not None and link.token_in == token:
            return self._read_linked(link, frames)
        match frames[0] if frames else None:
            case Hello() as hello:
                return self._hello(address, hello, len(data), now_us)
            case Welcome() as welcome:
                return self._welcome(address, token, welcome, frames, now_us)
            case Confirm() as confirm:
                return self._confirm(address, token, confirm, frames, now_us)
            case Busy(peers):
                return self._busy(address, token, peers)
            case Gone():
                return self._gone(link, token)
            case _:
                return self._unlinked(token, len(data), now_us)

    def _drop(self, reason: str) -> Reading:
        self._drops[reason] += 1
        return Reading()

    def _read_linked(self, link: Link, frames: list[Frame]) -> Reading:
        if frames and isinstance(frames[0], Welcome):
            # A welcome that came twice proves nothing about our CONFIRM.
            return Reading()
        if frames and isinstance(frames[0], Busy) and not link.confirmed:
            return Reading(
                changes=[self.close(link, "peer-full"), Refused(link.address, frames[0].peers)]
            )
        link.confirmed = True
        content = [frame for frame in frames if not isinstance(frame, Confirm)]
        for frame in content:
            if isinstance(frame, Bye):
                reason = BYE_REASONS[frame.reason] if frame.reason < len(BYE_REASONS) else "other"
                return Reading(changes=[self.close(link, "peer-" + reason)])
        return Reading(link=link, frames=content)

    def _hello(self, address: Address, hello: Hello, size: int, now_us: int) -> Reading:
        if size < MIN_HELLO_BYTES:
            return self._drop("hello-short")
        if hello.author == self._me:
            return self._own_hello(hello)
        peers = None if self.of(hello.author) else self._room(hello.links, hello.author, address[0])
        if peers is not None:
            while len(self.reply(hello.nonce, [Busy(peers)])) > size:
                peers = peers[:-1]
            return Reading(replies=[Busy(peers)], reply_token=hello.nonce)
        held = self._holding(hello.author)
        slot = now_us // self._limits.cookie_us
        cookie = self._cookie(address, hello.author, hello.instance, hello.nonce, slot)
        return Reading(
            replies=[
                Welcome(self._me, self._instance, cookie, held.seq, held.head, held.root)
            ],
            reply_token=hello.nonce,
        )

    def _own_hello(self, hello: Hello) -> Reading:
        if hello.instance != self._instance:
            return self._drop("own-key")
        self._drops["self"] += 1
        for address in sorted(self._dials):
            if self._dials[address] == hello.nonce:
                del self._dials[address]
                return Reading(changes=[Own(address)])
        return Reading()

    def _welcome(
        self, address: Address, token: bytes, welcome: Welcome, frames: list[Frame], now_us: int
    ) -> Reading:
        if self._dials.get(address) != token:
            return self._drop("token")
        del self._dials[address]
        if welcome.author == self._me:
            self._drops["self"] += 1
            return Reading(changes=[Own(address)])
        if any(link.instance == welcome.instance for link in self.of(welcome.author)):
            return Reading(changes=[Reached(address, welcome.author)])
        if self._is_full(welcome.author, address) or not self._takes(address, welcome.root):
            return Reading(changes=[Reached(address, welcome.author)])
        changes = self._make_way(address)
        link = Link(
            id=self._take_id(), author=welcome.author, instance=welcome.instance,
            address=address, initiated=True, token_in=token, token_out=welcome.cookie,
            since_us=now_us, confirmed=False,
        )
        self._put(link)
        changes.append(Opened(link, welcome.seq, welcome.head))
        return Reading(link=link, frames=frames[1:], changes=changes)

    def _confirm(
        self, address: Address, token: bytes, confirm: Confirm, frames: list[Frame], now_us: int
    ) -> Reading:
        if confirm.author == self._me:
            return self._drop("own-key")
        slot = now_us // self._limits.cookie_us
        if token not in (
            self._cookie(address, confirm.author, confirm.instance, confirm.nonce, age)
            for age in (slot, slot - 1)
        ):
            return self._drop("cookie")
        twin = next(
            (link for link in self.of(confirm.author) if link.instance == confirm.instance), None
        )
        if twin is not None and self._keeps(twin, now_us):
            return self._drop("link-duplicate")
        if twin is None and self._is_full(confirm.author, address):
            return self._drop("author-full")
        peers = None if self.of(confirm.author) else self._may_open(confirm.author, address[0])
        if peers is not None:
            return Reading(replies=[Busy(peers)], reply_token=confirm.nonce)
        changes = self._make_way(address)
        link = Link(
            id=self._take_id(), author=confirm.author, instance=confirm.instance,
            address=address, initiated=False, token_in=token, token_out=confirm.nonce,
            since_us=now_us, confirmed=True,
        )
        if twin is not None and self._by_address.get(twin.address) is twin:
            changes.append(self.close(twin, "replaced"))
        self._put(link)
        changes.append(Opened(link, confirm.seq, confirm.head))
        return Reading(link=link, frames=frames[1:], changes=changes)

    def _keeps(self, twin: Link, now_us: int) -> bool:
        """Whether an existing link to the same running peer beats the one being confirmed.

        Two hellos that crossed: both sides keep the one that the lower key sent. Otherwise the
        peer confirms because it has no link any more, and the new one is the one that works.
        """
        young = now_us - twin.since_us < self._limits.simultaneous_us
        return twin.initiated and young and self._me < twin.author

    def _is_full(self, author: bytes, address: Address) -> bool:
        """Whether a claimed key has its links already; it cannot push out those that work."""
        elsewhere = [link for link in self.of(author) if link.address != address]
        return len(elsewhere) >= self._limits.links_per_author

    def _make_way(self, address: Address) -> list[Change]:
        """Close what stands at `address`: another run of a node answers there now."""
        here = self._by_address.get(address)
        return [] if here is None else [self.close(here, "restarted")]

    def _busy(self, address: Address, token: bytes, peers: tuple[PeerAddress, ...]) -> Reading:
        if self._dials.get(address) != token:
            return self._drop("token")
        del self._dials[address]
        return Reading(changes=[Refused(address, peers)])

    def _gone(self, link: Link | None, token: bytes) -> Reading:
        if link is None or link.token_out != token:
            return self._drop("token")
        return Reading(changes=[self.close(link, "gone")])

    def _unlinked(self, token: bytes, size: int, now_us: int) -> Reading:
        self._drops["unlinked"] += 1
        if size <= GONE_BYTES or not self._resets.take(1, now_us):
            return Reading()
        return Reading(replies=[Gone()], reply_token=token)

    # --- closing -----------------------------------------------------------------------------

    def close(self, link: Link, reason: str) -> Closed:
        """Forget a link that is in the table."""
        if self._by_address.get(link.address) is link:
            del self._by_address[link.address]
        others = [other for other in self.of(link.author) if other is not link]
        if others:
            self._by_author[link.author] = others
        else:
            self._by_author.pop(link.author, None)
        return Closed(link, reason)

    def ban(self, address: Address, now_us: int) -> None:
        """Neither read nor answer `address` for a while."""
        if len(self._banned) >= self._limits.banned_addresses:
            del self._banned[next(iter(self._banned))]
        self._banned[address] = now_us + self._limits.ban_us

    def is_banned(self, address: Address, now_us: int) -> bool:
        return self._banned.get(address, now_us) > now_us

    # --- small parts -------------------------------------------------------------------------

    def _put(self, link: Link) -> None:
        self._by_address[link.address] = link
        self._by_author[link.author] = [*self.of(link.author), link]

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _fresh_token(self) -> bytes:
        token = self._rng.randbytes(TOKEN_BYTES)
        return token if token != NO_TOKEN else self._fresh_token()

    def _cookie(
        self, address: Address, author: bytes, instance: bytes, nonce: bytes, slot: int
    ) -> bytes:
        """What only the owner of `address` can echo; nothing is kept to recognise it."""
        place = f"{address[0]} {address[1]} {slot} ".encode()
        return hashlib.blake2s(
            place + author + instance + nonce, key=self._secret, digest_size=TOKEN_BYTES
        ).digest()
