from __future__ import annotations

import json

from antsp2p.simulation.scenarios import churn, halves, isolated, mass_crash


def test_isolated_is_what_the_command_does() -> None:
    report = isolated(10, 4, 0.0, 1, delay="wifi")
    assert (report["nodes"], report["records"], report["missed"]) == (10, 4, 0)


def test_halves_that_both_wrote_agree_after_they_meet() -> None:
    report = halves(12, 8, 2.0, 1)
    assert report["records_differing"] == 16
    assert report["pairs_differing"] == 16 * 6
    assert report["missed"] == 0
    assert report["seconds_to_converge"] <= 30
    assert report["bytes_per_pair"] > 0
    assert json.loads(json.dumps(report)) == report


def test_survivors_of_a_mass_crash_find_each_other_and_lose_nothing() -> None:
    report = mass_crash(20, 0.5, 1)
    assert report["survivors"] == 10
    assert (report["isolated"], report["parts"]) == (0, 1)
    assert (report["lost_records"], report["missed_after"]) == (0, 0)
    assert report["survivors_records"] > 0


def test_under_churn_all_that_stay_have_everything() -> None:
    report = churn(12, 8, 0.5, 1)
    assert (report["missed"], report["isolated"], report["parts"]) == (0, 0, 1)
    assert report["records"] == 16
    assert report["joined"] > 0
