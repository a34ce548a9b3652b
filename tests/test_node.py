"""One node alone and two on a perfect wire: the contract of `handle` and `wake_at`."""
from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antsp2p.coordination.judgement import DEFAULT_POLICY, Policy
from antsp2p.coordination.state import State
from antsp2p.events import (
    Answer,
    AppendRecord,
    CancelTask,
    Committed,
    DatagramReceived,
    DatagramsReceived,
    DecideTask,
    Effect,
    Event,
    FetchLogs,
    FinishClaim,
    LogsEnded,
    LogsReceived,
    Notice,
    PeerHint,
    PostTask,
    ReleaseClaim,
    SavePublished,
    SendDatagram,
    ServeCapability,
    StartWork,
    StopWork,
    WithdrawAgent,
    Woke,
)
from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.outputs import Learned, Output, Send
from antsp2p.gossip.wire import Entry, News
from antsp2p.history import StoredRecord
from antsp2p.node import Node
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, sign_record
from tests.gossip.protections import protection_of
from tests.wire_peer import plain_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from antsp2p.events import Address
    from antsp2p.records.record import Record

NETWORK = b"n" * 16
SECOND = 1_000_000


def make_node(
    name: str, history: list[Record] | None = None, boot: int = 1, published: int | None = None,
    *, is_lost: bool = False, send: Callable[[Address, bytes], None] | None = None,
    policy: Policy = DEFAULT_POLICY, answers: Iterable[tuple[bytes, bytes]] = (),
) -> Node:
    me = Identity.from_seed(name.encode().ljust(32))
    return Node(
        me, NETWORK, protection=protection_of(me, NETWORK, boot), boot=boot,
        instance=f"{name}{boot}".encode().ljust(8), rng=Random(name), now_us=0, wall_ms=0,
        history=[StoredRecord(record, 0) for record in history or []],
        fresh=not (history or is_lost), published=published, send=send, policy=policy,
        answers=answers,
    )


class Wire:
    """Nodes on a wire without loss or delay, each with a disk that commits when told."""

    def __init__(self, *names: str, policy: Policy = DEFAULT_POLICY) -> None:
        self.now_us = 0
        self.nodes = {name: make_node(name, policy=policy) for name in names}
        self.disks: dict[str, list[Record]] = {name: [] for name in names}
        self.effects: dict[str, list[Effect]] = {name: [] for name in names}
        self.log: dict[str, list[tuple[int, Event]]] = {name: [] for name in names}
        self.commits = True
        for name in names[1:]:
            self.give(name, PeerHint(self.address(names[0]), keep=True))

    def address(self, name: str) -> tuple[str, int]:
        return "127.0.0.1", 1_000 + sorted(self.nodes).index(name)

    def give(self, name: str, event: Event) -> list[Effect]:
        """Handle an event and all that follows at once; returns the node's effects."""
        start = len(self.effects[name])
        queue: list[tuple[str, Event]] = [(name, event)]
        while queue:
            to, next_event = queue.pop(0)
            self.log[to].append((self.now_us, next_event))
            effects = self.nodes[to].handle(next_event, self.now_us)
            self.effects[to].extend(effects)
            queue.extend(self._follow(to, effects))
        return self.effects[name][start:]

    def _follow(self, name: str, effects: list[Effect]) -> list[tuple[str, Event]]:
        follow: list[tuple[str, Event]] = []
        own_seq = 0
        for effect in effects:
            if isinstance(effect, SendDatagram):
                for other in self.nodes:
                    if self.address(other) == effect.address:
                        follow.append(
                            (other, DatagramReceived(self.address(name), effect.data)))
            elif isinstance(effect, AppendRecord):
                self.disks[name].append(effect.record)
                is_own = effect.record.author == self.nodes[name].author
                own_seq = effect.record.seq if is_own else own_seq
        if own_seq and self.commits:
            follow.append((name, Committed(own_seq)))
        return follow

    def run(self, seconds: float) -> None:
        end_us = self.now_us + int(seconds * SECOND)
        while True:
            due = [
                (node.wake_at, name) for name, node in self.nodes.items()
                if node.wake_at is not None
            ]
            if not due or min(due)[0] > end_us:
                break
            wake_at, name = min(due)
            self.now_us = max(self.now_us, wake_at)
            self.give(name, Woke())
        self.now_us = end_us

    def answer(self, name: str, event: Event) -> Answer:
        (answer,) = [e for e in self.give(name, event) if isinstance(e, Answer)]
        return answer

    def state(self, name: str, task: bytes) -> State:
        resolution = self.nodes[name].tasks.resolve(task)
        assert resolution is not None
        return resolution.state

    def started(self, name: str) -> list[StartWork]:
        return [e for e in self.effects[name] if isinstance(e, StartWork)]


