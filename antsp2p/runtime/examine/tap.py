"""Seeing what reaches this machine before its firewall does.

Law: it looks at IPv4 UDP from one host to one own port, and at nothing else. Without root there
is nothing to see, and it says so.
"""
from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from antsp2p.events import Address

_ETHERTYPE_IPV4: Final = 0x0800
_OUTGOING: Final = 4
_HEAD_BYTES: Final = 64
_ROW: Final = 256
"""Packets looked at before others may run."""


class Tap:
    """Counts what comes. `seen` is None where it may not look."""

    def __init__(self, source: socket.socket | None, host: bytes, port: int) -> None:
        self._source = source
        self._host = host
        self._port = port
        self.seen: int | None = None if source is None else 0

    async def watch(self) -> None:
        """Count until cancelled."""
        if self._source is None:
            return
        while True:
            await trio.lowlevel.wait_readable(self._source)
            for _ in range(_ROW):
                try:
                    packet, place = self._source.recvfrom(_HEAD_BYTES)
                except OSError:
                    break
                if place[2] != _OUTGOING and self._is_answer(packet):
                    self.seen = (self.seen or 0) + 1

    def _is_answer(self, packet: bytes) -> bool:
        """Whether an IPv4 packet is UDP from the host to the port."""
        if len(packet) < 20 or packet[9] != socket.IPPROTO_UDP or packet[12:16] != self._host:
            return False
        begin = (packet[0] & 0x0F) * 4
        return packet[begin + 2 : begin + 4] == self._port.to_bytes(2, "big")


@contextlib.contextmanager
def open_tap(address: Address, port: int) -> Iterator[Tap]:
    """A tap for UDP from the host of `address` to the own `port`."""
    host = ipaddress.ip_address(address[0].partition("%")[0])
    if sys.platform != "linux" or host.version != 4 or host.is_loopback:
        yield Tap(None, b"", 0)
        return
    try:
        source = socket.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETHERTYPE_IPV4)
        )
    except OSError:
        yield Tap(None, b"", 0)
        return
    with source:
        source.setblocking(False)
        yield Tap(source, host.packed, port)
