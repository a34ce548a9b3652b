"""The turn of a real node: one inbox, one consumer, one deadline read afresh each turn.

Law: everything a turn brought forth is durable before anything of it leaves. First the commit,
then the datagrams and the answers, then the node is told what is durable. An overdue deadline is
served before a full inbox. A full disk stops the loop and loses nothing; the node sees the gap in
its time, as after any standstill. No rule of the protocol is here.
"""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import trio

from antsp2p.events import (
    AppendRecord,
    Committed,
    DatagramReceived,
    PeerHint,
    RemoveRecords,
    SaveAddress,
    SaveProof,
    SavePublished,
    Woke,
)
from antsp2p.runtime import limits
from antsp2p.runtime.store import StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from antsp2p.events import Effect, Event
    from antsp2p.node import Node
    from antsp2p.runtime.store import Saved, Store

_SAVED = (AppendRecord, RemoveRecords, SaveProof, SavePublished, SaveAddress)


class Loop:
    """Feeds one node its events and carries out their effects, in the one safe order.

    `perform` is given every effect that is not for the store; `shed` is given the events that a
    full disk leaves no room for, and says whether it took them; what it leaves waits.
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
        tap: Callable[[int, Event], None] | None = None,
    ) -> None:
        self._node = node
        self._store = store
        self._now_us = now_us
        self._perform = perform
        self._shed = shed
        self._warn = warn
        self._tap = tap
        self._sender, self._inbox = trio.open_memory_channel[Any](limits.INBOX_EVENTS)
        self._kept: list[Event] = []
        self._unsaved: list[Saved] = []
        self._disk = trio.CapacityLimiter(1)
        self.store_full = ""
        """Not empty: the disk is full, and this line says so."""
        self.drops: Counter[str] = Counter()
        self._broken = False

    # --- what comes in ----------------------------------------------------------------------------

    def offer(self, event: DatagramReceived | PeerHint) -> None:
        """Take an event that may be lost, or count its loss."""
        waiting = self._sender.statistics().current_buffer_used
        if self.store_full:
            self.drops["store-full"] += 1
        elif waiting >= limits.INBOX_EVENTS - limits.INBOX_EVENTS_KEPT_FOR_COMMANDS:
            self.drops["inbox-full"] += 1
        else:
            self._sender.send_nowait(event)

    async def put(self, event: Event) -> None:
        """Take an event that must not be lost; waits for its place."""
        await self._sender.send(event)

    # --- the turn ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve events and deadlines until cancelled."""
        while True:
            first = await self._next()
            await self._turn([] if first is None else [first])

    async def _next(self) -> Event | None:
        """The first event of a turn, or None where only the deadline has come."""
        wake_at = self._node.wake_at
        left_us = 1 if wake_at is None else wake_at - self._now_us()
        if left_us <= 0 or self._kept:
            # Others must run, however many deadlines there are.
            await trio.lowlevel.checkpoint()
            return None
        if wake_at is None:
            return await self._receive()
        with trio.move_on_after(left_us / 1_000_000):
            return await self._receive()
        return None

    async def _receive(self) -> Event:
        event: Event = await self._inbox.receive()
        return event

    async def _turn(self, events: list[Event]) -> None:
        try:
            await self._carry_out(self._gather(events))
        except Exception:
            self._broken = True
            raise

    def _gather(self, events: list[Event]) -> list[Effect]:
        """All effects of one turn: the deadline's, then those of a bounded number of events."""
        effects: list[Effect] = []
        wake_at = self._node.wake_at
        if wake_at is not None and wake_at <= self._now_us():
            effects += self._handle(Woke())
        kept, self._kept = self._kept, []
        events = kept + events
        while len(events) < limits.TURN_EVENTS:
            try:
                events.append(self._inbox.receive_nowait())
            except trio.WouldBlock:
                break
        for event in events:
            effects += self._handle(event)
        return effects

    def _handle(self, event: Event) -> list[Effect]:
        now_us = self._now_us()
        if self._tap is not None:
            self._tap(now_us, event)
        return self._node.handle(event, now_us)

    async def _carry_out(self, effects: Iterable[Effect]) -> None:
        """Save what is to be saved, then do the rest, then tell the node; until nothing follows."""
        pending = list(effects)
        while pending:
            saved = [effect for effect in pending if isinstance(effect, _SAVED)]
            if saved:
                self._unsaved += saved
                await self._save()
            for effect in pending:
                if not isinstance(effect, _SAVED):
                    self._perform(effect)
            own_seq = _last_own_seq(saved)
            pending = [] if own_seq is None else self._handle(Committed(own_seq))

    async def finish(self) -> bool:
        """When `run` has ended: serve what is left, if the loop is whole and the disk has room."""
        if self._broken or not await self._try_save():
            return False
        while self._kept or self._sender.statistics().current_buffer_used:
            await self._turn([])
        return True

    # --- the store --------------------------------------------------------------------------------

    async def _save(self) -> None:
        """Commit all that is unsaved; returns only when it is durable.

        Cancelling is possible only while the disk is full. Then nothing of the batch has left, and
        it stays in front of whatever is saved later.
        """
        while not await self._try_save():
            self._shed_inbox()
            await trio.sleep(limits.STORE_RETRY_MS / 1_000)

    async def _try_save(self) -> bool:
        """Commit all that is unsaved, if the disk has room."""
        batch: Sequence[Saved] = self._unsaved
        if not batch:
            return True
        try:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._store.commit, batch, limiter=self._disk)
        except StoreFull as error:
            if not self.store_full:
                self._warn(f"{error}; nothing is lost, and the node goes on when there is room")
            self.store_full = str(error)
            return False
        self._unsaved = []
        if self.store_full:
            self.store_full = ""
            self._warn("the disk has room again")
        return True

    def _shed_inbox(self) -> None:
        while True:
            try:
                event = self._inbox.receive_nowait()
            except trio.WouldBlock:
                return
            if isinstance(event, DatagramReceived | PeerHint):
                self.drops["store-full"] += 1
            elif not self._shed(event):
                self._kept.append(event)

    def close(self) -> None:
        self._sender.close()
        self._inbox.close()


def _last_own_seq(saved: Iterable[Saved]) -> int | None:
    """The last own record that a batch leaves in the store."""
    own_seq = None
    for item in saved:
        if isinstance(item, AppendRecord) and item.own:
            own_seq = item.record.seq
    return own_seq
