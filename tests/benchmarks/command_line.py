"""How long a person waits for a command: `python -m tests.benchmarks.command_line [--json]`.

Whole processes, from the start to the exit, beside a bare interpreter in the same run.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

COMMAND = str(Path(sys.executable).with_name("antsp2p"))
TARGET_MS = {"antsp2p --help": 150.0, "antsp2p peers": 400.0}


def wall_ms(command: list[str]) -> float:
    """Milliseconds that one run takes. Raises `CalledProcessError` if it fails."""
    start_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start_s) * 1_000


def measure(home: str, runs: int) -> dict[str, list[float]]:
    """All figures, the commands in turn, after one run of each that is not counted."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "antsp2p --help": [COMMAND, "--help"],
        "antsp2p peers": [COMMAND, "peers", "--home", home],
    }
    figures: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            figure = wall_ms(command)
            if run:
                figures[name].append(figure)
    return figures


def with_node(runs: int) -> dict[str, list[float]]:
    """The figures with one node running in a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        node = subprocess.Popen(
            [COMMAND, "start", "--home", home, "--listen", "127.0.0.1:0", "--no-discovery",
             "--json"],
            stdout=subprocess.PIPE, text=True,
        )
        try:
            assert node.stdout is not None
            assert json.loads(node.stdout.readline())["ready"]
            return measure(home, runs)
        finally:
            node.terminate()
            node.communicate(timeout=30)


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    figures = with_node(options.runs)
    rows = [
        {
            "command": name, "median_ms": round(statistics.median(figure), 1),
            "max_ms": round(max(figure), 1), "target_ms": TARGET_MS.get(name),
        }
        for name, figure in figures.items()
    ]
    if options.json:
        print(json.dumps({"rows": rows, "runs": options.runs, "cores": os.cpu_count()}))
        return
    table = Table("command", "median", "max", "target", title=f"{options.runs} runs")
    for row in rows:
        target = "" if row["target_ms"] is None else f"≤ {row['target_ms']:.0f} ms"
        table.add_row(str(row["command"]), f"{row['median_ms']} ms", f"{row['max_ms']} ms", target)
    Console().print(table)


if __name__ == "__main__":
    main()
