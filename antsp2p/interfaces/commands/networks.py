"""`antsp2p networks`: what this user belongs to. No node need run."""
from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from antsp2p.interfaces.durations import format_duration
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import say_json, say_table, short
from antsp2p.runtime.home import Home, HomeError
from antsp2p.runtime.networks import known_networks, wall_ms

if TYPE_CHECKING:
    import argparse

    from antsp2p.runtime.networks import Network


def run(options: argparse.Namespace) -> int:
    """List the networks."""
    try:
        found = [_view(network) for network in known_networks()]
    except HomeError as error:
        raise CommandError(Exit.REFUSED, str(error)) from error
    if options.json:
        say_json({"networks": found})
    else:
        say_table(
            ("network", "id", "who may enter", "since", "invited by", "nodes"),
            [_row(each) for each in found],
            "none yet: `antsp2p start` makes one, `antsp2p join` enters one",
        )
    return Exit.OK


def _view(network: Network) -> dict[str, Any]:
    return {
        "name": network.name, "id": network.id.hex(), "open": network.is_open,
        "price": network.work_bits,
        "since_ms": network.since_ms, "invited_by": network.invited_by.hex(),
        "generation": network.key.generation, "overlap_ms": network.overlap_ms(wall_ms()),
        "homes": [{"home": home, "running": _runs(home)} for home in network.homes],
    }


def _runs(home: str) -> bool:
    """Whether a node answers in that home."""
    with suppress(OSError, HomeError):
        entry = Home(Path(home)).read_api()
        if entry is not None:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(entry["socket"])
                return True
    return False


def _row(network: dict[str, Any]) -> tuple[str, ...]:
    day = time.strftime("%Y-%m-%d", time.localtime(network["since_ms"] / 1_000))
    entry = "anybody who knows its name" if network["open"] else "who is invited"
    if network["price"]:
        entry += f" and pays {network['price']} bits"
    if network["overlap_ms"] > 0:
        entry += f" (old secret good for {format_duration(network['overlap_ms'])})"
    return (
        network["name"], short(network["id"]), entry, day,
        short(network["invited_by"]) if network["invited_by"] else "-",
        ", ".join(
            f"{each['home']} (running)" if each["running"] else each["home"]
            for each in network["homes"]
        ) or "-",
    )
