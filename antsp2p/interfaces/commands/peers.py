"""`antsp2p peers`: the other nodes."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from antsp2p.interfaces.client import Client
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import one_line, say_json, say_table, short

if TYPE_CHECKING:
    import argparse

MAX_NICKNAME: Final = 16
"""Characters shown; who wants the whole of it asks for JSON."""
_COLUMNS = ("node", "link", "rtt", "score", "free", "address", "name", "can")


def run(options: argparse.Namespace) -> int:
    """List the other nodes, linked ones first, then by score."""
    with Client(options) as client:
        answer = client.get("/v1/peers")
    if options.json:
        say_json(answer)
    else:
        say_table(_COLUMNS, [_row(peer) for peer in answer["peers"]], "no other node is known yet")
    return Exit.OK


def score_text(score: Any) -> str:
    """A score as people read it: unknown is not bad, and what is trusted beforehand is no work."""
    if not score["known"]:
        return "unknown"
    pin = f", pin {score['pinned']}" if score["pinned"] else ""
    return f"{score['score_ppm'] / 1_000_000:.2f} (+{score['accepted']} -{score['failed']}{pin})"


def _score(peer: Any) -> str:
    if peer["convicted"] or peer["blocked"]:
        return "convicted" if peer["convicted"] else "blocked"
    return "revoked" if peer["revoked"] else score_text(peer)


def _row(peer: Any) -> tuple[str, ...]:
    can = ", ".join(f"{item['name']} ({item['slots']})" for item in peer["capabilities"])
    rtt_ms, free = peer["rtt_ms"], peer["free_slots"]
    return (
        short(peer["author"]), "up" if peer["linked"] else "-",
        "-" if rtt_ms is None else f"{rtt_ms:.1f}ms",
        _score(peer),
        "-" if free is None else str(free), peer["address"] or "-",
        one_line(peer["nickname"], MAX_NICKNAME) or "-", can or "-",
    )
