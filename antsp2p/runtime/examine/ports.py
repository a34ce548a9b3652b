"""Who holds a port of this machine.

Law: reading only, and blocking: it looks through `/proc`. Without root only the own programs of a
user can be named.
"""
from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from antsp2p.runtime import limits
from antsp2p.runtime.examine.facts import Holder
from antsp2p.runtime.udp import parse_literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from antsp2p.events import Address

_KINDS: Final = (("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM))
_LISTENING: Final = "0A"


def find_holders(listen: Sequence[Address]) -> tuple[Holder, ...]:
    """For each address of `listen` that cannot be bound because it is taken, who has it."""
    return tuple(
        find_holder(address, protocol)
        for address in listen if address[1]
        for protocol, kind in _KINDS if _is_taken(address, kind)
    )


def _is_taken(address: Address, kind: socket.SocketKind) -> bool:
    literal = parse_literal(address[0])
    if literal is None:
        return False
    family, host, scope = literal
    with socket.socket(family, kind) as tried:
        if family == socket.AF_INET6:
            tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, address[1]) if family == socket.AF_INET
                       else (host, address[1], 0, scope))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def find_holder(address: Address, protocol: str) -> Holder:
    """Who has this port, as far as it can be seen."""
    inodes = set(_inodes(protocol, address[1]))
    for pid in _pids() if inodes else ():
        if inodes & set(_sockets(pid)):
            return Holder(address, protocol, pid, _name(pid))
    return Holder(address, protocol)


def _inodes(protocol: str, port: int) -> Iterator[str]:
    """The sockets that have the port, as the kernel numbers them."""
    for table in (protocol, protocol + "6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            is_bound = protocol == "udp" or fields[3] == _LISTENING
            if is_bound and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _pids() -> list[int]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isdecimal())[: limits.EXAMINE_PROCESSES]


def _sockets(pid: int) -> Iterator[str]:
    """The sockets that a process has open; none where we may not look."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a program"
