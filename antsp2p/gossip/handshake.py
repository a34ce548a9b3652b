"""The bytes of the datagrams that open a link, around the messages of Noise.

Law: a MAC that only those who know the network's secret can make stands at the end of each, and
is looked at before anything else is worked out. What follows from a message is not known here.

    hello   = 11, network: 16 B, key id: 4 B, caller: 4 B, noise, cookie: 16 B, mac: 16 B
    welcome = 12, caller: 4 B, callee: 4 B, noise, mac: 16 B
    confirm = 13, callee: 4 B, noise, mac: 16 B
    gone    = 15, receiver: 4 B, mac: 16 B
    cookie  = 16, caller: 4 B, cookie: 16 B, mac: 16 B over this and the mac of the hello
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from antsp2p.gossip.datagram import CONFIRM, COOKIE, GONE, HELLO, SESSION_ID_BYTES, WELCOME
from antsp2p.gossip.limits import MAX_DATAGRAM_BYTES, MIN_HELLO_BYTES
from antsp2p.gossip.network_keys import KEY_ID_BYTES, MAC_BYTES
from antsp2p.gossip.noise import KEY_BYTES, TAG_BYTES
from antsp2p.gossip.wire import (
    Busy,
    Confirm,
    Hello,
    PeerAddress,
    Welcome,
    encode_frame,
    parse_frame,
)
from antsp2p.records.encoding import Malformed, decode
from antsp2p.records.record import NETWORK_BYTES

if TYPE_CHECKING:
    from antsp2p.gossip.network_keys import LinkKey

COOKIE_BYTES: Final = 16
NO_COOKIE: Final = bytes(COOKIE_BYTES)
GONE_BYTES: Final = 1 + SESSION_ID_BYTES + MAC_BYTES
COOKIE_REPLY_BYTES: Final = GONE_BYTES + COOKIE_BYTES
_NOISE_1: Final = 1 + NETWORK_BYTES + KEY_ID_BYTES + SESSION_ID_BYTES
_HELLO_BYTES: Final = _NOISE_1 + KEY_BYTES + TAG_BYTES + COOKIE_BYTES + MAC_BYTES
"""A HELLO without its payload."""
_NOISE_2: Final = 1 + 2 * SESSION_ID_BYTES
_NOISE_3: Final = 1 + SESSION_ID_BYTES
_WELCOME_BYTES: Final = _NOISE_2 + 2 * (KEY_BYTES + TAG_BYTES) + MAC_BYTES
"""A WELCOME without its payload, which is sealed, as the static key is."""
_CONFIRM_BYTES: Final = _NOISE_3 + KEY_BYTES + 2 * TAG_BYTES + MAC_BYTES

_Payload = TypeVar("_Payload", Hello, Welcome, Confirm)


def mac_of(data: bytes) -> bytes:
    return data[-MAC_BYTES:]


def is_authentic(data: bytes, key: LinkKey, *more: bytes) -> bool:
    """Whether the MAC at the end of a datagram was made with `key`."""
    return key.vouches(data[-MAC_BYTES:], data[:-MAC_BYTES], *more)


def _closed(data: bytes, key: LinkKey, *more: bytes) -> bytes:
    return data + key.mac(data, *more)


def payload_of(plain: bytes, kind: type[_Payload]) -> _Payload:
    """The one frame that a message's payload is. Raises `Malformed`."""
    frame = parse_frame(decode(plain, MAX_DATAGRAM_BYTES))
    if not isinstance(frame, kind):
        raise Malformed("payload")
    return frame


def answer_of(plain: bytes) -> Welcome | Busy:
    """What a second message says. Raises `Malformed`."""
    frame = parse_frame(decode(plain, MAX_DATAGRAM_BYTES))
    return frame if isinstance(frame, Busy) else payload_of(plain, Welcome)


# --- hello ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HelloParts:
    """A HELLO taken apart."""

    network: bytes
    key_id: bytes
    caller: bytes
    noise: bytes
    cookie: bytes

    @property
    def ephemeral(self) -> bytes:
        """The caller's ephemeral key, which tells one handshake from another."""
        return self.noise[:KEY_BYTES]


