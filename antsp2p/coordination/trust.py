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

from antsp2p.coordination.acquaintance import Author, Loan, Pair
from antsp2p.coordination.fading import Fading
from antsp2p.coordination.weighing import (
    DEFAULT,
    PPM,
    SHARE_BITS,
    Contribution,
    Score,
    Statement,
    TrustSettings,
    belief,
    borrowed,
    difference,
    part_of,
    roughly,
    weigh,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["DEFAULT", "PPM", "Contribution", "Score", "Statement", "Trust", "TrustSettings"]

class Trust:
    """One observer's view. `add` and `remove` may come in any order; nothing here is ever sent."""

    def __init__(
        self, me: bytes, settings: TrustSettings = DEFAULT,
        lineage: Callable[[bytes], Sequence[bytes]] = lambda author: (author,),
    ) -> None:
        self._me = me
        self._of = settings
        self._lineage = lineage
        self._fading = Fading(settings)
        self._held: dict[tuple[bytes, bytes], Statement] = {}
        self._authors: dict[bytes, Author] = {}
        self._own_failures: dict[bytes, dict[int, int]] = {}
        self._vouches: dict[bytes, dict[bytes, Loan]] = {}
        self._vouched_by: dict[bytes, dict[bytes, Loan]] = {}
        self._pins: dict[bytes, int] = {}
        self._blocked: set[bytes] = set()
        self._convicted: set[bytes] = set()
        self._latest = 0
        # What is new, in the order of arrival; the next question works it in.
        self._changed: dict[Pair, None] = {}
        self._moved: dict[Author, None] = {}

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
        pair.raw += sign * said.weight
        if said.bucket > self._latest:
            self._latest = said.bucket
        self._sum(pair, said, sign)
        if said.rater == self._me and not said.good:
            failures = self._own_failures.setdefault(said.subject, {})
            failures[said.bucket] = failures.get(said.bucket, 0) + sign * said.weight
            for voucher in self._vouched_by.get(said.subject, ()):
                self._moved[self._author(voucher)] = None
        self._changed[pair] = None
        self._moved[pair.rater] = None

    def _sum(self, pair: Pair, said: Statement, sign: int) -> None:
        fading = self._fading
        worth = fading.scale if said.bucket == fading.now else fading.weight(said.bucket)
        weight = sign * said.weight * worth
        sorts = pair.sorts.get(said.capability)
        sums = sorts.get(said.configuration) if sorts else None
        if sums is None:
            sums = pair.sums(said.capability, said.configuration)
        if said.good:
            sums[0] += weight
            pair.good += weight
            pair.rater.praise += weight
        else:
            sums[1] += weight
            pair.bad += weight
            pair.rater.blame += weight

    def _author(self, key: bytes) -> Author:
        author = self._authors.get(key)
        if author is None:
            author = self._authors[key] = Author(key)
        return author

    def _pair(self, rater: bytes, subject: bytes) -> Pair:
        spoken = self._authors.get(rater) or self._author(rater)
        pair = spoken.subjects.get(subject)
        if pair is None:
            of = self._author(subject)
            pair = spoken.subjects[subject] = of.raters[rater] = Pair(spoken, of)
        return pair

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
            given = Loan(weight, since, until, capability)
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

    def advance(self, now: int) -> None:
        """It is the bucket `now`. Before what was seen in it is added, this costs next to nothing.
        """
        before = self._fading.now
        if now == before:
            return
        # What was seen later than now counts as of now, and so changes with it.
        if self._fading.move(now) or min(before, now) < self._latest:
            self._sum_anew()
            return
        for key in (*self._vouches, *self._vouched_by, *self._pins):
            self._moved[self._author(key)] = None

    def _sum_anew(self) -> None:
        """Every weight is another."""
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

    def _settle(self, now: int) -> None:
        self.advance(now)
        if not self._moved:
            return
        me = self._authors.get(self._me)
        for pair in [pair for pair in self._changed if pair.rater is me]:
            self._moved[pair.subject] = None
            for other in pair.subject.raters.values():
                self._compare(other, pair)
        for author in self._moved:
            self._reconsider(author)
        for pair in self._changed:
            self._compare(pair, pair.subject.raters.get(self._me))
            self._pass_on(pair)
            if not pair.count:
                pair.rater.subjects.pop(pair.subject.key, None)
                pair.subject.raters.pop(pair.rater.key, None)
        self._changed.clear()
        self._moved.clear()

    def _compare(self, pair: Pair, own: Pair | None) -> None:
        """Hold what a rater says of a subject against what the observer saw of it."""
        differs = compared = 0
        if own is not None and own is not pair:
            differs, compared = difference(own, pair, self._of)
        if differs != pair.differs or compared != pair.compared:
            pair.rater.differs += differs - pair.differs
            pair.rater.compared += compared - pair.compared
            pair.differs, pair.compared = differs, compared

    def _reconsider(self, author: Author) -> None:
        """An author spoke, or what it earned changed: so did what it passes on to others."""
        author.budget = None
        author.reach = self._earned(author) * self._of.alpha_ppm // PPM
        share = 0
        if author.reach and author.key != self._me:
            share = roughly(author.reach, self._praise(author))
        if share != author.share:
            author.share = share
            factor = self._of.failure_factor
            for pair in author.subjects.values():
                # As in `_pass_on`, and without a call: there may be hundreds.
                net = pair.good - factor * pair.bad
                passed = net * share >> SHARE_BITS if net > 0 else 0
                if passed != pair.passed:
                    pair.subject.passed += passed - pair.passed
                    pair.subject.budget = None
                    pair.passed = passed
        for subject in self._vouches.get(author.key, ()):
            self._author(subject).budget = None

    def _pass_on(self, pair: Pair) -> None:
        """What of the subject's capacity the rater stands for."""
        share = pair.rater.share
        passed = share and self._net(pair) * share >> SHARE_BITS
        if passed != pair.passed:
            pair.subject.passed += passed - pair.passed
            pair.subject.budget = None
            pair.passed = passed

    def _net(self, pair: Pair) -> int:
        return max(0, pair.good - self._of.failure_factor * pair.bad)

    def _earned(self, author: Author) -> int:
        key = author.key
        if key in self._convicted or key in self._blocked:
            return 0
        own = author.raters.get(self._me)
        net = 0 if own is None else self._net(own)
        for subject, given in self._vouches.get(key, {}).items():
            net -= self._charge(subject, given)
        return self._pins.get(key, 0) * self._fading.scale + max(0, net)

    def _charge(self, subject: bytes, given: Loan) -> int:
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
                failed += weight * self._fading.weight(bucket) * given.weight // whole
        return min(given.weight * self._fading.scale, failed)

    def _praise(self, author: Author) -> int:
        lent = sum(
            given.weight for given in self._vouches.get(author.key, {}).values()
            if given.lasts(self._fading.now)
        )
        return author.praise + lent * self._fading.scale

    def _capacity(self, author: Author) -> int:
        if author.key in self._convicted or author.key in self._blocked:
            return 0
        lent = author.passed
        for voucher, given in self._vouched_by.get(author.key, {}).items():
            if given.lasts(self._fading.now):
                whole = self._whole(voucher, given, self._author(voucher).reach)
                lent += whole * self._of.chain_ppm // PPM
        return self._earned(author) + lent

    def _whole(self, voucher: bytes, given: Loan, budget: int) -> int:
        """What counts of a vouch; the observer's own counts in full."""
        weight = given.weight * self._fading.scale
        if voucher == self._me:
            return weight
        return part_of(weight, budget, self._praise(self._author(voucher)))

    def _budget(self, author: Author) -> int:
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
        return 0 if held is None else self._fading.plain(self._capacity(held))

    def _belief(self, author: Author, said: Pair | None) -> int:
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
        gamma, scale = self._of.elsewhere_ppm, self._fading.scale
        author = self._authors.get(key)
        for rater, pair in () if author is None else author.raters.items():
            by = pair.rater
            if rater == self._me:
                good, other, here = pair.split(capability, configuration)
                bad = here + (pair.bad - here) * gamma // PPM
                part, believed = "own", PPM
            else:
                budget = self._budget(by) if by.budget is None else by.budget
                # Most who say much in bad faith are seen here to be worth nothing.
                if not budget or not (believed := self._belief(by, pair)):
                    continue
                good, other, here = pair.split(capability, configuration)
                bad, part = 0, "testimony"
                if pair.good:
                    praise = self._praise(by) if rater in self._vouches else by.praise
                    good = part_of(good, budget, praise) * believed // PPM
                    other = part_of(other, budget, praise) * believed // PPM
                if pair.bad:
                    # The asked capability comes first, or a failure elsewhere would thin out
                    # those here; and one rounding, or a failure could gain a millionth.
                    bad = part_of(pair.bad, budget, by.blame)
                    here = min(here, bad)
                    bad = (here + (bad - here) * gamma // PPM) * believed // PPM
                    here = here * believed // PPM
            if scale != PPM:
                good, other = good * PPM // scale, other * PPM // scale
                here, bad = here * PPM // scale, bad * PPM // scale
            yield good, other, here, bad, part, rater
        for voucher, given in self._vouched_by.get(key, {}).items():
            is_asked = capability is None or given.capability in (None, capability)
            if given.lasts(self._fading.now) and is_asked:
                by = self._author(voucher)
                whole = self._whole(voucher, given, self._budget(by))
                believed = self._belief(by, by.subjects.get(key))
                yield 0, self._fading.plain(whole * believed // PPM), 0, 0, "vouch", voucher
