"""`antsp2p simulate`: many real nodes under one simulated clock and one seed."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import say_fields, say_json

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Run the simulation and print its report."""
    from antsp2p.simulation.report import run_from_options

    report: dict[str, Any] = run_from_options(options)
    if options.json:
        say_json(report)
    else:
        say_fields({name.replace("_", " "): _text(value) for name, value in report.items()})
    return Exit.OK


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {item}" for name, item in value.items())
    return str(value)
