"""What a new claim refs: the records that let it count, and the rivals that it has seen.

Law: a pure choice among records of one task; it decides nothing about who holds it. What stands in
the author's own log needs no ref.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination import resolver
from antsp2p.coordination.resolver import tie_break
from antsp2p.records.record import MAX_REFS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.coordination.contest import Contest
    from antsp2p.coordination.resolver import Setting
    from antsp2p.records.record import Record


def claim_refs(
    contest: Contest, setting: Setting, reading: resolver.Reading,
    accepts: Sequence[Record | None], author: bytes,
) -> tuple[bytes, ...]:
    """What a claim that `author` makes now must ref, at most `MAX_REFS`, in byte order; `accepts`
    are those of the tasks that this one comes after.

    First a valid reopen of the epoch before and the last of the accepts, both unless they stand in
    the author's own log; then the rivals' claims: the undominated candidates, the other candidates,
    the other claims of the epoch, each lowest tie-break first.
    """
    refs = dict.fromkeys(_needed(contest, reading, accepts, author))
    rivals = resolver.candidates(contest, setting, reading)
    best = resolver.undominated(contest, setting, rivals)
    others = [
        record for record, claim in reading.claims.values() if claim.epoch == reading.epoch
    ]
    for group in (best, rivals, others):
        for record in sorted(group, key=lambda claim: (
            tie_break(contest.task, reading.epoch, claim.author), claim.seq
        )):
            if record.author != author:
                refs[record.id] = None
    return tuple(sorted(list(refs)[:MAX_REFS]))


def _needed(
    contest: Contest, reading: resolver.Reading, accepts: Sequence[Record | None], author: bytes
) -> list[bytes]:
    assert contest.offer is not None
    requester = contest.offer[0].author
    refs: list[bytes] = []
    doors = [
        record for record in reading.reopens.get(reading.epoch - 1, ())
        if record.author != author
    ]
    if doors:
        door = min(doors, key=lambda d: (d.author != requester, d.seq, d.author))
        refs.append(door.id)
    known = [accept for accept in accepts if accept is not None]
    if known and requester != author:
        refs.append(max(known, key=lambda accept: accept.seq).id)
    return refs
