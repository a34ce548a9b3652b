"""The rule of trust once more: straight from the text, with no index and nothing kept."""
from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from antsp2p.coordination.fading import Fading
from antsp2p.coordination.trust import DEFAULT, PPM
from antsp2p.coordination.weighing import belief, share_of
from tests.coordination.test_trust import ME
from tests.coordination.test_trust_properties import NOW, PEOPLE, SKILLS, after, statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.coordination.test_trust import Said

_Words = tuple[bytes, bytes, str]


class Reference:
    """What the text says of one set of statements."""

    def __init__(self, said: Iterable[Said]) -> None:
        fading = Fading(DEFAULT)
        fading.move(NOW)
        self.scale = fading.scale
        self.good: dict[_Words, int] = defaultdict(int)
        self.bad: dict[_Words, int] = defaultdict(int)
        self.raw: dict[_Words, int] = defaultdict(int)
        for each in said:
            if each.rater != each.subject:
                words = each.rater, each.subject, each.capability
                (self.good if each.good else self.bad)[words] += (
                    each.weight * fading.weight(each.bucket))
                self.raw[words] += each.weight

    def net(self, x: bytes, y: bytes, c: str) -> int:
        return max(0, self.good[x, y, c] - 2 * self.bad[x, y, c])

    def earned(self, k: bytes, c: str) -> int:
        whole = sum(self.net(ME, k, each) for each in SKILLS)
        left = max(0, sum(self.good[ME, k, each] - 2 * self.bad[ME, k, each] for each in SKILLS))
        return self.net(ME, k, c) * left // whole if whole else 0

    def budget(self, k: bytes, c: str) -> int:
        capacity = self.earned(k, c)
        for m in PEOPLE[1:]:
            reach = self.earned(m, c) * DEFAULT.alpha_ppm // PPM
            praise = sum(self.good[m, each, c] for each in PEOPLE)
            if reach and praise:
                capacity += share_of(reach, praise) * self.net(m, k, c) >> 64
        return capacity * DEFAULT.alpha_ppm * (PPM - DEFAULT.alpha_ppm) // PPM**2

    def sums(self, x: bytes, y: bytes, skills: Sequence[str]) -> tuple[int, int, int]:
        good, bad, raw = (
            sum(sums[x, y, each] for each in skills) for sums in (self.good, self.bad, self.raw)
        )
        return good, bad, raw

    def belief(self, k: bytes, j: bytes) -> int:
        differs = compared = 0
        for other in PEOPLE:
            for times, skills in ((2, SKILLS), *((1, (each,)) for each in SKILLS)):
                own, said = (self.sums(rater, other, skills) for rater in (ME, k))
                if other != j and own[2] and said[2]:
                    weight = min(own[2], 3) * min(said[2], 3)
                    rates = [bad * PPM // (good + bad) for good, bad, _ in (own, said)]
                    differs += times * weight * ((rates[0] - rates[1]) ** 2 // PPM)
                    compared += times * weight * PPM
        return belief(differs, compared, DEFAULT)

    def plain(self, amount: int) -> int:
        return amount * PPM // self.scale

    def voice(self, k: bytes, j: bytes, c: str) -> tuple[int, int]:
        """What k's praise and blame of j in c count for."""
        good, bad = self.good[k, j, c], self.bad[k, j, c]
        if k != ME:
            budget, believed = self.budget(k, c), self.belief(k, j)
            praise = sum(self.good[k, each, c] for each in PEOPLE)
            blame = sum(self.bad[k, each, c] for each in PEOPLE)
            good = (good * budget // praise if praise > budget else good) * believed // PPM
            bad = (bad * budget // blame if blame > budget else bad) * believed // PPM
        return self.plain(good), self.plain(bad)

    def score(self, j: bytes, c: str) -> int:
        r = s = elsewhere = 0
        for k in PEOPLE:
            for each in SKILLS:
                good, bad = self.voice(k, j, each)
                if each == c:
                    r, s = r + good, s + bad
                else:
                    elsewhere += good
                    s += bad * DEFAULT.elsewhere_ppm // PPM
        loan = min(elsewhere * DEFAULT.eta_ppm // PPM, DEFAULT.borrow_ppm)
        r += max(0, loan - 2 * s)
        return r * PPM // (r + 2 * s + DEFAULT.stranger_weight * PPM)


@given(statements(), st.sampled_from(PEOPLE[1:]), st.sampled_from(SKILLS))
def test_the_score_is_what_the_text_says(said: list[Said], subject: bytes, skill: str) -> None:
    trust, reference = after(said), Reference(said)
    assert trust.score(subject, skill, now=NOW).value_ppm == reference.score(subject, skill)
