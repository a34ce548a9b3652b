"""How much an observer trusts whom: what it saw, and what others say, bounded by what they did.

Law: integers only, the same on every machine and in any order; a statement said twice counts once;
one more costs O(1), a score costs O(those who say something of its subject) once what is new has
been worked in. What must never be in here: records, tasks, the network, a clock (time comes in as
the number of a bucket), and any effect of the order of arrival or of a set.

    earned_k   = pin_k + max(0, good_ik - 2 bad_ik - charged_k)
    capacity_k = earned_k + sum over m of min(1, a earned_m / praise_m) * max(0, good_mk - 2 bad_mk)
    budget_k   = a (1 - a) capacity_k
    r          = own good + sum over k of belief_k * min(1, budget_k / praise_k) * good_kj
    s          = own bad + sum over k of belief_k * min(1, budget_k / blame_k) * bad_kj
    s_c        = s[c] + gamma * s[others]
    r_c        = r[c] + max(0, min(eta * r[others], B) - 2 s_c)
    score      = r_c / (r_c + 2 s_c + W)

`i` is the observer, j the subject; praise_k and blame_k are all that k ever said of anybody. So
what k says adds at most its budget for, and as much against, over however many names it is spread;
it and all whom it invents, in two steps, less than a * earned_k. Nobody has a capacity whom neither
the observer nor one who worked for it well has seen work. belief_k falls as k's words differ from
what the observer itself saw of the same subjects, except j: what j does must not change who is
believed about it. Weights fade with their buckets.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.weighing import (
    DEFAULT,
    PPM,
    Contribution,
    Score,
    Statement,
    TrustSettings,
    belief,
    borrowed,
    difference,
    factors,
    part_of,
    weigh,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["DEFAULT", "PPM", "Contribution", "Score", "Statement", "Trust", "TrustSettings"]

_Sort = tuple[str, bytes]


class _Pair:
    """What one says of another, faded to now, and what followed from it so far."""

    __slots__ = ("bad", "compared", "count", "differs", "good", "rater", "sorts", "subject")

    def __init__(self, rater: _Author, subject: _Author) -> None:
        self.rater = rater
        self.subject = subject
        self.count = 0
        self.sorts: dict[_Sort, list[int]] = {}
        self.good = 0
        self.bad = 0
        self.differs = 0
        self.compared = 0


class _Author:
    """One author as rater and as subject.

    `reach` is what it passes on of what it earned itself, `budget` what its words may weigh; None:
    not known now.
    """

    __slots__ = (
        "blame", "budget", "compared", "differs", "key", "praise", "raters", "reach",
        "subjects",
    )

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.raters: dict[bytes, _Pair] = {}
        self.subjects: dict[bytes, _Pair] = {}
        self.praise = 0
        self.blame = 0
        self.differs = 0
        self.compared = 0
        self.budget: int | None = None
        self.reach = 0


class _Vouch:
    """`weight` lent from the bucket `since` until before `until`; in one capability, or in all."""

    __slots__ = ("capability", "since", "until", "weight")

    def __init__(self, weight: int, since: int, until: int, capability: str | None) -> None:
        self.weight = weight
        self.capability = capability
        self.since = since
        self.until = until

    def lasts(self, bucket: int) -> bool:
        return self.since <= bucket < self.until


class Trust:
    """One observer's view. `add` and `remove` may come in any order; nothing here is ever sent."""

    def __init__(
        self, me: bytes, settings: TrustSettings = DEFAULT,
        lineage: Callable[[bytes], Sequence[bytes]] = lambda author: (author,),
    ) -> None:
        self._me = me
        self._of = settings
        self._lineage = lineage
        self._factors = factors(settings)
        self._held: dict[tuple[bytes, bytes], Statement] = {}
        self._authors: dict[bytes, _Author] = {}
        self._own_failures: dict[bytes, dict[int, int]] = {}
        self._vouches: dict[bytes, dict[bytes, _Vouch]] = {}
        self._vouched_by: dict[bytes, dict[bytes, _Vouch]] = {}
        self._pins: dict[bytes, int] = {}
        self._blocked: set[bytes] = set()
        self._convicted: set[bytes] = set()
        self._now = 0
        # What is new, in the order of arrival; the next question works it in.
        self._changed: dict[_Pair, None] = {}
        self._moved: dict[_Author, None] = {}

    # --- what is said ----------------------------------------------------------------------------

    def add(self, statement: Statement) -> None:
        """Count a statement; a second one of the same (rater, claim) must equal the first."""
        key = (statement.rater, statement.claim)
        held = self._held.get(key)
        if held is not None:
            assert held == statement, "remove what a rater said of a claim before it changes"
            return
        assert statement.weight > 0
        self._held[key] = statement
        self._count(statement, 1)

    def remove(self, statement: Statement) -> None:
        """Forget what this rater said of this claim, if it is known."""
        held = self._held.pop((statement.rater, statement.claim), None)
        if held is not None:
            self._count(held, -1)

    def _count(self, said: Statement, sign: int) -> None:
        if said.rater == said.subject:
            return
        pair = self._pair(said.rater, said.subject)
        pair.count += sign
        self._sum(pair, said, sign)
        if said.rater == self._me and not said.good:
            failures = self._own_failures.setdefault(said.subject, {})
            failures[said.bucket] = failures.get(said.bucket, 0) + sign * said.weight
            for voucher in self._vouched_by.get(said.subject, ()):
                self._moved[self._author(voucher)] = None
        self._changed[pair] = None
        self._moved[pair.rater] = None

    def _sum(self, pair: _Pair, said: Statement, sign: int) -> None:
        weight = sign * said.weight * self._factor(said.bucket)
        sort = (said.capability, said.configuration)
        sums = pair.sorts.get(sort)
        if sums is None:
            sums = pair.sorts[sort] = [0, 0]
        if said.good:
            sums[0] += weight
            pair.good += weight
            pair.rater.praise += weight
        else:
            sums[1] += weight
            pair.bad += weight
            pair.rater.blame += weight

    def _author(self, key: bytes) -> _Author:
        author = self._authors.get(key)
        if author is None:
            author = self._authors[key] = _Author(key)
        return author

    def _pair(self, rater: bytes, subject: bytes) -> _Pair:
        spoken = self._authors.get(rater) or self._author(rater)
        pair = spoken.subjects.get(subject)
        if pair is None:
            of = self._author(subject)
            pair = spoken.subjects[subject] = of.raters[rater] = _Pair(spoken, of)
        return pair

    def _factor(self, bucket: int) -> int:
        age = self._now - bucket
        if age <= 0:
            return PPM
        return self._factors[age] if age < len(self._factors) else 0

    # --- what the observer decides itself --------------------------------------------------------

    def pin(self, author: bytes, weight: int) -> None:
        """A person's word: the author starts with `weight`, as if it had earned it."""
        assert weight > 0
        self._pins[author] = weight
        self._moved[self._author(author)] = None

    def unpin(self, author: bytes) -> None:
        self._pins.pop(author, None)
        self._moved[self._author(author)] = None

    def block(self, author: bytes) -> None:
        """A person's word: the author's score is 0 and its words weigh nothing."""
        self._blocked.add(author)
        self._moved[self._author(author)] = None

    def unblock(self, author: bytes) -> None:
        self._blocked.discard(author)
        self._moved[self._author(author)] = None

    def convict(self, author: bytes) -> None:
        """The author lied provably: its score is 0 and its words weigh nothing."""
        self._convicted.add(author)
        self._moved[self._author(author)] = None

    def pardon(self, author: bytes) -> None:
        """Undo `convict`: who lied was not the key's owner."""
        self._convicted.discard(author)
        self._moved[self._author(author)] = None

    def vouch(
        self, voucher: bytes, subject: bytes, weight: int, *, since: int, until: int,
        capability: str | None = None,
    ) -> None:
        """`voucher` lends `weight` of its own capacity to `subject`, before the bucket `until`;
        with a `capability`, for that alone.

        What fails the observer by the subject's hand meanwhile is charged to the voucher, up to
        `weight`. A later vouch of the same two takes the place of the earlier.
        """
        assert weight > 0
        if voucher != subject:
            given = _Vouch(weight, since, until, capability)
            self._vouches.setdefault(voucher, {})[subject] = given
            self._vouched_by.setdefault(subject, {})[voucher] = given
            self._revise_vouches(subject)

    def unvouch(self, voucher: bytes, subject: bytes, *, at: int) -> None:
        """The vouch ends at the bucket `at`; what failed before stays charged."""
        given = self._vouches.get(voucher, {}).get(subject)
        if given is not None:
            given.until = min(given.until, at)
            self._revise_vouches(subject)

    def _revise_vouches(self, subject: bytes) -> None:
        self._author(subject).budget = None
        for voucher in self._vouched_by[subject]:
            self._moved[self._author(voucher)] = None

    # --- working in what is new ------------------------------------------------------------------

    def _settle(self, now: int) -> None:
        if now != self._now:
            self._pass(now)
        if not self._moved:
            return
        me = self._authors.get(self._me)
        for pair in [pair for pair in self._changed if pair.rater is me]:
            self._moved[pair.subject] = None
            self._changed.update(dict.fromkeys(pair.subject.raters.values()))
        for pair in self._changed:
            self._compare(pair)
        for author in self._moved:
            self._reconsider(author)
        for pair in self._changed:
            if not pair.count:
                pair.rater.subjects.pop(pair.subject.key, None)
                pair.subject.raters.pop(pair.rater.key, None)
        self._changed.clear()
        self._moved.clear()

    def _pass(self, now: int) -> None:
        """Another bucket: every weight is another."""
        self._now = now
        if self._of.keep_ppm == PPM and not self._vouches:
            return
        for author in self._authors.values():
            author.praise = author.blame = 0
            for pair in author.subjects.values():
                pair.sorts.clear()
                pair.good = pair.bad = 0
                self._changed[pair] = None
            self._moved[author] = None
        for said in self._held.values():
            if said.rater != said.subject:
                self._sum(self._authors[said.rater].subjects[said.subject], said, 1)

    def _compare(self, pair: _Pair) -> None:
        """Hold what a rater says of a subject against what the observer saw of it."""
        own = pair.subject.raters.get(self._me)
        differs = compared = 0
        if own is not None and own is not pair:
            differs, compared = difference((own.good, own.bad), (pair.good, pair.bad), self._of)
        pair.rater.differs += differs - pair.differs
        pair.rater.compared += compared - pair.compared
        pair.differs, pair.compared = differs, compared

    def _reconsider(self, author: _Author) -> None:
        """An author spoke, or what it earned changed: so did what it passes on to others."""
        before = author.reach
        author.budget = None
        author.reach = self._earned(author) * self._of.alpha_ppm // PPM
        if before or author.reach:
            for pair in author.subjects.values():
                pair.subject.budget = None
            for subject in self._vouches.get(author.key, ()):
                self._author(subject).budget = None

    def _net(self, pair: _Pair) -> int:
        return max(0, pair.good - self._of.failure_factor * pair.bad)

    def _earned(self, author: _Author) -> int:
        key = author.key
        if key in self._convicted or key in self._blocked:
            return 0
        own = author.raters.get(self._me)
        net = 0 if own is None else self._net(own)
        for subject, given in self._vouches.get(key, {}).items():
            net -= self._charge(subject, given)
        return self._pins.get(key, 0) * PPM + max(0, net)

    def _charge(self, subject: bytes, given: _Vouch) -> int:
        """What the subject failed the observer while it was vouched for, up to what was lent.

        Who vouched at the time share it by weight: each in full would, by losing its say, take
        back more blame than the failure adds.
        """
        failed = 0
        for bucket, weight in self._own_failures.get(subject, {}).items():
            if given.lasts(bucket):
                whole = sum(
                    each.weight for each in self._vouched_by[subject].values() if each.lasts(bucket)
                )
                failed += weight * self._factor(bucket) * given.weight // whole
        return min(given.weight * PPM, failed)

    def _praise(self, author: _Author) -> int:
        lent = sum(
            given.weight for given in self._vouches.get(author.key, {}).values()
            if given.lasts(self._now)
        )
        return author.praise + lent * PPM

    def _capacity(self, author: _Author) -> int:
        if author.key in self._convicted or author.key in self._blocked:
            return 0
        lent = 0
        for rater, pair in author.raters.items():
            by = pair.rater
            if by.reach and pair.good and rater != self._me:
                praise = self._praise(by) if rater in self._vouches else by.praise
                lent += part_of(self._net(pair), by.reach, praise)
        for voucher, given in self._vouched_by.get(author.key, {}).items():
            if given.lasts(self._now):
                whole = self._whole(voucher, given, self._author(voucher).reach)
                lent += whole * self._of.chain_ppm // PPM
        return self._earned(author) + lent

    def _whole(self, voucher: bytes, given: _Vouch, budget: int) -> int:
        """What counts of a vouch; the observer's own counts in full."""
        weight = given.weight * PPM
        if voucher == self._me:
            return weight
        return part_of(weight, budget, self._praise(self._author(voucher)))

    def _budget(self, author: _Author) -> int:
        if author.budget is None:
            author.budget = (
                self._capacity(author) * self._of.alpha_ppm * (PPM - self._of.alpha_ppm) // PPM**2
            )
        return author.budget

    # --- what follows ----------------------------------------------------------------------------

    def score(
        self, subject: bytes, capability: str | None, *, now: int = 0,
        configuration: bytes | None = None,
    ) -> Score:
        """The subject's score in a capability, or over all; `configuration`: what it runs today.

        Work in another configuration counts as that in another capability, and failures as they
        are; None: configurations do not matter.
        """
        self._settle(now)
        good = other = here = bad = 0
        for key in self._lineage(subject):
            for voice in self._voices(key, capability, configuration):
                good += voice[0]
                other += voice[1]
                here += voice[2]
                bad += voice[3]
        of = self._of
        found = weigh(good, borrowed(other, bad, of), bad, here, of)
        if subject in self._convicted or subject in self._blocked:
            return Score(0, found.accepted, found.failed, known=True, uncertainty_ppm=0,
                         stranger=False)
        return found

    def contributions(
        self, subject: bytes, capability: str | None, *, now: int = 0,
        configuration: bytes | None = None,
    ) -> tuple[Contribution, ...]:
        """What the score is made of, by (part, rater); the columns add up to it exactly.

        `failed` of the score is the sum of `failed`; `accepted` is the sum of `accepted` and what
        `weighing.borrowed` gives for the sums of `borrowed` and `failed`.
        """
        self._settle(now)
        found = []
        for key in self._lineage(subject):
            for good, other, here, bad, part, rater in self._voices(
                key, capability, configuration
            ):
                praise_ppm = blame_ppm = believed = PPM
                if part in ("testimony", "vouch"):
                    by, said = self._author(rater), self._author(rater).subjects.get(key)
                    believed = self._belief(by, said)
                    praise_ppm = part_of(PPM, self._budget(by), self._praise(by))
                    blame_ppm = part_of(PPM, self._budget(by), by.blame)
                found.append(Contribution(
                    part, rater, good, other, bad, here,
                    praise_ppm * believed // PPM, blame_ppm * believed // PPM, believed,
                ))
        return tuple(sorted(found, key=lambda each: (each.part, each.rater)))

    def capacity(self, author: bytes, *, now: int = 0) -> int:
        """What an author's words draw on, before alpha, in millionths."""
        self._settle(now)
        held = self._authors.get(author)
        return 0 if held is None else self._capacity(held)

    def _belief(self, author: _Author, said: _Pair | None) -> int:
        """How far an author is believed about the subject of `said`."""
        if said is None:
            return belief(author.differs, author.compared, self._of)
        return belief(author.differs - said.differs, author.compared - said.compared, self._of)

    def _voices(
        self, key: bytes, capability: str | None, configuration: bytes | None
    ) -> Iterator[tuple[int, int, int, int, str, bytes]]:
        """Good here, good elsewhere, bad here, what bad counts for in all; which part; whose."""
        if key in self._pins:
            yield self._pins[key] * PPM, 0, 0, 0, "pin", self._me
        gamma = self._of.elsewhere_ppm
        author = self._authors.get(key)
        for rater, pair in () if author is None else author.raters.items():
            by = pair.rater
            if rater == self._me:
                good, other, here = self._split(pair, capability, configuration)
                yield good, other, here, here + (pair.bad - here) * gamma // PPM, "own", rater
                continue
            budget = self._budget(by) if by.budget is None else by.budget
            # Most who say much in bad faith are seen here to be worth nothing.
            if not budget or not (believed := belief(
                by.differs - pair.differs, by.compared - pair.compared, self._of
            )):
                continue
            good, other, here = self._split(pair, capability, configuration)
            bad = 0
            if pair.good:
                praise = self._praise(by) if rater in self._vouches else by.praise
                good = part_of(good, budget, praise) * believed // PPM
                other = part_of(other, budget, praise) * believed // PPM
            if pair.bad:
                # The asked capability comes first, or a failure elsewhere would thin out those
                # here; and one rounding, or a failure could gain a millionth.
                bad = part_of(pair.bad, budget, by.blame)
                here = min(here, bad)
                bad = (here + (bad - here) * gamma // PPM) * believed // PPM
                here = here * believed // PPM
            yield good, other, here, bad, "testimony", rater
        for voucher, given in self._vouched_by.get(key, {}).items():
            is_asked = capability is None or given.capability in (None, capability)
            if given.lasts(self._now) and is_asked:
                by = self._author(voucher)
                whole = self._whole(voucher, given, self._budget(by))
                believed = self._belief(by, by.subjects.get(key))
                yield 0, whole * believed // PPM, 0, 0, "vouch", voucher

    def _split(
        self, pair: _Pair, capability: str | None, configuration: bytes | None
    ) -> tuple[int, int, int]:
        """Of what one says of another: good in the capability, good elsewhere, bad in it."""
        good = here = 0
        for (name, digest), (well, ill) in pair.sorts.items():
            if capability is None or name == capability:
                here += ill
                if configuration is None or digest == configuration:
                    good += well
        return good, pair.good - good, here
