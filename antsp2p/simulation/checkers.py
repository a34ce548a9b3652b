"""What must hold in every world, checked after every step.

Law: safety is checked always, liveness once the faults are over. A checker looks at what changed
in the step and at nothing else, so that checking costs less than what is checked. Everything here
reads nodes and never touches them.
"""
from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING

from antsp2p.coordination.body import Claim, RecordType, Verdict, parse_body
from antsp2p.events import (
    AppendRecord,
    Committed,
    Effect,
    Event,
    RemoveRecords,
    SaveProof,
    SendDatagram,
    StartWork,
    StopWork,
)
from antsp2p.simulation.limits import (
    FULL_COMPARISONS_UP_TO,
    MAX_REMEMBERED_ROOTS,
    SAMPLED_ROOTS,
    STOP_WORK_US,
)
from antsp2p.simulation.world import Observer, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.coordination.tasks import Resolution
    from antsp2p.node import Node
    from antsp2p.records.record import Record
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.workload import Posting, Workload


class OwnLogs(Observer):
    """Nothing own is sent before it is durable; what was sent is never signed over; no honest
    author is convicted; what was durable is there after a restart."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending: dict[int, list[Record]] = {}
        """Machine -> own records that the node has signed and not heard to be committed."""
        self._unsent: dict[bytes, dict[int, Record]] = {}
        self._shown: dict[tuple[bytes, int], bytes] = {}
        """(author, seq) -> the id that somebody else may have seen."""
        world.observers.append(self)

    def started(self, machine: Machine) -> None:
        assert machine.node is not None
        self._pending[machine.index] = []
        kept = machine.disk.own(machine.author)
        unsent = self._unsent.setdefault(machine.author, {})
        for seq in [seq for seq in unsent if seq not in kept]:
            del unsent[seq]
        self.compare_disk(machine)

    def compare_disk(self, machine: Machine) -> None:
        """Whether the node has all that its disk has; own records that it holds back come later."""
        node = machine.node
        assert node is not None
        for author, log in machine.disk.logs.items():
            holds_back = author == machine.author and not node.is_confirmed
            for seq, (record, _, _) in log.items():
                if holds_back and seq > machine.disk.published:
                    continue
                held = node.logs.at(author, seq)
                if held is None or held.id != record.id:
                    raise self._world.violation("durable", f"record {seq} is lost", machine)

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        pending = self._pending[machine.index]
        removed: dict[int, bytes] = {}
        if isinstance(event, Committed) and pending:
            pending[:] = [record for record in pending if record.seq > event.seq]
        for effect in effects:
            match effect:
                case SendDatagram(data=data):
                    if pending:
                        self._check_unsent(machine, data, pending)
                    self._note_shown(machine, data)
                case AppendRecord(record=record, own=True):
                    removed.pop(record.seq, None)
                    pending.append(record)
                    self._unsent.setdefault(record.author, {})[record.seq] = record
                case AppendRecord(record=record):
                    if record.author == machine.author:
                        removed.pop(record.seq, None)
                    self._show(machine, record)
                case RemoveRecords(author=author, first_seq=first_seq):
                    self._remove(machine, author, first_seq, pending)
                    removed |= self._shown_from(author, first_seq)
                case SaveProof(proof=proof):
                    what = f"author {proof.author.hex()[:8]} is convicted"
                    raise self._world.violation("fork", what, machine)
        if removed:
            what = f"shown records {min(removed)} to {max(removed)} are removed"
            raise self._world.violation("durable", what, machine)

    def _check_unsent(self, machine: Machine, data: bytes, pending: Sequence[Record]) -> None:
        for record in pending:
            if record.signature in data or record.id in data:
                what = f"own record {record.seq} is sent before it is durable"
                raise self._world.violation("durable", what, machine)

    def _note_shown(self, machine: Machine, data: bytes) -> None:
        unsent = self._unsent.get(machine.author)
        if not unsent:
            return
        for record in [record for record in unsent.values() if record.signature in data]:
            self._show(machine, record)
            del unsent[record.seq]

    def _show(self, machine: Machine, record: Record) -> None:
        place = (record.author, record.seq)
        if self._shown.setdefault(place, record.id) != record.id:
            what = f"author {record.author.hex()[:8]} has two records at {record.seq}"
            raise self._world.violation("fork", what, machine)

    def _shown_from(self, author: bytes, first_seq: int) -> dict[int, bytes]:
        """What others may have seen from `first_seq` on; it has no gaps."""
        shown: dict[int, bytes] = {}
        while (record_id := self._shown.get((author, first_seq + len(shown)))) is not None:
            shown[first_seq + len(shown)] = record_id
        return shown

    def _remove(
        self, machine: Machine, author: bytes, first_seq: int, pending: list[Record]
    ) -> None:
        if author != machine.author:
            what = f"author {author.hex()[:8]} loses its records from {first_seq} on"
            raise self._world.violation("durable", what, machine)
        pending[:] = [record for record in pending if record.seq < first_seq]
        unsent = self._unsent.get(author, {})
        for seq in [seq for seq in unsent if seq >= first_seq]:
            del unsent[seq]


def task_of(record: Record) -> bytes | None:
    """The task that a record names, or None. A void record may name anything."""
    if record.type == RecordType.OFFER:
        return record.id
    task = record.body.get(0)
    return task if isinstance(task, bytes) else None


class Tasks(Observer):
    """A task's epoch never goes back at a node, an end is never undone, everybody accepts the
    same result, and equal record sets give equal folds."""

    def __init__(self, world: World, workload: Workload) -> None:
        self._world = world
        self._workload = workload
        self._epochs: dict[int, dict[bytes, int]] = {}
        self._ends: dict[int, dict[bytes, bytes]] = {}
        self._accepted: dict[bytes, bytes] = {}
        self._folds: OrderedDict[bytes, tuple[bytes, bytes, bytes, int]] = OrderedDict()
        world.observers.append(self)

    def started(self, machine: Machine) -> None:
        assert machine.node is not None
        self._epochs[machine.index] = {}
        self._ends[machine.index] = {}
        self.look_at_all(machine)

    def look_at_all(self, machine: Machine) -> None:
        """Look at every task of a node, not only at those that the last step touched.

        After a restart a node folds in own records that it holds back until a peer has confirmed
        its head. Nobody else knows of them, and they may yet be signed anew: until then what the
        node believes binds nobody, and its folds are not those of its record set.
        """
        assert machine.node is not None
        if not machine.node.is_confirmed:
            return
        for task in machine.node.tasks.task_ids():
            self._look(machine, machine.node, task)

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        touched: dict[bytes, None] = {}
        changed = False
        for effect in effects:
            if isinstance(effect, AppendRecord):
                changed = True
                task = task_of(effect.record)
                if task is not None:
                    touched[task] = None
            elif isinstance(effect, RemoveRecords | SaveProof):
                changed = True
        if not changed:
            return
        node = machine.node
        assert node is not None
        if not node.is_confirmed:
            return
        for task in touched:
            self._look(machine, node, task)
        root = node.logs.root()
        if self._is_sampled(root):
            self.compare(machine)

    def _is_sampled(self, root: bytes) -> bool:
        size = len(self._world.machines) * len(self._workload.postings)
        return size <= FULL_COMPARISONS_UP_TO or root[0] % SAMPLED_ROOTS == 0

    def _look(self, machine: Machine, node: Node, task: bytes) -> None:
        resolution = node.tasks.resolve(task)
        if resolution is None:
            return
        epochs, ends = self._epochs[machine.index], self._ends[machine.index]
        if resolution.epoch < epochs.get(task, 0):
            what = f"task {task.hex()[:8]} goes back to epoch {resolution.epoch}"
            raise self._world.violation("epoch", what, machine)
        epochs[task] = resolution.epoch
        end = ends.get(task)
        if end is not None and (resolution.end is None or resolution.end.id != end):
            raise self._world.violation("end", f"the end of {task.hex()[:8]} is undone", machine)
        if resolution.end is not None:
            ends[task] = resolution.end.id
            self._note_accepted(machine, task, resolution.end)

    def _note_accepted(self, machine: Machine, task: bytes, end: Record) -> None:
        body = parse_body(end)
        if not isinstance(body, Verdict):
            return
        if self._accepted.setdefault(task, body.result) != body.result:
            what = f"task {task.hex()[:8]} has two accepted results"
            raise self._world.violation("accepted", what, machine)

    def compare(self, machine: Machine) -> None:
        """Compare this node's folds with those of whoever had the same root before."""
        node = machine.node
        assert node is not None
        root = node.logs.root()
        mine = (
            node.tasks.snapshot(), node.capabilities.snapshot(), node.meaning.marks.snapshot())
        known = self._folds.get(root)
        if known is None:
            self._folds[root] = (*mine, machine.index)
            if len(self._folds) > MAX_REMEMBERED_ROOTS:
                self._folds.popitem(last=False)
        elif known[:-1] != mine:
            what = f"the same records give another state than at node {known[-1]}"
            raise self._world.violation("convergence", what, machine)


