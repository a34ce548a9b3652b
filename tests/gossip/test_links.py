"""Links: both sides are proven, crossings and restarts end in one link."""
from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.handshake import (
    hello_payload,
    make_confirm,
    make_hello,
    make_welcome,
    split_hello,
)
from antsp2p.gossip.limits import DEFAULT_LIMITS, HELLO_BYTES, MIN_HELLO_BYTES
from antsp2p.gossip.link import (
    Closed,
    Doubted,
    Holding,
    Link,
    Opened,
    Own,
    Reached,
    Refused,
)
from antsp2p.gossip.links import Links
from antsp2p.gossip.network_keys import KeyPurpose, KeyRing, NetworkKey, link_key
from antsp2p.gossip.protection import protect
from antsp2p.gossip.suite import NOISE
from antsp2p.gossip.wire import (
    Confirm,
    Entry,
    Frame,
    Hello,
    News,
    PeerAddress,
    Ping,
    Welcome,
    encode_frame,
)
from antsp2p.records.work import mine
from tests.gossip.protections import SECRET
from tests.gossip.swarm import NETWORK, SECOND, cached_verify, identity, record

if TYPE_CHECKING:
    from antsp2p.gossip.suite import Suite
    from antsp2p.records.keys import Identity

A = ("192.0.2.1", 1)
B = ("192.0.2.2", 2)
C = ("2001:db8::3", 3)
D = ("192.0.2.4", 4)
LOW, HIGH = sorted((identity(1), identity(2)), key=lambda each: each.author)
PING = Ping(1, bytes(16), 0, 1)
NEW = News(0, 1, (Entry(0, record(1, 1).wire),))
MEMBER = NetworkKey(SECRET)


class Side:
    """One node's links, which answer by themselves."""

    def __init__(
        self, me: Identity, boot: int = 0, keys: tuple[NetworkKey, ...] = (MEMBER,),
        network: bytes = NETWORK, suite: Suite = NOISE, work: tuple[int, int] = (0, 0),
    ) -> None:
        self.drops: Counter[str] = Counter()
        self.full: tuple[PeerAddress, ...] | None = None
        self.keys = KeyRing(network, keys)
        rng = random.Random(f"{me.author!r} {boot}")
        self.protection = protect(
            me, network, self.keys, rng.randbytes, suite, work_bits=work[0], work=work[1])
        self.links = Links(
            protection=self.protection, instance=bytes(7) + bytes((boot,)), now_us=0,
            limits=DEFAULT_LIMITS, drops=self.drops, verify=cached_verify,
            holding=lambda author: Holding(4, b"h" * 32, b"r" * 16),
            room=lambda *caller: self.full,
        )
        self.changes: list[object] = []
        self.frames: list[object] = []

    def read(self, source: tuple[str, int], data: bytes, now_us: int = 0) -> list[bytes]:
        reading = self.links.read(source, data, now_us)
        self.changes += reading.changes
        self.frames += reading.frames
        return [reply.data for reply in reading.replies]

    def write(self, frame: Frame = PING, now_us: int = 0) -> list[bytes]:
        return [
            data for link in self.links.all()
            for data in self.links.write(link, [encode_frame(frame)], now_us)
        ]

    @property
    def link(self) -> Link:
        (link,) = self.links.all()
        return link


def handshake(one: Side, other: Side, now_us: int = 0) -> None:
    """`one` at A dials `other` at B."""
    (welcome,) = other.read(A, one.links.dial(B, now_us), now_us)
    one.read(B, welcome, now_us)
    for data in one.write(now_us=now_us):
        other.read(A, data, now_us)
    for data in other.write(now_us=now_us):
        one.read(B, data, now_us)


def opened(side: Side) -> list[Link]:
    return [change.link for change in side.changes if isinstance(change, Opened)]


def test_a_handshake_opens_both_ends_and_tells_heads() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    assert [change for side in (one, other) for change in side.changes] == [
        Opened(one.link, 4, b"h" * 32), Opened(other.link, 4, b"h" * 32)
    ]
    assert one.link.confirmed
    assert (one.link.author, other.link.author) == (HIGH.author, LOW.author)
    assert other.frames == one.frames == [PING]
    assert not one.drops + other.drops


