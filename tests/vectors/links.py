"""Whole handshakes with fixed keys, what is sealed after them, and streams, byte by byte."""
from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from antsp2p.gossip.datagram import SEALED, join_frames
from antsp2p.gossip.handshake import mac_of, make_cookie, make_gone, make_hello
from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.link import Holding
from antsp2p.gossip.links import Links
from antsp2p.gossip.network_keys import KeyPurpose, KeyRing, NetworkKey, link_key
from antsp2p.gossip.protection import LINK_DOMAIN, protect
from antsp2p.gossip.stream_cipher import StreamAnswerer, StreamCaller
from antsp2p.gossip.wire import NO_HEAD, Frame, PeerAddress, Ping, Prune, encode_frame
from antsp2p.records.work import mine
from tests.vectors.common import NETWORK, Case, case, identity, verify

if TYPE_CHECKING:
    from antsp2p.gossip.link import Link

SECRET = bytes(range(0x40, 0x60))
INVITATION = bytes(range(0x60, 0x70))
CALLER_AT, CALLEE_AT = ("192.0.2.1", 1_001), ("192.0.2.2", 1_002)
INSTANCES = {"ada": b"a" * 8, "bob": b"b" * 8}
PING = Ping(1, bytes(16), 0, 1)
PRICE_BITS = 8
REKEY_US = DEFAULT_LIMITS.rekey_us


class Draws:
    """Random bytes that everybody can repeat: the SHA-256 of a name and a count."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.drawn: list[bytes] = []

    def __call__(self, count: int) -> bytes:
        self.drawn.append(
            hashlib.sha256(f"{self._name} {len(self.drawn)}".encode()).digest()[:count])
        return self.drawn[-1]


class Side:
    """One node's links, and what it has drawn."""

    def __init__(
        self, name: str, key: NetworkKey, room: tuple[PeerAddress, ...] | None = None,
        work_bits: int = 0,
    ) -> None:
        self.name = name
        self.draws = Draws(name)
        author = identity(name)
        work = mine(NETWORK, author.author, work_bits, start=0, tries=1 << 16)
        self.protection = protect(
            author, NETWORK, KeyRing(NETWORK, [key]), self.draws, work_bits=work_bits,
            work=work or 0,
        )
        self.links = Links(
            protection=self.protection, instance=INSTANCES[name], now_us=0,
            limits=DEFAULT_LIMITS, drops=Counter(), verify=verify,
            holding=lambda author: Holding(0, NO_HEAD, bytes(range(16))),
            room=lambda *caller: room,
        )

    @property
    def link(self) -> Link:
        (link,) = self.links.all()
        return link

    def known(self) -> dict[str, bytes | int]:
        """What went into its messages; a stranger puts in its own."""
        static, _, ephemeral, session = self.draws.drawn[:4]
        return {
            "author": identity(self.name).author, "instance": INSTANCES[self.name],
            "static_private": static, "static_public": self.protection.static.public,
            "static_signed": LINK_DOMAIN + NETWORK + self.protection.static.public,
            "signature": self.protection.signature, "ephemeral_private": ephemeral,
            "session": session, "work": self.protection.work,
        }


def _derived() -> list[Case]:
    sources = (
        ("a network's secret", "32 bytes", NetworkKey(SECRET)),
        ("an invitation", "16 bytes", NetworkKey(INVITATION, KeyPurpose.INVITATION)),
    )
    return [
        case(name, why, secret=source.secret, key_id=key.id, psk=key.psk, mac_key=key._mac_key)
        for name, why, source in sources for key in [link_key(NETWORK, source)]
    ]


def _sealed(name: str, why: str, link: Link, frames: tuple[Frame, ...], now_us: int) -> Case:
    plain = join_frames([encode_frame(frame) for frame in frames])
    return case(name, why, plain=plain, datagram=link.session.seal(plain, now_us))


