"""A new proof reaches whoever missed it by a line of the digest, long before roots are compared."""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.wire import Part, WantProofs, encode_frame
from antsp2p.records.fork import encode_proof, make_proof, parse_proof
from tests.gossip.swarm import SECOND, Swarm, identity, record

if TYPE_CHECKING:
    from tests.gossip.swarm import Peer

FORKER = 77
TELL_US = DEFAULT_LIMITS.proof_tell_us


def linked(count: int, seed: int = 1) -> Swarm:
    """Peers that are all linked to each other, with equal sets."""
    swarm = Swarm(count, seed)
    for one in swarm.peers:
        for other in swarm.peers:
            if one is not other:
                one.hint(other)
    assert swarm.run(5 * SECOND, lambda: all(
        len(peer.linked()) == count - 1 for peer in swarm.peers))
    swarm.run(2 * SECOND)
    return swarm


def convict(peer: Peer) -> None:
    """The peer finds the forker out by itself."""
    author = identity(FORKER).author
    proof = make_proof(author, 1, (record(FORKER, 1),), (record(FORKER, 1, 1, 1),))
    assert peer.logs.convict(proof).convicted is not None
    peer.perform(peer.gossip.publish_proof(author, peer.swarm.now_us))


def knows(peer: Peer) -> bool:
    return peer.logs.proof(identity(FORKER).author) is not None


def sent(swarm: Swarm, name: str) -> Counter[int]:
    """How many frames of this name each peer has sent."""
    return Counter({peer.index: peer.gossip.frames[name] for peer in swarm.peers})


def test_a_proof_whose_datagram_is_lost_comes_on_asking_for_it() -> None:
    swarm = linked(2)
    first, second = swarm.peers
    swarm.cut = lambda source, target: source is first
    convict(first)
    swarm.run(TELL_US // 2)
    swarm.cut = lambda source, target: False
    assert not knows(second)
    assert swarm.run(TELL_US, lambda: knows(second))
    assert second.gossip.frames["wantproofs"] == 1


def test_a_line_that_is_lost_is_said_again_ever_more_rarely() -> None:
    swarm = linked(2)
    first, second = swarm.peers
    before = first.gossip.frames["leaves"]
    swarm.cut = lambda source, target: source is first
    convict(first)
    swarm.run(2 * TELL_US)
    assert first.gossip.frames["leaves"] == before + 1
    swarm.run(2 * TELL_US)
    assert first.gossip.frames["leaves"] == before + 2
    swarm.cut = lambda source, target: False
    assert swarm.run(4 * TELL_US, lambda: knows(second))
    swarm.run(20 * TELL_US)
    assert first.gossip.frames["leaves"] <= before + DEFAULT_LIMITS.proof_tells


def test_whoever_has_shown_that_it_knows_is_not_told_again() -> None:
    swarm = linked(4)
    before = sent(swarm, "leaves")
    convict(swarm.peers[0])
    swarm.run(40 * TELL_US)
    assert all(map(knows, swarm.peers))
    told = sent(swarm, "leaves") - before
    # Each of the others has confirmed it once, where it came from, and it came on all other links.
    assert told == Counter({1: 1, 2: 1, 3: 1})
    assert sent(swarm, "wantproofs").total() == 0


def test_a_proof_is_sent_to_who_asks_once_in_a_while() -> None:
    swarm = linked(2)
    first, second = swarm.peers
    convict(first)
    swarm.run(TELL_US)
    parts = first.gossip.frames["part"]
    for _ in range(5):
        second.say(first.address, WantProofs((identity(FORKER).author,)))
    swarm.run(TELL_US)
    assert first.gossip.frames["part"] == parts + 1
    swarm.run(DEFAULT_LIMITS.proof_ask_us)
    second.say(first.address, WantProofs((identity(FORKER).author,)))
    swarm.run(TELL_US)
    assert first.gossip.frames["part"] == parts + 2


def test_a_proof_with_a_wrong_signature_is_counted_and_held_against_the_peer() -> None:
    swarm = linked(2)
    first, second = swarm.peers
    author = identity(FORKER).author
    proof = make_proof(author, 1, (record(FORKER, 1),), (record(FORKER, 1, 1, 1),))
    forged = bytearray(encode_proof(proof))
    forged[-1] ^= 1
    forgery = parse_proof(bytes(forged))
    for _ in range(3):
        second.say(first.address, Part(0, author, forgery.id, 0, 0, 1, bytes(forged)))
    swarm.run(TELL_US)
    assert first.gossip.drops["proof-signature"] == 3
    assert not knows(first)
    [link] = first.gossip.links()
    assert link.used["link"]["bad_signatures"] == 3
    second.say(first.address, Part(0, author, proof.id, 0, 0, 1, encode_proof(proof)))
    swarm.run(TELL_US)
    assert knows(first)


def test_tables_of_proofs_are_bounded() -> None:
    swarm = linked(2)
    first, second = swarm.peers
    most = DEFAULT_LIMITS.proof_marks
    for index in range(100, 100 + most + 20):
        author = identity(index).author
        proof = make_proof(author, 1, (record(index, 1),), (record(index, 1, 1, 1),))
        first.logs.convict(proof)
        first.perform(first.gossip.publish_proof(author, swarm.now_us))
        part = Part(0, author, proof.id, 0, 0, 1, b"")
        assert len(encode_frame(part)) < 200
    assert first.gossip.sizes()["proofs-told"] == most
    swarm.run(2 * SECOND)
    assert first.gossip.sizes()["proofs-told"] == 0
    assert second.gossip.sizes()["proofs-shown"] <= most
    assert swarm.run(30 * SECOND, lambda: len(second.logs.proofs()) == most + 20)