def test_nothing_readable_is_on_the_wire() -> None:
    one, other = Side(LOW), Side(HIGH)
    hello = one.links.dial(B, 0)
    (welcome,) = other.read(A, hello)
    one.read(B, welcome)
    said = one.write(NEW)
    wire = hello + welcome + b"".join(said)
    for secret in (LOW.author, HIGH.author, record(1, 1).wire[:40], SECRET):
        assert secret not in wire


def test_every_flipped_byte_of_every_datagram_is_dropped() -> None:
    one, other = Side(LOW), Side(HIGH)
    hello = one.links.dial(B, 0)

    def refused(reader: Side, source: tuple[str, int], data: bytes) -> None:
        for at in range(len(data)):
            bad = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
            before = reader.drops.total()
            assert not [reply for reply in reader.read(source, bad) if reply[0] & 0x0F != 5]
            assert reader.drops.total() == before + 1
        assert not reader.changes

    refused(other, A, hello)
    (welcome,) = other.read(A, hello)
    refused(one, B, welcome)
    one.read(B, welcome)
    confirm, sealed = one.write()
    refused(other, A, confirm)
    other.read(A, confirm)
    other.changes.clear()
    refused(other, A, sealed)
    other.read(A, sealed)
    assert other.frames == [PING]


@pytest.mark.parametrize(("stranger", "reason"), [
    (Side(LOW, keys=(NetworkKey(b"another secret".ljust(32)),)), "key"),
    (Side(LOW, network=b"m" * 16), "network"),
])
def test_a_stranger_is_told_nothing(stranger: Side, reason: str) -> None:
    other = Side(HIGH)
    assert other.read(A, stranger.links.dial(B, 0)) == []
    assert other.drops == {reason: 1}


def test_a_member_cannot_say_that_he_is_another() -> None:
    liar, other = Side(LOW), Side(HIGH)
    object.__setattr__(liar.protection, "author", identity(3).author)
    liar.links._greetings._me = identity(3).author
    (welcome,) = other.read(A, liar.links.dial(B, 0))
    liar.read(B, welcome)
    for data in liar.write():
        other.read(A, data)
    assert other.drops["link-signature"] == 1
    assert not other.links.all()


def test_a_lost_confirm_is_repeated_with_everything_that_follows() -> None:
    one, other = Side(LOW), Side(HIGH)
    (welcome,) = other.read(A, one.links.dial(B, 0))
    one.read(B, welcome)
    one.write()
    assert not opened(other)
    for data in one.write():
        other.read(A, data)
    assert len(opened(other)) == 1
    for data in one.write():
        other.read(A, data)
    assert len(opened(other)) == 1, "a third confirm changes nothing"
    assert len(other.frames) == 2


def test_what_overtakes_the_confirm_is_read_after_it() -> None:
    one, other = Side(LOW), Side(HIGH)
    (welcome,) = other.read(A, one.links.dial(B, 0))
    one.read(B, welcome)
    confirm, sealed = one.write()
    assert other.read(A, sealed) == []
    assert other.frames == []
    other.read(A, confirm)
    assert other.frames == [PING]
    assert other.links.all()


def test_a_repeated_hello_is_the_same_and_gets_the_same_answer() -> None:
    one, other = Side(LOW), Side(HIGH)
    first, second = (one.links.dial(B, now_us) for now_us in (0, SECOND))
    assert first == second
    (welcome,), (again,) = other.read(A, first), other.read(A, second)
    assert welcome == again
    one.read(B, welcome)
    one.read(B, again)
    assert not one.link.confirmed
    assert len(opened(one)) == 1
    assert one.drops == {"unasked": 1}
    assert one.links.dial(B, 31 * SECOND) != first, "an ephemeral key is not used for ever"


