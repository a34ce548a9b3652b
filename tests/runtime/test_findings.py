"""What follows from facts: one cause, one finding, and the command for what is installed."""
from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from antsp2p.runtime.examine import mends
from antsp2p.runtime.examine.clock import ClockReading, rate_between
from antsp2p.runtime.examine.facts import (
    CallerFact,
    Chain,
    ClockRate,
    Examination,
    Firewall,
    Holder,
    Interface,
    MulticastTry,
    NodeFact,
    PeerTry,
    Reply,
    Service,
    Stream,
)
from antsp2p.runtime.examine.finding import Severity
from antsp2p.runtime.examine.findings import findings
from antsp2p.runtime.home import network_id

NETWORK, OTHER = "aa" * 16, "bb" * 16
THERE = ("192.0.2.7", 4700)
GOOD = PeerTry(
    THERE, Reply.ANSWERED, Reply.ANSWERED, Stream.ANSWERED, filtered=0, is_neighbour=True,
    is_given=True,
)
CALM = Examination(
    network=NETWORK, version=1, listen=(("0.0.0.0", 4700),),
    interfaces=(
        Interface("lo", ("127.0.0.1/8",), 65_536),
        Interface("eth0", ("192.0.2.1/24",), 1_500, "veth", is_way_out=True),
    ),
    multicast=(MulticastTry("eth0", "192.0.2.1", Reply.ANSWERED),),
    own_udp=Reply.ANSWERED, peers=(GOOD,), clock=ClockRate(30, 0),
)
NODE = NodeFact(1, "cc" * 32, NETWORK)


def kinds(examination: Examination) -> list[str]:
    return [finding.kind for finding in findings(examination)]


def called(**changes: object) -> Examination:
    """Where one call went otherwise."""
    return replace(CALM, peers=(replace(GOOD, **changes),))  # type: ignore[arg-type]


def test_calm_is_calm() -> None:
    assert kinds(CALM) == []


def test_every_outcome_of_a_call_has_one_cause_at_most() -> None:
    for small, stream, filtered, near in product(Reply, Stream, (0, 2, None), (True, False, None)):
        if small is Reply.ANSWERED and filtered:
            continue
        examination = called(
            small=small, full=small, stream=stream, filtered=filtered, is_neighbour=near
        )
        errors = [
            item for item in findings(examination) if item.severity is Severity.ERROR
        ]
        wanted = 0 if small is Reply.ANSWERED else 1
        assert len(errors) == wanted, (small, stream, filtered, near)


@pytest.mark.parametrize(("changes", "kind"), [
    ({"full": Reply.SILENT}, "mtu"),
    ({"stream": Stream.SILENT}, "tcp-blocked"),
    ({"small": Reply.SILENT}, "udp-blocked"),
    ({"small": Reply.REJECTED}, "udp-blocked"),
    ({"small": Reply.SILENT, "stream": Stream.OPEN}, "tcp-only"),
    ({"small": Reply.SILENT, "stream": Stream.HUNG_UP}, "other-secret"),
    ({"small": Reply.CLOSED, "stream": Stream.CLOSED}, "no-node"),
    ({"small": Reply.SILENT, "stream": Stream.SILENT}, "all-blocked"),
    ({"small": Reply.SILENT, "stream": Stream.SILENT, "is_neighbour": False}, "no-host"),
    ({"small": Reply.SILENT, "stream": Stream.SILENT, "is_neighbour": None}, "no-answer"),
    ({"small": Reply.SILENT, "filtered": 3}, "udp-in-blocked"),
    ({"small": Reply.FORBIDDEN}, "udp-out-blocked"),
])
def test_what_comes_of_a_call_has_a_name(changes: dict[str, object], kind: str) -> None:
    assert kinds(called(**changes)) == [kind]


def test_what_this_machine_blocks_is_not_blamed_on_multicast() -> None:
    deaf = (MulticastTry("eth0", "192.0.2.1", Reply.SILENT),)
    assert kinds(replace(CALM, own_udp=Reply.SILENT, multicast=deaf)) == ["udp-in-blocked"]
    assert kinds(replace(CALM, own_udp=Reply.FORBIDDEN, multicast=deaf)) == ["udp-out-blocked"]
    assert kinds(replace(CALM, multicast=deaf)) == ["multicast-blocked"]


