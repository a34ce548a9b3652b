"""A node that stood still, or heard nobody, has observed nothing: it lapses nobody's lease."""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from tests.system.holding import (
    CALM_LEASES,
    LEASE_MS,
    assert_never_lapsed,
    hold_a_task,
    let_time_pass,
    open_gate,
)

if TYPE_CHECKING:
    from tests.system.process import Machine

STOP_S: Final = 5.0


async def test_a_stopped_node_lapses_nobodys_lease_when_it_goes_on(machine: Machine) -> None:
    poster = await machine.start()
    workers = [await machine.start(peers=[poster]) for _ in range(2)]
    await workers[0].until_links(2)
    task, holder = await hold_a_task(machine, poster, workers)
    sleepers = [node for node in (poster, *workers) if node.author != holder]
    for node in sleepers:
        node.stop()
    # The time is the subject here: five leases go by while the two are stopped.
    await trio.sleep(STOP_S)
    for node in sleepers:
        node.go_on()
    await let_time_pass(poster, CALM_LEASES * LEASE_MS / 1_000)
    assert (await poster.task(task))["epoch"] == 0
    open_gate(machine)
    assert await poster.result(task) == b"held"
    await assert_never_lapsed(task, holder, [poster, *workers])


async def test_a_stopped_worker_loses_its_task_and_finds_out(machine: Machine) -> None:
    poster = await machine.start()
    workers = [await machine.start(peers=[poster]) for _ in range(2)]
    await workers[0].until_links(2)
    task, holder = await hold_a_task(machine, poster, workers)
    stopped, heir = sorted(workers, key=lambda node: node.author != holder)
    stopped.stop()

    async def has_moved() -> bool:
        return bool((await poster.task(task))["holder"] == heir.author)

    await poster.until(has_moved)
    stopped.go_on()

    async def has_let_go() -> bool:
        return bool((await stopped.status())["holding"] == 0)

    await stopped.until(has_let_go)
    open_gate(machine)
    assert await poster.result(task) == b"held"
    results = (await poster.task(task))["results"]
    assert [result["author"] for result in results] == [heir.author]
