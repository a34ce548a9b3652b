"""What happens to machines: they sleep, move, lose a disk, are set to another day. Nobody else is
given up for it, no lease lapses, and nothing is lost."""
from __future__ import annotations

import socket
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from tests.system.calendar import set_calendar
from tests.system.holding import LEASE_MS, let_time_pass
from tests.system.namespaces import lan, why_not
from tests.system.town import open_town

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.system.process import Machine, NodeProcess

DAY_S: Final = 86_400
HOUR_S: Final = 3_600
JUMP_S: Final = 1.0
"""Records come and are saved under the new date for so long."""
CALM_S: Final = 2.5 * LEASE_MS / 1_000
"""Whoever lapses a lease too early has done so by then: others wait for two of them."""
MOVED_TO: Final = "10.213.0.77"

reason = cache(why_not)


async def open_three(
    machine: Machine, prefix: Sequence[str] = ()
) -> tuple[NodeProcess, NodeProcess, NodeProcess]:
    """Three nodes linked with one another; `prefix` is for the last two."""
    first = await machine.start()
    second = await machine.start(peers=[first], prefix=prefix)
    return first, second, await machine.start(peers=[first, second], prefix=prefix)


@pytest.mark.parametrize("sleep_s", [0, pytest.param(60, marks=pytest.mark.slow)])
async def test_a_suspended_node_catches_up(machine: Machine, sleep_s: int) -> None:
    async with open_town(machine, *await open_three(machine)) as town:
        town.troubled.stop()
        # Longer than it takes the others to give it up: all its links have to be made anew.
        await town.until_missed()
        await let_time_pass(town.poster, sleep_s)
        town.troubled.go_on()
        await town.assert_recovers(CALM_S)


async def test_a_killed_node_comes_back_at_another_port_on_another_day(machine: Machine) -> None:
    """A day forward while it runs, and two back while it is down.

    The calendar is read for the time that a record claims, for display only, and for how old the
    stored records are at the next start: no other clock runs on while a machine is off.
    """
    calendar = machine.folder / "calendar"
    set_calendar(calendar, 0)
    prefix = [sys.executable, "-m", "tests.system.calendar", str(calendar)]
    async with open_town(machine, *await open_three(machine, prefix)) as town:
        victim = town.troubled
        set_calendar(calendar, DAY_S)
        await let_time_pass(town.poster, JUMP_S)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:

            def leave(_: Path) -> None:
                # Its old port is somebody else's by now, and it is the day before.
                taken.bind(("127.0.0.1", victim.port))
                set_calendar(calendar, -DAY_S)

            # Nobody tells it where the others are: it remembers.
            await town.restart_troubled(prefix=prefix, then=leave)
        assert town.troubled.port != victim.port
        await town.assert_recovers(CALM_S)
        peers = (await town.poster.get("/v1/peers"))["peers"]
        assert town.troubled.address in [peer["address"] for peer in peers]
        view = await town.troubled.get("/v1/log", author=victim.author, limit=1)
        claimed_s = view["records"][-1]["claimed_ms"] / 1_000
        assert abs(time.time() - DAY_S - claimed_s) < HOUR_S, "the calendar was not set"


async def test_a_node_that_was_killed_comes_back_with_an_empty_store(machine: Machine) -> None:
    async with open_town(machine, *await open_three(machine)) as town:
        before = await town.poster.history()
        await town.restart_troubled(
            "--accept-lost-store", peers=[town.poster], then=lose_store)
        await town.assert_recovers()
        assert before.keys() <= (await town.troubled.history()).keys()


def lose_store(home: Path) -> None:
    """The key stays."""
    lost = list(home.glob("store.db*"))
    assert lost
    for path in lost:
        path.unlink()


@pytest.mark.netns
async def test_a_running_node_gets_another_address(machine: Machine) -> None:
    if reason():
        pytest.skip(reason())
    with lan(3) as hosts:
        first = await machine.start(listen="", prefix=hosts[0].prefix)
        at_first = f"{hosts[0].address}:{first.port}"
        second = await machine.start(None, "--peer", at_first, listen="", prefix=hosts[1].prefix)
        third = await machine.start(None, "--peer", at_first, listen="", prefix=hosts[2].prefix)
        async with open_town(machine, first, second, third) as town:
            at = {first.author: hosts[0], second.author: hosts[1], third.author: hosts[2]}
            at[town.troubled.author].move(MOVED_TO)
            await town.assert_recovers()
            assert town.given_up == []
            peers = (await first.get("/v1/peers"))["peers"]
            addresses = {peer["author"]: peer["address"] for peer in peers}
            assert addresses[town.troubled.author] == f"{MOVED_TO}:{town.troubled.port}"
