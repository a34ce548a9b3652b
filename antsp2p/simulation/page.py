"""A simulation's report as one page: a table and curves, in a file that needs nothing else.

Law: reports in, HTML out. No script and no address to load from; every text is escaped; it reads
well on paper.
"""
from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from antsp2p.simulation.chart import Axis, Line, bar_chart, line_chart, number_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Report = Mapping[str, Any]

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 760px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
code { background: #f2f2f2; padding: .1em .3em; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .7rem; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; padding-left: 0; font-weight: 600; }
svg { width: 100%; height: auto; margin: .8rem 0; break-inside: avoid; }
svg text { font: 12px system-ui, sans-serif; fill: #333; }
svg .title { font-weight: 600; font-size: 14px; fill: #1a1a1a; }
svg .grid { stroke: #e3e3e3; stroke-width: 1; fill: none; }
.note { color: #555; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2 { break-after: avoid; } }
"""
_MESSAGES: Final = 14
"""Bars of one chart; what is smaller is added up in the last one."""


def render_page(command: str, reports: Sequence[Report]) -> str:
    """The page of one run, or of runs that differ in their number of nodes."""
    title = "Simulation of " + ", ".join(number_text(report["nodes"]) for report in reports)
    title += " nodes"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>Made by <code>{escape(command)}</code>. The same command gives the same figures, but "
        "for the time and memory of the machine that runs it.</p>",
        _table(reports),
        *_spread(reports),
        *_against_nodes(reports),
        *(_bytes(report) for report in reports if "bytes_by_message" in report),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>"
        + "\n".join(part for part in body if part) + "</body></html>\n"
    )


def table_rows(reports: Sequence[Report]) -> list[tuple[str, list[str]]]:
    """Each figure's name, and its value in each report; what is no figure is left out."""
    rows: dict[str, list[str]] = {}
    for report in reports:
        for name, value in _figures(report).items():
            rows.setdefault(name, [])
            rows[name] += [""] * (reports.index(report) - len(rows[name]))
            rows[name].append(value)
    return [(name, values + [""] * (len(reports) - len(values))) for name, values in rows.items()]


def _figures(report: Report) -> dict[str, str]:
    figures: dict[str, str] = {}
    for name, value in report.items():
        label = name.replace("_", " ")
        if isinstance(value, dict):
            if name not in ("bytes_by_message", "curves", "drops"):
                for part, item in value.items():
                    figures[f"{label} {part}"] = _figure(item)
        elif not isinstance(value, str | list):
            figures[label] = _figure(value)
    return figures


def _figure(value: Any) -> str:
    if isinstance(value, float) and not isinstance(value, bool) and value != int(value):
        return f"{value:.6g}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:,.0f}".replace(",", "\u2009") if is_number else str(value)


def _table(reports: Sequence[Report]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{escape(value)}</td>" for value in values) + "</tr>"
        for name, values in table_rows(reports)
    )
    return f'<div class="wide"><table>{rows}</table></div>'


def _name(report: Report) -> str:
    return f"{number_text(report['nodes'])} nodes"


def _spread(reports: Sequence[Report]) -> list[str]:
    curved = [report for report in reports if "curves" in report]
    if not curved:
        return []
    return [
        "<h2>Spreading</h2>",
        line_chart(
            "Coverage over time",
            [Line(_name(r), [(ms, 100 * share) for ms, share in r["curves"]["coverage"]])
             for r in curved],
            Axis("milliseconds since the record was durable at its author", is_log=True),
            Axis("% of the nodes have it", low=0, high=100),
        ),
        line_chart(
            "Copies, record by record",
            [Line(_name(r), list(enumerate(r["curves"]["copies"], 1))) for r in curved],
            Axis("record, in order of publishing", low=0),
            Axis("copies sent per node"),
        ),
        line_chart(
            "Time to the last node, record by record",
            [Line(_name(r), list(enumerate(r["curves"]["slowest_ms"], 1))) for r in curved],
            Axis("record, in order of publishing", low=0), Axis("milliseconds"),
        ),
    ]


def _against_nodes(reports: Sequence[Report]) -> list[str]:
    if len(reports) < 2:
        return []
    ordered = sorted(reports, key=lambda report: int(report["nodes"]))
    nodes = Axis("nodes", is_log=True)
    charts = [
        line_chart(
            "Latency against the number of nodes",
            [Line(name, [(r["nodes"], r["latency_ms"][name]) for r in ordered])
             for name in ("p50", "p99", "max")],
            nodes, Axis("milliseconds", is_log=True),
        ),
        line_chart(
            "Copies against the number of nodes",
            [Line("copies", [(r["nodes"], r["copies_per_node"]) for r in ordered])],
            nodes, Axis("copies sent per node"),
        ),
    ]
    if all("bytes_per_node_and_record" in report for report in ordered):
        charts.append(line_chart(
            "Bytes against the number of nodes",
            [Line("bytes", [(r["nodes"], r["bytes_per_node_and_record"]) for r in ordered])],
            nodes, Axis("bytes per node and record"),
        ))
    return ["<h2>Against the number of nodes</h2>", *charts]


def _bytes(report: Report) -> str:
    nodes = max(1, int(report["nodes"]))
    sizes = sorted(report["bytes_by_message"].items(), key=lambda item: (-item[1], item[0]))
    bars = [(name, size / nodes) for name, size in sizes[:_MESSAGES]]
    rest = sum(size for _, size in sizes[_MESSAGES:]) / nodes
    if rest:
        bars.append(("all others", rest))
    chart = bar_chart(f"Bytes sent per node, by message ({_name(report)})", bars, "B")
    return f"<h2>Bytes of {escape(_name(report))}</h2>{chart}" if chart else ""
