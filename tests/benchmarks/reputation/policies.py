"""The shipped rule and those it is held against, each as a policy of requesters."""
from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.newcomers import Newcomers
from antsp2p.coordination.trust import DEFAULT, PPM, Trust, TrustSettings
from tests.benchmarks.reputation.world import HONEST, ME_NAMES, Said, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.reputation.world import Policy

_Judged = tuple["Sequence[float]", "Sequence[bool]"]


class Antsp2p:
    """The shipped class, one instance per honest observer."""

    def __init__(self, settings: TrustSettings = DEFAULT) -> None:
        self.trusts = [Trust(key_of(number), settings) for number in range(HONEST)]
        self._newcomers = [Newcomers(settings) for _ in self.trusts]
        self._observers = {key_of(number): number for number in range(HONEST)}
        self._now = 0

    def hear(self, said: Sequence[Said], bucket: int) -> None:
        self._now = bucket
        for trust in self.trusts:
            trust.advance(bucket)
            add = trust.add
            for each in said:
                add(each)
        for each in said:
            if (observer := self._observers.get(each.rater)) is not None:
                self._newcomers[observer].count(each.subject, each.bucket, each.good, each.weight)

    def forget(self, said: Sequence[Said]) -> None:
        for trust in self.trusts:
            for each in said:
                trust.remove(each)

    def judge(
        self, observer: int, subjects: Sequence[bytes], capability: str,
        configurations: Sequence[bytes],
    ) -> _Judged:
        trust, now = self.trusts[observer], self._now
        found = [
            trust.score(subject, capability, now=now, configuration=digest)
            for subject, digest in zip(subjects, configurations, strict=True)
        ]
        return [each.value_ppm for each in found], [not each.known for each in found]

    def trial_share(self, observer: int) -> float:
        return self._newcomers[observer].welcome_ppm(self._now) / PPM


class _Published:
    """The field's rules say nothing of newcomers: they use what they are given."""

    def trial_share(self, observer: int) -> float:
        return 1.0


class Chance(_Published):
    """Anybody."""

    def hear(self, said: Sequence[Said], bucket: int) -> None:
        pass

    def forget(self, said: Sequence[Said]) -> None:
        pass

    def judge(
        self, observer: int, subjects: Sequence[bytes], capability: str,
        configurations: Sequence[bytes],
    ) -> _Judged:
        return [1.0] * len(subjects), [False] * len(subjects)


class Beta(_Published):
    """All words of all, pooled: good / (good + bad + 2)."""

    def __init__(self) -> None:
        self._sums: dict[bytes, list[int]] = defaultdict(lambda: [0, 0])

    def hear(self, said: Sequence[Said], bucket: int) -> None:
        for each in said:
            self._sums[each.subject][not each.good] += each.weight

    def forget(self, said: Sequence[Said]) -> None:
        for each in said:
            self._sums[each.subject][not each.good] -= each.weight

    def judge(
        self, observer: int, subjects: Sequence[bytes], capability: str,
        configurations: Sequence[bytes],
    ) -> _Judged:
        sums = [self._sums[each] for each in subjects]
        return (
            [good / (good + bad + 2) for good, bad in sums],
            [not good + bad for good, bad in sums],
        )


class _Graph:
    """max(0, good - bad) of each pair, and its share of the rater's whole."""

    def __init__(self) -> None:
        self._net: dict[bytes, dict[bytes, int]] = defaultdict(dict)

    def say(self, each: Said, sign: int = 1) -> None:
        net = self._net[each.rater]
        net[each.subject] = net.get(each.subject, 0) + sign * each.weight * (
            1 if each.good else -1
        )

    def shares(self) -> dict[bytes, dict[bytes, float]]:
        found = {}
        for rater, nets in self._net.items():
            whole = sum(net for net in nets.values() if net > 0)
            if whole:
                found[rater] = {
                    subject: net / whole for subject, net in nets.items() if net > 0
                }
        return found


PRE_TRUSTED: Final = 3
EIGEN_A: Final = 0.2
CLOSE: Final = 1e-4
MAX_STEPS: Final = 40