class LostClaims(Observer):
    """No agent works on, for longer than a moment, under a claim that its node knows is lost."""

    def __init__(self, world: World, workload: Workload) -> None:
        self._world = world
        self._workload = workload
        self._running: dict[int, dict[bytes, StartWork]] = {}
        self._lost_us: dict[tuple[int, bytes], int] = {}
        world.observers.append(self)

    def started(self, machine: Machine) -> None:
        self._running[machine.index] = {}

    def crashed(self, machine: Machine) -> None:
        for claim in self._running.pop(machine.index, ()):
            self._lost_us.pop((machine.index, claim), None)

    def performed(self, machine: Machine, effect: Effect) -> None:
        if isinstance(effect, StartWork):
            self._running[machine.index][effect.claim] = effect
        elif isinstance(effect, StopWork):
            self._forget(machine.index, effect.claim)

    def _forget(self, machine: int, claim: bytes) -> None:
        self._running[machine].pop(claim, None)
        self._lost_us.pop((machine, claim), None)

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        running = self._running[machine.index]
        if not running:
            return
        assert machine.node is not None
        for claim, start in list(running.items()):
            place = (machine.index, claim)
            if place not in self._workload.runs:
                self._forget(*place)
                continue
            resolution = machine.node.tasks.resolve(start.task)
            if resolution is None or not _is_lost(resolution, claim):
                self._lost_us.pop(place, None)
            elif place not in self._lost_us:
                self._lost_us[place] = self._world.now_us
                self._world.after(STOP_WORK_US, self._due, machine, machine.generation, claim)

    def _due(self, machine: Machine, generation: int, claim: bytes) -> None:
        place = (machine.index, claim)
        since_us = self._lost_us.get(place)
        if machine.generation != generation or since_us is None:
            return
        if place not in self._workload.runs:
            self._forget(*place)
        elif machine.stalled:
            self._world.after(STOP_WORK_US, self._due, machine, generation, claim)
        elif self._world.now_us - since_us >= STOP_WORK_US:
            what = f"an agent still works under lost claim {claim.hex()[:8]}"
            raise self._world.violation("stop-work", what, machine)


