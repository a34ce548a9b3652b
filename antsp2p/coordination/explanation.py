"""Why a score is what it is: named parts that add up to it exactly, and what would change it.

Law: nothing is counted here that the ledger has not counted. Whatever the rule of trust does, the
points of the parts are the score, to the last millionth. What is only asked ("if one more task were
accepted") is asked of the rule itself, and leaves no trace.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.evidence import Kind, Proof
from antsp2p.coordination.trust import DEFAULT, PPM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.coordination.evidence import Deed
    from antsp2p.coordination.reputation import Ledger
    from antsp2p.coordination.trust import Contribution, Score

LATER_BUCKETS: Final = 30
"""How far ahead is asked what time alone does."""
_OWN: Final = "own"
_UNWEIGHED: Final = Kind.UNANSWERED


@dataclass(frozen=True, slots=True)
class Part:
    """One reason for a score.

    `name`: "own" (what the observer saw), "testimony" (what `rater` says), "pin", "vouch",
    "elsewhere" (what is known of other capabilities, or of another configuration), "failures",
    "blocked", "convicted" or "revoked". `weight` is in millionths, below 0 where it speaks against
    the author; `share_ppm` is how much of what the rater says counts here: less of others' words,
    and less of old ones. `records` are those that say so.
    """

    name: str
    rater: bytes
    share_ppm: int
    weight: int
    points_ppm: int
    records: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """`parts` add up to the score by their points. The rest is what would change it, and how sure
    it is."""

    score: Score
    parts: tuple[Part, ...]
    after_task_ppm: int
    """The score if the observer accepted one more task of cost 1."""
    later_ppm: int
    """The score after `LATER_BUCKETS` more buckets without news, with others trusted as now."""
    unheard: tuple[bytes, ...]
    """Records by those whose word weighs nothing here."""
    disputed: tuple[bytes, ...]
    """Records that the author contests."""
    suspected: tuple[bytes, ...]
    """Records that say only that nothing was seen of it in time."""
    unanswered: tuple[bytes, ...]
    """Results that were delivered to the author, and on which it gave no verdict."""


def explain(
    ledger: Ledger, me: bytes, author: bytes, capability: str | None, out: str = ""
) -> Explanation:
    """Why the author's score is what it is to the observer `me`.

    `out` names why it has none whatever it did ("blocked", "convicted"), where that is so.
    """
    score = ledger.score(author, capability)
    said = ledger.why(author)
    voices = _merged(ledger.contributions(author, capability))
    configuration = ledger.runs(author, capability)
    good = [
        (name, voice, weight, _said_so(said, voice, name, capability, configuration))
        for name, voice, weight in _good(voices, score)
    ]
    bad = [
        ("failures", voice, -voice.failed, _said_so(said, voice, "failures", capability, None))
        for voice in voices if voice.failed
    ]
    stranger = DEFAULT.stranger_weight * PPM
    without_failures = score.accepted * PPM // (score.accepted + stranger)
    with_failures = score.value_ppm if not out else (
        score.accepted * PPM
        // (score.accepted + DEFAULT.failure_factor * score.failed + stranger)
    )
    parts = [
        *_parts(good, without_failures), *_parts(bad, with_failures - without_failures),
    ]
    if out:
        parts.append(Part(out, b"", 0, 0, score.value_ppm - with_failures))
    heard = {voice.rater for voice in voices}
    weighed = [deed for deed in said if deed.kind is not _UNWEIGHED]
    return Explanation(
        score=score, parts=tuple(parts),
        after_task_ppm=ledger.score_after_task(author, capability).value_ppm,
        later_ppm=ledger.score_later(author, capability, LATER_BUCKETS).value_ppm,
        unheard=tuple(deed.record_id for deed in weighed if deed.rater not in heard),
        disputed=tuple(deed.record_id for deed in weighed if deed.dispute),
        suspected=tuple(
            deed.record_id for deed in weighed
            if deed.proof is Proof.SUSPECTED and deed.rater in heard
        ),
        unanswered=tuple(deed.record_id for deed in said if deed.kind is _UNWEIGHED),
    )


_Reason = tuple[str, "Contribution", int, list["Deed"]]


def _merged(voices: Sequence[Contribution]) -> list[Contribution]:
    """One for each (part, rater): what is said of a key and of those that it succeeds is one."""
    found: dict[tuple[str, bytes], Contribution] = {}
    for voice in voices:
        before = found.get((voice.part, voice.rater))
        if before is not None:
            voice = replace(
                voice, accepted=before.accepted + voice.accepted,
                borrowed=before.borrowed + voice.borrowed, failed=before.failed + voice.failed,
            )
        found[voice.part, voice.rater] = voice
    return list(found.values())


def _good(
    voices: Sequence[Contribution], score: Score
) -> list[tuple[str, Contribution, int]]:
    """(name, voice, weight) of all that speaks for the author; the weights are the score's."""
    direct = [(voice.part, voice, voice.accepted) for voice in voices if voice.accepted]
    borrowing = [voice for voice in voices if voice.borrowed]
    borrowed = score.accepted - sum(weight for _, _, weight in direct)
    weights = _split(borrowed, [voice.borrowed for voice in borrowing])
    return direct + [
        ("vouch" if voice.part == "vouch" else "elsewhere", voice, weight)
        for voice, weight in zip(borrowing, weights, strict=True) if weight
    ]


def _parts(reasons: Sequence[_Reason], points_ppm: int) -> list[Part]:
    """The reasons as parts, the points given out by weight."""
    sizes = [abs(weight) for _, _, weight, _ in reasons]
    return [
        Part(
            name, voice.rater, _share_ppm(weight, deeds), weight, points,
            tuple(dict.fromkeys(deed.record_id for deed in deeds)),
        )
        for (name, voice, weight, deeds), points in zip(
            reasons, _split(points_ppm, sizes), strict=True)
    ]


def _share_ppm(weight: int, deeds: Sequence[Deed]) -> int:
    """How much of what the deeds weigh is in `weight`; what rests on no deed counts as it is."""
    said = sum(deed.weight for deed in deeds)
    return abs(weight) // said if said else PPM


def _split(whole: int, sizes: Sequence[int]) -> list[int]:
    """`whole` in parts as large as `sizes` say; they add up to it exactly."""
    total, given, below = sum(sizes), 0, 0
    found: list[int] = []
    for size in sizes:
        below += size
        upto = whole * below // total if total else 0
        found.append(upto - given)
        given = upto
    return found


def _said_so(
    said: Sequence[Deed], voice: Contribution, name: str, capability: str | None,
    configuration: bytes | None,
) -> list[Deed]:
    """The deeds by which this voice says this."""
    if voice.part not in (_OWN, "testimony"):
        return []

    def is_here(deed: Deed) -> bool:
        return capability in (None, deed.capability) and (
            configuration in (None, deed.configuration))

    return [
        deed for deed in said
        if deed.rater == voice.rater and deed.kind is not _UNWEIGHED
        and deed.good is (name != "failures")
        and (name == "failures" or is_here(deed) is (name == voice.part))
    ]
