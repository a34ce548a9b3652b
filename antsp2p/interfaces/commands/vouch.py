"""`antsp2p vouch NODE`: stand in for a node with what others trust this one with."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.interfaces.client import Client, id_segment
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import say, say_json, short

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Vouch for the node, or take it back."""
    days = 0 if options.withdraw else options.days
    params: dict[str, str | int] = {"days": days, "weight": options.weight}
    if options.capability:
        params["capability"] = options.capability
    if options.reason:
        params["reason"] = options.reason
    with Client(options) as client:
        answer = client.call("POST", f"/v1/peers/{id_segment(options.id)}/vouch", params=params)
    if options.json:
        say_json(answer)
    elif options.withdraw:
        say(f"no longer vouching for {short(answer['author'])}")
    else:
        say(f"vouching for {short(answer['author'])} for {days} days, with {options.weight}")
    return Exit.OK
