"""What follows from calling one address: who does not answer there, and why.

Law: pure. What is this machine's own fault is not said here, but by the rules about this machine.
"""
from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.limits import MAX_DATAGRAM_BYTES
from antsp2p.records.work import MAX_WORK_BITS
from antsp2p.runtime.examine import mends
from antsp2p.runtime.examine.facts import Reply, Stream, is_loopback
from antsp2p.runtime.examine.finding import Finding, error, note, warning
from antsp2p.runtime.home import DEFAULT_NETWORK, network_id
from antsp2p.runtime.peers import format_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from antsp2p.runtime.examine.facts import Examination, PeerTry

_TAKEN: Final = (Stream.OPEN, Stream.HUNG_UP)
HEADERS_BYTES: Final = 48
"""IPv6 and UDP around a datagram, the larger of the two families."""


def judge_call(examination: Examination, peer: PeerTry) -> list[Finding]:
    """What is to be said about one address that was called."""
    if peer.small is Reply.ANSWERED or peer.is_linked:
        return _of_answered(examination, peer)
    if peer.small is Reply.FORBIDDEN or peer.filtered:
        return []
    # Where a node is, its TCP port is open: what was heard from there before is no news then.
    stranger = None if peer.stream is Stream.CLOSED else _stranger(examination, peer)
    if stranger is not None:
        return [stranger]
    if examination.is_member and peer.stream is Stream.HUNG_UP and peer.small is Reply.SILENT:
        return [_hung_up(examination, peer)]
    if peer.is_remembered and not peer.is_given and examination.service_at(peer.address) is None:
        shown = format_address(peer.address)
        return [note(
            "remembered-silent", f"{shown} was called before, and does not answer now",
            f"antsp2p doctor{examination.own} {shown}",
        )]
    if not examination.is_member and peer.stream in _TAKEN:
        # Nobody answers a caller who does not know the network's secret.
        return []
    return [_of_silent(examination, peer)]


def _hung_up(examination: Examination, peer: PeerTry) -> Finding:
    """Somebody takes a connection, and closes it on the first word under the network's secret."""
    shown = format_address(peer.address)
    name, price = examination.network_name, _open_price(examination)
    if price is not None:
        # Nobody is invited to an open network: its secret follows from its name and its price.
        return error(
            "other-network",
            f"{shown} hangs up on the open network {name!r} in which a name costs {price} bits: it "
            "is in another one, or in this one at another price",
            mends.SAME_NETWORK,
        )
    if peer.is_remembered:
        return error(
            "secret-replaced",
            f"{shown}, which this node knows from before, hangs up on its secret and is silent by "
            "UDP: the secret was changed while this node was away, or another node is there now",
            mends.invite(examination.own),
        )
    return error(
        "other-secret",
        f"{shown} hangs up on this network's secret and is silent by UDP, as a node of another "
        "network or with another secret does",
        mends.invite(examination.own),
    )


def _open_price(examination: Examination) -> int | None:
    """What a name costs in the own network; None where it is a closed one."""
    opened = [
        network_id(examination.network_name, price).hex() for price in range(MAX_WORK_BITS + 1)
    ]
    return opened.index(examination.network) if examination.network in opened else None


def start_here(examination: Examination) -> str:
    """The command that starts this very node; what else it was started with is not known."""
    name, price = examination.network_name, _open_price(examination)
    network = f" --network {shlex.quote(name)}" if name != DEFAULT_NETWORK else ""
    opened = "" if price is None else " --open" + (f" --price {price}" if price else "")
    return f"antsp2p start{examination.own}{network}{opened}"


def _of_answered(examination: Examination, peer: PeerTry) -> list[Finding]:
    """A node is there; the rest may still be shut."""
    shown = format_address(peer.address)
    found = []
    if peer.small is Reply.ANSWERED and peer.full is not Reply.ANSWERED:
        found.append(_mtu(examination, peer))
    if peer.stream in (Stream.SILENT, Stream.CLOSED, Stream.NO_ROUTE):
        found.append(warning(
            "tcp-blocked",
            f"{shown} answers by UDP and not by TCP: large inputs and results cannot be fetched",
            mends.there(peer.address[1], "tcp"),
        ))
    return found


def _mtu(examination: Examination, peer: PeerTry) -> Finding:
    shown = format_address(peer.address)
    most = "" if peer.path_mtu is None or peer.path_mtu >= MAX_DATAGRAM_BYTES + HEADERS_BYTES else (
        f" (the way carries {peer.path_mtu} bytes)"
    )
    interface = next(
        (item.name for item in examination.lan if item.reaches(peer.address[0])),
        examination.lan[0].name if examination.lan else "lo",
    )
    return error(
        "mtu",
        f"small datagrams reach {shown}, and those of {MAX_DATAGRAM_BYTES} bytes do not{most}",
        f"{mends.set_mtu(interface, 1_500)}, on both machines and on what is between them",
    )


