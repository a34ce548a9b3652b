"""What an examination found: plain facts.

Law: frozen values, no behaviour beyond looking at themselves. Texts that strangers wrote stand
here as they came; whoever prints them escapes them.
"""
from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from antsp2p.events import Address


class Reply(StrEnum):
    """What came back for datagrams to one address."""

    ANSWERED = "answered"
    SILENT = "silent"
    CLOSED = "closed"
    """ICMP "port unreachable": nobody listens, or a firewall says so."""
    REJECTED = "rejected"
    """ICMP says that a firewall forbids it."""
    NO_ROUTE = "no-route"
    """This machine or a router knows no way there, or the host does not answer on its own link."""
    FORBIDDEN = "forbidden"
    """This machine's own firewall refused to send."""


class Stream(StrEnum):
    """What came of a connection to one address."""

    ANSWERED = "answered"
    """A node of this network answered there, by the network's secret."""
    OPEN = "open"
    """It was accepted, and what we asked was not answered."""
    HUNG_UP = "hung-up"
    """It was accepted, and closed on what we said under the network's secret."""
    CLOSED = "closed"
    SILENT = "silent"
    NO_ROUTE = "no-route"


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface that is up, with its addresses as `host/prefix`."""

    name: str
    addresses: tuple[str, ...]
    mtu: int
    driver: str = ""
    """As the kernel names it; `veth` is a cable to another namespace. Empty: not told."""
    is_way_out: bool = False
    """Whether a gateway on it leads to everywhere else."""

    @property
    def is_loopback(self) -> bool:
        return all(ipaddress.ip_interface(text).is_loopback for text in self.addresses)

    def reaches(self, host: str) -> bool:
        """Whether `host` is on one of the interface's own networks."""
        found = ipaddress.ip_address(host.partition("%")[0])
        nets = [ipaddress.ip_interface(text).network for text in self.addresses]
        return any(found in net for net in nets if net.version == found.version)


@dataclass(frozen=True, slots=True)
class MulticastTry:
    """An mDNS question that was asked on one interface."""

    interface: str
    address: str
    reply: Reply
    """`ANSWERED` where the own question was heard again, as it is wherever multicast works."""


@dataclass(frozen=True, slots=True)
class Service:
    """A node that announces itself by mDNS, as it says. Empty texts: it did not say."""

    addresses: tuple[Address, ...]
    author: str
    network: str
    version: str


@dataclass(frozen=True, slots=True)
class PeerTry:
    """An address that was called."""

    address: Address
    small: Reply
    """To the smallest hello there is."""
    full: Reply
    """To a hello as large as the largest datagram."""
    stream: Stream
    filtered: int | None = None
    """Answers that reached this machine and not the program; None where that cannot be seen."""
    path_mtu: int | None = None
    """Bytes that the kernel has learned to fit through."""
    is_neighbour: bool | None = None
    """Whether the host answers on its own link (ARP); None where it is behind a router."""
    is_linked: bool = False
    """Whether the running node has a link to it."""
    is_given: bool = False
    """Whether a person asked for it."""
    is_remembered: bool = False
    """Whether the running node knows the address and has called it in vain."""


@dataclass(frozen=True, slots=True)
class CallerFact:
    """What came to the running node from an address without a link."""

    address: Address
    reasons: Mapping[str, int]
    age_ms: int
    version: int = 0
    network: str = ""


@dataclass(frozen=True, slots=True)
class NodeFact:
    """The node that runs in the home."""

    pid: int
    author: str
    network: str
    """The network's id in hex."""
    drops: Mapping[str, int] = field(default_factory=dict)
    links: tuple[Address, ...] = ()
    callers: tuple[CallerFact, ...] = ()
    unanswered: tuple[Address, ...] = ()
    """Addresses that it called lately without an answer, the most trusted first."""


@dataclass(frozen=True, slots=True)
class Holder:
    """An address that is to be bound and is not free, and whose it is as far as can be seen."""

    address: Address
    protocol: str
    pid: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of nftables that looks at what comes in or goes out."""

    family: str
    table: str
    name: str
    hook: str
    """`input` or `output`."""
    drops_rest: bool = False
    """Whether it drops what none of its rules names."""


@dataclass(frozen=True, slots=True)
class Firewall:
    """What there is on this machine to set up a firewall with."""

    active: str = ""
    """`ufw` or `firewalld` where one is on."""
    tools: tuple[str, ...] = ()
    chains: tuple[Chain, ...] = ()
    """Seen only by root."""
    named_ports: tuple[tuple[int, int], ...] = ()
    """Ranges of ports that any of its rules names."""

    def names(self, port: int) -> bool:
        """Whether a rule speaks of the port."""
        return any(first <= port <= last for first, last in self.named_ports)


@dataclass(frozen=True, slots=True)
class ClockRate:
    """How fast this machine's steady clock goes, against the oscillator and the calendar."""

    raw_ppm: int | None
    """Beyond the oscillator, by what is being corrected; None where that cannot be read."""
    wall_ppm: int
    """Of the calendar beyond the steady clock: it was set meanwhile."""


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that was looked at. `node` is None where none runs in the home."""

    network: str
    """The network's id in hex; empty where it is not known."""
    version: int
    listen: tuple[Address, ...]
    """Where the node listens, or would."""
    network_name: str = "local"
    is_member: bool = True
    """Whether this user knows the network's secret."""
    interfaces: tuple[Interface, ...] = ()
    container: str = ""
    """What this process runs in: `docker`, `podman`, `container`; empty: nothing of the kind."""
    holders: tuple[Holder, ...] = ()
    is_on_lan: bool = True
    """Whether the local network matters; not where only this machine itself was called."""
    mdns_holder: Holder | None = None
    """Who keeps the mDNS port for itself."""
    multicast: tuple[MulticastTry, ...] = ()
    own_udp: Reply | None = None
    """To a datagram from this machine to its own address; None where it was not tried."""
    services: tuple[Service, ...] = ()
    peers: tuple[PeerTry, ...] = ()
    node: NodeFact | None = None
    firewall: Firewall = field(default_factory=Firewall)
    clock: ClockRate | None = None
    own: str = ""
    """The options that mean this home in a command here, a space before them; empty for the one
    that commands mean without any."""

    @property
    def port(self) -> int:
        """The port number of the node, 0 where it takes any."""
        return self.listen[0][1] if self.listen else 0

    @property
    def lan(self) -> tuple[Interface, ...]:
        """The interfaces that lead anywhere."""
        return tuple(item for item in self.interfaces if not item.is_loopback)

    @property
    def is_loopback_only(self) -> bool:
        """Whether nobody but this machine can reach the node where it listens."""
        return bool(self.listen) and all(is_loopback(host) for host, _ in self.listen)

    def service_at(self, address: Address) -> Service | None:
        """Who announces itself at `address`."""
        return next((item for item in self.services if address in item.addresses), None)

    def callers_from(self, host: str) -> tuple[CallerFact, ...]:
        """What came from `host` without a link."""
        callers = () if self.node is None else self.node.callers
        return tuple(caller for caller in callers if caller.address[0] == host)


def is_loopback(host: str) -> bool:
    """Whether an IP literal stays within its machine."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback
