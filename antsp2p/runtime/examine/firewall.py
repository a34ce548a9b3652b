"""Looking at what guards this machine.

Law: reading only, and blocking a little: call it in a thread. Rules are read roughly, for which
ports they name: what they do with them is found out by calling, not by reading.
"""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from antsp2p.runtime import limits
from antsp2p.runtime.examine.facts import Chain, Firewall

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOOLS: Final = ("ufw", "firewall-cmd", "nft", "iptables")
_TOOL_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
_FAMILIES: Final = ("inet", "ip", "ip6")
_HOOKS: Final = ("input", "output")


def read_firewall() -> Firewall:
    """What there is to set up a firewall with, and what root can see of nftables."""
    tools = tuple(name for name in _TOOLS if shutil.which(name, path=_TOOL_PATH))
    active = ""
    with contextlib.suppress(OSError):
        if "ENABLED=yes" in Path("/etc/ufw/ufw.conf").read_text("utf-8"):
            active = "ufw"
    if not active and "firewall-cmd" in tools and Path("/run/firewalld.pid").exists():
        active = "firewalld"
    is_told = "nft" in tools and os.geteuid() == 0
    return read_ruleset(active, tools, _list_ruleset() if is_told else "")


def _list_ruleset() -> str:
    try:
        return subprocess.run(
            ["nft", "-j", "list", "ruleset"], capture_output=True, check=False, text=True,
            timeout=limits.EXAMINE_TOOL_MS / 1_000, env={"PATH": _TOOL_PATH},
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def read_ruleset(active: str, tools: tuple[str, ...], ruleset: str) -> Firewall:
    """The facts, with what `nft -j list ruleset` printed; empty where it was not asked."""
    try:
        listed = json.loads(ruleset)["nftables"]
    except (ValueError, KeyError):
        return Firewall(active, tools)
    chains = [item["chain"] for item in listed if "chain" in item]
    return Firewall(
        active, tools,
        tuple(
            Chain(
                chain["family"], chain["table"], chain["name"], chain["hook"],
                chain.get("policy") == "drop",
            )
            for chain in chains
            if chain.get("hook") in _HOOKS and chain["family"] in _FAMILIES
        )[: limits.EXAMINE_CHAINS],
        tuple(sorted({ports for item in listed for ports in _named_ports(item)})),
    )


def _named_ports(value: Any) -> Iterator[tuple[int, int]]:
    """The port ranges of every `dport` anywhere in a rule or in the elements of a set."""
    match value:
        case {"match": {"left": {"payload": {"field": "dport"}}, "right": right}}:
            yield from _ranges(right)
        case {"set": {"elem": elements}}:
            yield from _ranges(elements)
        case dict():
            for inner in value.values():
                yield from _named_ports(inner)
        case list():
            for inner in value:
                yield from _named_ports(inner)


def _ranges(right: Any) -> Iterator[tuple[int, int]]:
    match right:
        case int():
            yield right, right
        case {"range": [int(first), int(last)]}:
            yield first, last
        case {"set": list(members)}:
            yield from _ranges(members)
        case list():
            for member in right:
                yield from _ranges(member)
