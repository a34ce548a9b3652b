"""Datagrams in and out, without blocking and without raising.

Law: what a stranger or a network does to a socket becomes a count, never an exception. Only
binding can fail, before the node runs, and it fails with one line. No names are looked up here:
an address that is not a literal is not sent to.
"""
from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import trio

from antsp2p.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.events import Address

ANY_ADDRESS: Final = ("0.0.0.0", "::")

_SEND_DROPS: Final = {
    errno.EAGAIN: "send-full",
    errno.ENOBUFS: "send-full",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.ECONNREFUSED: "unreachable",
    errno.EPERM: "send-forbidden",
    errno.EACCES: "send-forbidden",
    errno.EMSGSIZE: "send-too-large",
}


class ListenError(Exception):
    """No socket could be bound; the text is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One address, bound for datagrams and for blob connections on one port number."""

    address: Address
    udp: socket.socket
    tcp: socket.socket

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


@lru_cache(maxsize=1_024)
def parse_literal(host: str) -> tuple[socket.AddressFamily, str, int] | None:
    """(family, host, IPv6 scope) of an IP literal, or None. Never looks a name up."""
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(literal, ipaddress.IPv4Address):
        return socket.AF_INET, host, 0
    plain, _, scope = host.partition("%")
    try:
        index = int(scope) if scope.isdecimal() else socket.if_nametoindex(scope) if scope else 0
    except OSError:
        return None
    return socket.AF_INET6, plain, index


