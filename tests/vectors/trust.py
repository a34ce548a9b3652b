"""Trust: what was said, and the integers that follow for one observer."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.trust import Trust
from tests.vectors.common import Case, case

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ME, ANN, BEN, CAM, DAN = (bytes([0xA0 + number]) for number in range(5))
SKILL: Final = "text.count"


@dataclass(frozen=True, slots=True)
class Said:
    """One statement; authors are any bytes that tell them apart."""

    rater: bytes
    subject: bytes
    good: bool
    weight: int
    capability: str = SKILL
    bucket: int = 0
    configuration: bytes = b""
    claim: bytes = b""


def numbered(said: Sequence[Said]) -> list[Said]:
    """Each of a claim of its own."""
    return [replace(each, claim=bytes([place])) for place, each in enumerate(said, 1)]


WHY_31: Final = (
    Said(ME, BEN, True, 1), Said(ME, BEN, False, 1),
    Said(ME, ANN, True, 16), Said(ANN, BEN, True, 2), Said(ANN, DAN, True, 4),
    Said(ME, CAM, True, 8), Said(CAM, BEN, False, 1), Said(CAM, DAN, False, 5),
)


def _stories() -> Iterable[tuple[str, str, Sequence[Said], int]]:
    yield "nothing", "a stranger is unknown, not bad", [], 0
    yield "why 0.31", "the example of section 24", WHY_31, 0
    yield "why 0.31, seven buckets later", "every weight fades, and so what is known", WHY_31, 7
    yield "fake receipts", "Ben earned nothing from the observer", [
        Said(BEN, CAM, True, 10**9), Said(CAM, BEN, True, 10**9),
    ], 0
    yield "a spy", "what it may pass on is a quarter of what it earned", [
        Said(ME, ANN, True, 4), Said(ANN, BEN, True, 10**9), Said(ANN, CAM, True, 10**9),
    ], 0
    yield "two steps", "Dan is praised by one whom nobody of the observer's own knows", [
        Said(ME, ANN, True, 100), Said(ANN, BEN, True, 100), Said(BEN, CAM, True, 100),
        Said(CAM, DAN, True, 100),
    ], 0
    yield "contradicted", "Ann praised Ben, who failed the observer: her word on Cam is lost", [
        Said(ME, ANN, True, 20), Said(ANN, BEN, True, 3), Said(ME, BEN, False, 3),
        Said(ANN, CAM, True, 3),
    ], 0
    yield "another capability", "the loan is limited, and a failure elsewhere counts by half", [
        Said(ME, BEN, True, 1, "other"), Said(ME, CAM, True, 50, "other"),
        Said(ME, DAN, True, 4), Said(ME, DAN, False, 1, "other"),
    ], 0
    yield "words elsewhere", "Ann's words weigh in a capability what she earned in that", [
        Said(ME, ANN, True, 100, "other"), Said(ME, ANN, True, 16),
        Said(ANN, BEN, True, 100), Said(ANN, CAM, True, 1, "third"),
    ], 0
    yield "a debt", "what Ann owes in a third capability she pays in both others", [
        Said(ME, ANN, True, 16), Said(ME, ANN, True, 8, "other"),
        Said(ME, ANN, False, 6, "third"), Said(ANN, BEN, True, 100),
    ], 0
    yield "another configuration", "good work of another configuration is only lent", [
        Said(ME, BEN, True, 4, configuration=b"\1"), Said(ME, CAM, False, 4, configuration=b"\1"),
    ], 0


def scores(trust: Trust, now: int) -> list[dict[str, Any]]:
    """Every subject's score, with no configuration told and with an empty one."""
    found = []
    for subject in (ANN, BEN, CAM, DAN):
        for digest in (None, b""):
            score = trust.score(subject, SKILL, now=now, configuration=digest)
            found.append({
                "subject": subject, "configuration": digest, "value_ppm": score.value_ppm,
                "accepted": score.accepted, "failed": score.failed, "known": score.known,
                "uncertainty_ppm": score.uncertainty_ppm, "stranger": score.stranger,
                "capacity": trust.capacity(subject, now=now),
                "capacity_here": trust.capacity(subject, SKILL, now=now),
            })
    return found


def cases() -> dict[str, list[Case]]:
    """The file."""
    return {"cases": [
        case(
            name, why, observer=ME, now=now, capability=SKILL,
            said=[{
                "rater": each.rater, "claim": each.claim, "subject": each.subject,
                "capability": each.capability, "good": each.good, "weight": each.weight,
                "bucket": each.bucket, "configuration": each.configuration,
            } for each in numbered(said)],
            scores=scores(_trust(numbered(said)), now),
        )
        for name, why, said, now in _stories()
    ]}


def _trust(said: Iterable[Said]) -> Trust:
    trust = Trust(ME)
    for each in said:
        trust.add(each)
    return trust
