"""`antsp2p rotate-secret`: give the network of a running node a new secret."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.interfaces.client import Client
from antsp2p.interfaces.durations import format_duration
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import one_line, say, say_json

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Change the secret, and say until when the one before is good."""
    overlap_ms = 0 if options.without_telling else options.overlap_ms
    with Client(options) as client:
        changed = client.call(
            "POST", "/v1/secret",
            params={} if overlap_ms is None else {"overlap_ms": overlap_ms},
        )
    if options.json:
        say_json(changed)
        return Exit.OK
    say(f"{one_line(changed['network_name'])} has a new secret (number {changed['generation']}).")
    if changed["overlap_ms"]:
        say(f"Linked nodes are told; the one before is good for "
            f"{format_duration(changed['overlap_ms'])} more.")
        say("Whoever is a member now learns the new one: to shut somebody out, use "
            "--without-telling.")
    else:
        say("Nobody is told: other machines come back with a new invitation (antsp2p invite).")
    return Exit.OK
