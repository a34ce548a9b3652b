"""What each author's words may weigh in a capability: by what it earned there, and was passed on.

Law: a function of what is kept in `acquaintance.py` and of the observer's own decisions; integers,
rounded down. What is spent in one capability was earned in it; whoever owes more for failures than
it earned in a capability pays from all others in proportion. Nothing here is ever asked about
records, nor said to anybody.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.weighing import PPM, SHARE_BITS, part_of, share_of

if TYPE_CHECKING:
    from antsp2p.coordination.acquaintance import Author, Craft, Loan, Words
    from antsp2p.coordination.fading import Fading
    from antsp2p.coordination.weighing import TrustSettings


class Purses:
    """One observer's. `revalue` and `respend` say what changed; the rest is asked."""

    def __init__(
        self, me: bytes, settings: TrustSettings, fading: Fading, authors: dict[bytes, Author],
    ) -> None:
        self._me = me
        self._authors = authors
        self._of = settings
        self._spendable_ppm2 = settings.alpha_ppm * (PPM - settings.alpha_ppm)
        self._fading = fading
        self.pins: dict[bytes, int] = {}
        self.blocked: set[bytes] = set()
        self.convicted: set[bytes] = set()
        self.failures: dict[bytes, dict[int, int]] = {}
        """What each failed the observer itself, by bucket."""
        self.given: dict[bytes, dict[bytes, Loan]] = {}
        self.lent: dict[bytes, dict[bytes, Loan]] = {}
        """Vouches by voucher, and by whom they are for."""

    # --- what changed ----------------------------------------------------------------------------

    def revalue(self, author: Author, *, is_all_new: bool) -> None:
        """What the observer saw of the author is another, or what it charges it for; `is_all_new`:
        or what it decided about the author, and what others lend it."""
        of, nets, whole, owed = self._of, {}, 0, 0
        for capability, craft in author.crafts.items():
            own = craft.heard.get(self._me)
            if own is not None:
                net = own.good - of.failure_factor * own.bad
                if net > 0:
                    nets[capability] = net
                    whole += net
                else:
                    owed -= net
        for subject, loan in self.given.get(author.key, {}).items():
            owed += self._charge(subject, loan)
        left, pin, is_out = max(0, whole - owed), self._pin(author.key), self.is_out(author.key)
        for capability, craft in author.crafts.items():
            net = 0 if is_out else nets.get(capability, 0)
            earned = pin + (net * left // whole if owed and net else net)
            if is_all_new or earned != craft.earned:
                craft.earned = earned
                craft.budget = None
                self.respend(craft)

    def respend(self, craft: Craft) -> None:
        """The craft praised others, or has another worth: so does what it passes on."""
        reach, share = self._reach(craft.earned), 0
        if reach and craft.author.key != self._me:
            share = share_of(reach, self.praise(craft))
        for subject in self.given.get(craft.author.key, ()):
            lent = self._authors[subject].crafts.get(craft.capability)
            if lent is not None:
                lent.budget = None
        if share != craft.share:
            before, craft.share = craft.share, share
            factor = self._of.failure_factor
            for words in craft.said.values():
                # As in `pass_on`, and without a call: there may be hundreds.
                if before:
                    net = words.net
                    more = (net * share >> SHARE_BITS) - (net * before >> SHARE_BITS)
                else:
                    net = words.good - factor * words.bad
                    words.net = net = net if net > 0 else 0
                    more = net * share >> SHARE_BITS
                if more:
                    other = words.subject
                    other.passed += more
                    other.budget = None

    def pass_on(self, words: Words) -> None:
        """What of the subject's capacity the rater stands for."""
        share = words.rater.share
        if not share:
            # Nothing; and what is said is looked at again once there is a share.
            return
        net = max(0, words.good - self._of.failure_factor * words.bad)
        if more := (net * share >> SHARE_BITS) - (words.net * share >> SHARE_BITS):
            words.subject.passed += more
            words.subject.budget = None
        words.net = net

    # --- what follows ----------------------------------------------------------------------------

    def budget(self, craft: Craft) -> int:
        """What the craft's praise, and its blame, may weigh; -1: all, as the observer's own do."""
        if craft.budget is None:
            author = craft.author
            if author.key == self._me:
                craft.budget = -1
            else:
                craft.budget = self._spendable(self._capacity(author, craft.capability))
        return craft.budget

    def praise(self, craft: Craft) -> int:
        """All that the craft praised, and vouched for."""
        if craft.author.key not in self.given:
            return craft.praise
        return craft.praise + self._vouched_for(craft.author.key, craft.capability)

    def vouched(self, voucher: Author, loan: Loan, capability: str | None) -> int:
        """What counts of a vouch in a capability; None: where it counts most."""
        return self._counted(voucher, loan, capability, is_passed_on=False)

    def capacity(self, author: Author, capability: str | None) -> int:
        """What the author's words draw on in a capability, before alpha; None: in all of them, and
        what is not of one capability counts once."""
        if capability is not None:
            return self._capacity(author, capability)
        key = author.key
        if self.is_out(key):
            return 0
        pin = self._pin(key)
        crafts = sum(craft.earned - pin + craft.passed for craft in author.crafts.values())
        return pin + crafts + self._loans(key, None)

    def is_out(self, key: bytes) -> bool:
        """Whether the author's words weigh nothing, whatever it does."""
        return key in self.convicted or key in self.blocked

    def _pin(self, key: bytes) -> int:
        if key not in self.pins or self.is_out(key):
            return 0
        return self.pins[key] * self._fading.scale

    def _capacity(self, author: Author, capability: str) -> int:
        if self.is_out(author.key):
            return 0
        craft = author.crafts.get(capability)
        own = self._pin(author.key) if craft is None else craft.earned + craft.passed
        return own + self._loans(author.key, capability) if author.key in self.lent else own

    def _reach(self, earned: int) -> int:
        """What may be passed on."""
        return earned * self._of.alpha_ppm // PPM

    def _spendable(self, capacity: int) -> int:
        return capacity * self._spendable_ppm2 // PPM**2

    def _charge(self, subject: bytes, given: Loan) -> int:
        """What the subject failed the observer while it was vouched for, up to what was lent.

        Who vouched at the time share it by weight: each in full would, by losing its say, take
        back more blame than the failure adds.
        """
        failed = 0
        for bucket, weight in self.failures.get(subject, {}).items():
            if given.lasts(bucket):
                whole = sum(
                    each.weight for each in self.lent[subject].values() if each.lasts(bucket)
                )
                failed += weight * self._fading.weight(bucket) * given.weight // whole
        return min(given.weight * self._fading.scale, failed)

    def _vouched_for(self, key: bytes, capability: str) -> int:
        """What the author vouched for that counts as praise in the capability."""
        now = self._fading.now
        return self._fading.scale * sum(
            loan.weight for loan in self.given.get(key, {}).values()
            if loan.lasts(now) and loan.is_for(capability)
        )

    def _loans(self, key: bytes, capability: str | None) -> int:
        """What vouches pass on to the author."""
        return sum(
            self._counted(self._authors[voucher], loan, capability, is_passed_on=True)
            * self._of.chain_ppm // PPM
            for voucher, loan in self.lent.get(key, {}).items()
            if loan.lasts(self._fading.now) and loan.is_for(capability)
        )

    def _counted(
        self, voucher: Author, loan: Loan, capability: str | None, *, is_passed_on: bool
    ) -> int:
        """What counts of a vouch; the observer's own counts in full."""
        weight = loan.weight * self._fading.scale
        if voucher.key == self._me:
            return weight
        if capability is None:
            capability = loan.capability
        # A pin is worth the same in capabilities of which nobody has spoken yet.
        names = ("", *voucher.crafts) if capability is None else (capability,)
        most = 0
        for name in names:
            craft = voucher.crafts.get(name)
            praise = self._vouched_for(voucher.key, name) + (0 if craft is None else craft.praise)
            if is_passed_on:
                budget = self._reach(self._pin(voucher.key) if craft is None else craft.earned)
            elif craft is None:
                budget = self._spendable(self._capacity(voucher, name))
            else:
                budget = self.budget(craft)
            most = max(most, part_of(weight, budget, praise))
        return most
