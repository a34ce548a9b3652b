"""How much an observer trusts whom: what it saw, and what others say, bounded by what they did.

Law: integers only, the same on every machine and in any order; a statement said twice counts once;
one more costs O(1), a score costs O(those who say something of its subject, once a capability) once
what is new has been worked in. What must never be in here: records, tasks, the network, a clock
(time comes in as the number of a bucket), and any effect of the order of arrival or of a set.

    net_kc      = max(0, good_ik - 2 bad_ik) in the capability c
    earned_kc   = pin_k + net_kc * max(0, good_ik - 2 bad_ik - charged_k) / sum of net_k
    capacity_kc = earned_kc + sum over m of min(1, a earned_mc / praise_mc) * max(0, net of m on k)
    budget_kc   = a (1 - a) capacity_kc
    r[c]        = own good + sum over k of belief_k * min(1, budget_kc / praise_kc) * good_kj in c
    s[c]        = own bad + sum over k of belief_k * min(1, budget_kc / blame_kc) * bad_kj in c
    s_c         = s[c] + gamma * s[others]
    r_c         = r[c] + max(0, min(eta * r[others], B) - 2 s_c)
    score       = r_c / (r_c + 2 s_c + W)

`i` is the observer, j the subject; praise_kc and blame_kc are all that k ever said of anybody in c.
So what k says adds at most its budget for, and as much against, over however many names it is
spread; it and all whom it invents, in two steps, less than a * earned_k, and in no capability more
than that part of what it earned there. Nobody has a capacity whom neither the observer nor one who
worked for it well has seen work. belief_k falls as k's words differ from what the observer itself
saw of the same subjects, except j: what j does must not change who is believed about it. Weights
fade with their buckets.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.acquaintance import Author, Craft, Loan, Pair, Words
from antsp2p.coordination.agreement import compare_anew
from antsp2p.coordination.fading import Fading
from antsp2p.coordination.purses import Purses
from antsp2p.coordination.weighing import (
    DEFAULT,
    PPM,
    Contribution,
    Score,
    Statement,
    TrustSettings,
    belief,
    borrowed,
    enough,
    weigh,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["DEFAULT", "PPM", "Contribution", "Score", "Statement", "Trust", "TrustSettings"]

_Voice = tuple[int, int, int, int, str, bytes]
"""Good here, good elsewhere, bad here, what bad counts for in all; which part; whose."""


class Trust:
    """One observer's view. `add` and `remove` may come in any order; nothing here is ever sent."""

    def __init__(
        self, me: bytes, settings: TrustSettings = DEFAULT,
        lineage: Callable[[bytes], Sequence[bytes]] = lambda author: (author,),
    ) -> None:
        self._me = me
        self._of = settings
        self._enough = enough(settings)
        self._lineage = lineage
        self._fading = Fading(settings)
        self._held: dict[tuple[bytes, bytes], Statement] = {}
        self._authors: dict[bytes, Author] = {}
        self._purses = Purses(me, settings, self._fading, self._authors)
        self._latest = 0
        # What is new, in the order of arrival; the next question works it in.
        self._changed: dict[Words, None] = {}
        self._moved: dict[Author, bool] = {}
        # With it, whether more than what the observer saw of the author may be another.

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
        words = self._words(said.rater, said.subject, said.capability)
        words.count += sign
        pair = words.pair
        pair.count += sign
        pair.raw += sign * said.weight
        words.raw += sign * said.weight
        if said.bucket > self._latest:
            self._latest = said.bucket
        self._sum(words, said, sign)
        if said.rater == self._me and not said.good:
            failures = self._purses.failures.setdefault(said.subject, {})
            failures[said.bucket] = failures.get(said.bucket, 0) + sign * said.weight
            for voucher in self._purses.lent.get(said.subject, ()):
                self._moved[self._author(voucher)] = True
        self._changed[words] = None

    def _sum(self, words: Words, said: Statement, sign: int) -> None:
        fading = self._fading
        worth = fading.scale if said.bucket == fading.now else fading.weight(said.bucket)
        weight = sign * said.weight * worth
        if said.good:
            if said.configuration:
                if words.sorts is None:
                    words.sorts = {}
                words.sorts[said.configuration] = words.sorts.get(said.configuration, 0) + weight
            words.good += weight
            words.pair.good += weight
            words.rater.praise += weight
        else:
            words.bad += weight
            words.pair.bad += weight
            words.rater.blame += weight

    def _author(self, key: bytes) -> Author:
        author = self._authors.get(key)
        if author is None:
            author = self._authors[key] = Author(key)
        return author

    def _words(self, rater: bytes, subject: bytes, capability: str) -> Words:
        spoken = self._authors.get(rater) or self._author(rater)
        craft = spoken.crafts.get(capability) or self._craft(spoken, capability)
        words = craft.said.get(subject)
        if words is None:
            of = self._author(subject)
            pair = spoken.subjects.get(subject)
            if pair is None:
                pair = spoken.subjects[subject] = of.raters[rater] = Pair(spoken, of)
            spoken_of = of.crafts.get(capability) or self._craft(of, capability)
            words = Words(pair, craft, spoken_of)
            craft.said[subject] = spoken_of.heard[rater] = words
        return words

    def _craft(self, author: Author, capability: str) -> Craft:
        craft = author.crafts[capability] = Craft(author, capability)
        self._moved[author] = True
        return craft

    # --- what the observer decides itself --------------------------------------------------------

    def pin(self, author: bytes, weight: int) -> None:
        """A person's word: the author starts with `weight`, as if it had earned it."""
        assert weight > 0
        self._purses.pins[author] = weight
        self._moved[self._author(author)] = True

    def unpin(self, author: bytes) -> None:
        self._purses.pins.pop(author, None)
        self._moved[self._author(author)] = True

    def block(self, author: bytes) -> None:
        """A person's word: the author's score is 0 and its words weigh nothing."""
        self._purses.blocked.add(author)
        self._moved[self._author(author)] = True

    def unblock(self, author: bytes) -> None:
        self._purses.blocked.discard(author)
        self._moved[self._author(author)] = True

    def convict(self, author: bytes) -> None:
        """The author lied provably: its score is 0 and its words weigh nothing."""
        self._purses.convicted.add(author)
        self._moved[self._author(author)] = True

    def pardon(self, author: bytes) -> None:
        """Undo `convict`: who lied was not the key's owner."""
        self._purses.convicted.discard(author)
        self._moved[self._author(author)] = True

    def vouch(
        self, voucher: bytes, subject: bytes, weight: int, *, since: int, until: int,
        capability: str | None = None,
    ) -> None:
        """`voucher` lends `weight` of its own capacity to `subject`, before the bucket `until`;
        with a `capability`, for that alone, or else in each in which the voucher earned something.

        What fails the observer by the subject's hand meanwhile is charged to the voucher, up to
        `weight`. A later vouch of the same two takes the place of the earlier.
        """
        assert weight > 0
        if voucher != subject:
            given = Loan(weight, since, until, capability)
            self._purses.given.setdefault(voucher, {})[subject] = given
            self._purses.lent.setdefault(subject, {})[voucher] = given
            self._revise_vouches(subject)

    def unvouch(self, voucher: bytes, subject: bytes, *, at: int) -> None:
        """The vouch ends at the bucket `at`; what failed before stays charged."""
        given = self._purses.given.get(voucher, {}).get(subject)
        if given is not None:
            given.until = min(given.until, at)
            self._revise_vouches(subject)

    def _revise_vouches(self, subject: bytes) -> None:
        for key in (subject, *self._purses.lent[subject]):
            self._moved[self._author(key)] = True

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
        purses = self._purses
        for key in (*purses.given, *purses.lent, *purses.pins):
            self._moved[self._author(key)] = True

    def _sum_anew(self) -> None:
        """Every weight is another."""
        for author in self._authors.values():
            for pair in author.subjects.values():
                pair.good = pair.bad = 0
            for craft in author.crafts.values():
                craft.praise = craft.blame = 0
                for words in craft.said.values():
                    words.sorts = None
                    words.good = words.bad = 0
                    self._changed[words] = None
            self._moved[author] = True
        for said in self._held.values():
            if said.rater != said.subject:
                self._sum(self._words(said.rater, said.subject, said.capability), said, 1)

    def _settle(self, now: int) -> None:
        if now != self._fading.now:
            self.advance(now)
        if not self._moved and not self._changed:
            return
        purses = self._purses
        compare_anew(self._changed, self._me, self._of)
        for words in self._changed:
            if words.pair.rater.key == self._me:
                self._moved.setdefault(words.pair.subject, False)
        for author, is_all_new in self._moved.items():
            purses.revalue(author, is_all_new=is_all_new)
        for craft in {words.rater: None for words in self._changed}:
            purses.respend(craft)
        for words in self._changed:
            if words.rater.share:
                purses.pass_on(words)
            if not words.count:
                _forget(words)
        self._changed.clear()
        self._moved.clear()

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
        of, lineage = self._of, self._lineage(subject)
        good, other, here, bad = self._sums(lineage[0], capability, configuration, None)
        for key in lineage[1:]:
            more = self._sums(key, capability, configuration, None)
            good, other, here, bad = good + more[0], other + more[1], here + more[2], bad + more[3]
        found = weigh(good, borrowed(other, bad, of), bad, here, of)
        if self._purses.is_out(subject):
            return Score(0, found.accepted, found.failed, known=True, uncertainty_ppm=0,
                         stranger=False)
        return found

    def score_later(
        self, subject: bytes, capability: str | None, buckets: int, *, now: int = 0,
        configuration: bytes | None = None,
    ) -> Score:
        """What the score would be so many buckets later, without news, to others who are trusted
        with as much as now. Nothing is summed anew for it."""
        left_ppm = self._fading.left_ppm(buckets)
        good = other = here = bad = 0
        for voice in self.contributions(
            subject, capability, now=now, configuration=configuration
        ):
            if voice.part == "pin":
                good += voice.accepted
            elif voice.part != "vouch":
                good += voice.accepted * left_ppm // PPM
                other += voice.borrowed * left_ppm // PPM
                here += voice.failed_here * left_ppm // PPM
                bad += voice.failed * left_ppm // PPM
            elif self._lends(voice.rater, subject, now + buckets):
                other += voice.borrowed
        if self._purses.is_out(subject):
            return self.score(subject, capability, now=now, configuration=configuration)
        return weigh(good, borrowed(other, bad, self._of), bad, here, self._of)

    def _lends(self, voucher: bytes, subject: bytes, bucket: int) -> bool:
        """Whether a vouch for the subject, or for a key before its own, lasts to the bucket."""
        loans = (self._purses.lent.get(key, {}).get(voucher) for key in self._lineage(subject))
        return any(loan is not None and loan.lasts(bucket) for loan in loans)

    def has_worked_well(self, author: bytes) -> bool:
        """Whether the observer has itself seen good work of the author, or a person trusts it."""
        if author in self._purses.pins:
            return True
        known = self._authors.get(author)
        own = None if known is None else known.raters.get(self._me)
        return own is not None and own.good > 0

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
            sums: dict[tuple[str, bytes], list[int]] = {}
            voices: list[_Voice] = []
            self._sums(key, capability, configuration, voices)
            for *amounts, part, rater in voices:
                held = sums.setdefault((part, rater), [0, 0, 0, 0])
                sums[part, rater] = [one + more for one, more in zip(held, amounts, strict=True)]
            for (part, rater), (good, other, here, bad) in sums.items():
                believed = PPM
                if part in ("testimony", "vouch"):
                    by = self._author(rater)
                    believed = self._belief(by, by.subjects.get(key))
                found.append(Contribution(part, rater, good, other, bad, here, believed))
        return tuple(sorted(found, key=lambda each: (each.part, each.rater)))

    def capacity(self, author: bytes, capability: str | None = None, *, now: int = 0) -> int:
        """What an author's words draw on in a capability, or in all, before alpha, in millionths.
        """
        self._settle(now)
        held = self._authors.get(author)
        if held is None:
            return 0
        return self._fading.plain(self._purses.capacity(held, capability))

    def _belief(self, author: Author, said: Pair | None) -> int:
        """How far an author is believed about the subject of `said`."""
        if said is None:
            return belief(author.differs, author.compared, self._of)
        return belief(author.differs - said.differs, author.compared - said.compared, self._of)

    def _sums(
        self, key: bytes, capability: str | None, configuration: bytes | None,
        voices: list[_Voice] | None,
    ) -> tuple[int, int, int, int]:
        """Good here, good elsewhere, bad here, and what bad counts for in all.

        With `voices`, each that counts is put there; without, none of what is good elsewhere once
        that lends no more.
        """
        purses = self._purses
        good = other = here = bad = 0
        if key in purses.pins:
            good = purses.pins[key] * PPM
            if voices is not None:
                voices.append((good, 0, 0, 0, "pin", self._me))
        author = self._authors.get(key)
        for craft in () if author is None else author.crafts.values():
            is_here = capability is None or craft.capability == capability
            found = self._heard(craft, is_here, configuration, other, voices)
            good, here, bad = good + found[0], here + found[2], bad + found[3]
            other = found[1]
        if key in purses.lent:
            other += self._lent(key, capability, voices)
        return good, other, here, bad

    def _heard(
        self, craft: Craft, is_here: bool, configuration: bytes | None, other_sum: int,
        voices: list[_Voice] | None,
    ) -> tuple[int, int, int, int]:
        """What is said of one craft; with what is good elsewhere added to `other_sum`."""
        purses, of, scale = self._purses, self._of, self._fading.scale
        good_sum = here_sum = bad_sum = 0
        for words in craft.heard.values():
            by = words.rater
            budget = by.budget
            if not budget:
                # Most who say much in bad faith are seen here to be worth nothing.
                if budget is None:
                    budget = purses.budget(by)
                if not budget:
                    continue
            good, other, bad = words.good, 0, words.bad
            if not is_here:
                if not bad and voices is None and other_sum >= self._enough:
                    continue
                good, other = 0, good
            elif configuration is not None:
                other = good - words.under(configuration)
                good -= other
            if budget > 0:
                pair, speaker, believed = words.pair, by.author, PPM
                if differs := speaker.differs - pair.differs:
                    believed = belief(differs, speaker.compared - pair.compared, of)
                    if not believed:
                        continue
                praise = purses.praise(by) if speaker.key in purses.given else by.praise
                if praise > budget:
                    good, other = good * budget // praise, other * budget // praise
                if bad and by.blame > budget:
                    bad = bad * budget // by.blame
                if believed != PPM:
                    good, other = good * believed // PPM, other * believed // PPM
                    bad = bad * believed // PPM
            if scale != PPM:
                good, other, bad = good * PPM // scale, other * PPM // scale, bad * PPM // scale
            here = bad if is_here else 0
            if not is_here:
                bad = bad * of.elsewhere_ppm // PPM
            good_sum += good
            other_sum += other
            here_sum += here
            bad_sum += bad
            if voices is not None:
                part = "testimony" if budget > 0 else "own"
                voices.append((good, other, here, bad, part, by.author.key))
        return good_sum, other_sum, here_sum, bad_sum

    def _lent(self, key: bytes, capability: str | None, voices: list[_Voice] | None) -> int:
        """What vouches lend, as something good elsewhere."""
        purses, lent = self._purses, 0
        for voucher, given in purses.lent[key].items():
            if given.lasts(self._fading.now) and given.is_for(capability):
                lender = self._author(voucher)
                whole = purses.vouched(lender, given, capability)
                believed = self._belief(lender, lender.subjects.get(key))
                counts = self._fading.plain(whole * believed // PPM)
                lent += counts
                if voices is not None:
                    voices.append((0, counts, 0, 0, "vouch", voucher))
        return lent


def _forget(words: Words) -> None:
    """Nothing is said there any more."""
    rater, subject, pair = words.rater, words.subject, words.pair
    rater.said.pop(subject.author.key, None)
    subject.heard.pop(rater.author.key, None)
    for craft in (rater, subject):
        if not craft.said and not craft.heard:
            craft.author.crafts.pop(craft.capability, None)
    if not pair.count:
        pair.rater.subjects.pop(pair.subject.key, None)
        pair.subject.raters.pop(pair.rater.key, None)
