"""The proof of a fork: two branches of one author's log, each under the author's own signature.

Law: a proof stands by itself. It is unsigned, it can be checked by anyone who knows the network,
and two of the same divergence have one id. How a fork is found is not known here.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from antsp2p.records.encoding import MAX_UINT53, Malformed, decode, encode
from antsp2p.records.record import MAX_RECORD_BYTES, Record, parse_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.records.keys import Verify

FORK_DOMAIN: Final = b"antsp2p/1/fork\0"
MAX_UNSIGNED: Final = 64
"""Records in a row, below a signed one, whose own signatures need not verify. A fork anywhere in
such a stretch must have a proof that can travel, and a catch-up of 1,000 records still costs only
16 signature checks."""
MAX_BRANCH_RECORDS: Final = MAX_UNSIGNED + 1
MAX_PROOF_RECORDS: Final = 2 * MAX_BRANCH_RECORDS
"""A proof against an author that signs properly has 2; only a hostile author makes it longer."""
MAX_PROOF_BYTES: Final = MAX_PROOF_RECORDS * (MAX_RECORD_BYTES + 3) + 16
"""Every record as a byte string with its 3-byte head, and the frame around them."""


@dataclass(frozen=True, slots=True)
class ForkProof:
    """Two branches of one author's log whose ids at `seq` differ.

    Each branch holds consecutive records ascending by seq, the last of which carries its author's
    own signature. Its lowest record is at `seq`, or at `seq + 1`; then that record's `prev` is the
    branch's id at `seq`. `left` is the branch with the lower id at `seq`.
    """

    author: bytes
    seq: int
    left: tuple[Record, ...]
    right: tuple[Record, ...]

    @property
    def ids(self) -> tuple[bytes, bytes]:
        """The two ids at `seq`, left first."""
        return _id_at(self.left, self.seq), _id_at(self.right, self.seq)

    @property
    def id(self) -> bytes:
        """32 bytes, the same for every proof of the same divergence."""
        place = self.author + self.seq.to_bytes(8, "big")
        return hashlib.sha256(FORK_DOMAIN + b"".join(sorted(self.ids)) + place).digest()

    @property
    def unknown(self) -> tuple[bytes, ...]:
        """The ids at `seq` whose records are not in the proof; each may lead to a lower fork."""
        return tuple(
            branch[0].prev for branch in (self.left, self.right) if branch[0].seq != self.seq
        )

    @property
    def is_lowest(self) -> bool:
        """Whether the branches part at `seq`: both records are here, on top of one `prev`."""
        return not self.unknown and self.left[0].prev == self.right[0].prev


def make_proof(
    author: bytes, seq: int, one: tuple[Record, ...], other: tuple[Record, ...]
) -> ForkProof:
    """The proof of two branches given in any order."""
    left, right = sorted((one, other), key=lambda branch: _id_at(branch, seq))
    return ForkProof(author, seq, left, right)


def _id_at(branch: Sequence[Record], seq: int) -> bytes:
    lowest = branch[0]
    return lowest.id if lowest.seq == seq else lowest.prev


def is_well_formed(proof: ForkProof) -> bool:
    """Whether the proof is what its class says, signatures and network aside."""
    if not 1 <= proof.seq <= MAX_UINT53:
        return False
    for branch in (proof.left, proof.right):
        if not 1 <= len(branch) <= MAX_BRANCH_RECORDS:
            return False
        if branch[0].seq not in (proof.seq, proof.seq + 1) or not is_chain(branch):
            return False
        if branch[0].author != proof.author or branch[0].network != proof.left[0].network:
            return False
    left, right = proof.ids
    return left < right


def is_chain(records: Sequence[Record]) -> bool:
    """Whether the records are consecutive ones of one author and network, ascending."""
    for lower, upper in pairwise(records):
        if upper.prev != lower.id or upper.seq != lower.seq + 1:
            return False
        if upper.author != lower.author or upper.network != lower.network:
            return False
    return True


def verify_proof(proof: ForkProof, network: bytes, verify: Verify) -> bool:
    """Whether the proof convicts its author on `network` (16 B). Two signature checks at most."""
    return (
        is_well_formed(proof)
        and proof.left[0].network == network
        and proof.left[-1].verifies(verify)
        and proof.right[-1].verifies(verify)
    )


def encode_proof(proof: ForkProof) -> bytes:
    """CBOR `[seq, [left record, ...], [right record, ...]]`, each record a byte string."""
    return encode([
        proof.seq,
        [record.wire for record in proof.left],
        [record.wire for record in proof.right],
    ])


def parse_proof(wire: bytes) -> ForkProof:
    """The proof of `wire`, well formed, its signatures and network unchecked.

    Raises `Malformed` and nothing else.
    """
    outer = decode(wire, MAX_PROOF_BYTES)
    if type(outer) is not list or len(outer) != 3 or type(outer[0]) is not int:
        raise Malformed("proof")
    left, right = _parse_branch(outer[1]), _parse_branch(outer[2])
    proof = ForkProof(left[0].author, outer[0], left, right)
    if not is_well_formed(proof):
        raise Malformed("proof")
    return proof


def _parse_branch(items: Any) -> tuple[Record, ...]:
    if type(items) is not list or not 1 <= len(items) <= MAX_BRANCH_RECORDS:
        raise Malformed("proof")
    if any(type(item) is not bytes for item in items):
        raise Malformed("proof")
    return tuple(parse_record(item) for item in items)
