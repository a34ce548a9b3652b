"""An audit file: logs, and parts of logs, that prove themselves to whoever has nothing else.

Law: only envelopes count. A file holds what was signed and nothing that must be believed: records
in runs that end in a signed one, and fork proofs. What is not in it, it cannot show; that is told,
and never held against anybody. What the records mean is not known here.
"""
from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from antsp2p.records.encoding import Malformed, decode, encode
from antsp2p.records.fork import (
    MAX_UNSIGNED,
    ForkProof,
    encode_proof,
    is_chain,
    parse_proof,
    verify_proof,
)
from antsp2p.records.keys import PUBLIC_KEY_BYTES
from antsp2p.records.record import NETWORK_BYTES, Record, parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from antsp2p.records.keys import Verify

AUDIT_NAME: Final = "antsp2p/1/audit"
"""Stands first in every file, so that it is not taken for anything else."""
MAX_AUDIT_BYTES: Final = 32 * 1024 * 1024
"""About 100,000 records: years of one author, and a few seconds of the reader's time."""

Run = tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """What one node holds for and against an author.

    Each run is of one author, ascending, and its last record is signed; runs are by (author, seq)
    with a gap between two of one author. Proofs are by author, one each.
    """

    network: bytes
    author: bytes
    runs: tuple[Run, ...]
    proofs: tuple[ForkProof, ...] = ()

    def records(self) -> Iterator[Record]:
        """All records, by (author, seq), those too that stand at or above a proven fork."""
        for run in self.runs:
            yield from run

    def of(self, author: bytes) -> tuple[Run, ...]:
        """The author's runs, ascending."""
        return tuple(run for run in self.runs if run[0].author == author)

    def fork_seq(self, author: bytes) -> int:
        """Where the author's log is proven to fork; 0: nowhere."""
        return next((proof.seq for proof in self.proofs if proof.author == author), 0)


def join_runs(records: Iterable[Record]) -> tuple[Run, ...]:
    """Runs of these records, by (author, seq); a record given twice counts once."""
    ordered = {(record.author, record.seq): record for record in records}
    runs: list[list[Record]] = []
    for place in sorted(ordered):
        record = ordered[place]
        last = runs[-1][-1] if runs else None
        if last is not None and last.author == record.author and last.seq + 1 == record.seq:
            runs[-1].append(record)
        else:
            runs.append([record])
    return tuple(map(tuple, runs))


def encode_audit(audit: Audit) -> bytes:
    """The file's bytes."""
    return encode({
        0: AUDIT_NAME, 1: audit.network, 2: audit.author,
        3: [[record.wire for record in run] for run in audit.runs],
        4: [encode_proof(proof) for proof in audit.proofs],
    })


def parse_audit(data: bytes) -> Audit:
    """The audit of a file, well formed, its signatures unchecked. Raises `Malformed` only."""
    fields = decode(data, MAX_AUDIT_BYTES)
    if type(fields) is not dict or fields.get(0) != AUDIT_NAME or fields.keys() != set(range(5)):
        raise Malformed("audit")
    network, author = fields[1], fields[2]
    if type(network) is not bytes or len(network) != NETWORK_BYTES:
        raise Malformed("audit")
    if type(author) is not bytes or len(author) != PUBLIC_KEY_BYTES:
        raise Malformed("audit")
    runs = tuple(_parse_run(item) for item in _items(fields[3]))
    proofs = tuple(_parse_proof(item) for item in _items(fields[4]))
    if any(run[0].network != network for run in runs) or any(
        proof.left[0].network != network for proof in proofs
    ):
        raise Malformed("audit-network")
    for below, above in pairwise(runs):
        first, last = above[0], below[-1]
        if (first.author, first.seq) <= (last.author, last.seq + 1):
            raise Malformed("audit-order")
    if any(one.author >= other.author for one, other in pairwise(proofs)):
        raise Malformed("audit-order")
    return Audit(network, author, runs, proofs)


def _items(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Malformed("audit")
    return value


def _parse_run(items: Any) -> Run:
    if type(items) is not list or not items or any(type(item) is not bytes for item in items):
        raise Malformed("audit")
    run = tuple(parse_record(item) for item in items)
    if not is_chain(run):
        raise Malformed("audit-chain")
    return run


def _parse_proof(item: Any) -> ForkProof:
    if type(item) is not bytes:
        raise Malformed("audit")
    return parse_proof(item)


def check_audit(audit: Audit, verify: Verify) -> int:
    """Check a well-formed audit as a log would be: returns how many signatures were checked.

    Raises `Malformed`: a run that its signatures do not cover (`audit-signature`), a proof that
    convicts nobody (`audit-proof`), or places where the records contradict each other below what
    the file proves (`audit-fork`).
    """
    checks = 0

    def counted(public_key: bytes, signature: bytes, message: bytes) -> bool:
        nonlocal checks
        checks += 1
        return verify(public_key, signature, message)

    for run in audit.runs:
        if not _is_covered(run, counted):
            raise Malformed("audit-signature")
    for proof in audit.proofs:
        if not verify_proof(proof, audit.network, counted):
            raise Malformed("audit-proof")
    _check_places(audit)
    return checks


def _is_covered(run: Sequence[Record], verify: Verify) -> bool:
    """Whether the last record is signed, and of those below it no more than MAX_UNSIGNED in a row
    need another's signature."""
    top = len(run) - 1
    if not run[top].verifies(verify):
        return False
    while top > MAX_UNSIGNED:
        stretch = range(top - 1 - MAX_UNSIGNED, top)
        found = next((index for index in stretch if run[index].verifies(verify)), None)
        if found is None:
            return False
        top = found
    return True


def _check_places(audit: Audit) -> None:
    """No place below a proven fork may have two ids."""
    forks = {proof.author: proof.seq for proof in audit.proofs}
    ids: dict[tuple[bytes, int], bytes] = {}
    for run in (*audit.runs, *(p.left for p in audit.proofs), *(p.right for p in audit.proofs)):
        lowest = run[0]
        _note(ids, forks, lowest.author, lowest.seq - 1, lowest.prev)
        for record in run:
            _note(ids, forks, record.author, record.seq, record.id)


def _note(
    ids: dict[tuple[bytes, int], bytes], forks: Mapping[bytes, int], author: bytes, seq: int,
    record_id: bytes,
) -> None:
    fork = forks.get(author, 0)
    if fork and seq >= fork:
        return
    if ids.setdefault((author, seq), record_id) != record_id:
        raise Malformed("audit-fork")
