"""`antsp2p watch`: follow what happens, until interrupted."""
from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from antsp2p.coordination.body import IDENTITY_NAME
from antsp2p.interfaces.client import Client
from antsp2p.interfaces.durations import format_duration
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
                say(f"{time.strftime('%H:%M:%S')}  {line(notice)}")
    raise CommandError(Exit.NO_NODE, "the node has stopped")


def line(notice: Any) -> str:
    """A notice as a person reads it, escaped."""
    kind, subject = notice["kind"], short(notice["subject"])
    if kind == "watching":
        return f"watching node {subject}; stop with Ctrl-C"
    return f"{kind:<9}  {subject}  {one_line(_text(kind, notice))}".rstrip()


def _text(kind: str, notice: Any) -> str:
    match kind:
        case "task":
            return _task(notice)
        case "peer-up":
            host, _, port = notice["address"].rpartition(" ")
            return f"linked at {f'[{host}]' if ':' in host else host}:{port}"
        case "peer-down":
            return f"linked no longer: {notice['reason']}"
        case "announced":
            return _announced(notice)
        case "marked":
            return _marked(notice)
        case "convicted":
            return f"signed two histories, from its record {notice['seq']} on"
        case "revoked":
            heir = notice.get("successor")
            named = f"{short(heir)} is named to go on with its reputation" if heir else (
                "nobody is named to go on with its reputation")
            return f"its key was given up, from its record {notice['seq'] + 1} on; {named}"
        case "confirmed":
            return "a peer has confirmed this node's history"
        case "secret":
            good = format_duration(notice["overlap_ms"])
            before = f"the one before is good for {good} more" if notice["overlap_ms"] else (
                "the one before is good no more")
            return f"the network's secret is number {notice['generation']} now; {before}"
        case "warning":
            return str(notice["text"])
        case "missed":
            return f"{notice['count']} events are not shown: they came faster than they were read"
    # Of a later version.
    return ", ".join(
        f"{name} {value}" for name, value in notice.items()
        if name not in ("kind", "subject") and value is not False and value not in (None, "")
    )


def _task(notice: Any) -> str:
    text = f"{notice['state']}, epoch {notice['epoch']}"
    if notice["holder"]:
        certain = "settled" if notice["settled"] else "provisional"
        text += f", held by {short(notice['holder'])} ({notice['rule']}, {certain})"
    return text


def _announced(notice: Any) -> str:
    name, slots = notice["capability"], notice["slots"]
    if name == IDENTITY_NAME:
        return "said who it is"
    if notice["withdrawn"]:
        return f"offers {name} no longer"
    return f"offers {name}, {slots} at once"


def _marked(notice: Any) -> str:
    if not notice["half_life_ms"]:
        return f"wiped its mark off {notice['topic']}"
    return f"marked {notice['topic']}" + (f": {notice['text']}" if notice["text"] else "")
