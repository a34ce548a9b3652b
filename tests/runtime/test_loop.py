"""The order of a turn, with a node that only records what it is told."""
from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio
import trio.testing

from antsp2p.events import (
    Answer,
    BlobMissing,
    CancelTask,
    Committed,
    DatagramReceived,
    DatagramsReceived,
    Notice,
    PeerHint,
    RemoveRecords,
    SaveAddress,
    SendDatagram,
    WithdrawAgent,
    Woke,
)
from antsp2p.runtime import limits
from antsp2p.runtime.loop import Loop
from antsp2p.runtime.store import StoreError, StoreFull
from tests.runtime.test_store import ALICE, BOB, appends, chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from antsp2p.coordination.body import BlobRef
    from antsp2p.events import Address, Effect, Event
    from antsp2p.node import Node
    from antsp2p.runtime.store import Saved, Store

WHERE = ("192.0.2.1", 1)
STRANGE = "192.0.2.99"
OWN = chain(ALICE, 9)


class Recorder:
    """A node, a store and a world that write down what happens to them, in one list."""

    def __init__(self) -> None:
        self.trace: list[tuple[str, Any]] = []
        self.wake_at: int | None = None
        self.now_us = 0
        self.answers: dict[type, list[list[Effect]]] = {}
        self.is_full = False
        self.failure: Exception | None = None
        self.shed_commands = True
        self.on_event: Callable[[Event], None] = lambda event: None
        self.author = ALICE.author
        self.batches: list[int] = []
        self.before_commit: Callable[[], object] = lambda: None
        self._noted = trio.Event()

    def is_linked(self, address: Address, data: bytes) -> bool:
        return address[0] != STRANGE

    def is_bad(self, address: Address) -> bool:
        return False

    def note(self, kind: str, value: Any) -> None:
        self.trace.append((kind, value))
        self._noted.set()
        self._noted = trio.Event()

    async def until(self, kind: str, value: Any) -> None:
        """Return when this was noted."""
        while (kind, value) not in self.trace:
            await self._noted.wait()

    def handle(self, event: Event, now_us: int) -> list[Effect]:
        if isinstance(event, DatagramsReceived):
            self.batches.append(len(event.datagrams))
            return [effect for each in event.datagrams for effect in self.handle(each, now_us)]
        self.note("handle", event)
        if isinstance(event, Woke):
            self.wake_at = None
        self.on_event(event)
        effects = self.answers.get(type(event), [])
        return effects.pop(0) if effects else []

    def commit(self, batch: Sequence[Saved]) -> None:
        self.before_commit()
        if self.failure is not None:
            raise self.failure
        self.trace.append(("full" if self.is_full else "commit", list(batch)))
        if self.is_full:
            raise StoreFull("the disk is full")

    @contextmanager
    def slow_disk(self) -> Iterator[threading.Event]:
        """Commits wait until what the block is given was set."""
        written = threading.Event()
        self.before_commit = written.wait
        try:
            yield written
        finally:
            written.set()

    def perform(self, effect: Effect) -> None:
        self.note("perform", effect)

    def shed(self, event: Event) -> bool:
        if isinstance(event, CancelTask) and self.shed_commands:
            self.note("shed", event)
            return True
        return False

    def warn(self, text: str) -> None:
        self.note("warn", text)

    def loop(self, **options: Any) -> Loop:
        return Loop(
            cast("Node", self), cast("Store", self), now_us=lambda: self.now_us,
            perform=self.perform, shed=self.shed, warn=self.warn, **options,
        )

    def what(self, *kinds: str) -> list[Any]:
        return [value for kind, value in self.trace if not kinds or kind in kinds]


def datagram(number: int) -> DatagramReceived:
    return DatagramReceived(WHERE, b"%d" % number)


def arrive(loop: Loop, *numbers: int) -> None:
    for number in numbers:
        loop.offer_datagram(WHERE, datagram(number).data)
    loop.serve()


async def serve(loop: Loop, *events: Event) -> None:
    """Serve events and what follows from them, in as few turns as they take."""
    for event in events:
        if isinstance(event, DatagramReceived):
            loop.offer_datagram(event.address, event.data)
        else:
            await loop.put(event)
    assert await loop.finish()


