"""A key is lost: nodes on a wire, a recovery key, a thief, a successor."""
from __future__ import annotations

from random import Random

from antsp2p.coordination.body import Announce, Offer, Revoke, body_map
from antsp2p.coordination.standing import recovery_digest
from antsp2p.events import (
    Answer,
    Event,
    Notice,
    PeerHint,
    PostTask,
    RevokeKey,
    ServeCapability,
    Woke,
)
from antsp2p.history import StoredRecord
from antsp2p.node import Node
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.records.work import mine
from tests.gossip.protections import protection_of
from tests.test_node import NETWORK, Wire

KEEPER = Identity.from_seed(b"k" * 32)
DIGEST = recovery_digest(KEEPER.author)


def keyed(name: str, history: list[Record] | None = None, suspicion: str = "") -> Node:
    """A node with a recovery key."""
    return Node(
        identity(name), NETWORK, protection=protection_of(identity(name), NETWORK), boot=1,
        instance=name.encode().ljust(8), rng=Random(name),
        now_us=0, wall_ms=0, history=[StoredRecord(record, 0) for record in history or []],
        fresh=not history, recovery=DIGEST, suspicion=suspicion,
    )


def identity(name: str) -> Identity:
    return Identity.from_seed(name.encode().ljust(32))


def revoke(node: Node, author: bytes, successor: bytes = b"", seq: int | None = None) -> bytes:
    """The wire of a revoke at what `node` knows of the author and of the keeper's log."""
    seq = node.last_seq(author) if seq is None else seq
    point, head = node.logs.at(author, seq), node.logs.head(KEEPER.author)
    body = Revoke(author, seq, point.id if point else NO_PREV, successor)
    return sign_record(
        KEEPER, network=NETWORK, seq=head.seq + 1 if head else 1, prev=head.id if head else NO_PREV,
        type=body.type, body=body_map(body), claimed_ms=0,
    ).wire


def wired(*names: str) -> Wire:
    """A wire whose nodes have recovery keys."""
    wire = Wire()
    for name in names:
        wire.nodes[name] = keyed(name)
        wire.disks[name], wire.effects[name], wire.log[name] = [], [], []
    for name in names[1:]:
        wire.give(name, PeerHint(wire.address(names[0]), keep=True))
    wire.run(1)
    return wire


def command(wire: Wire, name: str, event: Event) -> Answer:
    answer = wire.answer(name, event)
    wire.run(2)
    return answer


def test_a_log_begins_with_what_is_to_be_said_of_the_key() -> None:
    wire = wired("poster", "worker")
    command(wire, "poster", PostTask(1, "work", b"input"))
    command(wire, "worker", ServeCapability(1, "agent", "work"))
    for node in wire.nodes.values():
        for other in wire.nodes.values():
            assert node.meaning.standings.recovery(other.author) == DIGEST
    assert wire.nodes["poster"].capabilities.names() == ("work",)
    opening, offer = (wire.nodes["poster"].logs.at(identity("poster").author, n) for n in (1, 2))
    assert opening is not None
    assert offer is not None
    assert (opening.type, offer.type) == (Announce.type, Offer.type)


def test_what_was_said_of_the_key_is_not_said_again() -> None:
    wire = wired("worker")
    command(wire, "worker", ServeCapability(1, "agent", "work"))
    reborn = keyed("worker", list(wire.disks["worker"]))
    answers = reborn.handle(ServeCapability(1, "agent", "work"), 0)
    assert [e.refusal for e in answers if isinstance(e, Answer)] == [""]
    assert reborn.last_seq(reborn.author) == 1


def test_a_successor_takes_over_and_the_old_key_falls_silent() -> None:
    wire = wired("old", "heir", "poster")
    old, heir = wire.nodes["old"], wire.nodes["heir"]
    command(wire, "old", ServeCapability(1, "agent", "work"))
    wire_bytes = revoke(heir, old.author, heir.author)
    answer = command(wire, "heir", RevokeKey(1, wire_bytes, succeed=True))
    assert answer.refusal == ""
    for node in wire.nodes.values():
        assert node.meaning.standing(old.author).named == heir.author
        assert node.meaning.standings.lineage(heir.author) == (heir.author, old.author)
        assert node.capabilities.providers("work") == ()
        assert node.logs.root() == heir.logs.root()
    refused = wire.answer("old", PostTask(5, "work", b"x"))
    assert "revoked" in refused.refusal
    kinds = [e.kind for e in wire.effects["poster"] if isinstance(e, Notice)]
    assert "revoked" in kinds