def _stranger(examination: Examination, peer: PeerTry) -> Finding | None:
    """Whether the address is known to belong to somebody with whom there is no talking."""
    shown = format_address(peer.address)
    service = examination.service_at(peer.address)
    version = network = ""
    why: tuple[str, ...] = ()
    if service is not None:
        version, network = service.version, service.network
    for caller in examination.callers_from(peer.address[0]):
        if caller.address[1] == peer.address[1]:
            why = tuple(caller.reasons)
            version, network = str(caller.version or version), caller.network or network
    if version and version != str(examination.version):
        return error(
            "other-version",
            f"{shown} speaks version {version} of the protocol, and this node "
            f"version {examination.version}",
            "pip install --upgrade antsp2p, on the machine with the older version",
        )
    if is_other(examination, network):
        return error("other-network", *of_other_network(examination, shown, network))
    # Whoever announces our network and refuses what we say under its secret has another one.
    is_refused = network == examination.network and peer.stream in _TAKEN
    return other_secret(examination, shown, why) if is_refused or has_other_secret(why) else None


def is_other(examination: Examination, network: str) -> bool:
    """Whether a network that somebody said to be of is known to be another."""
    return bool(network and examination.network) and network != examination.network


def of_other_network(examination: Examination, shown: str, network: str) -> tuple[str, str]:
    """What is so, and what mends it, where two nodes are of different networks."""
    name = examination.network_name
    opened = [network_id(name, price).hex() for price in range(MAX_WORK_BITS + 1)]
    if network in opened and examination.network in opened:
        theirs, price = opened.index(network), opened.index(examination.network)
        return (
            f"{shown} is of the open network {name!r} in which a name costs {theirs} bits, and "
            f"this node of the one in which it costs {price}",
            mends.same_price(name, max(theirs, price), examination.own),
        )
    if network in opened:
        return (
            f"{shown} is of the open network {name!r}, and this node of a closed one of that name",
            mends.same_openness(name, examination.own),
        )
    is_ours_open = examination.network in opened
    ours = f"the open network {name!r}" if is_ours_open else examination.network[:12]
    text = f"{shown} is of network {network[:12]} and this node of {ours}"
    own = examination.own
    return text, mends.same_openness(name, own) if is_ours_open else mends.invite(own)


def has_other_secret(reasons: Iterable[str]) -> bool:
    """Whether a caller of this network was dropped for the secret that he used."""
    return any(reason in ("key", "key-replaced", "mac") for reason in reasons)


def other_secret(
    examination: Examination, shown: str, reasons: Iterable[str]
) -> Finding:
    """A node that says to be of this network, and does not know its secret; `reasons`: why this
    node dropped what came from there."""
    if "key-replaced" in reasons:
        return error(
            "secret-replaced",
            f"{shown} uses a secret that was this network's once: it was away while it was changed",
            mends.invite(examination.own),
        )
    return error(
        "other-secret",
        f"{shown} does not know this network's secret, or knows another one; if it was a member "
        "with this node before, the secret was changed while one of the two was away",
        mends.invite(examination.own),
    )


def _of_silent(examination: Examination, peer: PeerTry) -> Finding:
    """Nobody of this network answers by UDP at the address."""
    shown, port = format_address(peer.address), peer.address[1]
    here = " (this machine)" if is_loopback(peer.address[0]) else ""
    is_announced = examination.service_at(peer.address) is not None
    match peer.small, peer.stream:
        case _, Stream.ANSWERED:
            return error("udp-blocked", _blocked_text(examination, peer), mends.there(port, "udp"))
        case Reply.REJECTED, _:
            return error(
                "udp-blocked", f"a firewall on the way to {shown} rejects UDP",
                mends.there(port, "udp"),
            )
        case Reply.CLOSED | Reply.SILENT, Stream.OPEN | Stream.HUNG_UP:
            return error(
                "tcp-only",
                f"{shown} takes TCP connections and does not answer by UDP: UDP is blocked, or it "
                "does not know this network's secret",
                mends.there(port, "udp"),
            )
        case (Reply.CLOSED, _) | (_, Stream.CLOSED):
            return error(
                "no-node", f"no node listens at {shown}{here}: its port is closed",
                f"antsp2p status, on that machine: it shows the address; or there: "
                f"{mends.listen_at(('0.0.0.0', port), 'antsp2p start')}",
            )
        case _ if is_announced:
            return error(
                "advertised-unreachable",
                f"{shown} announces itself by mDNS, and answers neither by UDP nor by TCP",
                mends.there(port, "udp"),
            )
        case _ if peer.is_neighbour:
            return error(
                "all-blocked",
                f"the machine of {shown} is there, and answers neither by UDP nor by TCP",
                mends.there(port, "udp"),
            )
        case _ if peer.is_neighbour is False or peer.small is Reply.NO_ROUTE:
            return error(
                "no-host", f"there is no machine at {peer.address[0]}, or no way to it",
                f"ip route get {peer.address[0]}",
            )
    return error(
        "no-answer", f"{shown} answers neither by UDP nor by TCP: it is off, elsewhere, or shut",
        mends.there(port, "udp"),
    )


def _blocked_text(examination: Examination, peer: PeerTry) -> str:
    shown = format_address(peer.address)
    calls = any("answered" in item.reasons for item in examination.callers_from(peer.address[0]))
    if calls:
        why = "its own calls arrive, so it is the way there that is shut"
    elif peer.filtered is None:
        why = "UDP is blocked there, on the way, or here (as root this sees whether it is here)"
    else:
        why = "UDP is blocked there or on the way"
    return f"{shown} answers by TCP and not by UDP: {why}"
