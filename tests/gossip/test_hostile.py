"""What strangers and bad peers send: counted drops, bounded tables, no amplification."""
from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.datagram import GONE, SEALED, SEALED_HEADER_BYTES
from antsp2p.gossip.engine import Gossip
from antsp2p.gossip.limits import DEFAULT_LIMITS, HELLO_BYTES, MAX_PARTS, MIN_HELLO_BYTES
from antsp2p.gossip.network_keys import KeyRing, NetworkKey
from antsp2p.gossip.noise import TAG_BYTES
from antsp2p.gossip.outputs import LinkDown, Send
from antsp2p.gossip.wire import (
    Adverts,
    Entry,
    Frame,
    Prune,
    Range,
    Records,
    Want,
    WantNames,
    encode_frame,
)
from antsp2p.records.log import LogSet
from antsp2p.simulation.plain import PLAIN
from tests.fuzz.harm import some_frame
from tests.gossip.protections import SECRET, protection_of
from tests.gossip.swarm import NETWORK, SECOND, Peer, Swarm, cached_verify, identity, record
from tests.wire_peer import WirePeer, plain_of

if TYPE_CHECKING:
    from antsp2p.gossip.wire import Address

NODE = ("192.0.2.200", 7)

BOUNDS = {
    "answers": 512, "hellos": 1_024, "fading": 64,
    "links": 40, "handles": 4_096, "held": 1_024, "dials": 384, "banned": 512, "known": 384,
    "passive": 64, "named-sources": 64, "named-hosts": 64, "remembered": 256, "kept": 64,
    "silent-dials": 256,
    "own": 16, "turned-away": 1_024, "pursuits": 1_024,
    "bulk-authors": 16_384, "bulk-fetches": 3, "bulk-light": 256, "bulk-refused": 1_024,
    "asks": 40 * 32, "holes": 64, "idle": 1_024, "brought": 256, "unanswered": 256, "buckets": 40,
    "assemblies": 4, "parts": MAX_PARTS, "proof-marks": 256, "peer-heads": 4_096,
    "proofs-shown": 256, "proofs-told": 256,
    "suspected": 256, "reconciled": 40, "exchanges": 2, "exchanged": 8_192 + 4_096 + 2 * 512,
    "cursors": 256, "recent-roots": 64, "beats": 4_096, "early-beats": 64, "ages-waiting": 4_096,
    "blame": 40, "eager": 40, "tells": 65_536, "shares": 4_096, "pushes": 1_024,
    "awaited": 1_024, "overdue": 1_024, "shown": 40, "callers": 64,
    "link-accounts": 40, "author-accounts": 4_096, "host-accounts": 1_024,
}


def check_sizes(gossip: Gossip) -> None:
    sizes = gossip.sizes()
    assert sizes.keys() == BOUNDS.keys()
    for name, size in sizes.items():
        assert size <= BOUNDS[name], name


def alone(seed: int = 1) -> Gossip:
    return Gossip(
        logs=LogSet(NETWORK, cached_verify), protection=protection_of(identity(0), NETWORK, seed),
        instance=b"i" * 8, rng=random.Random(seed), now_us=0, verify=cached_verify,
    )


def a_peer(index: int, seed: object = 0) -> WirePeer:
    keys = KeyRing(NETWORK, [NetworkKey(SECRET)])
    return WirePeer(
        identity(index), NETWORK, keys, seed=seed, suite=PLAIN, verify=cached_verify
    )


def some_hello(index: int, seed: object = 0, size: int = HELLO_BYTES) -> bytes:
    """A hello as it comes from a member."""
    return a_peer(index, seed).call(NODE, 0, size)