def handshake(work_bits: int = 0) -> tuple[dict[str, Any], Side, Side]:
    """A handshake from its first byte, and datagrams both ways with a change of keys."""
    caller, callee = (
        Side(name, NetworkKey(SECRET), work_bits=work_bits) for name in ("ada", "bob"))
    hello = caller.links.dial(CALLEE_AT, 0)
    (welcome,) = callee.links.read(CALLER_AT, hello, 0).replies
    caller.links.read(CALLEE_AT, welcome.data, 0)
    confirm = caller.link.confirm
    keys = caller.link.session._key, caller.link.session._reading.key
    callee.links.read(CALLER_AT, confirm, 0)
    story = {
        "caller": caller.known(), "callee": callee.known(),
        "hello": hello, "welcome": welcome.data, "confirm": confirm,
        "key_to_callee": keys[0], "key_to_caller": keys[1],
    }
    return story, caller, callee


def _handshakes() -> list[Case]:
    story, caller, callee = handshake()
    sealed = [
        _sealed("to the callee, 0", "counter 0", caller.link, (PING,), 0),
        _sealed("to the callee, 1", "the counter has gone up", caller.link, (PING, Prune()), 0),
        _sealed("to the caller, 0", "its own counter", callee.link, (Prune(),), 0),
        _sealed("to the callee, keys changed", "the upper half of the counter is 1", caller.link,
                (PING,), REKEY_US),
        _sealed("to the callee, keys changed again", "each key from the one before", caller.link,
                (PING,), 2 * REKEY_US),
    ]
    room = (PeerAddress(identity("eve").author, bytes((192, 0, 2, 3)), 1_003),)
    full, asking = Side("bob", NetworkKey(SECRET), room), Side("ada", NetworkKey(SECRET))
    paid, _, _ = handshake(PRICE_BITS)
    hello = asking.links.dial(CALLEE_AT, 0)
    (busy,) = full.links.read(CALLER_AT, hello, 0).replies
    return [
        case("two members", "hello, welcome, confirm, and what is sealed then", **story,
             sealed=sealed),
        case("no room", "a second message that names another node", caller=asking.known(),
             hello=hello, welcome=busy.data),
        case("where a name costs 8 bits", "both show what they have paid", bits=PRICE_BITS, **paid),
    ]


def _others() -> list[Case]:
    story, _, _ = handshake()
    key = link_key(NETWORK, NetworkKey(SECRET))
    cookie = bytes(range(0x80, 0x90))
    session = story["callee"]["session"]
    call = Side("ada", NetworkKey(SECRET))
    call.links.dial(CALLEE_AT, 0)
    reply = make_cookie(key, story["caller"]["session"], cookie, mac_of(story["hello"]))
    (again,) = call.links.read(CALLEE_AT, reply, 0).replies
    noise = story["hello"][25:-32]
    assert again.data == make_hello(NETWORK, key, story["caller"]["session"], noise, cookie)
    return [
        case("a cookie", "asked for under load; the same message goes again with it",
             hello=story["hello"], cookie=cookie, reply=reply, again=again.data),
        case("gone", "the answer to a sealed datagram of no session",
             datagram=bytes((SEALED,)) + session + bytes(40), reply=make_gone(key, session)),
    ]


def _streams() -> list[Case]:
    caller, callee = Side("ada", NetworkKey(SECRET)), Side("bob", NetworkKey(SECRET))
    (key,) = caller.protection.keys.members()
    calling = StreamCaller(caller.protection, key, verify)
    answering = StreamAnswerer(callee.protection, verify)
    second = answering.first(calling.first[2:])
    third, out = calling.answered(second[2:])
    back = answering.last(third[2:])
    request, answer = b"a request", bytes(range(256)) * 65
    return [case(
        "a stream", "three messages, a request, an answer in two chunks, and its end",
        caller_ephemeral_private=caller.draws.drawn[2],
        callee_ephemeral_private=callee.draws.drawn[2],
        first=calling.first, second=second, third=third,
        request=request, sealed_request=out.seal(request),
        answer_sha256=hashlib.sha256(answer).digest(), answer_bytes=len(answer),
        sealed_answer_sha256=hashlib.sha256(back.seal(answer)).digest(),
        sealed_end=back.end(),
    )]


def cases() -> dict[str, Any]:
    """All of them, under one secret."""
    return {
        "keys": _derived(), "handshakes": _handshakes(), "others": _others(),
        "streams": _streams(),
    }
