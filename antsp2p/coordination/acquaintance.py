"""Who said what of whom, as sums: what trust keeps of each author, and of each pair of them.

Law: state without a rule; all weights are in the scale of `fading.py`. What follows from them is
`trust.py`'s and `purses.py`'s.
"""
from __future__ import annotations


class Author:
    """One author as rater and as subject, and in each capability in which it is either.

    `differs` and `compared`: how far what it says is from what the observer saw.
    """

    __slots__ = ("compared", "crafts", "differs", "key", "raters", "subjects")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.crafts: dict[str, Craft] = {}
        self.raters: dict[bytes, Pair] = {}
        self.subjects: dict[bytes, Pair] = {}
        self.differs = 0
        self.compared = 0


class Craft:
    """One author in one capability.

    `heard` is what is said of it, by rater, and `said` what it says, by subject; `earned` what the
    observer saw of it, `passed` what others pass on to it, `share` how much of what it praised it
    passes on; `budget` what its words may weigh, None: not known now; below 0: all that they are,
    as the observer's own do.
    """

    __slots__ = (
        "author", "blame", "budget", "capability", "earned", "heard", "passed", "praise", "said",
        "share",
    )

    def __init__(self, author: Author, capability: str) -> None:
        self.author = author
        self.capability = capability
        self.heard: dict[bytes, Words] = {}
        self.said: dict[bytes, Words] = {}
        self.praise = 0
        self.blame = 0
        self.earned = 0
        self.passed = 0
        self.share = 0
        self.budget: int | None = 0


class Pair:
    """What one says of another, in all capabilities.

    `raw` is the weight before anything fades; `rate_ppm` and `tells` are its `weighing.view`;
    `apart` is how far that is from what the observer saw, `likened` how much weight was compared;
    `differs` and `compared` the same and that of each capability. `pair` is itself: it and its
    words are read alike.
    """

    __slots__ = (
        "apart", "bad", "compared", "count", "differs", "good", "likened", "pair", "rate_ppm",
        "rater", "raw", "subject", "tells",
    )

    def __init__(self, rater: Author, subject: Author) -> None:
        self.pair = self
        self.rater = rater
        self.subject = subject
        self.count = 0
        self.raw = 0
        self.good = 0
        self.bad = 0
        self.rate_ppm = 0
        self.tells = 0
        self.apart = 0
        self.likened = 0
        self.differs = 0
        self.compared = 0


class Words:
    """What one says of another in one capability.

    `raw` to `likened` are as of a pair; `sorts` is what of the good is of a configuration
    that was told; `passed` what of the subject's capacity it stands for.
    """

    __slots__ = (
        "apart", "bad", "count", "good", "likened", "net", "pair", "rate_ppm", "rater", "raw",
        "sorts", "subject", "tells",
    )

    def __init__(self, pair: Pair, rater: Craft, subject: Craft) -> None:
        self.pair = pair
        self.rater = rater
        self.subject = subject
        self.count = 0
        self.raw = 0
        self.good = 0
        self.bad = 0
        self.rate_ppm = 0
        self.tells = 0
        self.apart = 0
        self.likened = 0
        self.sorts: dict[bytes, int] | None = None
        self.net = 0

    def under(self, configuration: bytes) -> int:
        """What of the good is of that configuration; b"" is that none was told."""
        if self.sorts is None:
            return 0 if configuration else self.good
        if configuration:
            return self.sorts.get(configuration, 0)
        return self.good - sum(self.sorts.values())


class Loan:
    """`weight` lent from the bucket `since` until before `until`; in one capability, or in each."""

    __slots__ = ("capability", "since", "until", "weight")

    def __init__(self, weight: int, since: int, until: int, capability: str | None) -> None:
        self.weight = weight
        self.capability = capability
        self.since = since
        self.until = until

    def lasts(self, bucket: int) -> bool:
        return self.since <= bucket < self.until

    def is_for(self, capability: str | None) -> bool:
        """Whether it counts in the capability; None: in some."""
        return capability is None or self.capability in (None, capability)
