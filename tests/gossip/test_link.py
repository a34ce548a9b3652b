"""Links: addresses are proven on both sides, crossings and restarts end in one link."""
from __future__ import annotations

import random
from collections import Counter

from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.link import Closed, Holding, Link, Links, Opened, Own, Reached, Refused
from antsp2p.gossip.wire import PeerAddress, Ping, encode_frame
from tests.gossip.swarm import NETWORK, SECOND, identity

A = ("192.0.2.1", 1)
B = ("192.0.2.2", 2)
C = ("2001:db8::3", 3)
LOW, HIGH = sorted((identity(1).author, identity(2).author))
PING = encode_frame(Ping(1, bytes(16), 0, 1))


class Side:
    """One node's links, which answer by themselves."""

    def __init__(self, me: bytes, boot: int = 0) -> None:
        self.drops: Counter[str] = Counter()
        self.full: tuple[PeerAddress, ...] | None = None
        self.links = Links(
            network=NETWORK, me=me, instance=bytes(7) + bytes((boot,)),
            rng=random.Random(f"{me!r} {boot}"), now_us=0, limits=DEFAULT_LIMITS,
            drops=self.drops, holding=lambda author: Holding(4, b"h" * 32, b"r" * 16),
            room=lambda *caller: self.full,
        )
        self.changes: list[object] = []
        self.frames: list[object] = []

    def read(self, source: tuple[str, int], data: bytes, now_us: int = 0) -> list[bytes]:
        reading = self.links.read(source, data, now_us)
        self.changes += reading.changes
        self.frames += reading.frames if reading.link else []
        return [self.links.reply(reading.reply_token, reading.replies)] if reading.replies else []

    def write(self) -> list[bytes]:
        return [data for link in self.links.all() for data in self.links.write(link, [PING])]


def handshake(one: Side, other: Side) -> None:
    """`one` at A dials `other` at B."""
    (welcome,) = other.read(A, one.links.dial(B))
    one.read(B, welcome)
    for data in one.write():
        other.read(A, data)
    for data in other.write():
        one.read(B, data)


def opened(side: Side) -> list[Link]:
    return [change.link for change in side.changes if isinstance(change, Opened)]


def test_a_handshake_opens_both_ends_and_tells_heads() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    assert [change for side in (one, other) for change in side.changes] == [
        Opened(one.links.all()[0], 4, b"h" * 32), Opened(other.links.all()[0], 4, b"h" * 32)
    ]
    assert one.links.all()[0].confirmed
    assert other.frames == one.frames == [Ping(1, bytes(16), 0, 1)]


def test_a_lost_confirm_is_repeated_with_everything_that_follows() -> None:
    one, other = Side(LOW), Side(HIGH)
    (welcome,) = other.read(A, one.links.dial(B))
    one.read(B, welcome)
    one.write()
    assert not opened(other)
    for data in one.write():
        other.read(A, data)
    assert len(opened(other)) == 1


def test_a_repeated_welcome_confirms_nothing() -> None:
    one, other = Side(LOW), Side(HIGH)
    (welcome,) = other.read(A, one.links.dial(B))
    one.read(B, welcome)
    one.read(B, welcome)
    assert not one.links.all()[0].confirmed
    assert len(opened(one)) == 1


def test_hellos_that_cross_end_in_the_one_of_the_lower_key() -> None:
    low, high = Side(LOW), Side(HIGH)
    (from_high,) = high.read(A, low.links.dial(B))
    (from_low,) = low.read(B, high.links.dial(A))
    low.read(B, from_high)
    high.read(A, from_low)
    crossing = low.write(), high.write()
    for data in crossing[0]:
        high.read(A, data)
    for data in crossing[1]:
        low.read(B, data)
    (kept_low,), (kept_high,) = low.links.all(), high.links.all()
    assert kept_low.initiated
    assert not kept_high.initiated
    assert kept_low.token_out == kept_high.token_in
    assert low.drops["link-duplicate"] + low.drops["token"] + low.drops["unlinked"] >= 0
    low.frames.clear()
    for data in high.write():
        low.read(B, data)
    assert low.frames == [Ping(1, bytes(16), 0, 1)]


def test_a_second_address_of_a_linked_peer_is_only_noted() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    (welcome,) = other.read(C, one.links.dial(C))
    one.read(C, welcome)
    assert one.changes[-1] == Reached(C, HIGH)
    assert len(one.links) == 1


def test_another_run_at_the_same_address_takes_its_place() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    reborn = Side(LOW, boot=1)
    handshake(reborn, other)
    reasons = [change.reason for change in other.changes if isinstance(change, Closed)]
    assert reasons == ["restarted"]
    assert [link.instance[-1] for link in other.links.all()] == [1]


def test_a_claimed_key_cannot_push_out_links_elsewhere() -> None:
    victim = Side(HIGH)
    for boot, address in enumerate((A, B, C)):
        claimant = Side(LOW, boot=boot)
        (welcome,) = victim.read(address, claimant.links.dial(("192.0.2.9", 9)))
        claimant.read(("192.0.2.9", 9), welcome)
        for data in claimant.write():
            victim.read(address, data)
    assert [link.address for link in victim.links.of(LOW)] == [A, B]
    assert victim.drops["author-full"] == 1


def test_a_forgotten_link_is_told_so() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    other.links.close(other.links.all()[0], "timeout")
    (data,) = one.write()
    (gone,) = other.read(A, data)
    one.read(B, gone)
    assert isinstance(one.changes[-1], Closed)
    assert one.changes[-1].reason == "gone"


def test_a_forged_gone_closes_nothing() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    third = Side(identity(3).author)
    (gone,) = third.read(A, other.write()[0][:20] + b"f" * 8 + other.write()[0][28:])
    one.read(B, gone)
    assert len(one.links) == 1
    assert one.drops["token"] == 1


def test_no_room_names_others() -> None:
    one, other = Side(LOW), Side(HIGH)
    other.full = (PeerAddress(identity(3).author, b"\x0a\x00\x00\x03", 7),)
    (busy,) = other.read(A, one.links.dial(B))
    one.read(B, busy)
    assert one.changes == [Refused(B, other.full)]


def test_ones_own_hello_is_recognised() -> None:
    one = Side(LOW)
    assert one.read(B, one.links.dial(A)) == []
    assert one.changes == [Own(A)]
    twin = Side(LOW, boot=1)
    assert one.read(B, twin.links.dial(A)) == []
    assert one.drops["own-key"] == 1


def test_a_cookie_grows_old() -> None:
    one, other = Side(LOW), Side(HIGH)
    (welcome,) = other.read(A, one.links.dial(B), 0)
    one.read(B, welcome)
    for data in one.write():
        other.read(A, data, 61 * SECOND)
    assert not other.links.all()
    assert other.drops["cookie"] == 1
