"""`antsp2p status` and `antsp2p stop`."""
from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, Any, Final

from antsp2p.interfaces.client import Client
from antsp2p.interfaces.durations import format_duration
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import counted, one_line, say, say_fields, say_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

STOP_S: Final = 30.0
"""A node ends within a few seconds; longer means that it hangs or is stopped by a signal."""
POLL_S: Final = 0.02


def run(options: argparse.Namespace) -> int:
    """Show the node's status, or stop it."""
    with Client(options) as client:
        return _stop(client, options) if options.command == "stop" else _status(client, options)


def _status(client: Client, options: argparse.Namespace) -> int:
    status = client.get("/v1/status")
    if options.json:
        say_json(status)
        return Exit.OK
    say_fields({
        "node": _named(status), "home": status["home"], "network": status["network_name"],
        "version": status["version"], "pid": status["pid"],
        "listening": ", ".join(status["listen"]),
        "running for": format_duration(status["uptime_ms"]),
        "linked to": counted(status["links"], "node"),
        "history": f"{counted(status['records'], 'record')} of "
        f"{counted(status['authors'], 'author')}",
        "catching up": _catching_up(status["catching_up"]),
        "own records": _own_records(status),
        "tasks": _counts(status["tasks"]), "holding": counted(status["holding"], "claim"),
        "dropped": _counts(status["drops"]),
    })
    for warning in status["warnings"]:
        say(f"warning: {one_line(warning)}")
    return Exit.OK


def _named(status: Any) -> str:
    nickname = status["nickname"]
    return f"{status['author']} ({nickname})" if nickname else str(status["author"])


def _own_records(status: Any) -> str:
    if status["closed"]:
        return f"none any more: {status['closed']}"
    return "may be sent" if status["confirmed"] else (
        "wait until a peer has confirmed this node's history")


def _catching_up(missing: int) -> str:
    if not missing:
        return "no"
    return f"answers are provisional; still missing here: {counted(missing, 'record')}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _stop(client: Client, options: argparse.Namespace) -> int:
    # The process is watched from before it is asked, so that its number cannot be another's.
    pid = int(client.get("/v1/status")["pid"])
    has_ended = _watch(pid)
    client.call("POST", "/v1/stop")
    if not has_ended(STOP_S):
        raise CommandError(
            Exit.TIMED_OUT, f"the node (pid {pid}) has not ended after {STOP_S:.0f} s"
        )
    if options.json:
        say_json({"stopped": True, "pid": pid})
    else:
        say(f"stopped (pid {pid})")
    return Exit.OK


def _watch(pid: int) -> Callable[[float], bool]:
    """A function that waits so many seconds for the process's end and says whether it came."""
    if not hasattr(os, "pidfd_open"):
        return lambda wait_s: _poll_end(pid, wait_s)
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return lambda wait_s: True
    return lambda wait_s: bool(select.select([process], [], [], wait_s)[0])


def _poll_end(pid: int, wait_s: float) -> bool:
    """Where a process cannot be waited for, look again and again."""
    for _ in range(round(wait_s / POLL_S)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(POLL_S)
    return False
