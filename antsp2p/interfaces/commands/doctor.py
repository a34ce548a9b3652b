"""`antsp2p doctor`: why two nodes do not see each other, and the command that mends it.

Law: it prints commands and runs none of them. It works with the node running, whose memory it
asks, and without.
"""
from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

import trio

from antsp2p.interfaces.client import Client, own_options
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import one_line, say, say_json
from antsp2p.runtime import limits
from antsp2p.runtime.examine.examination import Question, examine
from antsp2p.runtime.examine.finding import Severity
from antsp2p.runtime.examine.findings import findings
from antsp2p.runtime.examine.own_node import read_node
from antsp2p.runtime.home import HomeError, network_id
from antsp2p.runtime.networks import known_networks, known_price, open_network, stored_network
from antsp2p.runtime.peers import format_address, parse_address
from antsp2p.runtime.udp import ANY_ADDRESS, parse_literal, peer_address

if TYPE_CHECKING:
    import argparse

    from antsp2p.events import Address
    from antsp2p.runtime.examine.facts import Examination
    from antsp2p.runtime.examine.finding import Finding
    from antsp2p.runtime.networks import Network

_INDENT: Final = " " * 9


def run(options: argparse.Namespace) -> int:
    """Examine, and say what was found; `Exit.DIAGNOSED` where something keeps nodes apart."""
    question = _question(options)
    examination = trio.run(examine, question)
    found = findings(examination)
    if options.json:
        say_json(_view(examination, found))
    else:
        _print(examination, found)
    apart = any(finding.severity is Severity.ERROR for finding in found)
    return Exit.DIAGNOSED if apart else Exit.OK


def _question(options: argparse.Namespace) -> Question:
    """What there is to ask, with what the running node knows. Raises `CommandError`."""
    peers = () if options.peer is None else _resolve(*options.peer)
    try:
        with Client(options) as client:
            status, view = client.get("/v1/status"), client.get("/v1/doctor")
    except CommandError as error:
        if error.code is not Exit.NO_NODE:
            raise
    else:
        listen = tuple(map(parse_address, status["listen"]))
        name, node = str(status["network_name"]), read_node(view)
        network = _of_node(node.network)
        return Question(name, network, listen, peers, node, own_options(options))
    network = _network(options.network, is_open=options.open)
    listen = tuple(options.listen) or tuple((host, 0) for host in ANY_ADDRESS)
    return Question(options.network, network, listen, peers, own=own_options(options))


def _of_node(network: str) -> Network | None:
    """What this user knows of the network that a running node is in. Raises `CommandError`."""
    try:
        return next((each for each in known_networks() if each.id.hex() == network), None)
    except HomeError as error:
        raise CommandError(Exit.USAGE, str(error)) from error


def _network(name: str, *, is_open: bool) -> Network | None:
    """What this user knows of a network; nothing is made. Raises `CommandError`."""
    try:
        network_id(name)
        return open_network(name, known_price(name)) if is_open else stored_network(name)
    except HomeError as error:
        raise CommandError(Exit.USAGE, str(error)) from error


def _resolve(host: str, port: int) -> tuple[Address, ...]:
    if parse_literal(host) is not None:
        return ((host, port),)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise CommandError(Exit.NOT_FOUND, f"the name {host!r} has no address: {why}") from error
    addresses = dict.fromkeys(peer_address(name) for *_, name in found)
    return tuple(addresses)[: limits.ADDRESSES_PER_SERVICE]


def _print(examination: Examination, found: tuple[Finding, ...]) -> None:
    for finding in found:
        say(f"{finding.severity:<7}  {one_line(finding.text)}")
        if finding.mend:
            say(f"{_INDENT}{one_line(finding.mend)}")
    if not any(finding.severity is Severity.ERROR for finding in found):
        answered = [
            format_address(peer.address) for peer in examination.peers if peer.small == "answered"
        ]
        say("nothing is in the way" + (f": {', '.join(answered)} answers" if answered else ""))


def _view(examination: Examination, found: tuple[Finding, ...]) -> dict[str, Any]:
    return {
        "findings": [
            {"kind": item.kind, "severity": item.severity, "text": item.text, "mend": item.mend}
            for item in found
        ],
        "network": examination.network, "member": examination.is_member,
        "running": examination.node is not None,
        "listen": [format_address(address) for address in examination.listen],
        "interfaces": [
            {"name": item.name, "addresses": item.addresses, "mtu": item.mtu}
            for item in examination.interfaces
        ],
        "peers": [
            {
                "address": format_address(peer.address), "udp": peer.small, "udp_full": peer.full,
                "tcp": peer.stream, "path_mtu": peer.path_mtu, "linked": peer.is_linked,
            }
            for peer in examination.peers
        ],
        "services": [
            {
                "addresses": [format_address(address) for address in item.addresses],
                "author": item.author, "network": item.network, "version": item.version,
            }
            for item in examination.services
        ],
        "clock": None if examination.clock is None else {
            "raw_ppm": examination.clock.raw_ppm, "wall_ppm": examination.clock.wall_ppm,
        },
    }
