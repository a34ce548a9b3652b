from __future__ import annotations

from random import Random

import pytest

from antsp2p.coordination.newcomers import Newcomers
from antsp2p.coordination.weighing import DEFAULT, NEWCOMERS_FLOOR_PPM, PPM

ANN, BEN = b"ann", b"ben"


def after(*outcomes: bool) -> Newcomers:
    newcomers = Newcomers()
    for number, good in enumerate(outcomes):
        newcomers.count(bytes([number]), 0, good, 1)
    return newcomers


def test_where_nobody_disappointed_all_trials_are_given() -> None:
    assert after().welcome_ppm(0) == PPM
    assert after(True, True).welcome_ppm(0) == PPM


def test_the_worse_newcomers_did_the_fewer_are_tried_but_some_always_are() -> None:
    assert after(False).welcome_ppm(0) == PPM // 2
    assert after(False, True, False, True).welcome_ppm(0) == 3 * PPM // 5
    assert after(*[False] * 50).welcome_ppm(0) == NEWCOMERS_FLOOR_PPM


def test_of_each_only_the_first_day_counts_and_as_one() -> None:
    newcomers = Newcomers()
    newcomers.count(ANN, 3, True, 7)
    newcomers.count(ANN, 4, False, 90)
    assert newcomers.welcome_ppm(4) == PPM
    newcomers.count(ANN, 3, False, 7)
    assert newcomers.welcome_ppm(3) == pytest.approx(3 * PPM // 4, abs=1)


def test_what_newcomers_did_is_forgotten_in_time() -> None:
    newcomers = after(*[False] * 9)
    values = [newcomers.welcome_ppm(now) for now in range(DEFAULT.horizon_buckets + 64)]
    assert values == sorted(values)
    assert values[-1] == PPM


@pytest.mark.parametrize("seed", range(5))
def test_neither_order_nor_what_was_taken_back_matters(seed: int) -> None:
    rng = Random(seed)
    said = [
        (bytes([rng.randrange(6)]), rng.randrange(80), rng.random() < 0.5, rng.randint(1, 9))
        for _ in range(60)
    ]
    one, other = Newcomers(), Newcomers()
    for each in said:
        one.count(*each)
        one.welcome_ppm(each[1])
    for subject, bucket, good, weight in rng.sample(said, len(said)) * 2:
        other.count(subject, bucket, good, weight)
    for subject, bucket, good, weight in said:
        other.count(subject, bucket, good, -weight)
    assert one.welcome_ppm(80) == other.welcome_ppm(80)
    for subject, bucket, good, weight in said:
        other.count(subject, bucket, good, -weight)
    assert other.welcome_ppm(80) == PPM
