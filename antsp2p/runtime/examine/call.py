"""Calling an address: two hellos of our own protocol, a connection, and what comes back of it.

Law: it sends what any node would send to an address that a person named, from a key made for the
occasion, and opens no link. What the network says about a datagram (ICMP) is read from the
socket's own queue. No rule about blame is here, and no secret is made that is kept.
"""
from __future__ import annotations

import contextlib
import errno
import secrets
import socket
import struct
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import trio

from antsp2p.gossip.limits import DEFAULT_LIMITS, MAX_DATAGRAM_BYTES, MIN_HELLO_BYTES
from antsp2p.gossip.link import Holding, Reached, Refused
from antsp2p.gossip.links import Links
from antsp2p.gossip.network_keys import SECRET_BYTES, KeyRing, NetworkKey
from antsp2p.gossip.protection import Protection, protect
from antsp2p.gossip.wire import INSTANCE_BYTES, NO_HEAD
from antsp2p.records.encoding import Malformed
from antsp2p.records.keys import Identity, verify
from antsp2p.records.record import NETWORK_BYTES
from antsp2p.runtime import limits
from antsp2p.runtime.blobs import encode_request
from antsp2p.runtime.examine.facts import PeerTry, Reply, Stream
from antsp2p.runtime.examine.interfaces import read_neighbour
from antsp2p.runtime.examine.tap import open_tap
from antsp2p.runtime.networks import wall_ms
from antsp2p.runtime.sealed import secure_call
from antsp2p.runtime.streams import connect_plainly, read_message, send
from antsp2p.runtime.udp import parse_literal

if TYPE_CHECKING:
    from antsp2p.events import Address
    from antsp2p.gossip.network_keys import LinkKey
    from antsp2p.runtime.networks import Network

_RECVERR: Final = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (41, 25)}
_GET_MTU: Final = {socket.AF_INET: (socket.IPPROTO_IP, 14), socket.AF_INET6: (41, 24)}
_QUEUED: Final = struct.Struct("=IBBBxII")
"""The kernel's sock_extended_err: errno, origin, ICMP type, ICMP code, and two numbers."""
_BY_ERRNO: Final = {
    errno.EPERM: Reply.FORBIDDEN,
    errno.ECONNREFUSED: Reply.CLOSED,
    errno.EACCES: Reply.REJECTED,
    errno.ENETUNREACH: Reply.NO_ROUTE,
    errno.EHOSTUNREACH: Reply.NO_ROUTE,
    errno.ENETDOWN: Reply.NO_ROUTE,
    errno.EADDRNOTAVAIL: Reply.NO_ROUTE,
}
_FORBIDDEN_CODES: Final = {socket.AF_INET: (9, 10, 13), socket.AF_INET6: (1, 5, 6)}
"""ICMP codes by which a firewall says that it is one."""


def probe(network: Network | None) -> Protection:
    """What a caller brings who is known to nobody; without a network he is answered by nobody,
    and what stands in the way is seen all the same."""
    id_ = secrets.token_bytes(NETWORK_BYTES) if network is None else network.id
    keys = (_nobodys_key(),) if network is None else network.keys(wall_ms())
    identity = Identity.from_seed(secrets.token_bytes(32))
    return protect(identity, id_, KeyRing(id_, keys), secrets.token_bytes)


def _nobodys_key() -> NetworkKey:
    return NetworkKey(secrets.token_bytes(SECRET_BYTES))


class Greeting:
    """Both hellos to one address, and what their answers say."""

    def __init__(self, protection: Protection, address: Address) -> None:
        self._address = address
        self._small = _links(protection)
        self._full = _links(protection)
        self.small = self.full = Reply.SILENT

    @property
    def is_answered(self) -> bool:
        return self.small is self.full is Reply.ANSWERED

    def hellos(self) -> tuple[bytes, ...]:
        """The datagrams whose answers have not come; under each secret of the network in turn,
        and with a cookie where one was asked for."""
        wanted = (
            (self._small, MIN_HELLO_BYTES, self.small), (self._full, MAX_DATAGRAM_BYTES, self.full),
        )
        return tuple(
            links.dial(self._address, 0, size) for links, size, reply in wanted
            if reply is not Reply.ANSWERED
        )

    def read(self, data: bytes) -> None:
        """A datagram came from the address."""
        if self.small is not Reply.ANSWERED and self._answers(self._small, data):
            self.small = Reply.ANSWERED
        elif self.full is not Reply.ANSWERED and self._answers(self._full, data):
            self.full = Reply.ANSWERED

    def _answers(self, links: Links, data: bytes) -> bool:
        changes = links.read(self._address, data, 0).changes
        return any(isinstance(change, Reached | Refused) for change in changes)

    def failed(self, reply: Reply) -> None:
        """The system or the network said why nothing will come."""
        if self.small is not Reply.ANSWERED:
            self.small = reply
        if self.full is not Reply.ANSWERED:
            self.full = reply


def _links(protection: Protection) -> Links:
    """The links of somebody who links with nobody: no handshake comes to its third message."""
    return Links(
        protection=protection, instance=secrets.token_bytes(INSTANCE_BYTES), now_us=0,
        limits=DEFAULT_LIMITS, drops=Counter(), verify=verify,
        holding=lambda author: Holding(0, NO_HEAD, bytes(16)),
        room=lambda links, author, host: (), takes=lambda address, root: False,
    )


