"""`antsp2p work --can NAME -- CMD`: serve a capability with a command."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

from antsp2p.coordination.capability import configuration_digest
from antsp2p.interfaces.durations import format_duration
from antsp2p.interfaces.exit_codes import CommandError, Exit, sole_cause
from antsp2p.interfaces.printing import one_line, say, say_json, short
from antsp2p.interfaces.worker import Service, Worker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_WORDS: Final = {
    "start": "started", "stop": "stopped", "done": "done", "failed": "failed",
    "refused": "refused", "released": "released", "lost": "lost",
}


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    command = tuple(options.run_command)
    if not command:
        raise CommandError(
            Exit.USAGE, f"say what to run: antsp2p work --can {options.can} -- CMD [ARG ...]"
        )
    if shutil.which(command[0]) is None:
        raise CommandError(Exit.USAGE, f"there is no command {command[0]} that could be run")
    service = Service(
        options.can, command, options.slots, options.description,
        _configuration(options.configuration),
    )
    worker = Worker(service, options, _say_json if options.json else _say)
    try:
        trio.run(worker.run)
    except BaseExceptionGroup as group:
        raise sole_cause(group) from None
    return Exit.INTERRUPTED


def _configuration(given: list[str]) -> bytes:
    """The digest of files and texts; only the digest is told to anybody."""
    try:
        parts = [
            Path(each).read_bytes() if os.path.isfile(each) else os.fsencode(each)
            for each in given
        ]
    except OSError as error:
        raise CommandError(
            Exit.USAGE, f"cannot read {error.filename}: {error.strerror}") from None
    return configuration_digest(parts) if parts else b""


def _say_json(event: str, facts: Mapping[str, Any]) -> None:
    say_json({"event": event, **facts})


def _say(event: str, facts: Mapping[str, Any]) -> None:
    if event == "serving":
        count = facts["slots"]
        say(f"serving {facts['capability']}, {count} at once; stop with Ctrl-C")
        return
    if event == "gone":
        say(facts["text"])
        return
    line = _WORDS[event]
    if event == "stop":
        line += f" the work under claim {short(facts['claim'])}: {one_line(facts['reason'])}"
    else:
        line += f" task {short(facts['task'])}"
    if "ms" in facts:
        line += f" after {format_duration(facts['ms'])}"
    if "size" in facts:
        line += f", {facts['size']} bytes"
    if "text" in facts:
        line += f": {one_line(facts['text'])}"
    say(line)
