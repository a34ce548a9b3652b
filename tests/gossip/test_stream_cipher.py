"""Sealed streams: members understand each other, others get nothing, and every touch is seen."""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.network_keys import KeyPurpose, KeyRing, NetworkKey
from antsp2p.gossip.stream_cipher import (
    CHUNK_BYTES,
    Channel,
    StreamAnswerer,
    StreamCaller,
)
from antsp2p.gossip.suite import NOISE
from antsp2p.records.encoding import Malformed
from antsp2p.records.work import mine
from tests.gossip.protections import SECRET, protection_of
from tests.gossip.swarm import NETWORK, cached_verify, identity

if TYPE_CHECKING:
    from antsp2p.gossip.protection import Protection


def member(index: int, *keys: NetworkKey, network: bytes = NETWORK) -> Protection:
    ring = KeyRing(network, keys or [NetworkKey(SECRET)])
    return protection_of(identity(index), network, suite=NOISE, keys=ring)


def caller(protection: Protection) -> StreamCaller:
    return StreamCaller(protection, protection.keys.members()[0], cached_verify)


def channels() -> tuple[Channel, Channel]:
    calling, answering = caller(member(1)), StreamAnswerer(member(2), cached_verify)
    third, channel = calling.answered(answering.first(calling.first[2:])[2:])
    return channel, answering.last(third[2:])


def test_both_learn_who_the_other_is_and_understand_each_other() -> None:
    here, there = channels()
    assert (here.author, there.author) == (identity(2).author, identity(1).author)
    sealed = here.seal(b"x" * (CHUNK_BYTES + 1))
    first = int.from_bytes(sealed[:2], "big")
    assert there.open(sealed[2 : 2 + first]) == b"x" * CHUNK_BYTES
    assert there.open(sealed[4 + first :]) == b"x"
    assert there.open(here.end()[2:]) == b""
    assert here.open(there.seal(b"back")[2:]) == b"back"


def test_where_a_name_has_a_price_a_stream_shows_that_it_was_paid() -> None:
    def paying(index: int, bits: int, payer: int) -> Protection:
        nonce = mine(NETWORK, identity(payer).author, bits, start=0, tries=1 << 16)
        return replace(member(index), work_bits=bits, work=nonce or 0)

    def talk(one: Protection, other: Protection) -> None:
        calling, answering = caller(one), StreamAnswerer(other, cached_verify)
        third, _ = calling.answered(answering.first(calling.first[2:])[2:])
        answering.last(third[2:])

    talk(paying(1, 8, 1), paying(2, 8, 2))
    for one, other in (
        (paying(1, 0, 1), paying(2, 8, 2)), (paying(1, 8, 1), paying(2, 0, 2)),
        (paying(1, 8, 2), paying(2, 8, 2)),
    ):
        with pytest.raises(Malformed, match="unpaid"):
            talk(one, other)


def test_chunks_cannot_be_touched_left_out_or_told_in_another_order() -> None:
    here, there = channels()
    first, second = here.seal(b"first")[2:], here.seal(b"second")[2:]
    for bad in (second, first[:-1], first + b"\0", bytes((first[0] ^ 1,)) + first[1:], b""):
        with pytest.raises(Malformed, match="seal"):
            there.open(bad)
    assert there.open(first) == b"first"
    with pytest.raises(Malformed, match="seal"):
        there.open(first)


@pytest.mark.parametrize(("stranger", "reason"), [
    (member(1, NetworkKey(b"another".ljust(32))), "key"),
    (member(1, network=b"m" * 16), "network"),
])
def test_a_stranger_gets_nothing(stranger: Protection, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        StreamAnswerer(member(2), cached_verify).first(caller(stranger).first[2:])


def test_every_flipped_byte_of_the_handshake_is_refused() -> None:
    calling, answering = caller(member(1)), StreamAnswerer(member(2), cached_verify)

    def each(message: bytes) -> list[bytes]:
        return [
            message[:at] + bytes((message[at] ^ 1,)) + message[at + 1 :]
            for at in range(len(message))
        ] + [message[:-1], message + b"\0", b""]

    first = calling.first[2:]
    for bad in each(first):
        with pytest.raises(Malformed):
            StreamAnswerer(member(2), cached_verify).first(bad)
    second = answering.first(first)[2:]
    for bad in each(second):
        with pytest.raises(Malformed, match="noise"):
            calling.answered(bad)
    third = calling.answered(second)[0][2:]
    for bad in each(third):
        with pytest.raises(Malformed, match="noise"):
            answering.last(bad)
    assert answering.last(third).author == identity(1).author


def test_a_member_cannot_say_that_he_is_another() -> None:
    liar = member(1)
    object.__setattr__(liar, "author", identity(3).author)
    calling, answering = caller(liar), StreamAnswerer(member(2), cached_verify)
    third, _ = calling.answered(answering.first(calling.first[2:])[2:])
    with pytest.raises(Malformed, match="link-signature"):
        answering.last(third[2:])


def test_an_older_secret_is_good_while_it_is_held() -> None:
    new = NetworkKey(b"the next secret".ljust(32))
    both = member(2, new, NetworkKey(SECRET, KeyPurpose.PREVIOUS))
    assert StreamAnswerer(both, cached_verify).first(caller(member(1)).first[2:])
