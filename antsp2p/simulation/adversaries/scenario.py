"""What hostile nodes achieve: a world with so many of them, and figures for JSON.

Law: the same as of other scenarios: everything follows from the arguments and the seed, and nodes
are asked nothing that a user could not ask.
"""
from __future__ import annotations

from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

from antsp2p.simulation.adversaries.eclipse import Ring, eclipse_node
from antsp2p.simulation.adversaries.forker import Convictions, Forkers
from antsp2p.simulation.discovery import Discovery
from antsp2p.simulation.machine import shipped_node
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.records_run import WARM_UP_RECORDS, RecordsRun, without_cycle_search
from antsp2p.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Collection

    from antsp2p.simulation.machine import Machine

SECOND_US: Final = 1_000_000
START_WITHIN_US: Final = 150_000
BACKUP_US: Final = 100_000
"""After a record was signed its home is backed up; then more is signed that the backup lacks."""
LOST_US: Final = 1_000_000
"""After the backup the home is lost, and put back from it."""
DOWN_US: Final = 300_000
SIGNED_BEFORE: Final = 4
"""Records that a node signs before its home is lost."""
GIVE_UP_US: Final = 60 * SECOND_US
LOOK_US: Final = 100_000


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


@without_cycle_search
def conviction(
    nodes: int, share: float, loss: float, seed: int, seconds: int = 10, restored: int = 10
) -> dict[str, Any]:
    """A share of all members forks its log, one after the other within so many seconds, and of the
    honest ones `restored` are put back from a backup that lacks what they have signed since.

    Figures as in `Convictions.report`; `restored_again` counts restored nodes that have signed
    again at the end. `bytes_proofs` is what all parts of proofs cost, `bytes_all` everything.
    """
    run = RecordsRun(SimulationOptions(nodes=nodes, tasks=0, loss=loss, seed=seed))
    world = run.world
    run.form()
    run.spread(WARM_UP_RECORDS)
    run.settle(0)
    Forkers(share).arm(world, world.stream("forkers"), seconds * SECOND_US)
    watch = next(each for each in world.observers if isinstance(each, Convictions))
    chosen = world.stream("restored").sample(watch.honest(), restored)
    pauses = world.stream("restored/pauses")
    for machine in chosen:
        world.after(pauses.randrange(seconds * SECOND_US), _lose, run, machine)
    sent = _parts_sent(world), world.network.bytes
    world.run(world.now_us + seconds * SECOND_US)
    since_us = world.now_us
    world.run(since_us + LOST_US + 10 * DOWN_US)
    for machine in chosen:
        run.isolated.publish_at(machine)
    while not _is_over(watch, nodes, share) and world.now_us - since_us < GIVE_UP_US:
        world.run(world.now_us + LOOK_US)
    again = sum(
        machine.node is not None and machine.node.is_confirmed
        and machine.node.last_seq(machine.author) > SIGNED_BEFORE for machine in chosen
    )
    return {
        "nodes": nodes, "seed": seed, "share": share, "loss": loss, "seconds": seconds,
        **watch.report(),
        "restored": restored, "restored_again": again,
        "bytes_proofs": _parts_sent(world) - sent[0],
        "bytes_all": world.network.bytes - sent[1],
        "simulated_s": round(world.now_us / SECOND_US, 1), "steps": world.steps,
    }


def _lose(run: RecordsRun, machine: Machine) -> None:
    """Sign, back the home up, sign more, lose the home, and go on with the backup."""
    world, publish = run.world, run.isolated.publish_at

    def put_back() -> None:
        machine.restore(backup.pop())
        world.after(DOWN_US, machine.start)

    backup = [machine.disk.copy()]
    publish(machine)
    world.after(BACKUP_US, lambda: backup.__setitem__(0, machine.disk.copy()))
    for number in range(1, SIGNED_BEFORE):
        world.after(BACKUP_US * (number + 1), publish, machine)
    world.after(BACKUP_US + LOST_US, put_back)
    for number in range(1, SIGNED_BEFORE):
        world.after(BACKUP_US + LOST_US + 2 * number * DOWN_US, publish, machine)


def _is_over(watch: Convictions, nodes: int, share: float) -> bool:
    report = watch.report()
    return bool(report["forks"] >= round(nodes * share) and not report["unconvicted"])


def _parts_sent(world: World) -> int:
    """Bytes of all frames that carry parts, by nodes that ever ran."""
    running = sum(m.node.gossip.sent["part"] for m in world.running() if m.node is not None)
    return running + world.retired_bytes["part"]
