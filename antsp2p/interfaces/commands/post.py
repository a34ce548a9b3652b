"""`antsp2p post`: offer a task, and perhaps wait for its result."""
from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.body import content_hash
from antsp2p.interfaces.client import Client, hint
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import complain, say, say_json, short
from antsp2p.interfaces.result import wait_result, write_result
from antsp2p.interfaces.streams import read_input

if TYPE_CHECKING:
    import argparse

MAX_INPUT_BYTES: Final = 16 * 1024 * 1024
"""What a task may carry; the node says the same, but only after it has read it all."""
_PASSED_ON: Final = ("lease_ms", "settle_ms", "attempts", "timeout_ms", "cost", "key", "media_type")


def run(options: argparse.Namespace) -> int:
    """Post the task; without `--wait` print its id, with it write the result out."""
    content = _input(options)
    params: dict[str, str | int | list[str]] = {"capability": options.capability}
    params |= {
        name: value for name in _PASSED_ON if (value := getattr(options, name)) is not None
    }
    if options.review:
        params["review"] = "true"
    if options.holder_only:
        params["holder_only"] = "true"
    answer = _answer(options)
    if answer is not None:
        params["expected"] = content_hash(answer).hex()
    if options.after:
        params["after"] = options.after
    with Client(options) as client:
        task = client.call("POST", "/v1/tasks", params=params, content=content)["task"]
        if not options.wait:
            if options.json:
                say_json({"task": task})
            else:
                say(task)
            return Exit.OK
        try:
            result = wait_result(client, task)
        except KeyboardInterrupt:
            more = hint(options, "task", short(task), "--result")
            complain(f"no longer waiting; the task goes on: {more}")
            return Exit.INTERRUPTED
    write_result(task, result, as_json=options.json)
    if result.state == "done":
        complain(f"the result waits for your review: {hint(options, 'accept', short(task))}")
    return Exit.OK


def _input(options: argparse.Namespace) -> bytes:
    if options.text is not None:
        content = os.fsencode(options.text)
    elif options.input == "-":
        content = read_input(MAX_INPUT_BYTES + 1)
    else:
        content = _read(Path(options.input))
    if len(content) > MAX_INPUT_BYTES:
        raise CommandError(
            Exit.REFUSED, f"the input is larger than {MAX_INPUT_BYTES >> 20} MiB; split the work up"
        )
    return content


def _answer(options: argparse.Namespace) -> bytes | None:
    """The known answer, if there is one. A name that is mistyped is never taken for it: every
    right answer would be a wrong one, with a signed rejection of it."""
    if options.expect_text is not None:
        return os.fsencode(options.expect_text)
    if options.expect is None:
        return None
    try:
        answer = _read(Path(options.expect))
    except CommandError as error:
        raise CommandError(
            error.code, f"{error.line}; an answer as text goes with --expect-text") from error
    if len(answer) > MAX_INPUT_BYTES:
        raise CommandError(
            Exit.USAGE, f"no result is larger than {MAX_INPUT_BYTES >> 20} MiB, as this answer is")
    return answer


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"cannot read {path}: {error.strerror}") from error
