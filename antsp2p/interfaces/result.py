"""Waiting for a task's result, and writing it out."""
from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.interfaces.client import error_of
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import complain, say_json, write_content

if TYPE_CHECKING:
    from antsp2p.interfaces.client import Client

QUIET_MS: Final = 3_000
"""Nothing is said about a wait that is shorter."""
WAIT_MS: Final = 30_000
"""One request waits so long, then asks again: a node that has gone is noticed."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of a task; `state` is `accepted`, or `done` while it waits for a review."""

    content: bytes
    media_type: str
    state: str


def wait_result(client: Client, task: str) -> TaskResult:
    """The result of `task`, however long it takes; what it waits for is said on standard error,
    once per change. Raises `CommandError` if the task ends without."""
    wait_ms, said = QUIET_MS, ""
    while True:
        result = _ask(client, task, wait_ms, said)
        if isinstance(result, TaskResult):
            return result
        if result != said:
            complain(f"waiting: {result}")
        wait_ms, said = WAIT_MS, result


def read_result(client: Client, task: str) -> TaskResult | None:
    """The result if it is there. Raises `CommandError` if there will be none."""
    result = _ask(client, task, 0, "")
    return result if isinstance(result, TaskResult) else None


def _ask(client: Client, task: str, wait_ms: int, known: str) -> TaskResult | str:
    """The result if it is there within `wait_ms`, or what it waits for. The node answers at once
    when that is not what is `known`, if that is given."""
    response = client.request(
        "GET", f"/v1/tasks/{task}/result", params={"wait_ms": wait_ms, "known": known},
        wait_ms=wait_ms,
    )
    if response.status_code == 202:
        return str(response.json()["waits_for"])
    if response.status_code == 200:
        return TaskResult(
            response.content, response.headers.get("content-type", ""),
            response.headers.get("x-antsp2p-state", ""),
        )
    raise _ended_without(response.status_code, response.content)


def _ended_without(status: int, content: bytes) -> CommandError:
    error = error_of(status, content)
    if status != 409:
        return error
    answer = json.loads(content)
    failures = answer.get("failures") or []
    line = error.line
    if failures and failures[-1]:
        line += f"; the last attempt said: {failures[-1]}"
    timed_out = answer.get("cause") == "timeout"
    return CommandError(Exit.TIMED_OUT if timed_out else Exit.FAILED, line)


def write_result(task: str, result: TaskResult, *, as_json: bool) -> None:
    """The raw result on standard output, or one line of JSON about it."""
    if not as_json:
        write_content(result.content)
        return
    answer = {"task": task, "state": result.state, "media_type": result.media_type}
    try:
        say_json({**answer, "text": result.content.decode("utf-8")})
    except UnicodeDecodeError:
        say_json({**answer, "base64": base64.b64encode(result.content).decode("ascii")})
