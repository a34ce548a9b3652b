"""`antsp2p tasks`: the tasks that this node knows of."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.interfaces.client import Client
from antsp2p.interfaces.durations import format_duration
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import say_json, say_table, short

if TYPE_CHECKING:
    import argparse

_COLUMNS = ("task", "age", "state", "epoch", "holder", "rule", "capability")


def run(options: argparse.Namespace) -> int:
    """List the tasks, newest first."""
    params: dict[str, str | int] = {"limit": options.limit}
    if options.state:
        params["state"] = options.state
    if options.mine:
        params["mine"] = "true"
    with Client(options) as client:
        answer = client.get("/v1/tasks", params)
    if options.json:
        say_json(answer)
    else:
        say_table(_COLUMNS, [_row(task) for task in answer["tasks"]], "no tasks")
    return Exit.OK


def _row(task: Any) -> tuple[str, ...]:
    provisional = "" if task["settled"] or not task["holder"] else " (provisional)"
    return (
        short(task["task"]), format_duration(task["posted_ms_ago"]), task["state"],
        str(task["epoch"]), short(task["holder"]),
        task["rule"] + provisional, task["capability"],
    )