def test_deaf_multicast_is_an_error_only_where_nobody_is_reached() -> None:
    deaf = (MulticastTry("eth0", "192.0.2.1", Reply.SILENT),)
    (found,) = findings(replace(CALM, multicast=deaf))
    assert found.severity is Severity.WARNING
    (found, *_) = findings(replace(CALM, multicast=deaf, peers=()))
    assert (found.kind, found.severity) == ("multicast-blocked", Severity.ERROR)


def test_who_keeps_a_port_is_named() -> None:
    holder = Holder(("0.0.0.0", 4700), "udp", 77, "dnsmasq")
    (found,) = findings(replace(CALM, holders=(holder,)))
    assert "dnsmasq (pid 77)" in found.text
    assert found.mend == "antsp2p start --listen 0.0.0.0:0"
    (found,) = findings(replace(CALM, holders=(replace(holder, pid=None),)))
    assert "sport = :4700" in found.mend
    (found,) = findings(replace(CALM, mdns_holder=replace(holder, address=("0.0.0.0", 5353))))
    assert found.kind == "mdns-port"


def test_loopback_and_no_interface() -> None:
    assert kinds(replace(CALM, interfaces=CALM.interfaces[:1])) == ["no-interface"]
    listen = (("127.0.0.1", 4700),)
    assert kinds(replace(CALM, listen=listen)) == ["loopback-only"]
    assert kinds(replace(CALM, listen=listen, is_on_lan=False)) == []


def test_a_container_behind_a_bridge_is_told_from_one_on_the_lan() -> None:
    assert kinds(replace(CALM, container="docker")) == ["container-bridge"]
    lan = replace(CALM.interfaces[1], driver="macvlan")
    assert kinds(replace(CALM, container="docker", interfaces=(lan,))) == []
    (found,) = findings(replace(CALM, container="podman", peers=(), services=(
        Service((), "dd", NETWORK, "1"),
    )))
    assert (found.severity, found.mend) == (Severity.ERROR, "podman run --network host ...")


@pytest.mark.parametrize(("network", "version", "kind"), [
    (OTHER, "1", "other-network"), (NETWORK, "2", "other-version"), (OTHER, "2", "other-version"),
])
def test_others_on_the_lan(network: str, version: str, kind: str) -> None:
    service = Service((THERE,), "dd", network, version)
    silent = called(small=Reply.SILENT, stream=Stream.OPEN)
    (found,) = findings(replace(silent, services=(service,)))
    assert (found.kind, found.severity) == (kind, Severity.ERROR)
    (found, *_) = findings(replace(CALM, peers=(), services=(service,)))
    assert (found.kind, found.severity) == (kind, Severity.WARNING)
    elsewhere = replace(service, addresses=(("192.0.2.9", 1),))
    (found,) = findings(replace(CALM, services=(elsewhere,)))
    assert (found.kind, found.severity) == (kind, Severity.NOTE)


def test_what_the_node_heard_of_callers() -> None:
    def heard(reasons: dict[str, int], **more: object) -> Examination:
        caller = replace(CallerFact(THERE, reasons, 10, 1, NETWORK), **more)  # type: ignore[arg-type]
        return replace(CALM, peers=(), node=replace(NODE, callers=(caller,)))

    assert "other-secret" in kinds(heard({"mac": 3}))
    assert "other-secret" in kinds(heard({"key": 3}))
    assert "secret-replaced" in kinds(heard({"key-replaced": 3}))
    assert "other-network" in kinds(heard({"network": 3}, network=OTHER))
    assert "other-version" in kinds(heard({"version": 3}, version=2))
    assert "answers-lost" in kinds(heard({"answered": 9}))
    assert "answers-lost" not in kinds(heard({"answered": 9}, age_ms=600_000))
    assert "answers-lost" not in kinds(heard({"answered": 1}))
    since = heard({"key-replaced": 3})
    assert since.node is not None
    assert kinds(replace(since, node=replace(since.node, links=(THERE,)))) == []
    assert kinds(heard({"key-replaced": 3}, age_ms=600_000)) == kinds(heard({}))
    asked = replace(heard({"mac": 1}), peers=(replace(GOOD, small=Reply.SILENT),))
    assert kinds(asked) == ["other-secret"]
    gone = replace(GOOD, small=Reply.CLOSED, stream=Stream.CLOSED)
    assert kinds(replace(asked, peers=(gone,))) == ["no-node"]


