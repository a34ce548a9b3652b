"""The turn of a real node: one inbox, one consumer, one deadline read afresh each turn.

Law: datagrams leave at once, and what is to be kept is saved behind the node's back, one commit at
a time, in order. Everything else that a turn brought forth waits until that is durable, and then
the node is told. An own record is safe before it leaves, because the node shows it to nobody until
it has been told. An overdue deadline is served before a full inbox. What waits to be saved is
bounded: then the node waits too. A full disk stops the loop and loses nothing; the node sees the
gap in its time, as after any standstill. No rule of the protocol is here.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from antsp2p.events import (
    AppendRecord,
    Committed,
    DatagramReceived,
    DatagramsReceived,
    PeerHint,
    RemoveRecords,
    SaveAddress,
    SaveAnswer,
    SaveProof,
    SavePublished,
    SendDatagram,
    Woke,
)
from antsp2p.runtime import limits
from antsp2p.runtime.inbox import Inbox
from antsp2p.runtime.nursery import open_inner_nursery
from antsp2p.runtime.store import StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.events import Address, Effect, Event
    from antsp2p.node import Node
    from antsp2p.runtime.store import Saved, Store

_SAVED = (AppendRecord, RemoveRecords, SaveProof, SavePublished, SaveAnswer, SaveAddress)


@dataclass(slots=True)
class _Batch:
    """What one commit saves, and what waits for it."""

    saved: list[Saved] = field(default_factory=list)
    rest: list[Effect] = field(default_factory=list)
    is_awaited: bool = False
    """Whether somebody waits for the rest."""
    own_seq: int | None = None
    """The last own record that the batch leaves in the store, if it brings any."""

    @property
    def is_urgent(self) -> bool:
        """Whether anybody waits for the commit; what others signed, they have as well."""
        return self.own_seq is not None or self.is_awaited


class Loop:
    """Feeds one node its events and carries out their effects, in the one safe order.

    `perform` is given every effect that is not for the store; `is_awaited` says whether anybody
    waits for one; `shed` is given the events that a full disk leaves no room for, and says whether
    it took them; what it leaves waits.
    """

    def __init__(
        self,
        node: Node,
        store: Store,
        *,
        now_us: Callable[[], int],
        perform: Callable[[Effect], None],
        shed: Callable[[Event], bool],
        warn: Callable[[str], None],
        is_awaited: Callable[[Effect], bool] = lambda effect: True,
        tap: Callable[[int, Event], None] | None = None,
    ) -> None:
        self._node = node
        self._store = store
        self._now_us = now_us
        self._perform = perform
        self._shed = shed
        self._warn = warn
        self._is_awaited = is_awaited
        self._tap = tap
        self._inbox = Inbox(node.is_linked, node.is_bad)
        self._kept: list[Event] = []
        self._next = _Batch()
        self._writing: _Batch | None = None
        """The batch whose commit is under way, or that a full disk has refused so far."""
        self._saving = trio.lowlevel.ParkingLot()
        self._urgent = trio.lowlevel.ParkingLot()
        """Where a commit that nobody waits for lets more come, so that it is one and not many."""
        self._sleeps_until_us: int | None = None
        """The deadline for which `run` sleeps; None where it does not sleep for one."""
        self._sleep = trio.CancelScope()
        """The sleep of `run`; it may be made shorter."""
        self._is_running = False
        self._room = trio.lowlevel.ParkingLot()
        self._disk = trio.CapacityLimiter(1)
        self.store_full = ""
        """Not empty: the disk is full, and this line says so."""
        self._drops: Counter[str] = Counter()
        self._broken = False

    @property
    def drops(self) -> Counter[str]:
        """Events that found no place, by reason."""
        return self._drops + self._inbox.drops

    # --- what comes in ----------------------------------------------------------------------------

    def offer_datagram(self, address: Address, data: bytes) -> None:
        """Take a datagram, or count its loss."""
        if self.store_full:
            self._drops["store-full"] += 1
        else:
            self._inbox.offer_datagram(address, data)

    def offer(self, hint: PeerHint) -> None:
        """Take an event that may be lost, or count its loss."""
        if self.store_full:
            self._drops["store-full"] += 1
        else:
            self._inbox.offer(hint)

    async def put(self, event: Event) -> None:
        """Take an event that must not be lost; waits for its place."""
        await self._inbox.put(event)

    # --- the turn ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve events and deadlines until cancelled."""
        async with open_inner_nursery() as nursery:
            nursery.start_soon(self._save)
            self._is_running = True
            try:
                while True:
                    await self._wait()
                    if self._has_room:
                        self._turn()
            finally:
                self._is_running = False

    def serve(self) -> None:
        """Have a turn now, in the task that brought the events: waking another one costs more than
        most turns do. What is left, and what is due, is for `run`."""
        if self._is_running and self._has_room:
            self._turn()
        wake_at, sleeps_until_us = self._node.wake_at, self._sleeps_until_us
        if self._kept or len(self._inbox):
            self._inbox.wake()
        elif wake_at is not None and (sleeps_until_us is None or wake_at < sleeps_until_us):
            if sleeps_until_us is None:
                self._inbox.wake()
            else:
                # To let it sleep on, and less, costs a small part of waking it for that.
                self._sleeps_until_us = wake_at
                self._sleep.deadline -= (sleeps_until_us - wake_at) / 1_000_000

    async def _wait(self) -> None:
        """Return when there is something to do."""
        while not self._has_room:
            await self._room.park()
        wake_at = self._node.wake_at
        left_us = 1 if wake_at is None else wake_at - self._now_us()
        if left_us <= 0 or self._kept:
            # Others must run, however many deadlines there are.
            await trio.lowlevel.checkpoint()
        elif wake_at is None:
            await self._inbox.wait()
        else:
            self._sleeps_until_us = wake_at
            with trio.move_on_after(left_us / 1_000_000) as self._sleep:
                await self._inbox.wait()
            self._sleeps_until_us = None

    @property
    def _has_room(self) -> bool:
        """Whether what comes of a turn can be kept."""
        return not self.store_full and len(self._next.saved) < limits.UNSAVED_EFFECTS

    def _turn(self) -> None:
        """Serve the deadline, then a bounded number of events."""
        try:
            wake_at = self._node.wake_at
            if wake_at is not None and wake_at <= self._now_us():
                self._handle(Woke())
            kept, self._kept = self._kept, []
            kept += self._inbox.take(max(0, limits.TURN_EVENTS - len(kept)))
            for event in _joined(kept, self._inbox.has_linked):
                self._handle(event)
        except Exception:
            self._broken = True
            raise

    def _handle(self, event: Event) -> None:
        now_us = self._now_us()
        if self._tap is not None:
            self._tap(now_us, event)
        self._carry_out(self._node.handle(event, now_us))

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        """Send, have saved what is to be saved, and do the rest when that is durable."""
        batch = self._next
        rest: list[Effect] = []
        for effect in effects:
            if isinstance(effect, SendDatagram):
                self._perform(effect)
            elif isinstance(effect, _SAVED):
                batch.saved.append(effect)
                if isinstance(effect, AppendRecord):
                    # Own ones that peers gave back, too: until told, the node shows them to nobody.
                    if effect.record.author == self._node.author:
                        batch.own_seq = max(batch.own_seq or 0, effect.record.seq)
                elif isinstance(effect, RemoveRecords) and effect.author == self._node.author:
                    self._forget_own(effect.first_seq)
            else:
                rest.append(effect)
        if batch.saved or batch.rest or self._writing is not None:
            batch.rest += rest
            batch.is_awaited = batch.is_awaited or any(map(self._is_awaited, rest))
            self._saving.unpark()
            if batch.is_urgent or not self._has_room:
                self._urgent.unpark()
        else:
            for effect in rest:
                self._perform(effect)

    def _forget_own(self, first_seq: int) -> None:
        """Own records from `first_seq` on are to be signed anew: the old ones, once durable, say
        nothing about the new."""
        for batch in (self._writing, self._next):
            if batch is not None and batch.own_seq is not None:
                batch.own_seq = min(batch.own_seq, first_seq - 1)

    async def finish(self) -> bool:
        """When `run` has ended: serve what is left, if the loop is whole and the disk has room."""
        if self._broken or not await self._save_all():
            return False
        while self._kept or len(self._inbox):
            self._turn()
            while not await self._save_all():
                await self._pause()
        return True

    # --- the store --------------------------------------------------------------------------------

    async def _save(self) -> None:
        """Commit what there is to commit, again and again, until cancelled.

        What a full disk refuses stays in front of whatever is saved later.
        """
        while True:
            if not self._is_unsaved:
                await self._saving.park()
            if self._writing is None and not self._next.is_urgent and self._has_room:
                # Also right after another commit: whoever comes next would have to wait for both.
                with trio.move_on_after(limits.GATHER_MS / 1_000):
                    await self._urgent.park()
            while not await self._save_next():
                await self._pause()

    @property
    def _is_unsaved(self) -> bool:
        return self._writing is not None or bool(self._next.saved or self._next.rest)

    async def _pause(self) -> None:
        self._shed_inbox()
        await trio.sleep(limits.STORE_RETRY_MS / 1_000)

    async def _save_all(self) -> bool:
        """Commit until nothing is unsaved; False where the disk has no room."""
        while self._is_unsaved:
            if not await self._save_next():
                return False
        return True

    async def _save_next(self) -> bool:
        """Commit what is first; False where the disk has no room."""
        if self._writing is None:
            self._writing, self._next = self._next, _Batch()
        if not await self._commit(self._writing.saved):
            return False
        batch, self._writing = self._writing, None
        self._room.unpark_all()
        for effect in batch.rest:
            self._perform(effect)
        if batch.own_seq:
            self._handle(Committed(batch.own_seq))
        return True

    async def _commit(self, batch: Sequence[Saved]) -> bool:
        """Make the batch durable, if the disk has room. Never cancelled in the middle."""
        try:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._store.commit, batch, limiter=self._disk)
        except StoreFull as error:
            if not self.store_full:
                self._warn(f"{error}; nothing is lost, and the node goes on when there is room")
            self.store_full = str(error)
            return False
        except Exception:
            self._broken = True
            raise
        if self.store_full:
            self.store_full = ""
            self._warn("the disk has room again")
        return True

    def _shed_inbox(self) -> None:
        self._drops["store-full"] += self._inbox.drop_datagrams()
        while (event := self._inbox.take_own()) is not None:
            if isinstance(event, PeerHint):
                self._drops["store-full"] += 1
            elif not self._shed(event):
                self._kept.append(event)

    def close(self) -> None:
        self._inbox.close()


def _joined(events: Sequence[Event], more: bool) -> list[Event]:
    """The events, with datagrams that stand in a row made one event. `more`: others follow."""
    joined: list[Event] = []
    row: list[DatagramReceived] = []
    for event in events:
        if isinstance(event, DatagramReceived):
            row.append(event)
            continue
        joined += _as_one(row, False)
        row = []
        joined.append(event)
    return joined + _as_one(row, more)


def _as_one(row: list[DatagramReceived], more: bool) -> list[Event]:
    return [DatagramsReceived(tuple(row), more)] if len(row) > 1 else list(row)