async def test_a_turn_sends_then_commits_then_performs_the_rest_then_tells_the_node() -> None:
    world = Recorder()
    send, answer = SendDatagram(WHERE, b"x"), Answer(1)
    own, foreign = appends(OWN[:2], own=True), appends(chain(BOB, 1))
    saved = SaveAddress(BOB.author, WHERE)
    world.answers = {
        DatagramReceived: [[answer, own[0], foreign[0], send], [own[1], saved]],
        Committed: [[answer, send], []],
    }
    await serve(world.loop(), datagram(1), datagram(2))
    assert world.trace == [
        ("handle", datagram(1)), ("handle", datagram(2)),
        ("perform", send),
        ("commit", [own[0], foreign[0], own[1], saved]),
        ("perform", answer),
        ("handle", Committed(2)),
        ("perform", send), ("perform", answer),
    ]


async def test_turns_go_on_while_a_commit_is_under_way() -> None:
    world = Recorder()
    loop = world.loop()
    first, second = appends(OWN[:1], own=True), appends(OWN[1:2], own=True)
    send, answer = SendDatagram(WHERE, b"x"), Answer(1)
    world.answers = {DatagramReceived: [[*first], [*second, send, answer], [answer]]}
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            with world.slow_disk() as written:
                nursery.start_soon(loop.run)
                arrive(loop, 1)
                await world.until("handle", datagram(1))
                await trio.testing.wait_all_tasks_blocked()
                arrive(loop, 2)
                await world.until("perform", send)
                arrive(loop, 3)
                await world.until("handle", datagram(3))
                assert not world.what("commit")
                written.set()
                await world.until("handle", Committed(2))
            nursery.cancel_scope.cancel()
    after = world.trace[world.trace.index(("commit", first)):]
    assert after == [
        ("commit", first), ("handle", Committed(1)), ("commit", second), ("perform", answer),
        ("perform", answer), ("handle", Committed(2)),
    ]


