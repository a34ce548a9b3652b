"""Three nodes of which one gets into trouble, and what must be true when it is over.

The poster and the keeper notice nothing but that the third, the troubled one, is away: nobody gives
them up, the task that the keeper holds never lapses, and in the end all have the same records.
"""
from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio

from tests.system.holding import (
    assert_never_lapsed,
    hold_a_task,
    let_time_pass,
    open_gate,
)
from tests.system.process import WAIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from tests.system.process import Machine, NodeProcess

SILENT: Final = "timeout"
"""Why a link ended whose peer was given up for dead."""

TICK_S: Final = 0.01
"""At least one small task."""


@dataclass(eq=False)
class Town:
    """The nodes, and the task that the keeper holds until the end."""

    machine: Machine
    nursery: trio.Nursery
    poster: NodeProcess
    keeper: NodeProcess
    troubled: NodeProcess
    task: str
    own_task: str
    """Posted by the troubled one, and done by nobody before the trouble is over."""
    given_up: list[tuple[str, str]] = field(default_factory=list)
    """(who, whom): links that ended because the peer was given up for dead."""
    ear: trio.CancelScope = field(init=False)
    """Ends the listening to the troubled one, which can be killed then."""
    _gave_up: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    @property
    def nodes(self) -> Sequence[NodeProcess]:
        return self.poster, self.keeper, self.troubled

    async def listen(
        self, node: NodeProcess, *,
        task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Note whom the node gives up, until cancelled."""
        with trio.CancelScope() as scope:
            async with node.events() as notices:
                task_status.started(scope)
                async for _, notice in notices:
                    if notice["kind"] == "peer-down" and notice["reason"] == SILENT:
                        self.given_up.append((node.author, notice["subject"]))
                        self._gave_up.unpark_all()

    async def until_missed(self) -> None:
        """Return when the other two have given the troubled one up."""
        missed = {(node.author, self.troubled.author) for node in (self.poster, self.keeper)}

        with trio.fail_after(WAIT_S):
            while not missed <= set(self.given_up):
                await self._gave_up.park()

    async def restart_troubled(
        self, *options: str, peers: Sequence[NodeProcess] = (), prefix: Sequence[str] = (),
        then: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """`kill -9`, do something `then` to its home, and start it again at another port."""
        self.ear.cancel()
        await self.troubled.kill()
        then(self.troubled.home)
        before = self.troubled.author
        self.troubled = await self.machine.start(
            self.troubled.home, *options, peers=peers, prefix=prefix)
        assert self.troubled.author == before
        self.ear = await self.nursery.start(self.listen, self.troubled)

    async def assert_recovers(self, calm_s: float = 0.0) -> None:
        """The troubled one catches up, gives nobody up and loses nothing; in the time of calm, too.
        """
        await self.troubled.until_links(2)
        # What it signs before that is signed anew where the store was lost, under other ids.
        await self._until(self._is_confirmed)
        await let_time_pass(self.poster, calm_s)
        await self._whole()
        open_gate(self.machine)
        assert await self.poster.result(self.task) == b"held"
        await assert_never_lapsed(self.task, self.keeper.author, list(self.nodes))
        await self.machine.work(self.keeper, "text.later", "cat")
        assert await self.troubled.result(self.own_task) == b"later"
        after = await self.troubled.post("text.later", b"new", settle_ms=20)
        assert await self.troubled.result(after) == b"new"
        await self._whole()
        assert [(who, whom) for who, whom in self.given_up if whom != self.troubled.author] == []
        for node in self.nodes:
            peers = (await node.get("/v1/peers"))["peers"]
            assert sorted(peer["linked"] for peer in peers) == [True, True]
            assert not [peer["author"] for peer in peers if peer["convicted"]]

    async def _is_confirmed(self) -> bool:
        return bool((await self.troubled.status())["confirmed"])

    async def _whole(self) -> None:
        """Return when every node has each record that any of them has now."""
        records: set[str] = set()
        for node in self.nodes:
            records |= (await node.history()).keys()
        for node in self.nodes:

            async def has_all(node: NodeProcess = node) -> bool:
                return records <= (await node.history()).keys()

            await self._until(has_all)

    async def _until(self, check: Callable[[], Awaitable[bool]]) -> None:
        """Do small tasks until `check` is true, which no notice may tell."""
        with trio.fail_after(WAIT_S):
            while not await check():
                await let_time_pass(self.poster, TICK_S)


@asynccontextmanager
async def open_town(
    machine: Machine, poster: NodeProcess, *workers: NodeProcess
) -> AsyncIterator[Town]:
    """The nodes at work and linked; who does not hold the task is the one to get into trouble."""
    await poster.until_links(2)
    task, holder = await hold_a_task(machine, poster, list(workers))
    keeper, troubled = sorted(workers, key=lambda node: node.author != holder)
    own_task = await troubled.post("text.later", b"later", settle_ms=20)

    async def is_known() -> bool:
        return own_task in await poster.tasks()

    await poster.until(is_known)
    async with trio.open_nursery() as nursery:
        town = Town(machine, nursery, poster, keeper, troubled, task, own_task)
        for node in (poster, keeper):
            await nursery.start(town.listen, node)
        town.ear = await nursery.start(town.listen, troubled)
        yield town
        nursery.cancel_scope.cancel()
