"""What the running node says for an examination: who called it, and whom it called in vain.

Law: both ends of one message of the local API, so that they are read side by side. Times are ages:
no clock leaves the process.
"""
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from antsp2p.runtime.examine.facts import CallerFact, NodeFact
from antsp2p.runtime.peers import format_address, parse_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from antsp2p.node import Node

_TRUST: Final = ("kept", "proven", "hinted")
"""Why an address is known, by how much it matters that nobody answers there. What only payloads
name is left out: a stranger's word is no reason to call once more."""
TRIES: Final = 3
"""Hellos without an answer from which on an address counts as silent."""


def node_view(node: Node, drops: Mapping[str, int], now_us: int) -> dict[str, Any]:
    """What is told; `/v1/doctor` answers it."""
    dials = sorted(
        (
            dial for dial in node.gossip.dials()
            if dial.failures >= TRIES and dial.origin in _TRUST
        ),
        key=lambda dial: (_TRUST.index(dial.origin), -dial.dialled_us),
    )
    return {
        "pid": os.getpid(), "author": node.author.hex(),
        "network": node.network.hex(), "drops": dict(sorted(drops.items())),
        "links": [format_address(link.address) for link in node.gossip.links()],
        "callers": [
            {
                "address": format_address(caller.address), "reasons": dict(caller.reasons),
                "age_ms": (now_us - caller.last_us) // 1_000, "version": caller.version,
                "network": caller.network.hex(),
            }
            for caller in node.gossip.callers()
        ],
        "unanswered": [
            {"address": format_address(dial.address), "known": dial.origin, "tries": dial.failures}
            for dial in dials
        ],
    }


def read_node(view: Mapping[str, Any]) -> NodeFact:
    """What `node_view` told."""
    return NodeFact(
        pid=int(view["pid"]), author=str(view["author"]),
        network=str(view["network"]), drops=dict(view["drops"]),
        links=tuple(map(parse_address, view["links"])),
        callers=tuple(
            CallerFact(
                parse_address(caller["address"]), dict(caller["reasons"]),
                int(caller["age_ms"]), int(caller["version"]), str(caller["network"]),
            )
            for caller in view["callers"]
        ),
        unanswered=tuple(parse_address(dial["address"]) for dial in view["unanswered"]),
    )