def serving(*names: str) -> Wire:
    wire = Wire("poster", *names)
    for number, name in enumerate(names):
        assert not wire.answer(name, ServeCapability(number, "agent", "work")).refusal
    wire.run(2)
    return wire


def post(wire: Wire, **options: object) -> bytes:
    answer = wire.answer(
        "poster", PostTask(1, "work", b"input", settle_ms=0, **options))  # type: ignore[arg-type]
    task = answer.value["task"]
    assert isinstance(task, bytes)
    return task


def test_a_task_is_posted_claimed_done_and_accepted() -> None:
    wire = serving("worker")
    task = post(wire)
    (start,) = wire.started("worker")
    assert (start.task, start.epoch, start.input) == (task, 0, b"input")
    answer = wire.answer("worker", FinishClaim(9, start.claim, done=True, output=b"4"))
    assert answer.refusal == ""
    for name in ("poster", "worker"):
        assert wire.state(name, task) is State.ACCEPTED
    score = wire.nodes["poster"].ledger.score(wire.nodes["worker"].author, "work")
    assert score.known
    assert score.value_ppm > 0


def test_what_becomes_of_a_task_is_told_once() -> None:
    wire = serving("worker", "other", "third")
    task = post(wire)
    wire.run(1)
    (start, holder), *_ = [(s, name) for name in wire.nodes for s in wire.started(name)]
    wire.answer(holder, FinishClaim(9, start.claim, done=True, output=b"4"))
    wire.run(30)
    assert wire.state("poster", task) is State.ACCEPTED
    for effects in wire.effects.values():
        told = [
            sorted(e.detail.items()) for e in effects if isinstance(e, Notice) and e.kind == "task"
        ]
        assert told
        assert all(told.count(line) == 1 for line in told)


def test_one_task_has_one_holder_among_many_workers() -> None:
    wire = serving("a", "b", "c", "d")
    for _ in range(4):
        post(wire)
    wire.run(1)
    tasks = [start.task for name in "abcd" for start in wire.started(name)]
    assert len(tasks) == len(set(tasks)) == 4


def test_nothing_own_leaves_before_it_is_committed() -> None:
    wire = serving("worker")
    wire.commits = False
    effects = wire.give("poster", PostTask(1, "work", b"secret input", settle_ms=0))
    (appended,) = [e.record for e in effects if isinstance(e, AppendRecord) and e.own]
    wire.run(5)
    sent = [e.data for e in wire.effects["poster"] if isinstance(e, SendDatagram)]
    assert not any(appended.signature in data or appended.id[:8] in data for data in sent)
    assert not any(isinstance(e, Answer) and e.request == 1 for e in wire.effects["poster"][-99:])
    wire.give("poster", Committed(appended.seq))
    assert any(isinstance(e, Answer) and e.request == 1 for e in wire.effects["poster"])
    assert wire.nodes["worker"].logs.get(appended.id) is not None


def test_datagrams_leave_before_what_came_is_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = serving("worker")
    node = wire.nodes["worker"]
    receive_all = node.gossip.receive_all

    def and_pass_on(*args: Any, **options: Any) -> list[Output]:
        outputs = receive_all(*args, **options)
        passed_on = Send(("127.0.0.1", 9), b"as in a tree")
        return [*outputs, passed_on] if any(isinstance(o, Learned) for o in outputs) else outputs

    monkeypatch.setattr(node.gossip, "receive_all", and_pass_on)
    wire.effects["worker"].clear()
    task = post(wire)
    kinds = [
        effect if isinstance(effect, SendDatagram) else effect.record.id
        for effect in wire.effects["worker"] if isinstance(effect, SendDatagram | AppendRecord)
    ]
    assert kinds.index(SendDatagram(("127.0.0.1", 9), b"as in a tree")) < kinds.index(task)


