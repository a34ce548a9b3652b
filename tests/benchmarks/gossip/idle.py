"""What a node costs that has nothing to say: traffic with its headers, processor, memory.

Each system alone in a namespace, after it has joined and settled, over the same length of time. A
packet counts once, with its IP and UDP or TCP header, where it arrives.
"""
from __future__ import annotations

import sys
from typing import Final

from tests.benchmarks.gossip.rows import Options, Row, number
from tests.benchmarks.gossip.spread import FieldFailed, field
from tests.benchmarks.gossip.systems import BY_UDP, OURS, SYSTEMS, why_missing
from tests.system.namespaces import why_not

NAME: Final = "idle"
_QUANTITIES: Final = (
    ("bytes_per_s", "idle traffic a node", "B/s"),
    ("packets_per_s", "idle packets a node", "1/s"),
    ("cpu_percent", "idle node, of one core", "%"),
    ("resident_mb", "idle node, resident", "MB"),
)


def run(options: Options) -> list[Row]:
    """One window of each system that is installed, at the largest size."""
    nodes = max(options.nodes)
    refused = why_not()
    found: dict[str, dict[str, float]] = {}
    rows: list[Row] = []
    for name in BY_UDP if options.quick else SYSTEMS:
        reason = refused or why_missing(name, options.peers_venv)
        if not reason:
            print(f"idle: {name}, {nodes} nodes", file=sys.stderr, flush=True)
            words = ["idle", name, nodes, options.settle_s, options.idle_s]
            try:
                found[name] = field(words, options.peers_venv, True)
            except FieldFailed as error:
                reason = str(error)
        if reason:
            rows.append(Row("idle traffic a node", name, nodes, missing=reason))
    for key, what, unit in _QUANTITIES:
        for name, measured in found.items():
            target, met = "", None
            if name == OURS and key == "bytes_per_s" and "serf" in found:
                most = found["serf"][key]
                target, met = f"≤ {number(most)} (serf)", measured[key] <= most
            value = round(measured[key], 3)
            rows.append(Row(what, name, nodes, unit, (value,), target=target, met=met))
    return rows