class Attacker:
    """A member that speaks the protocol by hand, from any address."""

    def __init__(
        self, gossip: Gossip, index: int, address: Address, now_us: int = 0, seed: object = 0
    ) -> None:
        self.gossip = gossip
        self.address = address
        self.peer = a_peer(index, seed)
        self.author = self.peer.author
        for data in self._sends(self.peer.call(NODE, now_us), now_us):
            self.peer.read(NODE, data, now_us)
        assert self.peer.link is not None
        self.confirm = self.peer.link.confirm
        self.said = self._read(self._sends(self.confirm, now_us), now_us)

    def _sends(self, data: bytes, now_us: int) -> list[bytes]:
        """What comes back to this address for `data`."""
        return [
            output.data for output in self.gossip.receive(self.address, data, now_us)
            if isinstance(output, Send) and output.address == self.address
        ]

    def _read(self, datagrams: list[bytes], now_us: int) -> list[Frame]:
        return [frame for data in datagrams for frame in self.peer.read(NODE, data, now_us)[0]]

    def say(self, now_us: int, *frames: Frame) -> list[Frame]:
        """Send frames in one datagram; the frames that come back to this address."""
        if self.peer.link is None:
            return []
        return self._read(self._sends(self.peer.seal(plain_of(*frames), now_us), now_us), now_us)


def test_nothing_grows_under_random_and_mutated_datagrams() -> None:
    captured: list[tuple[Address, bytes]] = []

    def capture(peer: Peer, address: Address, data: bytes) -> None:
        if address == swarm.peers[0].address:
            captured.append((peer.address, data))

    swarm = Swarm(4, seed=1, loss=0.1)
    swarm.on_send = capture
    swarm.connect()
    for peer in swarm.peers:
        peer.publish(20)
    swarm.run(10 * SECOND)
    target = swarm.peers[0]
    rng = random.Random(5)
    before = sum(target.gossip.drops.values())
    for number in range(20_000):
        source, original = rng.choice(captured)
        data = bytearray(original)
        kind = rng.randrange(4)
        if kind == 0:
            data = bytearray(rng.randbytes(rng.randrange(0, 1_300)))
        elif kind == 1:
            data = data[: rng.randrange(len(data) + 1)]
        elif kind == 2:
            # Not in the counter: nothing protects it on this wire, as it would on a real one.
            place = rng.choice([*range(5), *range(SEALED_HEADER_BYTES, len(data))])
            data[place] = rng.randrange(256)
        else:
            data = bytearray(resealed(swarm.by_address[source], target, data, rng))
        stranger = (f"198.51.{rng.randrange(256)}.{rng.randrange(256)}", rng.randrange(1, 65_536))
        address = source if kind == 3 or number % 4 else stranger
        target.gossip.receive(address, bytes(data), swarm.now_us + number)
        if number % 500 == 0:
            check_sizes(target.gossip)
            target.gossip.wake(swarm.now_us + number)
    check_sizes(target.gossip)
    assert sum(target.gossip.drops.values()) - before > 10_000
    assert len(target.gossip.drops) > 15, "many kinds of damage were told apart"


def resealed(source: Peer, target: Peer, data: bytearray, rng: random.Random) -> bytes:
    """What was in a datagram, damaged before it was sealed."""
    link = source.gossip._parts.links.at(target.address)
    if link is None or data[0] != SEALED:
        return bytes(data)
    plain = data[SEALED_HEADER_BYTES:-TAG_BYTES]
    for _ in range(rng.randrange(1, 4)):
        plain[rng.randrange(len(plain))] = rng.randrange(256)
    return link.session.seal(bytes(plain), source.swarm.now_us)


def harm(rng: random.Random) -> Frame:
    """A frame that is well formed and means harm; now and then a forged record of this network."""
    if rng.random() < 0.9:
        return some_frame(rng)
    forged = bytearray(record(rng.randrange(3, 9), 1).wire)
    forged[-1] ^= rng.randrange(2)
    return Records(rng.randrange(3), rng.randrange(2), (Entry(rng.randrange(700), bytes(forged)),))


def test_nothing_grows_under_well_formed_harm_from_many_linked_peers() -> None:
    gossip = alone()
    rng = random.Random(6)
    now_us = 0
    sent_to_strangers = 0
    for attacker_number in range(60):
        now_us += 50_000
        hello = some_hello(attacker_number + 1, "first")
        gossip.receive(("192.0.2.1", 1 + attacker_number), hello, now_us)
        if len(gossip.links()) >= 12:
            break
        attacker = Attacker(
            gossip, attacker_number + 1, ("192.0.2.1", 1 + attacker_number), now_us
        )
        for _ in range(400):
            now_us += 500
            attacker.say(now_us, *(harm(rng) for _ in range(3)))
            for output in gossip.wake(now_us):
                if isinstance(output, Send) and not output.address[0].startswith("192.0.2"):
                    sent_to_strangers += len(output.data)
        check_sizes(gossip)
    check_sizes(gossip)
    named_bytes_per_s = DEFAULT_LIMITS.named_dials_per_s * HELLO_BYTES
    burst_bytes = DEFAULT_LIMITS.named_dials_burst * HELLO_BYTES
    assert sent_to_strangers <= named_bytes_per_s * (now_us / SECOND + 1) + burst_bytes


