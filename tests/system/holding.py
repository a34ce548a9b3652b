"""A task that is held for as long as a test wants, and what must be true of it in the end."""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.process import Machine, NodeProcess

LEASE_MS: Final = 1_000
HOLD: Final = ("sh", "-c", 'while [ ! -e "$GATE" ]; do sleep 0.05; done; cat')
"""Works until the test opens the gate."""
CALM_LEASES: Final = 3
"""So long after the nodes go on, the holder must still hold."""


async def hold_a_task(
    machine: Machine, poster: NodeProcess, workers: list[NodeProcess]
) -> tuple[str, str]:
    """A task that one of the workers holds until the gate opens: its id and its holder."""
    gate = {"GATE": str(_gate(machine))}
    for worker in workers:
        await machine.work(worker, "text.hold", *HOLD, environment=gate)
        await machine.work(worker, "text.echo", "cat")
    await poster.until_providers("text.hold", len(workers))
    await poster.until_providers("text.echo", len(workers))
    task = await poster.post("text.hold", b"held", lease_ms=LEASE_MS, settle_ms=20)

    by_author = {worker.author: worker for worker in workers}

    async def holder() -> NodeProcess | None:
        view = await poster.task(task)
        return by_author.get(view["holder"]) if view["state"] == "working" else None

    worker = await poster.until(holder)

    async def knows_it() -> bool:
        view = (await worker.tasks()).get(task, {})
        return view.get("state") == "working" and view["holder"] == worker.author

    await worker.until(knows_it)
    return task, worker.author


def open_gate(machine: Machine) -> None:
    """Let whoever holds the task finish it."""
    _gate(machine).touch()


def _gate(machine: Machine) -> Path:
    return machine.folder / "gate"


async def let_time_pass(poster: NodeProcess, duration_s: float) -> None:
    """Do small tasks for so long: whatever is due to happen in this time has happened then."""
    end = trio.current_time() + duration_s
    while trio.current_time() < end:
        task = await poster.post("text.echo", b"tick", settle_ms=20)
        assert await poster.result(task) == b"tick"


async def assert_never_lapsed(task: str, holder: str, nodes: list[NodeProcess]) -> None:
    """Every node knows one claim of the task, by `holder`, and no reopening."""
    for node in nodes:

        async def is_accepted(node: NodeProcess = node) -> bool:
            return bool((await node.tasks()).get(task, {}).get("state") == "accepted")

        await node.until(is_accepted)
        view = await node.task(task)
        assert view["holder"] == holder
        assert view["epoch"] == 0
        assert "reopen" not in [line["type"] for line in view["history"]]
