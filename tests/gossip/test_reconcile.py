"""Two sets that were reached in any way become one, at a cost that grows with the difference."""
from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.outputs import HeadReported
from antsp2p.gossip.wire import Changes, Leaves, Line, Nodes, Ping, Probe, Since, frame_name
from antsp2p.records.fork import make_proof
from tests.gossip.protections import frames_in
from tests.gossip.swarm import SECOND, Peer, Swarm, identity, record
from tests.gossip.test_hostile import Attacker

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.wire import Address, Frame

_FIRST = 100
"""Authors from here on are nobody's own."""


def give(peer: Peer, index: int, upto: int, salt: int = 0, branch_at: int = 1) -> None:
    """Records that come from nowhere, so that nothing announces them."""
    peer.logs.insert([record(index, seq, salt, branch_at) for seq in range(1, upto + 1)])


def convict(peer: Peer, index: int, seq: int) -> None:
    """A proof that comes from nowhere."""
    left, right = ((record(index, seq, salt, seq),) for salt in (0, 1))
    proof = make_proof(identity(index).author, seq, left, right)
    assert proof is not None
    peer.logs.convict(proof)


def frames_said(swarm: Swarm) -> Counter[str]:
    """Counts, from now on, every frame by its name."""
    counts: Counter[str] = Counter()

    def note(peer: Peer, address: Address, data: bytes) -> None:
        counts.update(frame_name(frame) for frame in frames_in(data))

    swarm.on_send = note
    return counts


def exchanged(counts: Counter[str]) -> int:
    """Frames of reconciliation."""
    return sum(counts[name] for name in
               ("since", "changes", "probe", "nodes", "wantauthors", "leaves"))


def same_set(swarm: Swarm) -> bool:
    if not swarm.agree():
        return False
    sets = {tuple(held.id for held in peer.logs.records()) for peer in swarm.peers}
    proofs = {tuple(proof.seq for proof in peer.logs.proofs()) for peer in swarm.peers}
    return len(sets) == len(proofs) == 1


# --- any way to two sets -------------------------------------------------------------------------


def fill_at_random(peer: Peer, rng: random.Random, authors: int) -> None:
    """Any prefix of any author's log; of some authors one of two histories, or a proof."""
    for index in range(_FIRST, _FIRST + authors):
        kind, upto = rng.randrange(12), rng.randrange(1, 7)
        if index % 9 == 0:
            give(peer, index, upto, salt=rng.randrange(2), branch_at=3)
        elif index % 11 == 0 and kind < 4:
            convict(peer, index, rng.choice([2, 4]))
        elif kind:
            give(peer, index, upto)


@pytest.mark.parametrize("seed", range(12))
def test_any_two_sets_become_one(seed: int) -> None:
    rng = random.Random(seed)
    swarm = Swarm(2, seed=seed, loss=[0.0, 0.3, 0.5][seed % 3])
    swarm.duplication = [0.0, 0.3][seed % 2]
    for peer in swarm.peers:
        fill_at_random(peer, rng, [0, 10, 60, 150][seed % 4])
    swarm.peers[seed % 2].publish(seed % 4)
    swarm.connect()
    assert swarm.run(120 * SECOND, lambda: same_set(swarm))
    swarm.run(3 * SECOND)
    assert same_set(swarm)


def parted_at(index: int) -> Callable[[Peer, Peer], bool]:
    return lambda source, target: (source.index < index) != (target.index < index)