def test_datagrams_go_where_they_are_wanted_before_the_turn_is_over() -> None:
    sent: list[Address] = []
    node = make_node("alone", send=lambda address, data: sent.append(address))
    effects = node.handle(PeerHint(("127.0.0.1", 9), keep=True), 0)
    assert sent == [("127.0.0.1", 9)]
    assert not [effect for effect in effects if isinstance(effect, SendDatagram)]


def test_a_failed_result_moves_the_task_to_another_worker() -> None:
    wire = serving("a", "b")
    task = post(wire)
    first = next(name for name in "ab" if wire.started(name))
    (start,) = wire.started(first)
    wire.answer(first, FinishClaim(5, start.claim, done=False, error="it broke"))
    wire.run(1)
    other = "b" if first == "a" else "a"
    (again,) = wire.started(other)
    assert (again.task, again.epoch) == (task, 1)


def test_an_agent_that_goes_away_gives_its_task_back_at_once() -> None:
    wire = serving("a", "b")
    post(wire)
    first = next(name for name in "ab" if wire.started(name))
    wire.answer(first, WithdrawAgent(6, "agent"))
    wire.run(1)
    assert wire.started("b" if first == "a" else "a")
    poster = wire.nodes["poster"]
    providers = [author for author, _ in poster.capabilities.providers("work")]
    assert wire.nodes[first].author not in providers


def test_a_cancelled_task_stops_the_work() -> None:
    wire = serving("worker")
    task = post(wire)
    assert wire.answer("poster", CancelTask(2, task)).refusal == ""
    assert any(isinstance(e, StopWork) for e in wire.effects["worker"])
    assert wire.state("worker", task) is State.CANCELLED


def test_a_late_result_is_refused_with_one_line() -> None:
    wire = serving("worker")
    task = post(wire)
    (start,) = wire.started("worker")
    wire.answer("poster", CancelTask(2, task))
    answer = wire.answer("worker", FinishClaim(3, start.claim, done=True, output=b""))
    assert answer.refusal == "the claim is no longer held: the result came too late"


def test_review_waits_and_a_rejection_tries_again() -> None:
    wire = serving("worker")
    task = post(wire, review=True)
    (start,) = wire.started("worker")
    wire.answer("worker", FinishClaim(3, start.claim, done=True, output=b"bad"))
    assert wire.state("poster", task) is State.DONE
    assert wire.answer("poster", DecideTask(4, task, accept=False, reason="no")).refusal == ""
    wire.run(1)
    again = wire.started("worker")[-1]
    assert again.epoch == 1
    wire.answer("worker", FinishClaim(5, again.claim, done=True, output=b"good"))
    wire.answer("poster", DecideTask(6, task, accept=True))
    assert wire.state("worker", task) is State.ACCEPTED
    refusal = wire.answer("poster", DecideTask(7, task, accept=True)).refusal
    assert refusal == "the task has ended already"


def test_an_idempotency_key_gives_the_same_task() -> None:
    wire = Wire("poster")
    first = wire.answer("poster", PostTask(1, "work", b"", idempotency_key=b"k"))
    second = wire.answer("poster", PostTask(2, "work", b"", idempotency_key=b"k"))
    assert first.value["task"] == second.value["task"]
    assert len(wire.disks["poster"]) == 1


