"""Two machines on one network find each other with no address given, and share work."""
from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
import trio

from tests.system.holding import (
    CALM_LEASES,
    LEASE_MS,
    assert_never_lapsed,
    hold_a_task,
    let_time_pass,
    open_gate,
)
from tests.system.namespaces import lan, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.system.namespaces import Host
    from tests.system.process import Machine

pytestmark = pytest.mark.netns
FOUND_AND_DONE_S = 10.0
"""From the second start to the result."""
LOSSY_S = 45.0
"""With 30 % of all datagrams lost each way; still no reason to wait long."""

CUT_OFF_S = 6.0
"""Long enough for every link to be given up and every lease to run out."""

reason = cache(why_not)


@pytest.fixture
def two_hosts() -> Iterator[Sequence[Host]]:
    if reason():
        pytest.skip(reason())
    with lan(2) as hosts:
        yield hosts


async def test_nodes_find_each_other_and_complete_a_task(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    worker = await machine.start(listen="", discovery=True, prefix=left.prefix)
    await machine.work(worker, "text.wordcount", "wc", "-w")
    async with worker.events() as notices:
        async for _, notice in notices:
            if notice["kind"] == "announced":
                break
    with trio.fail_after(FOUND_AND_DONE_S):
        poster = await machine.start(listen="", discovery=True, prefix=right.prefix)
        task = await poster.post("text.wordcount", b"find me and count")
        assert (await poster.result(task)).split() == [b"4"]
    view = await poster.task(task)
    assert view["state"] == "accepted"
    assert view["holder"] == worker.author
    peers = (await poster.get("/v1/peers"))["peers"]
    assert [peer["linked"] for peer in peers] == [True]


async def test_a_task_completes_although_a_third_of_all_datagrams_is_lost(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    left.lose(30)
    right.lose(30)
    worker = await machine.start(listen="", discovery=True, prefix=left.prefix)
    await machine.work(worker, "text.sort", "sort", "-u")
    poster = await machine.start(listen="", discovery=True, prefix=right.prefix)
    lines = b"".join(b"line %d\n" % (number % 300) for number in range(600))
    with trio.fail_after(LOSSY_S):
        # The input is larger than a record: it travels as a blob, by TCP.
        task = await poster.post("text.sort", lines)
        output = await poster.result(task)
    assert output == b"".join(sorted(set(lines.splitlines(keepends=True))))
    assert (await poster.task(task))["state"] == "accepted"


async def test_a_node_that_was_cut_off_from_everybody_lapses_nothing(
    machine: Machine, two_hosts: Sequence[Host]
) -> None:
    left, right = two_hosts
    worker = await machine.start(listen="", discovery=True, prefix=left.prefix)
    poster = await machine.start(listen="", discovery=True, prefix=right.prefix)
    await poster.until_links(1)
    task, holder = await hold_a_task(machine, poster, [worker])
    for host in two_hosts:
        host.lose(100)
    # The time is the subject here: nobody hears anybody for several leases.
    await trio.sleep(CUT_OFF_S)
    for host in two_hosts:
        host.lose_nothing()
    await poster.until_links(1)
    await let_time_pass(poster, CALM_LEASES * LEASE_MS / 1_000)
    open_gate(machine)
    assert await poster.result(task) == b"held"
    await assert_never_lapsed(task, holder, [poster, worker])
