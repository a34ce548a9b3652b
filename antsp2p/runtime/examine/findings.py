"""What follows from an examination: why two nodes do not see each other, and what mends it.

Law: pure functions from facts to findings. A cause is named once: what follows from it is not
blamed beside it. An error keeps nodes apart, a warning may, a note only helps to understand.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.gossip.limits import MAX_DATAGRAM_BYTES
from antsp2p.runtime.examine import mends
from antsp2p.runtime.examine.calls import (
    HEADERS_BYTES,
    has_other_secret,
    is_other,
    judge_call,
    of_other_network,
    other_secret,
    start_here,
)
from antsp2p.runtime.examine.facts import Reply
from antsp2p.runtime.examine.finding import Finding, Severity, error, note, warning
from antsp2p.runtime.peers import format_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from antsp2p.runtime.examine.facts import CallerFact, Examination, Firewall, MulticastTry

CLOCK_PPM: Final = 500
"""What daemons that keep the time correct at most in calm operation."""
LOST_ANSWERS: Final = 4
"""Hellos of one caller: whose first answers arrive does not repeat itself so often."""
CALLER_FRESH_MS: Final = 60_000
REFUSED_FRESH_MS: Final = 150_000
"""Whoever is refused calls again within a minute, also where its hellos are at their rarest."""
_BRIDGED: Final = ("veth", "tun")
"""Drivers of what a container gets instead of an interface of the LAN."""
_SEVERITIES: Final = tuple(Severity)


def findings(examination: Examination) -> tuple[Finding, ...]:
    """Everything that is to be said, the worst first."""
    found = [finding for rule in _RULES for finding in rule(examination)]
    found = list(dict.fromkeys(found))
    return tuple(sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity)))


# --- this machine --------------------------------------------------------------------------------


def _interfaces(examination: Examination) -> Iterable[Finding]:
    if not examination.is_on_lan:
        return
    if not examination.lan:
        yield error(
            "no-interface", "no network interface with an address is up",
            "sudo ip link set dev NAME up",
        )
    elif examination.is_loopback_only:
        yield error(
            "loopback-only",
            f"the node listens at {_listed(examination)} only, where no other machine reaches it",
            mends.listen_at(("0.0.0.0", examination.port), start_here(examination)),
        )


def _container(examination: Examination) -> Iterable[Finding]:
    lan = examination.lan
    if not examination.container or not examination.is_on_lan or not lan:
        return
    if any(item.driver not in _BRIDGED for item in lan):
        return
    ways_out = [item for item in lan if item.is_way_out]
    if not ways_out:
        return
    address = ways_out[0].addresses[0].partition("/")[0]
    run = examination.container if examination.container in ("docker", "podman") else "docker"
    calls_out = any(peer.small is Reply.ANSWERED for peer in examination.peers)
    say = warning if calls_out else error
    yield say(
        "container-bridge",
        f"the node is in a container behind a bridge: its address {address} is known on this "
        "machine alone, so nobody on the LAN can find or call it",
        f"{run} run --network host ...",
    )


def _ports(examination: Examination) -> Iterable[Finding]:
    for holder in examination.holders:
        whose = "another program" if holder.pid is None else f"{holder.name} (pid {holder.pid})"
        yield error(
            "port-in-use",
            f"{format_address(holder.address)} is in use for {holder.protocol.upper()} by {whose}",
            mends.free_port(holder, start_here(examination)),
        )


def _membership(examination: Examination) -> Iterable[Finding]:
    name = examination.network_name
    if examination.is_member:
        return
    if examination.node is None:
        text = f"this user has no network {name!r} yet, so no node of it answers"
    else:
        text = (
            f"this user does not know the secret of the network {name!r} in which the node runs: "
            "another user started it, or ANTSP2P_CONFIG has changed"
        )
    say = error if any(peer.is_given for peer in examination.peers) else note
    yield say("no-network", text, mends.own_network(name, examination.own))


def _is_out_blocked(examination: Examination) -> bool:
    replies = [examination.own_udp, *(peer.small for peer in examination.peers)]
    return Reply.FORBIDDEN in replies


def _is_in_blocked(examination: Examination) -> bool:
    return examination.own_udp is Reply.SILENT or any(peer.filtered for peer in examination.peers)


def _firewall(examination: Examination) -> Iterable[Finding]:
    firewall, port = examination.firewall, examination.port
    if _is_out_blocked(examination):
        yield error(
            "udp-out-blocked", "this machine's own firewall does not let UDP out",
            mends.let_out(firewall, port, mends.MDNS_PORT),
        )
    elif _is_in_blocked(examination):
        yield error(
            "udp-in-blocked", "this machine's own firewall does not let UDP in",
            mends.let_in(firewall, port, "udp"),
        )
    elif port and not firewall.names(port) and examination.is_on_lan and any(
        chain.drops_rest for chain in firewall.chains if chain.hook == "input"
    ):
        # Answers to what was sent pass such a firewall, so no call of ours can show it.
        yield warning(
            "firewall-closed",
            f"this machine's firewall drops what it does not name, and names no port {port}: "
            "others may be unable to call this node",
            mends.let_in(firewall, port, "udp"),
        )


def _multicast(examination: Examination) -> Iterable[Finding]:
    if _is_out_blocked(examination) or _is_in_blocked(examination):
        return
    holder = examination.mdns_holder
    if holder is not None:
        whose = "a program" if holder.pid is None else f"{holder.name} (pid {holder.pid})"
        yield error(
            "mdns-port", f"{whose} keeps UDP port {mends.MDNS_PORT} for itself, so mDNS is deaf",
            f"sudo ss -lunp 'sport = :{mends.MDNS_PORT}', or: "
            f"{start_here(examination)} --peer HOST:PORT",
        )
        return
    deaf = [item for item in examination.multicast if item.reply is not Reply.ANSWERED]
    if not deaf:
        return
    names = ", ".join(dict.fromkeys(item.interface for item in deaf))
    is_vital = len(deaf) == len(examination.multicast) and not any(
        peer.small is Reply.ANSWERED for peer in examination.peers
    )
    say = error if is_vital else warning
    yield say(
        "multicast-blocked",
        f"multicast does not work on {names}, so nodes do not find each other there by mDNS",
        _let_multicast_pass(examination.firewall, deaf[0]),
    )


def _let_multicast_pass(firewall: Firewall, deaf: MulticastTry) -> str:
    match deaf.reply:
        case Reply.FORBIDDEN:
            return mends.let_out(firewall, mends.MDNS_PORT)
        case Reply.NO_ROUTE:
            return mends.route_multicast(deaf.interface)
    return mends.let_in(firewall, mends.MDNS_PORT, "udp")


def _mtu(examination: Examination) -> Iterable[Finding]:
    for item in examination.lan if examination.is_on_lan else ():
        if item.mtu < MAX_DATAGRAM_BYTES + HEADERS_BYTES:
            yield warning(
                "mtu-low",
                f"{item.name} carries {item.mtu} bytes at once: datagrams of {MAX_DATAGRAM_BYTES} "
                "bytes are cut up, and pieces are lost more easily",
                mends.set_mtu(item.name, 1_500),
            )


def _clock(examination: Examination) -> Iterable[Finding]:
    clock = examination.clock
    if clock is None:
        return
    if clock.raw_ppm is not None and abs(clock.raw_ppm) > CLOCK_PPM:
        yield warning(
            "clock-rate",
            f"this machine's clock is being sped up or slowed down by {clock.raw_ppm:+d} ppm: its "
            "leases end early or late for others",
            "chronyc tracking, or: timedatectl timesync-status",
        )
    if abs(clock.wall_ppm) > CLOCK_PPM:
        yield note(
            "clock-set", "the calendar was set meanwhile; leases do not depend on it",
            "timedatectl",
        )


# --- others --------------------------------------------------------------------------------------


def _calls(examination: Examination) -> Iterable[Finding]:
    for peer in examination.peers:
        yield from judge_call(examination, peer)


def _others(examination: Examination) -> Iterable[Finding]:
    """Who is about and of another network, version or secret; those called are judged there."""
    called = {peer.address for peer in examination.peers}
    for service in examination.services:
        if not called.intersection(service.addresses):
            shown = format_address(service.addresses[0]) if service.addresses else "a node"
            yield from _other(examination, shown, service.version, service.network)
    for caller in () if examination.node is None else examination.node.callers:
        if caller.address not in called and examination.service_at(caller.address) is None:
            shown = format_address(caller.address)
            version = str(caller.version or "")
            yield from _other(examination, shown, version, caller.network)
            if has_other_secret(caller.reasons):
                if _calls_still(examination, caller, REFUSED_FRESH_MS):
                    yield other_secret(examination, shown, caller.reasons)
            elif _misses_answers(examination, caller):
                yield error(
                    "answers-lost",
                    f"{shown} calls again and again, and does not get this node's answers",
                    mends.there(caller.address[1], "udp"),
                )


def _misses_answers(examination: Examination, caller: CallerFact) -> bool:
    assert examination.node is not None
    return (
        caller.reasons.get("answered", 0) >= LOST_ANSWERS
        and _calls_still(examination, caller, CALLER_FRESH_MS)
        and not _is_out_blocked(examination)
    )


def _calls_still(examination: Examination, caller: CallerFact, fresh_ms: int) -> bool:
    """Whether what came from there is news: who is linked since then has been understood, and one
    who was silent for long, as a command that examined, is no node that is kept away."""
    assert examination.node is not None
    return caller.age_ms <= fresh_ms and caller.address not in examination.node.links


def _other(
    examination: Examination, shown: str, version: str, network: str
) -> Iterable[Finding]:
    # Among others of our own network a stranger is no news; alone, it may be whom we miss.
    say = note if _has_company(examination) else warning
    if version and version != str(examination.version):
        yield say(
            "other-version",
            f"{shown} speaks version {version} of the protocol, and this node version "
            f"{examination.version}",
            "pip install --upgrade antsp2p, on the machine with the older version",
        )
    elif is_other(examination, network):
        yield say("other-network", *of_other_network(examination, shown, network))


def _has_company(examination: Examination) -> bool:
    is_linked = examination.node is not None and bool(examination.node.links)
    return is_linked or any(peer.small is Reply.ANSWERED for peer in examination.peers)


def _alone(examination: Examination) -> Iterable[Finding]:
    """Nothing was called, nothing is linked, and nothing is wrong: somebody has to be there."""
    if not examination.is_member or not examination.is_on_lan:
        return
    if examination.peers or _has_company(examination):
        return
    if not any(service.network == examination.network for service in examination.services):
        yield note(
            "alone", "no other node of this network announces itself here",
            f"antsp2p doctor{examination.own} HOST:PORT, with the address that the other node's "
            "status shows",
        )


def _listed(examination: Examination) -> str:
    return ", ".join(format_address(address) for address in examination.listen)


_RULES: Final[tuple[Callable[[Examination], Iterable[Finding]], ...]] = (
    _interfaces, _container, _ports, _membership, _firewall, _multicast, _mtu, _clock, _calls,
    _others, _alone,
)
