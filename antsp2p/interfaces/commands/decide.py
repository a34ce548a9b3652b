"""`antsp2p accept`, `reject` and `cancel`: the poster's word about its task."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.interfaces.client import Client, id_segment
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import say, say_json

if TYPE_CHECKING:
    import argparse

_DONE = {"accept": "accepted", "reject": "rejected", "cancel": "cancelled"}


def run(options: argparse.Namespace) -> int:
    """Accept, reject or cancel the task."""
    reason = getattr(options, "reason", "")
    with Client(options) as client:
        answer = client.call(
            "POST", f"/v1/tasks/{id_segment(options.id)}/{options.command}",
            params={"reason": reason} if reason else None,
        )
    if options.json:
        say_json(answer)
    else:
        say(f"{_DONE[options.command]} {answer['task']}")
    return Exit.OK