@pytest.mark.parametrize("seed", range(6))
def test_many_sets_become_one_through_restarts_amnesia_and_partitions(seed: int) -> None:
    rng = random.Random(seed)
    swarm = Swarm(5, seed=seed, loss=0.2)
    for peer in swarm.peers:
        fill_at_random(peer, rng, 40)
    swarm.connect()
    for round_ in range(4):
        swarm.run(rng.randrange(3 * SECOND))
        swarm.cut = parted_at(rng.randrange(5))
        for peer in swarm.peers:
            fill_at_random(peer, rng, 40)
        swarm.run(rng.randrange(3 * SECOND))
        old = rng.choice(swarm.peers)
        swarm.remove(old)
        reborn = swarm.add(old.index, boot=round_ + 1, address=old.address)
        for held in old.logs.records() if rng.randrange(2) else ():
            assert reborn.logs.restore([held])
        for peer in swarm.peers:
            reborn.hint(peer)
    swarm.cut = lambda source, target: False
    assert swarm.run(180 * SECOND, lambda: same_set(swarm))


@pytest.mark.parametrize("holder", [0, 1])
def test_a_proof_alone_on_one_side_reaches_the_other(holder: int) -> None:
    swarm = Swarm(2)
    convict(swarm.peers[holder], _FIRST, 4)
    give(swarm.peers[1 - holder], _FIRST, 6)
    swarm.connect()
    assert swarm.run(5 * SECOND, lambda: same_set(swarm))
    leaf = swarm.peers[0].logs.leaf(identity(_FIRST).author)
    assert leaf is not None
    assert (leaf.seq, leaf.convicted_seq) == (3, 4)


def test_own_records_that_may_not_be_shown_are_no_difference() -> None:
    swarm = Swarm(2)
    swarm.connect()
    swarm.run(2 * SECOND)
    counts = frames_said(swarm)
    swarm.peers[0].sign(3)
    swarm.run(10 * SECOND)
    assert counts["ping"] > 0
    assert counts["pong"] > 0
    assert exchanged(counts) == 0
    swarm.peers[0].perform(swarm.peers[0].gossip.publish(3, swarm.now_us))
    assert swarm.run(SECOND, swarm.agree)


def test_the_same_records_are_a_difference_once_they_may_be_shown() -> None:
    swarm = Swarm(2)
    swarm.connect()
    swarm.run(2 * SECOND)
    counts = frames_said(swarm)
    swarm.peers[0].sign(3)
    # Nobody is told of them: the roots alone say so.
    swarm.peers[0].gossip._parts.visible.publish(3)
    assert swarm.run(10 * SECOND, swarm.agree)
    assert exchanged(counts) > 0


# --- changes since a cursor ----------------------------------------------------------------------


def linked_pair(authors: int = 0, loss: float = 0.0) -> Swarm:
    swarm = Swarm(2, loss=loss)
    for peer in swarm.peers:
        for index in range(_FIRST, _FIRST + authors):
            give(peer, index, 1)
    swarm.connect()
    assert swarm.run(10 * SECOND, lambda: swarm.agree() and len(swarm.peers[0].linked()) == 1)
    swarm.run(6 * SECOND)
    return swarm


def test_with_a_warm_cursor_only_changes_are_asked_for() -> None:
    swarm = linked_pair(100)
    counts = frames_said(swarm)
    for index in range(10):
        give(swarm.peers[index % 2], _FIRST + index, 2)
    assert swarm.run(10 * SECOND, swarm.agree)
    assert counts["since"] == 2
    assert counts["changes"] == 2
    assert counts["probe"] == 0


def test_a_cursor_outlives_a_link_but_not_a_run_of_the_peer() -> None:
    swarm = linked_pair(100)
    swarm.cut = lambda source, target: True
    swarm.run(20 * SECOND)
    assert not swarm.peers[0].linked()
    for index in range(10):
        give(swarm.peers[0], _FIRST + index, 2)
    swarm.cut = lambda source, target: False
    counts = frames_said(swarm)
    assert swarm.run(30 * SECOND, swarm.agree)
    assert (counts["since"], counts["probe"]) == (1, 0)
    old = swarm.peers[0]
    swarm.remove(old)
    reborn = swarm.add(0, boot=1, address=old.address)
    for held in old.logs.records():
        assert reborn.logs.restore([held])
    give(reborn, _FIRST, 3)
    counts.clear()
    reborn.hint(swarm.peers[0])
    assert swarm.run(10 * SECOND, swarm.agree)
    assert counts["since"] == 0
    assert counts["probe"] > 0


