"""A linked peer that sends datagrams signed beforehand as fast as the node takes them.

It answers pings only while it reads.
"""
from __future__ import annotations

import hashlib
import select
import socket
import time
from typing import TYPE_CHECKING, Final, TypeVar

from antsp2p.gossip.datagram import hello_datagram, join_frames, split_frames, split_header
from antsp2p.gossip.wire import (
    NO_HEAD,
    Confirm,
    Entry,
    Frame,
    Hello,
    News,
    Ping,
    Pong,
    Welcome,
    encode_frame,
)
from antsp2p.records.encoding import Malformed
from tests.benchmarks.records.workload import NETWORK, identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.record import Record

WINDOW: Final = 96
"""Datagrams that the node has not answered for; they fit the receive buffer of any system."""
PING_EVERY: Final = 16
ASK_AGAIN_S: Final = 0.2
LIMIT_S: Final = 60.0
_FIRST_COUNTER: Final = 1_000_000
_T = TypeVar("_T", Welcome, Pong)


class Stuck(Exception):
    """The node does not answer."""


class Peer:
    """One key, one socket, one link to `address`."""

    def __init__(self, number: int, address: tuple[str, int]) -> None:
        self._identity = identity(number)
        self._nonce = hashlib.sha256(b"nonce %d" % number).digest()[:8]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(address)
        self._socket.setblocking(False)
        self._cookie = b""
        self._sent = self._heard = 0

    def close(self) -> None:
        self._socket.close()

    def link(self) -> None:
        """Hello, welcome, confirm. Raises `Stuck`."""
        author, instance = self._identity.author, self._nonce[::-1]
        self.throw(hello_datagram(NETWORK, Hello(author, instance, self._nonce, 0, b"")))
        welcome = self._until(Welcome)
        self._cookie = welcome.cookie
        self.throw(self.datagram(Confirm(author, instance, self._nonce, 0, NO_HEAD)))
        self.sync()

    def datagram(self, *frames: Frame) -> bytes:
        """The frames as the link carries them."""
        return join_frames(NETWORK, self._cookie, [encode_frame(frame) for frame in frames])

    def news(self, records: Sequence[Record], each: int) -> list[bytes]:
        """The records as pushes, `each` in one datagram, every record in a frame of its own."""
        return [
            self.datagram(*(pushed(record) for record in records[start : start + each]))
            for start in range(0, len(records), each)
        ]

    def throw(self, data: bytes) -> None:
        """Send any bytes; waits where the kernel has no room."""
        while True:
            try:
                self._socket.send(data)
            except BlockingIOError:
                select.select([], [self._socket], [], LIMIT_S)
            except ConnectionRefusedError:
                continue
            else:
                return

    def feed(self, datagrams: Sequence[bytes]) -> None:
        """Send all, never more than the window ahead of what the node has read."""
        for start in range(0, len(datagrams), PING_EVERY):
            for data in datagrams[start : start + PING_EVERY]:
                self.throw(data)
            self._ping()
            self._answered(self._sent - WINDOW // PING_EVERY)
        self.sync()

    def sync(self) -> None:
        """Return when the node has read all that was sent."""
        self._ping()
        self._answered(self._sent)

    def round_trip_s(self) -> float:
        """How long the node takes to answer now."""
        start_s = time.perf_counter()
        self.sync()
        return time.perf_counter() - start_s

    def _ping(self) -> None:
        self._sent += 1
        self.throw(self.datagram(Ping(_FIRST_COUNTER + self._sent, bytes(16), 0, 0)))

    def _answered(self, number: int) -> None:
        while self._heard < number:
            pong = self._until(Pong)
            self._heard = max(self._heard, pong.counter - _FIRST_COUNTER)

    def _until(self, kind: type[_T]) -> _T:
        end_s = time.monotonic() + LIMIT_S
        while time.monotonic() < end_s:
            frames = self.read(ASK_AGAIN_S)
            for frame in reversed(frames):  # Of several answers in one datagram the last counts.
                if isinstance(frame, kind):
                    return frame
            if not frames and kind is Pong:
                self._ping()
        raise Stuck(f"no {kind.__name__.lower()} within {LIMIT_S:g} s")

    def read(self, wait_s: float) -> Sequence[Frame]:
        """The frames of the next datagram, none after `wait_s`. Pings are answered."""
        if not select.select([self._socket], [], [], wait_s)[0]:
            return ()
        try:
            data = self._socket.recv(2_048)
            split_header(data, NETWORK)
            frames = split_frames(data)[0]
        except (BlockingIOError, ConnectionRefusedError, Malformed):
            return ()
        for frame in frames:
            if isinstance(frame, Ping):
                self.throw(self.datagram(Pong(frame.counter, bytes(16), 0, 0, 0)))
        return frames


def pushed(record: Record) -> Frame:
    """The frame that pushes a new record on."""
    return News(0, 1, (Entry(0, record.wire),))
