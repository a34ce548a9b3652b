"""How far each voice agrees with what the observer itself saw: what belief in it rests on.

Law: a function of the sums in `acquaintance.py`, in whatever order they became what they are. Where
the observer saw nothing, nothing is held against anybody. What follows from it is `trust.py`'s.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.weighing import OVER_ALL, PPM, view

if TYPE_CHECKING:
    from collections.abc import Iterable

    from antsp2p.coordination.acquaintance import Pair, Words
    from antsp2p.coordination.weighing import TrustSettings


def compare_anew(changed: Iterable[Words], me: bytes, of: TrustSettings) -> None:
    """Hold what is new against what `me` saw, and what others say against what `me` saw anew."""
    for words in changed:
        pair, subject = words.pair, words.subject
        if pair.rater.key == me:
            _see(pair, pair.subject.raters.values(), OVER_ALL, of)
            _see(words, subject.heard.values(), 1, of)
        elif (own := pair.subject.raters.get(me)) is not None:
            _view(pair, of)
            _compare((pair,), own, OVER_ALL)
            if (own_here := subject.heard.get(me)) is not None:
                _view(words, of)
                _compare((words,), own_here, 1)


def _see(
    own: Pair | Words, all_of_it: Iterable[Pair | Words], times: int, of: TrustSettings
) -> None:
    """The observer's own view of somebody may be another, and so all differences from it."""
    is_new = not own.tells
    if not _view(own, of):
        return
    others = [said for said in all_of_it if said is not own]
    if is_new:
        # Nobody looked at them as long as there was nothing to hold against them.
        for other in others:
            _view(other, of)
    _compare(others, own, times)


def _view(said: Pair | Words, of: TrustSettings) -> bool:
    """Look again at what is said; whether it is another view than before."""
    before = said.rate_ppm, said.tells
    said.rate_ppm, said.tells = after = view(said, of)
    return after != before


def _compare(others: Iterable[Pair | Words], own: Pair | Words, times: int) -> None:
    """The square of the difference of two rates counts as much as both views tell."""
    rate_ppm, tells = own.rate_ppm, own.tells * times
    for said in others:
        gap = rate_ppm - said.rate_ppm
        weight = tells * said.tells
        apart, likened = weight * (gap * gap // PPM) if gap else 0, weight * PPM
        if likened != said.likened or apart != said.apart:
            pair = said.pair
            rater = pair.rater
            pair.differs += apart - said.apart
            rater.differs += apart - said.apart
            pair.compared += likened - said.likened
            rater.compared += likened - said.likened
            said.apart, said.likened = apart, likened