class EigenTrust(_Published):
    """Kamvar, Schlosser and Garcia-Molina 2003, a = 0.2, three honest agents pre-trusted."""

    def __init__(self, per_capability: bool = False) -> None:
        self._per_capability = per_capability
        names = ME_NAMES if per_capability else ("",)
        self._graphs = {name: _Graph() for name in names}
        self._before = {key_of(number): 1 / PRE_TRUSTED for number in range(PRE_TRUSTED)}
        self._trust: dict[str, dict[bytes, float]] = {name: dict(self._before) for name in names}
        self._stale = True

    def _say(self, said: Sequence[Said], sign: int) -> None:
        for each in said:
            self._graphs[each.capability if self._per_capability else ""].say(each, sign)
        self._stale = True

    def hear(self, said: Sequence[Said], bucket: int) -> None:
        self._say(said, 1)

    def forget(self, said: Sequence[Said]) -> None:
        self._say(said, -1)

    def _iterate(self, name: str) -> dict[bytes, float]:
        shares, trust = self._graphs[name].shares(), self._trust[name]
        for _ in range(MAX_STEPS):
            after = {key: EIGEN_A * value for key, value in self._before.items()}
            idle = 0.0
            for rater, value in trust.items():
                if rater not in shares:
                    idle += value
                    continue
                value *= 1 - EIGEN_A
                for subject, share in shares[rater].items():
                    after[subject] = after.get(subject, 0.0) + value * share
            # Who has said nothing trusts the pre-trusted.
            for key, value in self._before.items():
                after[key] += (1 - EIGEN_A) * idle * value
            moved = sum(abs(value - trust.get(key, 0.0)) for key, value in after.items())
            trust = after
            if moved < CLOSE:
                break
        return trust

    def judge(
        self, observer: int, subjects: Sequence[bytes], capability: str,
        configurations: Sequence[bytes],
    ) -> _Judged:
        if self._stale:
            self._trust = {name: self._iterate(name) for name in self._trust}
            self._stale = False
        trust = self._trust[capability if self._per_capability else ""]
        found = [trust.get(each, 0.0) for each in subjects]
        return found, [not each for each in found]


WALKS: Final = 200
MERIT_ALPHA: Final = 0.5


class MeritRank(_Published):
    """Nasrulin, Ishmaev and Pouwelse 2022: walks from the observer, visits counted, alpha = 0.5."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = Random(f"walks {seed}")
        self._graph = _Graph()
        self._ways: dict[bytes, tuple[list[bytes], list[float]]] = {}
        self._visits: dict[int, dict[bytes, float]] = {}
        self._stale = True

    def hear(self, said: Sequence[Said], bucket: int) -> None:
        for each in said:
            self._graph.say(each)
        self._stale = True

    def forget(self, said: Sequence[Said]) -> None:
        for each in said:
            self._graph.say(each, -1)
        self._stale = True

    def visits(self, observer: int) -> dict[bytes, float]:
        """How often walks from the observer come by, per walk."""
        if self._stale:
            self._stale, self._visits, self._ways = False, {}, {}
            for rater, shares in self._graph.shares().items():
                sums, whole = [], 0.0
                for share in shares.values():
                    whole += share
                    sums.append(whole)
                self._ways[rater] = (list(shares), sums)
        found = self._visits.get(observer)
        if found is None:
            found = self._visits[observer] = self._walk(key_of(observer))
        return found

    def _walk(self, start: bytes) -> dict[bytes, float]:
        found: dict[bytes, float] = defaultdict(float)
        for _ in range(WALKS):
            at, seen = start, {start}
            while at in self._ways and self._rng.random() >= MERIT_ALPHA:
                names, sums = self._ways[at]
                at = self._rng.choices(names, cum_weights=sums)[0]
                if at not in seen:
                    found[at] += 1 / WALKS
                    seen.add(at)
        return dict(found)

    def judge(
        self, observer: int, subjects: Sequence[bytes], capability: str,
        configurations: Sequence[bytes],
    ) -> _Judged:
        visits = self.visits(observer)
        found = [visits.get(each, 0.0) for each in subjects]
        return found, [not each for each in found]


POLICIES: Final[dict[str, Callable[[], Policy]]] = {
    "antsp2p": Antsp2p,
    "random": Chance,
    "beta": Beta,
    "eigentrust": EigenTrust,
    "eigentrust_capability": lambda: EigenTrust(per_capability=True),
    "meritrank": MeritRank,
}
