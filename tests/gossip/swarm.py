"""Many gossip engines under one clock and one seed: a small, unkind network for tests."""
from __future__ import annotations

import hashlib
import heapq
import random
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from antsp2p.gossip.bulk_wire import END
from antsp2p.gossip.engine import Gossip
from antsp2p.gossip.limits import DEFAULT_LIMITS, MAX_DATAGRAM_BYTES, Limits
from antsp2p.gossip.outputs import FetchLogs, MoreLogs, Output, Send, StopLogs
from antsp2p.gossip.wire import encode_frame
from antsp2p.records.keys import Identity, verify
from antsp2p.records.log import LogSet
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.simulation.plain import PLAIN
from tests.gossip.protections import protection_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.bulk_serve import LogsAnswer
    from antsp2p.gossip.suite import Suite
    from antsp2p.gossip.wire import Address, Frame

NETWORK = b"n" * 16
SECOND = 1_000_000
SOCKET_DATAGRAMS = 200
cached_verify = lru_cache(maxsize=200_000)(verify)


@lru_cache(maxsize=100_000)
def identity(index: int) -> Identity:
    return Identity.from_seed(index.to_bytes(32, "big"))


@lru_cache(maxsize=100_000)
def record(index: int, seq: int, salt: int = 0, branch_at: int = 0) -> Record:
    """Record `seq` of an author's log; logs with another `salt` part from it at `branch_at`."""
    own_salt = salt if seq >= branch_at else 0
    prev = record(index, seq - 1, salt, branch_at).id if seq > 1 else NO_PREV
    return sign_record(
        identity(index), network=NETWORK, seq=seq, prev=prev, type=200,
        body={0: own_salt, 1: b"x" * (60 + (seq * 37) % 300)}, claimed_ms=0,
    )


class Peer:
    """One engine with its logs, and what it has said so far."""

    def __init__(self, swarm: Swarm, index: int, address: Address, boot: int) -> None:
        self.swarm = swarm
        self.index = index
        self.address = address
        self.address_v6: Address | None = None
        self.author = identity(index).author
        self.logs = LogSet(NETWORK, cached_verify)
        self.own_seq = 0
        self.gossip = Gossip(
            logs=self.logs,
            protection=protection_of(
                identity(index), NETWORK, f"{swarm.seed} {boot}", swarm.suite
            ),
            instance=hashlib.sha256(f"{index} {boot}".encode()).digest()[:8],
            rng=random.Random(f"{swarm.seed} {index} {boot}"), now_us=swarm.now_us,
            verify=cached_verify, limits=swarm.limits,
        )
        self.outputs: list[Output] = []
        self.armed_us: int | None = None
        self.socket: list[tuple[Address, bytes]] | None = None
        """What waits while the process is stopped; None while it runs."""
        self.row: list[tuple[Address, bytes]] = []
        """What is read in one turn, where the swarm has `row_us`."""

    def sign(self, count: int = 1) -> None:
        """Append own records without publishing them."""
        for _ in range(count):
            self.own_seq += 1
            assert self.logs.insert([record(self.index, self.own_seq)]).added

    def publish(self, count: int = 1) -> None:
        self.sign(count)
        self.perform(self.gossip.publish(self.own_seq, self.swarm.now_us))

    def hint(self, other: Peer, keep: bool = True) -> None:
        self.perform(self.gossip.hint(other.address, self.swarm.now_us, keep))

    def perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.swarm.send(self, output.address, output.data)
            elif isinstance(output, FetchLogs | MoreLogs | StopLogs):
                self.swarm.stream(self, output)
            else:
                self.outputs.append(output)
                self.swarm.note(self, output)
        self.swarm.arm(self)

    def say(self, address: Address, frame: Frame) -> None:
        """Send a frame of one's own making on the link to `address`."""
        link = self.gossip._parts.links.at(address)
        assert link is not None
        links = self.gossip._parts.links
        for data in links.write(link, [encode_frame(frame)], self.swarm.now_us):
            self.swarm.send(self, address, data)

    def stop(self) -> None:
        """Suspend the process; its socket goes on taking what fits."""
        self.socket = []

    def go_on(self) -> None:
        """Let the process run again: what waited comes first, then what was due."""
        waiting, self.socket = self.socket or [], None
        for sender, data in waiting:
            self.perform(self.gossip.receive(sender, data, self.swarm.now_us))
        self.perform(self.gossip.wake(self.swarm.now_us))

    def linked(self) -> set[bytes]:
        return {link.author for link in self.gossip.links()}


