"""Each checker fires on a world that is broken in exactly its way."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from antsp2p.coordination.body import Outcome, RecordType
from antsp2p.events import (
    Answer,
    AppendRecord,
    CancelTask,
    Committed,
    DatagramReceived,
    Effect,
    Event,
    RemoveRecords,
    SaveProof,
    SendDatagram,
    StartWork,
    StopWork,
)
from antsp2p.records.log import ForkProof
from antsp2p.records.record import sign_record
from antsp2p.simulation.faults import Crash
from antsp2p.simulation.machine import Machine, shipped_node
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.report import Simulation, build
from antsp2p.simulation.workload import PRETENDING
from antsp2p.simulation.world import Violation

if TYPE_CHECKING:
    from antsp2p.node import Node
    from antsp2p.records.record import Record

OPTIONS = SimulationOptions(nodes=3, tasks=6, seed=2, until_ms=30_000)
Spoil = Callable[["Broken", Event, list[Effect]], Sequence[Effect]]


class Broken:
    """The shipped node with one defect: `spoil` changes what it does."""

    def __init__(self, machine: Machine, node: Node, spoil: Spoil) -> None:
        self.machine = machine
        self.node = node
        self.spoil = spoil
        self.notes: dict[str, Any] = {}

    def handle(self, event: Event, now_us: int) -> list[Effect]:
        return list(self.spoil(self, event, self.node.handle(event, now_us)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)


def world_with(spoil: Spoil, options: SimulationOptions = OPTIONS) -> Simulation:
    """A world in which node 0 is broken."""

    def make(machine: Machine) -> Node:
        node = shipped_node(machine)
        return cast("Node", Broken(machine, node, spoil)) if machine.index == 0 else node

    return build(options, make_node=make)


def violation_of(simulation: Simulation) -> str:
    with pytest.raises(Violation) as caught:
        simulation.run()
    text = str(caught.value)
    assert "Replay: antsp2p simulate" in text
    return text


def appended(effects: Iterable[Effect], own: bool) -> list[Record]:
    return [e.record for e in effects if isinstance(e, AppendRecord) and e.own is own]


def another(machine: Machine, record: Record) -> Record:
    """A second record of the machine's author at the same place."""
    return sign_record(
        machine.identity, network=record.network, seq=record.seq, prev=record.prev,
        type=RecordType.MARK, body={}, claimed_ms=record.claimed_ms,
    )


# --- own logs ----------------------------------------------------------------------------------


