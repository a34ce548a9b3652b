"""Durations as people write them: `5s`, `250ms`, `1m30s`, `2h`, `0`."""
from __future__ import annotations

import re
from typing import Final

_UNIT_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?(ms|[dhms])")
MAX_DURATION_MS: Final = 366 * _UNIT_MS["d"]
"""Nothing here waits longer than a year; above it a number is a slip of the hand."""


class BadDuration(ValueError):
    """The text is not a duration; the message says how to write one."""


def parse_duration_ms(text: str) -> int:
    """The milliseconds of `text`: numbers with units, the larger unit first, or `0`.

    A part may have decimals as long as the whole comes to full milliseconds. Raises `BadDuration`.
    """
    if text == "0":
        return 0
    total_ms, position, last_unit_ms = 0, 0, MAX_DURATION_MS
    while part := _PART.match(text, position):
        whole, decimals, unit = part.groups()
        unit_ms = _UNIT_MS[unit]
        if unit_ms >= last_unit_ms:
            break
        fraction = int(decimals or "0") * unit_ms
        scale: int = 10 ** len(decimals or "")
        if fraction % scale:
            break
        total_ms += int(whole) * unit_ms + fraction // scale
        position, last_unit_ms = part.end(), unit_ms
    if position != len(text) or not text:
        raise BadDuration(f"{text!r} is not a duration; write it like 5s, 250ms, 1m30s or 0")
    if total_ms > MAX_DURATION_MS:
        raise BadDuration(f"{text!r} is longer than a year")
    return total_ms


def format_duration(duration_ms: int) -> str:
    """`duration_ms` in at most two units: `250ms`, `4.2s`, `1m30s`, `3d4h`."""
    if duration_ms < 1_000:
        return f"{max(0, duration_ms)}ms"
    if duration_ms < 10_000:
        return f"{duration_ms // 100 / 10:g}s"
    names = ("d", "h", "m", "s")
    for place, name in enumerate(names):
        count, rest_ms = divmod(duration_ms, _UNIT_MS[name])
        if count == 0:
            continue
        if name == "s":
            return f"{count}s"
        below = names[place + 1]
        rest = rest_ms // _UNIT_MS[below]
        return f"{count}{name}{rest}{below}" if rest else f"{count}{name}"
    return "0ms"
