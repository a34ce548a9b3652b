"""`antsp2p why`: what a person reads adds up to the score, and is true of what happened."""
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.interfaces.commands.why import _say, thousandths
from antsp2p.interfaces.exit_codes import Exit
from tests.interfaces.terminal import Desk, two_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[Desk, Desk]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with two_nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        first, second = nodes
        second.work("why.grep", "grep", "a")
        for _ in range(2):
            first.say("post", "why.grep", "--text", "ant", "--wait", "--settle", "0")
        first.run(
            "post", "why.grep", "--text", "bee", "--wait", "--settle", "0", "--attempts", "1",
            code=Exit.FAILED,
        )
        yield nodes


def added(text: str) -> tuple[list[int], int]:
    """The thousandths that a text adds, and the sum that it gives."""
    adds = [
        int(found[1].replace(".", "").replace("+", ""))
        for found in re.finditer(r"^([+-]\d\.\d{3})  ", text, re.MULTILINE)
    ]
    (total,) = re.findall(r"^=(-?\d\.\d{3})  ", text, re.MULTILINE)
    return adds, int(total.replace(".", ""))


def test_the_score_of_work_that_went_well_and_of_work_that_failed(pair: Pair) -> None:
    first, second = pair
    answer = first.json("why", second.author, "--capability", "why.grep")
    assert answer["capability"] == "why.grep"
    assert [(part["name"], part["points_ppm"]) for part in answer["parts"]] == [
        ("own", 500_000), ("failures", -166_667)]
    assert answer["score"]["score_ppm"] == 333_333
    by_record = {item["record"]: item for item in answer["evidence"]}
    own, failures = answer["parts"]
    assert [by_record[record]["kind"] for record in own["records"]] == ["accepted"] * 2
    assert [by_record[record]["kind"] for record in failures["records"]] == ["failed"]
    (way,) = answer["would_raise"]
    assert way["what"] == "accept"
    assert way["score_ppm"] == 3 * 1_000_000 // 7
    assert {item["what"] for item in answer["uncertain"]} <= {"little", "fades"}


def test_the_text_says_the_same_and_adds_up(pair: Pair) -> None:
    first, second = pair
    text = first.say("why", second.author[:8], "--capability", "why.grep")
    assert "score 0.333 in why.grep" in text
    assert added(text) == ([500, -167], 333)
    assert "this node saw its work (weight 2)" in text
    assert "this node saw it fail (weight 1)" in text
    assert "would raise it to 0.429: one more task of cost 1 accepted from it here" in text
    assert "other scores: all " in text
    over_all = first.say("why", second.author[:8])
    assert "over all its work" in over_all
    assert sum(added(over_all)[0]) == added(over_all)[1]


def test_a_pin_and_a_block_are_told(pair: Pair) -> None:
    first, second = pair
    first.say("trust pin", second.author, "--weight", "4")
    text = first.say("why", second.author)
    assert "trusted beforehand (antsp2p trust) (weight 4)" in text
    assert sum(added(text)[0]) == added(text)[1]
    first.say("trust block", second.author)
    answer = first.json("why", second.author)
    assert answer["blocked"] is True
    assert answer["score"]["score_ppm"] == sum(part["points_ppm"] for part in answer["parts"]) == 0
    text = first.say("why", second.author)
    assert "blocked (antsp2p trust)" in text
    assert added(text)[1] == 0
    assert f"antsp2p trust unblock {second.author[:12]} --home {first.home}" in text
    first.say("trust unblock", second.author)
    score_ppm = first.json("why", second.author)["score"]["score_ppm"]
    assert answer["would_raise"] == [{"what": "unblock", "score_ppm": score_ppm}]


def test_of_a_stranger_nothing_is_known(pair: Pair) -> None:
    first, second = pair
    text = second.say("why", first.author)
    assert "nothing adds to it" in text
    assert "unknown is not bad" in text
    assert "no evidence" in text
    own = first.say("why", first.author)
    assert "a node keeps no score of itself" in own
    assert "unknown is not bad" not in own


def test_a_capability_that_can_be_none_is_refused(pair: Pair) -> None:
    first, second = pair
    assert "no name of a capability" in first.refusal(
        "why", second.author, "--capability", "No Such", code=Exit.REFUSED)


@given(st.lists(st.integers(-1_000_000, 1_000_000), max_size=20))
def test_rounded_points_add_up_to_the_rounded_sum(points: list[int]) -> None:
    rounded = thousandths(points)
    assert sum(rounded) == round(sum(points) / 1_000)
    assert all(abs(r - p / 1_000) <= 1 for r, p in zip(rounded, points, strict=True))


def test_every_doubt_and_every_reason_has_words(capsys: pytest.CaptureFixture[str]) -> None:
    me, other, record = "aa" * 32, "bb" * 32, "cc" * 32
    parts: list[Any] = [
        {"name": name, "rater": rater, "share_ppm": 120_000, "weight": weight,
         "points_ppm": points, "records": [record] * count}
        for name, rater, weight, points, count in (
            ("own", me, 1, 10_000, 5), ("pin", me, 2, 10_000, 0),
            ("testimony", other, 0.5, 10_000, 1), ("vouch", other, 1, 10_000, 0),
            ("elsewhere", me, 1, 10_000, 1), ("elsewhere", other, 1, 10_000, 1),
            ("failures", other, -1, -10_000, 1), ("convicted", None, 0, -50_000, 0),
        )
    ]
    score = {"score_ppm": 0, "accepted": 0, "failed": 0, "known": True, "uncertainty_ppm": 0}
    _say(unblock="antsp2p trust unblock", answer={
        "author": other, "me": me, "capability": None, "convicted": True, "revoked": True,
        "successor": None,
        "blocked": False, "succeeds": [me], "score": score, "scores": {"all": score},
        "parts": parts, "would_raise": [{"what": "wait", "score_ppm": 20_000}],
        "uncertain": [
            {"what": "unknown"}, {"what": "little", "share_ppm": 400_000},
            {"what": "testimony", "points_ppm": 10_000},
            {"what": "fades", "score_ppm": 10_000, "days": 30},
            {"what": "behind", "count": 3},
            *({"what": what, "records": [record]}
              for what in ("unheard", "disputed", "suspected", "unanswered")),
        ],
        "evidence": [{
            "record": record, "task": record, "counts_for": False, "weight": 1, "kind": "failed",
            "dispute": record, "capability": "", "mine": False, "rater": other, "days_ago": 2,
        }],
    })
    text = capsys.readouterr().out
    assert added(text) == ([10] * 6 + [-10, -50], 0)
    assert "bbbbbbbbbbbb says so; 12 % of its word counts (weight 0.5)" in text
    assert "and 2 more" in text
    assert text.count("uncertain: ") == 9
    assert "its key was given up" in text
    assert "failed, disputed" in text
    assert "{" not in text
