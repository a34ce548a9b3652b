"""The last node of each system as bars, by size and loss, on a logarithmic scale."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tests.benchmarks.gossip.rows import Row, number
from tests.benchmarks.gossip.systems import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WHAT: Final = "last node"
COLOURS: Final = {"antsp2p": "#0072b2", "serf": "#e69f00", "libp2p": "#009e73", "zenoh": "#cc79a7"}
"""Okabe and Ito's, which all eyes tell apart."""
LABELS: Final = {"libp2p": "py-libp2p gossipsub, TCP", "zenoh": "zenoh, TCP"}
WIDTH: Final = 860
PLOT_TOP, PLOT_HEIGHT = 74, 240
LEFT, RIGHT, BETWEEN = 64, 16, 48
BAR, BAR_GAP, GROUP_GAP = 30, 4, 30
INK: Final = "#24292f"
PAPER: Final = "#ffffff"
FAINT: Final = "#d0d7de"


def draw(rows: Sequence[Row]) -> str:
    """An SVG of its own, readable on light and dark pages."""
    bars = [row for row in rows if row.what == WHAT and row.value]
    height = PLOT_TOP + PLOT_HEIGHT + 64
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        _text(16, 24, "From “publish” to the last node, 300 bytes, milliseconds", "start", 15),
    ]
    if bars:
        parts += _legend(bars)
        parts += _panels(bars)
    return "\n".join([*parts, "</svg>", ""])


def _legend(bars: Sequence[Row]) -> Iterator[str]:
    x = 16
    for system in SYSTEMS:
        if any(row.system == system for row in bars):
            label = LABELS.get(system, system)
            yield f'<rect x="{x}" y="36" width="12" height="12" fill="{COLOURS[system]}"/>'
            yield _text(x + 18, 46, label, "start")
            x += 40 + 7 * len(label)


def _panels(bars: Sequence[Row]) -> Iterator[str]:
    values = [value for row in bars for value in (*row.runs, row.value or 1.0)]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values)))
    sizes = sorted({row.nodes for row in bars})
    room = (WIDTH - LEFT - RIGHT - BETWEEN * (len(sizes) - 1)) / len(sizes)
    for place, nodes in enumerate(sizes):
        left = LEFT + place * (room + BETWEEN)
        yield from _grid(left, room, low, high)
        yield from _panel([row for row in bars if row.nodes == nodes], left, room, low, high)
        yield _text(left + room / 2, PLOT_TOP + PLOT_HEIGHT + 48, f"{nodes} nodes", "middle", 13)


def _grid(left: float, room: float, low: float, high: float) -> Iterator[str]:
    tick = low
    while tick <= high:
        y = _y(tick, low, high)
        yield f'<path d="M{left:.1f} {y:.1f}h{room:.1f}" stroke="{FAINT}"/>'
        yield _text(left - 6, y + 4, f"{tick:,.0f}" if tick >= 1 else f"{tick:g}", "end")
        tick *= 10


def _panel(
    bars: Sequence[Row], left: float, room: float, low: float, high: float
) -> Iterator[str]:
    losses = sorted({row.loss or 0 for row in bars})
    groups = [
        [row for system in SYSTEMS for row in bars
         if row.system == system and (row.loss or 0) == loss]
        for loss in losses
    ]
    used = sum(len(group) for group in groups) * (BAR + BAR_GAP) + GROUP_GAP * (len(groups) - 1)
    x = left + (room - used) / 2
    for loss, group in zip(losses, groups, strict=True):
        middle = x + len(group) * (BAR + BAR_GAP) / 2
        yield _text(middle, PLOT_TOP + PLOT_HEIGHT + 20, f"{loss} % lost", "middle", 11)
        for row in group:
            yield from _bar(row, x, low, high)
            x += BAR + BAR_GAP
        x += GROUP_GAP


def _bar(row: Row, x: float, low: float, high: float) -> Iterator[str]:
    assert row.value is not None
    top, floor = _y(row.value, low, high), PLOT_TOP + PLOT_HEIGHT
    yield (f'<rect x="{x:.1f}" y="{top:.1f}" width="{BAR}" height="{floor - top:.1f}"'
           f' fill="{COLOURS[row.system]}"/>')
    least, most = _y(min(row.runs), low, high), _y(max(row.runs), low, high)
    if least - most > 1:
        yield f'<path d="M{x + BAR / 2:.1f} {most:.1f}V{least:.1f}" stroke="{INK}"/>'
    whole = row.coverage is None or row.coverage == 1.0
    label = number(row.value) if whole else f"{number(row.value)}*"
    yield _text(x + BAR / 2, min(top, most) - 4, label, "middle", 11)


def _y(value: float, low: float, high: float) -> float:
    share = math.log10(value / low) / math.log10(high / low)
    return PLOT_TOP + PLOT_HEIGHT * (1 - share)


def _text(x: float, y: float, text: str, anchor: str, size: int = 12) -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
            f' fill="{INK}">{text}</text>')
