"""Waiting for a task's result, and writing it out."""
from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.interfaces.client import error_of
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import say_json, write_content

if TYPE_CHECKING:
    from antsp2p.interfaces.client import Client

WAIT_MS: Final = 30_000
"""One request waits so long, then asks again: a node that has gone is noticed."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of a task; `state` is `accepted`, or `done` while it waits for a review."""

    content: bytes
    media_type: str
    state: str


def wait_result(client: Client, task: str) -> TaskResult:
    """The result of `task`, however long it takes. Raises `CommandError` if it ends without."""
    while True:
        result = read_result(client, task, WAIT_MS)
        if result is not None:
            return result


def read_result(client: Client, task: str, wait_ms: int = 0) -> TaskResult | None:
    """The result if it is there within `wait_ms`. Raises `CommandError` if there will be none."""
    response = client.request(
        "GET", f"/v1/tasks/{task}/result", params={"wait_ms": wait_ms}, wait_ms=wait_ms
    )
    if response.status_code == 202:
        return None
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
