"""No listener holds the node up, and none is left in the dark."""
from __future__ import annotations

import pytest
import trio
import trio.testing

from antsp2p.events import Notice, StartWork, StopWork
from antsp2p.runtime import limits
from antsp2p.runtime.feeds import MISSED, Feeds

ME = b"m" * 32
TASK = b"t" * 32


def notice(number: int) -> Notice:
    return Notice("announced", ME, {"number": number})


def start(agent: str) -> StartWork:
    return StartWork(agent, b"c" * 32, TASK, 0, "x", b"", "text/plain", ME, ())


async def test_a_slow_watcher_is_told_what_it_missed() -> None:
    feeds = Feeds(ME)
    room = limits.SUBSCRIPTION_NOTICES - 1
    with feeds.watch() as slow, feeds.watch() as quick:
        for number in range(room + 500):
            feeds.tell(notice(number))
            assert (await quick.receive()).detail == {"number": number}
        got = [slow.receive_nowait() for _ in range(room)]
        assert [item.detail["number"] for item in got] == list(range(room))
        feeds.tell(notice(-1))
        lost, new = slow.receive_nowait(), slow.receive_nowait()
        assert (lost.kind, lost.subject, lost.detail) == (MISSED, ME, {"count": 500})
        assert new.detail == {"number": -1}
        with pytest.raises(trio.WouldBlock):
            slow.receive_nowait()


async def test_a_count_that_is_still_unread_goes_on() -> None:
    feeds = Feeds(ME)
    with feeds.watch() as slow:
        for number in range(limits.SUBSCRIPTION_NOTICES + 9):
            feeds.tell(notice(number))
        last = [slow.receive_nowait() for _ in range(limits.SUBSCRIPTION_NOTICES)][-1]
        assert last.detail == {"count": 10}


async def test_an_agent_that_does_not_read_is_cut_off() -> None:
    feeds = Feeds(ME)
    with feeds.attach("a", 2) as work:
        for _ in range(limits.AGENT_EVENTS + 4):
            assert feeds.bring(start("a"))
        assert not feeds.bring(StopWork("a", b"c" * 32, "lost"))
        assert not feeds.bring(start("a"))
        assert len([item async for item in work]) == limits.AGENT_EVENTS + 4
    assert not feeds.bring(start("nobody"))


async def test_agents_get_their_own_work_only() -> None:
    feeds = Feeds(ME)
    with feeds.attach("a", 1) as a, feeds.attach("b", 1) as b:
        assert feeds.bring(start("b"))
        assert (await b.receive()).agent == "b"
        with pytest.raises(trio.WouldBlock):
            a.receive_nowait()


async def test_waiting_for_a_task_leaves_nothing_behind() -> None:
    feeds = Feeds(ME)
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(feeds.wait_task, TASK)
        await trio.testing.wait_all_tasks_blocked()
        feeds.tell(notice(1))
        feeds.tell(Notice("task", b"o" * 32, {}))
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 2
        feeds.tell(Notice("task", TASK, {}))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feeds.wait_task, TASK)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert not feeds._changed


async def test_the_end_of_the_host_is_the_end_of_every_channel() -> None:
    feeds = Feeds(ME)
    with feeds.watch() as notices, feeds.attach("a", 1) as work:
        feeds.close()
        assert [item async for item in notices] == []
        assert [item async for item in work] == []


async def test_subscriptions_are_bounded() -> None:
    feeds = Feeds(ME)
    with feeds.watch(), feeds.attach("a", 1):
        assert not feeds.is_full
        for number in range(limits.SUBSCRIPTIONS - 2):
            feeds._agents[str(number)] = feeds._agents["a"]
        assert feeds.is_full