class Swarm:
    """The network. Faults are public fields."""

    def __init__(
        self, count: int, seed: int = 1, limits: Limits = DEFAULT_LIMITS, loss: float = 0.0,
        suite: Suite = PLAIN,
    ) -> None:
        self.suite = suite
        self.seed = seed
        self.limits = limits
        self.loss = loss
        self.duplication = 0.0
        self.delay_us = (100, 1_000)
        self.row_us = 0
        """How long a process is busy elsewhere before it reads, in one turn, all that has come."""
        self.streams = False
        """Without streams every fetch of logs is refused at once, as behind a firewall."""
        self.on_chunk: Callable[[Peer, Peer, bytes], bytes | None] = lambda to, by, chunk: chunk
        """What arrives in place of a chunk; None: the stream breaks."""
        self.fetches: list[FetchLogs] = []
        self._streams: dict[tuple[int, int], Callable[[], None]] = {}
        self.cut: Callable[[Peer, Peer], bool] = lambda source, target: False
        self.on_send: Callable[[Peer, Address, bytes], None] = lambda peer, address, data: None
        self.rng = random.Random(f"network {seed}")
        self.now_us = 0
        self.trace = hashlib.sha256()
        self.counts: Counter[str] = Counter()
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self.by_address: dict[Address, Peer] = {}
        self.peers: list[Peer] = []
        for index in range(count):
            self.add(index)

    def add(self, index: int, boot: int = 0, address: Address | None = None) -> Peer:
        address = address or (f"10.0.{index // 200}.{index % 200 + 1}", 7_000)
        peer = Peer(self, index, address, boot)
        self.by_address[address] = peer
        self.peers.append(peer)
        self.arm(peer)
        return peer

    def add_v6(self, peer: Peer) -> Address:
        """A second address; what goes to an IPv6 address leaves from there."""
        peer.address_v6 = (f"2001:db8::{peer.index + 1:x}", 7_000)
        self.by_address[peer.address_v6] = peer
        return peer.address_v6

    def remove(self, peer: Peer) -> None:
        self.peers.remove(peer)
        del self.by_address[peer.address]

    def connect(self, first: int = 0) -> None:
        """Everybody knows one node."""
        for peer in self.peers:
            if peer.index != first:
                peer.hint(self.peers[first])

    def note(self, peer: Peer, output: Output) -> None:
        self.trace.update(f"{self.now_us} {peer.index} {type(output).__name__}".encode())

    def at(self, time_us: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (time_us, self._order, action))

    def arm(self, peer: Peer) -> None:
        wake_us = peer.gossip.wake_at
        if wake_us is None:
            return
        wake_us = max(wake_us, self.now_us)
        if peer.armed_us is None or wake_us < peer.armed_us:
            peer.armed_us = wake_us
            self.at(wake_us, lambda: self._wake(peer, wake_us))

    def _wake(self, peer: Peer, armed_us: int) -> None:
        if peer.armed_us != armed_us or peer not in self.peers:
            return
        peer.armed_us = None
        if peer.socket is not None:
            return
        wake_us = peer.gossip.wake_at
        if wake_us is not None and wake_us <= self.now_us:
            self.counts["wakes"] += 1
            peer.perform(peer.gossip.wake(self.now_us))
            after_us = peer.gossip.wake_at
            assert after_us is None or after_us > self.now_us, "a wake must move the deadline"
        else:
            self.arm(peer)

    def send(self, source: Peer, address: Address, data: bytes) -> None:
        assert len(data) <= MAX_DATAGRAM_BYTES
        self.on_send(source, address, data)
        self.counts["datagrams"] += 1
        self.counts["bytes"] += len(data)
        self.trace.update(f"{self.now_us} {source.index} {address}".encode() + data)
        target = self.by_address.get(address)
        if target is None or self.cut(source, target):
            return
        copies = 1 + (self.rng.random() < self.duplication)
        is_v6 = ":" in address[0] and source.address_v6 is not None
        sender = source.address_v6 if is_v6 and source.address_v6 else source.address
        for _ in range(copies):
            if self.rng.random() >= self.loss:
                arrival_us = self.now_us + self.rng.randrange(*self.delay_us)
                self.at(arrival_us, lambda: self.deliver(address, sender, data))

    def deliver(self, address: Address, sender: Address, data: bytes) -> None:
        target = self.by_address.get(address)
        if target is not None and target.socket is not None:
            target.socket += [(sender, data)] if len(target.socket) < SOCKET_DATAGRAMS else []
        elif target is not None and self.row_us:
            if not target.row:
                self.at(self.now_us + self.row_us, lambda: self._read_row(target))
            target.row.append((sender, data))
        elif target is not None:
            target.perform(target.gossip.receive(sender, data, self.now_us))

    def _read_row(self, peer: Peer) -> None:
        row, peer.row = peer.row, []
        if peer in self.peers:
            peer.perform(peer.gossip.receive_all(row, self.now_us))

    def stream(self, peer: Peer, asked: FetchLogs | MoreLogs | StopLogs) -> None:
        """Logs over streams: one chunk at a time, each a round trip after the last."""
        key = (id(peer), asked.fetch)
        match asked:
            case StopLogs():
                self._streams.pop(key, None)
            case MoreLogs() if key in self._streams:
                self.at(self.now_us + 2 * self.delay_us[1], self._streams[key])
            case FetchLogs():
                self.fetches.append(asked)
                self._streams[key] = self._streamed(peer, asked)
                self.at(self.now_us + 2 * self.delay_us[1], self._streams[key])

    def _streamed(self, peer: Peer, asked: FetchLogs) -> Callable[[], None]:
        key, server = (id(peer), asked.fetch), self.by_address.get(asked.address)
        answers: list[LogsAnswer] = []

        def end(reason: str) -> None:
            del self._streams[key]
            peer.perform(peer.gossip.logs_ended(asked.fetch, reason, self.now_us))

        def step() -> None:
            if key not in self._streams or peer not in self.peers:
                return
            if not self.streams or server not in self.peers or self.cut(server, peer):
                end("refused")
                return
            assert server is not None
            if not answers:
                answers.append(server.gossip.answer_logs(asked.ranges, self.now_us))
            chunk = self.on_chunk(peer, server, answers[0].next_chunk(self.now_us))
            if chunk is None or chunk == END:
                end("broken" if chunk is None else "")
            else:
                peer.perform(peer.gossip.logs_received(asked.fetch, chunk, self.now_us))

        return step

    def run(self, duration_us: int, until: Callable[[], bool] | None = None) -> bool:
        """Run for `duration_us`, or until `until`; whether it came true."""
        end_us = self.now_us + duration_us
        steps = 0
        every = len(self.peers) // 2 if len(self.peers) > 9 else 1
        while self._queue and self._queue[0][0] <= end_us:
            self.now_us, _, action = heapq.heappop(self._queue)
            action()
            steps += 1
            if until is not None and steps % every == 0 and until():
                return True
        self.now_us = end_us
        return until is not None and until()

    def agree(self) -> bool:
        """Whether all hold the same set."""
        return len({peer.logs.root() for peer in self.peers}) == 1
