from __future__ import annotations

import pytest

from antsp2p.simulation.delays import DELAY_MODELS, LEAST_DELAY_US, REGIONS
from antsp2p.simulation.world import World

SECOND_US = 1_000_000


def draws(name: str, seed: int, count: int = 2_000, step_us: int = 1_000) -> list[int]:
    """Delays of datagrams between two machines, one each `step_us`."""
    delay_us = DELAY_MODELS[name](World(seed).stream)
    return [delay_us(number % 2, 1 - number % 2, number * step_us) for number in range(count)]


@pytest.mark.parametrize("name", sorted(DELAY_MODELS))
def test_delays_are_positive_and_repeat_with_the_seed(name: str) -> None:
    assert draws(name, 3) == draws(name, 3) != draws(name, 4)
    assert min(draws(name, 3)) > 0


def test_the_local_network_takes_less_than_a_millisecond_but_for_a_tail() -> None:
    delays = sorted(draws("lan", 1, 10_000))
    assert delays[0] >= 100
    assert delays[9_800] <= 1_000
    assert 2_000 < delays[-1] < 50_000


def test_what_a_burst_holds_back_arrives_together_when_it_is_over() -> None:
    """Neighbours in time share a burst: long delays shrink as fast as time goes."""
    delays = draws("wifi", 1, 100_000, 1_000)
    held = [number for number, taken in enumerate(delays) if taken > 40_000]
    assert 100 < len(held) < 50_000
    arrivals = [(number * 1_000 + delays[number]) // 30_000 for number in held]
    assert len(set(arrivals)) < len(held) / 4


def test_a_machine_in_a_burst_is_slow_to_all_and_others_are_not() -> None:
    delay_us = DELAY_MODELS["wifi"](World(1).stream)
    seen = [
        (delay_us(0, 1, now_us), delay_us(2, 0, now_us), delay_us(3, 4, now_us))
        for now_us in range(0, 60 * SECOND_US, 10_000)
    ]
    slow = [taken for taken in seen if taken[0] > 60_000 and taken[1] > 60_000]
    assert slow
    assert any(taken[2] < 20_000 for taken in slow)


def test_the_wide_network_has_near_and_far_regions_the_same_both_ways() -> None:
    delay_us = DELAY_MODELS["wan"](World(1).stream)

    def least(source: int, target: int) -> int:
        return min(delay_us(source, target, 0) for _ in range(300))

    near, far = least(0, len(REGIONS)), least(3, 5)
    assert near < 15_000
    assert 150_000 <= far < 165_000
    assert abs(least(5, 3) - far) < 200


@pytest.mark.parametrize("name", sorted(DELAY_MODELS))
def test_no_delay_is_below_the_least_of_its_model(name: str) -> None:
    assert LEAST_DELAY_US[name] <= min(draws(name, 1, 20_000))
    assert DELAY_MODELS.keys() == LEAST_DELAY_US.keys()
    delay_us = DELAY_MODELS[name](World(1).stream)
    assert all(
        delay_us(source, target, 0) >= LEAST_DELAY_US[name]
        for source in range(100) for target in range(100)
    )
