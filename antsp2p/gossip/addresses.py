"""Addresses as they travel: packed IP literals, and which of them mean something elsewhere.

Law: nothing is looked up, and no name is resolved.
"""
from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

REMEMBERED_HOSTS: Final = 16_384
"""Answers kept of each question about hosts, about 150 bytes each: more than a network of 10,000
nodes asks about, for which all of them would be worked out again and again."""


@lru_cache(maxsize=REMEMBERED_HOSTS)
def pack_host(host: str) -> bytes:
    """The 4 or 16 bytes of an IP literal; empty for what has no meaning on another machine."""
    try:
        return ipaddress.ip_address(host).packed if "%" not in host else b""
    except ValueError:
        return b""


@lru_cache(maxsize=REMEMBERED_HOSTS)
def unpack_host(packed: bytes) -> str:
    """The IP literal of 4 or 16 bytes; empty for one to which no hello should go."""
    address = ipaddress.ip_address(packed)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if (
        address.is_multicast or address.is_unspecified or address.is_link_local
        or packed == b"\xff\xff\xff\xff"
    ):
        return ""
    return str(address)


@lru_cache(maxsize=REMEMBERED_HOSTS)
def is_loopback(host: str) -> bool:
    """Whether the IP literal means the machine itself."""
    packed = pack_host(host)
    return bool(packed) and ipaddress.ip_address(packed).is_loopback
