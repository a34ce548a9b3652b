"""Cover: which signatures vouch for which records of one author, and which forks they prove.

Law: a record is vouched for by its own signature, or by that of a record on top of it, which names
it by `prev`. Nothing is kept and nothing is changed here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.records.author_log import ids_at
from antsp2p.records.fork import MAX_UNSIGNED, make_proof
from antsp2p.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.author_log import AuthorLog, Strand
    from antsp2p.records.fork import ForkProof
    from antsp2p.records.keys import Verify


def covered(
    log: AuthorLog, run: Sequence[Record], verify: Verify
) -> tuple[tuple[Record, ...], set[int]] | None:
    """The run continued up to a signed record, with the seqs found signed, or None.

    None also where more than MAX_UNSIGNED new records in a row are not signed.
    """
    last = run[-1]
    known, tail = log.known(last.seq), tuple[Record, ...]()
    if known is not None and known.id == last.id:
        if log.is_signed(known, verify):
            last = known
        elif known.signature == last.signature:
            # It is here as an ancestor, so what covers it covers what leads to it.
            tail = above(log, known, verify)
            if not tail:
                return None
        elif not last.verifies(verify):
            return None
    elif not last.verifies(verify):
        tail = above(log, last, verify)
        if not tail:
            return None
    offered = (*run[:-1], last, *tail)
    signed = set() if tail else {last.seq}
    new = (index for index, record in enumerate(run) if not log.knows(record))
    lowest_new, top = next(new, len(run)), len(offered) - 1
    while top - lowest_new > MAX_UNSIGNED:
        stretch = range(top - 1 - MAX_UNSIGNED, min(top, len(run)))
        found = next((i for i in stretch if offered[i].verifies(verify)), None)
        if found is None:
            return None
        signed.add(offered[found].seq)
        top = found
    return offered, signed


def above(
    log: AuthorLog, record: Record, verify: Verify,
    branches: Sequence[Sequence[Record]] = (),
) -> tuple[Record, ...]:
    """Known records on top of `record` up to a signed one; empty if there are none."""
    for strand in log.strands(branches):
        child = strand(record.seq + 1)
        if child is not None and child.prev == record.id:
            branch = _branch(log, strand, child.seq, verify)
            if branch:
                return branch
    return ()


def _branch(
    log: AuthorLog, strand: Strand, seq: int, verify: Verify
) -> tuple[Record, ...]:
    """The strand's records from `seq` up to the first signed one; empty if none is."""
    branch: list[Record] = []
    while (record := strand(seq)) is not None:
        branch.append(record)
        if log.is_signed(record, verify):
            return tuple(branch)
        seq += 1
    return ()


def fork_seq(log: AuthorLog, branches: Sequence[Sequence[Record]]) -> int:
    """The lowest seq where the branches show a fork that is news, or 0."""
    strands = log.strands(branches)
    low = min(branch[0].seq for branch in branches) - 1
    high = max(branch[-1].seq for branch in branches)
    if log.proof is not None:
        high = min(high, log.proof.seq)
    elif len(branches) == 1:
        high = min(high, log.top())
    for seq in range(max(1, low), high + 1):
        ids = ids_at(strands, seq)
        if len(ids) > 1:
            if log.proof is None or seq < log.proof.seq:
                return seq
            shown = sum(places[0][1] == seq for places in ids.values())
            return seq if min(2, shown) > 2 - len(log.proof.unknown) else 0
    return 0


def prove(
    author: bytes, log: AuthorLog, seq: int, branches: Sequence[Sequence[Record]],
    verify: Verify,
) -> ForkProof | None:
    """The proof of the fork at `seq`; None while nothing signed covers one of its sides."""
    sides: list[tuple[Record, ...]] = []
    for shown in ids_at(log.strands(branches), seq).values():
        found = (_branch(log, strand, lowest, verify) for strand, lowest in shown)
        side = next(filter(None, found), ())
        if side:
            sides.append(side)
    return make_proof(author, seq, sides[0], sides[1]) if len(sides) > 1 else None
