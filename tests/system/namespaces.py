"""Network namespaces on a bridge: a small LAN inside this machine, made and removed here.

Needs root, `ip` (iproute2) and, for loss, `nft` (nftables). Every name carries this process's id.
"""
from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def why_not() -> str:
    """Why this machine cannot have network namespaces, or an empty text where it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "nft") if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (packages iproute2 and nftables)"
    name = f"antp{secrets.token_hex(3)}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode:
        return f"this machine refuses network namespaces: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


def run(*command: str, stdin: str = "") -> None:
    """Run a command; what it complains about is in the error."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


@dataclass(frozen=True, slots=True)
class Host:
    """One namespace: a machine on the bridge."""

    name: str
    address: str

    @property
    def prefix(self) -> list[str]:
        """What stands before a command that is to run there."""
        return ["ip", "netns", "exec", self.name]

    def run(self, *command: str, stdin: str = "") -> None:
        """Run a command there."""
        run(*self.prefix, *command, stdin=stdin)

    def lose(self, percent: int) -> None:
        """Drop this share of the UDP datagrams that arrive here."""
        self.run("nft", "-f", "-", stdin=(
            "table inet loss {\n chain arriving {\n"
            "  type filter hook input priority 0;\n"
            f"  meta l4proto udp numgen random mod 100 <= {percent - 1} drop\n"
            " }\n}\n"
        ))

    def lose_nothing(self) -> None:
        """After `lose`: everything arrives again."""
        self.run("nft", "delete", "table", "inet", "loss")

    def move(self, address: str) -> None:
        """Another address in the same network instead of the one it has."""
        # In this order: with the first address of a network go all others of it.
        self.run("ip", "address", "del", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "address", "add", f"{address}/24", "dev", "eth0")

    def without_multicast(self) -> None:
        """Take the route for multicast away; what is sent there fails at once."""
        self.run("ip", "link", "set", "eth0", "multicast", "off")
        self.run("ip", "route", "add", "unreachable", "224.0.0.0/4")
        self.run("ip", "-6", "route", "flush", "table", "local", "root", "ff00::/8")
        self.run("ip", "-6", "route", "add", "unreachable", "ff00::/8", "table", "local")


@contextmanager
def lan(count: int) -> Iterator[Sequence[Host]]:
    """`count` namespaces on a bridge of their own, 10.213.0.0/24; all gone after the block."""
    mark = f"{os.getpid() % 100_000}{secrets.token_hex(1)}"
    bridge, hub = f"antb{mark}", f"antn{mark}-hub"
    hosts = [Host(f"antn{mark}-{n}", f"10.213.0.{n + 1}") for n in range(count)]
    try:
        # The bridge lives in a namespace too, so that the machine's own rules do not touch it.
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
        run("ip", "-n", hub, "link", "set", bridge, "up")
        for number, host in enumerate(hosts):
            port = f"p{number}"
            run("ip", "netns", "add", host.name)
            run("ip", "-n", hub, "link", "add", port, "type", "veth",
                "peer", "name", "eth0", "netns", host.name)
            run("ip", "-n", hub, "link", "set", port, "master", bridge, "up")
            run("ip", "-n", host.name, "link", "set", "lo", "up")
            run("ip", "-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
            run("ip", "-n", host.name, "link", "set", "eth0", "up")
        yield hosts
    finally:
        for name in (*(host.name for host in hosts), hub):
            # With a namespace go its interfaces; one that was never made is no matter.
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
