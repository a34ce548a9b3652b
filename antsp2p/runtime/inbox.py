"""What waits for the node: a queue for each linked peer, one for strangers, one for this machine.

Law: whoever sends more than its share loses its own datagrams and nobody else's. A linked peer is
one whose datagrams bear the token of its link; all others are strangers together. In a turn this
machine's own events come first, then a few of the strangers', then the peers' in rotation. What
anything means is not known here.
"""
from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

import trio

from antsp2p.events import DatagramReceived
from antsp2p.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.events import Address, Event


class Inbox:
    """`is_linked(address, data)` says at little cost whether a datagram came on a link, and
    `is_bad(address)`, asked only where much waits, whether that peer's are shed first."""

    def __init__(
        self, is_linked: Callable[[Address, bytes], bool],
        is_bad: Callable[[Address], bool] = lambda address: False,
    ) -> None:
        self._is_linked = is_linked
        self._is_bad = is_bad
        self._own: deque[Event] = deque()
        self._strangers: deque[DatagramReceived] = deque()
        self._peers: dict[Address, deque[DatagramReceived]] = {}
        """The queues that hold something, in the order of their turn."""
        self._count = 0
        self._consumer = trio.lowlevel.ParkingLot()
        self._senders = trio.lowlevel.ParkingLot()
        self._closed = False
        self.drops: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._count

    @property
    def has_linked(self) -> bool:
        """Whether datagrams of linked peers wait."""
        return bool(self._peers)

    # --- in ---------------------------------------------------------------------------------------

    def offer_datagram(self, address: Address, data: bytes) -> None:
        """Take a datagram, or count its loss. It wakes nobody: `Loop.serve` follows."""
        if not self._is_linked(address, data):
            if len(self._strangers) >= limits.INBOX_STRANGERS:
                self.drops["inbox-strangers"] += 1
                return
            self._strangers.append(DatagramReceived(address, data))
        else:
            queue = self._peers.get(address)
            if queue is None:
                queue = self._peers[address] = deque()
            elif len(queue) >= limits.INBOX_PER_BAD_PEER and (
                len(queue) >= limits.INBOX_PER_PEER or self._is_bad(address)
            ):
                self.drops["inbox-full"] += 1
                return
            queue.append(DatagramReceived(address, data))
        self._count += 1

    def offer(self, event: Event) -> None:
        """Take an event of this machine that may be lost, or count its loss."""
        if len(self._own) >= limits.INBOX_OWN:
            self.drops["inbox-full"] += 1
        else:
            self._own.append(event)
            self._added()

    async def put(self, event: Event) -> None:
        """Take an event that must not be lost; waits for its place.

        Raises `trio.ClosedResourceError` when there will be no turn any more.
        """
        await trio.lowlevel.checkpoint()
        while not self._closed and len(self._own) >= limits.INBOX_OWN:
            await self._senders.park()
        if self._closed:
            raise trio.ClosedResourceError
        self._own.append(event)
        self._added()

    def _added(self) -> None:
        self._count += 1
        if self._consumer:
            self._consumer.unpark()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._consumer.unpark()

    # --- out --------------------------------------------------------------------------------------

    async def wait(self) -> None:
        """Return when something waits; lets others run in any case."""
        if self._count:
            await trio.lowlevel.checkpoint()
        else:
            await self._consumer.park()

    def take_own(self) -> Event | None:
        """The first event of this machine."""
        if not self._own:
            return None
        self._count -= 1
        self._senders.unpark()
        return self._own.popleft()

    def take(self, most: int) -> list[Event]:
        """The next `most` events, fewer only where there are no more."""
        events: list[Event] = []
        while len(events) < most and (event := self.take_own()) is not None:
            events.append(event)
        few = most if not self._peers else max(1, most // limits.STRANGERS_PER_TURN)
        strangers = min(few, most - len(events), len(self._strangers))
        events += [self._strangers.popleft() for _ in range(strangers)]
        self._count -= strangers
        self._take_peers(events, most)
        while len(events) < most and self._strangers:
            events.append(self._strangers.popleft())
            self._count -= 1
        return events

    def _take_peers(self, events: list[Event], most: int) -> None:
        """One datagram of each in rotation; where much of a bad peer's waits, few of a turn are
        its, so that turns are short and everybody else's come soon."""
        bad: dict[Address, deque[DatagramReceived]] = {}
        few = max(1, most // limits.STRANGERS_PER_TURN)
        while len(events) < most and self._peers:
            address = next(iter(self._peers))
            queue = self._peers.pop(address)
            if len(queue) >= limits.TURN_EVENTS and self._is_bad(address):
                if not few:
                    bad[address] = queue
                    continue
                few -= 1
            events.append(queue.popleft())
            self._count -= 1
            if queue:
                self._peers[address] = queue
        self._peers |= bad

    def drop_datagrams(self) -> int:
        """Forget all datagrams; returns how many there were."""
        dropped = self._count - len(self._own)
        self._strangers.clear()
        self._peers.clear()
        self._count = len(self._own)
        return dropped

    def close(self) -> None:
        self._closed = True
        self._senders.unpark_all()
