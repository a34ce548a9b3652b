"""What a hostile author leaves unsigned still travels, under what covers it."""
from __future__ import annotations

import pytest

from antsp2p.gossip.wire import Range, Records, Want
from antsp2p.records.record import Record, parse_record
from tests.gossip.swarm import SECOND, Swarm, identity, record
from tests.gossip.test_hostile import Attacker, alone


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


@pytest.mark.parametrize("signed_every", [1, 2, 3, 5, 11])
def test_every_range_of_a_log_with_gaps_in_its_signatures_is_answered(signed_every: int) -> None:
    gossip = alone()
    run = [
        spoiled(record(77, seq)) if seq % signed_every and seq < 33 else record(77, seq)
        for seq in range(1, 34)
    ]
    assert gossip._parts.visible.logs.insert(run).added
    attacker = Attacker(gossip, 1, ("192.0.2.1", 5))
    ranges = [(first, last) for first in range(1, 14) for last in range(first, 34)]
    now_us = 0
    for first, last in ranges:
        now_us += SECOND
        (*_, end) = attacker.say(now_us, Want(1, (Range(identity(77).author, first, last),)))
        assert isinstance(end, Records)
        assert end.last