def test_a_revoke_that_nobody_would_heed_is_refused() -> None:
    wire = wired("old", "heir")
    old, heir = wire.nodes["old"], wire.nodes["heir"]
    unknown = command(wire, "heir", RevokeKey(1, revoke(heir, old.author)))
    assert "first announcement" in unknown.refusal
    command(wire, "old", ServeCapability(1, "agent", "work"))
    other = command(wire, "heir", RevokeKey(2, revoke(heir, old.author, old.author), succeed=True))
    assert "does not name this node" in other.refusal
    assert "no record" in command(wire, "heir", RevokeKey(3, b"junk")).refusal
    own = command(wire, "old", RevokeKey(4, next(iter(wire.disks["old"])).wire))
    assert "no revoke" in own.refusal
    good = revoke(heir, old.author)
    spoiled = good[:-1] + bytes((good[-1] ^ 1,))
    assert "signature" in command(wire, "heir", RevokeKey(5, spoiled)).refusal
    assert heir.logs.head(KEEPER.author) is None


def test_two_revokes_signed_at_once_do_not_fork_the_recovery_log() -> None:
    wire = wired("old", "heir")
    old, heir = wire.nodes["old"], wire.nodes["heir"]
    command(wire, "old", ServeCapability(1, "agent", "work"))
    first, second = revoke(heir, old.author), revoke(heir, old.author, heir.author)
    assert command(wire, "heir", RevokeKey(1, first)).refusal == ""
    assert "does not continue" in command(wire, "heir", RevokeKey(2, second)).refusal
    assert heir.logs.proof(KEEPER.author) is None
    assert command(wire, "heir", RevokeKey(3, revoke(heir, old.author, heir.author))).refusal == ""
    assert heir.meaning.standing(old.author).named == b""


def test_a_node_without_a_network_takes_its_own_revoke_too() -> None:
    wire = wired("old")
    old = wire.nodes["old"]
    command(wire, "old", ServeCapability(1, "agent", "work"))
    assert command(wire, "old", RevokeKey(1, revoke(old, old.author))).refusal == ""
    assert "revoked" in command(wire, "old", PostTask(2, "work", b"x")).refusal
    reborn = keyed("old", [*wire.disks["old"]])
    answers = reborn.handle(PostTask(3, "work", b"x"), 0)
    assert ["revoked" in e.refusal for e in answers if isinstance(e, Answer)] == [True]


def test_an_old_copy_signs_nothing_until_a_peer_knows_its_log() -> None:
    wire = wired("worker", "copied")
    for number in range(3):
        command(wire, "copied", PostTask(number, "work", b"%d" % number))
    history = list(wire.disks["copied"])
    wire.nodes["copied"] = copy = keyed("copied", history[:2], "an old copy")
    assert wire.answer("copied", PostTask(9, "work", b"x")).refusal == "an old copy"
    assert not copy.may_sign
    wire.give("copied", PeerHint(wire.address("worker"), keep=True))
    wire.run(8)
    assert copy.may_sign
    head = copy.logs.head(copy.author)
    assert head is not None
    assert head.seq == len(history)
    assert "confirmed" in [e.kind for e in wire.effects["copied"] if isinstance(e, Notice)]
    assert command(wire, "copied", PostTask(10, "work", b"x")).refusal == ""
    assert wire.nodes["worker"].logs.proof(copy.author) is None


def test_an_old_copy_alone_waits_and_wakes_for_nothing() -> None:
    wire = wired("alone")
    command(wire, "alone", ServeCapability(1, "agent", "work"))
    copy = keyed("alone", list(wire.disks["alone"]), "an old copy")
    now_us = 0
    copy.handle(Woke(), now_us)
    for _ in range(20):
        wake_at = copy.wake_at
        assert wake_at is not None
        assert wake_at > now_us
        now_us = wake_at
        copy.handle(Woke(), now_us)
    assert copy.last_seq(copy.author) == 1


def test_in_a_network_with_a_price_who_has_not_paid_is_out() -> None:
    bits = 8
    payers = {"payer": True, "guest": False}
    wire = Wire()
    for name, pays in payers.items():
        author = identity(name).author
        nonce = mine(NETWORK, author, bits, start=0, tries=1 << 16) if pays else None
        wire.nodes[name] = Node(
            identity(name), NETWORK, protection=protection_of(identity(name), NETWORK), boot=1,
            instance=name.encode().ljust(8), rng=Random(name),
            now_us=0, wall_ms=0, work_bits=bits, work=nonce,
        )
        wire.disks[name], wire.effects[name], wire.log[name] = [], [], []
    wire.give("guest", PeerHint(wire.address("payer"), keep=True))
    wire.run(1)
    for number, name in enumerate(payers):
        assert command(wire, name, ServeCapability(number, "agent", "work")).refusal == ""
    for node in wire.nodes.values():
        providers = [author for author, _ in node.capabilities.providers("work")]
        assert providers == [identity("payer").author]
        assert node.meaning.standing(identity("guest").author).unpaid
