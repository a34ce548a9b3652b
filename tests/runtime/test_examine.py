"""The probes on this machine's loopback, and what they make of bytes that anybody may send."""
from __future__ import annotations

import json
import os
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import DNSOutgoing, DNSPointer  # type: ignore[attr-defined]

from antsp2p.runtime import limits
from antsp2p.runtime.discovery import SERVICE_TYPE, Announced, Interfaces
from antsp2p.runtime.examine.call import call, probe
from antsp2p.runtime.examine.examination import Question, _also, _Around, examine
from antsp2p.runtime.examine.facts import Firewall, Interface, Reply, Service, Stream
from antsp2p.runtime.examine.findings import findings
from antsp2p.runtime.examine.firewall import read_firewall, read_ruleset
from antsp2p.runtime.examine.interfaces import read_interfaces
from antsp2p.runtime.examine.multicast import Heard, question
from antsp2p.runtime.examine.own_node import node_view, read_node
from antsp2p.runtime.examine.ports import find_holders
from antsp2p.runtime.examine.tap import Tap
from antsp2p.runtime.host import HostOptions, open_host
from antsp2p.runtime.networks import (
    change_secret,
    closed_network,
    open_network,
    stored_network,
)

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = bytes(range(16))
BAZAAR = open_network("bazaar")


def options(home: Path, network: str = "local") -> HostOptions:
    return HostOptions(
        home=home, network=network, listen=(("127.0.0.1", 0),), discovery=False)


async def test_a_running_node_answers_and_keeps_no_link(tmp_path: Path) -> None:
    async with open_host(options(tmp_path / "a")) as host:
        found = await call(probe(stored_network("local")), host.address)
        assert (found.small, found.full) == (Reply.ANSWERED, Reply.ANSWERED)
        assert found.stream is Stream.ANSWERED
        assert not host.node.gossip.links()
        assert not host.drops


async def test_a_node_whose_network_has_a_new_secret_is_called_by_the_old_one_too(
    tmp_path: Path
) -> None:
    async with open_host(options(tmp_path / "a", "changed")) as host:
        change_secret("changed", 60_000)
        found = await call(probe(stored_network("changed")), host.address)
        assert (found.small, found.full) == (Reply.ANSWERED, Reply.ANSWERED)
        assert found.stream is Stream.ANSWERED


async def test_a_node_whose_name_has_a_price_answers_who_has_not_paid_and_no_more(
    tmp_path: Path
) -> None:
    priced = replace(options(tmp_path / "a", "dear"), is_open=True, work_bits=16)
    async with open_host(priced) as host:
        found = await call(probe(open_network("dear", 16)), host.address)
        assert (found.small, found.full) == (Reply.ANSWERED, Reply.ANSWERED)
        assert found.stream is Stream.ANSWERED
        assert not host.node.gossip.links()
        assert host.drops["stream-unpaid"] == 1


async def test_a_caller_that_does_not_know_the_secret_is_remembered_for_it(
    tmp_path: Path
) -> None:
    async with open_host(options(tmp_path / "a", "kept")) as host:
        network = replace(closed_network("kept"), key=BAZAAR.key)
        found = await call(probe(network), host.address)
        assert (found.small, found.stream) == (Reply.SILENT, Stream.HUNG_UP)
        told = read_node(node_view(host.node, host.drops, host.now_us()))
    (caller,) = told.callers
    assert set(caller.reasons) == {"key"}
    assert (caller.version, caller.network) == (1, network.id.hex())


async def test_a_node_of_another_network_is_silent_and_remembers_the_caller(
    tmp_path: Path
) -> None:
    async with open_host(options(tmp_path / "a", "elsewhere")) as host:
        found = await call(probe(BAZAAR), host.address)
        assert (found.small, found.stream) == (Reply.SILENT, Stream.HUNG_UP)
        told = read_node(node_view(host.node, host.drops, host.now_us()))
    (caller,) = told.callers
    assert set(caller.reasons) == {"network"}
    assert (caller.version, caller.network) == (1, BAZAAR.id.hex())


async def test_an_empty_port_is_closed_and_said_so_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    found = await call(probe(None), address)
    assert (found.small, found.stream) == (Reply.CLOSED, Stream.CLOSED)


async def test_a_program_that_is_no_node_is_told_from_one() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        found = await call(probe(BAZAAR), listener.getsockname())
    assert (found.small, found.stream) == (Reply.CLOSED, Stream.OPEN)


async def test_what_is_not_an_address_is_not_called() -> None:
    found = await call(probe(None), ("not.an.address.invalid", 4))
    assert found.small is Reply.NO_ROUTE


async def test_an_examination_of_this_machine_alone_looks_at_nothing_else() -> None:
    asked = Question("bazaar", BAZAAR, (("0.0.0.0", 0),), (("127.0.0.1", 9),))
    examination = await examine(asked)
    assert not examination.is_on_lan
    assert not examination.multicast
    assert not examination.services
    assert [finding.kind for finding in findings(examination)] == ["no-node"]


def test_who_holds_a_port_is_found() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        address = holder.getsockname()
        (found,) = find_holders((address,))
        assert (found.address, found.protocol, found.pid) == (address, "udp", os.getpid())
    assert find_holders((address, ("127.0.0.1", 0))) == ()