def test_an_unproven_address_gets_no_more_than_it_sent() -> None:
    gossip = alone()
    rng = random.Random(7)
    received: Counter[Address] = Counter()
    sent: Counter[Address] = Counter()
    for number in range(3_000):
        address = ("203.0.113.9", 1 + number % 50)
        good = some_hello(1 + number % 20, number)
        smallest = some_hello(1 + number % 20, -number, MIN_HELLO_BYTES)
        sealed = bytes((SEALED,)) + rng.randbytes(rng.randrange(100))
        data = rng.choice([good, good[:MIN_HELLO_BYTES - 1], smallest, sealed, rng.randbytes(40)])
        received[address] += len(data)
        for output in gossip.receive(address, data, number * 1_000):
            if isinstance(output, Send):
                sent[output.address] += len(output.data)
        for output in gossip.wake(number * 1_000):
            if isinstance(output, Send):
                sent[output.address] += len(output.data)
        assert all(sent[place] <= received[place] for place in sent)
    assert not gossip.links()
    assert gossip.drops["hello-short"] > 0
    assert gossip.drops["unlinked"] > 0


def test_a_confirm_is_good_for_its_own_address_only() -> None:
    gossip = alone()
    attacker = Attacker(gossip, 1, ("192.0.2.1", 5))
    assert len(gossip.links()) == 1
    gossip.receive(("192.0.2.2", 5), attacker.confirm, 0)
    assert len(gossip.links()) == 1
    assert gossip.drops["unasked"] == 1


def test_two_resets_do_not_echo() -> None:
    gossip = alone()
    data = bytes((SEALED,)) + b"t" * 40
    answers = [out for out in gossip.receive(("192.0.2.1", 5), data, 0) if isinstance(out, Send)]
    assert len(answers) == 1
    gone = answers[0].data
    assert len(gone) < len(data)
    assert gone[:5] == bytes((GONE,)) + b"tttt"
    for echo in (gone, bytes((SEALED,)) + gone[1:]):
        assert not gossip.receive(("192.0.2.1", 6), echo, 0)


def test_version_and_network_are_told_apart() -> None:
    gossip = alone()
    good = some_hello(1)
    newer = bytes((0x21,)) + good[1:]
    gossip.receive(("192.0.2.1", 5), newer, 0)
    gossip.receive(("192.0.2.1", 5), newer.replace(NETWORK, b"m" * 16), 0)
    gossip.receive(("192.0.2.1", 5), good.replace(NETWORK, b"m" * 16), 0)
    assert (gossip.drops["version"], gossip.drops["network"]) == (1, 1)
    assert gossip.drops["datagram"] == 1


def test_wrong_signatures_cut_the_link_and_are_forgiven_slowly() -> None:
    gossip = alone()
    attacker = Attacker(gossip, 1, ("192.0.2.1", 5))
    for seq in range(DEFAULT_LIMITS.bad_signatures + 1):
        forged = bytearray(record(2, 1, salt=seq, branch_at=1).wire)
        forged[-1] ^= 1
        assert gossip.links()
        attacker.say(1_000 * seq, Records(0, 0, (Entry(0, bytes(forged)),)))
    assert not gossip.links()
    hello = some_hello(1, "again")
    assert gossip.receive(attacker.address, hello, SECOND) == []
    assert gossip.drops["banned"] == 1
    assert gossip.is_banned(attacker.author, SECOND)
    assert gossip.receive(attacker.address, hello, 70 * SECOND)
    assert not gossip.is_banned(attacker.author, 70 * SECOND)