def test_an_announced_node_that_does_not_answer() -> None:
    service = Service((THERE,), "dd", NETWORK, "1")
    silent = called(small=Reply.SILENT, stream=Stream.SILENT, is_given=False, is_remembered=True)
    assert kinds(replace(silent, services=(service,))) == ["advertised-unreachable"]
    assert kinds(silent) == ["remembered-silent"]


def test_whoever_announces_our_network_and_refuses_our_secret_has_another() -> None:
    service = Service((THERE,), "dd", NETWORK, "1")
    refused = called(small=Reply.SILENT, stream=Stream.OPEN)
    assert kinds(replace(refused, services=(service,))) == ["other-secret"]
    assert kinds(refused) == ["tcp-only"]


def test_who_hangs_up_on_our_secret_has_another_also_where_nothing_is_announced() -> None:
    for stream, remembered, kind in (
        (Stream.HUNG_UP, False, "other-secret"), (Stream.HUNG_UP, True, "secret-replaced"),
        (Stream.OPEN, False, "tcp-only"),
    ):
        tried = called(small=Reply.SILENT, stream=stream, is_remembered=remembered)
        (found,) = findings(tried)
        assert found.kind == kind
        assert ("antsp2p join" in found.mend) is (stream is Stream.HUNG_UP)
    # Into an open network nobody is invited.
    tried = called(small=Reply.SILENT, stream=Stream.HUNG_UP)
    (found,) = findings(replace(
        tried, network=network_id("bazaar", 18).hex(), network_name="bazaar"))
    assert (found.kind, found.mend) == ("other-network", mends.SAME_NETWORK)
    assert "a name costs 18 bits" in found.text
    # Where no node listens by UDP there is another program, whatever it does by TCP.
    assert kinds(called(small=Reply.CLOSED, stream=Stream.HUNG_UP)) == ["tcp-only"]


def test_a_user_without_the_network_is_told_so_and_nobody_else_is_blamed() -> None:
    refused = replace(called(small=Reply.SILENT, stream=Stream.OPEN), network="", is_member=False)
    service = Service((THERE,), "dd", OTHER, "1")
    (found,) = findings(replace(refused, services=(service,)))
    assert (found.kind, found.severity) == ("no-network", Severity.ERROR)
    assert "antsp2p join CODE" in found.mend
    (found,) = findings(replace(refused, peers=()))
    assert (found.kind, found.severity) == ("no-network", Severity.NOTE)
    (found,) = findings(replace(refused, node=NODE, network=NETWORK))
    assert "ANTSP2P_CONFIG" in found.text
    closed = called(small=Reply.CLOSED, stream=Stream.CLOSED)
    assert "no-node" in kinds(replace(closed, is_member=False))


def test_an_open_network_and_a_closed_one_of_one_name_are_told_apart() -> None:
    opened = network_id("it's").hex()
    silent = replace(called(small=Reply.SILENT, stream=Stream.OPEN), network_name="it's")
    for ours, theirs in ((NETWORK, opened), (opened, NETWORK)):
        service = Service((THERE,), "dd", theirs, "1")
        (found,) = findings(replace(silent, network=ours, services=(service,)))
        assert found.kind == "other-network"
        assert "the open network" in found.text
        assert """start --open --network 'it'"'"'s'""" in found.mend


