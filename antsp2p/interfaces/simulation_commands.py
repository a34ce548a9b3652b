"""The command about a simulated world, as arguments: simulate.

Law: as of the command line, only arguments are read here. What is left out has the
simulation's own default.
"""
from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, Any, Final

from antsp2p.interfaces.arguments import at_least_zero, count, read_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.interfaces.arguments import Adder


def _node_counts(text: str) -> tuple[int, ...]:
    read = count(1, 100_000)
    return tuple(read(part) for part in text.split(","))


def _read_part(text: str) -> float:
    part = at_least_zero(text)
    if part > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return part


_ANY = count(0, 2**53)
OPTIONS: Final[tuple[tuple[str, Callable[[str], Any], str, str], ...]] = (
    ("nodes", _node_counts, "N[,N]", "how many nodes; of several numbers, one run each"),
    ("tasks", count(0, 1_000_000), "N", "how many tasks, spread over the nodes"),
    ("records", count(1, 1_000_000), "N", "with --tasks 0: how many isolated records to spread"),
    ("gap-ms", count(1, 3_600_000), "MS", "time between two isolated records"),
    ("form-ms", count(0, 3_600_000), "MS", "time for the nodes to link up before the first one"),
    ("processes", count(1, 64), "N", "with --tasks 0: how many share the work (default: 1)"),
    ("handle-us", count(0, 1_000_000), "US", "what one event costs a node's processor"),
    ("loss", read_share, "SHARE", "of datagrams, besides the profile's faults"),
    ("seed", _ANY, "N", "the same seed gives the same run"),
    ("profile", str, "NAME", "which delays and faults, see below (default: calm)"),
    ("delay", str, "NAME", "how long datagrams take: lan, wifi, wan (default: the profile's)"),
    ("capabilities", count(1, 1_000), "N", "kinds of work"),
    ("slots", count(1, 10_000), "N", "tasks that a node works on at once"),
    ("service-ms", _ANY, "MS", "how long a task takes"),
    ("tasks-per-s", at_least_zero, "RATE", "how fast tasks are posted"),
    ("lease-ms", count(500, 86_400_000), "MS", "the tasks' lease"),
    ("settle-ms", count(0, 60_000), "MS", "the tasks' settle window"),
    ("attempts", count(1, 1_000), "N", "the tasks' attempts"),
    ("timeout-ms", _ANY, "MS", "the tasks' timeout"),
    ("blob-rate", _read_part, "SHARE", "of tasks whose content is a blob"),
    ("flaky", _ANY, "N", "nodes that fail half of their tasks"),
    ("silent", _ANY, "N", "nodes that claim and never deliver or report"),
    ("pretending", _ANY, "N", "nodes that report progress and never deliver"),
    ("wrong", _ANY, "N", "nodes that deliver wrong results"),
    ("faults-ms", _ANY, "MS", "the profile's faults end after this"),
    ("until-ms", _ANY, "MS", "not at rest by then is a failure"),
)


def _profiles_help() -> str:
    profiles = importlib.import_module("antsp2p.simulation.profiles").PROFILES
    lines = [f"  {name:<11} {profile.text}" for name, profile in profiles.items()]
    return "\n".join(["profiles:", *lines, ""])


def add_simulate(add: Adder) -> None:
    """Run nodes in a simulated world."""
    simulate = add("simulate", "run many nodes in a simulated world", homeless=True)
    simulate.add_argument(
        "--report", metavar="DIR", help="write the figures and their curves as a page there"
    )
    simulate.more_help = _profiles_help
    for flag, read, shown, text in OPTIONS:
        simulate.add_argument(
            f"--{flag}", type=read, metavar=shown, help=text, default=argparse.SUPPRESS
        )
    simulate.add_argument(
        "--review", action="store_true", default=argparse.SUPPRESS,
        help="posters recompute each result before they accept it",
    )
