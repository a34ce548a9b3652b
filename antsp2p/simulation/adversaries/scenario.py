"""What hostile nodes achieve: a world with so many of them, and figures for JSON.

Law: the same as of other scenarios: everything follows from the arguments and the seed, and nodes
are asked nothing that a user could not ask.
"""
from __future__ import annotations

from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

from antsp2p.simulation.adversaries.eclipse import Ring, eclipse_node
from antsp2p.simulation.discovery import Discovery
from antsp2p.simulation.machine import shipped_node
from antsp2p.simulation.records_run import without_cycle_search
from antsp2p.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Collection

SECOND_US: Final = 1_000_000
START_WITHIN_US: Final = 150_000


@without_cycle_search
def eclipse(nodes: int, share: float, seed: int, seconds: int = 10) -> dict[str, Any]:
    """A share of all members is hostile from the first moment, see `eclipse`.

    `hostile_links`: the mean, over honest nodes, of the share of their links that go to hostile
    ones, at the end; `worst`: the largest; `eclipsed`: honest nodes that have links to hostile
    ones only; `links`: of honest nodes, on average. `curve`: `hostile_links` after each second.
    """
    world = World(seed)
    Discovery(world)
    ring = Ring()
    hostile = frozenset(world.stream("hostile").sample(range(nodes), round(nodes * share)))
    for index in range(nodes):
        world.add_machine(
            partial(eclipse_node, ring=ring) if index in hostile else shipped_node
        )
    ring.victims = [m.address for m in world.machines if m.index not in hostile]
    starts = world.stream("starts")
    for machine in world.machines:
        world.after(starts.randrange(START_WITHIN_US), machine.start)
    curve: list[float] = []
    for _ in range(seconds):
        world.run(world.now_us + SECOND_US)
        shares = _hostile_shares(world, hostile, ring)
        curve.append(round(mean(shares), 3))
    honest = [m.node for m in world.running() if m.index not in hostile and m.node is not None]
    return {
        "nodes": nodes, "seed": seed, "share": share, "seconds": seconds,
        "hostile_links": curve[-1], "worst": round(max(shares), 3),
        "eclipsed": shares.count(1.0),
        "links": round(mean(len(node.gossip.links()) for node in honest), 1),
        "curve": curve, "steps": world.steps,
    }


def _hostile_shares(world: World, hostile: Collection[int], ring: Ring) -> list[float]:
    """Of each honest node with a link, the share of its links that go to hostile nodes."""
    shares = []
    for machine in world.running():
        assert machine.node is not None
        addresses = [link.address for link in machine.node.gossip.links()]
        if machine.index not in hostile and addresses:
            shares.append(sum(a in ring.members for a in addresses) / len(addresses))
    return shares
