"""Marks: what is left of one by its age, and which of a set of records stand where."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.coordination.body import Mark
from antsp2p.coordination.marks import strength_ppm
from tests.vectors.common import Case, case, identity
from tests.vectors.standings import RecordSet

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOUR_MS = 3_600_000
_STRENGTHS = (
    ("fresh", "nothing is lost yet", 0, 1_000),
    ("half of a half-life", "between two halvings by a straight line", 500, 1_000),
    ("one half-life", "half", 1_000, 1_000),
    ("one and a half", "half of three quarters", 1_500, 1_000),
    ("a third of the way", "rounded as the formula says", 1, 3),
    ("just before it is gone", "less than a thousandth", 9_999, 1_000),
    ("gone", "from ten half-lives on", 10_000, 1_000),
    ("the slowest", "after thirty days, half", 2_592_000_000, 2_592_000_000),
    ("wiped off", "a half-life of 0", 0, 0),
    ("the oldest", "gone, however slow", 2**53 - 1, 2_592_000_000),
)


def cases() -> dict[str, list[Case]]:
    """Strengths by age and half-life, and what stands at the topics of a set of records."""
    return {
        "strengths": [
            case(name, why, age_ms=age_ms, half_life_ms=half_life_ms,
                 strength_ppm=strength_ppm(age_ms, half_life_ms))
            for name, why, age_ms, half_life_ms in _STRENGTHS
        ],
        "standing": list(_standing()),
    }


def _standing() -> Iterator[Case]:
    both = RecordSet().say("ada", Mark("site.lab", "one", _HOUR_MS), Mark("site.lab", "two", 1))
    both.say("ben", Mark("site.lab", "", _HOUR_MS), Mark("site.hall", "here", _HOUR_MS))
    yield _case("the latest of each author", "by its seq, at each topic by itself", both, {
        "site.lab": {"ada": "two", "ben": ""}, "site.hall": {"ben": "here"}})
    wiped = RecordSet().say("ada", Mark("site.lab", "one", 1), Mark("site.lab"))
    yield _case("wiped off", "nothing of the author stands there", wiped, {})
    again = wiped.say("ada", Mark("site.lab", "three", 1))
    yield _case("left again", "a wipe is a mark like any other", again, {
        "site.lab": {"ada": "three"}})
    forked = RecordSet().say("ada", Mark("site.lab", "one", 1), Mark("site.lab", "two", 1))
    forked.branch("ada", 1, Mark("site.lab", "other", 1))
    yield _case("of a forked log", "a convicted author is out", forked, {})
    ada = RecordSet().say("ada", Mark("site.lab", "one", 1))
    ada.say("ada", Mark("site.lab", "x" * 300, 1))
    yield _case("the longest text", "300 bytes", ada, {"site.lab": {"ada": "x" * 300}})


def _case(name: str, why: str, of: RecordSet, stands: dict[str, dict[str, str]]) -> Case:
    expected: dict[str, Any] = {
        topic: {identity(author).author.hex(): text for author, text in texts.items()}
        for topic, texts in stands.items()
    }
    return case(name, why, records=[record.wire for record in of.records()], stands=expected)