def test_hellos_that_cross_end_in_the_one_of_the_lower_key() -> None:
    low, high = Side(LOW), Side(HIGH)
    (from_high,) = high.read(A, low.links.dial(B, 0))
    (from_low,) = low.read(B, high.links.dial(A, 0))
    low.read(B, from_high)
    high.read(A, from_low)
    crossing = low.write(NEW), high.write(NEW)
    for data in crossing[0]:
        high.read(A, data)
    for data in crossing[1]:
        low.read(B, data)
    assert low.link.initiated
    assert not high.link.initiated
    assert low.link.session.id_out == high.link.session.id_in
    assert low.frames == high.frames == [NEW], "what was under way on the other is read as well"
    assert not low.drops + high.drops
    low.frames.clear()
    for data in high.write():
        low.read(B, data)
    assert low.frames == [PING]


def test_a_replaced_session_is_read_for_a_while() -> None:
    low, high = Side(LOW), Side(HIGH)
    handshake(high, low)
    late = [high.write(NEW)[0] for _ in range(2)] + [high.write(PING)[0]]
    high.links.close(high.link, "timeout")
    handshake(high, low, 6 * SECOND)
    low.frames.clear()
    low.read(A, late[0], 7 * SECOND)
    low.read(A, late[2], 7 * SECOND)
    assert low.frames == [NEW], "a ping is about its own link"
    low.read(A, late[1], 12 * SECOND)
    assert low.frames == [NEW]
    assert low.drops == {"unlinked": 1}


def test_a_second_address_of_a_linked_peer_is_only_noted() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    (welcome,) = other.read(C, one.links.dial(C, 0))
    one.read(C, welcome)
    assert one.changes[-1] == Reached(C, HIGH.author)
    assert len(one.links) == 1


def test_another_run_at_the_same_address_takes_its_place() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    reborn = Side(LOW, boot=1)
    handshake(reborn, other)
    reasons = [change.reason for change in other.changes if isinstance(change, Closed)]
    assert reasons == ["restarted"]
    assert [link.instance[-1] for link in other.links.all()] == [1]


def test_a_key_has_no_more_than_its_links() -> None:
    other = Side(HIGH)
    for boot, address in enumerate((A, B, C)):
        one = Side(LOW, boot=boot)
        (welcome,) = other.read(address, one.links.dial(("192.0.2.9", 9), 0))
        one.read(("192.0.2.9", 9), welcome)
        for data in one.write():
            other.read(address, data)
    assert [link.address for link in other.links.of(LOW.author)] == [A, B]
    assert other.drops["author-full"] == 1


def test_a_lost_session_is_called_anew_and_kept_until_then() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    old = one.link
    other.links.close(other.link, "timeout")
    (data,) = one.write()
    (gone,) = other.read(A, data)
    assert len(gone) < len(data)
    one.read(B, gone)
    assert one.changes[-1] == Doubted(old)
    assert one.links.holds(old)
    one.read(B, gone)
    assert len([each for each in one.changes if isinstance(each, Doubted)]) == 1
    handshake(one, other, SECOND)
    assert [each.reason for each in one.changes if isinstance(each, Closed)] == ["replaced"]
    assert one.link is not old
    assert one.link.confirmed


def test_a_forged_gone_does_nothing_and_a_true_one_of_another_session_neither() -> None:
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    (data,) = one.write()
    outsider = Side(identity(3), keys=(NetworkKey(b"another secret".ljust(32)),))
    (forged,) = outsider.read(A, data)
    one.read(B, forged)
    assert one.drops == {"mac": 1}
    (other_session,) = Side(identity(3)).read(A, data[:1] + b"none" + data[5:])
    one.read(B, other_session)
    assert one.drops == {"mac": 1, "unasked": 1}
    assert not any(isinstance(change, Doubted) for change in one.changes)


@pytest.mark.parametrize(("size", "named"), [(HELLO_BYTES, 9), (MIN_HELLO_BYTES, 1)])
def test_no_room_names_others_to_who_asks_for_them(size: int, named: int) -> None:
    one, other = Side(LOW), Side(HIGH)
    other.full = (PeerAddress(identity(3).author, b"\x0a\x00\x00\x03", 7),) * 16
    hello = one.links.dial(B, 0, size)
    (busy,) = other.read(A, hello)
    assert len(busy) <= len(hello)
    one.read(B, busy)
    assert one.changes == [Refused(B, other.full[:named])]


