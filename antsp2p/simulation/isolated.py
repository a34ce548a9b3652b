"""Isolated records: who signs them, and where they arrive.

Law: nothing here touches a node but to let it sign a record, and to look whether it has one.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, cast

from antsp2p.coordination.body import RecordType
from antsp2p.coordination.draft import Draft
from antsp2p.events import AppendRecord, Effect, Event
from antsp2p.simulation.machine import Act, Kept, Machine
from antsp2p.simulation.world import Observer, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from antsp2p.coordination.body import Body
    from antsp2p.node import Node
    from antsp2p.records.record import Record
    from antsp2p.simulation.network import Place

RECORD_MARK: Final = b"\xa9\x00\x01\x01\x50"
"""How every record's payload begins, before the network id; it counts the copies in a datagram."""
CONTENT_BYTES: Final = 119
"""Makes a record of 300 bytes on the wire, give or take the sizes of its numbers."""


@dataclass(frozen=True, slots=True)
class Filler:
    """The body of an isolated record: a mark whose topic is no text, and so void. It is stored and
    relayed, and means nothing."""

    content: bytes
    type: ClassVar[RecordType] = RecordType.MARK
    shape: ClassVar[Mapping[int, tuple[str, None, bool]]] = {1: ("content", None, True)}


class Isolated(Observer):
    """Publishes isolated records and follows where they arrive."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mark = RECORD_MARK + world.network_id
        self._contents = world.stream("records/contents")
        self._authors = world.stream("records/authors")
        self.published: list[Record] = []
        """In order of signing."""
        self._due: dict[bytes, tuple[int, int]] = {}
        """Record id -> (machine of its author, when it was durable there)."""
        self.arrivals_us: dict[bytes, dict[int, int]] = {}
        """Record id -> machine -> when it came there."""
        self.copies = 0
        self._sought: tuple[Record | None, Machine | None] = (None, None)
        world.observers.append(self)
        world.network.sniff = self._sniff

    def publish(self) -> None:
        """A running node, drawn at random, signs one record."""
        self.publish_at(self._authors.choice(self._world.up()))

    def publish_at(self, place: Place) -> None:
        """The node there signs one record, if it may sign now."""
        draft = Draft(cast("Body", Filler(self._contents.randbytes(CONTENT_BYTES))))

        def sign(node: Node) -> None:
            if node.may_sign:
                self.published.append(node.append(draft))

        place.tell(Act(sign))

    def _sniff(self, data: bytes) -> None:
        self.copies += data.count(self._mark)

    def committed(self, machine: Machine, batch: Sequence[Kept]) -> None:
        for kept in batch:
            if type(kept) is AppendRecord and kept.own:
                self._due[kept.record.id] = (machine.index, self._world.now_us)

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if type(effect) is AppendRecord and not effect.own:
                arrived = self.arrivals_us.setdefault(effect.record.id, {})
                arrived.setdefault(machine.index, self._world.now_us)

    def took_us(self, record: Record) -> dict[int, int]:
        """Machine -> how long the record took to get there."""
        if record.id not in self._due:
            return {}
        due_us = self._due[record.id][1]
        return {
            index: when_us - due_us
            for index, when_us in self.arrivals_us.get(record.id, {}).items()
        }

    def due_us(self, records: Iterable[Record]) -> dict[bytes, int]:
        """When each of the records was durable at its author, where that is a machine here."""
        return {r.id: self._due[r.id][1] for r in records if r.id in self._due}

    def author_of(self, record: Record) -> int:
        """The index of the machine that signed the record; -1 where it never became durable."""
        return self._due.get(record.id, (-1, 0))[0]

    def kept(self, first: int) -> list[Record]:
        """The records from `first` on that some running node has. The others were lost with their
        author before anybody else had them."""
        running = self._world.running()
        return [
            record for record in self.published[first:]
            if any(has(machine, record) for machine in running)
        ]

    def missing(self, first: int) -> int:
        """Pairs of such a record and a running node that lacks it."""
        running = self._world.running()
        return sum(
            not has(machine, record) for record in self.kept(first) for machine in running
        )

    def is_everywhere(self, first: int) -> bool:
        """Whether every running node has all records from `first` on that are not lost with their
        author; looks first where one was missing before."""
        running = self._world.running()
        record, machine = self._sought
        if (
            record is not None and machine is not None and machine.node is not None
            and not has(machine, record) and record in self.kept(first)
        ):
            return False
        for record in self.published[first:]:
            lacking = [machine for machine in running if not has(machine, record)]
            if lacking and len(lacking) < len(running):
                self._sought = (record, lacking[0])
                return False
        return True


def has(machine: Machine, record: Record) -> bool:
    """Whether the node there runs and has it."""
    return machine.node is not None and machine.node.logs.get(record.id) is not None


class SharedIsolated(Isolated):
    """The same in one process of several; all of them ask the same questions together.

    No node goes down in such a run, so no record is lost with its author.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._known = 0
        """So many records all processes have in `published`, in the same order."""

    def is_everywhere(self, first: int) -> bool:
        """Whether every running node of all processes has all records from `first` on."""
        self._learn()
        return all(self._world.gather(self._is_all_here(first)))

    def _learn(self) -> None:
        """Learn which records were signed in other processes."""
        own = [record.wire for record in self.published[self._known :]]
        del self.published[self._known :]
        for wires in self._world.gather(own):
            self.published += map(self._world.parse, wires)
        self._known = len(self.published)

    def _is_all_here(self, first: int) -> bool:
        record, machine = self._sought
        if record is not None and machine is not None and not has(machine, record):
            return False
        for record in self.published[first:]:
            for machine in self._world.running():
                if not has(machine, record):
                    self._sought = (record, machine)
                    return False
        return True
