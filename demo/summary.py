"""What came of the bazaar: gathered from the nodes, recomputed here, and written as tables."""
from __future__ import annotations

import shutil
import statistics
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import trio
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from jobs import Job
    from stalls import Stall

PLAIN_WIDTH: Final = 120
"""Columns where the output is no terminal."""
ROLES: Final = {
    "idle": "claims, and never delivers",
    "boast": "announces what it cannot do",
    "late": "joins when most is done",
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two or more claims of one epoch of one task."""

    task: str
    capability: str
    claims: int
    records_rule: str
    """The rule by which the records alone decided; "too late" where the award came first."""
    settled_by: str
    """The rule that stood when the epoch was over."""


@dataclass(frozen=True, slots=True)
class Move:
    """A task that went from one node to another."""

    task: str
    capability: str
    origin: str
    heir: str
    why: str


@dataclass(eq=False)
class Report:
    """Facts first, then how they are told."""

    stalls: list[Stall]
    posters: list[Stall]
    jobs: list[Job]
    claimed_s: dict[str, float]
    scenes: dict[str, dict[str, Any]]
    agreed: bool
    seconds: float = 0.0
    did: dict[str, Counter[str]] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    conflicts: list[Conflict] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    ratings: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    different: list[Job] = field(default_factory=list)

    # --- gathering -------------------------------------------------------------------------------

    async def gather(self) -> None:
        """Ask the nodes for what they know, and recompute every result in this process."""
        names = {stall.author: stall.name for stall in self.stalls}
        details: dict[str, dict[str, Any]] = {}
        async with trio.open_nursery() as nursery:
            for poster in self.posters:
                nursery.start_soon(self._gather_tasks, poster, details)
            for stall in self.stalls:
                nursery.start_soon(self._gather_ratings, stall, names)
        for job in self.jobs:
            if job.task in details:
                self._read_task(details[job.task], names)
        self.different = [
            job for job in self.jobs if job.result is not None and not job.is_right
        ]

    async def _gather_tasks(self, poster: Stall, details: dict[str, dict[str, Any]]) -> None:
        for job in self.jobs:
            if job.poster is poster and job.task:
                details[job.task] = await poster.get(f"/v1/tasks/{job.task}")

    async def _gather_ratings(self, stall: Stall, names: dict[str, str]) -> None:
        self.ratings[stall.name] = {
            names[peer["author"]]: {
                key: peer[key] for key in ("score_ppm", "accepted", "failed", "known")
            }
            for peer in (await stall.get("/v1/peers"))["peers"] if peer["author"] in names
        }

    def _read_task(self, task: dict[str, Any], names: dict[str, str]) -> None:
        claims = {claim["claim"]: names[claim["author"]] for claim in task["claims"]}
        for verdict in task["verdicts"]:
            worker = claims[verdict["claim"]]
            if verdict["accept"]:
                self.did.setdefault(worker, Counter())[task["capability"]] += 1
            else:
                self.rejected[worker] += 1
        self._read_conflicts(task)
        self._read_moves(task, names)

    def _read_conflicts(self, task: dict[str, Any]) -> None:
        epochs = Counter(claim["epoch"] for claim in task["claims"])
        for epoch, count in sorted(epochs.items()):
            if count < 2:
                continue
            lines = [
                line for line in task["history"]
                if line.get("epoch") == epoch and line["rule"] not in ("end", "no-claim")
            ]
            by_records = [x["rule"] for x in lines if x["rule"] in ("before", "tie-break")]
            self.conflicts.append(Conflict(
                task["task"], task["capability"], count,
                by_records[-1] if by_records else "too late",
                lines[-1]["rule"] if lines else "end",
            ))

    def _read_moves(self, task: dict[str, Any], names: dict[str, str]) -> None:
        holder, why = "", ""
        for line in task["history"]:
            now = names.get(line.get("holder") or "", "")
            if line["type"] == "reopen":
                why = _why(line["what"])
            if now and now != holder:
                if holder and why:
                    self.moves.append(Move(task["task"], task["capability"], holder, now, why))
                    self.lost[holder] += 1
                holder, why = now, ""

    # --- what it amounts to ----------------------------------------------------------------------

    @property
    def unfinished(self) -> list[Job]:
        """Jobs without an accepted result."""
        return [job for job in self.jobs if job.result is None]

    @property
    def is_good(self) -> bool:
        """Whether every task ended with the right result and all nodes agree."""
        return not self.unfinished and not self.different and self.agreed

    def delays_ms(self) -> dict[str, dict[str, float]]:
        """Median and 90th percentile of post to claim and post to result, in milliseconds."""
        answered = [job for job in self.jobs if job.result is not None]
        claim = [self.claimed_s[j.task] - j.posted_s for j in answered if j.task in self.claimed_s]
        result = [job.answered_s - job.posted_s for job in answered]
        return {"post_to_claim": _spread_ms(claim), "post_to_result": _spread_ms(result)}

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "tasks": len(self.jobs),
            "accepted": len(self.jobs) - len(self.unfinished),
            "unfinished": [{"task": job.task, "why": job.problem} for job in self.unfinished],
            "different": [job.task for job in self.different],
            "nodes_agree": self.agreed,
            "seconds": round(self.seconds, 1),
            "nodes": {
                stall.name: {
                    "author": stall.author, "did": dict(self.did.get(stall.name, {})),
                    "rejected": self.rejected[stall.name], "lost": self.lost[stall.name],
                }
                for stall in self.stalls
            },
            "conflicts": [
                {"task": c.task, "claims": c.claims, "records_say": c.records_rule,
                 "settled_by": c.settled_by} for c in self.conflicts
            ],
            "moves": [
                {"task": m.task, "capability": m.capability, "from": m.origin, "to": m.heir,
                 "why": m.why} for m in self.moves
            ],
            "delays_ms": self.delays_ms(),
            "ratings": self.ratings,
            "scenes": self.scenes,
        }


def _why(what: str) -> str:
    """`reopened after epoch 0 (lapsed): no sign of life` -> `lapsed: no sign of life`."""
    reason, _, text = what.partition("(")[2].partition(")")
    text = text.removeprefix(": ")
    return (f"{reason}: {text}" if text and reason != "other" else text or reason) or "reopened"


def _spread_ms(delays_s: Sequence[float]) -> dict[str, float]:
    if not delays_s:
        return {"median": 0.0, "p90": 0.0}
    ordered = sorted(delays_s)
    p90 = ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]
    return {"median": round(statistics.median(ordered) * 1_000, 1), "p90": round(p90 * 1_000, 1)}


# --- the last screen -----------------------------------------------------------------------------


def write_report(report: Report, folder: Path) -> None:
    """The last screen: what people will remember."""
    width = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns if sys.stdout.isatty() \
        else PLAIN_WIDTH
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    console.print()
    console.print(_deeds(report))
    console.print(_ratings(report))
    if report.moves:
        console.print(_moves(report))
    for line in (*_conflict_lines(report), *_delay_lines(report)):
        console.print(line)
    console.print()
    for line in _verdict(report, folder):
        console.print(line)


def _table(title: str, *columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
                  title_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return table


def _deeds(report: Report) -> Table:
    table = _table("Who did what", "node", "done", "rejected", "lost", "", right=(
        "done", "rejected", "lost"))
    table.add_column("done for")
    for stall in report.stalls:
        did = report.did.get(stall.name, Counter())
        rejected, lost = report.rejected[stall.name], report.lost[stall.name]
        of_it = ", ".join(
            f"{count} {name.partition('.')[2]}" for name, count in sorted(did.items())
        )
        table.add_row(
            stall.name, Text(str(did.total()), "bold"),
            Text(str(rejected or "·"), "red" if rejected else ""),
            Text(str(lost or "·"), "yellow" if lost else ""),
            Text(_note(report, stall.name), "dim"), of_it or "·",
        )
    return table


def _note(report: Report, name: str) -> str:
    if report.scenes.get("killed", {}).get("node") == name:
        return "killed with kill -9, came back"
    posted = sum(job.poster.name == name for job in report.jobs)
    return ROLES.get(name, f"posted {posted}" if posted else "")


def _ratings(report: Report) -> Table:
    names = [stall.name for stall in report.stalls]
    table = _table("How each node rates the others, by what it saw itself (· is unknown)",
                   "", *names, right=names)
    silent = []
    for observer in names:
        seen = report.ratings.get(observer, {})
        if not any(rating["known"] for rating in seen.values()):
            silent.append(observer)
            continue
        table.add_row(observer, *(
            Text("-", "dim") if subject == observer else _score(seen.get(subject))
            for subject in names
        ))
    if silent:
        table.caption = f"{', '.join(silent)} posted nothing, so they rate nobody"
        table.caption_justify = "left"
    return table


def _score(rating: dict[str, Any] | None) -> Text:
    if rating is None or not rating["known"]:
        return Text("·", "dim")
    value = rating["score_ppm"] / 1_000_000
    return Text(f"{value:.2f}", "green" if value >= 0.5 else "red" if value < 0.1 else "yellow")


def _moves(report: Report) -> Table:
    table = _table("Tasks that moved", "from", "times", "why", "to", "for example",
                   right=("times",))
    groups: dict[tuple[str, str], list[Move]] = {}
    for move in report.moves:
        groups.setdefault((move.origin, move.why), []).append(move)
    for (origin, why), moves in sorted(groups.items(), key=lambda item: -len(item[1])):
        heirs = Counter(move.heir for move in moves)
        table.add_row(
            origin, Text(str(len(moves)), "bold"), why, _counts(heirs),
            Text(f"{moves[0].task[:8]} {moves[0].capability}", "dim"),
        )
    return table


def _conflict_lines(report: Report) -> list[Text]:
    if not report.conflicts:
        return [Text("Conflicts      none: nobody claimed what another had claimed")]
    said = Counter(conflict.records_rule for conflict in report.conflicts)
    settled = Counter(conflict.settled_by for conflict in report.conflicts)
    return [Text(
        f"Conflicts      {len(report.conflicts)} times more than one claimed a task; by the claims "
        f"alone: {_counts(said)}; in the end: {_counts(settled)}"
    )]


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common())


def _delay_lines(report: Report) -> list[Text]:
    return [
        Text(f"{label}median {spread['median']:.0f} ms, 90 % within {spread['p90']:.0f} ms")
        for label, spread in zip(
            ("Post to claim  ", "Post to result "), report.delays_ms().values(), strict=True)
    ]


def _verdict(report: Report, folder: Path) -> list[Text]:
    total, bad = len(report.jobs), len(report.unfinished) + len(report.different)
    files = len({job.path for job in report.jobs})
    lines = [Text(
        f"{total - bad} of {total} results on {files} files of {folder.resolve().name} recomputed "
        f"in one process and equal; all nodes agree on every task: "
        f"{'yes' if report.agreed else 'NO'}; {report.seconds:.0f} s",
        "bold green" if report.is_good else "bold red",
    )]
    lines += [Text(f"unfinished: {j.craft.name} {j.task[:8]} {j.path.name}: {j.problem}", "red")
              for j in report.unfinished]
    lines += [Text(f"different: {j.craft.name} {j.task[:8]} {j.path.name}", "red")
              for j in report.different]
    return lines