def test_many_changes_come_in_several_answers() -> None:
    swarm = linked_pair(300, loss=0.2)
    for index in range(300):
        give(swarm.peers[0], _FIRST + index, 2)
    counts = frames_said(swarm)
    assert swarm.run(30 * SECOND, swarm.agree)
    assert counts["since"] >= 4
    assert counts["probe"] == 0


def test_an_empty_node_asks_for_all_there_is() -> None:
    swarm = linked_pair(200)
    counts = frames_said(swarm)
    newcomer = swarm.add(2)
    newcomer.hint(swarm.peers[0])
    assert swarm.run(10 * SECOND, swarm.agree)
    assert counts["since"] > 0
    assert counts["probe"] <= 4, "nobody looks for what differs where nearly all does"


@pytest.mark.parametrize("busy", [False, True])
def test_what_a_cursor_has_passed_over_is_found_all_the_same(busy: bool) -> None:
    """A cursor proves nothing, and where news never stops it always promises more."""
    swarm = linked_pair(100)
    source, target = swarm.peers
    for index in range(5):
        give(source, _FIRST + index, 2)
    cursors = target.gossip._parts.reconcile._cursors
    for run in cursors:
        cursors[run] = source.logs.digest.number
    for _ in range(500 if busy else 0):
        source.publish()
        swarm.run(50_000)
    assert swarm.run(0 if busy else 10 * SECOND, lambda: all(
        target.logs.at(identity(_FIRST + index).author, 2) for index in range(5)))


def test_records_that_were_lost_for_long_are_fetched_when_they_pass() -> None:
    swarm = linked_pair(100)
    lost = {"records"}

    def is_lost(source: Peer, target: Peer) -> bool:
        return bool(lost) and lost <= {frame_name(frame) for frame in last[0]}

    last: list[list[Frame]] = [[]]

    def note(peer: Peer, address: Address, data: bytes) -> None:
        last[0] = frames_in(data)

    swarm.on_send, swarm.cut = note, is_lost
    for index in range(5):
        give(swarm.peers[0], _FIRST + index, 2)
    swarm.run(60 * SECOND)
    assert not swarm.agree()
    lost.clear()
    assert swarm.run(60 * SECOND, swarm.agree)


# --- who asks, and how often ---------------------------------------------------------------------


def test_one_side_probes() -> None:
    swarm = Swarm(2)
    for peer in swarm.peers:
        for index in range(_FIRST, _FIRST + 60):
            give(peer, index, 1 + (index + peer.index) % 2)
    askers: Counter[int] = Counter()

    def note(peer: Peer, address: Address, data: bytes) -> None:
        askers[peer.index] += sum(isinstance(frame, Probe) for frame in frames_in(data))

    swarm.on_send = note
    swarm.peers[1].hint(swarm.peers[0])
    assert swarm.run(5 * SECOND, swarm.agree)
    assert +askers == Counter({1: askers[1]})
    assert askers[1] > 0


def test_equal_nodes_are_silent() -> None:
    swarm = linked_pair(50)
    counts = frames_said(swarm)
    swarm.run(60 * SECOND)
    assert exchanged(counts) == 0
    assert counts["ping"] <= 2 * 13


def test_where_much_changes_a_root_of_a_moment_ago_is_told_with_its_change_number() -> None:
    swarm = linked_pair(300)
    one, other = swarm.peers
    reconcile, limits = one.gossip._parts.reconcile, DEFAULT_LIMITS
    told, number = reconcile.root(swarm.now_us)
    assert (told, number) == (one.logs.root(), one.logs.digest.number)
    give(one, _FIRST, 2)
    few = reconcile.root(swarm.now_us)
    assert few[0] != told
    assert few == (one.logs.root(), one.logs.digest.number)
    for index in range(_FIRST, _FIRST + 300):
        give(one, index, 3)
    assert one.logs.digest.unhashed > limits.root_shelves
    assert reconcile.root(swarm.now_us + limits.root_us - 1) == few
    late = reconcile.root(swarm.now_us + limits.root_us)
    assert late == (one.logs.root(), one.logs.digest.number) != few
    assert swarm.run(20 * SECOND, swarm.agree)
    assert one.logs.root() == other.logs.root()


