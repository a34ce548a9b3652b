"""What a node does with what it thinks of others, and how much of it.

Law: every use of a score stands here, can be switched off, and says what it changes; nothing here
changes the set of records or what anybody else sees. Whoever is only unknown is never worse off
than it would be without scores: on a network of two on its first day all of this does nothing.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.trust import PPM

if TYPE_CHECKING:
    from antsp2p.coordination.body import Offer
    from antsp2p.coordination.reputation import Ledger, Score

QUOTA_DOMAIN: Final = b"antsp2p/1/quota\0"


@dataclass(frozen=True, slots=True)
class Policy:
    """The switches. Shares are in millionths, times in ticks of ten minutes."""

    awards_by_score: bool = True
    """Of several candidates the best score is awarded; else whoever came first."""
    strangers_ppm: int = 100_000
    """Of cheap tasks so many at most are awarded to an unknown candidate if there is one, one at a
    time each: nobody could ever become known otherwise. The worse newcomers did lately, the fewer;
    see `newcomers.py`."""
    cheap_cost: int = 1
    """Up to this cost a task is cheap."""
    bad_ppm: int = 100_000
    """Whoever failed somebody and scores below this is bad, and not just unknown …"""
    bad_weight: int = 2
    """… if what it failed weighs so much together: one small failure makes nobody bad."""
    ignores_bad: bool = True
    """A bad node's announcement keeps nobody else waiting for its turn, its word that a holder is
    silent is believed one lease later, and the marks that it leaves are not counted."""
    sheds_bad: bool = True
    """When more arrives than can be read, what bad peers send is given up before the rest."""
    declines_debtors: bool = True
    """Offers of requesters that leave results without a verdict are not taken."""
    debts: int = 3
    """Results that a requester may leave so, beside one for every ten that it judged, of this
    node's own and of those who did good work for this node."""
    patience_ticks: int = 3
    """For how long that is none of its faults."""
    review_patience_ticks: int = 432
    """And where a person is to judge: three days."""
    replicas: int = 1
    """Results that must agree before one of an author that is not good is accepted."""
    good_ppm: int = 500_000
    """Whoever scores this in the capability is good."""
    grace_ppm: int = 0
    """A silent holder with a full score is waited for this part of a lease longer, others in
    proportion."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value: int = getattr(self, each.name)
            if not 0 <= value <= PPM:
                raise ValueError(f"{each.name} must be from 0 to {PPM}")
        if not 1 <= self.replicas <= MAX_REPLICAS:
            raise ValueError(f"replicas must be from 1 to {MAX_REPLICAS}")
        if self.grace_ppm > MAX_GRACE_PPM:
            raise ValueError(f"grace_ppm must be from 0 to {MAX_GRACE_PPM}")


MAX_REPLICAS: Final = 7
"""A requester that asks more workers than these has nobody left who could differ."""
MAX_GRACE_PPM: Final = 750_000
"""With more, others would lapse the holder before its own requester does."""
JUDGED_PER_DEBT: Final = 10
"""Verdicts that make up for one that was never given."""

DEFAULT_POLICY: Final = Policy()


class Judgement:
    """A ledger under a policy."""

    def __init__(
        self, ledger: Ledger, policy: Policy = DEFAULT_POLICY, secret: bytes = b""
    ) -> None:
        """Who does not know `secret` cannot tell which tasks are for strangers."""
        self._ledger = ledger
        self._secret = secret
        self.policy = policy

    def _score(self, author: bytes, capability: str | None) -> Score:
        return self._ledger.score(author, capability)

    def is_bad(self, author: bytes, capability: str | None) -> bool:
        """Whether the author has failed somebody, and little speaks for it; None: over all."""
        if not self._ledger.has_failed(author):
            return False
        score = self._score(author, capability)
        return score.value_ppm < self.policy.bad_ppm and (
            score.failed >= max(1, self.policy.bad_weight * PPM))

    def is_blocked(self, author: bytes) -> bool:
        """Whether a person has shut the author out."""
        return self._ledger.is_blocked(author)

    def counts(self, author: bytes, capability: str | None) -> bool:
        """Whether what the author announces, or says of a holder's silence, is to be heeded; with
        None the marks that it leaves, which are of no one capability."""
        if self.is_blocked(author):
            return False
        return not (self.policy.ignores_bad and self.is_bad(author, capability))

    def weight_ppm(self, author: bytes) -> int:
        """By how much a mark of the author weighs, of all that one can."""
        return self._score(author, None).value_ppm

    def sheds(self, author: bytes) -> bool:
        """Whether what the author sends is given up first when too much waits."""
        return self.policy.sheds_bad and self.is_bad(author, None)

    # --- the worker's side -----------------------------------------------------------------------

    def takes_offers_of(self, requester: bytes) -> bool:
        """Whether work for the requester is worth it."""
        policy, ledger = self.policy, self._ledger
        if not policy.declines_debtors:
            return True
        owed = ledger.owed(requester, policy.patience_ticks, policy.review_patience_ticks)
        if owed <= policy.debts:
            return True
        return owed <= policy.debts + ledger.judged(requester) // JUDGED_PER_DEBT

    # --- the requester's side --------------------------------------------------------------------

    def is_stranger(self, author: bytes, capability: str) -> bool:
        """Whether too little is known of the author to judge, and that does not speak against it.
        """
        return self._score(author, capability).stranger

    def is_for_strangers(self, task: bytes, offer: Offer) -> bool:
        """Whether the task is one of those that an unknown candidate gets before others."""
        if offer.cost > self.policy.cheap_cost or not self.policy.strangers_ppm:
            return False
        digest = hashlib.sha256(QUOTA_DOMAIN + self._secret + task).digest()
        drawn = int.from_bytes(digest[:8], "big")
        return drawn * PPM >> 64 < self.policy.strangers_ppm * self._ledger.welcome_ppm() // PPM

    def rank(self, author: bytes, capability: str) -> tuple[int, int]:
        """The smallest is awarded first; who is equal is awarded by who came first."""
        if not self.policy.awards_by_score:
            return 0, 0
        score = self._score(author, capability)
        return -score.value_ppm, score.failed

    def opinions(self, author: bytes, capability: str) -> int:
        """How many results must agree before this author's is accepted."""
        if self._score(author, capability).value_ppm >= self.policy.good_ppm:
            return 1
        return self.policy.replicas

    def grace_us(self, author: bytes, capability: str, lease_us: int) -> int:
        """For how much longer than its lease a silent holder is waited for."""
        if not self.policy.grace_ppm:
            return 0
        value = self._score(author, capability).value_ppm
        return lease_us * self.policy.grace_ppm // PPM * value // PPM
