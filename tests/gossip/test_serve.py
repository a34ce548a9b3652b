"""What a hostile author leaves unsigned still travels, under what covers it."""
from __future__ import annotations

import pytest

from antsp2p.records.record import Record, parse_record
from tests.gossip.swarm import SECOND, Swarm, identity, record


def spoiled(held: Record) -> Record:
    """The same record with a signature that does not verify."""
    return parse_record(held.wire[:-1] + bytes((held.wire[-1] ^ 1,)))


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_long_unsigned_stretch_reaches_everybody_and_nobody_is_blamed(loss: float) -> None:
    swarm = Swarm(3, seed=3, loss=loss)
    swarm.connect()
    swarm.run(5 * SECOND)
    run = [spoiled(record(77, seq)) if seq % 30 else record(77, seq) for seq in range(1, 61)]
    assert swarm.peers[0].logs.insert(run[:30]).added
    assert swarm.peers[0].logs.insert(run[30:]).added
    assert swarm.run(60 * SECOND, swarm.agree)
    assert not any(peer.gossip.drops["record-signature"] for peer in swarm.peers)


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_proof_of_many_parts_reaches_everybody(loss: float) -> None:
    swarm = Swarm(3, seed=4, loss=loss)
    swarm.connect()
    swarm.run(5 * SECOND)
    for salt in (0, 1):
        branch = [record(77, 1)] + [
            spoiled(record(77, seq, salt, 2)) if seq < 60 else record(77, seq, salt, 2)
            for seq in range(2, 61)
        ]
        swarm.peers[0].logs.insert(branch)
    proof = swarm.peers[0].logs.proof(identity(77).author)
    assert proof is not None
    assert len(proof.left) > 50
    assert swarm.run(60 * SECOND, swarm.agree)
    for peer in swarm.peers:
        leaf = peer.logs.leaf(identity(77).author)
        assert leaf is not None
        assert (leaf.seq, leaf.convicted_seq) == (1, 2)
