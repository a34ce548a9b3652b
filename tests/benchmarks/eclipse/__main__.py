"""How many of honest nodes' links hostile members come to hold, over many seeds.

    python -m tests.benchmarks.eclipse [--seeds N] [--first N] [--nodes N] [--json]

A third of the members, less a little, names itself and dials as fast as it can from the first
moment on; the share of the links is steady after five seconds. A line for each world as it ends.
"""
from __future__ import annotations

import argparse
import json
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from typing import Final

from antsp2p.simulation.adversaries.scenario import eclipse

HOSTILE: Final = 0.3
MOST: Final = 0.4


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.eclipse")
    parser.add_argument("--seeds", type=int, default=10, help="how many worlds (10)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--nodes", type=int, default=200, help="members, the hostile among them")
    parser.add_argument("--seconds", type=int, default=6, help="simulated time (6)")
    parser.add_argument("--processes", type=int, default=2, help="worlds at a time (2)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    world = partial(eclipse, options.nodes, HOSTILE, seconds=options.seconds)
    rows = []
    with ProcessPoolExecutor(options.processes) as pool:
        seeds = range(options.first, options.first + options.seeds)
        for done in as_completed([pool.submit(world, seed) for seed in seeds]):
            row = done.result()
            rows.append(row)
            print(f"seed {row['seed']}: {row['hostile_links']} at the end, {row['eclipsed']} nodes "
                  f"with hostile links only, {row['curve']}", file=sys.stderr, flush=True)
    shares = [row["hostile_links"] for row in rows]
    summary = {
        "seeds": len(rows), "nodes": options.nodes, "hostile": HOSTILE,
        "hostile_links_mean": round(statistics.mean(shares), 3),
        "hostile_links_worst_seed": max(shares),
        "eclipsed": sum(row["eclipsed"] for row in rows),
        "target": MOST,
        "met": statistics.mean(shares) <= MOST and not any(row["eclipsed"] for row in rows),
    }
    if options.json:
        print(json.dumps({"summary": summary, "rows": rows}))
    else:
        for name, value in summary.items():
            print(f"{name:26} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
