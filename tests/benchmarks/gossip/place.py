"""A network namespace with nothing in it but loopback; loss and counters inside of it.

Needs root, `ip` (iproute2) and `nft` (nftables), as the system tests do.
"""
from __future__ import annotations

import json
import os
import secrets
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.benchmarks.gossip.systems import RPC_PORT
from tests.system.namespaces import Host, run

if TYPE_CHECKING:
    from collections.abc import Iterator

_RPC_PORTS: Final = f"{RPC_PORT}-{RPC_PORT + 999}"


@contextmanager
def alone() -> Iterator[Host]:
    """A namespace of its own, gone after the block."""
    host = Host(f"antg{os.getpid() % 100_000}{secrets.token_hex(2)}", "127.0.0.1")
    run("ip", "netns", "add", host.name)
    try:
        run("ip", "-n", host.name, "link", "set", "lo", "up")
        yield host
    finally:
        subprocess.run(["ip", "netns", "del", host.name], capture_output=True)


# --- inside of it -------------------------------------------------------------------------------


def lose(percent: int) -> None:
    """Drop this share of all datagrams from now on; 0: none."""
    rule = f"meta l4proto udp numgen random mod 100 < {percent} drop" if percent else ""
    run("nft", "-f", "-", stdin=(
        "table inet loss {}\ndelete table inet loss\n"
        "table inet loss {\n chain arriving {\n"
        f"  type filter hook input priority 0;\n  {rule}\n }}\n}}\n"
    ))


@dataclass(frozen=True, slots=True)
class Traffic:
    """Packets and their bytes with IP and UDP or TCP headers, each counted once."""

    packets: int
    size: int


def count_traffic() -> None:
    """Count what arrives from now on, but for what a benchmark says to its nodes."""
    run("nft", "-f", "-", stdin=(
        "table inet tally {\n chain arriving {\n"
        "  type filter hook input priority -10;\n"
        f"  tcp dport {_RPC_PORTS} accept\n  tcp sport {_RPC_PORTS} accept\n"
        "  meta l4proto { tcp, udp } counter\n }\n}\n"
    ))


def traffic() -> Traffic:
    """What was counted so far."""
    listed = subprocess.run(
        ["nft", "-j", "list", "table", "inet", "tally"], capture_output=True, check=True
    ).stdout
    for item in json.loads(listed)["nftables"]:
        for part in item.get("rule", {}).get("expr", ()):
            if "counter" in part:
                return Traffic(part["counter"]["packets"], part["counter"]["bytes"])
    raise AssertionError("the counter is gone")
