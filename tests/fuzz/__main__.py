"""Fuzzing by hand, for as long as it is given.

    python -m tests.fuzz [--target NAME] [--runs N] [--seed N] [--json]
    python -m tests.fuzz --target NAME --atheris [FOLDER]

Without `--atheris` inputs are mutations of the published vectors, one seed one sequence. With it
(`pip install 'antsp2p[fuzz]'`) libFuzzer looks for new paths through this project's own Python: the
walkers and the node; it sees none inside compiled libraries. FOLDER keeps what it finds.
Inputs a second are of processor time; "tables" is the most that a node held beside records,
in bytes, while each half of the inputs came.
"""
from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.fuzz.run import fuzz
from tests.fuzz.targets import NODES, TARGETS

if TYPE_CHECKING:
    from tests.fuzz.run import Outcome
    from tests.fuzz.targets import Target


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=(*TARGETS, *NODES),
                        help="one reader, or a node under attack (usual: each in turn)")
    parser.add_argument("--runs", type=int, default=100_000, help="inputs for each (100000)")
    parser.add_argument("--seed", type=int, default=1, help="which sequence (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--atheris", nargs="?", const="", metavar="FOLDER",
                        help="let libFuzzer choose the inputs")
    options = parser.parse_args()
    if options.atheris is not None:
        if options.target is None:
            parser.error("--atheris needs --target")
        return explore(made(options.target), options.atheris, options.runs, options.seed)
    names = [options.target] if options.target else [*TARGETS, *NODES]
    outcomes = {}
    for name in names:
        print(name, file=sys.stderr, flush=True)
        outcomes[name] = fuzz(made(name), options.runs, options.seed)
    show(outcomes, as_json=options.json)
    return 0


def made(name: str) -> Target:
    """The target of that name; a node is new each time."""
    return NODES[name]() if name in NODES else TARGETS[name]


def show(outcomes: dict[str, Outcome], *, as_json: bool) -> None:
    """A line for each target; there were no faults, or there would be no table."""
    if as_json:
        print(json.dumps({"rows": [
            {"target": name, "inputs": outcome.inputs, "accepted": outcome.accepted,
             "cpu_s": round(outcome.cpu_s, 2), "faults": 0, "first_bytes": outcome.first_bytes,
             "second_bytes": outcome.second_bytes}
            for name, outcome in outcomes.items()
        ]}))
        return
    table = Table(
        "target", "inputs", "accepted", "a second", "faults", "tables, first half", "second")
    for name, outcome in outcomes.items():
        table.add_row(
            name, f"{outcome.inputs:,}", f"{outcome.accepted:,}",
            f"{outcome.inputs / max(outcome.cpu_s, 1e-6):,.0f}", "0", f"{outcome.first_bytes:,}",
            f"{outcome.second_bytes:,}",
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