def send_at_once(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    target = broken.machine.world.machines[1].address
    return [*effects, *(SendDatagram(target, r.wire) for r in appended(effects, own=True))]


def test_sending_before_the_commit() -> None:
    assert violation_of(world_with(send_at_once)).startswith(
        "durable: own record 1 is sent before it is durable at node 0"
    )


def name_at_once(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    target = broken.machine.world.machines[1].address
    return [*effects, *(SendDatagram(target, b"x" + r.id) for r in appended(effects, own=True))]


def test_naming_a_record_before_its_commit() -> None:
    assert "is sent before it is durable" in violation_of(world_with(name_at_once))


def sign_twice(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    """Once the first own record is out, another one at its place is kept and sent."""
    for record in appended(effects, own=True):
        broken.notes.setdefault("first", record)
    sends = any(isinstance(effect, SendDatagram) for effect in effects)
    first = broken.notes.get("first")
    if first is None or not isinstance(event, Committed) or not sends or "done" in broken.notes:
        return effects
    broken.notes["done"] = True
    second = another(broken.machine, first)
    broken.machine.world.after(5_000, broken.machine.tell, Committed(1))
    broken.notes["second"] = second
    return [*effects, AppendRecord(second, 0, own=True)]


def and_show_it(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    effects = list(sign_twice(broken, event, effects))
    second = broken.notes.get("second")
    if second is not None and isinstance(event, DatagramReceived) and "told" in broken.notes:
        target = broken.machine.world.machines[1].address
        effects.append(SendDatagram(target, second.wire))
    if second is not None and isinstance(event, Committed):
        broken.notes["told"] = True
    return effects


def test_signing_a_second_record_at_a_place_that_others_have_seen() -> None:
    assert "has two records at 1" in violation_of(world_with(and_show_it))


def take_back(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    if isinstance(event, Committed) and event.seq >= 2:
        return [*effects, RemoveRecords(broken.machine.author, 1)]
    return effects


def test_removing_records_that_others_have_seen() -> None:
    assert "durable: shown records 1 to" in violation_of(world_with(take_back))


def convict(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    records = appended(effects, own=False)
    if not records:
        return effects
    proof = ForkProof(records[0].author, records[0].seq, (records[0],), (records[0],))
    return [*effects, SaveProof(proof)]


def test_convicting_an_honest_author() -> None:
    text = violation_of(world_with(convict))
    assert text.startswith("fork: author ")
    assert "is convicted" in text


def test_forgetting_records_over_a_restart() -> None:
    def make(machine: Machine) -> Node:
        if machine.disk.boot == 1:
            return shipped_node(machine)
        whole = machine.disk
        machine.disk = whole.copy()
        machine.disk.logs.pop(max(whole.logs))
        node = shipped_node(machine)
        machine.disk = whole
        return node

    simulation = build(OPTIONS, faults=(Crash(1_000, (10, 20)),), make_node=make)
    assert "durable: record" in violation_of(simulation)


# --- tasks -------------------------------------------------------------------------------------


class Seen:
    """A fold of the node, seen through a changed answer."""

    def __init__(self, fold: Any, **changed: Callable[..., Any]) -> None:
        self._fold = fold
        self._changed = changed

    def __getattr__(self, name: str) -> Any:
        change = self._changed.get(name)
        real = getattr(self._fold, name)
        return real if change is None else lambda *args: change(real(*args))


class BrokenFold(Broken):
    """The shipped node whose checkers see a changed fold."""

    tasks: Any


def fold_with(options: SimulationOptions = OPTIONS, **changed: Callable[..., Any]) -> Simulation:
    def make(machine: Machine) -> Node:
        node = shipped_node(machine)
        if machine.index != 0:
            return node
        broken = BrokenFold(machine, node, lambda broken, event, effects: effects)
        broken.tasks = Seen(node.tasks, **changed)
        return cast("Node", broken)

    return build(options, make_node=make)


def test_an_epoch_that_goes_back() -> None:
    counted = iter(range(10_000, 0, -1))
    simulation = fold_with(resolve=lambda real: real and real._replace(epoch=next(counted)))
    assert "goes back to epoch" in violation_of(simulation)


def test_an_end_that_is_undone() -> None:
    ended: set[bytes] = set()

    def forget(real: Any) -> Any:
        if real is None or real.end is None:
            return real
        if real.task in ended:
            return real._replace(end=None)
        ended.add(real.task)
        return real

    assert "is undone" in violation_of(fold_with(resolve=forget))


def test_two_accepted_results() -> None:
    """Node 0 takes the verdict on one task for the end of all of them."""
    verdicts: dict[str, Any] = {}

    def confuse(real: Any) -> Any:
        if real is None or real.end is None:
            return real
        return real._replace(end=verdicts.setdefault("first", real.end))

    assert "has two accepted results" in violation_of(fold_with(resolve=confuse))


def test_equal_records_and_unequal_folds() -> None:
    text = violation_of(fold_with(snapshot=lambda real: b"another"))
    assert text.startswith("convergence: the same records give another state")


# --- agents ------------------------------------------------------------------------------------


def keep_working(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    return [effect for effect in effects if not isinstance(effect, StopWork)]


def test_working_on_under_a_lost_claim() -> None:
    simulation = world_with(keep_working, replace(OPTIONS, tasks=0, capabilities=3))
    world, workload = simulation.world, simulation.workload
    workload.add_agent(world.machines[0], "long", PRETENDING)
    posting = workload.post(world.machines[1], "long", 500_000)
    world.after(3_000_000, lambda: workload.call(
        world.machines[1], lambda request: CancelTask(request, posting.task)
    ))
    with pytest.raises(Violation, match="an agent still works under lost claim"):
        world.run(10_000_000)


def start_twice(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    return [*effects, *(effect for effect in effects if isinstance(effect, StartWork))]


def test_starting_a_claim_twice() -> None:
    assert "a claim was started twice" in violation_of(world_with(start_twice))


def answer_twice(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    return [*effects, *(effect for effect in effects if isinstance(effect, Answer))]


def test_answering_twice() -> None:
    assert "is answered twice" in violation_of(world_with(answer_twice))


def answer_early(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    offers = [r for r in appended(effects, own=True) if r.type == RecordType.OFFER]
    request = getattr(event, "request", 0)
    broken.machine.disk.logs.clear()
    return [*effects, *(Answer(request, {"task": bytes(32)}) for _ in offers)]


def test_answering_before_the_task_is_durable() -> None:
    assert "answered before it was durable" in violation_of(world_with(answer_early))


def test_two_nodes_on_one_task_are_counted() -> None:
    """Node 0 starts at once whatever it sees started, under a claim of its own invention."""
    simulation = build(replace(OPTIONS, tasks=0, capabilities=3))
    world, workload = simulation.world, simulation.workload
    world.run(500_000)
    for machine in world.machines[:2]:
        claim = bytes([machine.index]) * 32
        workload.performed(machine, StartWork(
            "agent", claim, bytes(32), 0, f"work.{machine.index}", b"", "a/b", bytes(32), ()
        ))
    assert workload.duplicate_runs == 1


# --- liveness ----------------------------------------------------------------------------------


def deaf(broken: Broken, event: Event, effects: list[Effect]) -> Sequence[Effect]:
    return [effect for effect in effects if not isinstance(effect, SendDatagram)]


def test_a_world_that_does_not_come_to_rest() -> None:
    assert violation_of(world_with(deaf, replace(OPTIONS, until_ms=5_000))).startswith("liveness:")


def test_a_result_is_right_only_if_it_is_what_an_honest_agent_delivers() -> None:
    from antsp2p.coordination.body import Result
    from antsp2p.simulation.workload import expected_output

    simulation = build(replace(OPTIONS, tasks=1))
    posting = simulation.workload.postings[0]
    right = Result(b"", b"", Outcome.DONE, output=expected_output(posting.input))
    assert simulation.workload.is_right(posting, right)
    assert not simulation.workload.is_right(posting, replace(right, output=b"nonsense"))
