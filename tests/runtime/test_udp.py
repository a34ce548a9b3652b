"""Sockets that neither block nor raise, on real loopback."""
from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import trio

from antsp2p.runtime import limits
from antsp2p.runtime.udp import (
    ListenError,
    UdpEndpoint,
    bind_all,
    close_all,
    parse_literal,
    peer_address,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from antsp2p.events import Address

PATIENCE_S = 10


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture
def pair() -> Iterator[tuple[UdpEndpoint, UdpEndpoint]]:
    left = UdpEndpoint(bind_all([("127.0.0.1", 0)]))
    right = UdpEndpoint(bind_all([("127.0.0.1", 0)]))
    yield left, right
    left.close()
    right.close()


async def receive_some(endpoint: UdpEndpoint, count: int) -> list[tuple[Address, bytes]]:
    received: list[tuple[Address, bytes]] = []
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:

            def deliver(address: Address, data: bytes) -> None:
                received.append((address, data))
                if len(received) >= count:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(endpoint.receive, deliver, lambda: None)
    return received


async def test_datagrams_arrive_with_their_sender(pair: tuple[UdpEndpoint, UdpEndpoint]) -> None:
    left, right = pair
    many = 3 * limits.DATAGRAMS_PER_WAKE
    for number in range(many):
        left.send(right.addresses[0], b"%d" % number)
    received = await receive_some(right, many)
    assert received == [(left.addresses[0], b"%d" % number) for number in range(many)]
    assert not left.drops


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_both_families_share_a_port_and_ipv4_is_not_mapped() -> None:
    bound = bind_all([])
    endpoint = UdpEndpoint(bound)
    assert [host for host, _ in endpoint.addresses] == ["0.0.0.0", "::"]
    ports = {item.udp.getsockname()[1] for item in bound}
    assert ports == {item.tcp.getsockname()[1] for item in bound}
    (port,) = ports
    endpoint.send(("127.0.0.1", port), b"four")
    endpoint.send(("::1", port), b"six")
    received = await receive_some(endpoint, 2)
    assert sorted(received) == [(("127.0.0.1", port), b"four"), (("::1", port), b"six")]
    endpoint.close()


def test_a_port_in_use_is_one_line() -> None:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(ListenError) as refusal:
                bind_all([("127.0.0.1", port)])
            assert str(refusal.value) == (
                f"127.0.0.1:{port} is in use: choose another port, or 0 for a free one"
            )


def test_a_preferred_port_is_taken_if_free() -> None:
    first = bind_all([("127.0.0.1", 0)])
    port = first[0].address[1]
    second = bind_all([("127.0.0.1", 0)], preferred_port=port)
    assert second[0].address[1] != port
    close_all(first)
    third = bind_all([("127.0.0.1", 0)], preferred_port=port)
    assert third[0].address[1] == port
    close_all([*second, *third])


def test_what_is_no_address_here_is_refused() -> None:
    for host in ("localhost", "127.0.0.1.5", "192.0.2.77", "fe80::1%nonesuch"):
        with pytest.raises(ListenError, match="not an IP address of this machine"):
            bind_all([(host, 0)])
    with pytest.raises(ListenError, match="more than 64"):
        bind_all([("127.0.0.1", 0)] * 65)


def test_a_send_that_cannot_be_is_counted(pair: tuple[UdpEndpoint, UdpEndpoint]) -> None:
    left, right = pair
    left.send(("example.org", 9), b"no names")
    left.send(("127.0.0.1", 0), b"no port")
    left.send(("127.0.0.1", 70_000), b"no port")
    left.send(("::1", 9), b"no socket of that family")
    left.send(right.addresses[0], bytes(70_000))
    left.send(("255.255.255.255", 9), b"broadcast is not permitted")
    assert left.drops == {
        "send-address": 3, "send-family": 1, "send-too-large": 1, "send-forbidden": 1,
    }


async def test_an_unreachable_port_does_not_end_the_receiver(
    pair: tuple[UdpEndpoint, UdpEndpoint],
) -> None:
    left, right = pair
    nobody = bind_all([("127.0.0.1", 0)])
    close_all(nobody)
    left.send(nobody[0].address, b"nobody there")
    right.send(left.addresses[0], b"still here")
    assert await receive_some(left, 1) == [(right.addresses[0], b"still here")]


def test_link_local_addresses_keep_their_scope() -> None:
    assert peer_address(("fe80::1", 5, 0, 3)) == ("fe80::1%3", 5)
    assert parse_literal("fe80::1%3") == (socket.AF_INET6, "fe80::1", 3)
    assert peer_address(("2001:db8::1", 5, 0, 0)) == ("2001:db8::1", 5)
    assert peer_address(("192.0.2.1", 5)) == ("192.0.2.1", 5)
