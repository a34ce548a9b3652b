"""Whatever befalls honest nodes, no record exposes them, and all say the same of everybody."""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from antsp2p.coordination.evidence import Deed, Kind, Proof
from antsp2p.simulation.faults import Crash, Fault, Restore, Stall
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.report import build
from antsp2p.simulation.upheaval import LostStore

if TYPE_CHECKING:
    from antsp2p.node import Node

TROUBLED = SimulationOptions(
    nodes=6, tasks=40, lease_ms=600, service_ms=500, tasks_per_s=6.0, attempts=100,
    faults_ms=6_000,
)
TROUBLE: tuple[tuple[str, tuple[Fault, ...]], ...] = (
    ("crashes", (Crash(600, (50, 3_000)),)),
    ("standstills", (Stall(600, (500, 3_000)),)),
    ("backups", (Restore(1_500, 1_000, (50, 1_000)), Crash(1_500, (50, 2_000)))),
    ("lost stores", (LostStore(1_500, (50, 1_000)), Stall(1_500, (500, 2_000)))),
)


def deeds_of(node: Node) -> list[Deed]:
    return [deed for author in node.ledger.authors() for deed in node.ledger.why(author)]


def essence(node: Node) -> list[tuple[object, ...]]:
    """What is the same for every observer, whose own word apart."""
    return sorted(
        (deed.record_id, deed.claim, deed.subject, deed.kind, deed.weight, deed.configuration)
        for deed in deeds_of(node) if deed.proof is not Proof.EXPOSED
    )


@pytest.mark.parametrize(("name", "faults"), TROUBLE, ids=[name for name, _ in TROUBLE])
def test_the_honest_are_never_exposed_and_all_agree(
    name: str, faults: tuple[Fault, ...]
) -> None:
    kinds: set[Kind] = set()
    for seed in (1, 2, 4):
        simulation = build(replace(TROUBLED, seed=seed), faults=faults)
        simulation.run()
        nodes = [machine.node for machine in simulation.world.machines if machine.node]
        for node in nodes:
            kinds |= {deed.kind for deed in deeds_of(node)}
        assert len({tuple(essence(node)) for node in nodes}) == 1, seed
    assert Kind.ACCEPTED in kinds
    assert not kinds & {Kind.EXPOSED, Kind.CONTRADICTED}
