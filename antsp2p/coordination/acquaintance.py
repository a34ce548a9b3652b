"""Who said what of whom, as sums: what trust keeps of each author, and of each pair of them.

Law: state without a rule; all weights are in the scale of `fading.py`. What follows from them is
`trust.py`'s.
"""
from __future__ import annotations


class Pair:
    """What one says of another, and what followed from it so far.

    `raw` is the weight of all of it before anything fades; `passed` what of the subject's capacity
    it stands for.
    """

    __slots__ = (
        "bad", "compared", "count", "differs", "good", "passed", "rater", "raw", "sorts", "subject",
    )

    def __init__(self, rater: Author, subject: Author) -> None:
        self.rater = rater
        self.subject = subject
        self.count = 0
        self.raw = 0
        self.sorts: dict[str, dict[bytes, list[int]]] = {}
        self.good = 0
        self.bad = 0
        self.differs = 0
        self.compared = 0
        self.passed = 0

    def sums(self, capability: str, configuration: bytes) -> list[int]:
        """[good, bad] of a capability under a configuration, to be changed in place."""
        return self.sorts.setdefault(capability, {}).setdefault(configuration, [0, 0])

    def split(self, capability: str | None, configuration: bytes | None) -> tuple[int, int, int]:
        """Good in the capability, good elsewhere, bad in it."""
        good = here = 0
        if capability is None:
            asked = list(self.sorts.values())
        else:
            found = self.sorts.get(capability)
            if found is None:
                return 0, self.good, 0
            asked = [found]
        for sorts in asked:
            for digest, (well, ill) in sorts.items():
                here += ill
                if configuration is None or digest == configuration:
                    good += well
        return good, self.good - good, here


class Author:
    """One author as rater and as subject.

    `reach` is what it passes on of what it earned itself, and `share` how much that is of all it
    praised; `passed` what others pass on to it; `budget` what its words may weigh, None: not known
    now.
    """

    __slots__ = (
        "blame", "budget", "compared", "differs", "key", "passed", "praise", "raters", "reach",
        "share", "subjects",
    )

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.raters: dict[bytes, Pair] = {}
        self.subjects: dict[bytes, Pair] = {}
        self.praise = 0
        self.blame = 0
        self.differs = 0
        self.compared = 0
        self.budget: int | None = None
        self.reach = 0
        self.share = 0
        self.passed = 0


class Loan:
    """`weight` lent from the bucket `since` until before `until`; in one capability, or in all."""

    __slots__ = ("capability", "since", "until", "weight")

    def __init__(self, weight: int, since: int, until: int, capability: str | None) -> None:
        self.weight = weight
        self.capability = capability
        self.since = since
        self.until = until

    def lasts(self, bucket: int) -> bool:
        return self.since <= bucket < self.until