def test_loopback_is_among_the_interfaces() -> None:
    loopback = next(item for item in read_interfaces() if item.is_loopback)
    assert loopback.reaches("127.0.0.1")
    assert loopback.mtu > 1_200


def test_the_firewall_is_only_read() -> None:
    assert read_firewall().active in ("", "ufw", "firewalld")


async def test_an_announcement_makes_nobody_call_elsewhere() -> None:
    own = (Interface("eth0", ("192.0.2.1/24",), 1_500),)
    here, away = ("192.0.2.7", 4_700), ("198.51.100.7", 4_700)
    around = _Around(services=(
        Service((here, away), "aa", BAZAAR.id.hex(), "1"), Service((away,), "bb", "other", "1"),
    ))
    assert _also(Question("bazaar", BAZAAR, ()), around, own) == [here]
    assert _also(Question("bazaar", BAZAAR, (), (here,)), around, own) == []


# --- what strangers send -------------------------------------------------------------------------


def announcement(**properties: str) -> bytes:
    """What the mDNS library answers for a node, as one message."""
    own = Announced(NETWORK, bytes(32), (("0.0.0.0", 4_700),))
    service = own.service(Interfaces(("192.0.2.1",), ("192.0.2.1",), ()))
    if properties:
        told: dict[str | bytes, str | bytes | None] = {}
        told.update(properties.items())
        service._set_properties(told)
    message = DNSOutgoing(0x8400)
    message.add_answer_at_time(
        DNSPointer(SERVICE_TYPE, 12, 1, 120, service.name), 0)
    for record in (service.dns_service(), service.dns_text(), *service.dns_addresses()):
        message.add_answer_at_time(record, 0)
    return bytes(message.packets()[0])


def test_an_announcement_is_read_back() -> None:
    heard = Heard()
    heard.read(announcement())
    (service,) = heard.services()
    assert service.addresses == (("192.0.2.1", 4_700),)
    assert (service.network, service.version, service.author) == (NETWORK.hex(), "1", "0" * 16)


def test_an_announcement_of_another_kind_is_told_as_it_is() -> None:
    heard = Heard()
    heard.read(announcement(v="2", network="\x1b[2J"))
    (service,) = heard.services()
    assert (service.network, service.version, service.author) == ("\x1b[2J", "2", "")


@given(st.binary(max_size=200))
def test_any_bytes_are_borne(data: bytes) -> None:
    heard = Heard()
    heard.read(data)
    tap = Tap(None, bytes(4), 1)
    assert tap._is_answer(data) in (True, False)


@given(st.data())
def test_a_damaged_announcement_is_borne(data: st.DataObject) -> None:
    whole = bytearray(announcement())
    for _ in range(3):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    heard = Heard()
    heard.read(bytes(whole))
    assert len(heard.services()) <= 1


def test_what_is_heard_is_bounded() -> None:
    heard = Heard()
    whole = announcement()
    name = b"0000000000000000-4700"
    for number in range(limits.DISCOVERED_SERVICES + 50):
        heard.read(whole.replace(name, b"%021d" % number))
    assert len(heard.services()) <= limits.DISCOVERED_SERVICES


def test_the_question_is_one() -> None:
    asked = question()
    assert struct.unpack("!5H", asked[2:12]) == (0, 1, 0, 0, 0)
    assert b"\x08_antsp2p\x04_udp\x05local\x00" in asked
    assert asked[:2] != question()[:2] or asked[:2] != question()[:2]


def packet(protocol: int, host: bytes, port: int) -> bytes:
    """The beginning of an IPv4 packet."""
    ip = bytes((0x45,)) + bytes(8) + bytes((protocol,)) + bytes(2) + host + bytes(4)
    return ip + struct.pack("!2H", 1, port)


@pytest.mark.parametrize(("seen", "is_answer"), [
    (packet(17, b"\xc0\0\2\7", 7), True), (packet(6, b"\xc0\0\2\7", 7), False),
    (packet(17, b"\xc0\0\2\x08", 7), False), (packet(17, b"\xc0\0\2\7", 8), False),
])
def test_only_answers_to_the_own_port_are_counted(seen: bytes, is_answer: bool) -> None:
    assert Tap(None, b"\xc0\0\2\7", 7)._is_answer(seen) is is_answer


def test_the_ports_that_rules_name_are_found_wherever_they_stand() -> None:
    def dport(right: object) -> dict[str, object]:
        payload = {"payload": {"protocol": "udp", "field": "dport"}}
        return {"rule": {"expr": [{"match": {"op": "==", "left": payload, "right": right}}]}}

    chain = {"family": "inet", "table": "t", "name": "c", "hook": "input", "policy": "drop"}
    found = read_ruleset("", ("nft",), json.dumps({"nftables": [
        {"metainfo": {}}, {"chain": chain}, {"chain": {**chain, "hook": "forward"}},
        {"chain": {"family": "inet", "table": "t", "name": "jumped-to"}},
        dport(22), dport({"set": [80, {"range": [4_000, 5_000]}]}),
        {"set": {"name": "s", "elem": [9_000]}},
    ]}))
    assert [(chain.name, chain.drops_rest) for chain in found.chains] == [("c", True)]
    assert [port for port in (21, 22, 80, 4_700, 5_001, 9_000) if found.names(port)] == [
        22, 80, 4_700, 9_000,
    ]
    assert read_ruleset("ufw", (), "nothing") == Firewall("ufw")
