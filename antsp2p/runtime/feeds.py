"""What the node tells, brought to those on this machine who listen.

Law: a listener never holds the node up. A slow watcher loses notices and is told how many; an
agent loses nothing, and one that does not read is cut off.
"""
from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import trio

from antsp2p.events import Notice, StartWork, StopWork
from antsp2p.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSED: Final = "missed"
"""The kind of the notice that stands for lost ones; its detail is `{"count": n}`."""

Work = StartWork | StopWork


@dataclass(slots=True, eq=False)
class _Watcher:
    send: trio.MemorySendChannel[Notice]
    missed: dict[str, Any] | None = None
    """The detail of the last notice in the channel, where that tells of lost ones."""


class Feeds:
    """The open subscriptions of one host."""

    def __init__(self, author: bytes) -> None:
        self._author = author
        self._watchers: dict[_Watcher, None] = {}
        self._agents: dict[str, trio.MemorySendChannel[Work]] = {}
        self._changed: dict[bytes, trio.Event] = {}

    @property
    def is_full(self) -> bool:
        """Whether no more subscriptions are taken."""
        return len(self._watchers) + len(self._agents) >= limits.SUBSCRIPTIONS

    # --- watchers ---------------------------------------------------------------------------------

    @contextmanager
    def watch(self) -> Iterator[trio.MemoryReceiveChannel[Notice]]:
        send, receive = trio.open_memory_channel[Notice](limits.SUBSCRIPTION_NOTICES)
        watcher = _Watcher(send)
        self._watchers[watcher] = None
        try:
            with receive:
                yield receive
        finally:
            self._watchers.pop(watcher, None)
            send.close()

    def has_listener(self, notice: Notice) -> bool:
        """Whether anybody would hear the notice now."""
        return bool(self._watchers) or notice.subject in self._changed

    def tell(self, notice: Notice) -> None:
        """Bring a notice to every watcher and to those who wait for its task."""
        for watcher in self._watchers:
            self._tell_watcher(watcher, notice)
        if notice.kind == "task":
            changed = self._changed.pop(notice.subject, None)
            if changed is not None:
                changed.set()

    def _tell_watcher(self, watcher: _Watcher, notice: Notice) -> None:
        waiting = watcher.send.statistics().current_buffer_used
        if waiting < limits.SUBSCRIPTION_NOTICES - 1:
            watcher.missed = None
            watcher.send.send_nowait(notice)
        elif watcher.missed is not None:
            watcher.missed["count"] += 1
        else:
            # The last place is for the notice that counts what finds no place.
            watcher.missed = {"count": 1}
            watcher.send.send_nowait(Notice(MISSED, self._author, watcher.missed))

    async def wait_task(self, task: bytes) -> None:
        """Return at the next notice about `task`."""
        changed = self._changed.setdefault(task, trio.Event())
        try:
            await changed.wait()
        finally:
            nobody_waits = changed.statistics().tasks_waiting == 0
            if nobody_waits and self._changed.get(task) is changed:
                del self._changed[task]

    # --- agents -----------------------------------------------------------------------------------

    @contextmanager
    def attach(self, agent: str, slots: int) -> Iterator[trio.MemoryReceiveChannel[Work]]:
        send, receive = trio.open_memory_channel[Work](2 * slots + limits.AGENT_EVENTS)
        self._agents[agent] = send
        try:
            with receive:
                yield receive
        finally:
            self._agents.pop(agent, None)
            send.close()

    def bring(self, work: Work) -> bool:
        """Bring a start or a stop to its agent; False where the agent has gone or does not read."""
        send = self._agents.get(work.agent)
        if send is None:
            return False
        try:
            send.send_nowait(work)
        except (trio.WouldBlock, trio.BrokenResourceError):
            self._agents.pop(work.agent, None)
            send.close()
            return False
        return True

    def close(self) -> None:
        """End every channel."""
        for watcher in self._watchers:
            watcher.send.close()
        for send in self._agents.values():
            send.close()
        self._watchers.clear()
        self._agents.clear()
