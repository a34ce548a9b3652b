"""What a node does with records, and how fast, beside the machine's own signature check.

    python -m tests.benchmarks.records [--json] [--quick] [--runs N]
    python -m tests.benchmarks.records --shares

One node process on loopback is fed records that were signed beforehand: new ones of distinct
authors, each checked, folded, stored and pushed on; then 100,000 of 100 authors at once, from
another node. What the pieces cost is measured in this process, in processor time. At the end the
node spreads single records while it is flooded with junk. `--shares` tells instead where the time
of a catch-up goes, module by module.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import trio
from rich.console import Console
from rich.table import Table

from tests.benchmarks.records import catch_up, live, micro, shares
from tests.benchmarks.records.workload import RECORDS_PER_TASK, singles, tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

LIVE_SHARE: Final = 65.0
CATCH_UP_MULTIPLE: Final = 3.0
RESIDENT_MB: Final = 250.0
START_S: Final = 3.0
FLOOD_MULTIPLE: Final = 3.0
EACH: Final = 4
"""Records in one datagram where many come at once: as many as fit, as nodes pack them."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    records: int = 100_000
    authors: int = 100
    live: int = 9_000
    """Each of an author of its own: of 10,000 at once a node takes news on one link, not more."""
    pieces: int = 10_000
    checks: int = 1_000
    probes: int = 200


QUICK: Final = Sizes(
    records=5_000, authors=20, live=1_000, pieces=1_000, checks=200, probes=20
)


def row(
    name: str, unit: str, values: Sequence[float], target: float | None = None, *,
    at_least: bool = False,
) -> dict[str, Any]:
    """A figure: the median of what each run had."""
    middle = round(statistics.median(values), 3)
    met = None if target is None else middle >= target if at_least else middle <= target
    return {
        "name": name, "unit": unit, "value": middle, "runs": [round(v, 3) for v in values],
        "target": target, "at_least": at_least, "met": met,
    }


