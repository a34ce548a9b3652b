"""Durations as people write them."""
from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.interfaces.durations import (
    MAX_DURATION_MS,
    BadDuration,
    format_duration,
    parse_duration_ms,
)


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("0", 0), ("0s", 0), ("5s", 5_000), ("250ms", 250), ("1m30s", 90_000), ("2h", 7_200_000),
        ("1.5s", 1_500), ("0.25s", 250), ("1d2h3m4s5ms", 93_784_005), ("366d", MAX_DURATION_MS),
        ("90m", 5_400_000), ("1m500ms", 60_500),
    ],
)
def test_read(text: str, duration_ms: int) -> None:
    assert parse_duration_ms(text) == duration_ms


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "s", "5x", "-5s", "5 s", " 5s", "5s ", "30s1m", "1m1m", "1.0005s", "0.5ms", "1e3s",
        "٣s", "5S", "1.s", ".5s", "367d", "9999999999999999999s", "5s\n", "1m 30s", "00", "nan",
    ],
)
def test_refuse_in_one_line(text: str) -> None:
    with pytest.raises(BadDuration) as refused:
        parse_duration_ms(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "0ms"), (-3, "0ms"), (250, "250ms"), (999, "999ms"), (1_000, "1s"), (4_260, "4.2s"),
        (12_345, "12s"), (60_000, "1m"), (90_000, "1m30s"), (7_260_000, "2h1m"),
        (7_200_000, "2h"), (274_000_000, "3d4h"),
    ],
)
def test_write(duration_ms: int, text: str) -> None:
    assert format_duration(duration_ms) == text


@given(st.integers(0, MAX_DURATION_MS))
def test_what_is_written_can_be_read_and_loses_less_than_the_last_unit(duration_ms: int) -> None:
    again_ms = parse_duration_ms(format_duration(duration_ms))
    assert again_ms <= duration_ms
    assert duration_ms - again_ms <= max(duration_ms // 10, 0)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadDuration):
        assert 0 <= parse_duration_ms(text) <= MAX_DURATION_MS
