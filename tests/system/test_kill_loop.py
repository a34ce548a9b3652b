"""`kill -9` at any moment: nothing is forgotten, nothing is forked, and every task ends."""
from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

import httpx2
import pytest
import trio

from tests.system.process import WAIT_S, Machine, NodeProcess, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS: Final = 50
SEED: Final = 20
LEASE_MS: Final = 1_000
ATTEMPTS: Final = 1_000
"""A task may lose its worker as often as the loop likes."""
FEEDERS: Final = 2
"""Tasks under way at once for each poster."""
MAX_NOTICES: Final = 8
"""The next kill comes after 0 to this many notices: at any moment of a task's life."""
END_S: Final = 60.0
"""For the tasks that are still under way after the last kill."""
WORK: Final = ("sh", "-c", "sleep 0.5; cat")
"""Long enough to be killed in the middle."""


@dataclass(eq=False)
class Place:
    """A home whose node is killed and started again and again."""

    machine: Machine
    name: str
    node: NodeProcess
    neighbours: list[Place] = field(default_factory=list)
    up: trio.Event = field(default_factory=trio.Event)
    kills: int = 0

    def __post_init__(self) -> None:
        self.up.set()

    async def kill_and_restart(self) -> None:
        """Every record that the node had is there again afterwards."""
        before = await self.node.history()
        self.up = trio.Event()
        await self.node.kill()
        self.kills += 1
        old = self.node
        own = {record for record, (author, _) in before.items() if author == old.author}
        assert own <= stored(old.home), f"{self.name} has forgotten records of its own"
        self.node = await self.machine.start(
            old.home, listen=old.address, peers=[place.node for place in self.neighbours])
        assert self.node.author == old.author
        self.up.set()

        # The last own records are shown once peers have confirmed that they had left the machine.
        async def is_whole() -> bool:
            return before.keys() <= (await self.node.history()).keys()

        await self.node.until(is_whole)

    async def ask(self, task_number: int, key: str) -> None:
        """One task from the post to the right result, however often the node dies meanwhile."""
        content = b"task %d of %s" % (task_number, key.encode())
        while True:
            await self.up.wait()
            node = self.node
            try:
                # The key makes posting again after a crash the same task, not a second one.
                task = await node.post(
                    "text.echo", content, key=key, lease_ms=LEASE_MS, attempts=ATTEMPTS,
                    settle_ms=20,
                )
                assert await node.result(task, END_S) == content
                return
            except (httpx2.TransportError, RuntimeError):
                if node is self.node and self.up.is_set():
                    raise


@dataclass(eq=False)
class Town:
    """Posters, workers and a bystander, and the tasks that they are busy with."""

    places: list[Place]
    asked: int = 0
    ended: int = 0
    is_over: bool = False

    async def feed(self, place: Place, numbers: Iterator[int]) -> None:
        """Ask for one task after another until the loop is over."""
        while not self.is_over:
            number = next(numbers)
            self.asked += 1
            await place.ask(number, f"{place.name}-{number}")
            self.ended += 1

    async def nobody_is_convicted(self) -> None:
        for place in self.places:
            peers = (await place.node.get("/v1/peers"))["peers"]
            assert len(peers) == len(self.places) - 1
            assert not [peer["author"] for peer in peers if peer["convicted"]]


async def open_town(machine: Machine) -> Town:
    """Two posters, two workers, one bystander, all linked with all."""
    first = await machine.start()
    places = [Place(machine, "poster-0", first)]
    for name in ("poster-1", "worker-0", "worker-1", "bystander"):
        places.append(Place(machine, name, await machine.start(peers=[p.node for p in places])))
    for place in places:
        place.neighbours = [other for other in places if other is not place]
    for place in places[2:4]:
        await machine.work(place.node, "text.echo", *WORK, slots=2)
    for place in places[:2]:
        await place.node.until_providers("text.echo", 2)
    return Town(places)


async def wait_a_moment(node: NodeProcess, rng: random.Random) -> None:
    """Let the node see a few things happen."""
    async with node.events() as notices:
        for _ in range(rng.randrange(MAX_NOTICES)):
            await anext(notices)


@pytest.mark.timeout(280)
async def test_any_node_may_be_killed_at_any_moment(machine: Machine) -> None:
    town = await open_town(machine)
    rng = random.Random(SEED)
    numbers = count()
    async with trio.open_nursery() as nursery:
        for place in town.places[:2]:
            for _ in range(FEEDERS):
                nursery.start_soon(town.feed, place, numbers)
        for _ in range(KILLS):
            victim = rng.choice(town.places)
            witness = rng.choice([place for place in town.places if place is not victim])
            with trio.fail_after(WAIT_S):
                await wait_a_moment(witness.node, rng)
                await victim.kill_and_restart()
        town.is_over = True
        nursery.cancel_scope.deadline = trio.current_time() + END_S
    assert town.ended == town.asked > KILLS
    assert sum(place.kills for place in town.places) == KILLS
    await town.nobody_is_convicted()
    for place in town.places[:2]:
        states = {task["state"] for task in (await place.node.tasks()).values() if task["mine"]}
        assert states == {"accepted"}
    print(f"{town.asked} tasks, {KILLS} kills", file=sys.stderr)
