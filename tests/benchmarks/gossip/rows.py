"""What a benchmark has found, and how it is told."""
from __future__ import annotations

import statistics
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WIDTH: Final = 160
"""Of the table where nobody looks: in a file."""
RUNS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What a part is asked to do. `seeds` are not those that the engine was tuned on."""

    nodes: tuple[int, ...] = (10, 50)
    losses: tuple[int, ...] = (0, 10, 30)
    runs: int = 3
    events: int = 5
    settle_s: float = 45.0
    idle_s: float = 45.0
    seeds: tuple[int, ...] = (101, 102, 103)
    quick: bool = False
    everything: bool = False
    peers_venv: Path | None = None
    systems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of one system. `runs` has one value a run; a row without any says why."""

    what: str
    system: str
    nodes: int
    unit: str = ""
    runs: tuple[float, ...] = ()
    loss: int | None = None
    coverage: float | None = None
    """The share of (record, node) pairs that were there in time, over all runs."""
    target: str = ""
    met: bool | None = None
    """Whether the target is reached; None where there is none, or nothing to compare with."""
    missing: str = ""
    """Why there are no values, and what to do."""

    @property
    def value(self) -> float | None:
        """The median over the runs."""
        return statistics.median(self.runs) if self.runs else None

    def as_json(self) -> dict[str, Any]:
        """All of it, with the median, the least and the most."""
        ends = (min(self.runs), max(self.runs)) if self.runs else (None, None)
        return {**asdict(self), "value": self.value, "min": ends[0], "max": ends[1]}


def at_most(
    what: str, system: str, nodes: int, unit: str, runs: Sequence[float], most: float,
    *, loss: int | None = None, coverage: float | None = None,
) -> Row:
    """A row whose median must not be above `most`, and whose coverage, if any, must be whole."""
    values = tuple(round(value, 3) for value in runs)
    met = statistics.median(values) <= most and coverage in (None, 1.0)
    return Row(what, system, nodes, unit, values, loss, coverage, f"≤ {number(most)}", met)


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write_table(rows: Sequence[Row], title: str) -> None:
    """For people."""
    table = Table(title=title, title_justify="left")
    left = ("median of", "system", "target", "met", "each run")
    for name in ("median of", "system", "nodes", "loss", "value", "coverage", "target", "met",
                 "each run"):
        table.add_column(
            name, justify="left" if name in left else "right", no_wrap=name != "each run"
        )
    for row in rows:
        table.add_row(*_cells(row))
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH).print(table)


def _cells(row: Row) -> list[str]:
    loss = "" if row.loss is None else f"{row.loss} %"
    if row.value is None:
        return [row.what, row.system, str(row.nodes), loss, "missing", "", "", "", row.missing]
    coverage = "" if row.coverage is None else f"{100 * row.coverage:.5g} %"
    met = {True: "yes", False: "NO", None: ""}[row.met]
    shown = (min(row.runs), max(row.runs)) if len(row.runs) > RUNS_SHOWN else row.runs
    each = " … " if len(row.runs) > RUNS_SHOWN else "  "
    return [
        row.what, row.system, str(row.nodes), loss, f"{number(row.value)} {row.unit}", coverage,
        row.target, met, each.join(number(value) for value in shown),
    ]
