"""The shipped rule of trust against the field's attacks, and beside the field's other rules.

    python -m tests.benchmarks.reputation [--seeds N] [--json] [--plots DIR] [--only A40,G] [--all]
        [--strangers own|facts] [--against eigentrust,beta]
    python -m tests.benchmarks.reputation --cost
    python -m tests.benchmarks.reputation --frontier [--seeds N] [--json] [--plots DIR]

Figures are the share of bad outcomes, means over seeds with 95 % intervals. "Beats" means that the
interval of the difference, seed by seed, lies below 0. Sybil rows are gains, see `sybils.py`.
"""
from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from antsp2p.simulation.chart import bar_chart
from tests.benchmarks.reputation import cost, frontier, runs, search, sybils
from tests.benchmarks.reputation.policies import POLICIES
from tests.benchmarks.reputation.world import OWN, SCENARIOS, STRANGERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FIRST_SEED: Final = 11
"""The rule was tuned on those below."""
T_95: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
)
"""Student's t for 1, 2, … degrees of freedom; the last for more, too, which have a little less."""
MUST_BEAT: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("A27", "A40", "A70"), ("beta", "eigentrust")),
    **dict.fromkeys(("B40", "B70", "C", "D", "E", "O"), tuple(POLICIES)[1:]),
    "G": ("eigentrust_capability",),
}
NEAR: Final = {"B40": "A40", "B70": "A70"}
NEAR_BY: Final = 0.01
OTHERS: Final = ("sybils", "slander")
MORE: Final = ("launder", "stiff", "abandon", "cheap", "swap", "probe")
"""Scenarios without a target, played with `--all` or by name."""
UPDATE_US: Final = 20.0
QUERY_US: Final = 200.0


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The mean's 95 % interval."""
    middle = statistics.fmean(values)
    if len(values) < 2:
        return middle, middle
    free = len(values) - 1
    t = T_95[min(free, len(T_95)) - 1]
    half = t * statistics.stdev(values) / math.sqrt(len(values))
    return middle - half, middle + half


