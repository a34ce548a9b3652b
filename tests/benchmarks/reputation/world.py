"""A task network with liars in it: who asks whom, what comes of it, and what is said afterwards.

63 honest agents have three of five capabilities each and fail one task in twenty; the malicious
claim all five. In each of 60 rounds every honest agent has one task in each capability, sees ten
random candidates, and chooses with probability proportional to score^4, or, one time in ten, among
the strangers among them. Who is a stranger is the same for all policies: of whom the policy has
nothing at all that counts (`OWN`). So EigenTrust was published; as it keeps nothing of failures, it
tries known liars, too. With `FACTS` it is instead of whom nobody has said anything in that
capability, true or made up, which no policy can help: then the best of them choose no liar where
all lie alike, and are equal. A policy may leave a part of that tenth unused. What a requester says
of the outcome is heard by all at the end of the round. The last 30 rounds are scored. Candidates,
coins and luck are drawn from the seed alone, so two policies meet the same world.
"""
from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HONEST: Final = 63
CAPABILITIES: Final = 5
SKILLS: Final = 3
CANDIDATES: Final = 10
ROUNDS: Final = 60
SCORED_FROM: Final = 30
ERROR: Final = 0.05
TRY_STRANGERS: Final = 0.1
EXPONENT: Final = 4
ROUNDS_PER_BUCKET: Final = 10
UNLIMITED: Final = 10**9
SPIES: Final = 25
FACTS: Final = "facts"
OWN: Final = "own"
STRANGERS: Final = (FACTS, OWN)
"""By what it is told who is a stranger."""
ME_NAMES: Final = tuple(f"skill {number}" for number in range(CAPABILITIES))


@dataclass(frozen=True, slots=True)
class Said:
    """What a requester says of a claim on its task."""

    rater: bytes
    claim: bytes
    subject: bytes
    capability: str
    good: bool
    weight: int
    bucket: int
    configuration: bytes = b""


class Policy(Protocol):
    """How requesters judge. Observers are honest agents by number."""

    def hear(self, said: Sequence[Said], bucket: int) -> None: ...
    def forget(self, said: Sequence[Said]) -> None: ...
    def judge(
        self, observer: int, subjects: Sequence[bytes], capability: str, configurations:
        Sequence[bytes],
    ) -> tuple[Sequence[float], Sequence[bool]]:
        """The score of each, and whether the policy has nothing at all that counts for it."""
        ...
    def trial_share(self, observer: int) -> float:
        """How much of the tenth that is meant for strangers the observer uses for them."""
        ...


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the malicious do. `fails`: (which, capability, round) -> the chance of a bad outcome."""

    name: str
    about: str
    malicious: int
    fails: Callable[[int, int, int], float]
    target: float | None = None
    votes: bool = False
    """Each malicious agent has a task a round too, chosen like others', and tells the opposite."""
    fakes: int = 0
    """Weight of the praise for each other, and of the blame on the honest, that each makes up."""
    fakes_each_round: bool = False
    praised_from: int = 0
    """Only these and later ones are praised: the others are spies."""
    blames: bool = True
    whitewash: bool = False
    swap_at: int = ROUNDS
    """From this round on the malicious announce another configuration."""
    costs: tuple[int, ...] = (1,) * CAPABILITIES
    skills: Callable[[int], tuple[int, ...]] = lambda _: tuple(range(CAPABILITIES))
    honest_skills: int = SKILLS
    judged: tuple[int, ...] = tuple(range(CAPABILITIES))
    """Tasks of these capabilities are scored."""


def key_of(number: int, life: int = 0) -> bytes:
    return number.to_bytes(2, "big") + life.to_bytes(2, "big")


