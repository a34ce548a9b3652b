"""Real ciphers over a wire that loses, doubles, delays and reorders: no session stays lost."""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.suite import NOISE
from antsp2p.simulation.plain import PLAIN
from tests.gossip.swarm import SECOND, Peer, Swarm

if TYPE_CHECKING:
    from antsp2p.gossip.suite import Suite
    from antsp2p.gossip.wire import Address


def terrible(seed: int, count: int = 5, suite: Suite = NOISE) -> Swarm:
    swarm = Swarm(count, seed=seed, loss=0.3, suite=suite)
    swarm.duplication = 0.2
    swarm.delay_us = (100, 80_000)
    return swarm


def meshed(swarm: Swarm) -> bool:
    return all(len(peer.linked()) == len(swarm.peers) - 1 for peer in swarm.peers)


@pytest.mark.parametrize("seed", range(6))
def test_everybody_dials_everybody_at_once(seed: int) -> None:
    swarm = terrible(seed)
    for peer in swarm.peers:
        for other in swarm.peers:
            if other is not peer:
                peer.hint(other)
    assert swarm.run(60 * SECOND, lambda: meshed(swarm))
    for peer in swarm.peers:
        peer.publish(3)
    assert swarm.run(60 * SECOND, swarm.agree)
    assert not sum(peer.gossip.drops["seal"] for peer in swarm.peers)


@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_starts_anew_is_linked_again(seed: int) -> None:
    swarm = terrible(seed)
    swarm.connect()
    assert swarm.run(60 * SECOND, lambda: meshed(swarm))
    old = swarm.peers[2]
    swarm.remove(old)
    reborn = swarm.add(2, boot=1, address=old.address)
    reborn.hint(swarm.peers[0])
    assert swarm.run(60 * SECOND, lambda: meshed(swarm))
    swarm.peers[0].publish(2)
    assert swarm.run(60 * SECOND, swarm.agree)


def test_within_a_second_of_a_restart_on_a_calm_wire() -> None:
    swarm = Swarm(2, seed=1, suite=NOISE)
    swarm.connect()
    assert swarm.run(5 * SECOND, lambda: meshed(swarm))
    old = swarm.peers[1]
    swarm.remove(old)
    # It knows nobody, and its peer has something to say.
    swarm.add(1, boot=1, address=old.address)
    start_us = swarm.now_us
    swarm.peers[0].publish()
    assert swarm.run(5 * SECOND, lambda: meshed(swarm) and swarm.agree())
    assert swarm.now_us - start_us < SECOND


def test_the_cipher_changes_no_step() -> None:
    """The simulation without a cipher is the same run: what is sent, when, and in which sizes."""
    assert sizes_sent(NOISE) == sizes_sent(PLAIN)


def sizes_sent(suite: Suite) -> list[tuple[int, int, int]]:
    """When who sent how much."""
    swarm = terrible(7, 3, suite)
    sizes: list[tuple[int, int, int]] = []

    def note(peer: Peer, address: Address, data: bytes) -> None:
        sizes.append((swarm.now_us, peer.index, len(data)))

    swarm.on_send = note
    swarm.connect()
    swarm.peers[0].publish(5)
    swarm.run(20 * SECOND)
    return sizes


def test_keys_change_in_the_middle_of_everything() -> None:
    limits = replace(DEFAULT_LIMITS, rekey_datagrams=30, rekey_us=SECOND)
    swarm = Swarm(4, seed=2, limits=limits, loss=0.1, suite=NOISE)
    swarm.delay_us = (100, 20_000)
    swarm.connect()
    assert swarm.run(60 * SECOND, lambda: meshed(swarm))
    for _ in range(30):
        swarm.peers[0].publish()
        swarm.run(SECOND)
    assert swarm.run(10 * SECOND, swarm.agree)
    assert not sum(peer.gossip.drops["epoch"] for peer in swarm.peers)