def row(
    scenario: str, policy: str, values: Sequence[float], target: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    middle = statistics.fmean(values)
    low, high = interval(values)
    return {
        "scenario": scenario, "policy": policy, "mean": round(middle, 4),
        "interval": [round(low, 4), round(high, 4)],
        "target": None if target is None else round(target, 4),
        "met": None if target is None else middle <= target,
        "values": [round(value, 5) for value in values], **more,
    }


def network_rows(
    names: Sequence[str], seeds: Sequence[int], pool: Any, strangers: str = OWN,
    against: Sequence[str] = tuple(POLICIES)[1:],
) -> list[dict[str, Any]]:
    """Every scenario under the shipped rule and the policies that it is held against."""
    wanted = [*names, *(NEAR[name] for name in names if name in NEAR and NEAR[name] not in names)]
    ours, others = next(iter(POLICIES)), against
    # The longest first, so that no process is left alone with one in the end.
    wanted_by_size = sorted(wanted, key=lambda name: -SCENARIOS[name].malicious)
    jobs = [
        (name, policies, seed, strangers) for policies in ((ours,), tuple(others))
        for name in wanted_by_size for seed in seeds
    ]
    found: dict[tuple[str, str, int], float] = {}
    for each in pool.imap_unordered(runs.play, jobs):
        found.update(each)

    def values(name: str, policy: str) -> list[float]:
        return [found[name, policy, seed] for seed in seeds]

    rows = []
    for name in wanted:
        by_ours = values(name, ours)
        target = SCENARIOS[name].target
        if name in NEAR:
            target = statistics.fmean(values(NEAR[name], ours)) + NEAR_BY
        beaten = {
            policy: interval(
                [one - other for one, other in zip(by_ours, values(name, policy), strict=True)]
            )[1] < 0
            for policy in others
        }
        for policy in (ours, *others):
            if policy == ours:
                must = [each for each in MUST_BEAT.get(name, ()) if each in beaten]
                rows.append(row(
                    name, policy, by_ours, target,
                    beats=[each for each in beaten if beaten[each]],
                    not_beaten=[each for each in must if not beaten[each]],
                ))
            else:
                rows.append(row(name, policy, values(name, policy)))
    return rows


def sybil_rows(seeds: Sequence[int], everything: bool, pool: Any) -> list[dict[str, Any]]:
    swarms = sybils.ALL_SWARMS if everything else sybils.SWARMS
    found = pool.map(runs.sybil_gains, [(seed, swarms) for seed in seeds], chunksize=1)
    rows = []
    for name in found[0]:
        values = [each[name] for each in found]
        merit = name.startswith("meritrank ")
        target = None if merit else sybils.LIMIT
        policy = "meritrank" if merit else "antsp2p"
        rows.append(row(f"sybils {name.removeprefix('meritrank ')}", policy, values, target))
    return rows


def attack_rows(
    names: Sequence[str], seeds: Sequence[int], pool: Any, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Everything that was asked for; what has no target comes last, and the search after it."""
    against, start = options.against.split(","), time.monotonic()
    with_target = [name for name in names if name in SCENARIOS and name not in MORE]
    rows = network_rows(with_target, seeds, pool, options.strangers, against)
    if "sybils" in names:
        rows += sybil_rows(seeds, options.all, pool)
    if "slander" in names:
        moved = pool.map(runs.slander, seeds, chunksize=1)
        rows.append(row("slander", "antsp2p", moved, 0.0))
    runs.say(f"after {time.monotonic() - start:.0f} s: what has no target")
    more = [name for name in names if name in MORE]
    rows += network_rows(more, seeds, pool, options.strangers, against)
    if options.all and not options.only:
        rows += search.rows(pool, row)
    return rows


def cost_rows() -> list[dict[str, Any]]:
    return [
        row(f"cost {name}, µs", "antsp2p", [value],
            UPDATE_US if name == cost.UPDATE else QUERY_US)
        for name, value in cost.costs().items()
    ]


def write_table(rows: Iterable[dict[str, Any]], title: str) -> None:
    """For people."""
    table = Table(title=title, title_justify="left")
    for name in ("scenario", "policy", "mean", "95 %", "target", "met", "beats"):
        table.add_column(name, justify="right" if name in ("mean", "target") else "left")
    for each in rows:
        low, high = each["interval"]
        table.add_row(
            each["scenario"], each["policy"], f"{each['mean']:.3f}", f"{low:.3f} to {high:.3f}",
            "" if each["target"] is None else f"≤ {each['target']:.3f}",
            {True: "yes", False: "NO", None: ""}[each["met"]], " ".join(each.get("beats", ())),
        )
    Console(highlight=False, width=None if sys.stdout.isatty() else 140).print(table)


def write_plots(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """One chart a scenario, as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(each["scenario"] for each in rows):
        about = SCENARIOS[name].about if name in SCENARIOS else name
        chart = bar_chart(
            f"{name}: {about}",
            [(each["policy"], each["mean"]) for each in rows if each["scenario"] == name], "",
        )
        file = "".join(letter if letter.isalnum() else "_" for letter in name)
        (folder / f"{file}.svg").write_text(chart, encoding="utf-8")


def main(words: Sequence[str] | None = None) -> int:
    """Play and tell; exit code 1 where a target is missed, or what must be beaten is not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="runs of each (10)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write a chart a scenario")
    parser.add_argument("--only", metavar="NAMES", help="scenarios, with commas between")
    parser.add_argument("--all", action="store_true", help="more scenarios, a search, every swarm")
    parser.add_argument("--cost", action="store_true", help="what an update and a query cost")
    parser.add_argument("--frontier", action="store_true", help="alpha, eta and epsilon, varied")
    parser.add_argument("--strangers", choices=STRANGERS, default=OWN,
                        help="who is one: of whom the policy, or anybody, has nothing (own)")
    parser.add_argument("--against", metavar="NAMES", default=",".join(tuple(POLICIES)[1:]),
                        help="policies, with commas between (all)")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="at once (2)")
    options = parser.parse_args(words)
    shown = [name for name in SCENARIOS if options.all or name not in MORE]
    names = (options.only or ",".join((*shown, *OTHERS))).split(",")
    unknown = [name for name in names if name not in SCENARIOS and name not in OTHERS]
    unknown += [name for name in options.against.split(",") if name not in tuple(POLICIES)[1:]]
    if unknown or options.seeds < 1:
        parser.error(f"nothing is called {', '.join(unknown)}" if unknown else "no seeds")
    seeds = list(range(FIRST_SEED, FIRST_SEED + options.seeds))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([runs.__name__])
    with context.Pool(options.processes, maxtasksperchild=1) as pool:
        if options.cost:
            rows = cost_rows()
        elif options.frontier:
            rows = frontier.rows(seeds, pool, row)
        else:
            rows = attack_rows(names, seeds, pool, options)
    if options.json:
        print(json.dumps({"rows": rows, "seeds": seeds}))
    else:
        write_table(
            rows, "Processor time" if options.cost
            else f"Share of bad outcomes, seeds {seeds[0]} to {seeds[-1]}",
        )
    if options.plots:
        write_plots(rows, options.plots)
    return 0 if all(
        each["met"] is not False and not each.get("not_beaten") for each in rows
    ) else 1


if __name__ == "__main__":
    sys.exit(main())
