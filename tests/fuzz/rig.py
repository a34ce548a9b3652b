"""A node under attack: everything that a stranger or a bad member can make it handle.

Law: one input is two bytes that choose and any bytes behind them, so that a mutator and libFuzzer
drive it alike; the same inputs give the same run. Whatever `handle` raises is a fault, and so is a
table beyond its bound.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

from antsp2p.events import (
    AppendRecord,
    BlobMissing,
    Committed,
    DatagramReceived,
    DatagramsReceived,
    Effect,
    Event,
    FetchBlob,
    FetchLogs,
    FinishClaim,
    LogsEnded,
    LogsReceived,
    PostTask,
    SendDatagram,
    ServeCapability,
    StartWork,
    StopLogs,
    Woke,
)
from antsp2p.gossip.bulk_wire import encode_entry, join_chunk
from antsp2p.gossip.datagram import CONFIRM, COOKIE, GONE, HELLO, SEALED, WELCOME
from antsp2p.gossip.limits import DEFAULT_LIMITS, HELLO_BYTES, MIN_HELLO_BYTES, Limits
from antsp2p.gossip.network_keys import KeyRing, NetworkKey, link_key
from antsp2p.gossip.protection import protect
from antsp2p.node import Node
from antsp2p.records.keys import Identity
from tests.fuzz.harm import some_frame
from tests.fuzz.hoard import NETWORK, hoard
from tests.wire_peer import WirePeer, plain_of

if TYPE_CHECKING:
    from antsp2p.events import Address

SECRET: Final = bytes(range(0x40, 0x60))
"""The network's, in the vectors."""
NODE: Final[Address] = ("192.0.2.200", 4_700)
PEERS: Final = 4
"""Members of the attack that are linked at once."""
STEPS_US: Final = (0, 0, 0, 20, 50, 200, 500, 3_000)
"""Between two inputs: some 2,000 a second."""
PAUSE_US: Final = 5_000_000
PAUSE: Final = (31, 8)
"""The choice, and below which number, that lets so much time pass: one input in a thousand."""
WAKES: Final = 4
"""Deadlines served after one input: an attacker cannot make a node's clock stand still."""
RECORDED: Final = 64
OWN_TASKS: Final = 20
ONLY_READ_OF: Final = 8
"""One datagram in so many is only read at first, as where others follow at once."""


SMALL: Final = replace(
    DEFAULT_LIMITS, dials=16, answers_waiting=32, hellos_remembered=32, hosts=16, callers=16,
    bans=16, passive_addresses=16, remembered_addresses=16, peer_heads=64, handles=64,
    pursuits=32, pursuits_per_link=16, overdue=32, holes=8, answers=32, ages_waiting=32,
    pushes_remembered=32, shares=32, bulk_authors=32, bulk_authors_per_link=16, bulk_refused=16,
    beats=32, early_beats=16, assemblies=2, proof_marks=16, recent_roots=16, cursors=16,
    probes_per_exchange=128, untold=32, bulk_records=16, named_dials_per_s=1, named_dials_burst=4,
)
"""Tables so small that all are full long before a run is over: what grows then is no table."""


