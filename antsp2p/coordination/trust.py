"""How much an observer trusts whom: the arithmetic, over statements bound to tasks.

Law: integers only, the same on every machine and in any order; a statement said twice counts once;
one more costs O(1), a score costs O(those who say something of its subject). What a third party
says of a fourth weighs no more in all than what it earned from the observer. What must never be in
here: records, tasks, the network, a clock (time comes in as a bucket's number), and any order of a
set or of arrival.

    earned_k   = pin_k + max(0, good_ik - 2 bad_ik - charged_k)
    share_k    = min(1, alpha * capacity_k / said_k), 0 where k has said nothing
    capacity_k = earned_k + sum over m of floor(reach_m * max(0, good_mk - 2 bad_mk))
    score      = r / (r + 2 s + W),   r = r[c] + min(eta * r[other], B)

`i` is the observer, and `reach_m` is the share of m computed from `earned_m` alone: trust goes two
steps and no further. `r` and `s` are what the observer saw itself, and what each `k` says, times
`share_k`. Weights are held in millionths, fade by the bucket and are floored at every step.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PPM: Final = 1_000_000
"""Weights, shares and scores are in millionths; division rounds down."""


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """The knobs of the rule. Shares and factors in millionths of one, weights in whole units."""

    alpha_ppm: int = 1_000_000
    """Of what an author earned, how much its words may weigh in all."""
    eta_ppm: int = 500_000
    """What is known of other capabilities counts by this factor, up to `borrow_limit`."""
    borrow_limit: int = 1
    failure_factor: int = 2
    """One who fails every third time sinks below a half."""
    stranger_weight: int = 2
    """W: one accepted task of cost 1 gives a third, two give a half; a stranger gives 0."""
    keep_ppm: int = 1_000_000
    """What is left of a weight when one more bucket has passed."""
    horizon_buckets: int = 400
    """Older than this, nothing is left."""
    chain_ppm: int = 500_000
    """What is left of a vouched weight where it is lent once more."""


DEFAULT: Final = TrustSettings()


class Statement(Protocol):
    """What `Trust` reads of a deed: `rater` says that `subject` did well, or not, by `claim`."""

    @property
    def rater(self) -> bytes: ...
    @property
    def claim(self) -> bytes: ...
    @property
    def subject(self) -> bytes: ...
    @property
    def capability(self) -> str: ...
    @property
    def good(self) -> bool: ...
    @property
    def weight(self) -> int: ...
    @property
    def bucket(self) -> int: ...
    @property
    def configuration(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Score:
    """What it rests on in `accepted` and `failed`, in millionths; not `known` means a stranger.

    `uncertainty_ppm` is the part of the score's denominator that is not evidence.
    """

    value_ppm: int
    accepted: int
    failed: int
    known: bool
    uncertainty_ppm: int = PPM


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one voice adds to a score: its words `good` and `bad`, and what they count for.

    `part` is "own", "testimony", "pin" or "vouch"; `accepted` is the capability's own evidence,
    `borrowed` what comes from elsewhere before the limit, both in millionths like `failed`.
    """

    part: str
    rater: bytes
    share_ppm: int
    accepted: int
    borrowed: int
    failed: int


@dataclass(frozen=True, slots=True)
class _Vouch:
    weight: int
    since: int
    until: int


_Sort = tuple[str, bytes]
_Sums = dict[_Sort, tuple[int, int]]


class _Pair:
    """What one rater says of one subject: (capability, configuration) -> bucket -> good, bad."""

    __slots__ = ("by_sort", "faded", "net")

    def __init__(self) -> None:
        self.by_sort: dict[_Sort, dict[int, list[int]]] = {}
        self.faded: _Sums | None = None
        self.net = 0


