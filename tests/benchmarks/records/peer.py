"""A linked peer that sends datagrams signed beforehand as fast as the node takes them.

It answers pings only while it reads.
"""
from __future__ import annotations

import os
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.network_keys import KeyRing
from antsp2p.gossip.wire import Entry, Frame, News, Ping, Pong
from antsp2p.runtime.networks import open_network
from tests.benchmarks.records.workload import NETWORK, NETWORK_NAME, identity
from tests.wire_peer import WirePeer, plain_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.record import Record

WINDOW: Final = 96
"""Datagrams that the node has not answered for; they fit the receive buffer of any system."""
PING_EVERY: Final = 16
ASK_AGAIN_S: Final = 0.2
LIMIT_S: Final = 60.0
_FIRST_COUNTER: Final = 1_000_000


class Stuck(Exception):
    """The node does not answer."""


class Peer:
    """One key, one socket, one link to `address`, in the open network of the benchmark."""

    def __init__(self, number: int, address: tuple[str, int]) -> None:
        keys = KeyRing(NETWORK, [open_network(NETWORK_NAME).key])
        self._wire = WirePeer(identity(number), NETWORK, keys, seed=os.getpid())
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(address)
        self._socket.setblocking(False)
        self._sent = self._heard = 0

    def close(self) -> None:
        self._socket.close()

    def link(self) -> None:
        """Hello, welcome, confirm. Raises `Stuck`."""
        end_s = time.monotonic() + LIMIT_S
        while self._wire.link is None:
            if time.monotonic() > end_s:
                raise Stuck(f"no link within {LIMIT_S:g} s")
            self.throw(self._wire.call(self._address))
            self.read(ASK_AGAIN_S)
        self.sync()

    def tell(self, *frames: Frame) -> None:
        """Send the frames on the link."""
        for data in self._wire.say(*frames):
            self.throw(data)

    def seal(self, plain: bytes) -> bytes:
        """A datagram on the link."""
        return self._wire.seal(plain)

    def news(self, records: Sequence[Record], each: int) -> list[bytes]:
        """The records as pushes, `each` in one datagram, every record in a frame of its own; not
        sealed yet."""
        return [
            plain_of(*(pushed(record) for record in records[start : start + each]))
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

    def feed(self, plains: Sequence[bytes]) -> None:
        """Seal and send all, never more than the window ahead of what the node has read."""
        for start in range(0, len(plains), PING_EVERY):
            for plain in plains[start : start + PING_EVERY]:
                self.throw(self.seal(plain))
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
        self.tell(Ping(_FIRST_COUNTER + self._sent, bytes(16), 0, 0))

    def _answered(self, number: int) -> None:
        while self._heard < number:
            pong = self._until_pong()
            self._heard = max(self._heard, pong.counter - _FIRST_COUNTER)

    def _until_pong(self) -> Pong:
        end_s = time.monotonic() + LIMIT_S
        while time.monotonic() < end_s:
            frames = self.read(ASK_AGAIN_S)
            for frame in reversed(frames):  # Of several answers in one datagram the last counts.
                if isinstance(frame, Pong):
                    return frame
            if not frames:
                self._ping()
        raise Stuck(f"no pong within {LIMIT_S:g} s")

    def read(self, wait_s: float) -> Sequence[Frame]:
        """The frames of the next datagram, none after `wait_s`. Pings are answered."""
        if not select.select([self._socket], [], [], wait_s)[0]:
            return ()
        try:
            data = self._socket.recv(2_048)
        except (BlockingIOError, ConnectionRefusedError):
            return ()
        frames, answers = self._wire.read(self._address, data)
        for answer in answers:
            self.throw(answer)
        for frame in frames:
            if isinstance(frame, Ping):
                self.tell(Pong(frame.counter, bytes(16), 0, 0, 0))
        return frames


def pushed(record: Record) -> Frame:
    """The frame that pushes a new record on."""
    return News(0, 1, (Entry(0, record.wire),))
