"""`antsp2p watch`: follow what happens, until interrupted."""
from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from antsp2p.interfaces.client import Client
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import one_line, say, say_json, short

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Print one line per event."""
    with Client(options) as client:
        for _, notice in client.events("/v1/events"):
            if options.json:
                say_json(notice)
            else:
                say(f"{time.strftime('%H:%M:%S')}  {_line(notice)}")
    raise CommandError(Exit.NO_NODE, "the node has stopped")


def _line(notice: Any) -> str:
    kind, subject = notice["kind"], short(notice["subject"])
    if kind == "watching":
        return f"watching node {subject}; stop with Ctrl-C"
    if kind == "task":
        text = f"{notice['state']}, attempt {notice['epoch'] + 1}"
        if notice["holder"]:
            certain = "settled" if notice["settled"] else "provisional"
            text += f", held by {short(notice['holder'])} ({notice['rule']}, {certain})"
    else:
        detail = {k: v for k, v in notice.items() if k not in ("kind", "subject")}
        text = " ".join(f"{name}={value}" for name, value in detail.items())
    return f"{kind:<9}  {subject}  {one_line(text)}"
