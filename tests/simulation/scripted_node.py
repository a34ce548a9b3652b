"""A node that does what a test says, for tests of the world around it."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from antsp2p.records.record import NO_PREV, Record, sign_record

if TYPE_CHECKING:
    from antsp2p.events import Effect, Event
    from antsp2p.node import Node
    from antsp2p.simulation.machine import Machine

Script = Callable[["ScriptedNode", "Event"], Sequence["Effect"]]


class ScriptedNode:
    """Remembers what it was given and answers by its script."""

    def __init__(self, machine: Machine, script: Script) -> None:
        self.machine = machine
        self.script = script
        self.seen: list[tuple[int, Event]] = []
        self.wake_at: int | None = None
        self.may_sign = False
        """It has no log of its own."""

    def handle(self, event: Event, now_us: int) -> list[Effect]:
        """Note the event, then ask the script."""
        self.seen.append((now_us, event))
        return list(self.script(self, event))


def scripted(script: Script) -> Callable[[Machine], Node]:
    """A maker of scripted nodes, for `World.add_machine`."""
    return lambda machine: cast("Node", ScriptedNode(machine, script))


def silent(node: ScriptedNode, event: Event) -> Sequence[Effect]:
    """Does nothing."""
    return ()


def script_of(machine: Machine) -> ScriptedNode:
    """The scripted node that runs on the machine."""
    return cast("ScriptedNode", machine.node)


def own_record(machine: Machine, seq: int = 1, prev: bytes = NO_PREV, mark: int = 0) -> Record:
    """A record of the machine's author; `mark` makes it another one at the same place."""
    return sign_record(
        machine.identity, network=machine.world.network_id, seq=seq, prev=prev, type=9,
        body={1: mark}, claimed_ms=0,
    )
