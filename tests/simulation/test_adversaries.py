"""Honest nodes finish their tasks while somebody attacks, every checker watches every step, and no
table of any node outgrows its bound."""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from antsp2p.simulation.adversaries.eclipse import Hostile
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.report import build
from tests.fuzz.bounds import check_bounds

if TYPE_CHECKING:
    from antsp2p.node import Node
    from antsp2p.simulation.world import World

DROPS = {
    "eclipse": ("unlinked",),
    "replayer": ("replayed", "unlinked"),
    "handshakes": ("mac",),
    "amplifier": ("unasked", "unlinked"),
    "flooder": ("quota-records",),
    "forger": ("record-signature", "beat-signature", "record-network", "link-signature"),
    "poisoner": ("named-full", "peers-rate", "to-victims"),
    "oversize": ("size", "bulk-failed", "record-signature", "stream-too-large"),
    "slow-loris": ("bulk-turn",),
    "expander": ("encoding", "datagram", "since"),
}
"""What of each attack must be told apart."""
LOOK_US: Final = 1_000_000
ATTACK_MS: Final = 4_000
NODES: Final = {"eclipse": 20}
"""Where more are needed for there to be a choice of links."""
LONG_MS: Final = {"slow-loris": 12_000}
"""Where what is to be seen takes its time."""


def attacked(profile: str, seed: int) -> SimulationOptions:
    return SimulationOptions(
        nodes=NODES.get(profile, 6), tasks=15, seed=seed, profile=profile, tasks_per_s=5.0,
        lease_ms=2_000, faults_ms=LONG_MS.get(profile, ATTACK_MS),
    )


def check(profile: str, seed: int) -> None:
    simulation = build(attacked(profile, seed))
    watch(simulation.world)
    report = simulation.run()
    assert report["tasks_done"] == 15
    assert report["holders_agree"]
    assert report["coverage"] == 1.0
    missed = [reason for reason in DROPS[profile] if not report["drops"].get(reason)]
    assert not missed, report["drops"]


def honest(world: World) -> list[Node]:
    return [
        machine.node for machine in world.running()
        if machine.node is not None and not isinstance(machine.node, Hostile)
    ]


def watch(world: World) -> None:
    """Look at every table of every node, now and then while the attack lasts and once after it."""
    def look() -> None:
        for node in honest(world):
            check_bounds(node)
        if world.now_us < ATTACK_MS * 1_000:
            world.after(LOOK_US, look)

    world.after(LOOK_US, look)


@pytest.mark.parametrize("profile", DROPS)
def test_tasks_are_done_under_attack(profile: str) -> None:
    check(profile, seed=1)


def test_a_ring_of_hostile_nodes_leaves_honest_links_to_everybody() -> None:
    simulation = build(replace(attacked("eclipse", seed=2), tasks=1, nodes=30))
    world = simulation.world
    world.run(ATTACK_MS * 1_000 - 1)
    hostile = {m.author for m in world.running() if isinstance(m.node, Hostile)}
    assert len(hostile) == 9
    for node in honest(world):
        authors = {link.author for link in node.gossip.links()}
        assert authors - hostile


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 40))
@pytest.mark.parametrize("profile", DROPS)
def test_tasks_are_done_under_attack_with_many_more_seeds(profile: str, seed: int) -> None:
    check(profile, seed)