def test_who_is_cut_again_stays_out_longer_from_wherever_it_comes() -> None:
    gossip, limits = alone(), DEFAULT_LIMITS
    now_us, pauses = 0, []
    for port in range(1, 4):
        attacker = Attacker(gossip, 1, ("192.0.2.1", port), now_us, port)
        for seq in range(limits.bad_signatures + 1):
            forged = bytearray(record(2, 1, salt=seq, branch_at=1).wire)
            forged[-1] ^= 1
            attacker.say(now_us, Records(0, 0, (Entry(0, bytes(forged)),)))
        cut_us = now_us
        while not gossip.receive(("192.0.2.9", port), some_hello(1, f"{port} at {now_us}"), now_us):
            now_us += 10 * SECOND
        pauses.append(now_us - cut_us)
    assert pauses == [limits.ban_us, 2 * limits.ban_us, 4 * limits.ban_us]
    assert gossip.drops["banned"] == 6 + 12 + 24


@pytest.mark.parametrize("junk", [WantNames((1,)), Adverts((), ()), Prune()])
def test_a_linked_peer_that_floods_is_cut_and_one_that_chatters_is_not(junk: Frame) -> None:
    gossip = alone()
    flooder = Attacker(gossip, 1, ("192.0.2.1", 5))
    chatterer = Attacker(gossip, 2, ("192.0.2.2", 5))
    sent = 0
    while len(gossip.links()) == 2:
        assert sent < 2 * DEFAULT_LIMITS.vain_burst
        flooder.say(100 * sent, junk)
        if sent % 20 == 0:
            chatterer.say(100 * sent, junk)
        sent += 1
    assert sent > DEFAULT_LIMITS.vain_burst
    gossip.receive(flooder.address, some_hello(1, "again"), 100 * sent)
    assert gossip.drops["banned"] == 1
    for number in range(2 * DEFAULT_LIMITS.vain_burst):
        chatterer.say(100 * sent + 2_000 * number, junk)
    assert [link.address for link in gossip.links()] == [chatterer.address]


def test_a_link_to_oneself_is_recognised() -> None:
    swarm = Swarm(1)
    peer = swarm.peers[0]
    peer.hint(peer)
    swarm.run(30 * SECOND)
    assert peer.linked() == set()
    assert peer.gossip.drops["self"] == 1
    assert swarm.counts["datagrams"] == 1, "it is never dialled again"


def test_two_addresses_of_one_peer_make_one_link() -> None:
    for seed in range(20):
        swarm = Swarm(2, seed=seed, loss=0.3 * (seed % 2))
        first, second = swarm.peers
        first_v6, second_v6 = swarm.add_v6(first), swarm.add_v6(second)
        first.perform(first.gossip.hint(second_v6, swarm.now_us, True))
        first.hint(second)
        second.hint(first)
        second.perform(second.gossip.hint(first_v6, swarm.now_us, True))
        swarm.run(20 * SECOND)
        (one,), (other,) = first.gossip.links(), second.gossip.links()
        assert (":" in one.address[0]) == (":" in other.address[0]), "both keep the same one"
        first.publish()
        assert swarm.run(10 * SECOND, swarm.agree)
        assert not any(isinstance(output, LinkDown) for output in first.outputs) or swarm.loss


def test_wants_beyond_the_rate_are_not_served() -> None:
    gossip = alone()
    logs = gossip._parts.visible.logs
    for seq in range(1, 200):
        logs.insert([record(3, seq)])
    attacker = Attacker(gossip, 1, ("192.0.2.1", 5))
    want = Want(1, (Range(identity(3).author, 1, 199),))
    served = 0
    for number in range(300):
        for frame in attacker.say(1_000 + number, want, want):
            served += len(encode_frame(frame))
    assert served <= DEFAULT_LIMITS.serve_burst_bytes * 1.1
    assert gossip.drops["serve-rate"] > 0


def test_a_silent_link_goes_down() -> None:
    gossip = alone()
    Attacker(gossip, 1, ("192.0.2.1", 5))
    downs = []
    now_us = 0
    while now_us < 20 * SECOND:
        now_us = gossip.wake_at or now_us + SECOND
        downs += [out for out in gossip.wake(now_us) if isinstance(out, LinkDown)]
    assert [down.reason for down in downs] == ["timeout"]