def test_a_task_waits_for_those_it_comes_after() -> None:
    wire = serving("worker")
    first = post(wire)
    second = post(wire, after=(first,))
    (start,) = wire.started("worker")
    wire.answer("worker", FinishClaim(3, start.claim, done=True, output=b""))
    wire.run(1)
    assert [s.task for s in wire.started("worker")] == [first, second]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (PostTask(1, "Not A Name", b""), "capability is not allowed here"),
        (PostTask(1, "work", b"", lease_ms=1), "lease is not allowed here"),
        (PostTask(1, "work", b"x" * 401), "input is not allowed here"),
        (PostTask(1, "work", b"", attempts=0), "attempts is not allowed here"),
        (PostTask(1, "work", b"", after=(b"t" * 32,)), "is not a task that this node posted"),
        (CancelTask(1, b"t" * 32), "no task"),
        (DecideTask(1, b"t" * 32, accept=True), "no task"),
        (ServeCapability(1, "a", "work", slots=0), "slots must be at least 1"),
        (ReleaseClaim(1, b"c" * 32), "the claim is not held"),
    ],
)
def test_a_users_mistake_gets_one_line_and_changes_nothing(command: Event, line: str) -> None:
    wire = Wire("alone")
    refusal = wire.answer("alone", command).refusal
    assert line in refusal
    assert "\n" not in refusal
    assert wire.disks["alone"] == []


def test_a_restart_keeps_the_history_and_releases_what_nobody_works_on() -> None:
    wire = serving("worker")
    task = post(wire)
    history = list(wire.disks["worker"])
    reborn = make_node("worker", history, boot=2)
    resolution = reborn.tasks.resolve(task)
    assert resolution is not None
    assert resolution.holder is not None
    effects = reborn.handle(Woke(), 0)
    reopened = [e.record for e in effects if isinstance(e, AppendRecord)]
    assert [record.body[0] for record in reopened] == [task]
    assert not reborn.is_confirmed
    assert not any(isinstance(e, SendDatagram) for e in effects)


def test_records_that_never_left_are_held_back_again_after_a_restart() -> None:
    wire = Wire("alone")
    for number in range(3):
        wire.answer("alone", PostTask(number, "work", b"%d" % number))
    marks = [e.seq for e in wire.effects["alone"] if isinstance(e, SavePublished)]
    assert marks == [1, 2]  # It lags one batch behind.
    reborn = make_node("alone", wire.disks["alone"], boot=2, published=marks[-1])
    head = reborn.logs.head(reborn.author)
    assert head is not None
    assert head.seq == 2
    assert len(reborn.tasks.task_ids()) == 3


def test_a_log_of_events_replays_exactly() -> None:
    wire = serving("worker")
    post(wire)
    (start,) = wire.started("worker")
    wire.answer("worker", FinishClaim(3, start.claim, done=True, output=b"4"))
    wire.run(20)
    for name, log in wire.log.items():
        twin = make_node(name)
        replayed = [effect for now_us, event in log for effect in twin.handle(event, now_us)]
        assert replayed == wire.effects[name] or _plain(replayed) == _plain(wire.effects[name])
        assert twin.wake_at == wire.nodes[name].wake_at


def _plain(effects: list[Effect]) -> list[object]:
    """Records compare by identity; here by what they say."""
    return [
        (e.record.wire, e.age_ms, e.own) if isinstance(e, AppendRecord) else e for e in effects
    ]


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=1_300), max_size=20), st.integers(0, 10**7))
def test_a_strangers_bytes_never_raise(datagrams: list[bytes], step_us: int) -> None:
    node = make_node("target")
    for index, data in enumerate(datagrams):
        effects = node.handle(DatagramReceived(("192.0.2.1", 9), data), index * step_us)
        sent = sum(len(e.data) for e in effects if isinstance(e, SendDatagram))
        assert sent <= max(len(data), 0)
        assert not any(isinstance(e, Notice | AppendRecord) for e in effects)


def test_a_task_after_one_that_was_not_accepted_ends_too() -> None:
    wire = Wire("poster")
    first = post(wire)
    second = post(wire, after=(first,))
    third = post(wire, after=(second,))
    assert wire.answer("poster", CancelTask(9, first)).refusal == ""
    assert wire.state("poster", second) is State.CANCELLED
    assert wire.state("poster", third) is State.CANCELLED


def test_an_address_alone_is_no_sign_of_life() -> None:
    wire = serving("worker")
    post(wire)
    poster = wire.nodes["poster"]
    heard_us = poster.gossip.heard_us
    wire.now_us += SECOND
    wire.give("poster", DatagramReceived(wire.address("worker"), b"not from the worker at all"))
    assert poster.gossip.heard_us == heard_us