def test_ones_own_hello_is_recognised() -> None:
    one = Side(LOW)
    assert one.read(B, one.links.dial(A, 0)) == []
    assert one.changes == [Own(A)]
    twin = Side(LOW, boot=1)
    assert one.read(B, twin.links.dial(A, 0)) == []
    assert one.drops["own-key"] == 1


def test_an_answer_grows_old() -> None:
    one, other = Side(LOW), Side(HIGH)
    (welcome,) = other.read(A, one.links.dial(B, 0), 0)
    one.read(B, welcome)
    for data in one.write():
        other.read(A, data, 31 * SECOND)
    assert not other.links.all()


def test_a_recorded_hello_costs_no_handshake() -> None:
    """Only who can read what is sent to his address, and knows the secret, gets an answer."""
    one, other = Side(LOW), Side(HIGH)
    hello = one.links.dial(B, 0)
    (cookie,) = [other.read(source, hello)[0] for source in (C, A)][1:]
    assert len(cookie) < len(hello)
    (with_cookie,) = one.read(B, cookie)
    (welcome,) = other.read(A, with_cookie)
    one.read(B, welcome)
    assert len(opened(one)) == 1
    assert other.read(A, hello, 31 * SECOND) == []
    assert other.drops == {"replayed": 1}


def test_under_load_a_cookie_comes_first_and_is_good_for_its_address_only() -> None:
    other = Side(HIGH)
    burst = 2 * DEFAULT_LIMITS.handshakes_per_s
    for _ in range(burst):
        other.links._greetings._answers._unproven.take(1, 0)
    one = Side(LOW)
    hello = one.links.dial(B, 0)
    (cookie,) = other.read(A, hello)
    assert len(cookie) < len(hello) // 4
    (again,) = one.read(B, cookie)
    assert len(again) == len(hello)
    assert one.read(B, cookie) == [], "the cookie was for the first hello"
    assert other.read(C, again)[0][0] & 0x0F == 6
    (welcome,) = other.read(A, again)
    one.read(B, welcome)
    assert len(opened(one)) == 1
    assert other.read(A, again, 61 * SECOND) == []


def test_a_secret_is_changed_while_links_are_up() -> None:
    new = NetworkKey(b"the next secret".ljust(32))
    old = NetworkKey(SECRET, KeyPurpose.PREVIOUS)
    one, other = Side(LOW), Side(HIGH)
    handshake(one, other)
    one.keys.set((new, old))
    for data in one.write():
        other.read(A, data)
    assert other.frames[-1] == PING, "links that are up do not notice"
    third = Side(identity(3), keys=(new, old))
    hellos = [third.links.dial(B, now_us * SECOND) for now_us in range(3)]
    assert hellos[0] == hellos[2] != hellos[1]
    assert other.read(C, hellos[0]) == []
    assert other.drops == {"key": 1}
    (welcome,) = other.read(C, hellos[1])
    third.read(B, welcome)
    assert third.link.purpose is KeyPurpose.PREVIOUS


