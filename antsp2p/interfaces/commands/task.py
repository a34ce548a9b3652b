"""`antsp2p task ID`: one task and its history, or its result."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.interfaces.client import Client, hint, id_segment
from antsp2p.interfaces.durations import format_duration
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import counted, say, say_fields, say_json, say_table, short
from antsp2p.interfaces.result import read_result, wait_result, write_result

if TYPE_CHECKING:
    import argparse

_COLUMNS = ("ago", "by", "state", "holder", "rule", "what")


def run(options: argparse.Namespace) -> int:
    """Show the task; with `--result` write its result out."""
    if options.wait and not options.result:
        raise CommandError(Exit.USAGE, "--wait needs --result")
    with Client(options) as client:
        task = client.get(f"/v1/tasks/{id_segment(options.id)}")
        if options.result:
            return _result(client, options, task)
    if options.json:
        say_json(task)
        return Exit.OK
    _show(task, options)
    return Exit.OK


def _result(client: Client, options: argparse.Namespace, task: Any) -> int:
    id_ = task["task"]
    result = wait_result(client, id_) if options.wait else read_result(client, id_)
    if result is None:
        raise CommandError(
            Exit.TIMED_OUT, f"the task is {task['state']}; its result is not there yet (--wait)"
        )
    write_result(id_, result, as_json=options.json)
    return Exit.OK


def _show(task: Any, options: argparse.Namespace) -> None:
    certain = "settled" if task["settled"] else "provisional"
    shown = {
        "task": task["task"], "capability": task["capability"],
        "state": f"{task['state']} ({certain}, rule: {task['rule']})",
        "epoch": task["epoch"], "attempts": f"at most {task['attempts']}",
        "holder": task["holder"] or "nobody",
        "posted by": task["requester"] + (" (this node)" if task["mine"] else ""),
        "posted": f"{format_duration(task['posted_ms_ago'])} ago",
        "lease": format_duration(task["lease_ms"]),
        "timeout": _timeout(task["timeout_ms"], task["attempts"]),
        "input": _content(task["input"], task["media_type"]),
    }
    for result in task["results"]:
        by = f"by {short(result['author'])}"
        text = result["error"] if result["outcome"] == "failed" else _content(
            result["output"], result["media_type"])
        shown[f"result {short(result['result'])[:6]}"] = f"{result['outcome']} {by}: {text}"
    if task["mine"] and task["review"] and task["state"] == "done":
        accept, reject = (hint(options, word, short(task["task"])) for word in ("accept", "reject"))
        shown["waits for"] = f"your review: {accept}, or: {reject}"
    elif task["waits_for"] and not task["holder"]:
        shown["waits for"] = task["waits_for"]
    say_fields(shown)
    say()
    say_table(_COLUMNS, [_row(line) for line in task["history"]], "no history")


def _timeout(timeout_ms: int, attempts: int) -> str:
    if not timeout_ms:
        return "none"
    share = format_duration(timeout_ms // attempts)
    return f"{format_duration(timeout_ms)} in all, {share} for each of " + (
        counted(attempts, "attempt"))


def _content(content: Any, media_type: str) -> str:
    size = counted(content["size"], "byte")
    if "blob" in content:
        return f"{size} of {media_type}, blob {short(content['blob']['sha256'])}"
    shown = content.get("text", content.get("base64", ""))
    return f"{size} of {media_type}: {shown[:80]}" if shown else size


def _row(line: Any) -> tuple[str, ...]:
    return (
        format_duration(line["ms_ago"]), short(line["author"]), line.get("state", "-"),
        short(line.get("holder")), line.get("rule", "-"), line["what"],
    )
