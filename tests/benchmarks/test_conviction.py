"""The benchmark of convictions says whether its target is met, in figures for any program."""
from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.benchmarks import conviction

if TYPE_CHECKING:
    import pytest


def test_a_small_world_meets_the_target(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["conviction", "--nodes", "20", "--seconds", "2", "--seed", "4", "--json"]
    monkeypatch.setattr("sys.argv", words)
    assert conviction.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["nodes"], found["forks"], found["restored"]) == (20, 2, 1)
    assert found["met"] is True
    assert found["everywhere_ms"]["p99"] <= found["target_ms"] == 1_000


def test_one_false_conviction_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["conviction", "--nodes", "10"])
    monkeypatch.setattr(conviction, "conviction", lambda *_, **__: {
        "everywhere_ms": {"p99": 1.0}, "false_convictions": 1, "unconvicted": 0,
        "restored": 1, "restored_again": 1,
    })
    assert conviction.main() == 1
    assert "met                False" in capsys.readouterr().out
