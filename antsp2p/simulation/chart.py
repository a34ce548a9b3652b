"""Charts as SVG text: lines and bars, drawn with nothing but arithmetic.

Law: numbers and names in, one `<svg>` out; no script, no font, no address. Every text is escaped.
Lines differ in colour and in their dashes, so that a print in black and white can be read.
"""
from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 680
HEIGHT: Final = 340
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 52
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: Final = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")
BAR_HEIGHT: Final = 22


@dataclass(frozen=True, slots=True)
class Line:
    """A named curve through these points, ascending in x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """What one axis says. On a logarithmic one, what is not above 0 is drawn at its lowest mark."""

    label: str
    is_log: bool = False
    low: float | None = None
    high: float | None = None


class _Scale:
    """Values of one axis to places on the page."""

    def __init__(self, axis: Axis, values: Sequence[float], start: float, end: float) -> None:
        self._is_log = axis.is_log
        self._start, self._end = start, end
        seen = [value for value in values if value > 0 or not axis.is_log] or [1.0]
        low = min(seen) if axis.low is None else axis.low
        high = max(seen) if axis.high is None else axis.high
        if axis.is_log:
            self.marks = _log_marks(low, high)
        else:
            self.marks = _marks(min(low, 0.0) if axis.low is None else low, high)
        self._low, self._high = self.marks[0], self.marks[-1]

    def __call__(self, value: float) -> float:
        low, high = self._low, self._high
        value = min(max(value, low), high)
        if self._is_log:
            low, high, value = log10(low), log10(high), log10(value)
        return self._start + (self._end - self._start) * (value - low) / (high - low)


def _marks(low: float, high: float) -> list[float]:
    """Round numbers from at most `low` to at least `high`, about six."""
    span = high - low or abs(high) or 1.0
    step = 10.0 ** floor(log10(span / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 6)
    first, last = floor(low / step), ceil((high or low + step) / step)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def _log_marks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten around `low` to `high`; powers alone where that is many."""
    first, last = floor(log10(low)), ceil(log10(high))
    factors = (1,) if last - first > 3 else (1, 2, 5)
    marks = [
        factor * 10.0**power for power in range(first, max(last, first + 1) + 1)
        for factor in factors
    ]
    lower = [mark for mark in marks if mark <= low]
    upper = [mark for mark in marks if mark >= high and mark > lower[-1]]
    return [
        mark for mark in marks
        if mark >= lower[-1] and (not upper or mark <= upper[0])
    ]


def number_text(value: float) -> str:
    """A number as it stands at a mark: short, with a thin space between thousands."""
    text = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return text.replace(",", "\u2009")


def line_chart(title: str, lines: Sequence[Line], x_axis: Axis, y_axis: Axis) -> str:
    """Curves over two axes with a legend; a curve of few points shows each."""
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    if not xs:
        return ""
    x_scale = _Scale(x_axis, xs, LEFT, WIDTH - RIGHT)
    y_scale = _Scale(y_axis, ys, HEIGHT - BOTTOM, TOP)
    parts = [*_grid(x_scale, y_scale), *_labels(title, x_axis, y_axis)]
    for index, line in enumerate(lines):
        parts += _curve(line, index, x_scale, y_scale)
    parts += _legend([line.name for line in lines])
    return _svg(title, HEIGHT, parts)


def _grid(x_scale: _Scale, y_scale: _Scale) -> list[str]:
    parts = []
    for mark in x_scale.marks:
        x, foot = x_scale(mark), HEIGHT - BOTTOM
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{foot}"/>')
        parts.append(_text(x, foot + 16, number_text(mark), "middle"))
    for mark in y_scale.marks:
        y = y_scale(mark)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 6, y + 4, number_text(mark), "end"))
    return parts


def _labels(title: str, x_axis: Axis, y_axis: Axis) -> list[str]:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return [
        _text(LEFT, 18, title, "start", "title"),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_axis.label, "middle"),
        f'<text x="16" y="{middle:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 16 {middle:.0f})">{escape(y_axis.label)}</text>',
    ]


def _curve(line: Line, index: int, x_scale: _Scale, y_scale: _Scale) -> list[str]:
    places = [(x_scale(x), y_scale(y)) for x, y in line.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    colour = COLOURS[index % len(COLOURS)]
    parts = [f'<path d="M{path}" {_stroke(index)}/>']
    if len(places) <= 12:
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places
        ]
    return parts


def _stroke(index: int) -> str:
    dashes = DASHES[index % len(DASHES)]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'fill="none" stroke="{COLOURS[index % len(COLOURS)]}" stroke-width="2"{dashed}'


def _legend(names: Sequence[str]) -> list[str]:
    if len(names) < 2:
        return []
    parts, x = [], WIDTH - RIGHT - sum(40 + 7 * len(name) for name in names)
    for index, name in enumerate(names):
        parts.append(f'<path d="M{x} 30h22" {_stroke(index)}/>')
        parts.append(_text(x + 27, 34, name, "start"))
        x += 40 + 7 * len(name)
    return parts


def bar_chart(title: str, bars: Sequence[tuple[str, float]], unit: str) -> str:
    """Horizontal bars in the given order, each with its number."""
    if not bars:
        return ""
    top = max(value for _, value in bars) or 1.0
    room = WIDTH - 110 - RIGHT - 120
    parts = [_text(0, 18, title, "start", "title")]
    for row, (name, value) in enumerate(bars):
        y = TOP + row * BAR_HEIGHT
        width = max(1.0, room * value / top)
        parts.append(_text(104, y + 13, name, "end"))
        parts.append(
            f'<rect x="110" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT - 6}" '
            f'fill="{COLOURS[0]}"/>'
        )
        parts.append(_text(116 + width, y + 13, f"{number_text(value)} {unit}", "start"))
    return _svg(title, TOP + len(bars) * BAR_HEIGHT + 8, parts)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">' + "".join(parts) + "</svg>"
    )