class Rig(ABC):
    """One node with a little work of its own, and a clock."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        rng = Random("rig")
        me = Identity.from_seed(b"the node under attack".ljust(32))
        keys = KeyRing(NETWORK, [NetworkKey(SECRET)])
        self.now_us = 1_000_000
        self.node = Node(
            me, NETWORK, protection=protect(me, NETWORK, keys, rng.randbytes), boot=1,
            instance=b"instance", rng=rng, now_us=self.now_us, wall_ms=0, limits=limits,
        )
        self.fetches: dict[int, FetchLogs] = {}
        self.sent: deque[tuple[Address, bytes]] = deque(maxlen=RECORDED)
        self.bytes_in = self.bytes_out = 0
        self._requests = 0
        self.give(ServeCapability(0, "agent", "a", slots=4))

    def input(self, data: bytes) -> bool:
        """One input. Returns whether the node answered it in any way."""
        if len(data) < 2:
            return False
        what, whom = data[0] & 0x1F, data[1]
        is_pause = what == PAUSE[0] and whom < PAUSE[1]
        self.now_us += PAUSE_US if is_pause else STEPS_US[data[0] >> 5]
        effects = self.act(what, whom, data[2:])
        for _ in range(WAKES):
            wake_us = self.node.wake_at
            if wake_us is None or wake_us > self.now_us:
                break
            effects += self.give(Woke())
        return bool(effects)

    @abstractmethod
    def act(self, what: int, whom: int, data: bytes) -> list[Effect]:
        """What an attacker does with these bytes."""

    def datagram(self, address: Address, data: bytes) -> list[Effect]:
        """A datagram reaches the node."""
        self.bytes_in += len(data)
        received = DatagramReceived(address, data)
        if not data or data[-1] % ONLY_READ_OF:
            return self.give(received)
        effects = self.give(DatagramsReceived((received,), True))
        self.node.gossip.links()
        return effects

    def give(self, event: Event) -> list[Effect]:
        """The node handles an event, and what follows from it on its own machine."""
        effects = self.node.handle(event, self.now_us)
        following: list[Event] = []
        for effect in effects:
            match effect:
                case SendDatagram(address=address, data=data):
                    self.bytes_out += len(data)
                    self.sent.append((address, data))
                case AppendRecord(record=record) if record.author == self.node.author:
                    following.append(Committed(record.seq))
                case FetchBlob(blob=blob):
                    following.append(BlobMissing(blob, "nobody has it"))
                case StartWork(claim=claim):
                    self._requests += 1
                    following.append(FinishClaim(self._requests, claim, done=True, output=b"x"))
                case FetchLogs(fetch=fetch):
                    self.fetches[fetch] = effect
                case StopLogs(fetch=fetch):
                    self.fetches.pop(fetch, None)
        for event in following:
            effects += self.give(event)
        return effects

    def post(self) -> list[Effect]:
        """A task of the node's own, while there are few."""
        if self._requests >= OWN_TASKS:
            return []
        self._requests += 1
        return self.give(PostTask(self._requests, "a", b"input"))


