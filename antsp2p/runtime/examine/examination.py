"""Examining this machine and the ways to others: all probes, one after the other or at once.

Law: it binds for a moment, sends what a node would send, and changes nothing. Bounded: seconds,
and few addresses. What follows from the facts is not decided here.
"""
from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import trio

from antsp2p.gossip.wire import WIRE_VERSION
from antsp2p.runtime import limits
from antsp2p.runtime.examine.call import call, probe
from antsp2p.runtime.examine.clock import rate_between, read_clocks
from antsp2p.runtime.examine.facts import Examination, Interface, PeerTry, Reply, is_loopback
from antsp2p.runtime.examine.firewall import read_firewall
from antsp2p.runtime.examine.interfaces import read_container, read_interfaces
from antsp2p.runtime.examine.mends import MDNS_PORT
from antsp2p.runtime.examine.multicast import MdnsPortTaken, ask_around
from antsp2p.runtime.examine.ports import find_holder, find_holders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.events import Address
    from antsp2p.gossip.protection import Protection
    from antsp2p.runtime.examine.facts import Holder, MulticastTry, NodeFact, Service
    from antsp2p.runtime.networks import Network


@dataclass(frozen=True, slots=True)
class Question:
    """What to examine. `listen` is where the node listens, or would; `node` is the one that runs
    in the home, if any; `peers` are literal addresses."""

    network_name: str
    network: Network | None
    """None where this user has no such network: nobody of it can be called then."""
    listen: tuple[Address, ...]
    peers: tuple[Address, ...] = ()
    node: NodeFact | None = None
    own: str = ""
    """The options that mean the home, for commands that are shown."""

    @property
    def network_id(self) -> str:
        """In hex; empty where it is not known."""
        if self.node is not None:
            return self.node.network
        return "" if self.network is None else self.network.id.hex()


@dataclass(slots=True)
class _Around:
    """What mDNS brought."""

    tries: tuple[MulticastTry, ...] = ()
    services: tuple[Service, ...] = ()
    holder: Holder | None = None
    calls: list[PeerTry] = field(default_factory=list)


async def examine(question: Question) -> Examination:
    """Look at everything; takes some seconds."""
    began, protection = read_clocks(), probe(question.network)
    interfaces = await trio.to_thread.run_sync(read_interfaces)
    lan = tuple(item for item in interfaces if not item.is_loopback)
    is_on_lan = not question.peers or not all(is_loopback(host) for host, _ in question.peers)
    around = _Around()
    async with trio.open_nursery() as nursery:
        if is_on_lan and lan:
            nursery.start_soon(_look_around, lan, around)
        for address in question.peers:
            nursery.start_soon(_call, question, protection, address, around)
    holders = () if question.node else await trio.to_thread.run_sync(find_holders, question.listen)
    port = 0 if question.node or holders or not question.listen else question.listen[0][1]
    own_udp = await _own_udp(lan, port) if is_on_lan else None
    async with trio.open_nursery() as nursery:
        for address in _also(question, around, lan) if is_on_lan else ():
            nursery.start_soon(_call, question, protection, address, around)
    return Examination(
        network=question.network_id, network_name=question.network_name,
        is_member=question.network is not None, version=WIRE_VERSION, listen=question.listen,
        interfaces=interfaces, container=read_container(), holders=holders, is_on_lan=is_on_lan,
        mdns_holder=around.holder, multicast=around.tries, own_udp=own_udp,
        services=tuple(item for item in around.services if not _is_own(question, item)),
        peers=tuple(sorted(around.calls, key=lambda item: (not item.is_given, item.address))),
        node=question.node, firewall=await trio.to_thread.run_sync(read_firewall),
        clock=rate_between(began, read_clocks()), own=question.own,
    )


async def _look_around(lan: Sequence[Interface], around: _Around) -> None:
    try:
        around.tries, around.services = await ask_around(lan)
    except MdnsPortTaken:
        around.holder = await trio.to_thread.run_sync(find_holder, ("0.0.0.0", MDNS_PORT), "udp")


async def _call(
    question: Question, protection: Protection, address: Address, around: _Around
) -> None:
    found, node = await call(protection, address), question.node
    around.calls.append(replace(
        found, is_given=address in question.peers,
        is_linked=node is not None and address in node.links,
        is_remembered=node is not None and address in node.unanswered,
    ))


def _is_own(question: Question, service: Service) -> bool:
    """Whether a service is the announcement of the node that runs here."""
    node = question.node
    return node is not None and bool(service.author) and node.author.startswith(service.author)


def _also(
    question: Question, around: _Around, lan: Sequence[Interface]
) -> list[Address]:
    """Who else is to be called: those of this network that announce themselves, and those that the
    node called in vain. An announcement of an address elsewhere is no reason to call there."""
    wanted = [
        address for service in around.services
        if service.network == question.network_id and not _is_own(question, service)
        for address in service.addresses if any(item.reaches(address[0]) for item in lan)
    ]
    if question.node is not None and not question.peers:
        wanted += question.node.unanswered
    also = [address for address in dict.fromkeys(wanted) if address not in question.peers]
    return also[: limits.EXAMINE_CALLS]


async def _own_udp(lan: Sequence[Interface], port: int) -> Reply | None:
    """Whether a datagram from this machine reaches its own address on the LAN."""
    hosts = [text.partition("/")[0] for item in lan for text in item.addresses if ":" not in text]
    if not hosts:
        return None
    kind = (socket.AF_INET, socket.SOCK_DGRAM)
    with socket.socket(*kind) as listener, socket.socket(*kind) as sender:
        listener.setblocking(False)
        try:
            listener.bind((hosts[0], port))
            sender.sendto(b"\0", listener.getsockname())
        except OSError as error:
            return Reply.FORBIDDEN if error.errno == errno.EPERM else None
        with trio.move_on_after(limits.EXAMINE_SELF_MS / 1_000):
            await trio.lowlevel.wait_readable(listener)
            return Reply.ANSWERED
    return Reply.SILENT
