"""Scenarios with a question each, for benchmarks: a world, an upheaval, and figures for JSON.

Law: each builds its own world from its arguments and seed alone, and asks the nodes nothing that a
user could not ask. Bytes are UDP payload sent by all nodes together.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.simulation.faults import MILLISECOND_US
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.quantiles import quantiles_ms
from antsp2p.simulation.records_report import REPAIRING, SPREADING, Traffic
from antsp2p.simulation.records_run import (
    WARM_UP_RECORDS,
    RecordsRun,
    run_records,
    traffic,
    without_cycle_search,
)
from antsp2p.simulation.upheaval import Churn, MassCrash

if TYPE_CHECKING:
    from antsp2p.simulation.world import World

SECOND_US = 1_000_000
LOOK_US = 100_000
REST_US = 2 * SECOND_US
GIVE_UP_US = 120 * SECOND_US


def isolated(
    nodes: int, records: int, loss: float, seed: int, delay: str = "lan", processes: int = 1
) -> dict[str, Any]:
    """Isolated records, as `antsp2p simulate --tasks 0`; see `records_report` for what each figure
    means."""
    return run_records(SimulationOptions(
        nodes=nodes, tasks=0, records=records, loss=loss, seed=seed, delay=delay,
        processes=processes,
    ))


@without_cycle_search
def halves(nodes: int, seconds: float, records_per_s: float, seed: int) -> dict[str, Any]:
    """Two halves that do not hear each other for `seconds`, while both sides write
    `records_per_s` together.

    `seconds_to_converge`: from reconnection until every node has every record; None: not within
    two minutes. `bytes_repair`: what all messages but links' upkeep cost in that time, headers of
    datagrams left out, and `bytes_all` what was sent in all. `pairs_differing`: pairs of a record
    and a node that lacks it at reconnection; `bytes_per_pair` is `bytes_repair` over these, and
    `bytes_per_differing_record` over the records.
    """
    run = _formed(nodes, seed)
    world = run.world
    order = list(range(nodes))
    world.stream("halves").shuffle(order)
    world.network.groups = {index: place % 2 for place, index in enumerate(order)}
    first = len(run.isolated.published)
    _publish_for(run, seconds, records_per_s)
    world.run(world.now_us + REST_US)
    lacking = run.isolated.missing(first)
    before, healed_us = traffic(world, run.isolated), world.now_us
    world.network.groups = None
    took_us = _until_everywhere(run, first)
    after = traffic(world, run.isolated)
    repair = _repair_bytes(before, after)
    records = len(run.isolated.published) - first
    return {
        "nodes": nodes, "seed": seed, "seconds": seconds,
        "records_differing": records,
        "pairs_differing": lacking,
        "seconds_to_converge": None if took_us is None else round(took_us / SECOND_US, 2),
        "missed": run.isolated.missing(first),
        "bytes_repair": repair,
        "bytes_all": after.bytes - before.bytes,
        "bytes_per_differing_record": round(repair / max(1, records)),
        "bytes_per_pair": round(repair / max(1, lacking), 1),
        "bytes_by_message": dict(sorted((after.by_message - before.by_message).items())),
        "simulated_s": round((world.now_us - healed_us) / SECOND_US, 2),
        "steps": world.steps,
    }


@without_cycle_search
def mass_crash(nodes: int, share: float, seed: int) -> dict[str, Any]:
    """A share of all nodes dies at one moment for good; ten records are on their way just then.

    `isolated`: survivors that have no link to a running node 30 s later; `parts`: how many groups
    of survivors links do not join then, 1 for none apart. `lost_records`: pairs of a record whose
    author survives and a survivor that lacks it 30 s later; `links` are of survivors to survivors.
    `spread_after_ms`: of ten records that survivors publish after those 30 s.
    """
    run = _formed(nodes, seed)
    world = run.world
    first = len(run.isolated.published)
    for number in range(10):
        world.after(number * MILLISECOND_US, run.isolated.publish)
    MassCrash(5, share).arm(world, world.stream("mass-crash"), SECOND_US)
    world.run(world.now_us + 30 * SECOND_US)
    alive = {machine.index for machine in world.running()}
    links = _live_links(world)
    published = run.isolated.published[first:]
    kept = [record for record in published if run.isolated.author_of(record) in alive]
    lost = sum(
        machine.node is not None and machine.node.logs.get(record.id) is None
        for record in kept for machine in world.running()
    )
    second = len(run.isolated.published)
    run.spread(10)
    run.settle(second)
    arrivals = [
        took for record in run.isolated.published[second:]
        for took in run.isolated.took_us(record).values()
    ]
    counts = [len(peers) for peers in links.values()]
    return {
        "nodes": nodes, "seed": seed, "share": share,
        "survivors": len(alive),
        "isolated": counts.count(0),
        "parts": _parts(links),
        "links": {
            "min": min(counts, default=0),
            "mean": round(sum(counts) / max(1, len(counts)), 2),
            "max": max(counts, default=0),
        },
        "survivors_records": len(kept),
        "lost_records": lost,
        "missed_after": run.isolated.missing(second),
        "spread_after_ms": quantiles_ms(arrivals),
        "steps": world.steps,
    }


@without_cycle_search
def churn(
    nodes: int, seconds: float, leaves_per_s: float, seed: int, records_per_s: float = 2.0
) -> dict[str, Any]:
    """Nodes leave for good without a word and as many join, while records are published.

    `seconds_to_converge`: from the last change until every running node has every record of a
    running author; `orphans`: records whose author left. `missed`: pairs that lack one at the end.
    """
    run = _formed(nodes, seed)
    world = run.world
    first = len(run.isolated.published)
    fault = Churn(max(1, int(1_000 / leaves_per_s)))
    fault.arm(world, world.stream("churn"), int(seconds * SECOND_US))
    _publish_for(run, seconds, records_per_s)
    took_us = _until_everywhere(run, first)
    alive = {machine.index for machine in world.running()}
    published = run.isolated.published[first:]
    links = _live_links(world)
    counts = [len(peers) for peers in links.values()]
    return {
        "nodes": nodes, "seed": seed, "seconds": seconds, "leaves_per_s": leaves_per_s,
        "joined": len(world.machines) - nodes,
        "running": len(alive),
        "records": len(published),
        "orphans": sum(run.isolated.author_of(record) not in alive for record in published),
        "seconds_to_converge": None if took_us is None else round(took_us / SECOND_US, 2),
        "missed": run.isolated.missing(first),
        "isolated": counts.count(0),
        "parts": _parts(links),
        "steps": world.steps,
    }


# --- parts of them ------------------------------------------------------------------------------


def _formed(nodes: int, seed: int) -> RecordsRun:
    """A network that has formed and spread its warm-up records."""
    run = RecordsRun(SimulationOptions(nodes=nodes, tasks=0, seed=seed))
    run.form()
    run.spread(WARM_UP_RECORDS)
    run.settle(0)
    return run


def _publish_for(run: RecordsRun, seconds: float, records_per_s: float) -> None:
    """Publish at this rate, at even intervals, for so long."""
    for number in range(int(seconds * records_per_s)):
        run.world.after(int(number * SECOND_US / records_per_s), run.isolated.publish)
    run.world.run(run.world.now_us + int(seconds * SECOND_US))


def _until_everywhere(run: RecordsRun, first: int) -> int | None:
    """How long until every running node has every record that any of them has."""
    world, since_us = run.world, run.world.now_us
    while not run.isolated.is_everywhere(first):
        if world.now_us - since_us >= GIVE_UP_US:
            return None
        world.run(world.now_us + LOOK_US)
    return world.now_us - since_us


def _repair_bytes(before: Traffic, after: Traffic) -> int:
    sent = after.by_message - before.by_message
    return sum(sent[name] for name in (*SPREADING, *REPAIRING))


def _live_links(world: World) -> dict[int, set[int]]:
    """Running machine -> the running machines that it has a link to."""
    links: dict[int, set[int]] = {}
    for machine in world.running():
        assert machine.node is not None
        peers = (
            world.network.machine_at(link.address) for link in machine.node.gossip.links()
        )
        links[machine.index] = {
            peer.index for peer in peers if peer is not None and peer.node is not None
        }
    return links


def _parts(links: dict[int, set[int]]) -> int:
    """How many groups of machines no link joins."""
    joined: dict[int, set[int]] = {index: set() for index in links}
    for index, peers in links.items():
        for peer in peers:
            joined[index].add(peer)
            joined[peer].add(index)
    parts, seen = 0, set[int]()
    for index in joined:
        if index in seen:
            continue
        parts += 1
        waiting = [index]
        seen.add(index)
        while waiting:
            for peer in joined[waiting.pop()] - seen:
                seen.add(peer)
                waiting.append(peer)
    return parts