class Members(Rig):
    """Attackers who know the secret: linked peers with keys of their own."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._peers: list[WirePeer | None] = [None] * PEERS
        self._places: list[Address] = [NODE] * PEERS
        self._calls = 0
        self._recorded: deque[tuple[Address, bytes]] = deque(maxlen=RECORDED)

    def act(self, what: int, whom: int, data: bytes) -> list[Effect]:
        peer, address = self._linked(whom % PEERS)
        match what:
            case 0 | 1:
                return self._logs(whom, data)
            case 2:
                return self._ended(whom)
            case 3 if self._recorded:
                return self.datagram(*self._recorded[whom % len(self._recorded)])
            case 4:
                return self.datagram(address, data[:1_400])
            case 5:
                return self.post()
        if peer is None or peer.link is None:
            return []
        rng = Random(data)
        if what < 14:
            plain = data[:1_100]
        else:
            frames = [some_frame(rng) for _ in range(rng.choice((1, 1, 2, 3)))]
            plain = plain_of(*frames)[:1_160]
            if what > 27:
                at = rng.randrange(len(plain))
                plain = plain[:at] + bytes((rng.randrange(256),)) + plain[at + 1 :]
        sealed = peer.seal(plain, self.now_us)
        self._recorded.append((address, sealed))
        return self.datagram(address, sealed)

    def _linked(self, index: int) -> tuple[WirePeer | None, Address]:
        """The peer with that number, called anew where the node has dropped it."""
        address = self._places[index]
        if not self.node.gossip.is_linked(address):
            self._calls += 1
            address = self._places[index] = (f"192.0.2.{self._calls % 100 + 1}",
                                             1_024 + self._calls % 60_000)
            self._peers[index] = self._call(index, address)
        return self._peers[index], address

    def _call(self, index: int, address: Address) -> WirePeer:
        # A key of its own each time: the one before may be shut out for long.
        identity = Identity.from_seed(f"member {index} {self._calls}".encode().ljust(32))
        keys = KeyRing(NETWORK, [NetworkKey(SECRET)])
        peer = WirePeer(identity, NETWORK, keys, seed=self._calls)
        waiting = [peer.call(NODE, self.now_us)]
        for _ in range(4):
            answers = [
                effect.data for data in waiting for effect in self.datagram(address, data)
                if isinstance(effect, SendDatagram) and effect.address == address
            ]
            waiting = [reply for data in answers for reply in peer.read(NODE, data, self.now_us)[1]]
            if peer.link is not None and peer.link.confirm:
                self.datagram(address, peer.link.confirm)
                break
            if not waiting:
                break
        return peer

    def _logs(self, whom: int, data: bytes) -> list[Effect]:
        """A chunk for a fetch that is under way, or for one that never was."""
        numbers = [*self.fetches, 0, 1 << 40]
        number = numbers[whom % len(numbers)]
        asked = self.fetches.get(number)
        if asked is None or whom >= 128:
            return self.give(LogsReceived(number, data))
        logs = {log[0].author: log for log in hoard().logs}
        entries = [
            encode_entry(whom, record.wire) for wanted in asked.ranges[:64]
            for record in logs.get(wanted.author, ()) if wanted.first <= record.seq <= wanted.last
        ]
        return self.give(LogsReceived(number, join_chunk(entries)))

    def _ended(self, whom: int) -> list[Effect]:
        if not self.fetches:
            return []
        number = list(self.fetches)[whom % len(self.fetches)]
        del self.fetches[number]
        return self.give(LogsEnded(number, "broken" if whom % 2 else ""))


class Outsiders(Rig):
    """Attackers without the secret, who may have recorded what members said; and some calls that
    are authentic, as a member's would be who never confirms."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._key = link_key(NETWORK, NetworkKey(SECRET))
        self._member = WirePeer(
            Identity.from_seed(b"a member who is overheard".ljust(32)), NETWORK,
            KeyRing(NETWORK, [NetworkKey(SECRET)]), seed="overheard",
        )
        self._recorded: deque[bytes] = deque(maxlen=RECORDED)
        self._calls = 0

    def act(self, what: int, whom: int, data: bytes) -> list[Effect]:
        address = ("198.51.100." + str(whom), 1_024 + len(data))
        kinds = (HELLO, WELCOME, CONFIRM, SEALED, GONE, COOKIE)
        match what % 16:
            case 0 | 1:
                return self._overheard(address, whom)
            case 2 if self._recorded:
                return self.datagram(address, self._recorded[whom % len(self._recorded)])
            case 3:
                return self.post()
            case 4 | 5 | 6 | 7:
                data = bytes((kinds[whom % len(kinds)],)) + NETWORK + self._key.id + data
            case 8 | 9 | 10 | 11:
                # What only the secret's owner could send: it comes further than the MAC.
                body = data[:1_184].ljust(HELLO_BYTES if data[:1] == b"\x11" else 24, b"\0")
                data = body + self._key.mac(body)
            case 12 | 13:
                start = bytes((HELLO,)) + NETWORK + self._key.id
                body = (start + data[:1_100]).ljust(MIN_HELLO_BYTES, b"\0")
                data = body + self._key.mac(body)
            case 14 if self.sent:
                data = self.sent[whom % len(self.sent)][1]
        return self.datagram(address, data)

    def _overheard(self, address: Address, whom: int) -> list[Effect]:
        """A member's own hello from its own or another address; it is never confirmed."""
        self._calls += 1
        to = (f"192.0.2.{self._calls % 250}", self._calls % 60_000 + 1)
        size = HELLO_BYTES if whom % 2 else MIN_HELLO_BYTES
        hello = self._member.call(to, self.now_us, size)
        self._recorded.append(hello)
        return self.datagram(address, hello)