class Trust:
    """One observer's view. `add` and `remove` may come in any order; nothing here is ever sent."""

    def __init__(
        self, me: bytes, settings: TrustSettings = DEFAULT,
        lineage: Callable[[bytes], Sequence[bytes]] = lambda author: (author,),
    ) -> None:
        self._me = me
        self._settings = settings
        self._lineage = lineage
        self._statements: dict[tuple[bytes, bytes], tuple[bytes, _Sort, bool, int, int]] = {}
        self._by_subject: dict[bytes, dict[bytes, _Pair]] = {}
        self._by_rater: dict[bytes, dict[bytes, _Pair]] = {}
        self._said: dict[bytes, dict[int, int]] = {}
        self._vouches: dict[bytes, dict[bytes, _Vouch]] = {}
        self._vouched_by: dict[bytes, dict[bytes, _Vouch]] = {}
        self._pins: dict[bytes, int] = {}
        self._blocked: set[bytes] = set()
        self._convicted: set[bytes] = set()
        self._factors = _factors(settings)
        self._now = 0
        # Known as of `_now`; what a statement changes is dropped by the next question.
        self._capacities: dict[bytes, int] = {}
        self._shares: dict[bytes, int] = {}
        self._reaches: dict[bytes, int] = {}
        self._spoke: dict[bytes, None] = {}

    # --- what is said ----------------------------------------------------------------------------

    def add(self, statement: Statement) -> None:
        """Count a statement; a second one of the same (rater, claim) must equal the first."""
        key = (statement.rater, statement.claim)
        sort = (statement.capability, statement.configuration)
        held = (statement.subject, sort, statement.good, statement.weight, statement.bucket)
        before = self._statements.get(key)
        if before is not None:
            assert before == held, "remove what a rater said of a claim before it says otherwise"
            return
        assert statement.weight > 0
        self._statements[key] = held
        self._count(statement.rater, held, statement.weight)

    def remove(self, statement: Statement) -> None:
        """Forget what this rater said of this claim, if it is known."""
        held = self._statements.pop((statement.rater, statement.claim), None)
        if held is not None:
            self._count(statement.rater, held, -held[3])

    def _count(self, rater: bytes, held: tuple[bytes, _Sort, bool, int, int], weight: int) -> None:
        subject, sort, good, _, bucket = held
        if rater == subject:
            return
        raters = self._by_subject.setdefault(subject, {})
        pair = raters.get(rater)
        if pair is None:
            pair = raters[rater] = _Pair()
            self._by_rater.setdefault(rater, {})[subject] = pair
        pair.faded = None
        buckets = pair.by_sort.setdefault(sort, {})
        sums = buckets.setdefault(bucket, [0, 0])
        sums[not good] += weight
        if sums == [0, 0]:
            self._forget(rater, subject, pair, sort, bucket)
        said = self._said.setdefault(rater, {})
        said[bucket] = said.get(bucket, 0) + weight
        if not said[bucket]:
            del said[bucket]
        self._spoke[rater] = None
        if rater == self._me:
            self._spoke[subject] = None
            for voucher in self._vouched_by.get(subject, ()):
                self._spoke[voucher] = None

    def _forget(self, rater: bytes, subject: bytes, pair: _Pair, sort: _Sort, bucket: int) -> None:
        del pair.by_sort[sort][bucket]
        if not pair.by_sort[sort]:
            del pair.by_sort[sort]
        if not pair.by_sort:
            del self._by_subject[subject][rater]
            if not self._by_subject[subject]:
                del self._by_subject[subject]
            del self._by_rater[rater][subject]
        self._capacities.pop(subject, None)
        self._shares.pop(subject, None)

    # --- what the observer decides itself --------------------------------------------------------

    def pin(self, author: bytes, weight: int) -> None:
        """A person's word: the author starts with `weight`, as if it had earned it."""
        assert weight > 0
        self._pins[author] = weight
        self._start_over()

    def unpin(self, author: bytes) -> None:
        self._pins.pop(author, None)
        self._start_over()

    def block(self, author: bytes) -> None:
        """A person's word: the author's score is 0 and its words weigh nothing."""
        self._blocked.add(author)
        self._start_over()

    def unblock(self, author: bytes) -> None:
        self._blocked.discard(author)
        self._start_over()

    def convict(self, author: bytes) -> None:
        """The author lied provably: its score is 0 and its words weigh nothing."""
        self._convicted.add(author)
        self._start_over()

    def pardon(self, author: bytes) -> None:
        """Undo `convict`: who lied was not the key's owner."""
        self._convicted.discard(author)
        self._start_over()

    def vouch(
        self, voucher: bytes, subject: bytes, weight: int, *, since: int, until: int
    ) -> None:
        """`voucher` lends `weight` of its own capacity to `subject`, up to the bucket `until`.

        What fails the observer by the subject's hand meanwhile is charged to the voucher, up to
        `weight`. A later vouch of the same two takes the place of the earlier.
        """
        assert weight > 0
        if voucher != subject:
            given = _Vouch(weight, since, until)
            self._vouches.setdefault(voucher, {})[subject] = given
            self._vouched_by.setdefault(subject, {})[voucher] = given
            self._start_over()

    def unvouch(self, voucher: bytes, subject: bytes, *, at: int) -> None:
        """The vouch ends at the bucket `at`; what failed before stays charged."""
        given = self._vouches.get(voucher, {}).get(subject)
        if given is not None and given.until > at:
            self.vouch(voucher, subject, given.weight, since=given.since, until=at)

    def _start_over(self) -> None:
        self._capacities.clear()
        self._shares.clear()
        self._reaches.clear()

    # --- what follows ----------------------------------------------------------------------------

    def score(
        self, subject: bytes, capability: str | None, *, now: int = 0,
        configuration: bytes | None = None,
    ) -> Score:
        """The subject's score in a capability, or over all; `configuration`: what it runs today.

        Evidence of another configuration counts as that of another capability; None: all counts.
        """
        good = other = bad = 0
        for rated in self._voices(subject, capability, now, configuration):
            good += rated.accepted
            other += rated.borrowed
            bad += rated.failed
        return self._weigh(subject, good, other, bad)

    def contributions(
        self, subject: bytes, capability: str | None, *, now: int = 0,
        configuration: bytes | None = None,
    ) -> tuple[Contribution, ...]:
        """What the score is made of, by (part, rater); the columns add up to it exactly.

        `accepted` of the score is the sum of `accepted` and of what `borrowed` gives under the
        limit; `failed` is the sum of `failed`.
        """
        found = self._voices(subject, capability, now, configuration)
        return tuple(sorted(found, key=lambda each: (each.part, each.rater)))

    def capacity(self, author: bytes, *, now: int = 0) -> int:
        """What all the author's words may weigh together, before alpha, in millionths."""
        self._settle(now)
        return self._capacity(author)

    def _weigh(self, subject: bytes, good: int, other: int, bad: int) -> Score:
        of = self._settings
        accepted = good + min(other * of.eta_ppm // PPM, of.borrow_limit * PPM)
        if subject in self._convicted or subject in self._blocked:
            return Score(0, accepted, bad, known=True, uncertainty_ppm=0)
        stranger = of.stranger_weight * PPM
        whole = accepted + of.failure_factor * bad + stranger
        return Score(
            accepted * PPM // whole, accepted, bad, known=accepted + bad > 0,
            uncertainty_ppm=stranger * PPM // whole,
        )

    def _voices(
        self, subject: bytes, capability: str | None, now: int, configuration: bytes | None
    ) -> Iterator[Contribution]:
        self._settle(now)
        for key in self._lineage(subject):
            if key in self._pins:
                yield Contribution("pin", self._me, PPM, self._pins[key] * PPM, 0, 0)
            for rater, pair in self._by_subject.get(key, {}).items():
                share = PPM if rater == self._me else self._share(rater)
                if share:
                    good, other, bad = self._split(pair, capability, configuration)
                    part = "own" if rater == self._me else "testimony"
                    yield Contribution(
                        part, rater, share, good * share // PPM, other * share // PPM,
                        bad * share // PPM,
                    )
            for voucher, given in self._vouched_by.get(key, {}).items():
                share = self._share(voucher) if given.since <= now < given.until else 0
                if share:
                    yield Contribution("vouch", voucher, share, 0, given.weight * share, 0)

    def _split(
        self, pair: _Pair, capability: str | None, configuration: bytes | None
    ) -> tuple[int, int, int]:
        good = other = bad = 0
        for (name, digest), (well, ill) in self._fade(pair).items():
            bad += ill
            if capability in (None, name) and configuration in (None, digest):
                good += well
            else:
                other += well
        return good, other, bad

    def _fade(self, pair: _Pair) -> _Sums:
        if pair.faded is None:
            pair.faded = {}
            for sort, buckets in pair.by_sort.items():
                good = sum(self._factor(at) * sums[0] for at, sums in buckets.items())
                bad = sum(self._factor(at) * sums[1] for at, sums in buckets.items())
                pair.faded[sort] = (good, bad)
            net = sum(good - self._settings.failure_factor * bad
                      for good, bad in pair.faded.values())
            pair.net = max(0, net)
        return pair.faded

    def _factor(self, bucket: int) -> int:
        age = self._now - bucket
        if age <= 0:
            return PPM
        return self._factors[age] if age < len(self._factors) else 0

    def _settle(self, now: int) -> None:
        """Drop what is no longer so, because time passed or somebody spoke."""
        if now != self._now:
            self._now = now
            self._start_over()
            for raters in self._by_subject.values():
                for pair in raters.values():
                    pair.faded = None
        for author in self._spoke:
            self._shares.pop(author, None)
            self._capacities.pop(author, None)
            if author == self._me:
                continue
            before = self._reaches.pop(author, None)
            if before != 0 or self._reach(author):
                for subject in self._by_rater.get(author, ()):
                    self._capacities.pop(subject, None)
                    self._shares.pop(subject, None)
        self._spoke.clear()

    def _earned(self, author: bytes) -> int:
        if author in self._convicted or author in self._blocked:
            return 0
        own = 0
        pair = self._by_subject.get(author, {}).get(self._me)
        if pair is not None:
            self._fade(pair)
            own = pair.net
        charged = sum(
            self._charge(subject, given) for subject, given in self._vouches.get(author, {}).items()
        )
        return self._pins.get(author, 0) * PPM + max(0, own - charged)

    def _charge(self, subject: bytes, given: _Vouch) -> int:
        """What the subject failed the observer while it was vouched for, up to what was lent."""
        pair = self._by_subject.get(subject, {}).get(self._me)
        if pair is None:
            return 0
        failed = sum(
            self._factor(bucket) * sums[1] for buckets in pair.by_sort.values()
            for bucket, sums in buckets.items() if given.since <= bucket < given.until
        )
        return min(given.weight * PPM, failed * self._settings.failure_factor)

    def _total_said(self, author: bytes) -> int:
        said = sum(
            self._factor(bucket) * weight
            for bucket, weight in self._said.get(author, {}).items()
        )
        lent = sum(
            given.weight for given in self._vouches.get(author, {}).values()
            if given.since <= self._now < given.until
        )
        return said + lent * PPM

    def _portion(self, capacity: int, said: int) -> int:
        if not said:
            return 0
        return min(PPM, capacity * self._settings.alpha_ppm // said)

    def _reach(self, author: bytes) -> int:
        reach = self._reaches.get(author)
        if reach is None:
            earned = self._earned(author)
            reach = self._portion(earned, self._total_said(author)) if earned else 0
            self._reaches[author] = reach
        return reach

    def _capacity(self, author: bytes) -> int:
        capacity = self._capacities.get(author)
        if capacity is None:
            capacity = 0
            if author not in self._convicted and author not in self._blocked:
                capacity = self._earned(author) + self._lent(author)
            self._capacities[author] = capacity
        return capacity

    def _lent(self, author: bytes) -> int:
        """What others pass on to the author, of what they earned from the observer themselves."""
        lent = 0
        for rater, pair in self._by_subject.get(author, {}).items():
            if rater != self._me and (reach := self._reach(rater)):
                self._fade(pair)
                lent += reach * pair.net // PPM
        for voucher, given in self._vouched_by.get(author, {}).items():
            if given.since <= self._now < given.until:
                lent += self._reach(voucher) * given.weight * self._settings.chain_ppm // PPM
        return lent

    def _share(self, author: bytes) -> int:
        share = self._shares.get(author)
        if share is None:
            capacity = self._capacity(author)
            share = self._portion(capacity, self._total_said(author)) if capacity else 0
            self._shares[author] = share
        return share


def _factors(settings: TrustSettings) -> tuple[int, ...]:
    """What is left of one after 0, 1, 2 … buckets."""
    found, left = [PPM], PPM
    while left and len(found) < settings.horizon_buckets and settings.keep_ppm < PPM:
        left = left * settings.keep_ppm // PPM
        found.append(left)
    if settings.keep_ppm == PPM:
        found = [PPM] * settings.horizon_buckets
    return tuple(found)
