"""Whole networks of engines: everything arrives everywhere, whatever the network does."""
from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.outputs import (
    BeatLearned,
    HeadReported,
    Learned,
    LinkDown,
    LinkUp,
    OwnDisplaced,
)
from antsp2p.records.beat import beat_counter, sign_beat
from tests.gossip.swarm import NETWORK, SECOND, Peer, Swarm, identity, record

if TYPE_CHECKING:
    from antsp2p.gossip.wire import Address


def all_full(swarm: Swarm, authors: int) -> bool:
    return swarm.agree() and all(len(peer.logs.authors()) == authors for peer in swarm.peers)


@pytest.mark.parametrize("loss", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("count", [2, 9, 30])
def test_every_record_reaches_everybody(count: int, loss: float) -> None:
    swarm = Swarm(count, seed=11, loss=loss)
    swarm.connect()
    for peer in swarm.peers:
        peer.publish(2)
    swarm.run(10 * SECOND)
    for peer in swarm.peers:
        peer.publish(2)
    assert swarm.run(120 * SECOND, lambda: all_full(swarm, count))
    for peer in swarm.peers:
        assert all(peer.logs.head(author) is not None for author in peer.logs.authors())
        learned = [
            added.id for output in peer.outputs if isinstance(output, Learned)
            for added in output.insertion.added
        ]
        assert len(learned) == len(set(learned)) == 4 * (count - 1)


def test_nine_nodes_that_know_one_form_a_full_mesh() -> None:
    swarm = Swarm(9)
    swarm.connect()
    assert swarm.run(5 * SECOND, lambda: all(len(peer.linked()) == 8 for peer in swarm.peers))


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_large_network_keeps_its_views_bounded_and_comes_to_rest(seed: int) -> None:
    swarm = Swarm(40, seed=seed)
    swarm.connect()
    swarm.run(60 * SECOND)
    assert all(8 <= len(peer.linked()) <= 13 for peer in swarm.peers)
    # The nearest find each other one look at a time; 150 s is the longest that was seen.
    swarm.run(120 * SECOND)
    before = sum(len(peer.outputs) for peer in swarm.peers)
    swarm.run(30 * SECOND)
    after = sum(len(peer.outputs) for peer in swarm.peers)
    assert after == before, "links must not churn"
    assert all(8 <= len(peer.linked()) <= 13 for peer in swarm.peers)


def test_a_record_takes_one_and_a_half_round_trips() -> None:
    swarm = Swarm(9)
    swarm.delay_us = (1_000, 1_001)
    swarm.connect()
    swarm.run(5 * SECOND)
    start_us = swarm.now_us
    swarm.peers[3].publish()
    swarm.run(SECOND, swarm.agree)
    assert swarm.now_us - start_us <= 3_100


def test_copies_stay_near_one_without_faults() -> None:
    swarm = Swarm(30, seed=4)
    swarm.connect()
    swarm.run(20 * SECOND)
    for peer in swarm.peers:
        peer.publish()
        swarm.run(SECOND // 5)
    assert all_full(swarm, 30)
    size = sum(len(held.wire) for held in swarm.peers[0].logs.records())
    sent = sum(peer.gossip.sent["records"] for peer in swarm.peers)
    assert sent / size / 30 < 1.1


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_late_joiner_catches_up_with_2_000_records(loss: float) -> None:
    swarm = Swarm(4, seed=5)
    for peer in swarm.peers:
        peer.publish(500)
    swarm.connect()
    assert swarm.run(20 * SECOND, lambda: all_full(swarm, 4))
    size = sum(len(held.wire) for held in swarm.peers[0].logs.records())
    swarm.loss = loss
    joiner = swarm.add(50)
    joiner.hint(swarm.peers[0])
    before = swarm.counts["bytes"]
    assert swarm.run(60 * SECOND, swarm.agree)
    assert swarm.counts["bytes"] - before < size * (1.4 if loss == 0 else 2.5)


def test_ages_are_summed_over_hops() -> None:
    swarm = Swarm(3)
    first, middle, last = swarm.peers
    swarm.cut = lambda source, target: {source.index, target.index} == {0, 2}
    first.publish()
    middle.hint(first)
    swarm.run(4 * SECOND)
    last.hint(middle)
    swarm.run(3 * SECOND)
    age_ms = last.gossip.age_ms(record(0, 1).id, swarm.now_us)
    assert 6_950 <= age_ms <= 7_000


def test_a_partition_heals_by_itself() -> None:
    swarm = Swarm(8, seed=6)
    swarm.connect()
    swarm.run(5 * SECOND)
    swarm.cut = lambda source, target: source.index % 2 != target.index % 2
    swarm.run(30 * SECOND)
    assert all(
        {identity(index).author for index in range(peer.index % 2, 8, 2)}
        == peer.linked() | {peer.author}
        for peer in swarm.peers
    )
    for peer in swarm.peers:
        peer.publish(3)
    swarm.run(5 * SECOND)
    assert not swarm.agree()
    swarm.cut = lambda source, target: False
    assert swarm.run(40 * SECOND, lambda: all_full(swarm, 8))


def test_a_long_partition_of_a_large_network_heals() -> None:
    swarm = Swarm(24, seed=7)
    swarm.connect()
    swarm.run(15 * SECOND)
    swarm.cut = lambda source, target: (source.index < 12) != (target.index < 12)
    swarm.run(300 * SECOND)
    for peer in swarm.peers:
        peer.publish(1)
    swarm.cut = lambda source, target: False
    assert swarm.run(60 * SECOND, lambda: all_full(swarm, 24))


def test_duplicated_and_reordered_datagrams_change_nothing() -> None:
    swarm = Swarm(9, seed=8, loss=0.1)
    swarm.duplication = 0.5
    swarm.delay_us = (100, 300_000)
    swarm.connect()
    swarm.run(10 * SECOND)
    for peer in swarm.peers:
        peer.publish(5)
    assert swarm.run(120 * SECOND, lambda: all_full(swarm, 9))


@pytest.mark.parametrize("seed", range(3))
def test_a_busy_process_that_reads_many_datagrams_in_one_turn_sends_nothing_malformed(
    seed: int
) -> None:
    swarm = Swarm(3, seed=seed, loss=0.05)
    swarm.delay_us = (100, 20_000)
    swarm.connect()
    swarm.run(5 * SECOND)
    swarm.row_us = 50_000
    for turn in range(150):
        swarm.peers[turn % 2].publish()
        swarm.run(7_000)
    assert swarm.run(30 * SECOND, swarm.agree)
    drops = {reason for peer in swarm.peers for reason in peer.gossip.drops}
    assert not {reason for reason in drops if reason.startswith("frame")}


@pytest.mark.parametrize("seed", range(6))
def test_calls_that_cross_between_late_readers_come_to_one_link_a_pair_that_stays(
    seed: int
) -> None:
    swarm = Swarm(5, seed=seed)
    swarm.delay_us, swarm.row_us = (100, 20_000), 200_000
    swarm.connect()
    assert swarm.run(10 * SECOND, lambda: all(len(peer.linked()) == 4 for peer in swarm.peers))
    swarm.run(5 * SECOND)
    assert all(len(peer.gossip.links()) == 4 for peer in swarm.peers)
    assert not [
        output for peer in swarm.peers for output in peer.outputs if isinstance(output, LinkDown)
    ]
    assert {reason for peer in swarm.peers for reason in peer.gossip.drops} <= {"unasked"}


def test_a_restarted_peer_is_recognised_at_once_and_hears_its_head() -> None:
    swarm = Swarm(2)
    swarm.connect()
    swarm.peers[1].publish(3)
    swarm.run(5 * SECOND)
    old = swarm.peers[1]
    swarm.remove(old)
    reborn = swarm.add(1, boot=1, address=old.address)
    reborn.hint(swarm.peers[0])
    swarm.run(SECOND // 10)
    assert reborn.linked() == {swarm.peers[0].author}
    assert swarm.peers[0].linked() == {reborn.author}
    reports = [output for output in reborn.outputs if isinstance(output, HeadReported)]
    assert (reports[0].seq, reports[0].head) == (3, record(1, 3).id)
    assert swarm.run(SECOND, swarm.agree)
    assert reborn.gossip.published == 3


def test_a_peer_that_lost_its_links_is_heard_again_at_once() -> None:
    """Its old links are answered with GONE, although it knows nobody to dial."""
    swarm = Swarm(2)
    swarm.connect()
    swarm.run(5 * SECOND)
    old = swarm.peers[0]
    swarm.remove(old)
    reborn = swarm.add(0, boot=1, address=old.address)
    assert swarm.run(7 * SECOND, lambda: len(reborn.linked()) == 1)


def test_heads_are_reported_on_every_link_up() -> None:
    swarm = Swarm(3)
    swarm.peers[1].publish(2)
    swarm.connect()
    swarm.run(2 * SECOND)
    for peer in swarm.peers:
        ups = [output.author for output in peer.outputs if isinstance(output, LinkUp)]
        reports = [output for output in peer.outputs if isinstance(output, HeadReported)]
        assert {report.peer for report in reports} >= set(ups)
    assert HeadReported(swarm.peers[0].author, 0, bytes(32)) in swarm.peers[1].outputs


def test_own_records_above_published_never_leave() -> None:
    swarm = Swarm(4, seed=9, loss=0.2)
    shown: list[bytes] = []

    def watch(peer: Peer, address: Address, data: bytes) -> None:
        shown.append(data)

    swarm.on_send = watch
    author = swarm.peers[0]
    author.publish(3)
    author.sign(4)
    swarm.connect()
    swarm.run(20 * SECOND)
    hidden = [record(0, seq) for seq in range(4, 8)]
    for data in shown:
        for secret in hidden:
            assert secret.payload not in data
            assert secret.id[:8] not in data, "not as a head, an advert or an answer"
    others = swarm.peers[1:]
    assert all(peer.logs.head(author.author) == others[0].logs.head(author.author)
               for peer in others)
    author.perform(author.gossip.publish(7, swarm.now_us))
    assert swarm.run(20 * SECOND, swarm.agree)


def test_own_unsent_records_give_way_to_own_records_that_peers_have() -> None:
    """A restored backup: the peers hold more of our log than we do."""
    swarm = Swarm(2)
    holder, restored = swarm.peers
    for seq in range(1, 6):
        holder.logs.insert([record(1, seq)])
    for seq in range(1, 3):
        restored.logs.insert([record(1, seq)])
    restored.logs.insert([record(1, 3, salt=1, branch_at=3)])
    restored.perform(restored.gossip.publish(2, 0))
    swarm.connect()
    assert swarm.run(3 * SECOND, swarm.agree)
    displaced = [output for output in restored.outputs if isinstance(output, OwnDisplaced)]
    assert [[held.seq for held in output.records] for output in displaced] == [[3]]
    assert restored.logs.proof(restored.author) is None
    assert holder.logs.proof(restored.author) is None
    assert restored.gossip.published == 5


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_everybody_convicts_a_forker(loss: float) -> None:
    swarm = Swarm(9, seed=10, loss=loss)
    swarm.connect()
    swarm.run(5 * SECOND)
    for seq in range(1, 6):
        swarm.peers[0].logs.insert([record(77, seq)])
        swarm.peers[1].logs.insert([record(77, seq, salt=1, branch_at=3)])
    forker = identity(77).author
    assert swarm.run(30 * SECOND, lambda: all(
        peer.logs.proof(forker) is not None for peer in swarm.peers
    ))
    assert swarm.run(30 * SECOND, swarm.agree)
    for peer in swarm.peers:
        leaf = peer.logs.leaf(forker)
        assert leaf is not None
        assert (leaf.seq, leaf.convicted_seq) == (2, 3)


def test_a_proof_is_repaired_by_the_digest() -> None:
    swarm = Swarm(2)
    convicted, ignorant = swarm.peers
    for seq in range(1, 4):
        convicted.logs.insert([record(77, seq)])
        ignorant.logs.insert([record(77, seq)])
    convicted.logs.insert([record(77, 2, salt=1, branch_at=2)])
    assert convicted.logs.proof(identity(77).author) is not None
    swarm.connect()
    assert swarm.run(5 * SECOND, swarm.agree)
    assert ignorant.logs.proof(identity(77).author) is not None


def test_beats_reach_everybody_once_and_in_order() -> None:
    swarm = Swarm(9)
    swarm.connect()
    swarm.peers[4].publish()
    swarm.run(5 * SECOND)
    beats = [
        sign_beat(
            identity(4), network=NETWORK, counter=beat_counter(1, n), head_seq=1,
            head=record(4, 1).id, free_slots=1, load=0, claims=[],
        )
        for n in (1, 2)
    ]
    for beat in (beats[0], beats[1], beats[0]):
        swarm.peers[4].perform(swarm.peers[4].gossip.publish_beat(beat, swarm.now_us))
        swarm.run(SECOND)
    for peer in swarm.peers:
        learned = [out.beat.counter for out in peer.outputs if isinstance(out, BeatLearned)]
        expected = [] if peer.index == 4 else [beat.counter for beat in beats]
        assert learned == expected
    late = swarm.add(20)
    late.hint(swarm.peers[4])
    # The first link tells its beats before its records; one of the later links tells them again.
    swarm.run(3 * SECOND)
    assert any(isinstance(out, BeatLearned) for out in late.outputs)


def test_a_stalled_node_loses_no_links() -> None:
    """What stood still was the node's own loop: no peer is to blame."""
    swarm = Swarm(3)
    swarm.connect()
    swarm.run(8 * SECOND)
    stalled = swarm.peers[0].gossip
    later_us = swarm.now_us + 60 * SECOND
    outputs = stalled.wake(later_us)
    outputs += stalled.wake(later_us + 1_000)
    assert not any(isinstance(output, LinkDown) for output in outputs)
    assert len(stalled.links()) == 2


def test_a_dead_peer_is_noticed_within_the_stated_time() -> None:
    swarm = Swarm(2)
    swarm.connect()
    swarm.run(60 * SECOND)
    dead = swarm.peers[1]
    swarm.remove(dead)
    start_us = swarm.now_us
    assert swarm.run(15 * SECOND, lambda: not swarm.peers[0].linked())
    assert 4 * SECOND <= swarm.now_us - start_us <= 14_200_000
    assert any(
        isinstance(output, LinkDown) and output.reason == "timeout"
        for output in swarm.peers[0].outputs
    )


def test_an_idle_link_costs_little() -> None:
    swarm = Swarm(2)
    swarm.peers[0].publish(3)
    swarm.connect()
    swarm.run(60 * SECOND)
    before = swarm.counts["bytes"]
    swarm.run(60 * SECOND)
    assert (swarm.counts["bytes"] - before) / 2 / 60 < 60


def test_addresses_of_authors_are_known() -> None:
    swarm = Swarm(30, seed=3)
    swarm.connect()
    swarm.run(40 * SECOND)
    peer = swarm.peers[5]
    for other in swarm.peers:
        if other is not peer:
            assert peer.gossip.address_of(other.author) == other.address
    assert peer.gossip.address_of(identity(999).author) is None


def test_leaving_says_goodbye() -> None:
    swarm = Swarm(3)
    swarm.connect()
    swarm.run(3 * SECOND)
    leaver = swarm.peers[2]
    leaver.perform(leaver.gossip.leave(swarm.now_us))
    swarm.remove(leaver)
    swarm.run(SECOND // 10)
    assert all(leaver.author not in peer.linked() for peer in swarm.peers)


TRACE = """
from tests.gossip.swarm import SECOND, Swarm
swarm = Swarm(12, seed=21, loss=0.2)
swarm.duplication = 0.1
swarm.connect()
swarm.run(5 * SECOND)
for peer in swarm.peers:
    peer.publish(3)
swarm.run(20 * SECOND)
print(swarm.trace.hexdigest())
"""


def test_one_seed_gives_one_trace_under_any_hash_seed() -> None:
    traces = {
        subprocess.run(
            [sys.executable, "-c", TRACE], capture_output=True, check=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(traces) == 1
