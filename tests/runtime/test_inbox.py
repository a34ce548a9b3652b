from __future__ import annotations

import pytest
import trio
import trio.testing

from antsp2p.events import CancelTask, DatagramReceived, PeerHint
from antsp2p.runtime import limits
from antsp2p.runtime.inbox import Inbox

STRANGER = ("192.0.2.99", 1)


def peer(number: int) -> tuple[str, int]:
    return f"192.0.2.{number}", 1


def open_inbox() -> Inbox:
    return Inbox(lambda address, data: address != STRANGER and data != b"forged")


def senders(inbox: Inbox, most: int) -> list[str]:
    events = inbox.take(most)
    return [e.address[0][-2:] for e in events if isinstance(e, DatagramReceived | PeerHint)]


def test_peers_are_served_in_rotation_however_much_one_sends() -> None:
    inbox = open_inbox()
    for _ in range(20):
        inbox.offer_datagram(peer(11), b"x")
    for number in (12, 13):
        inbox.offer_datagram(peer(number), b"x")
    assert senders(inbox, 6) == ["11", "12", "13", "11", "11", "11"]
    inbox.offer_datagram(peer(12), b"x")
    assert senders(inbox, 3) == ["11", "12", "11"]


def test_a_peer_that_sends_too_much_loses_only_its_own() -> None:
    inbox = open_inbox()
    for _ in range(limits.INBOX_PER_PEER + 3):
        inbox.offer_datagram(peer(11), b"x")
    inbox.offer_datagram(peer(12), b"x")
    assert inbox.drops == {"inbox-full": 3}
    assert len(inbox) == limits.INBOX_PER_PEER + 1


def test_one_who_only_has_the_address_of_a_peer_is_a_stranger() -> None:
    inbox = open_inbox()
    for _ in range(limits.INBOX_STRANGERS + 5):
        inbox.offer_datagram(peer(11), b"forged")
    inbox.offer_datagram(peer(11), b"x")
    assert inbox.drops == {"inbox-strangers": 5}
    assert len(inbox) == limits.INBOX_STRANGERS + 1


def test_strangers_have_a_share_and_what_nobody_else_wants() -> None:
    inbox = open_inbox()
    for _ in range(40):
        inbox.offer_datagram(STRANGER, b"x")
        inbox.offer_datagram(peer(11), b"x")
    most = 4 * limits.STRANGERS_PER_TURN
    assert senders(inbox, most).count("99") == 4
    while len(inbox):
        inbox.take(most)
    for _ in range(40):
        inbox.offer_datagram(STRANGER, b"x")
    assert senders(inbox, most).count("99") == most


def test_the_machines_own_come_first() -> None:
    inbox = open_inbox()
    inbox.offer_datagram(peer(11), b"x")
    inbox.offer(PeerHint(peer(20)))
    assert senders(inbox, 5) == ["20", "11"]


async def test_what_must_not_be_lost_waits_for_its_place() -> None:
    inbox = open_inbox()
    for number in range(limits.INBOX_OWN):
        await inbox.put(CancelTask(number, b""))
    inbox.offer(PeerHint(peer(1)))
    assert inbox.drops == {"inbox-full": 1}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.put, CancelTask(999, b""))
        await trio.testing.wait_all_tasks_blocked()
        assert len(inbox) == limits.INBOX_OWN
        inbox.take(1)
    assert len(inbox) == limits.INBOX_OWN


async def test_whoever_waits_when_it_closes_is_told() -> None:
    inbox = open_inbox()
    for number in range(limits.INBOX_OWN):
        await inbox.put(CancelTask(number, b""))

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await inbox.put(CancelTask(999, b""))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        inbox.close()


def test_of_a_bad_peer_of_which_much_waits_there_is_little_in_a_turn() -> None:
    inbox = Inbox(lambda address, data: True, lambda address: address == peer(11))
    for _ in range(2 * limits.TURN_EVENTS):
        inbox.offer_datagram(peer(11), b"x")
    for _ in range(3):
        inbox.offer_datagram(peer(12), b"x")
    most = 2 * limits.STRANGERS_PER_TURN
    assert senders(inbox, most) == ["11", "12", "11", "12", "12"]
    assert len(inbox) == 2 * limits.TURN_EVENTS - 2
    assert senders(inbox, most) == ["11", "11"], "short turns, and the rest in the next ones"
    while len(inbox) >= limits.TURN_EVENTS:
        inbox.take(most)
    left = len(inbox)
    assert senders(inbox, 100) == ["11"] * left, "what is little comes at once"


def test_what_a_bad_peer_sends_is_shed_first_and_only_where_much_waits() -> None:
    asked: list[tuple[str, int]] = []

    def is_bad(address: tuple[str, int]) -> bool:
        asked.append(address)
        return address == peer(11)

    inbox = Inbox(lambda address, data: True, is_bad)
    for number in (11, 12):
        for _ in range(limits.INBOX_PER_BAD_PEER):
            inbox.offer_datagram(peer(number), b"x")
    assert asked == []
    for number in (11, 12):
        inbox.offer_datagram(peer(number), b"x")
    assert inbox.drops == {"inbox-full": 1}
    assert senders(inbox, 2) == ["11", "12"]