class World:
    """One scenario under one seed. `play` runs a policy through it, once."""

    def __init__(
        self, scenario: Scenario, seed: int, try_strangers: float = TRY_STRANGERS,
        strangers: str = OWN,
    ) -> None:
        self.scenario = scenario
        self._by_facts = strangers == FACTS
        self._try = try_strangers
        draw = Random(f"skills {seed}")
        self._seed = seed
        self._members = HONEST + scenario.malicious
        self._able: list[list[int]] = [[] for _ in range(CAPABILITIES)]
        for number in range(self._members):
            skills = (
                draw.sample(range(CAPABILITIES), scenario.honest_skills) if number < HONEST
                else scenario.skills(number - HONEST)
            )
            for skill in skills:
                self._able[skill].append(number)
        self._claims = 0
        self._life = 0
        self._spoken_of: set[tuple[bytes, str]] = set()
        self._dirty: list[Said] = []

    def play(self, policy: Policy) -> float:
        """The share of bad outcomes among the tasks that are scored, weighed by their cost."""
        scenario = self.scenario
        # Streams of their own: what a policy chooses must not shift what the next one meets.
        draw, coin, luck = (Random(f"{name} {self._seed}") for name in ("draw", "coin", "luck"))
        bad_cost = cost = 0
        for number in range(ROUNDS):
            bucket = number // ROUNDS_PER_BUCKET
            if scenario.whitewash and number:
                policy.forget(self._dirty)
                self._life += 1
            if scenario.fakes and (number == 0 or scenario.fakes_each_round):
                self._tell(policy, self._fakes(bucket), bucket)
            said: list[Said] = []
            for observer in range(HONEST):
                for capability in range(CAPABILITIES):
                    good, told = self._ask(
                        policy, observer, observer, capability, number, draw, coin, luck
                    )
                    said.append(told)
                    if number >= SCORED_FROM and capability in scenario.judged:
                        bad_cost += (not good) * told.weight
                        cost += told.weight
            if scenario.votes:
                said += self._votes(policy, number, draw, coin, luck)
            # What the old names said is gone with them. What was said of them is of use to nobody
            # who would choose among the new.
            self._dirty = [each for each in said if each.rater[:2] >= key_of(HONEST)[:2]]
            self._tell(policy, said, bucket)
        return bad_cost / cost

    def _tell(self, policy: Policy, said: Sequence[Said], bucket: int) -> None:
        self._spoken_of.update((each.subject, each.capability) for each in said)
        policy.hear(said, bucket)

    def _key(self, number: int) -> bytes:
        return key_of(number, self._life if number >= HONEST else 0)

    def _digest(self, number: int, at: int) -> bytes:
        return b"new" if number >= HONEST and at >= self.scenario.swap_at else b""

    def _ask(
        self, policy: Policy, requester: int, observer: int, capability: int, at: int,
        draw: Random, coin: Random, luck: Random,
    ) -> tuple[bool, Said]:
        """One task, judged with the eyes of `observer`: the outcome, and what is said of it."""
        able = self._able[capability]
        chosen = [each for each in draw.sample(able, CANDIDATES + 1) if each != requester]
        chosen = chosen[:CANDIDATES]
        digests = [self._digest(each, at) for each in chosen]
        keys, name = [self._key(each) for each in chosen], ME_NAMES[capability]
        scores, strangers = policy.judge(observer, keys, name, digests)
        if self._by_facts:
            strangers = [(key, name) not in self._spoken_of for key in keys]
        share = self._try * policy.trial_share(observer)
        worker = chosen[_choose(scores, strangers, coin, share)]
        good = luck.random() >= self._fails(worker, capability, at)
        self._claims += 1
        return good, Said(
            self._key(requester), self._claims.to_bytes(4, "big"), self._key(worker),
            name, good, self.scenario.costs[capability], at // ROUNDS_PER_BUCKET,
            self._digest(worker, at),
        )

    def _fails(self, worker: int, capability: int, at: int) -> float:
        if worker < HONEST:
            return ERROR
        return self.scenario.fails(worker - HONEST, capability, at)

    def _votes(
        self, policy: Policy, at: int, draw: Random, coin: Random, luck: Random
    ) -> list[Said]:
        said = []
        for number in range(HONEST, self._members):
            capability = draw.randrange(CAPABILITIES)
            good, told = self._ask(
                policy, number, number % HONEST, capability, at, draw, coin, luck
            )
            said.append(Said(
                told.rater, told.claim, told.subject, told.capability, not good, told.weight,
                told.bucket, told.configuration,
            ))
        return said

    def _fakes(self, bucket: int) -> list[Said]:
        """Receipts for work that was never done, and rejections of work that was."""
        scenario, said = self.scenario, []
        for rater in range(HONEST, self._members):
            for subject in range(self._members):
                praise = subject >= HONEST
                if subject == rater or HONEST <= subject < HONEST + scenario.praised_from:
                    continue
                if not praise and not scenario.blames:
                    continue
                self._claims += 1
                # What a pair says is spent on one capability; all pairs together serve all.
                capability = ME_NAMES[(rater + subject) % CAPABILITIES]
                said.append(Said(
                    self._key(rater), self._claims.to_bytes(4, "big"), self._key(subject),
                    capability, praise, scenario.fakes, bucket,
                ))
        return said


