"""An attacker as a process of its own: it floods one node over loopback, for so long.

    python -m tests.benchmarks.hostile.flood outsider|member PORT NETWORK_FILE RATE SECONDS

An outsider knows what travels in clear, the network's id and the key's, and nothing else. A member
knows the secret, holds a link, and pushes valid records of its own; where it is cut, it comes back
from another port. Prints one line of JSON: what was sent, and what came back.
"""
from __future__ import annotations

import json
import os
import socket
import sys
import time
from abc import ABC, abstractmethod
from itertools import count
from typing import Any, Final

from antsp2p.coordination.body import Announce, body_map
from antsp2p.gossip.datagram import HELLO
from antsp2p.gossip.handshake import NO_COOKIE
from antsp2p.gossip.limits import HELLO_BYTES
from antsp2p.gossip.network_keys import KeyRing, NetworkKey, link_key
from antsp2p.gossip.wire import Entry, News
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, sign_record
from tests.wire_peer import WirePeer, plain_of

BURST: Final = 20
"""Datagrams between two looks at the clock and the socket."""
SIGNED: Final = 20_000
"""Records signed beforehand: signing must not be what bounds the flood."""


class Flood(ABC):
    """Sends at a rate and counts."""

    def __init__(self, port: int, network: bytes, secret: bytes) -> None:
        self.node = ("127.0.0.1", port)
        self.network = network
        self.secret = secret
        names = ("sent", "bytes_sent", "bytes_back", "datagrams_back", "links")
        self.counts = dict.fromkeys(names, 0)
        self.socket = self._open()

    def _open(self) -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        return opened

    def run(self, rate: int, seconds: float) -> None:
        """Send `rate` datagrams a second."""
        began_s = time.perf_counter()
        for number in count(0, BURST):
            due_s = began_s + number / rate
            now_s = time.perf_counter()
            if now_s - began_s >= seconds:
                return
            if due_s > now_s:
                time.sleep(due_s - now_s)
            for data in self.datagrams():
                self.send(data)
            self.hear()

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendto(data, self.node)
        except BlockingIOError:
            return
        self.counts["sent"] += 1
        self.counts["bytes_sent"] += len(data)

    def hear(self) -> None:
        """Take what came back."""
        while True:
            try:
                data = self.socket.recv(2_048)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self.counts["bytes_back"] += len(data)
            self.heard(data)

    @abstractmethod
    def datagrams(self) -> list[bytes]:
        """What is thrown next."""

    def heard(self, data: bytes) -> None:
        """Something came back; it is counted, and nothing follows from it."""
        self.counts["datagrams_back"] += 1


class Outsider(Flood):
    """HELLOs that look right up to their MAC."""

    def datagrams(self) -> list[bytes]:
        key_id = link_key(self.network, NetworkKey(self.secret)).id
        start = bytes((HELLO,)) + self.network + key_id
        noise = os.urandom(HELLO_BYTES - len(start) - len(NO_COOKIE))
        return [start + os.urandom(4) + noise[4:-16] + NO_COOKIE + os.urandom(16)] * BURST


class Member(Flood):
    """Valid records of its own, pushed."""

    def __init__(self, port: int, network: bytes, secret: bytes) -> None:
        super().__init__(port, network, secret)
        self._identity = Identity.from_seed(os.urandom(32))
        body = Announce("text.flood", 1)
        self._plains: list[bytes] = []
        prev = NO_PREV
        for seq in range(1, SIGNED + 1):
            record = sign_record(
                self._identity, network=network, seq=seq, prev=prev, type=int(body.type),
                body=body_map(body), claimed_ms=0,
            )
            prev = record.id
            self._plains.append(plain_of(News(0, 1, (Entry(0, record.wire),))))
        self._next = 0
        self._called_s = 0.0
        self._wire = self._new_peer()

    def _new_peer(self) -> WirePeer:
        keys = KeyRing(self.network, [NetworkKey(self.secret)])
        return WirePeer(self._identity, self.network, keys, seed=time.perf_counter())

    def datagrams(self) -> list[bytes]:
        if self._wire.link is None:
            if time.perf_counter() - self._called_s < 1:
                return []
            self._called_s = time.perf_counter()
            self.socket.close()
            self.socket, self._wire = self._open(), self._new_peer()
            return [self._wire.call(self.node)]
        chosen = [self._plains[(self._next + n) % SIGNED] for n in range(BURST)]
        self._next += BURST
        return [self._wire.seal(plain) for plain in chosen]

    def heard(self, data: bytes) -> None:
        was_linked = self._wire.link is not None
        for answer in self._wire.read(self.node, data)[1]:
            self.send(answer)
        if self._wire.link is not None and not was_linked:
            self.counts["links"] += 1
            self.send(self._wire.link.confirm)


def main() -> None:
    kind, port, path, rate, seconds = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        facts: dict[str, Any] = json.load(file)
    made = {"outsider": Outsider, "member": Member}[kind]
    flood = made(int(port), bytes.fromhex(facts["id"]), bytes.fromhex(facts["secret"]))
    print("ready", flush=True)
    flood.run(int(rate), float(seconds))
    print(json.dumps(flood.counts), flush=True)


if __name__ == "__main__":
    main()
