"""The script runs; how fast anything is, no test asserts."""
from __future__ import annotations

import json

import pytest

from tests.benchmarks.records import __main__ as script
from tests.benchmarks.records import shares

TINY = script.Sizes(records=100, authors=5, live=30, pieces=50, checks=10, probes=3)


def test_the_benchmark_of_records_runs_at_a_tiny_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "QUICK", TINY)
    script.main(["--json", "--quick", "--runs", "1"])
    told = json.loads(capsys.readouterr().out)
    names = [figure["name"] for figure in told["figures"]]
    assert len(names) == len(set(names))
    assert all(figure["value"] >= 0 for figure in told["figures"])
    assert sum(figure["target"] is not None for figure in told["figures"]) == 7


def test_the_shares_of_a_catch_up_are_all_of_its_time() -> None:
    *rows, calls = script.share_rows(TINY)
    assert sum(each["value"] for each in rows) == pytest.approx(100, abs=0.1)
    assert calls["name"] == shares.CALLS
    assert calls["value"] > 1


def test_the_table_shows_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        script.row("fast enough", "/s", [3.0, 1.0, 2.0], 2.0, at_least=True),
        script.row("too large", "MB", [9.0], 8.0),
        script.row("only told", "µs", [1.5]),
    ]
    script.write_table(rows, "a machine")
    shown = capsys.readouterr().out
    for text in ("fast enough", "≥ 2 /s", "NO", "only told", "1.5 µs"):
        assert text in shown
