"""Views of whole swarms: one well-connected graph of few links, whatever joins, dies or is cut."""
from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.addresses import pack_host
from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.link import BYE_REASONS
from antsp2p.gossip.outputs import LinkDown
from antsp2p.gossip.wire import PeerAddress, Peers, Pong
from tests.gossip.protections import frames_in
from tests.gossip.swarm import SECOND, Peer, Swarm, identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.wire import Address

MOST_LINKS = DEFAULT_LIMITS.target_links + DEFAULT_LIMITS.accepted_links


def know_one(swarm: Swarm, rng: random.Random) -> None:
    """Everybody starts at once and was given the same seed."""
    swarm.connect()


def know_few(swarm: Swarm, rng: random.Random) -> None:
    """Everybody has found three others."""
    for peer in swarm.peers:
        for other in rng.sample(swarm.peers, 3):
            if other is not peer:
                peer.hint(other, keep=False)


def know_neighbours(swarm: Swarm, rng: random.Random) -> None:
    """A ring in which everybody knows the next four only: as badly mixed as can be."""
    for index, peer in enumerate(swarm.peers):
        for step in range(1, 5):
            peer.hint(swarm.peers[(index + step) % len(swarm.peers)], keep=False)


def components(swarm: Swarm) -> list[int]:
    """Sizes of what hangs together, the largest first."""
    by_author = {peer.author: peer for peer in swarm.peers}
    sizes, seen = [], set[bytes]()
    for peer in swarm.peers:
        stack = [peer.author] if peer.author not in seen else []
        seen.add(peer.author)
        size = 0
        while stack:
            size += 1
            for author in sorted(by_author[stack.pop()].linked() & by_author.keys()):
                if author not in seen:
                    seen.add(author)
                    stack.append(author)
        if size:
            sizes.append(size)
    return sorted(sizes, reverse=True)


def alive(swarm: Swarm, peer: Peer) -> int:
    """Links of `peer` to nodes that run."""
    running = {other.author for other in swarm.peers}
    return len(peer.linked() & running)


def diameter_from(swarm: Swarm, start: Peer) -> int:
    """Hops from `start` to the farthest node."""
    by_author = {peer.author: peer for peer in swarm.peers}
    edge, seen, hops = {start.author}, {start.author}, 0
    while True:
        edge = {author for known in edge for author in by_author[known].linked()} - seen
        if not edge:
            return hops
        seen |= edge
        hops += 1


@pytest.mark.parametrize("know", [know_one, know_few, know_neighbours])
@pytest.mark.parametrize(("count", "seed"), [(50, 1), (50, 2), (90, 3)])
def test_a_storm_of_joins_ends_in_one_graph_of_bounded_degree(
    count: int, know: Callable[[Swarm, random.Random], None], seed: int
) -> None:
    swarm = Swarm(count, seed=seed)
    know(swarm, random.Random(seed))
    swarm.run(40 * SECOND)
    assert components(swarm) == [count]
    for peer in swarm.peers:
        links = peer.gossip.links()
        # The seed that a person named comes on top, and a guest.
        assert 7 <= len(links) <= MOST_LINKS + 2
    short = sum(
        4 * sum(link.initiated for link in peer.gossip.links()) < len(peer.gossip.links())
        for peer in swarm.peers
    )
    assert short <= count // 20, "a quarter of the links is a node's own choice"


@pytest.mark.parametrize("count", [9, 10, 12, 13])
def test_where_all_fit_everybody_is_linked_to_everybody(count: int) -> None:
    swarm = Swarm(count, seed=count)
    swarm.connect()
    assert swarm.run(
        5 * SECOND, lambda: all(len(peer.linked()) == count - 1 for peer in swarm.peers)
    )


