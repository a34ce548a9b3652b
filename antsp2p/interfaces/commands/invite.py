"""`antsp2p invite`: a code that lets another machine into this node's network."""
from __future__ import annotations

import io
import shutil
import sys
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from antsp2p.interfaces.client import Client, hint, id_segment
from antsp2p.interfaces.durations import format_duration
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import escape, one_line, say, say_json, say_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

QR_BORDER: Final = 2
"""Modules of quiet around a QR code; the terminal's own ground is as quiet."""


def run(options: argparse.Namespace) -> int:
    """Invite, list the invitations, or take one back."""
    with Client(options) as client:
        if options.list:
            return _list(client, options)
        if options.cancel:
            return _cancel(client, options)
        return _invite(client, options)


def _invite(client: Client, options: argparse.Namespace) -> int:
    made = client.call(
        "POST", "/v1/invitations",
        params={"expires_ms": options.expires_ms, "uses": options.uses},
    )
    if options.json:
        say_json(made)
        return Exit.OK
    machines = "one machine" if made["uses"] == 1 else f"{made['uses']} machines"
    say(f"For {machines}, within {format_duration(made['expires_ms'] - made['made_ms'])}:")
    say()
    say(f"  antsp2p join {made['code']}")
    say()
    code = picture(made["code"]) if options.qr and sys.stdout.isatty() else ""
    if code:
        say(code)
    say(f"network    {one_line(made['network_name'])}")
    say(f"reached at {', '.join(made['addresses']) or 'no address: it must find this node'}"
        f"{_only_here(made['addresses'])}")
    say(f"take back  {escape(hint(options, 'invite', '--cancel', made['id']))}")
    return Exit.OK


def _only_here(addresses: Sequence[str]) -> str:
    """What is to be said where the code leads nobody to this machine who is not on it."""
    hosts = [ip_address(address.rpartition(":")[0].strip("[]")) for address in addresses]
    is_here = bool(hosts) and all(host.is_loopback for host in hosts)
    return ", from this machine only" if is_here else ""


def picture(code: str) -> str:
    """The code as a picture of blocks; empty where the terminal is too narrow for it."""
    import segno  # Only who looks at a terminal needs it.

    picture = segno.make(code.upper(), error="m", micro=False)
    width, _ = picture.symbol_size(border=QR_BORDER)
    if width > shutil.get_terminal_size().columns or "utf" not in sys.stdout.encoding.lower():
        return ""
    drawn = io.StringIO()
    picture.terminal(drawn, border=QR_BORDER, compact=True)
    return drawn.getvalue()


def _list(client: Client, options: argparse.Namespace) -> int:
    invitations = client.get("/v1/invitations")["invitations"]
    if options.json:
        say_json({"invitations": invitations})
        return Exit.OK
    now_ms = time.time_ns() // 1_000_000
    say_table(
        ("id", "uses left", "state"),
        [
            (each["id"], f"{each['uses_left']} of {each['uses']}", _state(each, now_ms))
            for each in invitations
        ],
        "no invitations",
    )
    return Exit.OK


def _state(invitation: Any, now_ms: int) -> str:
    if not invitation["uses_left"]:
        return "used"
    left_ms = invitation["expires_ms"] - now_ms
    return f"good for {format_duration(left_ms)}" if left_ms > 0 else "expired"


def _cancel(client: Client, options: argparse.Namespace) -> int:
    gone = client.call("DELETE", f"/v1/invitations/{id_segment(options.cancel)}")
    if options.json:
        say_json(gone)
    else:
        say(f"taken back: {gone['id']}")
    return Exit.OK
