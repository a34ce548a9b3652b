"""`antsp2p simulate`: many real nodes under one simulated clock and one seed."""
from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import say_fields, say_json
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.report import run_from_options
from antsp2p.simulation.world import Violation

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Run the simulation and print its report."""
    given = {
        item.name: getattr(options, item.name)
        for item in fields(SimulationOptions)
        if hasattr(options, item.name)
    }
    try:
        report: dict[str, Any] = run_from_options(SimulationOptions(**given))
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    except Violation as violation:
        raise CommandError(Exit.FAILED, f"a rule was broken: {violation}") from violation
    if options.json:
        say_json(report)
    else:
        say_fields({name.replace("_", " "): _text(value) for name, value in report.items()})
    return Exit.OK


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {item}" for name, item in value.items())
    return str(value)
