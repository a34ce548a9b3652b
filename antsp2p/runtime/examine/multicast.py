"""Asking who is there by mDNS, on each interface by itself.

Law: one question an interface and a bounded time. Our own question coming back is what shows that
multicast works here; everything that others answer is their word.
"""
from __future__ import annotations

import errno
import ipaddress
import secrets
import socket
import struct
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio
from zeroconf import (  # type: ignore[attr-defined]  # named there without `__all__`
    DNSAddress,
    DNSIncoming,
    DNSService,
    DNSText,
)

from antsp2p.runtime import limits
from antsp2p.runtime.discovery import SERVICE_TYPE
from antsp2p.runtime.examine.facts import MulticastTry, Reply, Service
from antsp2p.runtime.examine.mends import MDNS_PORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from antsp2p.runtime.examine.facts import Interface

_GROUP: Final = "224.0.0.251"
_MULTICAST_ALL: Final = 49
"""Linux's IP_MULTICAST_ALL: without it a socket hears what others joined."""
_ADDRESS, _POINTER, _TEXT, _SERVICE, _IN = 1, 12, 16, 33, 1
_NO_ROUTE: Final = (
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENETDOWN,
)


class MdnsPortTaken(Exception):
    """A program keeps the port of mDNS for itself."""


@dataclass(slots=True)
class Heard:
    """What came by mDNS: who offers which service, from where. Bounded."""

    _services: dict[str, tuple[str, int]] = field(default_factory=dict)
    _texts: dict[str, dict[bytes, bytes | None]] = field(default_factory=dict)
    _hosts: dict[str, list[str]] = field(default_factory=dict)

    def read(self, data: bytes) -> None:
        """One datagram of the mDNS port, whatever it is."""
        message = DNSIncoming(data)
        if not message.valid or message.is_query():
            return
        for record in message.answers():
            name = record.name.lower()
            match record:
                case DNSService() if name.endswith(SERVICE_TYPE):
                    if _has_room(self._services, name):
                        self._services[name] = (record.server.lower(), record.port)
                case DNSText() if name.endswith(SERVICE_TYPE):
                    if _has_room(self._texts, name):
                        self._texts[name] = _properties(record.text)
                case DNSAddress() if len(record.address) == 4:
                    if _has_room(self._hosts, name):
                        hosts = self._hosts.setdefault(name, [])
                        text = str(ipaddress.ip_address(record.address))
                        if text not in hosts and len(hosts) < limits.ADDRESSES_PER_SERVICE:
                            hosts.append(text)

    def services(self) -> tuple[Service, ...]:
        """The nodes that were heard of, as they describe themselves."""
        return tuple(
            Service(
                tuple((host, port) for host in self._hosts.get(server, ())),
                *(_said(self._texts.get(name, {}), key) for key in (b"author", b"network", b"v")),
            )
            for name, (server, port) in sorted(self._services.items())
        )


def _has_room(table: dict[str, object] | dict[str, tuple[str, int]] | dict[str, list[str]]
              | dict[str, dict[bytes, bytes | None]], name: str) -> bool:
    return name in table or len(table) < limits.DISCOVERED_SERVICES


def _properties(text: bytes) -> dict[bytes, bytes | None]:
    """The `key=value` strings of a TXT record."""
    found: dict[bytes, bytes | None] = {}
    while text:
        size = text[0]
        key, _, value = text[1 : 1 + size].partition(b"=")
        found.setdefault(key.lower(), value)
        text = text[1 + size :]
    return found


def _said(properties: dict[bytes, bytes | None], key: bytes) -> str:
    return (properties.get(key) or b"").decode("utf-8", "replace")


def question() -> bytes:
    """Who offers our service? The number in front lets us know it again."""
    labels = b"".join(
        bytes((len(label),)) + label.encode() for label in SERVICE_TYPE.rstrip(".").split(".")
    )
    head = struct.pack("!6H", secrets.randbits(16), 0, 1, 0, 0, 0)
    return head + labels + b"\0" + struct.pack("!2H", _POINTER, _IN)


async def ask_around(
    interfaces: Sequence[Interface],
) -> tuple[tuple[MulticastTry, ...], tuple[Service, ...]]:
    """What comes of asking on every interface at once. Raises `MdnsPortTaken`."""
    heard = Heard()
    tries: list[MulticastTry] = []
    with ExitStack() as opened:
        asked = []
        for name, address in _places(interfaces):
            try:
                asked.append((name, address, opened.enter_context(_open(address))))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise MdnsPortTaken from error
                tries.append(MulticastTry(name, address, Reply.NO_ROUTE))
        async with trio.open_nursery() as nursery:
            for name, address, asking in asked:
                nursery.start_soon(_ask, name, address, asking, heard, tries)
    return tuple(sorted(tries, key=lambda item: item.address)), heard.services()


def _places(interfaces: Iterable[Interface]) -> Iterator[tuple[str, str]]:
    """The first IPv4 address of every interface."""
    for item in interfaces:
        hosts = [text.partition("/")[0] for text in item.addresses if ":" not in text]
        if hosts:
            yield item.name, hosts[0]


def _open(address: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(("", MDNS_PORT))
        here, group = socket.inet_aton(address), socket.inet_aton(_GROUP)
        if hasattr(socket, "AF_PACKET"):
            opened.setsockopt(socket.IPPROTO_IP, _MULTICAST_ALL, 0)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + here)
    except BaseException:
        opened.close()
        raise
    return opened


async def _ask(
    name: str, address: str, asking: socket.socket, heard: Heard, tries: list[MulticastTry]
) -> None:
    asked = question()
    reply = Reply.SILENT
    with trio.move_on_after(limits.EXAMINE_MDNS_MS / 1_000):
        reply = _send(asking, asked)
        while True:
            await trio.lowlevel.wait_readable(asking)
            for _ in range(limits.DATAGRAMS_PER_WAKE):
                try:
                    data = asking.recv(limits.EXAMINE_MDNS_BYTES)
                except OSError:
                    break
                if data == asked:
                    reply = Reply.ANSWERED
                else:
                    heard.read(data)
    tries.append(MulticastTry(name, address, reply))


def _send(asking: socket.socket, data: bytes) -> Reply:
    try:
        asking.sendto(data, (_GROUP, MDNS_PORT))
    except OSError as error:
        if error.errno == errno.EPERM:
            return Reply.FORBIDDEN
        return Reply.NO_ROUTE if error.errno in _NO_ROUTE else Reply.SILENT
    return Reply.SILENT
