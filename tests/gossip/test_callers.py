"""Who called without a link: what is remembered of it, and how little."""
from __future__ import annotations

import pytest

from antsp2p.gossip.callers import Callers
from antsp2p.gossip.datagram import HELLO, SEALED, in_clear
from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.link import Reading, Reply

NETWORK = bytes(range(16))
DATAGRAM = bytes((HELLO,)) + NETWORK + bytes(200)
ADDRESS = ("192.0.2.7", 4)


def test_what_stands_in_clear_can_be_read() -> None:
    assert in_clear(DATAGRAM) == (1, NETWORK)
    assert in_clear(DATAGRAM[:16]) is None
    assert in_clear(b"\x21" + DATAGRAM[1:]) == (2, NETWORK)
    assert in_clear(bytes((SEALED,)) + DATAGRAM[1:]) is None
    assert in_clear(b"") is None


def test_a_caller_is_remembered_with_every_reason() -> None:
    callers = Callers(DEFAULT_LIMITS)
    callers.heard(ADDRESS, DATAGRAM, Reading(dropped="network"), 1)
    callers.heard(ADDRESS, DATAGRAM, Reading(dropped="network"), 2)
    callers.heard(ADDRESS, bytes(40), Reading(replies=[Reply("welcome", b"")]), 3)
    callers.heard(("192.0.2.8", 4), DATAGRAM, Reading(), 4)
    (caller,) = callers.all()
    assert caller.reasons == {"network": 2, "answered": 1}
    assert (caller.last_us, caller.version, caller.network) == (3, 1, NETWORK)


@pytest.mark.parametrize("reason", ["size", "datagram"])
def test_bytes_that_need_not_be_a_nodes_say_nothing(reason: str) -> None:
    callers = Callers(DEFAULT_LIMITS)
    callers.heard(ADDRESS, DATAGRAM, Reading(dropped=reason), 1)
    (caller,) = callers.all()
    assert (caller.reasons, caller.version, caller.network) == ({reason: 1}, 0, b"")


def test_the_one_that_was_silent_longest_gives_way() -> None:
    callers = Callers(DEFAULT_LIMITS)
    for port in range(1, DEFAULT_LIMITS.callers + 10):
        callers.heard(("192.0.2.7", 1), DATAGRAM, Reading(dropped="network"), port)
        callers.heard(("192.0.2.8", port), DATAGRAM, Reading(dropped="size"), port)
        assert callers.sizes()["callers"] <= DEFAULT_LIMITS.callers
    assert ("192.0.2.7", 1) in [caller.address for caller in callers.all()]