def test_commands_wait_while_peers_are_asked_where_our_log_ends() -> None:
    wire = serving("worker")
    post(wire)
    history = wire.disks["poster"]
    wire.nodes["poster"] = make_node("poster", history, boot=2)
    wire.give("poster", PeerHint(wire.address("worker"), keep=True))
    wire.run(0.1)
    assert wire.nodes["poster"].is_confirming
    before = len(wire.effects["poster"])
    wire.give("poster", PostTask(77, "work", b"later"))
    assert not any(isinstance(e, Answer) for e in wire.effects["poster"][before:])
    wire.run(3)
    (answer,) = [
        e for e in wire.effects["poster"][before:] if isinstance(e, Answer) and e.request == 77
    ]
    assert answer.refusal == ""
    assert len(wire.started("worker")) >= 1


def test_a_lost_log_that_peers_gave_back_is_shown_again_before_anything_new_is_signed() -> None:
    wire = serving("worker")
    post(wire)
    wire.run(5)
    count = wire.nodes["poster"].last_seq(wire.nodes["poster"].author)
    assert count
    wire.nodes["poster"] = reborn = make_node("poster", boot=2, is_lost=True)
    wire.give("poster", PeerHint(wire.address("worker"), keep=True))
    wire.run(5)
    assert reborn.is_confirmed
    assert not [r for r in wire.disks["poster"][:count] if reborn.logs.get(r.id) is None]
    assert reborn.last_seq(reborn.author) == count


def test_each_record_that_comes_with_others_is_stored_with_its_own_age() -> None:
    wire = Wire("early")
    wire.answer("early", PostTask(1, "work", b""))
    wire.run(100)
    wire.answer("early", PostTask(2, "work", b""))
    wire.nodes["late"] = make_node("late")
    wire.disks["late"], wire.effects["late"], wire.log["late"] = [], [], []
    wire.give("late", PeerHint(wire.address("early"), keep=True))
    wire.run(5)
    stored = [
        (e.record.seq, e.age_ms) for e in wire.effects["late"] if isinstance(e, AppendRecord)
    ]
    assert [seq for seq, _ in stored] == [1, 2]
    assert stored[0][1] >= 100_000 > stored[1][1]


def test_what_is_held_back_after_a_restart_ages_all_the_same() -> None:
    wire = Wire("alone")
    wire.nodes["alone"] = node = make_node("alone", boot=2, is_lost=True)
    task = wire.answer("alone", PostTask(1, "work", b"")).value["task"]
    offered = node.tasks.offer(task)
    assert offered is not None
    assert not node.is_confirmed
    assert node.gossip.age_ms(task, wire.now_us + 5 * SECOND) == 0
    assert node.age_ms(offered[0], wire.now_us + 5 * SECOND) == 5_000


def fall_behind(wire: Wire, name: str) -> int:
    """Let a node learn that much is missing; the number of its fetch."""
    parts = wire.nodes[name].gossip._parts
    absent = Identity.from_seed(b"absent".ljust(32)).author
    assert parts.bulk.take(parts.links.all()[0], absent, 5_000, wire.now_us)
    wire.run(1)
    (fetch,) = [e.fetch for e in wire.effects[name] if isinstance(e, FetchLogs)]
    assert wire.nodes[name].gossip.catching_up == 5_000
    return fetch


def test_a_node_that_is_far_behind_leaves_claims_to_others_until_it_has_caught_up() -> None:
    wire = serving("worker")
    fetch = fall_behind(wire, "worker")
    post(wire)
    wire.run(2)
    assert not wire.started("worker")
    wire.give("worker", LogsEnded(fetch, "refused"))
    wire.run(1)
    assert len(wire.started("worker")) == 1


def test_nobody_can_keep_a_node_from_claiming_for_long() -> None:
    wire = serving("worker")
    fetch = fall_behind(wire, "worker")
    bulk = wire.nodes["worker"].gossip._parts.bulk
    post(wire)
    for _ in range(7):
        wire.run(5)
        bulk.admit(fetch, (), wire.now_us)  # The stream lives on.
    assert bulk.missing == 5_000
    assert len(wire.started("worker")) == 1


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=60)), max_size=8))
def test_a_strangers_chunks_never_raise(chunks: list[tuple[int, bytes]]) -> None:
    wire = serving("worker")
    fall_behind(wire, "worker")
    for fetch, chunk in chunks:
        wire.give("worker", LogsReceived(fetch, chunk))
        wire.give("worker", LogsEnded(fetch + 1, "broken"))
    wire.run(1)


