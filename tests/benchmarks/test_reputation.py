"""The script runs, and its worlds are what they say; how good a rule is, no test asserts."""
from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks.reputation import __main__ as script
from tests.benchmarks.reputation import cost, frontier, search, sybils, world
from tests.benchmarks.reputation.policies import POLICIES, Chance
from tests.benchmarks.reputation.world import SCENARIOS, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


class Here:
    """A pool of processes that is this one."""

    def starmap(
        self, call: Callable[..., Any], jobs: Iterable[Any], chunksize: int = 1
    ) -> list[Any]:
        return [call(*job) for job in jobs]

    def map(
        self, call: Callable[[Any], Any], jobs: Iterable[Any], chunksize: int = 1
    ) -> list[Any]:
        return [call(job) for job in jobs]

    def imap_unordered(self, call: Callable[[Any], Any], jobs: Iterable[Any]) -> list[Any]:
        return self.map(call, jobs)[::-1]


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
    assert len(found) == 3 * 3 * 2 + 2 + 1
    assert found["parallel 3, in one capability, lies in all"] > 0


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


@pytest.mark.usefixtures("short")
def test_the_frontier_and_the_search_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "WHERE", ("G",))
    for name in ("ALPHAS", "ETAS", "EPSILONS"):
        monkeypatch.setattr(frontier, name, (0.1,))
    rows = frontier.rows([1], Here(), script.row)
    assert [each["policy"] for each in rows] == [name for name, _, _ in frontier.settings()]
    monkeypatch.setattr(search, "BUDGET", search.AT_ONCE)
    found = search.rows(Here(), script.row)
    assert [each["policy"] for each in found] == list(POLICIES)
    assert all(each["scenario"] == found[0]["scenario"] for each in found)


@pytest.mark.usefixtures("short")
def test_strangers_are_told_by_what_was_said_or_by_each_policy() -> None:
    met: dict[str, set[bool]] = {strangers: set() for strangers in world.STRANGERS}
    for strangers, seen in met.items():
        this = World(SCENARIOS["A40"], 1, strangers=strangers)
        choose = world._choose

        def spy(
            scores: Sequence[float], unknown: Sequence[bool], coin: Random, share: float,
            seen: set[bool] = seen, choose: Callable[..., int] = choose,
        ) -> int:
            seen.update(unknown)
            return choose(scores, unknown, coin, share)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world, "_choose", spy)
            this.play(Chance())
    # Chance knows everybody alike; that nobody said a word of some is a fact all the same.
    assert met == {world.FACTS: {True, False}, world.OWN: {False}}


@pytest.mark.usefixtures("short")
def test_who_was_disappointed_by_newcomers_tries_fewer() -> None:
    ours = POLICIES["antsp2p"]()
    World(SCENARIOS["E"], 1).play(ours)
    shares = [ours.trial_share(observer) for observer in range(world.HONEST)]
    assert all(0.1 <= share <= 1 for share in shares)
    assert sum(shares) < world.HONEST
    assert POLICIES["beta"]().trial_share(0) == 1
