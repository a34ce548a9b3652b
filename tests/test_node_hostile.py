"""What a member with a good key may write: it neither stops a node nor uses up its tasks."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import Announce, Claim, Outcome, Reopen, ReopenReason, Result
from antsp2p.coordination.draft import Draft
from antsp2p.coordination.state import State
from antsp2p.decisions import MAX_LOOKS
from antsp2p.events import Answer, AppendRecord, FinishClaim, PostTask, ServeCapability, Woke
from antsp2p.gossip.outputs import BeatLearned
from antsp2p.records import log
from antsp2p.records.beat import sign_beat
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV
from tests.test_node import NETWORK, Wire, make_node, post

if TYPE_CHECKING:
    import pytest

    from antsp2p.coordination.body import Body
    from antsp2p.records.record import Record


def write(wire: Wire, name: str, *bodies: Body) -> list[Record]:
    """Records that no rule asked for, on their way with the node's next turn."""
    return [wire.nodes[name].append(Draft(body)) for body in bodies]


def finish(wire: Wire, name: str, task: bytes) -> None:
    wire.give(name, ServeCapability(90, "late", "work"))
    wire.run(10)
    (start,) = [start for start in wire.started(name) if start.task == task]
    assert not wire.answer(name, FinishClaim(91, start.claim, done=True, output=b"4")).refusal


def test_claims_given_back_beforehand_for_every_epoch_end_no_task() -> None:
    wire = Wire("poster", "mallory", "worker")
    wire.run(2)
    task = post(wire, attempts=3)
    for epoch in range(30):
        (claim,) = write(wire, "mallory", Claim(task, epoch))
        write(wire, "mallory", Reopen(task, epoch, claim.id, ReopenReason.RELEASED))
    wire.give("mallory", Woke())
    wire.run(3)
    assert wire.state("poster", task) is State.OPEN
    finish(wire, "worker", task)
    assert wire.state("poster", task) is State.ACCEPTED


def test_failures_written_beforehand_for_every_epoch_stop_no_requester() -> None:
    wire = Wire("poster", "worker", *(f"m{number}" for number in range(6)))
    wire.run(2)
    task = post(wire, attempts=100)
    for number in range(6):
        # Each opens one epoch, fails in the next and so on; together a staircase.
        name = f"m{number}"
        for epoch in range(12):
            (claim,) = write(wire, name, Claim(task, epoch))
            write(
                wire, name, Result(task, claim.id, Outcome.FAILED, b""),
                Reopen(task, epoch, claim.id, ReopenReason.RELEASED),
            )
    for number in range(6):
        wire.give(f"m{number}", Woke())
    wire.run(30)
    finish(wire, "worker", task)
    assert wire.state("poster", task) is State.ACCEPTED


def test_a_history_of_many_tasks_is_looked_at_in_turns() -> None:
    wire = Wire("poster")
    for number in range(MAX_LOOKS + 10):
        wire.give("poster", PostTask(number, "work", b""))
    node = make_node("poster", wire.disks["poster"], boot=2)
    assert node.wake_at == 0
    node.handle(Woke(), 0)
    assert node.wake_at == 0
    node.handle(Woke(), 0)
    assert node.wake_at is None or node.wake_at > 0


def test_a_network_full_of_authors_refuses_the_command_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other, late = make_node("other"), make_node("late")
    record = other.append(Draft(Announce("work")))
    assert late.logs.insert([record]).added
    monkeypatch.setattr(log, "MAX_AUTHORS", 1)
    (answer,) = late.handle(PostTask(1, "work", b""), 0)
    assert isinstance(answer, Answer)
    assert "no place" in answer.refusal


def test_a_text_that_is_no_unicode_stops_no_node() -> None:
    node = make_node("poster")
    node.nickname = "caf\udce9"
    (answer,) = (e for e in node.handle(PostTask(1, "\udce9", b""), 0) if isinstance(e, Answer))
    assert "Unicode" in answer.refusal
    served = node.handle(ServeCapability(2, "agent", "work", description="\udce9"), 0)
    assert any(isinstance(effect, AppendRecord) for effect in served)


def test_an_old_beat_replaces_nothing() -> None:
    wire = Wire("poster", "worker")
    wire.run(2)
    wire.give("worker", ServeCapability(1, "agent", "work"))
    wire.run(2)
    post(wire)
    wire.run(2)
    node, worker = wire.nodes["poster"], wire.nodes["worker"]
    latest = node.beats[worker.author]
    old = sign_beat(
        Identity.from_seed(b"worker".ljust(32)), network=NETWORK, counter=latest.counter - 1,
        head_seq=0, head=NO_PREV, free_slots=1, load=0, claims=[(1, 0)],
    )
    node.take([BeatLearned(old)])
    assert node.beats[worker.author] is latest
