"""What nodes know of each other after real tasks, and that the honest are never exposed."""
from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from antsp2p.coordination.body import MAX_HALF_LIFE_MS, Dispute, Reopen, content_hash, parse_body
from antsp2p.coordination.evidence import Deed, Kind
from antsp2p.coordination.first_seen import BUCKET_TICKS, TICK_MS
from antsp2p.coordination.judgement import DEFAULT_POLICY, Policy
from antsp2p.coordination.state import State
from antsp2p.events import (
    FinishClaim,
    LeaveMark,
    Notice,
    PeerHint,
    PostTask,
    ReportProgress,
    SaveAnswer,
    ServeCapability,
    VouchFor,
    Woke,
)
from antsp2p.history import StoredRecord
from antsp2p.node import Node
from antsp2p.records.keys import Identity
from tests.gossip.protections import protection_of
from tests.test_node import NETWORK, Wire, make_node, post, serving

if TYPE_CHECKING:
    from antsp2p.coordination.body import Body


def finish(wire: Wire, name: str, output: bytes = b"out") -> None:
    """The agent of the node delivers everything it has started."""
    for start in wire.started(name):
        if start.claim in wire.nodes[name].holding:
            wire.answer(name, FinishClaim(9, start.claim, done=True, output=output))


def said(wire: Wire, name: str) -> list[Body | None]:
    author = wire.nodes[name].author
    return [parse_body(record) for record in wire.disks[name] if record.author == author]


def deeds(wire: Wire, observer: str, subject: str) -> list[Deed]:
    return list(wire.nodes[observer].ledger.why(wire.nodes[subject].author))


def test_everybody_knows_what_became_of_a_claim() -> None:
    wire = serving("worker", "looker")
    post(wire)
    wire.run(1)
    for name in ("worker", "looker"):
        finish(wire, name)
    wire.run(1)
    worker = next(name for name in ("worker", "looker") if wire.started(name))
    looker = "looker" if worker == "worker" else "worker"
    for observer in ("poster", looker):
        (deed,) = deeds(wire, observer, worker)
        assert (deed.kind, deed.rater) == (Kind.ACCEPTED, wire.nodes["poster"].author)
    subject = wire.nodes[worker].author
    assert wire.nodes["poster"].ledger.score(subject).known
    assert not wire.nodes[looker].ledger.score(subject).known


def test_who_was_at_work_disputes_that_its_time_is_over_and_is_never_exposed() -> None:
    wire = serving("worker")
    post(wire, timeout_ms=4_000, attempts=2)
    (start,) = wire.started("worker")
    for _ in range(30):
        wire.run(0.1)
        if start.claim in wire.nodes["worker"].holding:
            wire.answer("worker", ReportProgress(7, start.claim, 1))
    bodies = said(wire, "worker")
    disputes = [body for body in bodies if isinstance(body, Dispute)]
    assert [body.claim for body in disputes] == [start.claim]
    assert len(wire.started("worker")) == 2  # It claimed again, and knows of everything.
    (deed,) = deeds(wire, "poster", "worker")
    assert deed.kind is Kind.OVERDUE
    assert deed.dispute


def test_who_comes_back_from_a_crash_is_not_exposed() -> None:
    wire = serving("worker", "other")
    post(wire, lease_ms=1_000)
    crashed = next(name for name in ("worker", "other") if wire.started(name))
    heir = "other" if crashed == "worker" else "worker"
    author = wire.nodes.pop(crashed).author
    wire.run(8)
    assert [deed.kind for deed in wire.nodes["poster"].ledger.why(author)] == [Kind.LAPSED]
    finish(wire, heir)
    reborn = make_node(crashed, wire.disks[crashed], boot=2)
    wire.nodes[crashed] = reborn
    wire.give(crashed, PeerHint(wire.address("poster"), keep=True))
    wire.run(8)
    wire.answer(crashed, ServeCapability(1, "agent", "work"))
    post(wire)
    wire.run(2)
    assert any(isinstance(body, Reopen) for body in said(wire, crashed))
    for name in ("poster", heir):
        found = wire.nodes[name].ledger.why(author)
        assert {deed.kind for deed in found} <= {Kind.LAPSED, Kind.RELEASED}, name


def test_when_something_was_seen_is_the_observers_own_and_comes_back_from_the_store() -> None:
    wire = serving("worker")
    post(wire)
    finish(wire, "worker")
    day_ms = BUCKET_TICKS * TICK_MS
    me = Identity.from_seed(b"poster".ljust(32))
    node = Node(
        me, NETWORK, protection=protection_of(me, NETWORK, 2), boot=2, instance=b"poster 2",
        rng=Random(1), now_us=0, wall_ms=5 * day_ms, fresh=False,
        # It is said to be nine days old, and came here three days ago.
        history=[StoredRecord(record, 9 * day_ms, 3 * day_ms) for record in wire.disks["poster"]],
    )
    node.handle(Woke(), 0)
    assert node.ledger.bucket == 5
    assert [deed.bucket for deed in node.ledger.why(wire.nodes["worker"].author)] == [2]


