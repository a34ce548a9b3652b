"""What strangers' payloads can make this node send: a bound in all, per host and per subnet.

Law: only hellos that stay unanswered count against a host or subnet; whoever answers is no victim.
This machine itself is none either.
"""
from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.addresses import REMEMBERED_HOSTS, is_loopback, pack_host
from antsp2p.gossip.bucket import Bucket

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.wire import Address

_LOCAL: Final = tuple(map(
    ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
))


@lru_cache(maxsize=REMEMBERED_HOSTS)
def subnet_of(host: str) -> bytes:
    """The /24 of an IPv4 literal, the /64 of an IPv6 one."""
    packed = pack_host(host)
    return packed[:3] if len(packed) == 4 else packed[:8]


@lru_cache(maxsize=REMEMBERED_HOSTS)
def is_local(host: str) -> bool:
    """Whether the IP literal belongs to a network that is not for rent: RFC 1918, RFC 4193."""
    address = ipaddress.ip_address(host)
    return address.is_loopback or any(
        address in network for network in _LOCAL if network.version == address.version
    )


class StrangerDials:
    """The hellos of the last while to addresses that only payloads name."""

    def __init__(self, limits: Limits, now_us: int) -> None:
        self._limits = limits
        self._all = Bucket(limits.named_dials_per_s, limits.named_dials_burst, now_us)
        self._silent: dict[Address, list[int]] = {}
        """Address -> when a hello went there that has no answer yet."""

    def take(self, address: Address, now_us: int) -> bool:
        """Whether a hello may go to `address` now; it is then counted."""
        self._forget(now_us)
        if not is_loopback(address[0]):
            host, subnet = self._counts(address[0])
            limits = self._limits
            if host >= limits.silent_per_host or subnet >= limits.silent_per_subnet:
                return False
        if not self._all.take(1, now_us):
            return False
        self._silent.setdefault(address, []).append(now_us)
        return True

    def answered(self, address: Address) -> None:
        """There is a node at `address`."""
        self._silent.pop(address, None)

    def _counts(self, host: str) -> tuple[int, int]:
        subnet = subnet_of(host)
        counts: Counter[bool] = Counter()
        for (other, _), times in self._silent.items():
            if subnet_of(other) == subnet:
                counts[other == host] += len(times)
        return counts[True], counts[True] + counts[False]

    def _forget(self, now_us: int) -> None:
        after_us = now_us - self._limits.silent_us
        for address, times in list(self._silent.items()):
            if times[0] <= after_us:
                times[:] = [time for time in times if time > after_us]
                if not times:
                    del self._silent[address]

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"silent-dials": sum(map(len, self._silent.values()))}
