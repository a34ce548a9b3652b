"""The words and the sums of trust: what is said, what a score is, and how a voice is weighed.

Law: facts and functions of integers, rounded down; nothing here remembers anything. Who said what
is kept in `trust.py`.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

PPM: Final = 1_000_000
"""Weights, shares and scores are in millionths; division rounds down."""
ALPHA_PPM: Final = 250_000
"""Of what an author earned in a capability, how much its words, and those of all the names it may
invent, weigh there at most. More lets spies pass on more; up to this, a failure never helps its
author."""
ETA_PPM: Final = 500_000
"""What is known of other capabilities counts by this factor, up to `BORROW_PPM`."""
BORROW_PPM: Final = 250_000
"""Of all other capabilities together, no more than a quarter of what one small task earns: enough
to be tried before a stranger, not before one who did well in the capability."""
ELSEWHERE_PPM: Final = 375_000
"""What a failure in one capability counts for in another: not hidden, and not sinking it."""
DOUBT: Final = 3
"""How fast a voice is lost that contradicts what the observer saw: at a mean square difference of
the rates of failure of a third, nothing of it is left."""
OVER_ALL: Final = 2
"""Rates of failure over all capabilities are compared with this weight, those in one with 1: the
latter find out who praises others where they are bad, and rest on few words each."""
COMPARED_LIMIT: Final = 4
"""Of one subject this much weight is compared, or one long acquaintance would vouch for the rest.
"""
STRANGER_WEIGHT: Final = 2
"""W: one accepted task of cost 1 gives a third, two give a half; a stranger gives 0."""
FAILURE_FACTOR: Final = 2
"""A failure weighs twice a success, so that one who fails every third time sinks below a half."""
KEEP_PPM: Final = 900_000
"""What is left of a weight when one more bucket has passed: half after six and a half."""
HORIZON_BUCKETS: Final = 100
"""Of what is older than this at the landmark before now, nothing is left."""
SHARE_BITS: Final = 64
"""Shares of what an author passes on are told in these parts of one."""
SHARE_DIGITS: Final = 6
"""So exactly praise is told for them: with more, every word of a rater would change what all its
subjects may say."""
CHAIN_PPM: Final = 500_000
"""What is left of a vouched weight where it is lent once more."""
KNOWN_WEIGHT: Final = 8
"""With less evidence than this, none of it bad in the main, an author is still worth a try."""
NEWCOMERS_FLOOR_PPM: Final = 100_000
"""However badly newcomers did lately, a tenth of what is meant for them is left: or nobody honest
could ever come after a wave of liars."""


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """The knobs of the rule. Those that end in `_ppm` are millionths of one, others whole."""

    alpha_ppm: int = ALPHA_PPM
    eta_ppm: int = ETA_PPM
    borrow_ppm: int = BORROW_PPM
    elsewhere_ppm: int = ELSEWHERE_PPM
    doubt: int = DOUBT
    compared_limit: int = COMPARED_LIMIT
    failure_factor: int = FAILURE_FACTOR
    stranger_weight: int = STRANGER_WEIGHT
    keep_ppm: int = KEEP_PPM
    horizon_buckets: int = HORIZON_BUCKETS
    chain_ppm: int = CHAIN_PPM
    known_weight: int = KNOWN_WEIGHT
    newcomers_floor_ppm: int = NEWCOMERS_FLOOR_PPM


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


class Sums(Protocol):
    """What one said of another: faded, and in all."""

    good: int
    bad: int
    raw: int


@dataclass(frozen=True, slots=True)
class Score:
    """What it rests on in `accepted` and `failed`, in millionths; not `known` means no evidence.

    `uncertainty_ppm` is the part of the score's denominator that is not evidence. `stranger`: too
    little is known to judge, and what is known does not speak against a try.
    """

    value_ppm: int
    accepted: int
    failed: int
    known: bool
    uncertainty_ppm: int = PPM
    stranger: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one voice adds to a score, in millionths.

    `part` is "own", "testimony", "pin" or "vouch". `accepted` is the capability's own evidence,
    `borrowed` that of others, before factor and limit; `failed_here` is what of `failed` is in the
    capability itself. `belief_ppm`: how far the voice agrees with what the observer saw of others.
    """

    part: str
    rater: bytes
    accepted: int
    borrowed: int
    failed: int
    failed_here: int
    belief_ppm: int = PPM


def part_of(amount: int, budget: int, said: int) -> int:
    """What counts of `amount`, one of the things on which `said` was spent, under the budget."""
    return amount if said <= budget else amount * budget // said


def share_of(reach: int, praise: int) -> int:
    """What of one word counts, in 2^-`SHARE_BITS`, if `praise` is spent on the reach.

    The praise is rounded up to `SHARE_DIGITS` binary digits, so that one more word seldom changes
    the share; the reach is not, or one failure could take more from it than it weighs.
    """
    extra = max(0, praise.bit_length() - SHARE_DIGITS)
    praise = -(-praise >> extra) << extra
    return 1 << SHARE_BITS if praise <= reach else (reach << SHARE_BITS) // praise


def enough(of: TrustSettings) -> int:
    """Of what is good in other capabilities, more than this lends no more."""
    return -(-of.borrow_ppm * PPM // of.eta_ppm) if of.eta_ppm else 0


def borrowed(other: int, failed: int, of: TrustSettings) -> int:
    """What other capabilities lend to one; failures take the loan away first."""
    loan = min(other * of.eta_ppm // PPM, of.borrow_ppm)
    return max(0, loan - of.failure_factor * failed)


def weigh(good: int, loan: int, bad: int, here: int, of: TrustSettings) -> Score:
    """The score of these sums: `bad` is what counts against, `here` its part in the capability."""
    accepted = good + loan
    stranger = of.stranger_weight * PPM
    whole = accepted + of.failure_factor * bad + stranger
    return Score(
        accepted * PPM // whole, accepted, bad, known=accepted + bad > 0,
        uncertainty_ppm=stranger * PPM // whole,
        stranger=here <= good and accepted + bad < of.known_weight * PPM,
    )


def view(said: Sums, of: TrustSettings) -> tuple[int, int]:
    """The rate of failure, and how much it tells: the weight before it faded, up to a limit."""
    seen = said.good + said.bad
    return (said.bad * PPM // seen, min(said.raw, of.compared_limit)) if seen else (0, 0)


def belief(differs: int, compared: int, of: TrustSettings) -> int:
    """How far a voice is believed whose views differ from the observer's own by so much."""
    if not differs:
        return PPM
    left = PPM - of.doubt * (differs * PPM // compared)
    return left if left > 0 else 0
