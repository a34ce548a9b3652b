from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.records.encoding import Malformed
from antsp2p.records.fork import (
    MAX_BRANCH_RECORDS,
    MAX_PROOF_BYTES,
    MAX_PROOF_RECORDS,
    ForkProof,
    encode_proof,
    make_proof,
    parse_proof,
    verify_proof,
)
from tests.records.chains import NETWORK, CountingVerify, chain, extend, identity, spoiled

if TYPE_CHECKING:
    from antsp2p.records.record import Record

AUTHOR = identity().author
TRUNK = list(chain(3))
X = extend(TRUNK, 5)
Y = extend(TRUNK, 5, mark=1)
"""Two branches that part at seq 4; `X[3]` is the record at seq 4."""
LOWEST = make_proof(AUTHOR, 4, (X[3],), (Y[3],))
HIGHER = make_proof(AUTHOR, 6, (X[5],), (Y[6],))
"""The fork seen at seq 6, where of `Y` only the id is known."""


def convicts(proof: ForkProof, network: bytes = NETWORK) -> bool:
    return verify_proof(proof, network, CountingVerify())


def reason_of(wire: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        parse_proof(wire)
    return caught.value.reason


@pytest.mark.parametrize("proof", [
    LOWEST,
    HIGHER,
    make_proof(AUTHOR, 6, (X[6],), (Y[6],)),
    make_proof(AUTHOR, 6, (X[5],), (Y[5],)),
    make_proof(AUTHOR, 4, (spoiled(X[3]), spoiled(X[4]), X[5]), (Y[3],)),
    make_proof(AUTHOR, 1, (chain(1)[0],), (chain(1, mark=1)[0],)),
])
def test_proofs_that_convict(proof: ForkProof) -> None:
    assert convicts(proof)
    again = parse_proof(encode_proof(proof))
    assert convicts(again)
    assert encode_proof(again) == encode_proof(proof)
    assert again.id == proof.id
    assert (again.author, again.seq, again.ids) == (proof.author, proof.seq, proof.ids)


def test_the_id_is_that_of_the_divergence() -> None:
    ids = b"".join(sorted((X[3].id, Y[3].id)))
    place = AUTHOR + (4).to_bytes(8, "big")
    assert LOWEST.id == hashlib.sha256(b"antsp2p/1/fork\0" + ids + place).digest()
    assert make_proof(AUTHOR, 4, (Y[3], Y[4]), (X[3],)).id == LOWEST.id
    assert make_proof(AUTHOR, 4, (spoiled(X[3]), X[4]), (Y[3],)).id == LOWEST.id
    assert make_proof(AUTHOR, 4, (X[4],), (Y[4],)).id == LOWEST.id
    assert HIGHER.id != LOWEST.id


def test_a_proof_has_its_branches_in_order() -> None:
    for proof in (LOWEST, HIGHER):
        left, right = proof.ids
        assert left < right
    assert not convicts(ForkProof(AUTHOR, 4, LOWEST.right, LOWEST.left))


def test_the_lowest_proof_holds_both_records_on_one_prev() -> None:
    assert LOWEST.is_lowest
    assert make_proof(AUTHOR, 1, (chain(1)[0],), (chain(1, mark=1)[0],)).is_lowest
    assert not HIGHER.is_lowest
    assert not make_proof(AUTHOR, 6, (X[5],), (Y[5],)).is_lowest


def test_what_a_proof_does_not_hold_is_named() -> None:
    assert LOWEST.unknown == ()
    assert HIGHER.unknown == (Y[5].id,)
    assert set(make_proof(AUTHOR, 6, (X[6],), (Y[6],)).unknown) == {X[5].id, Y[5].id}
    assert make_proof(AUTHOR, 6, (X[5],), (Y[5],)).unknown == ()


EVE = extend([], 8, name="eve")


def lowest(one: tuple[Record, ...], other: tuple[Record, ...], seq: int = 4) -> ForkProof:
    return ForkProof(AUTHOR, seq, *sorted(
        (one, other), key=lambda branch: branch[0].id if branch[0].seq == seq else branch[0].prev
    ))


@pytest.mark.parametrize("proof", [
    pytest.param(ForkProof(AUTHOR, 4, (X[3],), (X[3],)), id="one record twice"),
    pytest.param(ForkProof(AUTHOR, 4, (X[3],), (X[4],)), id="one branch twice"),
    pytest.param(lowest((X[3],), (spoiled(X[3], 2),)), id="one record signed twice"),
    pytest.param(lowest((X[3],), (EVE[3],)), id="two authors"),
    pytest.param(replace(LOWEST, author=EVE[0].author), id="another author's name"),
    pytest.param(lowest((X[3], X[5]), (Y[3],)), id="a gap in a branch"),
    pytest.param(lowest((X[3], Y[4]), (Y[3],)), id="a branch that is not linked"),
    pytest.param(lowest((X[5],), (Y[3],)), id="a branch that starts too high"),
    pytest.param(lowest((X[2], X[3]), (Y[3],), seq=4), id="a branch that starts too low"),
    pytest.param(replace(LOWEST, seq=5), id="another seq"),
    pytest.param(replace(LOWEST, seq=0), id="seq 0"),
    pytest.param(replace(LOWEST, seq=-1), id="seq -1"),
    pytest.param(replace(LOWEST, left=()), id="an empty branch"),
    pytest.param(lowest((spoiled(X[3]),), (Y[3],)), id="a top that is not signed"),
    pytest.param(lowest((X[3], spoiled(X[4])), (Y[3],)), id="a signed record below a bad top"),
    pytest.param(
        lowest((X[3],), (extend([], 4, network=b"\1" * 16)[3],)), id="another network on one side"
    ),
])
def test_what_does_not_convict(proof: ForkProof) -> None:
    assert not convicts(proof)


def test_a_proof_convicts_on_its_own_network_only() -> None:
    assert convicts(LOWEST)
    assert not convicts(LOWEST, network=b"\1" * 16)


def test_a_proof_costs_two_checks_and_a_malformed_one_none() -> None:
    verify = CountingVerify()
    assert verify_proof(HIGHER, NETWORK, verify)
    assert verify.calls == 2
    assert not verify_proof(replace(LOWEST, seq=5), NETWORK, verify)
    assert not verify_proof(LOWEST, b"\1" * 16, verify)
    assert verify.calls == 2


def long_branch(length: int, mark: int) -> tuple[Record, ...]:
    records = extend(TRUNK, length, mark=mark, body={0: bytes(700)})[3:]
    return (*map(spoiled, records[:-1]), records[-1])


def test_the_longest_proof_fits_its_bounds() -> None:
    proof = make_proof(
        AUTHOR, 4, long_branch(MAX_BRANCH_RECORDS, 0), long_branch(MAX_BRANCH_RECORDS, 1)
    )
    assert len(proof.left) + len(proof.right) == MAX_PROOF_RECORDS
    assert convicts(proof)
    assert len(encode_proof(proof)) <= MAX_PROOF_BYTES
    assert parse_proof(encode_proof(proof)).id == proof.id


def test_a_longer_branch_is_refused() -> None:
    proof = make_proof(AUTHOR, 4, long_branch(MAX_BRANCH_RECORDS + 1, 0), (Y[3],))
    assert not convicts(proof)
    assert reason_of(encode_proof(proof)) == "proof"


LEFT, RIGHT = ([record.wire for record in side] for side in (LOWEST.left, LOWEST.right))


@pytest.mark.parametrize(("wire", "reason"), [
    pytest.param(b"", "encoding", id="nothing"),
    pytest.param(bytes(MAX_PROOF_BYTES + 1), "too-large", id="too large"),
    pytest.param(encode_proof(LOWEST) + b"\0", "not-deterministic", id="a tail"),
    pytest.param(cbor2.dumps(5), "proof", id="a number"),
    pytest.param(cbor2.dumps([4, LEFT]), "proof", id="two items"),
    pytest.param(cbor2.dumps([4, LEFT, RIGHT, 0]), "proof", id="four items"),
    pytest.param(cbor2.dumps([True, LEFT, RIGHT]), "proof", id="seq true"),
    pytest.param(cbor2.dumps([b"4", LEFT, RIGHT]), "proof", id="seq as bytes"),
    pytest.param(cbor2.dumps([5, LEFT, RIGHT]), "proof", id="another seq"),
    pytest.param(cbor2.dumps([2**62, LEFT, RIGHT]), "proof", id="seq above 2^53"),
    pytest.param(cbor2.dumps([4, RIGHT, LEFT]), "proof", id="branches out of order"),
    pytest.param(cbor2.dumps([4, LEFT, LEFT]), "proof", id="one branch twice"),
    pytest.param(cbor2.dumps([4, [], RIGHT]), "proof", id="an empty branch"),
    pytest.param(cbor2.dumps([4, LEFT * 66, RIGHT]), "proof", id="a branch too long"),
    pytest.param(cbor2.dumps([4, LEFT[0], RIGHT]), "proof", id="a record for a branch"),
    pytest.param(cbor2.dumps([4, [5], RIGHT]), "proof", id="a number for a record"),
    pytest.param(cbor2.dumps([4, [LEFT[0][:-1]], RIGHT]), "outer", id="a record cut short"),
])
def test_each_defect_of_an_encoded_proof_has_its_name(wire: bytes, reason: str) -> None:
    assert reason_of(wire) == reason


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed(data: bytes) -> None:
    reason_of(data)


def test_every_byte_changed_is_malformed_or_convicts_nobody() -> None:
    wire = encode_proof(HIGHER)
    for place in range(len(wire)):
        for flip in (0x01, 0x80):
            changed = bytearray(wire)
            changed[place] ^= flip
            try:
                proof = parse_proof(bytes(changed))
            except Malformed:
                continue
            assert not convicts(proof)