def primary_host() -> str:
    """The address from which this machine goes out; empty where it goes nowhere. Nothing is sent.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return ""


def _socket_address(host: str, port: int, scope: int, family: int) -> tuple[object, ...]:
    return (host, port) if family == socket.AF_INET else (host, port, 0, scope)


def peer_address(name: tuple[object, ...]) -> Address:
    """The address of a socket name; link-local IPv6 keeps its scope as `%index`."""
    host, port = str(name[0]), name[1]
    assert isinstance(port, int)
    if len(name) == 4 and name[3]:
        return f"{host}%{name[3]}", port
    return host, port


# --- binding -------------------------------------------------------------------------------------


def bind_all(listen: Sequence[Address], preferred_port: int = 0) -> tuple[Bound, ...]:
    """Sockets on every address of `listen`; empty means all of IPv4 and, where there is, IPv6.

    Port 0 picks a port that is free everywhere, `preferred_port` first. Raises `ListenError`.
    """
    if len(listen) > limits.LISTEN_ADDRESSES:
        raise ListenError(f"more than {limits.LISTEN_ADDRESSES} addresses to listen on")
    for host, _ in listen:
        if parse_literal(host) is None:
            raise ListenError(f"cannot listen on {host!r}: not an IP address of this machine")
    hosts = [host for host, port in listen if port == 0]
    bound: list[Bound] = []
    try:
        for host, port in listen:
            if port != 0:
                bound.append(_bind(host, port))
        if hosts or not listen:
            bound.extend(_bind_free_port(hosts or ANY_ADDRESS, preferred_port, bool(hosts)))
    except BaseException:
        close_all(bound)
        raise
    return tuple(bound)


def close_all(bound: Sequence[Bound]) -> None:
    for item in bound:
        item.close()


def _bind_free_port(hosts: Sequence[str], preferred_port: int, need_all: bool) -> list[Bound]:
    """One port number that is free on all `hosts`, for UDP and TCP."""
    port = preferred_port
    for _ in range(limits.PORT_ATTEMPTS):
        bound: list[Bound] = []
        try:
            for host in hosts:
                try:
                    bound.append(_bind(host, port))
                except _NoSuchFamily:
                    if need_all:
                        raise
                    continue
                port = bound[0].address[1]
        except _PortInUse:
            close_all(bound)
            port = 0
            continue
        except BaseException:
            close_all(bound)
            raise
        if not bound:
            raise ListenError("this machine has neither IPv4 nor IPv6")
        return bound
    raise ListenError(f"no free port in {limits.PORT_ATTEMPTS} tries: give one with --listen")


class _PortInUse(ListenError):
    pass


class _NoSuchFamily(ListenError):
    pass


def _bind(host: str, port: int) -> Bound:
    literal = parse_literal(host)
    assert literal is not None
    family, plain, scope = literal
    shown = f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
    with contextlib.ExitStack() as opened:
        try:
            udp = opened.enter_context(_open(family, socket.SOCK_DGRAM))
            udp.bind(_socket_address(plain, port, scope, family))
            tcp = opened.enter_context(_open(family, socket.SOCK_STREAM))
            tcp.bind(_socket_address(plain, udp.getsockname()[1], scope, family))
            tcp.listen(limits.BLOB_CONNECTIONS)
        except OSError as error:
            raise _listen_error(error, shown) from error
        opened.pop_all()
    return Bound(peer_address(udp.getsockname()), udp, tcp)


def _listen_error(error: OSError, shown: str) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        return _PortInUse(f"{shown} is in use: choose another port, or 0 for a free one")
    if error.errno == errno.EAFNOSUPPORT:
        return _NoSuchFamily(f"cannot listen on {shown}: the machine has no such addresses")
    if error.errno == errno.EADDRNOTAVAIL:
        return _NoSuchFamily(f"cannot listen on {shown}: not an IP address of this machine")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ListenError(f"cannot listen on {shown}: not permitted; choose a port above 1023")
    return ListenError(f"cannot listen on {shown}: {error.strerror}")


def _open(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    opened = socket.socket(family, kind)
    opened.setblocking(False)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == socket.SOCK_STREAM:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:
        with contextlib.suppress(OSError):
            opened.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, limits.RECEIVE_BUFFER_BYTES
            )
    return opened


# --- traffic -------------------------------------------------------------------------------------


class UdpEndpoint:
    """All bound datagram sockets as one."""

    def __init__(self, bound: Sequence[Bound]) -> None:
        self._bound = tuple(bound)
        self.drops: Counter[str] = Counter()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The bound addresses; a wildcard stays one."""
        return tuple(item.address for item in self._bound)

    def send(self, address: Address, data: bytes) -> None:
        """Send now or count a drop. Never blocks, never raises."""
        host, port = address
        literal = parse_literal(host)
        if literal is None or not 0 < port < 65_536:
            self.drops["send-address"] += 1
            return
        family, plain, scope = literal
        sender = self._sender(family, plain)
        if sender is None:
            self.drops["send-family"] += 1
            return
        try:
            sender.sendto(data, _socket_address(plain, port, scope, family))
        except OSError as error:
            self.drops[_SEND_DROPS.get(error.errno or 0, "send-error")] += 1

    def _sender(self, family: socket.AddressFamily, host: str) -> socket.socket | None:
        """The socket to send from: one bound to everything, or else of the target's reach."""
        candidates = [item for item in self._bound if item.udp.family == family]
        if len(candidates) > 1:
            loopback = ipaddress.ip_address(host).is_loopback
            candidates.sort(key=lambda item: _sender_rank(item.address[0], loopback))
        return candidates[0].udp if candidates else None

    async def receive(
        self, deliver: Callable[[Address, bytes], None], delivered: Callable[[], None]
    ) -> None:
        """Give every datagram to `deliver`, and call `delivered` after each row of them, until
        cancelled."""
        async with trio.open_nursery() as nursery:
            for item in self._bound:
                nursery.start_soon(self._receive_from, item.udp, deliver, delivered)

    async def _receive_from(
        self, source: socket.socket, deliver: Callable[[Address, bytes], None],
        delivered: Callable[[], None],
    ) -> None:
        while True:
            await trio.lowlevel.wait_readable(source)
            for _ in range(limits.DATAGRAMS_PER_WAKE):
                try:
                    data, name = source.recvfrom(limits.DATAGRAM_BUFFER_BYTES)
                except BlockingIOError:
                    break
                except OSError:
                    # A late answer to something sent before, such as "port unreachable".
                    self.drops["receive-error"] += 1
                    continue
                deliver(peer_address(name), data)
            delivered()

    def close(self) -> None:
        close_all(self._bound)


def _sender_rank(host: str, to_loopback: bool) -> int:
    literal = ipaddress.ip_address(host.partition("%")[0])
    if literal.is_unspecified:
        return 0
    return 1 if literal.is_loopback == to_loopback else 2