def test_two_open_networks_of_one_name_are_told_apart_by_their_price() -> None:
    free, priced = network_id("it's").hex(), network_id("it's", 20).hex()
    silent = replace(called(small=Reply.SILENT, stream=Stream.OPEN), network_name="it's")
    for ours, theirs in ((free, priced), (priced, free)):
        service = Service((THERE,), "dd", theirs, "1")
        (found,) = findings(replace(silent, network=ours, services=(service,)))
        assert found.kind == "other-network"
        assert "20 bits" in found.text or "costs 20" in found.text
        assert found.mend.endswith("--price 20, on both machines")


def test_a_linked_peer_is_reached_whatever_its_firewall_says() -> None:
    assert kinds(called(small=Reply.SILENT, is_linked=True)) == []


@pytest.mark.parametrize(("firewall", "command"), [
    (Firewall("ufw", ("ufw", "nft")), "sudo ufw allow 4700/udp"),
    (
        Firewall("firewalld", ("firewall-cmd", "nft")),
        "sudo firewall-cmd --permanent --add-port=4700/udp && sudo firewall-cmd --reload",
    ),
    (Firewall(tools=("nft",)), "sudo nft insert rule inet filter input udp dport 4700 accept"),
    (
        Firewall(tools=("nft",), chains=(
            Chain("ip", "a", "in", "input"), Chain("inet", "b", "out", "output"),
            Chain("inet", "c", "in", "input"),
        )),
        "sudo nft insert rule ip a in udp dport 4700 accept && "
        "sudo nft insert rule inet c in udp dport 4700 accept",
    ),
    (Firewall(tools=("iptables",)), "sudo iptables -I INPUT -p udp --dport 4700 -j ACCEPT"),
])
def test_the_command_is_in_the_words_of_what_is_installed(
    firewall: Firewall, command: str
) -> None:
    assert mends.let_in(firewall, 4_700, "udp") == command
    (found,) = findings(replace(CALM, own_udp=Reply.SILENT, firewall=firewall))
    assert found.mend == command


def test_a_clock_that_is_being_corrected_is_named_and_a_set_calendar_is_no_fault() -> None:
    assert kinds(replace(CALM, clock=ClockRate(900, 0))) == ["clock-rate"]
    assert kinds(replace(CALM, clock=ClockRate(-900, 0))) == ["clock-rate"]
    (found,) = findings(replace(CALM, clock=ClockRate(None, 9_000)))
    assert (found.kind, found.severity) == ("clock-set", Severity.NOTE)


def test_rates_are_measured_between_two_readings() -> None:
    first = ClockReading(1_000, 5_000, 9_000)
    last = ClockReading(1_000 + 1_000_500_000, 5_000 + 1_000_000_000, 9_000 + 1_000_500_000)
    assert rate_between(first, last) == ClockRate(500, 0)
    assert rate_between(first, first) is None
    assert rate_between(first, replace(last, blur_ns=60_000)) is None
    assert rate_between(replace(first, raw_ns=None), last) == ClockRate(None, 0)


def test_a_command_for_this_node_means_this_node() -> None:
    here = replace(CALM, own=" --name ada", listen=(("127.0.0.1", 4700),), peers=())
    (found,) = [each for each in findings(here) if each.kind == "loopback-only"]
    assert found.mend == "antsp2p start --name ada --listen 0.0.0.0:4700"
    team = replace(here, network_name="team x", network=network_id("team x", 9).hex())
    (found,) = [each for each in findings(team) if each.kind == "loopback-only"]
    assert found.mend == (
        "antsp2p start --name ada --network 'team x' --open --price 9 --listen 0.0.0.0:4700")
    holder = Holder(("0.0.0.0", 4700), "udp", 77, "dnsmasq")
    silent = replace(GOOD, small=Reply.SILENT, stream=Stream.HUNG_UP)
    for changed in (
        replace(CALM, holders=(holder,)), replace(CALM, mdns_holder=holder),
        replace(CALM, is_member=False), replace(CALM, peers=()),
        replace(CALM, peers=(silent,)), replace(CALM, peers=(replace(silent, is_remembered=True),)),
    ):
        (found, *_) = findings(replace(changed, own=" --name ada"))
        assert " --name ada" in found.mend, found
