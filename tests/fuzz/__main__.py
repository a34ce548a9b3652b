"""Fuzzing by hand, for as long as it is given.

    python -m tests.fuzz [--target NAME] [--runs N] [--seed N] [--small] [--json]
    python -m tests.fuzz --total 10000000 --small
    python -m tests.fuzz --target NAME --atheris [FOLDER]

Without `--atheris` inputs are mutations of the published vectors, one seed one sequence. With it
(`pip install 'antsp2p[fuzz]'`) libFuzzer looks for new paths through this project's own Python: the
walkers and the node; it sees none inside compiled libraries. FOLDER keeps what it finds.
Of a total, one half goes to the nodes and the other to the readers. Inputs a second are of
processor time; "tables" is the most that a node held beside records, in bytes, while each half of
the inputs came, and "grown" counts the tables that had more entries at half of the looks in the
second half than at any in the first. With `--small` tables are so small that all are full before.
"""
from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from antsp2p.gossip.limits import DEFAULT_LIMITS
from tests.fuzz.rig import SMALL
from tests.fuzz.run import fuzz
from tests.fuzz.targets import NODES, TARGETS

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits
    from tests.fuzz.run import Outcome
    from tests.fuzz.targets import Target


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=(*TARGETS, *NODES),
                        help="one reader, or a node under attack (usual: each in turn)")
    parser.add_argument("--runs", type=int, default=100_000, help="inputs for each (100000)")
    parser.add_argument("--total", type=int, help="inputs for all together, instead")
    parser.add_argument("--small", action="store_true", help="nodes with small tables")
    parser.add_argument("--seed", type=int, default=1, help="which sequence (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--atheris", nargs="?", const="", metavar="FOLDER",
                        help="let libFuzzer choose the inputs")
    options = parser.parse_args()
    if options.atheris is not None:
        if options.target is None:
            parser.error("--atheris needs --target")
        target = made(options.target, SMALL if options.small else DEFAULT_LIMITS)
        return explore(target, options.atheris, options.runs, options.seed)
    names = [options.target] if options.target else [*TARGETS, *NODES]
    outcomes = {}
    for name in names:
        runs = options.runs if options.total is None else share(options.total, name, names)
        target = made(name, SMALL if options.small else DEFAULT_LIMITS)
        outcome = outcomes[name] = fuzz(target, runs, options.seed)
        print(f"{name}: {outcome.inputs:,} inputs, {outcome.accepted:,} accepted, "
              f"{outcome.cpu_s:.0f} s, no fault, grown: {outcome.grown or 'none'}",
              file=sys.stderr, flush=True)
    show(outcomes, as_json=options.json)
    return 0


def made(name: str, limits: Limits) -> Target:
    """The target of that name; a node is new each time."""
    return NODES[name](limits) if name in NODES else TARGETS[name]


def share(total: int, name: str, names: list[str]) -> int:
    """How many of all inputs go to this target."""
    alike = [each for each in names if (each in NODES) == (name in NODES)]
    return -(-total // (len(alike) * (1 if len(alike) == len(names) else 2)))


def show(outcomes: dict[str, Outcome], *, as_json: bool) -> None:
    """A line for each target; there were no faults, or there would be no table."""
    if as_json:
        print(json.dumps({"rows": [
            {"target": name, "inputs": outcome.inputs, "accepted": outcome.accepted,
             "cpu_s": round(outcome.cpu_s, 2), "faults": 0, "first_bytes": outcome.first_bytes,
             "second_bytes": outcome.second_bytes, "grown": outcome.grown}
            for name, outcome in outcomes.items()
        ]}))
        return
    table = Table(
        "target", "inputs", "accepted", "a second", "faults", "tables, first half", "second",
        "grown")
    for name, outcome in outcomes.items():
        table.add_row(
            name, f"{outcome.inputs:,}", f"{outcome.accepted:,}",
            f"{outcome.inputs / max(outcome.cpu_s, 1e-6):,.0f}", "0", f"{outcome.first_bytes:,}",
            f"{outcome.second_bytes:,}", f"{len(outcome.grown)}",
        )
    Console().print(table)


def explore(target: Target, folder: str, runs: int, seed: int) -> int:
    """Give the inputs into libFuzzer's hands."""
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: pip install 'antsp2p[fuzz]'", file=sys.stderr)
        return 2
    def one_input(data: bytes) -> None:
        target.accepts(data)

    atheris.instrument_all()
    arguments = [sys.argv[0], f"-runs={runs}", f"-seed={seed}", "-max_len=4096"]
    atheris.Setup([*arguments, folder] if folder else arguments, one_input)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