def _choose(
    scores: Sequence[float], strangers: Sequence[bool], coin: Random, try_strangers: float
) -> int:
    """The choice that is the same for all policies."""
    explore, where = coin.random(), coin.random()
    weights = [score**EXPONENT for score in scores]
    if explore < try_strangers and any(strangers):
        weights = [float(each) for each in strangers]
    elif not any(weights):
        weights = [1.0] * len(scores)
    left = where * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return max(place for place, weight in enumerate(weights) if weight)


def _always(_which: int, _capability: int, _at: int) -> float:
    return 1.0


def _half(_which: int, _capability: int, _at: int) -> float:
    return 0.5


def _spied(which: int, _capability: int, _at: int) -> float:
    return ERROR if which < SPIES else 1.0


def _on_off(_which: int, _capability: int, at: int) -> float:
    return float(at // 10 % 2 == 1)


def _one_skill_bad(which: int, capability: int, _at: int) -> float:
    return float(which % CAPABILITIES == capability)


def _one_skill_good(_which: int, capability: int, _at: int) -> float:
    return ERROR if capability == 0 else 1.0


def _abandons(_which: int, _capability: int, _at: int) -> float:
    """Every third claim is never finished; which, nobody can tell before."""
    return 1 / 3


def _later_bad(_which: int, _capability: int, at: int) -> float:
    return ERROR if at < SCORED_FROM else 1.0


def _cheap(which: int) -> tuple[int, ...]:
    """Spies do the two cheap kinds of work, the rest claims everything."""
    return (0, 1) if which < SPIES else tuple(range(CAPABILITIES))


SCENARIOS: Final = {each.name: each for each in (
    Scenario("A27", "individuals, 27 %", 23, _always, 0.07, votes=True),
    Scenario("A40", "individuals, 40 %", 42, _always, 0.073, votes=True),
    Scenario("A70", "individuals, 70 %", 147, _always, 0.19, votes=True),
    Scenario("B40", "a collective with unlimited fake receipts, 40 %", 42, _always,
             fakes=UNLIMITED),
    Scenario("B70", "a collective with unlimited fake receipts, 70 %", 147, _always,
             fakes=UNLIMITED),
    Scenario("C", "camouflage: every other task done well, with fake receipts", 42, _half, 0.16,
             fakes=UNLIMITED),
    Scenario("D", "25 spies do honest work and praise 15 that do not", 40, _spied, 0.087,
             fakes=UNLIMITED, praised_from=SPIES),
    Scenario("E", "whitewash: a new name every round", 42, _always, 0.137, votes=True,
             whitewash=True),
    Scenario("O", "on-off: ten rounds good, ten bad, with fake receipts", 42, _on_off, 0.22,
             fakes=UNLIMITED),
    Scenario("G", "good in four capabilities, bad in one, with fake receipts", 42,
             _one_skill_bad, 0.036, fakes=UNLIMITED),
    Scenario("launder", "good at one capability, judged on the four others", 42, _one_skill_good,
             fakes=UNLIMITED, judged=(1, 2, 3, 4)),
    Scenario("stiff", "workers choose among requesters, and 40 % never pay", 42, _always,
             votes=True, honest_skills=CAPABILITIES),
    Scenario("abandon", "every third claim is never finished", 42, _abandons, votes=True),
    Scenario("cheap", "25 spies do cheap work only, and praise 15 for dear work", 40, _spied,
             fakes=UNLIMITED, praised_from=SPIES, costs=(1, 1, 5, 5, 5), skills=_cheap),
    Scenario("swap", "good for thirty rounds, then another configuration, and bad", 42,
             _later_bad, swap_at=SCORED_FROM),
    Scenario("probe", "colluders pass one probe of each other a round, and fail the honest in one",
             42, _half, fakes=1, fakes_each_round=True),
)}