# --- lies ----------------------------------------------------------------------------------------


def test_lines_of_a_liar_cost_a_bounded_effort_and_honest_peers_agree() -> None:
    """A peer whose root always differs, who claims much and shows nothing."""
    swarm = linked_pair(100)
    peer, rng = swarm.peers[0], random.Random(1)
    liar = Attacker(peer.gossip, 99, ("192.0.2.1", 5), swarm.now_us)
    give(swarm.peers[1], _FIRST, 2)
    said = 0
    for step in range(600):
        now_us = swarm.now_us
        answers = liar.say(now_us, Ping(step, rng.randbytes(16), step * 10, step))
        swarm.arm(peer)
        for answer in answers:
            said += isinstance(answer, Probe | Since)
            replies: list[Frame] = []
            if isinstance(answer, Since):
                line = Line(identity(900 + step % 50).author, 2**40, bytes(8), 0)
                replies.append(Changes(answer.cursor, answer.cursor + 5, 2, (line,)))
            if isinstance(answer, Probe):
                replies.append(Leaves((Line(peer.author, 2**40, bytes(8), 0),)))
            if replies:
                liar.say(now_us, *replies)
        swarm.run(100_000)
    assert swarm.agree()
    assert said < 600
    assert peer.gossip.sizes()["exchanges"] <= DEFAULT_LIMITS.exchanges
    give(swarm.peers[1], _FIRST, 3)
    assert swarm.run(10 * SECOND, swarm.agree)


def test_a_cursor_of_the_future_and_a_foreign_run_get_no_answer() -> None:
    swarm = linked_pair(20)
    peer = swarm.peers[0]
    liar = Attacker(peer.gossip, 99, ("192.0.2.1", 5), swarm.now_us)
    answers = liar.say(swarm.now_us, Since(b"another!", 0), Since(peer_instance(peer), 2**50))
    assert not any(isinstance(answer, Changes) for answer in answers)
    assert peer.gossip.drops["since"] == 2
    answers = liar.say(swarm.now_us, Since(peer_instance(peer), 0))
    assert sum(len(answer.lines) for answer in answers if isinstance(answer, Changes)) == 20


def peer_instance(peer: Peer) -> bytes:
    return peer.gossip._parts.reconcile._instance


def test_probes_beyond_the_rate_are_not_answered() -> None:
    swarm = linked_pair(100)
    peer = swarm.peers[0]
    liar = Attacker(peer.gossip, 99, ("192.0.2.1", 5), swarm.now_us)
    prefixes = tuple(f"{index:02x}" for index in range(64))
    nodes = sum(
        len(answer.nodes) for _ in range(300)
        for answer in liar.say(swarm.now_us, Probe(b"k" * 8, prefixes))
        if isinstance(answer, Nodes)
    )
    assert nodes <= DEFAULT_LIMITS.answered_burst
    assert peer.gossip.drops["probe-rate"] > 0


# --- the own log ---------------------------------------------------------------------------------


def test_a_line_about_the_own_log_is_reported() -> None:
    swarm = linked_pair(30)
    first, second = swarm.peers
    first.publish(3)
    swarm.run(2 * SECOND)
    reborn = Swarm(2, seed=9)
    me, other = reborn.peers
    reborn.connect()
    reborn.run(2 * SECOND)
    give(other, 0, 3)
    me.outputs.clear()
    assert reborn.run(10 * SECOND, reborn.agree)
    reports = [output for output in me.outputs if isinstance(output, HeadReported)]
    assert [(report.peer, report.seq) for report in reports] == [(second.author, 3)]
