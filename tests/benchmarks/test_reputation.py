"""The script runs, and its worlds are what they say; how good a rule is, no test asserts."""
from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks.reputation import __main__ as script
from tests.benchmarks.reputation import cost, search, sybils, world
from tests.benchmarks.reputation.policies import POLICIES, Chance
from tests.benchmarks.reputation.world import SCENARIOS, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


class Here:
    """A pool of processes that is this one."""

    def map(
        self, call: Callable[[Any], Any], jobs: Iterable[Any], chunksize: int = 1
    ) -> list[Any]:
        return [call(job) for job in jobs]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "ROUNDS", 2)
    monkeypatch.setattr(world, "SCORED_FROM", 1)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if not name.endswith("70")])
@pytest.mark.usefixtures("short")
def test_a_scenario_under_chance_is_as_bad_as_it_says(name: str) -> None:
    shares = [World(SCENARIOS[name], seed).play(Chance()) for seed in range(3)]
    assert all(0 <= share < 0.7 for share in shares)


@pytest.mark.usefixtures("short")
def test_every_policy_plays_and_beats_nobody_in_two_rounds(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = script.network_rows(["B40"], [1, 2], Here())
    assert [(each["scenario"], each["policy"]) for each in rows] == [
        (name, policy) for name in ("B40", "A40") for policy in POLICIES
    ]
    ours = rows[0]
    assert ours["target"] == pytest.approx(rows[len(POLICIES)]["mean"] + 0.01, abs=1e-3)
    script.write_table(rows, "a title")
    shown = capsys.readouterr().out
    assert "eigentrust_capability" in shown
    assert "a title" in shown
    script.write_plots(rows, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A40.svg", "B40.svg"]


def test_the_interval_is_students() -> None:
    low, high = script.interval([1.0, 2.0, 3.0])
    assert low == pytest.approx(-0.4842, abs=1e-3)
    assert high == pytest.approx(4.4842, abs=1e-3)


@pytest.mark.usefixtures("short")
def test_slander_by_strangers_moves_nothing_and_sybils_gain_within_alpha() -> None:
    assert sybils.slander(1) == 0
    found = sybils.gains(1, (1, 3))
    assert found["per work"] <= sybils.LIMIT
    assert len(found) == 3 * 3 * 2 + 1


def test_a_choice_follows_scores_and_strangers() -> None:
    def share(scores: Sequence[float], strangers: Sequence[bool], place: int) -> float:
        coin = Random(1)
        chosen = [world._choose(scores, strangers, coin, 0.1) for _ in range(2_000)]
        return chosen.count(place) / 2_000

    assert share([0.0, 1.0, 0.0], [False] * 3, 1) == 1
    assert share([0.0, 1.0, 0.0], [True, False, False], 0) == pytest.approx(0.1, abs=0.03)
    assert share([0.0, 0.0], [False] * 2, 0) == pytest.approx(0.5, abs=0.05)
    assert share([1.0, 2.0], [False] * 2, 1) == pytest.approx(16 / 17, abs=0.03)


def test_costs_are_told() -> None:
    assert all(value > 0 for value in cost.costs(authors=60, raters=5).values())


def test_a_search_draws_strategies_that_can_be_played() -> None:
    rng = Random(1)
    for _ in range(50):
        scenario = search.scenario_of(search._change(search._draw(rng), rng))
        assert 0 <= scenario.fails(0, 0, 7) <= 1