async def test_a_commit_that_nobody_waits_for_lets_more_come(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = Recorder()
    told, heard, late = (Notice("task", name, {}) for name in (b"told", b"heard", b"late"))
    loop = world.loop(is_awaited=lambda effect: effect is heard)
    first, second, third = ([record] for record in appends(chain(BOB, 3)))
    world.answers = {DatagramReceived: [[*first, told], [*second, heard], [*third, late]]}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        arrive(loop, 1)
        arrive(loop, 2)
        await world.until("perform", heard)
        assert trio.current_time() == began
        arrive(loop, 3)
        await world.until("perform", late)
        assert trio.current_time() - began == pytest.approx(limits.GATHER_MS / 1_000)
        nursery.cancel_scope.cancel()
    assert world.what("commit", "perform") == [
        first + second, told, heard, third, late,
    ]


async def test_what_nobody_waits_for_is_gathered_also_while_a_commit_is_under_way(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = Recorder()
    loop = world.loop()
    foreign, own = appends(chain(BOB, 3)), appends(OWN, own=True)
    world.answers = {DatagramReceived: [[own[0]], [foreign[0]], [foreign[1]], [own[1]]]}
    async with trio.open_nursery() as nursery:
        with world.slow_disk() as written:
            nursery.start_soon(loop.run)
            arrive(loop, 1)
            await world.until("handle", datagram(1))
            # The loop's saving task runs only now; before that, all would be one commit.
            await trio.testing.wait_all_tasks_blocked()
            for number in (2, 3):
                arrive(loop, number)
                await world.until("handle", datagram(number))
            written.set()
            await world.until("handle", Committed(1))
        arrive(loop, 4)
        await world.until("handle", Committed(2))
        nursery.cancel_scope.cancel()
    assert world.what("commit") == [[own[0]], [foreign[0], foreign[1], own[1]]]


async def test_the_node_waits_where_too_much_is_unsaved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNSAVED_EFFECTS", 2)
    world = Recorder()
    loop = world.loop()
    foreign = appends(chain(BOB, 5))
    world.answers = {DatagramReceived: [[record] for record in foreign]}
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            with world.slow_disk() as written:
                nursery.start_soon(loop.run)
                await trio.testing.wait_all_tasks_blocked()
                for number in range(1, 6):
                    arrive(loop, number)
                    await trio.testing.wait_all_tasks_blocked()
                assert world.what("handle") == [datagram(number) for number in range(1, 5)]
                written.set()
                await world.until("handle", datagram(5))
            nursery.cancel_scope.cancel()
    assert await loop.finish()
    assert [record for batch in world.what("commit") for record in batch] == foreign


async def test_what_is_signed_anew_is_not_durable_because_its_like_was() -> None:
    world = Recorder()
    loop = world.loop()
    own = appends(OWN, own=True)
    world.answers = {DatagramReceived: [[*own[:5]], [RemoveRecords(ALICE.author, 3), own[2]]]}
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            with world.slow_disk() as written:
                nursery.start_soon(loop.run)
                arrive(loop, 1)
                await world.until("handle", datagram(1))
                await trio.testing.wait_all_tasks_blocked()
                arrive(loop, 2)
                await world.until("handle", datagram(2))
                written.set()
                await world.until("handle", Committed(3))
            nursery.cancel_scope.cancel()
    told = [event for event in world.what("handle") if isinstance(event, Committed)]
    assert told == [Committed(2), Committed(3)]


async def test_the_node_is_told_the_last_own_record_that_stays() -> None:
    world = Recorder()
    own = appends(OWN, own=True)
    world.answers = {
        DatagramReceived: [[own[7], own[8], RemoveRecords(ALICE.author, 2), own[1], own[2]],
                           [*appends(chain(BOB, 3))]],
    }
    await serve(world.loop(), datagram(1))
    await serve(world.loop(), datagram(2))
    assert world.what("handle") == [datagram(1), Committed(3), datagram(2)]


async def test_the_node_is_told_of_own_records_that_peers_gave_back() -> None:
    world = Recorder()
    own, given_back = appends(OWN[2:3], own=True), appends(OWN[:2])
    world.answers = {DatagramReceived: [[*given_back], [*own, *given_back]]}
    loop = world.loop()
    await serve(loop, datagram(1))
    await serve(loop, datagram(2))
    assert [e for e in world.what("handle") if isinstance(e, Committed)] == [
        Committed(2), Committed(3)]


async def test_what_follows_a_commit_is_committed_too() -> None:
    world = Recorder()
    own = appends(OWN[:2], own=True)
    send = SendDatagram(WHERE, b"x")
    world.answers = {DatagramReceived: [[own[0]]], Committed: [[own[1], send], []]}
    await serve(world.loop(), datagram(1))
    assert world.trace == [
        ("handle", datagram(1)), ("commit", [own[0]]), ("handle", Committed(1)),
        ("perform", send), ("commit", [own[1]]), ("handle", Committed(2)),
    ]


async def test_an_overdue_deadline_comes_before_a_full_inbox() -> None:
    world = Recorder()
    loop = world.loop()
    many = limits.INBOX_PER_PEER
    arrive(loop, *range(many + 5))
    world.wake_at, world.now_us = 10, 11
    handled = 0

    def make_overdue_again(event: Event) -> None:
        nonlocal handled
        handled += 1
        if handled == 3:
            world.wake_at = 10

    world.on_event = make_overdue_again
    await serve(loop)
    events = world.what("handle")
    assert events[0] == Woke()
    assert events[1 + limits.TURN_EVENTS] == Woke()
    assert events.count(Woke()) == 2
    assert len(events) == many + 2
    assert set(world.batches) == {limits.TURN_EVENTS}
    assert loop.drops == {"inbox-full": 5}


@pytest.mark.parametrize("by_datagram", [False, True])
async def test_the_deadline_is_read_afresh_each_turn(
    by_datagram: bool, autojump_clock: trio.testing.MockClock,
) -> None:
    world = Recorder()
    began = trio.current_time()
    loop = Loop(
        cast("Node", world), cast("Store", world),
        now_us=lambda: round((trio.current_time() - began) * 1_000_000),
        perform=world.perform, shed=world.shed, warn=world.warn,
    )
    world.wake_at = 60_000_000

    woken = trio.Event()

    def come_closer(event: Event) -> None:
        world.wake_at = None if isinstance(event, Woke) else 5_000_000
        if isinstance(event, Woke):
            woken.set()

    world.on_event = come_closer
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        await trio.sleep(1)
        if by_datagram:
            arrive(loop, 1)
        else:
            loop.offer(PeerHint(WHERE))
        await woken.wait()
        assert trio.current_time() - began == pytest.approx(5, abs=0.001)
        nursery.cancel_scope.cancel()


async def test_commands_find_a_place_in_a_flood() -> None:
    world = Recorder()
    loop = world.loop()
    arrive(loop, *range(2 * limits.INBOX_PER_PEER))
    for _ in range(2 * limits.INBOX_STRANGERS):
        loop.offer_datagram((STRANGE, 1), b"?")
    with trio.fail_after(5):
        for number in range(limits.INBOX_OWN):
            await loop.put(CancelTask(number, b""))
    assert loop.drops == {
        "inbox-full": limits.INBOX_PER_PEER, "inbox-strangers": limits.INBOX_STRANGERS,
    }


async def test_the_tap_sees_what_the_node_sees() -> None:
    world = Recorder()
    seen: list[tuple[int, Event]] = []
    world.now_us = 7
    world.answers = {DatagramReceived: [[*appends(OWN[:1], own=True)]]}
    await serve(world.loop(tap=lambda *call: seen.append(call)), datagram(1))
    assert seen == [(7, datagram(1)), (7, Committed(1))]


# --- a full disk ---------------------------------------------------------------------------------


FULL_LINE = "the disk is full; nothing is lost, and the node goes on when there is room"


async def test_a_full_disk_stops_the_loop_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "STORE_RETRY_MS", 1)
    world = Recorder()
    loop = world.loop()
    own = appends(OWN[:1], own=True)
    send = SendDatagram(WHERE, b"x")
    missing = BlobMissing(cast("BlobRef", None), "gone")
    withdraw = WithdrawAgent(2, "a")
    world.answers = {DatagramReceived: [[own[0], send]]}
    world.is_full = True
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            arrive(loop, 1)
            await world.until("warn", FULL_LINE)
            arrive(loop, 2)
            for event in (missing, withdraw, CancelTask(1, b"")):
                await loop.put(event)
            await world.until("shed", CancelTask(1, b""))
            assert loop.store_full == "the disk is full"
            assert world.what("handle") == [datagram(1)]
            assert world.what("perform") == [send]
            world.is_full = False
            await world.until("handle", withdraw)
            nursery.cancel_scope.cancel()
    assert not loop.store_full
    after = world.trace[world.trace.index(("commit", own)):]
    assert after == [
        ("commit", own), ("warn", "the disk has room again"), ("handle", Committed(1)),
        ("handle", missing), ("handle", withdraw),
    ]
    assert len(world.what("warn")) == 2
    assert loop.drops["store-full"] >= 1


async def test_what_a_full_disk_held_back_at_the_end_comes_first_if_there_is_room() -> None:
    world = Recorder()
    loop = world.loop()
    own = appends(OWN[:2], own=True)
    world.answers = {DatagramReceived: [[own[0]]], WithdrawAgent: [[own[1]]]}
    world.is_full = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        arrive(loop, 1)
        await world.until("warn", FULL_LINE)
        nursery.cancel_scope.cancel()
    await loop.put(WithdrawAgent(1, "a"))
    assert await loop.finish() is False
    assert not world.what("commit")
    world.is_full = False
    assert await loop.finish() is True
    assert world.what("commit") == [[own[0]], [own[1]]]


async def test_cancelling_never_parts_a_commit_from_what_follows() -> None:
    world = Recorder()
    loop = world.loop()
    own = appends(OWN[:1], own=True)
    answer = Answer(1)
    world.answers = {DatagramReceived: [[own[0], answer]]}
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            with world.slow_disk() as written:
                nursery.start_soon(loop.run)
                await trio.testing.wait_all_tasks_blocked()
                arrive(loop, 1)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
                written.set()
    assert world.trace == [
        ("handle", datagram(1)), ("commit", own), ("perform", answer), ("handle", Committed(1)),
    ]


async def test_a_broken_store_ends_the_loop_and_is_not_used_again() -> None:
    world = Recorder()
    loop = world.loop()
    world.answers = {DatagramReceived: [[*appends(OWN[:1], own=True)]]}
    world.failure = StoreError("the store is damaged")
    arrive(loop, 1)
    with pytest.raises(StoreError, match="damaged"):
        await loop.run()
    assert await loop.finish() is False
    assert world.what("handle") == [datagram(1)]