async def call(protection: Protection, address: Address) -> PeerTry:
    """What comes of calling a literal address, by UDP and TCP at once; within a bounded time."""
    greeting = Greeting(protection, address)
    streams: list[Stream] = []
    seen: list[tuple[int | None, int | None]] = []

    async def by_udp() -> None:
        seen.append(await _greet(greeting, address))

    async def by_tcp() -> None:
        streams.append(await _connect(protection, address))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(by_udp)
        nursery.start_soon(by_tcp)
    (filtered, path_mtu), (stream,) = seen[0], streams
    neighbour = await trio.to_thread.run_sync(read_neighbour, address[0])
    return PeerTry(
        address, greeting.small, greeting.full, stream, filtered, path_mtu, neighbour
    )


# --- UDP -----------------------------------------------------------------------------------------


async def _greet(greeting: Greeting, address: Address) -> tuple[int | None, int | None]:
    """Say hello until it is answered; how many answers were kept from us, and the path's MTU."""
    literal = parse_literal(address[0])
    if literal is None or not address[1]:
        greeting.failed(Reply.NO_ROUTE)
        return None, None
    family, host, scope = literal
    with contextlib.ExitStack() as opened:
        caller = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        caller.setblocking(False)
        if sys.platform == "linux":
            caller.setsockopt(*_RECVERR[family], 1)
        try:
            caller.connect((host, address[1]) if family == socket.AF_INET
                           else (host, address[1], 0, scope))
        except OSError as error:
            greeting.failed(_reply_of(error))
            return None, None
        tap = opened.enter_context(open_tap(address, caller.getsockname()[1]))
        with trio.move_on_after(limits.EXAMINE_CALL_MS / 1_000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_say, caller, greeting)
                nursery.start_soon(tap.watch)
                await _listen(caller, family, greeting)
                nursery.cancel_scope.cancel()
        path_mtu = None
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                path_mtu = caller.getsockopt(*_GET_MTU[family])
        is_silent = greeting.small is Reply.SILENT
        return (tap.seen if is_silent or tap.seen is None else 0), path_mtu


async def _say(caller: socket.socket, greeting: Greeting) -> None:
    while True:
        for data in greeting.hellos():
            try:
                caller.send(data)
            except BlockingIOError:
                continue
            except OSError as error:
                _note(greeting, _reply_of(error))
        await trio.sleep(limits.EXAMINE_REPEAT_MS / 1_000)


async def _listen(caller: socket.socket, family: int, greeting: Greeting) -> None:
    """Read answers and errors until all is answered, or nothing will be."""
    while not greeting.is_answered:
        await trio.lowlevel.wait_readable(caller)
        try:
            greeting.read(caller.recv(limits.DATAGRAM_BUFFER_BYTES))
        except BlockingIOError:
            pass
        except OSError as error:
            _note(greeting, _reply_of(error))
        if sys.platform == "linux":
            _read_errors(caller, family, greeting)
        if greeting.small in (Reply.CLOSED, Reply.REJECTED):
            return


def _note(greeting: Greeting, reply: Reply) -> None:
    """An error of a send or of something sent before; a full queue says nothing."""
    if reply is not Reply.SILENT:
        greeting.failed(reply)


def _read_errors(caller: socket.socket, family: int, greeting: Greeting) -> None:
    """What ICMP said: the codes tell a firewall from an empty port."""
    while True:
        try:
            _, control, _, _ = caller.recvmsg(512, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return
        for _, _, data in control:
            if len(data) < _QUEUED.size:
                continue
            number, _, _, code, _, _ = _QUEUED.unpack_from(data)
            if number == errno.EMSGSIZE:
                continue  # The next hello is sent in pieces, as a node's datagrams are.
            is_firewall = code in _FORBIDDEN_CODES.get(socket.AddressFamily(family), ())
            reply = Reply.REJECTED if is_firewall else _BY_ERRNO.get(number, Reply.SILENT)
            _note(greeting, reply)


def _reply_of(error: OSError) -> Reply:
    return _BY_ERRNO.get(error.errno or 0, Reply.SILENT)


# --- TCP -----------------------------------------------------------------------------------------


async def _connect(protection: Protection, address: Address) -> Stream:
    """Connect, under each secret of the network until one is known there."""
    came = Stream.SILENT
    for key in protection.keys.members():
        came = await _connect_under(protection, key, address)
        if came not in (Stream.OPEN, Stream.HUNG_UP):
            break
    return came


async def _connect_under(protection: Protection, key: LinkKey, address: Address) -> Stream:
    """Connect, and ask for a blob that nobody has: a node that shares the secret says so."""
    try:
        with trio.fail_after(limits.EXAMINE_CALL_MS / 1_000):
            plain = await connect_plainly(address)
    except ConnectionRefusedError:
        return Stream.CLOSED
    except OSError as error:
        no_route = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
        return Stream.NO_ROUTE if error.errno in no_route else Stream.SILENT
    except trio.TooSlowError:
        return Stream.SILENT
    async with plain:
        with trio.move_on_after(limits.EXAMINE_ANSWER_MS / 1_000):
            try:
                stream = await secure_call(plain, protection, key)
            except trio.BrokenResourceError:
                return Stream.HUNG_UP
            except Malformed as error:
                return Stream.HUNG_UP if error.reason == "cut-off" else Stream.OPEN
            except trio.TooSlowError:
                return Stream.OPEN
            # It has shown that it knows the secret. Where a name has a price it hangs up now.
            with contextlib.suppress(Malformed, trio.BrokenResourceError, trio.TooSlowError):
                await send(
                    stream, encode_request(protection.network, secrets.token_bytes(32), 0))
                await read_message(stream, limits.BLOB_REQUEST_BYTES)
            return Stream.ANSWERED
        return Stream.OPEN