def _is_lost(resolution: Resolution, claim: bytes) -> bool:
    return resolution.end is not None or (
        resolution.holder is not None and resolution.holder.id != claim
    )


class Checkers:
    """All of them, for one world; `finish` asks for liveness."""

    def __init__(self, world: World, workload: Workload) -> None:
        self._world = world
        self._workload = workload
        self.own_logs = OwnLogs(world)
        self.tasks = Tasks(world, workload)
        self.lost_claims = LostClaims(world, workload)

    def is_at_rest(self) -> bool:
        """Whether every posted task has ended and every node has the same records, none held."""
        world = self._world
        nodes = [machine.node for machine in world.machines]
        first = nodes[0]
        if first is None:
            return False
        root = first.logs.root()
        for node in nodes:
            if node is None or not node.is_confirmed or node.logs.root() != root:
                return False
        return all(self._has_ended(first, posting.task) for posting in self._live_postings())

    def _live_postings(self) -> list[Posting]:
        machines = self._world.machines
        return [p for p in self._workload.postings if machines[p.machine].author == p.author]

    def _has_ended(self, node: Node, task: bytes) -> bool:
        resolution = node.tasks.resolve(task) if task else None
        if resolution is not None and resolution.alias_of is not None:
            # Posted again after a loss, and then peers gave the first offer back: that is the task.
            resolution = node.tasks.resolve(resolution.alias_of)
        return resolution is not None and resolution.end is not None

    def finish(self) -> None:
        """Everything ended, everybody agrees. Call when the faults are over and time is up."""
        world = self._world
        for machine in world.machines:
            if machine.node is None:
                raise world.violation("liveness", "the node is down", machine)
            if not machine.node.is_confirmed:
                raise world.violation("liveness", "no peer confirms the node's head", machine)
            self.own_logs.compare_disk(machine)
            self.tasks.look_at_all(machine)
        for posting in self._live_postings():
            poster = world.machines[posting.machine]
            assert poster.node is not None
            if not self._has_ended(poster.node, posting.task):
                what = f"task {posting.number} ({posting.task.hex()[:8]}) has not ended"
                raise world.violation("liveness", what, poster)
        self._agree()

    def _agree(self) -> None:
        world = self._world
        roots = {machine.index: machine.node.logs.root() for machine in world.running()
                 if machine.node is not None}
        if len(set(roots.values())) > 1:
            counts = [sum(1 for _ in machine.node.logs.records()) for machine in world.running()
                      if machine.node is not None]
            raise world.violation("liveness", f"the nodes hold {counts} records and differ")
        for machine in world.running():
            self.tasks.compare(machine)
        if len({self._holders(machine) for machine in world.running()}) > 1:
            raise world.violation("holders", "equal roots and different holders")

    def _holders(self, machine: Machine) -> bytes:
        assert machine.node is not None
        return holders_digest(machine.node)


def holders_digest(node: Node) -> bytes:
    """SHA-256 over every task's holder, epoch and end, as this node sees them."""
    digest = hashlib.sha256()
    for task in node.tasks.task_ids():
        resolution = node.tasks.resolve(task)
        if resolution is None:
            continue
        digest.update(task)
        digest.update(b"-" if resolution.holder is None else resolution.holder.id)
        digest.update(b"-" if resolution.end is None else resolution.end.id)
        digest.update(b"%d" % resolution.epoch)
    return digest.digest()


def conflicts(node: Node) -> int:
    """(task, epoch) pairs in which more than one author claimed."""
    count = 0
    for task in node.tasks.task_ids():
        authors: dict[int, set[bytes]] = {}
        for record, body in node.tasks.claims(task):
            if isinstance(body, Claim):
                authors.setdefault(body.epoch, set()).add(record.author)
        count += sum(len(claimants) > 1 for claimants in authors.values())
    return count