def test_whatever_a_member_says_in_a_handshake_is_counted_and_never_raised() -> None:
    rng = random.Random(4)
    key = link_key(NETWORK, MEMBER)
    member = Side(identity(3)).protection
    node = Side(HIGH)
    welcome = encode_frame(Welcome(
        member.author, member.signature, b"i" * 8, 0, bytes(32), bytes(16)))
    confirm = encode_frame(Confirm(member.author, member.signature, b"i" * 8, 0, bytes(32)))
    hello = hello_payload(Hello(member.author, b"i" * 8, 0, b""), MIN_HELLO_BYTES)
    for number in range(600):
        now_us = number * SECOND

        def damaged(payload: bytes) -> bytes:
            at = rng.randrange(len(payload))
            other = rng.choice([welcome, confirm, hello, b"", bytes(300), payload[:at]])
            flipped = payload[:at] + rng.randbytes(1) + payload[at + 1 :]
            return rng.choice([payload, other, flipped, flipped])

        node.read(A, node.links.dial(B, now_us), now_us)
        # As a caller.
        caller = member.agreement(key, initiator=True)
        first = caller.write(damaged(hello).ljust(MIN_HELLO_BYTES, b"\0"))
        if number % 3:
            first = caller.ephemeral + bytes(16) if number % 5 == 0 else first
        replies = node.read(C, make_hello(NETWORK, key, b"call", first), now_us)
        for reply in replies:
            if reply[0] == 0x12 and reply[5:9] != bytes(4):
                caller.read(reply[9:-16])
                node.read(C, make_confirm(key, reply[5:9], caller.write(damaged(confirm))), now_us)
        # As one who is called.
        call = split_hello(node.links.dial(A, now_us))
        answerer = member.agreement(key, initiator=False)
        answerer.read(call.noise)
        noise = answerer.write(damaged(welcome))
        node.read(A, make_welcome(key, call.caller, b"answ", noise), now_us)
        for link in node.links.all():
            node.links.close(link, "test")
    assert len(node.drops) > 6
    assert len(opened(node)) > 20


def test_where_a_name_has_a_price_nobody_is_linked_who_has_not_paid() -> None:
    def paid(me: Identity, bits: int = 8) -> tuple[int, int]:
        nonce = mine(NETWORK, me.author, bits, start=0, tries=1 << 16)
        assert nonce is not None
        return bits, nonce

    one, other = Side(LOW, work=paid(LOW)), Side(HIGH, work=paid(HIGH))
    handshake(one, other)
    assert one.link.author == HIGH.author
    assert other.link.author == LOW.author
    poor = Side(identity(3), work=(0, 0))
    (welcome,) = other.read(C, poor.links.dial(B, 0))
    poor.read(B, welcome)
    for data in poor.write():
        other.read(C, data)
    assert [link.author for link in other.links.all()] == [LOW.author]
    assert other.drops["unpaid"] == 1
    # Nor does one who has paid link with one who has not, whoever called.
    (welcome,) = poor.read(B, other.links.dial(C, 1))
    other.read(C, welcome)
    assert [link.author for link in other.links.all()] == [LOW.author]
    assert other.drops["unpaid"] == 2
    # Another's payment is not one's own.
    thief = Side(identity(4), work=paid(LOW))
    (welcome,) = other.read(D, thief.links.dial(B, 0))
    thief.read(B, welcome)
    for data in thief.write():
        other.read(D, data)
    assert [link.author for link in other.links.all()] == [LOW.author]
    assert other.drops["unpaid"] == 3


def test_a_key_of_small_order_is_no_key() -> None:
    node, key = Side(HIGH), link_key(NETWORK, MEMBER)
    for low in (bytes(32), b"\1".ljust(32, b"\0")):
        caller = Side(identity(3)).protection.agreement(key, initiator=True)
        caller._ephemeral.public = low  # type: ignore[attr-defined]
        payload = hello_payload(Hello(identity(3).author, b"i" * 8, 0, b""), MIN_HELLO_BYTES)
        assert node.read(A, make_hello(NETWORK, key, b"call", caller.write(payload))) == []
    assert node.drops == {"noise": 2}


def test_an_invitation_opens_a_link_that_says_so() -> None:
    invitation = NetworkKey(b"sixteen bytes ok", KeyPurpose.INVITATION)
    host, guest = Side(HIGH, keys=(MEMBER, invitation)), Side(LOW, keys=(invitation,))
    key = link_key(NETWORK, invitation)
    assert guest.links.dial(C, 0)[17:21] == key.id
    (welcome,) = host.read(A, guest.links.dial(B, 0, key=key))
    guest.read(B, welcome)
    for data in guest.write():
        host.read(A, data)
    assert host.link.purpose is guest.link.purpose is KeyPurpose.INVITATION
