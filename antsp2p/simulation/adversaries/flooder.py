"""Flooder: a member that signs valid records of no use, as fast as it is let.

Law: it is an honest node in everything else, and keeps its own log in order: what it writes must
reach everybody in the end, and nobody else's work may suffer from it.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from antsp2p.coordination.body import Announce
from antsp2p.coordination.draft import Draft
from antsp2p.simulation.machine import Act

if TYPE_CHECKING:
    from random import Random

    from antsp2p.node import Node
    from antsp2p.simulation.world import World


@dataclass(frozen=True, slots=True)
class Flooder:
    """One node writes `per_s` records a second."""

    per_s: int
    name: ClassVar[str] = "flooder"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        flooder = rng.choice(world.machines)
        pause_us = 1_000_000 // self.per_s

        def write(node: Node) -> None:
            if node.may_sign:
                node.append(Draft(Announce("flood", 1)))

        def strike() -> None:
            flooder.tell(Act(write))
            if world.now_us < end_us:
                world.after(pause_us, strike)

        world.after(pause_us, strike)