def test_a_ring_of_neighbours_becomes_a_small_world() -> None:
    swarm = Swarm(120, seed=3)
    know_neighbours(swarm, random.Random(3))
    swarm.run(SECOND // 5)
    before = diameter_from(swarm, swarm.peers[0])
    swarm.run(120 * SECOND)
    assert diameter_from(swarm, swarm.peers[0]) <= 5 < before


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_when_half_of_all_nodes_crash_no_survivor_is_left_alone(seed: int) -> None:
    swarm = Swarm(100, seed=seed)
    rng = random.Random(seed)
    know_few(swarm, rng)
    swarm.run(30 * SECOND)
    for peer in rng.sample(swarm.peers, 50):
        swarm.remove(peer)
    swarm.run(17 * SECOND)
    assert components(swarm) == [50]
    assert all(alive(swarm, peer) >= 5 for peer in swarm.peers)
    assert all(alive(swarm, peer) == len(peer.linked()) for peer in swarm.peers)


@pytest.mark.parametrize("writing", [False, True])
def test_halves_find_each_other_within_seconds(writing: bool) -> None:
    swarm = Swarm(60, seed=7)
    know_few(swarm, random.Random(7))
    swarm.run(20 * SECOND)
    swarm.cut = lambda source, target: source.index % 2 != target.index % 2
    swarm.run(60 * SECOND)
    assert components(swarm) == [30, 30]
    if writing:
        for peer in swarm.peers[:10]:
            peer.publish(2)
    swarm.run(SECOND)
    swarm.cut = lambda source, target: False
    swarm.run(5 * SECOND)
    assert components(swarm) == [60]
    across = sum(
        swarm.by_address[link.address].index % 2 != peer.index % 2
        for peer in swarm.peers for link in peer.gossip.links()
    )
    assert across >= 60, "the graph is one again, and not two with a bridge"
    assert swarm.run(10 * SECOND, swarm.agree)


def test_under_loss_nobody_is_declared_dead_and_views_fill() -> None:
    swarm = Swarm(40, seed=8, loss=0.3)
    know_few(swarm, random.Random(8))
    swarm.run(60 * SECOND)
    downs = Counter(
        output.reason for peer in swarm.peers for output in peer.outputs
        if isinstance(output, LinkDown)
    )
    assert downs["timeout"] <= 40
    assert components(swarm) == [40]
    assert all(len(peer.linked()) >= 6 for peer in swarm.peers)


# --- addresses -----------------------------------------------------------------------------------


def test_a_node_that_moves_is_linked_anew_and_the_old_link_goes() -> None:
    swarm = Swarm(5, seed=9)
    swarm.connect()
    swarm.run(20 * SECOND)
    mover = swarm.peers[3]
    del swarm.by_address[mover.address]
    mover.address = ("10.9.9.9", 7_000)
    swarm.by_address[mover.address] = mover

    def is_settled() -> bool:
        return all(
            [link.address for link in peer.gossip.links() if link.author == mover.author]
            == [mover.address]
            for peer in swarm.peers if peer is not mover
        )

    assert swarm.run(15 * SECOND, is_settled)
    assert len(mover.linked()) == 4


def test_a_node_that_lost_its_store_is_linked_and_filled_again() -> None:
    swarm = Swarm(20, seed=10)
    know_few(swarm, random.Random(10))
    for peer in swarm.peers:
        peer.publish(2)
    swarm.run(20 * SECOND)
    old = swarm.peers[4]
    swarm.remove(old)
    reborn = swarm.add(4, boot=1, address=old.address)
    reborn.hint(swarm.peers[0])
    assert swarm.run(10 * SECOND, swarm.agree)
    assert reborn.gossip.published == 2
    assert len(reborn.linked()) >= 7


def test_a_node_suspended_for_a_minute_declares_nobody_dead_and_comes_back() -> None:
    swarm = Swarm(20, seed=11)
    know_few(swarm, random.Random(11))
    swarm.run(30 * SECOND)
    sleeper = swarm.peers[5]
    sleeper.stop()
    swarm.run(60 * SECOND)
    assert all(sleeper.author not in peer.linked() for peer in swarm.peers if peer is not sleeper)
    told = len(sleeper.outputs)
    sleeper.go_on()
    swarm.run(8 * SECOND)
    reasons = {
        output.reason for output in sleeper.outputs[told:] if isinstance(output, LinkDown)
    }
    assert "timeout" not in reasons
    assert reasons <= {"gone", *("peer-" + reason for reason in BYE_REASONS), "full"}
    assert len(sleeper.linked()) >= 7
    assert all(
        sleeper.author in swarm.by_address[link.address].linked()
        for link in sleeper.gossip.links()
    )


# --- what strangers can make nodes send ----------------------------------------------------------


def test_a_liar_can_make_nodes_send_its_victim_a_stated_number_of_bytes() -> None:
    """However many ports and neighbours of a victim it names, on however many links."""
    swarm = Swarm(30, seed=12)
    know_few(swarm, random.Random(12))
    swarm.run(20 * SECOND)
    sent: Counter[tuple[int, str]] = Counter()

    def watch(peer: Peer, address: Address, data: bytes) -> None:
        if address[0].startswith("203.0.113."):
            sent[peer.index, address[0]] += len(data)
            sent[peer.index, "all"] += len(data)

    swarm.on_send = watch
    rng = random.Random(13)
    liar = swarm.peers[0]
    for _ in range(120):
        for link in liar.gossip.links():
            named = tuple(
                PeerAddress(
                    identity(rng.randrange(100, 900)).author,
                    pack_host(f"203.0.113.{rng.choice([9, rng.randrange(1, 255)])}"),
                    rng.randrange(1, 65_536),
                )
                for _ in range(16)
            )
            liar.say(link.address, Peers(0, named))
        swarm.run(SECOND // 2)
    minutes = 2  # One minute of naming touches at most two windows.
    hello_bytes = 512
    assert sent, "it does reach something"
    for (_, host), size in sent.items():
        most = (
            DEFAULT_LIMITS.silent_per_subnet if host == "all" else DEFAULT_LIMITS.silent_per_host
        )
        assert size <= minutes * most * hello_bytes


def test_nobody_is_sent_to_multicast_nor_to_its_own_machine() -> None:
    swarm = Swarm(12, seed=14)
    swarm.connect()
    swarm.run(5 * SECOND)
    dialled: list[str] = []
    swarm.on_send = lambda peer, address, data: dialled.append(address[0])
    liar = swarm.peers[0]
    hosts = ("127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "169.254.1.1",
             "::1", "ff02::1", "fe80::1", "::", "::ffff:127.0.0.1", "::ffff:224.0.0.1")
    named = tuple(
        PeerAddress(identity(500).author, pack_host(host), 7_000) for host in hosts
    )
    for link in liar.gossip.links():
        liar.say(link.address, Peers(0, named))
    dialled.clear()
    swarm.run(60 * SECOND)
    assert dialled
    assert all(host.startswith("10.0.") for host in dialled)


def test_idle_nodes_stay_below_the_stated_traffic() -> None:
    swarm = Swarm(50, seed=15)
    know_few(swarm, random.Random(15))
    for peer in swarm.peers:
        peer.publish()
    swarm.run(180 * SECOND)
    before = swarm.counts.copy()
    swarm.run(120 * SECOND)
    spent = swarm.counts - before
    headers = 28  # IPv4 and UDP
    per_node = (spent["bytes"] + headers * spent["datagrams"]) / 120 / 50
    assert per_node < 200


def test_one_side_of_an_idle_link_pings() -> None:
    swarm = Swarm(2, seed=16)
    swarm.connect()
    swarm.run(30 * SECOND)
    pongs: Counter[int] = Counter()

    def watch(peer: Peer, address: Address, data: bytes) -> None:
        pongs[peer.index] += sum(isinstance(frame, Pong) for frame in frames_in(data))

    swarm.on_send = watch
    swarm.run(90 * SECOND)
    assert pongs[1] == 0
    assert 9 <= pongs[0] <= 13