def in_one_row(
    wire: Wire, name: str, datagrams: list[bytes], *, more: bool = False
) -> DatagramsReceived:
    return DatagramsReceived(
        tuple(DatagramReceived(wire.address(name), data) for data in datagrams), more
    )


def pushes(wire: Wire, sender: str, receiver: str, count: int) -> tuple[list[bytes], list[Record]]:
    """Datagrams on the link to `receiver`, each with one new record of an author of its own."""
    (link,) = wire.nodes[sender].gossip._parts.links.all()
    assert link.author == wire.nodes[receiver].author
    records = [
        sign_record(
            Identity.from_seed(bytes((number,)) * 32), network=NETWORK, seq=1, prev=NO_PREV,
            type=0, body={}, claimed_ms=2**33,
        )
        for number in range(count)
    ]
    return [
        link.session.seal(plain_of(News(0, 1, (Entry(0, record.wire),))), wire.now_us)
        for record in records
    ], records


def test_what_is_only_read_is_done_with_what_follows() -> None:
    wire = Wire("a", "b")
    wire.run(2)
    datagrams, records = pushes(wire, "b", "a", 6)
    node = wire.nodes["a"]
    before = len(node.logs.authors())
    assert not [
        effect
        for effect in node.handle(in_one_row(wire, "b", datagrams[:3], more=True), wire.now_us)
        if isinstance(effect, AppendRecord)
    ]
    assert len(node.logs.authors()) == before
    effects = node.handle(in_one_row(wire, "b", datagrams[3:]), wire.now_us)
    saved = [effect.record for effect in effects if isinstance(effect, AppendRecord)]
    assert [record.id for record in saved] == [record.id for record in records]


def test_what_is_only_read_does_not_wait_long() -> None:
    wire = Wire("a", "b")
    wire.run(2)
    datagrams, records = pushes(wire, "b", "a", 3)
    node = wire.nodes["a"]
    node.handle(in_one_row(wire, "b", datagrams, more=True), wire.now_us)
    due_us = wire.now_us + DEFAULT_LIMITS.read_ahead_us
    assert node.wake_at is not None
    assert node.wake_at <= due_us
    effects = node.handle(Woke(), due_us)
    assert sum(isinstance(effect, AppendRecord) for effect in effects) == len(records)


def test_the_signatures_of_a_row_are_foreseen_but_none_of_a_stranger_and_none_twice() -> None:
    foreseen: list[tuple[bytes, bytes, bytes]] = []
    wire = Wire("a", "b")
    wire.run(2)
    datagrams, records = pushes(wire, "b", "a", 4)
    node = wire.nodes["a"]
    node.gossip._foresee = foreseen.extend
    stranger = DatagramsReceived(
        tuple(DatagramReceived(("192.0.2.1", 9), data) for data in datagrams)
    )
    node.handle(stranger, wire.now_us)
    assert foreseen == []
    node.handle(in_one_row(wire, "b", datagrams), wire.now_us)
    assert foreseen == [(r.author, r.signature, r.signed_bytes) for r in records]
    node.handle(in_one_row(wire, "b", datagrams), wire.now_us)
    assert len(foreseen) == len(records)


class ReadAhead(Wire):
    """Whatever comes is only read at first; the links are asked for after every event."""

    def _follow(self, name: str, effects: list[Effect]) -> list[tuple[str, Event]]:
        for link in self.nodes[name].gossip.links():
            assert link.used["link"] is not None
        return [
            (to, DatagramsReceived((each,), True) if isinstance(each, DatagramReceived) else each)
            for to, each in super()._follow(name, effects)
        ]


def test_a_link_stands_from_the_moment_at_which_its_greeting_was_read() -> None:
    wire = ReadAhead("a", "b", "c")
    wire.run(5)
    assert all(len(node.gossip.links()) == 2 for node in wire.nodes.values())