def measure(sizes: Sizes, runs: int) -> list[dict[str, Any]]:
    """All figures, in the order of the table."""
    say("signing")
    history = tasks(sizes.records // RECORDS_PER_TASK, sizes.authors)
    news = singles(sizes.live, first_author=10_000)
    checked = news[: sizes.checks]
    rows = _pieces(history[: sizes.pieces], checked, news, runs)
    rows += _live(news, checked, runs)
    rows += _catch_up(history, checked, runs)
    rows += _floods(sizes.probes)
    return rows


def share_rows(sizes: Sizes) -> list[dict[str, Any]]:
    """Where the time of a catch-up goes."""
    found = shares.of_catch_up(tasks(3 * sizes.pieces // RECORDS_PER_TASK, sizes.authors))
    return [
        row(name, "" if name == shares.CALLS else "%", [value]) for name, value in found.items()
    ]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _pieces(history: Any, checked: Any, news: Any, runs: int) -> list[dict[str, Any]]:
    say("pieces")
    one = [micro.verify_us(checked, 1) for _ in range(runs)]
    two = [micro.verify_two_us(checked, 1) for _ in range(runs)]
    return [
        row("check a signature, one thread", "µs", one),
        row("check a signature, two threads", "µs", two),
        *(row(cost.name, "µs", [cost.us]) for cost in micro.costs(history, news, runs)),
    ]


def _live(news: Any, checked: Any, runs: int) -> list[dict[str, Any]]:
    rows = []
    for each, target in ((EACH, LIVE_SHARE), (1, None)):
        rates, shares, costs = [], [], []
        for number in range(runs):
            say(f"live, {each} a datagram, run {number + 1} of {runs}")
            before_us = micro.verify_us(checked, 1)
            found = trio.run(live.measure, news, each)
            check_us = (before_us + micro.verify_us(checked, 1)) / 2
            rates.append(found.records_per_s)
            costs.append(found.cpu_us)
            shares.append(100 * found.records_per_s * check_us / 1e6)
        name = f"new records, {each} a datagram"
        rows += [
            row(name, "/s", rates),
            row(f"{name}: of the rate of checks", "%", shares, target, at_least=True),
            row(f"{name}: processor time", "µs", costs),
        ]
    return rows


def _catch_up(history: Any, checked: Any, runs: int) -> list[dict[str, Any]]:
    multiples, costs, found, whole = [], [], [], []
    for number in range(runs):
        say(f"catch-up, run {number + 1} of {runs}")
        before_us = micro.verify_us(checked, 1)
        cost_us, _ = catch_up.taken_in_us(history)
        measured = trio.run(catch_up.measure, history)
        check_us = (before_us + micro.verify_us(checked, 1)) / 2
        costs.append(cost_us)
        multiples.append(check_us / cost_us)
        found.append(measured)
        whole.append(measured.records_per_s * check_us / 1e6)
    count = f"{len(history):,} records"
    return [
        row(f"{count} taken in without a transfer", "µs", costs),
        row(f"{count} taken in: times the rate of checks", "x", multiples),
        row(f"{count} from another node", "/s", [m.records_per_s for m in found]),
        row(f"{count} from another node: times the rate of checks", "x", whole,
            CATCH_UP_MULTIPLE, at_least=True),
        row(f"{count} from another node: processor time", "µs", [m.cpu_us for m in found]),
        row(f"resident with {count}, after the catch-up", "MB", [m.resident_mb for m in found],
            RESIDENT_MB),
        row(f"resident with {count}, after a start", "MB",
            [m.source_resident_mb for m in found], RESIDENT_MB),
        row(f"start with {count}", "s", [m.start_s for m in found], START_S),
    ]


def _floods(probes: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    quiet_ms = 0.0
    for place, (kind, name) in enumerate((
        ("", "quiet"), ("strangers", "flood by strangers"), ("peer", "flood by a linked peer"),
    )):
        say(name)
        found = trio.run(live.spread, kind, 500_000 + 10_000 * place, probes)
        quiet_ms = quiet_ms or found.median_ms
        rows.append(row(f"a record through a node, {name}", "ms", [found.median_ms]))
        rows.append(row(f"a record through a node, {name}, 90 %", "ms", [found.p90_ms]))
        if kind:
            rows.append(row(f"{name}: junk", "/s", [found.junk_per_s]))
            rows.append(row(f"{name}: times as long as quiet", "x",
                            [found.median_ms / quiet_ms], FLOOD_MULTIPLE))
        rows.append(row(f"resident, {name}", "MB", [found.resident_mb]))
    return rows


def write_table(rows: Sequence[dict[str, Any]], machine: str) -> None:
    """For people."""
    table = Table(title=f"Records at one node ({machine})", title_justify="left")
    for name in ("median of", "value", "target", "met", "each run"):
        table.add_column(name, justify="right" if name in ("value", "target") else "left")
    for each in rows:
        sign = "≥" if each["at_least"] else "≤"
        target = "" if each["target"] is None else f"{sign} {each['target']:g} {each['unit']}"
        met = {True: "yes", False: "NO", None: ""}[each["met"]]
        values = " ".join(f"{value:,.4g}" for value in each["runs"])
        table.add_row(each["name"], f"{each['value']:,.4g} {each['unit']}", target, met, values)
    Console(highlight=False, width=None if sys.stdout.isatty() else 130).print(table)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and tell; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="of each figure (3)")
    parser.add_argument("--shares", action="store_true", help="where the time of a catch-up goes")
    options = parser.parse_args(words)
    if options.runs < 1:
        parser.error("--runs must be above 0")
    sizes = QUICK if options.quick else Sizes()
    rows = share_rows(sizes) if options.shares else measure(sizes, options.runs)
    machine = {"cores": os.cpu_count(), "python": sys.version.split()[0]}
    if options.json:
        print(json.dumps({"figures": rows, **machine}))
    else:
        write_table(rows, f"{machine['cores']} cores, Python {machine['python']}")
    return 0 if all(each["met"] is not False for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
