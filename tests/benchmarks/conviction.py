"""How fast a forked history is known to everybody.

    python -m tests.benchmarks.conviction [--nodes N] [--seed N] [--json]

A tenth of the simulated members forks, 30 % of all datagrams are lost, some honest members are put
back from a backup. The time counts from when both branches are with honest nodes, to when the last
honest node has convicted. A thousand nodes take about a quarter of an hour.
"""
from __future__ import annotations

import argparse
import json
import sys
from time import process_time
from typing import Final

from antsp2p.simulation.adversaries.scenario import conviction

FORKERS: Final = 0.1
LOSS: Final = 0.3
MOST_MS: Final = 1_000
RESTORED_EACH: Final = 50
"""One of so many members is put back from a backup."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.conviction")
    parser.add_argument("--nodes", type=int, default=1_000, help="members (1,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the world (1)")
    parser.add_argument("--seconds", type=int, default=10, help="in which they fork (10)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    began_s = process_time()
    found = conviction(
        options.nodes, FORKERS, LOSS, options.seed, options.seconds,
        restored=max(1, options.nodes // RESTORED_EACH),
    )
    met = (
        found["everywhere_ms"]["p99"] <= MOST_MS
        and not found["false_convictions"] and not found["unconvicted"]
        and found["restored_again"] == found["restored"]
    )
    rows = {**found, "target_ms": MOST_MS, "met": met, "cpu_s": round(process_time() - began_s, 1)}
    if options.json:
        print(json.dumps(rows))
    else:
        for name, value in rows.items():
            print(f"{name:18} {value}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
