"""`antsp2p simulate`: many real nodes under one simulated clock and one seed."""
from __future__ import annotations

import gc
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import say_fields, say_json, say_table
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.page import render_page, table_rows
from antsp2p.simulation.report import run_from_options
from antsp2p.simulation.shards import ShardLost
from antsp2p.simulation.world import Violation

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    Report = dict[str, Any]


def run(options: argparse.Namespace) -> int:
    """Run the simulation once for each number of nodes, and print its report."""
    given = {
        item.name: getattr(options, item.name)
        for item in fields(SimulationOptions)
        if hasattr(options, item.name)
    }
    counts = given.pop("nodes", None) or (SimulationOptions().nodes,)
    folder = None if options.report is None else _folder(options.report)
    reports: list[Report] = []
    try:
        runs = [SimulationOptions(nodes=count, **given) for count in counts]
        for chosen in runs:
            reports.append(run_from_options(chosen, curves=folder is not None))
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    except ShardLost as lost:
        raise CommandError(Exit.FAILED, str(lost)) from lost
    except Violation as violation:
        raise CommandError(Exit.FAILED, f"a rule was broken: {violation}") from violation
    # To look for dead objects among thousands of nodes would take seconds, before the process ends.
    gc.freeze()
    if folder is not None:
        _write(folder, runs, reports)
    _print(reports, options.json)
    return Exit.OK


def _folder(name: str) -> Path:
    """Made before the run: an hour's work is not to be lost for want of a folder."""
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"cannot write to {name}: {error.strerror}") from error
    return folder


def _write(folder: Path, runs: Sequence[SimulationOptions], reports: Sequence[Report]) -> None:
    counts = ",".join(str(chosen.nodes) for chosen in runs)
    words = runs[0].command.replace(f"--nodes {runs[0].nodes}", f"--nodes {counts}")
    if "--nodes" not in words:
        words = words.replace("simulate", f"simulate --nodes {counts}", 1)
    page = render_page(words, reports)
    (folder / "report.html").write_text(page, encoding="utf-8")
    (folder / "report.json").write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")


def _print(reports: Sequence[Report], as_json: bool) -> None:
    shown = [
        {name: value for name, value in report.items() if name != "curves"} for report in reports
    ]
    if as_json:
        say_json(shown[0] if len(shown) == 1 else shown)
    elif len(shown) == 1:
        say_fields({name.replace("_", " "): _text(value) for name, value in shown[0].items()})
    else:
        rows = [(name, *values) for name, values in table_rows(shown)]
        say_table(["", *("" for _ in shown)], rows, "nothing was measured")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {item}" for name, item in value.items())
    return str(value)
