"""What made-up names gain, by MeritRank's measure, and what slander by nobody's masters does."""
from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.trust import DEFAULT, PPM
from tests.benchmarks.reputation.policies import Antsp2p, MeritRank
from tests.benchmarks.reputation.world import (
    ERROR,
    HONEST,
    ME_NAMES,
    ROUNDS,
    ROUNDS_PER_BUCKET,
    UNLIMITED,
    Said,
    Scenario,
    World,
    key_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SHAPES: Final = ("cycle", "path", "parallel")
SWARMS: Final = (1, 10, 50)
ALL_SWARMS: Final = (1, 2, 5, 10, 20, 35, 50)
SKILL: Final = ME_NAMES[0]
IN_ONE: Final = ", in one capability"
IN_ALL: Final = ", in one capability, lies in all"
ATTACKER: Final = key_of(HONEST)
NOW: Final = (ROUNDS - 1) // ROUNDS_PER_BUCKET
_QUIET: Final = Scenario(
    "quiet", "one attacker does honest work first", 1, lambda which, capability, at: ERROR
)


def edges(shape: str, count: int) -> list[tuple[bytes, bytes]]:
    """Who praises whom, without limit, when an attacker invents `count` names."""
    names = [key_of(1_000 + number) for number in range(count)]
    if shape == "parallel":
        return [(ATTACKER, name) for name in names]
    line = [ATTACKER, *names, *([ATTACKER] if shape == "cycle" else [])]
    return list(pairwise(line))


def lies(
    pairs: Sequence[tuple[bytes, bytes]], good: bool = True, skills: Sequence[str] = (SKILL,)
) -> list[Said]:
    return [
        Said(rater, b"lie %d %s" % (number, skill.encode()), subject, skill, good, UNLIMITED, 0)
        for number, (rater, subject) in enumerate(pairs) for skill in skills
    ]


def gains(seed: int, swarms: Sequence[int] = SWARMS) -> dict[str, float]:
    """The sum of the Sybils' scores over the attacker's, as all honest observers see them.

    Ours is measured in what a score rests on (`accepted`), because the score itself is no sum; over
    all capabilities, as MeritRank knows but one, and in that in which the attacker lies (`IN_ONE`);
    and there once more where it lies in all of them, so that its names borrow from four (`IN_ALL`).
    `per work`: the Sybils' sum over what the attacker's words may draw on there, the largest
    anywhere.
    """
    ours, merit = Antsp2p(), MeritRank(seed)
    World(_QUIET, seed).play(_Both(ours, merit))
    found: dict[str, float] = {}
    per_work = 0.0
    for shape in SHAPES:
        for count in swarms:
            said = lies(edges(shape, count))
            names = [key_of(1_000 + number) for number in range(count)]
            now, swarm, alone, in_one, alone_in_one = NOW, 0, 0, 0, 0
            ours.hear(said, now)
            for trust in ours.trusts:
                mass = sum(trust.score(name, None, now=now).accepted for name in names)
                swarm += mass
                alone += trust.score(ATTACKER, None, now=now).accepted
                in_one += sum(trust.score(name, SKILL, now=now).accepted for name in names)
                alone_in_one += trust.score(ATTACKER, SKILL, now=now).accepted
                if capacity := trust.capacity(ATTACKER, SKILL, now=now):
                    per_work = max(per_work, mass / capacity)
            found[f"{shape} {count}"] = swarm / alone
            found[f"{shape} {count}{IN_ONE}"] = in_one / alone_in_one
            ours.forget(said)
            merit.hear(said, now)
            visits = [merit.visits(observer) for observer in range(HONEST)]
            theirs = sum(each.get(name, 0.0) for each in visits for name in names)
            found[f"meritrank {shape} {count}"] = theirs / sum(
                each.get(ATTACKER, 0.0) for each in visits
            )
            merit.forget(said)
    for count in swarms:
        found[f"parallel {count}{IN_ALL}"] = _gain_by_lies_in_all(ours, count)
    found["per work"] = per_work
    return found


def _gain_by_lies_in_all(ours: Antsp2p, count: int) -> float:
    said = lies(edges("parallel", count), skills=ME_NAMES)
    ours.hear(said, NOW)
    names = [key_of(1_000 + number) for number in range(count)]
    swarm = sum(
        trust.score(name, SKILL, now=NOW).accepted for trust in ours.trusts for name in names)
    alone = sum(trust.score(ATTACKER, SKILL, now=NOW).accepted for trust in ours.trusts)
    ours.forget(said)
    return swarm / alone


def slander(seed: int) -> float:
    """How far 20 liars that nobody worked for move any honest author's score, at most (of 1)."""
    ours = Antsp2p()
    World(_QUIET, seed).play(ours)
    honest = [key_of(number) for number in range(HONEST)]

    def scores() -> list[int]:
        return [
            trust.score(key, skill, now=NOW).value_ppm
            for trust in ours.trusts for key in honest for skill in ME_NAMES
        ]

    before = scores()
    liars = [key_of(2_000 + number) for number in range(20)]
    ours.hear(lies([(liar, key) for liar in liars for key in honest], False), NOW)
    moved = zip(before, scores(), strict=True)
    return max(abs(one - other) for one, other in moved) / PPM


LIMIT: Final = DEFAULT.alpha_ppm / PPM


class _Both:
    """Two policies in one world; the first chooses."""

    def __init__(self, first: Antsp2p, second: MeritRank) -> None:
        self._first, self._second = first, second

    def hear(self, said: Sequence[Said], bucket: int) -> None:
        self._first.hear(said, bucket)
        self._second.hear(said, bucket)

    def forget(self, said: Sequence[Said]) -> None:
        self._first.forget(said)
        self._second.forget(said)

    def judge(
        self, observer: int, subjects: Sequence[bytes], capability: str,
        configurations: Sequence[bytes],
    ) -> tuple[Sequence[float], Sequence[bool]]:
        return self._first.judge(observer, subjects, capability, configurations)

    def trial_share(self, observer: int) -> float:
        return self._first.trial_share(observer)
