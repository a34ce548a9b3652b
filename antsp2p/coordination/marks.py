"""The shared blackboard: marks that nodes leave at topics, how they fade, and whose are heeded.

Law: which marks there are is a fold over records, and the same for everybody. How strong one is
now, and whether it is to be heeded, is the observer's own view, made when somebody looks, by ages
and scores that are handed in; nothing of it is kept or told. A mark is no promise and no evidence:
it moves nobody's score, and no task.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from antsp2p.coordination.body import Mark
from antsp2p.coordination.latest import Latest
from antsp2p.coordination.weighing import PPM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from antsp2p.coordination.judgement import Judgement

GONE_HALVINGS: Final = 10
"""After so many half-lives less than a thousandth is left, and the mark is gone."""
DEFAULT_HALF_LIFE_MS: Final = 3_600_000
"""What is worth a mark is worth a look within the hour."""


def strength_ppm(age_ms: int, half_life_ms: int) -> int:
    """What is left of a mark of that age, in millionths: half after each half-life, and between
    two of those the less by a straight line. 0 where it is gone, or was wiped off."""
    if not half_life_ms:
        return 0
    halvings, rest_ms = divmod(age_ms, half_life_ms)
    if halvings >= GONE_HALVINGS:
        return 0
    return (PPM - PPM * rest_ms // (2 * half_life_ms)) >> halvings


class MarkFold(Latest[Mark]):
    """All marks. `add` takes any record and looks only at marks."""

    def __init__(self) -> None:
        super().__init__(Mark, lambda mark: mark.topic)


class Trace(NamedTuple):
    """One mark, as the observer finds it now."""

    author: bytes
    record_id: bytes
    mark: Mark
    age_ms: int
    strength_ppm: int
    trusted_ppm: int
    """Its strength, by its author's score over all."""
    heeded: bool


class Topic(NamedTuple):
    """What stands at one topic: sums over the marks that are heeded, and how many those are."""

    name: str
    strength_ppm: int
    trusted_ppm: int
    marks: int
    age_ms: int
    """Of the youngest."""


class Blackboard:
    """The marks as one observer heeds them."""

    def __init__(self, me: bytes, marks: MarkFold, judgement: Judgement) -> None:
        self._me = me
        self._marks = marks
        self._judgement = judgement

    def names(self) -> tuple[str, ...]:
        """The topics where any mark stands, faded or not."""
        return self._marks.names()

    def traces(self, topic: str, age_ms: Callable[[bytes, int], int]) -> Iterator[Trace | None]:
        """What is left of the marks at a topic, in no order, and None for each that is gone: there
        may be as many as there are authors, and whoever goes through them can pause. `age_ms` tells
        that of an author's record at a seq."""
        for author, entry in list(self._marks.live(topic).items()):
            age = age_ms(author, entry.seq)
            strength = strength_ppm(age, entry.body.half_life_ms)
            yield Trace(
                author, entry.record_id, entry.body, age, strength,
                strength * self._weight_ppm(author) // PPM, self.heeds(author),
            ) if strength else None

    def heeds(self, author: bytes) -> bool:
        """Whether the author's marks count here."""
        return author == self._me or self._judgement.counts(author, None)

    def _weight_ppm(self, author: bytes) -> int:
        return PPM if author == self._me else self._judgement.weight_ppm(author)


def topic_of(name: str, traces: Iterable[Trace]) -> Topic | None:
    """The sums over the marks at a topic; None where none is heeded."""
    heeded = [trace for trace in traces if trace.heeded]
    if not heeded:
        return None
    return Topic(
        name, sum(trace.strength_ppm for trace in heeded),
        sum(trace.trusted_ppm for trace in heeded), len(heeded),
        min(trace.age_ms for trace in heeded),
    )


def place_of_trace(trace: Trace) -> tuple[bool, int, int, bytes]:
    """By which marks are listed: those that are heeded, the most trusted, then the strongest."""
    return not trace.heeded, -trace.trusted_ppm, -trace.strength_ppm, trace.author


def place_of_topic(topic: Topic) -> tuple[int, int, str]:
    """By which topics are listed: the most trusted, and of those where nobody trusted has been, the
    strongest. How strong strangers made one of the others changes nothing."""
    return -topic.trusted_ppm, 0 if topic.trusted_ppm else -topic.strength_ppm, topic.name
