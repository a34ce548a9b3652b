"""The addresses of peers that a person gave, by literal or by name."""
from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from antsp2p.runtime import limits
from antsp2p.runtime.udp import ListenError, parse_literal, peer_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.events import Address


def parse_address(text: str) -> Address:
    """(host, port) of HOST:PORT, an IPv6 literal in brackets; the host may be a name.

    Raises `ListenError`, which is one line.
    """
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    is_port = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 65_536
    if not host or not is_port or bracketed != (":" in host):
        raise ListenError(f"{text!r} is not HOST:PORT; write it like 192.0.2.7:4444 or [::1]:4444")
    return host, int(port)


def format_address(address: Address) -> str:
    """HOST:PORT, an IPv6 literal in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def hint_at_named(
    host: str, port: int, hint: Callable[[Address], None], warn: Callable[[str], None]
) -> None:
    """Hint at the addresses of one peer, asking for its name until there is an answer."""
    if parse_literal(host) is not None:
        hint((host, port))
        return
    warned = False
    while True:
        try:
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            if not warned:
                why = getattr(error, "strerror", None) or str(error)
                warn(f"the peer's name {host!r} has no address yet ({why}); trying again")
            warned = True
            await trio.sleep(limits.RESOLVE_RETRY_MS / 1_000)
            continue
        for *_, name in found[: limits.ADDRESSES_PER_SERVICE]:
            hint(peer_address(name))
        return


async def greet(
    peer: Address, hint: Callable[[Address], None], is_silent: Callable[[Address], bool],
    warn: Callable[[str], None], unwarn: Callable[[str], None],
) -> None:
    """Hint at a peer that a person gave, and say so for as long as nobody answers there."""
    hinted: list[Address] = []
    said: list[str] = []

    def hint_once(address: Address) -> None:
        hinted.append(address)
        hint(address)

    def say(text: str) -> None:
        said.append(text)
        warn(text)

    await hint_at_named(*peer, hint_once, say)
    for text in said:
        unwarn(text)
    text = (
        f"no node has answered at {format_address(peer)} so far; trying on (does one run there, in "
        "the same network, and can UDP reach it?)"
    )
    is_said = False
    while True:
        await trio.sleep(limits.PEER_SILENT_MS / 1_000)
        if not hinted or not all(map(is_silent, hinted)):
            break
        if not is_said:
            warn(text)
            is_said = True
    if is_said:
        unwarn(text)