def test_a_person_stands_in_for_a_node_and_takes_it_back() -> None:
    wire = serving("worker")
    poster, worker = wire.nodes["poster"], wire.nodes["worker"]
    refusals = [
        wire.answer("poster", VouchFor(1, poster.author, days=1)).refusal,
        wire.answer("poster", VouchFor(1, worker.author)).refusal,
        wire.answer("poster", VouchFor(1, worker.author, weight=0, days=1)).refusal,
        wire.answer("poster", VouchFor(1, worker.author, days=367)).refusal,
    ]
    assert all(refusals)
    assert not any("\n" in line for line in refusals)
    assert not wire.answer("poster", VouchFor(2, worker.author, 3, days=9)).refusal
    for node in wire.nodes.values():
        given = node.meaning.vouches.given(poster.author, worker.author)
        assert given is not None
        assert (given.weight, given.until - given.since) == (3, 9)
    assert poster.ledger.score(worker.author).known
    assert not wire.answer("poster", VouchFor(3, worker.author)).refusal
    assert not poster.ledger.score(worker.author).known


def test_on_a_network_of_two_on_its_first_day_everything_works_under_any_policy() -> None:
    for policy in (
        DEFAULT_POLICY,
        Policy(replicas=7, strangers_ppm=0, debts=0, patience_ticks=0, grace_ppm=750_000),
        Policy(strangers_ppm=1_000_000, cheap_cost=1_000, bad_ppm=1_000_000, good_ppm=1_000_000),
    ):
        wire = Wire("poster", "worker", policy=policy)
        for requester, worker in (("poster", "worker"), ("worker", "poster")):
            assert not wire.answer(worker, ServeCapability(1, "agent", worker)).refusal
            wire.run(2)
            for number in range(3):
                answer = wire.answer(requester, PostTask(number + 5, worker, b"in"))
                wire.run(1)
                finish(wire, worker)
                wire.run(1)
                assert wire.state(requester, answer.value["task"]) is State.ACCEPTED, policy


def test_a_known_answer_is_asked_for_and_judged_by_the_node() -> None:
    wire = serving("worker")
    refused = wire.answer("poster", PostTask(1, "work", b"2+2", expected=b"4")).refusal
    assert refused
    wrong = post(wire, expected=content_hash(b"4"), attempts=1)
    finish(wire, "worker", b"5")
    wire.run(1)
    assert wire.state("poster", wrong) is State.DEAD_LETTERED
    assert [deed.kind for deed in deeds(wire, "poster", "worker")] == [Kind.REJECTED]
    right = post(wire, expected=content_hash(b"4"))
    finish(wire, "worker", b"4")
    assert wire.state("poster", right) is State.ACCEPTED


def test_a_known_answer_is_still_known_after_a_restart_and_forgotten_when_it_was_given() -> None:
    wire = serving("worker")
    task = post(wire, expected=content_hash(b"4"))

    def saved() -> dict[bytes, bytes]:
        return {
            each.task: each.answer for each in wire.effects["poster"]
            if isinstance(each, SaveAnswer)
        }

    assert saved() == {task: content_hash(b"4")}
    wire.nodes["poster"] = make_node(
        "poster", wire.disks["poster"], boot=2, answers=tuple(saved().items()))
    wire.give("poster", PeerHint(wire.address("worker"), keep=True))
    wire.run(5)
    finish(wire, "worker", b"5")
    wire.run(2)
    assert [deed.kind for deed in deeds(wire, "poster", "worker")] == [Kind.REJECTED]
    wire.nodes["poster"] = make_node(
        "poster", [], boot=3, is_lost=True, answers=tuple(saved().items()))
    wire.run(1)
    assert saved() == {task: b""}


def test_a_bad_peer_is_told_by_its_address() -> None:
    wire = serving("worker", "looker")
    for _ in range(5):
        post(wire, attempts=1)
        for name in ("worker", "looker"):
            for start in wire.started(name):
                if start.claim in wire.nodes[name].holding:
                    wire.answer(name, FinishClaim(9, start.claim, done=False, error="no"))
        wire.run(1)
    poster = wire.nodes["poster"]
    failed = {
        name for name in ("worker", "looker")
        if len(poster.ledger.why(wire.nodes[name].author)) > 1
    }
    assert failed
    for name in ("worker", "looker"):
        assert poster.is_bad(wire.address(name)) is (name in failed)
    assert not poster.is_bad(("192.0.2.1", 1))


def test_a_mark_is_told_to_watchers_where_it_is_the_latest_and_wiped_off_once() -> None:
    wire = serving("worker")
    assert "no mark" in wire.answer("worker", LeaveMark(1, "site.lab")).refusal
    assert "lower-case" in wire.answer("worker", LeaveMark(1, "Site Lab")).refusal
    assert "no text" in wire.answer("worker", LeaveMark(1, "site.lab", "x")).refusal
    assert wire.answer("worker", LeaveMark(1, "Site Lab", "", 1)).refusal
    assert wire.answer("worker", LeaveMark(1, "site.lab", "", MAX_HALF_LIFE_MS + 1)).refusal
    assert wire.answer("worker", LeaveMark(1, "site.lab", "x" * 301, 60_000)).refusal
    assert not wire.answer("worker", LeaveMark(1, "site.lab", "x" * 300, 60_000)).refusal
    wire.run(1)
    worker, poster = wire.nodes["worker"].author, wire.nodes["poster"]
    (trace,) = poster.blackboard.traces("site.lab", lambda *_: 0)
    assert trace is not None
    assert (trace.author, trace.mark.text) == (worker, "x" * 300)
    assert not wire.answer("worker", LeaveMark(1, "site.lab")).refusal
    wire.run(1)
    assert list(poster.blackboard.traces("site.lab", lambda *_: 0)) == []
    told = [
        (effect.subject, effect.detail["half_life_ms"]) for effect in wire.effects["poster"]
        if isinstance(effect, Notice) and effect.kind == "marked"
    ]
    assert told == [(worker, 60_000), (worker, 0)]
