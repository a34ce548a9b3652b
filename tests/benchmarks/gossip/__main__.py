"""How well records spread, against other systems in the same run on the same machine.

    python -m tests.benchmarks.gossip [--json] [--only PART ...] [--nodes 10,50] [--runs N]
        [--peers-venv DIR] [--chart FILE.svg] [--quick] [--all]

Parts: `real`, `serf`, `libp2p` and `zenoh` are node processes on loopback, with UDP loss made by
nftables in a network namespace; `idle` is what they cost with nothing to say; `sealed` is what the
cipher changes; `simulated` is what takes thousands of nodes; `reconciliation` is what it costs to
find what differs. The namespaces need root. A system that is not installed is told as missing. Exit
code 1 where a target is missed.
"""
from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.gossip import spread
from tests.benchmarks.gossip.chart import draw
from tests.benchmarks.gossip.rows import Options, Row, write_table
from tests.benchmarks.gossip.systems import OURS, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELDS: Final = {"real": OURS, "serf": "serf", "libp2p": "libp2p", "zenoh": "zenoh"}
"""Parts that are one system each; they are measured together, in turns."""
MODULES: Final = ("idle", "sealed", "simulated", "reconciliation")
"""Parts that are a module here with a function `run(options) -> list[Row]`."""
PARTS: Final = (*FIELDS, *MODULES)
QUICK_NODES: Final = 10


def measure(parts: Sequence[str], options: Options) -> list[Row]:
    """All rows of the chosen parts, in their order."""
    rows: list[Row] = []
    systems = tuple(FIELDS[part] for part in parts if part in FIELDS)
    if systems:
        rows += spread.run(replace(options, systems=systems))
    for part in parts:
        if part in MODULES:
            rows += _part(part, options)
    return rows


def _part(part: str, options: Options) -> list[Row]:
    name = f"{__package__}.{part}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return [Row(part, OURS, 0, missing="this part does not exist yet")]
    found: list[Row] = module.run(options)
    return found


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", default=PARTS,
                        help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--nodes", type=_numbers, metavar="N,N", help="sizes (10,50)")
    parser.add_argument("--loss", type=_numbers, metavar="P,P", help="percent (0,10,30)")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each system (3)")
    parser.add_argument("--events", type=int, metavar="N", help="records a run and loss (5)")
    parser.add_argument("--peers-venv", type=Path, metavar="DIR",
                        help="a virtual environment that has libp2p and eclipse-zenoh")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="draw the last node")
    parser.add_argument("--quick", action="store_true", help="one small run, under two minutes")
    parser.add_argument("--all", action="store_true", dest="everything",
                        help="10,000 nodes too, and every system in every run: an hour")
    given = parser.parse_args()
    options = _options(given)
    if options.runs < 1 or options.events < 1 or min(options.nodes) < 2:
        parser.error("--runs and --events must be above 0, --nodes above 1")
    # Whoever ends the benchmark ends its nodes and namespaces with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    load = round(os.getloadavg()[0], 1)
    rows = measure(given.only, options)
    machine = {
        "cores": os.cpu_count(), "load_before": load, "python": sys.version.split()[0],
        "versions": versions(options.peers_venv),
    }
    if given.json:
        print(json.dumps({"figures": [row.as_json() for row in rows], **machine}))
    else:
        write_table(rows, f"Gossip ({machine['cores']} cores, load before {load}, "
                          f"Python {machine['python']})")
    if given.chart:
        given.chart.write_text(draw(rows), "utf-8")
    return 0 if all(row.met is not False for row in rows) else 1


def _options(given: argparse.Namespace) -> Options:
    options = Options(quick=given.quick, everything=given.everything, peers_venv=given.peers_venv)
    if given.quick:
        options = replace(options, nodes=(QUICK_NODES,), runs=1, events=3, losses=(0, 30),
                          settle_s=5.0, idle_s=5.0)
    chosen: dict[str, Any] = {
        "nodes": given.nodes, "losses": given.loss, "runs": given.runs, "events": given.events,
    }
    return replace(options, **{key: value for key, value in chosen.items() if value is not None})


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
