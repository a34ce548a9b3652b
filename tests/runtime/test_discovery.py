"""Real mDNS where this machine has it; hints only, warnings where not."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ifaddr
import pytest
import trio
from zeroconf import ServiceInfo

from antsp2p.runtime import discovery, limits
from antsp2p.runtime.discovery import (
    SERVICE_TYPE,
    Announced,
    Discovery,
    Interfaces,
    addresses_of,
    usable_interfaces,
)

if TYPE_CHECKING:
    from antsp2p.events import Address

NETWORK = b"n" * 16
ALICE = Announced(NETWORK, b"a" * 32, (("0.0.0.0", 7_001), ("::", 7_001)))
BOB = Announced(NETWORK, b"b" * 32, (("0.0.0.0", 7_002),))
STRANGER = Announced(b"m" * 16, b"c" * 32, (("0.0.0.0", 7_003),))

LOOPBACK = Interfaces(("127.0.0.1",), ("127.0.0.1",), ())


def adapter(name: str, index: int, *ips: str) -> ifaddr.Adapter:
    return ifaddr.Adapter(
        name, name,
        [ifaddr.IP((ip, 0, index) if ":" in ip else ip, 24, name) for ip in ips], index,
    )


@dataclass(frozen=True)
class Hints:
    send: trio.MemorySendChannel[Address]
    receive: trio.MemoryReceiveChannel[Address]

    def __call__(self, address: Address) -> None:
        self.send.send_nowait(address)


def hints() -> Hints:
    return Hints(*trio.open_memory_channel[tuple[str, int]](1_000))


def no_warning(text: str) -> None:
    raise AssertionError(text)


def test_every_interface_is_used_and_loopback_only_alone() -> None:
    lo = adapter("lo", 1, "127.0.0.1", "::1")
    eth0 = adapter("eth0", 2, "192.0.2.2", "fe80::2")
    wlan0 = adapter("wlan0", 3, "198.51.100.3")
    assert usable_interfaces([lo, eth0, wlan0]) == Interfaces(
        ("192.0.2.2", "fe80::2", "198.51.100.3"), ("192.0.2.2", "198.51.100.3"), (2,)
    )
    assert usable_interfaces([lo]) == Interfaces(("127.0.0.1", "::1"), ("127.0.0.1",), (1,))
    assert usable_interfaces([]) == Interfaces((), (), ())
    many = [adapter("veth", n, f"192.0.2.{n}") for n in range(1, 200)]
    assert len(usable_interfaces(many).addresses) == limits.DISCOVERY_ADDRESSES


def test_only_addresses_that_are_listened_on_are_announced() -> None:
    interfaces = Interfaces(("192.0.2.2", "198.51.100.3", "fe80::2"), (), ())
    assert ALICE.service(interfaces).parsed_addresses() == list(interfaces.addresses)
    assert BOB.service(interfaces).parsed_addresses() == ["192.0.2.2", "198.51.100.3"]
    narrow = Announced(NETWORK, b"d" * 32, (("198.51.100.3", 7_004),))
    assert narrow.service(interfaces).parsed_addresses() == ["198.51.100.3"]


def test_only_the_same_network_gives_hints() -> None:
    interfaces = Interfaces(("192.0.2.2", "fe80::2"), (), ())
    assert addresses_of(ALICE.service(interfaces), BOB) == (
        ("192.0.2.2", 7_001), ("fe80::2", 7_001),
    )
    assert addresses_of(STRANGER.service(interfaces), BOB) == ()
    assert addresses_of(BOB.service(interfaces), BOB) == ()
    for properties in (
        {}, {"v": "2", "network": NETWORK.hex(), "author": "ff"},
        {"v": "1", "network": None, "author": "ff"},
    ):
        service = ServiceInfo(
            SERVICE_TYPE, f"x.{SERVICE_TYPE}", port=1, parsed_addresses=["192.0.2.2"],
            properties=properties,
        )
        assert addresses_of(service, BOB) == ()
    crowded = Interfaces(tuple(f"192.0.2.{n}" for n in range(1, 30)), (), ())
    assert len(addresses_of(ALICE.service(crowded), BOB)) == limits.ADDRESSES_PER_SERVICE


async def test_two_nodes_find_each_other_and_no_other_network() -> None:
    to_alice, to_bob, to_stranger = hints(), hints(), hints()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for own, found in ((ALICE, to_alice), (STRANGER, to_stranger), (BOB, to_bob)):
                searching = Discovery(own, found, no_warning, find_interfaces=lambda: LOOPBACK)
                nursery.start_soon(searching.run)
            assert await to_alice.receive.receive() == ("127.0.0.1", 7_002)
            assert await to_bob.receive.receive() == ("127.0.0.1", 7_001)
            nursery.cancel_scope.cancel()
    with pytest.raises(trio.WouldBlock):
        to_stranger.receive.receive_nowait()


async def test_without_an_interface_there_is_a_warning_until_one_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DISCOVERY_CHECK_MS", 1)
    states = [LOOPBACK, Interfaces((), (), ())]
    warnings: list[str] = []
    found = hints()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            late = Discovery(
                ALICE, found, warnings.append,
                find_interfaces=lambda: states.pop() if len(states) > 1 else LOOPBACK,
            )
            nursery.start_soon(late.run)
            early = Discovery(BOB, hints(), no_warning, find_interfaces=lambda: LOOPBACK)
            nursery.start_soon(early.run)
            assert await found.receive.receive() == ("127.0.0.1", 7_002)
            nursery.cancel_scope.cancel()
    assert warnings == [
        "no network interface is up, so nobody can be found: "
        "give the address of a peer with --peer HOST:PORT"
    ]


async def test_without_mdns_there_is_a_warning_and_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(interfaces: Interfaces) -> None:
        raise OSError("no multicast here")

    monkeypatch.setattr(discovery, "_open", refuse)
    warned = trio.Event()
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        warned.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            deaf = Discovery(ALICE, hints(), warn, find_interfaces=lambda: LOOPBACK)
            nursery.start_soon(deaf.run)
            await warned.wait()
            nursery.cancel_scope.cancel()
    assert warnings == [
        "mDNS does not work here (no multicast here): "
        "give the address of a peer with --peer HOST:PORT"
    ]
