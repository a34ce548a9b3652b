"""Looking at this machine: its interfaces, and what it runs in.

Law: reading only, and blocking a little: call it in a thread. What cannot be read is left out.
"""
from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path
from typing import Final

import ifaddr

from antsp2p.runtime import limits
from antsp2p.runtime.examine.facts import Interface

_GET_MTU: Final = 0x8921
_ETHTOOL: Final = 0x8946
_GET_DRIVER: Final = 3
_DRIVER_BYTES: Final = 196
_UNKNOWN_MTU: Final = 1_500
_MARKS: Final = (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"))
"""Files that container engines leave in what they run."""


def read_interfaces() -> tuple[Interface, ...]:
    """The interfaces with addresses, loopback too, by name."""
    found: dict[str, list[str]] = {}
    for adapter in ifaddr.get_adapters():
        for item in adapter.ips:
            host = item.ip if isinstance(item.ip, str) else item.ip[0]
            found.setdefault(adapter.name, []).append(f"{host}/{item.network_prefix}")
    ways_out = _ways_out()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        return tuple(
            Interface(
                name, tuple(sorted(addresses)), _mtu(asked, name), _driver(asked, name),
                name in ways_out,
            )
            for name, addresses in sorted(found.items())[: limits.DISCOVERY_ADDRESSES]
        )


def _ways_out() -> tuple[str, ...]:
    """The interfaces of the IPv4 routes to everywhere that go by a gateway."""
    try:
        lines = Path("/proc/net/route").read_text("ascii").splitlines()[1:]
    except OSError:
        return ()
    rows = map(str.split, lines)
    return tuple(row[0] for row in rows if len(row) > 2 and int(row[1], 16) == 0 < int(row[2], 16))


def _mtu(asked: socket.socket, name: str) -> int:
    answer = _ask_kernel(asked, _GET_MTU, struct.pack("16s16x", name.encode()))
    return _UNKNOWN_MTU if answer is None else int(struct.unpack_from("i", answer, 16)[0])


def _driver(asked: socket.socket, name: str) -> str:
    """What the kernel calls the interface's driver, by ETHTOOL_GDRVINFO."""
    if sys.platform != "linux":
        return ""
    import array
    import fcntl

    info = array.array("B", struct.pack("I", _GET_DRIVER) + bytes(_DRIVER_BYTES - 4))
    request = struct.pack("16sP8x", name.encode(), info.buffer_info()[0])
    try:
        fcntl.ioctl(asked.fileno(), _ETHTOOL, request)
    except OSError:
        return ""
    return info.tobytes()[4:36].partition(b"\0")[0].decode("ascii", "replace")


def _ask_kernel(asked: socket.socket, number: int, request: bytes) -> bytes | None:
    if sys.platform != "linux":
        return None
    import fcntl

    try:
        return fcntl.ioctl(asked.fileno(), number, request)
    except OSError:
        return None


def read_container() -> str:
    """The container engine whose mark is here; empty where there is none."""
    for path, name in _MARKS:
        if Path(path).exists():
            return name
    return "container" if "container" in os.environ else ""


def read_neighbour(host: str) -> bool | None:
    """Whether an IPv4 host has answered on its own link; None where nobody asked."""
    try:
        lines = Path("/proc/net/arp").read_text("ascii").splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) >= 4 and fields[0] == host:
            return int(fields[2], 16) & 2 != 0 and fields[3] != "00:00:00:00:00:00"
    return None
