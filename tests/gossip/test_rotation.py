"""The network's secret changes while links are up: all learn it, nobody loses a link, and who was
away is known by the old one as long as that is good."""
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.limits import DEFAULT_LIMITS, MAX_OVERLAP_MS
from antsp2p.gossip.network_keys import KeyPurpose, NetworkKey
from antsp2p.gossip.outputs import LinkDown, SecretLearned
from antsp2p.gossip.wire import Secret
from tests.gossip.protections import SECRET
from tests.gossip.swarm import SECOND, Peer, Swarm

if TYPE_CHECKING:
    from antsp2p.gossip.outputs import Output

OLD = NetworkKey(SECRET)
NEW = NetworkKey(b"n" * 32, generation=1)
BEFORE = NetworkKey(SECRET, KeyPurpose.PREVIOUS)
HOUR_MS = 3_600_000
DISK_US = 3_000


class Town(Swarm):
    """Peers whose runtime keeps what they learn, and then says so."""

    def note(self, peer: Peer, output: Output) -> None:
        super().note(peer, output)
        if isinstance(output, SecretLearned):
            self.at(self.now_us + DISK_US, lambda: self._kept(peer, output))

    def _kept(self, peer: Peer, learned: SecretLearned) -> None:
        newest = keys_of(peer)[0]
        key = NetworkKey(learned.secret, generation=learned.generation)
        if key.is_later_than(newest):
            before = NetworkKey(newest.secret, KeyPurpose.PREVIOUS, newest.generation)
            change(peer, (key, before), learned.overlap_ms)


def keys_of(peer: Peer) -> tuple[NetworkKey, ...]:
    return peer.gossip._parts.rotation._keys.all()


def change(peer: Peer, keys: tuple[NetworkKey, ...], overlap_ms: int = HOUR_MS) -> None:
    peer.perform(peer.gossip.keys_changed(keys, overlap_ms, peer.swarm.now_us))


def has_been_shown(peer: Peer) -> bool:
    """Whether all that the peer is linked to have shown the newest secret."""
    parts = peer.gossip._parts
    return parts.rotation._shown == {link.id for link in parts.links.all()}


def lost_links(town: Swarm) -> list[LinkDown]:
    """Links that are down; where datagrams are lost, some time out."""
    return [
        output for peer in town.peers for output in peer.outputs
        if isinstance(output, LinkDown) and (not town.loss or output.reason != "timeout")
    ]


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_all_learn_the_new_secret_and_no_link_is_lost(loss: float) -> None:
    town = Town(12, loss=loss)
    town.connect()
    town.run(20 * SECOND)
    peers = list(town.peers)
    change(peers[0], (NEW, BEFORE))
    assert town.run(60 * SECOND, until=lambda: all(keys_of(p)[0] == NEW for p in peers))
    town.run(30 * SECOND)
    assert lost_links(town) == []
    assert town.run(300 * SECOND, until=lambda: all(map(has_been_shown, peers)))


def test_of_two_changes_at_once_all_choose_the_same() -> None:
    town = Town(8)
    town.connect()
    town.run(10 * SECOND)
    first, *_, last = peers = list(town.peers)
    other = NetworkKey(b"o" * 32, generation=1)
    change(first, (NEW, BEFORE))
    change(last, (other, BEFORE))
    town.run(30 * SECOND)
    assert {keys_of(peer)[0] for peer in peers} == {other}


def test_who_calls_with_the_old_secret_is_told_the_new_one() -> None:
    town = Town(2)
    first, second = town.peers
    change(first, (NEW, BEFORE))
    town.connect()
    assert town.run(30 * SECOND, until=lambda: keys_of(second)[0] == NEW)


def test_at_the_end_of_the_overlap_only_who_has_shown_the_new_secret_stays() -> None:
    town = Swarm(3)
    town.connect()
    town.run(10 * SECOND)
    first, second, third = town.peers
    change(first, (NEW, BEFORE))
    change(second, (NEW, BEFORE))
    town.run(10 * SECOND)
    # The third has heard of it, and its disk does not take it.
    assert any(isinstance(output, SecretLearned) for output in third.outputs)
    change(first, (NEW,), 0)
    change(second, (NEW,), 0)
    town.run(SECOND)
    assert first.linked() == {second.author}
    assert [down.reason for down in third.outputs if isinstance(down, LinkDown)] == (
        2 * ["peer-secret"])
    town.run(60 * SECOND)
    assert third.linked() == set()
    assert first.gossip.drops["key"]


def test_a_change_without_telling_closes_every_link() -> None:
    town = Town(3)
    town.connect()
    town.run(10 * SECOND)
    first, second, third = town.peers
    change(first, (NEW,), 0)
    town.run(30 * SECOND)
    assert first.linked() == set()
    assert second.linked() == {third.author}
    assert keys_of(second) == (OLD,)


@pytest.mark.parametrize(("told", "reason"), [
    (Secret(0, b"\0" * 32, 0, 0), "secret-old"),
    (Secret(DEFAULT_LIMITS.secret_step + 1, b"x" * 32, 0, 0), "secret-step"),
])
def test_what_is_not_later_or_much_too_late_is_dropped(told: Secret, reason: str) -> None:
    town = Swarm(2)
    town.connect()
    town.run(10 * SECOND)
    first, second = town.peers
    first.say(second.address, told)
    town.run(SECOND)
    assert second.gossip.drops[reason] == 1
    assert not any(isinstance(output, SecretLearned) for output in second.outputs)


def test_changes_are_kept_at_a_bounded_rate() -> None:
    town = Swarm(2)
    town.connect()
    town.run(10 * SECOND)
    first, second = town.peers
    for generation in range(1, 100):
        first.say(second.address, Secret(generation, b"x" * 32, MAX_OVERLAP_MS, 0))
    town.run(SECOND)
    learned = [output for output in second.outputs if isinstance(output, SecretLearned)]
    assert len(learned) <= DEFAULT_LIMITS.secrets_burst + DEFAULT_LIMITS.secrets_per_s
    assert second.gossip.drops["secret-rate"]


def test_a_secret_that_is_known_is_answered_once() -> None:
    town = Swarm(2)
    town.connect()
    town.run(10 * SECOND)
    first, second = town.peers
    before = second.gossip.frames["secret"]
    first.say(second.address, Secret(0, SECRET, 0, 1))
    town.run(SECOND)
    assert second.gossip.frames["secret"] == before
    first.say(second.address, Secret(0, SECRET, 0, 0))
    town.run(SECOND)
    assert second.gossip.frames["secret"] == before + 1


def test_an_invitation_is_no_key_of_a_network() -> None:
    town = Town(1)
    with pytest.raises(AssertionError, match="opens no link"):
        change(town.peers[0], (OLD, NetworkKey(b"i" * 16, KeyPurpose.INVITATION)))
