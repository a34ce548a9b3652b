"""What a node thinks of another and why, as plain JSON-able values.

Law: as of all views, reading only. What is said in words follows from the figures beside it.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.coordination.evidence import Kind
from antsp2p.coordination.explanation import LATER_BUCKETS, Explanation, Part, explain
from antsp2p.runtime.views import weight_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.coordination.reputation import Deed, Score
    from antsp2p.node import Node

View = dict[str, Any]


def why_view(node: Node, author: bytes, capability: str | None = None) -> View:
    """Why the author's score in the capability, or over all, is what it is."""
    ledger, standing = node.ledger, node.meaning.standing(author)
    said = ledger.why(author)
    names = sorted({deed.capability for deed in said if deed.capability})
    is_blocked = ledger.is_blocked(author)
    out = "convicted" if standing.convicted else "blocked" if is_blocked else ""
    told = explain(ledger, node.author, author, capability, out)
    return {
        "author": author.hex(), "me": node.author.hex(), "capability": capability,
        "convicted": standing.convicted, "revoked": standing.revoked, "blocked": is_blocked,
        "successor": standing.named.hex() or None,
        "succeeds": [key.hex() for key in node.meaning.standings.lineage(author)[1:]],
        "score": _score_view(told.score),
        "scores": {
            name or "all": _score_view(ledger.score(author, name)) for name in (None, *names)
        },
        "parts": [
            {
                "name": part.name, "rater": part.rater.hex() or None, "share_ppm": part.share_ppm,
                "weight": weight_view(part.weight), "points_ppm": part.points_ppm,
                "records": _hexes(part.records or _vouches(node, author, part)),
            }
            for part in told.parts
        ],
        "would_raise": _would_raise(node, author, capability, told, out),
        "uncertain": _uncertain(node, told),
        "evidence": [_deed_view(node, deed) for deed in said],
        "vouched_by": [
            {
                "author": voucher.hex(), "record": given.record_id.hex(), "weight": given.weight,
                "capability": given.capability, "days_left": max(0, given.until - ledger.bucket),
            }
            for voucher in node.meaning.vouches.vouchers(author)
            if (given := node.meaning.vouches.given(voucher, author)) is not None
        ],
    }


def _score_view(score: Score) -> View:
    return {
        "score_ppm": score.value_ppm, "accepted": weight_view(score.accepted),
        "failed": weight_view(score.failed), "known": score.known,
        "uncertainty_ppm": score.uncertainty_ppm,
    }


def _vouches(node: Node, author: bytes, part: Part) -> tuple[bytes, ...]:
    """The records by which somebody vouches, for a part that rests on that."""
    if part.name != "vouch":
        return ()
    given = (
        node.meaning.vouches.given(part.rater, key)
        for key in node.meaning.standings.lineage(author)
    )
    return tuple(each.record_id for each in given if each is not None)


def _hexes(ids: Sequence[bytes]) -> list[str]:
    return [each.hex() for each in ids]


def _deed_view(node: Node, deed: Deed) -> View:
    return {
        "record": deed.record_id.hex(), "task": deed.task.hex(),
        "capability": deed.capability, "kind": str(deed.kind),
        "weight": 0 if deed.kind is Kind.UNANSWERED else deed.weight,
        "counts_for": deed.good, "proof": str(deed.proof), "claim": deed.claim.hex(),
        "rater": deed.rater.hex(), "mine": deed.rater == node.author,
        "dispute": deed.dispute.hex() or None, "days_ago": node.ledger.bucket - deed.bucket,
    }


def _would_raise(
    node: Node, author: bytes, capability: str | None, told: Explanation, out: str
) -> list[View]:
    """What would make the score higher, and to what."""
    if out == "convicted" or node.meaning.standing(author).revoked:
        return []
    if out == "blocked":
        pins = node.ledger.pins
        node.ledger.set_pins(pins.without(node.meaning.standings.lineage(author)))
        score_ppm = node.ledger.score(author, capability).value_ppm
        node.ledger.set_pins(pins)
        return [{"what": "unblock", "score_ppm": score_ppm}]
    now_ppm = told.score.value_ppm
    ways = [("accept", told.after_task_ppm), ("wait", told.later_ppm)]
    return [{"what": what, "score_ppm": ppm} for what, ppm in ways if ppm > now_ppm]


def _uncertain(node: Node, told: Explanation) -> list[View]:
    """What the score does not know, each with how much or which records."""
    found: list[View] = []
    score = told.score
    if not score.known:
        found.append({"what": "unknown"})
    elif score.uncertainty_ppm:
        found.append({"what": "little", "share_ppm": score.uncertainty_ppm})
    words_ppm = sum(
        part.points_ppm for part in told.parts
        if part.points_ppm > 0 and part.rater not in (b"", node.author)
    )
    if words_ppm:
        found.append({"what": "testimony", "points_ppm": words_ppm})
    if told.later_ppm < score.value_ppm:
        found.append({"what": "fades", "score_ppm": told.later_ppm, "days": LATER_BUCKETS})
    for what, records in (
        ("unheard", told.unheard), ("disputed", told.disputed), ("suspected", told.suspected),
        ("unanswered", told.unanswered),
    ):
        if records:
            found.append({"what": what, "records": _hexes(records)})
    if node.gossip.catching_up:
        found.append({"what": "behind", "count": node.gossip.catching_up})
    return found
