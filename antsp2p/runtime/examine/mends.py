"""The command that mends a finding, in the words of what is installed.

Law: commands are made here and run nowhere: whoever reads them decides. Only what this machine
itself said, and numbers, go into a command; a stranger's text never does.
"""
from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from antsp2p.runtime.peers import format_address

if TYPE_CHECKING:
    from antsp2p.events import Address
    from antsp2p.runtime.examine.facts import Firewall, Holder

MDNS_PORT: Final = 5353
SAME_NETWORK: Final = "antsp2p networks, on both machines: it shows the name and the price of each"
ANY_PORT: Final = "PORT"
"""Stands in a command where the node has no port of its own yet."""


def let_in(firewall: Firewall, port: int, protocol: str) -> str:
    """Let datagrams or connections to `port` in, on this machine."""
    number = str(port or ANY_PORT)
    if firewall.active == "ufw":
        return f"sudo ufw allow {number}/{protocol}"
    if firewall.active == "firewalld":
        return (
            f"sudo firewall-cmd --permanent --add-port={number}/{protocol} "
            "&& sudo firewall-cmd --reload"
        )
    return _nft_or_iptables(firewall, "input", f"{protocol} dport {number}", (
        f"sudo iptables -I INPUT -p {protocol} --dport {number} -j ACCEPT"
    ))


def let_out(firewall: Firewall, *ports: int) -> str:
    """Let datagrams from these own ports out of this machine."""
    numbers = [str(port or ANY_PORT) for port in ports]
    if firewall.active == "ufw":
        return "sudo ufw default allow outgoing"
    return _nft_or_iptables(firewall, "output", f"udp sport {{ {', '.join(numbers)} }}", (
        f"sudo iptables -I OUTPUT -p udp -m multiport --sports {','.join(numbers)} -j ACCEPT"
    ))


def _nft_or_iptables(firewall: Firewall, hook: str, match: str, iptables: str) -> str:
    if "nft" not in firewall.tools and "iptables" in firewall.tools:
        return iptables
    chains = [
        f"{chain.family} {chain.table} {chain.name}"
        for chain in firewall.chains if chain.hook == hook
    ] or [f"inet filter {hook}"]
    # What one chain accepts another may still drop, so each of them has to know.
    return " && ".join(
        f"sudo nft insert rule {chain} {_quoted(match)} accept" for chain in chains
    )


def _quoted(match: str) -> str:
    return f"'{match}'" if "{" in match else match


def there(port: int, protocol: str) -> str:
    """Let `port` in on the other machine, of which it is not known what it has."""
    return (
        f"on that machine: sudo ufw allow {port}/{protocol}, or "
        f"sudo nft insert rule inet filter input {protocol} dport {port} accept"
    )


def listen_at(address: Address, start: str) -> str:
    """Have the node listen at the address that is started with `start`."""
    return f"{start} --listen {format_address(address)}"


def _here(own: str) -> str:
    """What a command for both machines needs on this one."""
    return f" (here with{own})" if own else ""


def invite(own: str) -> str:
    """Give one machine the secret that the other has."""
    return f"antsp2p invite, on one machine{_here(own)}, then antsp2p join CODE, on the other"


def same_openness(network: str, own: str) -> str:
    """Let both nodes take part in one network, where one of them is in an open one."""
    name = shlex.quote(network)
    return (
        f"antsp2p start --open --network {name}, on both machines{_here(own)}, or on neither; "
        f"then: {invite(own)}"
    )


def same_price(network: str, price: int, own: str) -> str:
    """Let both nodes take part in the same one of several open networks of one name."""
    return (
        f"antsp2p start --open --network {shlex.quote(network)} --price {price}, on both machines"
        f"{_here(own)}"
    )


def own_network(network: str, own: str) -> str:
    """Take part in a network of which this user knows nothing."""
    return (
        "antsp2p join CODE, with the CODE of antsp2p invite there; or, for a network of its own: "
        f"antsp2p start{own} --network {shlex.quote(network)}"
    )


def set_mtu(interface: str, mtu: int) -> str:
    return f"sudo ip link set dev {interface} mtu {mtu}"


def route_multicast(interface: str) -> str:
    return (
        f"sudo ip link set dev {interface} multicast on && "
        f"sudo ip route replace 224.0.0.0/4 dev {interface}"
    )


def free_port(holder: Holder, start: str) -> str:
    """Take another port; or look who has it, where that could not be seen."""
    host, port = holder.address
    other = listen_at((host, 0), start)
    if holder.pid is not None:
        return other
    kind = "u" if holder.protocol == "udp" else "t"
    return f"sudo ss -ln{kind}p 'sport = :{port}', or: {other}"