def hello_payload(hello: Hello, size: int) -> bytes:
    """The payload, padded so that the datagram has `size` bytes: not below MIN_HELLO_BYTES."""
    # The padding's own length takes one or two bytes more than that of an empty string.
    room = size - _HELLO_BYTES - len(encode_frame(hello)) - 1
    return encode_frame(replace(hello, padding=bytes(room if room < 256 else room - 1)))


def make_hello(
    network: bytes, key: LinkKey, caller: bytes, noise: bytes, cookie: bytes = NO_COOKIE
) -> bytes:
    """The datagram of a first message."""
    return _closed(bytes((HELLO,)) + network + key.id + caller + noise + cookie, key)


def split_hello(data: bytes) -> HelloParts:
    """Raises `Malformed`: "hello-short" for one that is smaller than its answer."""
    if len(data) < MIN_HELLO_BYTES:
        raise Malformed("hello-short")
    at = 1 + NETWORK_BYTES
    return HelloParts(
        network=data[1:at], key_id=data[at : at + KEY_ID_BYTES],
        caller=data[at + KEY_ID_BYTES : _NOISE_1],
        noise=data[_NOISE_1 : -COOKIE_BYTES - MAC_BYTES],
        cookie=data[-COOKIE_BYTES - MAC_BYTES : -MAC_BYTES],
    )


# --- welcome, confirm ----------------------------------------------------------------------------


def this_is(author: bytes) -> PeerAddress:
    """How a node that has no room says who it is; it does not know where it was called."""
    return PeerAddress(author, bytes(4), 1)


def answerer_of(peers: tuple[PeerAddress, ...]) -> bytes:
    """Who it says it is that has no room; empty where it does not say."""
    return next((peer.author for peer in peers if not any(peer.host)), b"")


def busy_payload(peers: tuple[PeerAddress, ...], size: int) -> bytes:
    """A refusal that names as many peers as fit a WELCOME of at most `size` bytes."""
    while len(payload := encode_frame(Busy(peers))) + _WELCOME_BYTES > size:
        peers = peers[:-1]
    return payload


def make_welcome(key: LinkKey, caller: bytes, callee: bytes, noise: bytes) -> bytes:
    """The datagram of a second message."""
    return _closed(bytes((WELCOME,)) + caller + callee + noise, key)


def split_welcome(data: bytes) -> tuple[bytes, bytes]:
    """(callee, noise). Raises `Malformed`."""
    if len(data) <= _WELCOME_BYTES:
        raise Malformed("size")
    return data[1 + SESSION_ID_BYTES : _NOISE_2], data[_NOISE_2:-MAC_BYTES]


def make_confirm(key: LinkKey, callee: bytes, noise: bytes) -> bytes:
    """The datagram of a third message."""
    return _closed(bytes((CONFIRM,)) + callee + noise, key)


def split_confirm(data: bytes) -> bytes:
    """The third message. Raises `Malformed`."""
    if len(data) <= _CONFIRM_BYTES:
        raise Malformed("size")
    return data[_NOISE_3:-MAC_BYTES]


# --- gone, cookie --------------------------------------------------------------------------------


def make_gone(key: LinkKey, receiver: bytes) -> bytes:
    """There is no session that reads what is sent to `receiver`."""
    return _closed(bytes((GONE,)) + receiver, key)


def make_cookie(key: LinkKey, caller: bytes, cookie: bytes, hello_mac: bytes) -> bytes:
    """Much is asked of this node: say hello again, with this cookie."""
    return _closed(bytes((COOKIE,)) + caller + cookie, key, hello_mac)


def split_cookie(data: bytes) -> bytes:
    """The cookie. Raises `Malformed`."""
    if len(data) != COOKIE_REPLY_BYTES:
        raise Malformed("size")
    return data[1 + SESSION_ID_BYTES : -MAC_BYTES]
