"""Finding the others on the local network by mDNS (RFC 6762, 6763), under `_antsp2p._udp`.

Law: what is found is a hint, an address worth one datagram, and nothing more; anybody on the link
can announce anything. The mDNS library has its own threads, and only plain values cross from them.
A machine without multicast gets a warning and a node that lives.
"""
from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import ifaddr
import trio
from zeroconf import (
    Error,
    IPVersion,
    ServiceBrowser,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)

from antsp2p.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from antsp2p.events import Address

SERVICE_TYPE: Final = "_antsp2p._udp.local."
VERSION: Final = "1"
AUTHOR_PREFIX_DIGITS: Final = 16
ASK_MS: Final = 1_000
"""To ask once for a service that was named without its details."""

_ADVICE: Final = "give the address of a peer with --peer HOST:PORT"


@dataclass(frozen=True, slots=True)
class Interfaces:
    """The machine's addresses that others may reach, and where to speak mDNS."""

    addresses: tuple[str, ...]
    ipv4: tuple[str, ...]
    ipv6_indexes: tuple[int, ...]


def usable_interfaces(adapters: Iterable[ifaddr.Adapter] | None = None) -> Interfaces:
    """Every interface with an address; loopback only where there is nothing else."""
    found: list[tuple[bool, int, str]] = []
    for adapter in ifaddr.get_adapters() if adapters is None else adapters:
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            found.append((ipaddress.ip_address(text).is_loopback, adapter.index or 0, text))
    elsewhere = [item for item in found if not item[0]]
    used = sorted(elsewhere or found)[: limits.DISCOVERY_ADDRESSES]
    return Interfaces(
        tuple(text for _, _, text in used),
        tuple(text for _, _, text in used if ":" not in text),
        tuple(sorted({index for _, index, text in used if ":" in text and index > 0})),
    )


@dataclass(frozen=True, slots=True)
class Announced:
    """What a node says about itself."""

    network: bytes
    author: bytes
    listen: tuple[Address, ...]

    @property
    def port(self) -> int:
        return self.listen[0][1]

    @property
    def prefix(self) -> str:
        """The beginning of the author's key, in hex."""
        return self.author.hex()[:AUTHOR_PREFIX_DIGITS]

    @property
    def label(self) -> str:
        return f"{self.prefix}-{self.port}"

    def is_own(self, name: str) -> bool:
        """Whether a service's name is ours; the library adds a number where it was taken."""
        return name.startswith(self.label)

    def service(self, interfaces: Interfaces) -> ServiceInfo:
        """The announcement, with the addresses on which the node listens."""
        hosts = {host for host, _ in self.listen}
        addresses = [
            text for text in interfaces.addresses
            if text in hosts or ("::" if ":" in text else "0.0.0.0") in hosts
        ]
        return ServiceInfo(
            SERVICE_TYPE, f"{self.label}.{SERVICE_TYPE}", port=self.port,
            server=f"antsp2p-{self.prefix}.local.", parsed_addresses=addresses,
            properties={"v": VERSION, "network": self.network.hex(), "author": self.prefix},
        )


def addresses_of(service: ServiceInfo, own: Announced) -> tuple[Address, ...]:
    """Where a found service may be reached; nothing if it is of another network, or ourselves."""
    properties = service.properties
    if (
        properties.get(b"v") != VERSION.encode()
        or properties.get(b"network") != own.network.hex().encode()
        or properties.get(b"author") == own.prefix.encode()
        or not service.port
    ):
        return ()
    hosts = sorted(service.parsed_scoped_addresses(IPVersion.All), key=lambda host: ":" in host)
    return tuple((host, service.port) for host in hosts[: limits.ADDRESSES_PER_SERVICE])


class Discovery:
    """Announces one node and hints at others, until cancelled."""

    def __init__(
        self,
        own: Announced,
        hint: Callable[[Address], None],
        warn: Callable[[str], None],
        *,
        find_interfaces: Callable[[], Interfaces] = usable_interfaces,
    ) -> None:
        self._own = own
        self._hint = hint
        self._warn = warn
        self._find_interfaces = find_interfaces
        self._found: dict[str, tuple[Address, ...]] = {}
        self._session: _Session | None = None
        self._heard_ourselves = trio.Event()
        self._ended = False

    async def run(self) -> None:
        """Follow the machine's interfaces, and hint again at who is there."""
        current: Interfaces | None = None
        try:
            while True:
                interfaces = await trio.to_thread.run_sync(self._find_interfaces)
                if interfaces != current:
                    current = interfaces
                    await self._restart(interfaces)
                for addresses in tuple(self._found.values()):
                    self._hint_at(addresses)
                await trio.sleep(limits.DISCOVERY_CHECK_MS / 1_000)
        finally:
            self._ended = True
            with trio.CancelScope(shield=True):
                await self._stop()

    async def _restart(self, interfaces: Interfaces) -> None:
        await self._stop()
        if not interfaces.addresses:
            self._warn(f"no network interface is up, so nobody can be found: {_ADVICE}")
            return
        token = trio.lowlevel.current_trio_token()

        def tell(name: str, addresses: tuple[Address, ...] | None) -> None:
            """Runs in a thread of the library; the node may have ended meanwhile."""
            try:
                token.run_sync_soon(self._learned, name, addresses)
            except trio.RunFinishedError:
                return

        try:
            self._session = await trio.to_thread.run_sync(
                _Session, self._own, interfaces, tell, abandon_on_cancel=False
            )
        except (OSError, RuntimeError, Error) as error:
            self._warn(f"mDNS does not work here ({error or type(error).__name__}): {_ADVICE}")
            return
        with trio.move_on_after(limits.DISCOVERY_ECHO_MS / 1_000):
            await self._heard_ourselves.wait()
        if not self._heard_ourselves.is_set():
            self._warn(f"this network does not seem to carry multicast, so mDNS is deaf: {_ADVICE}")

    async def _stop(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        with trio.move_on_after(limits.DISCOVERY_STOP_MS / 1_000):
            await trio.to_thread.run_sync(session.close, abandon_on_cancel=True)

    def _learned(self, name: str, addresses: tuple[Address, ...] | None) -> None:
        if self._ended:
            return
        if self._own.is_own(name):
            self._heard_ourselves.set()
        elif addresses is None:
            self._found.pop(name, None)
        elif addresses and (name in self._found or len(self._found) < limits.DISCOVERED_SERVICES):
            self._found[name] = addresses
            self._hint_at(addresses)

    def _hint_at(self, addresses: Sequence[Address]) -> None:
        for address in addresses:
            self._hint(address)


class _Session:
    """One run of the library on one set of interfaces. Every call blocks."""

    def __init__(
        self,
        own: Announced,
        interfaces: Interfaces,
        tell: Callable[[str, tuple[Address, ...] | None], None],
    ) -> None:
        self._own = own
        self._tell = tell
        self._zeroconf = _open(interfaces)
        try:
            self._browser = ServiceBrowser(
                self._zeroconf, SERVICE_TYPE, handlers=[self._on_change]
            )
            self._zeroconf.register_service(own.service(interfaces), allow_name_change=True)
        except BaseException:
            self._zeroconf.close()
            raise

    def close(self) -> None:
        """Say goodbye and end the library's threads."""
        self._zeroconf.close()

    def _on_change(
        self,
        zeroconf: Zeroconf,
        service_type: str,
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            self._tell(name, None)
            return
        if self._own.is_own(name):
            self._tell(name, ())
            return
        service = ServiceInfo(service_type, name)
        if service.load_from_cache(zeroconf) or service.request(zeroconf, ASK_MS):
            self._tell(name, addresses_of(service, self._own))


def _open(interfaces: Interfaces) -> Zeroconf:
    """The library on these interfaces; without IPv6 where that cannot be bound."""
    ipv4: list[str | int] = list(interfaces.ipv4)
    both = [*ipv4, *interfaces.ipv6_indexes]
    try:
        return Zeroconf(interfaces=both, ip_version=_version(ipv4, interfaces.ipv6_indexes))
    except (OSError, RuntimeError):
        if not ipv4 or not interfaces.ipv6_indexes:
            raise
        return Zeroconf(interfaces=ipv4, ip_version=IPVersion.V4Only)


def _version(ipv4: Sequence[object], ipv6: Sequence[object]) -> IPVersion:
    if ipv4 and ipv6:
        return IPVersion.All
    return IPVersion.V4Only if ipv4 else IPVersion.V6Only


def find_nodes(look_ms: int) -> list[Address]:
    """Where nodes of any network announce themselves. Blocks for `look_ms`; what does not work
    here finds nobody."""
    found: dict[Address, None] = {}

    def on_change(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        service = ServiceInfo(service_type, name)
        if state_change is ServiceStateChange.Removed or len(found) >= limits.DISCOVERED_SERVICES:
            return
        if service.load_from_cache(zeroconf) or service.request(zeroconf, ASK_MS):
            hosts = service.parsed_scoped_addresses(IPVersion.All)
            for host in hosts[: limits.ADDRESSES_PER_SERVICE]:
                if service.port:
                    found[(host, service.port)] = None

    interfaces = usable_interfaces()
    if not interfaces.addresses:
        return []
    try:
        zeroconf = _open(interfaces)
    except (OSError, RuntimeError, Error):
        return []
    try:
        ServiceBrowser(zeroconf, SERVICE_TYPE, handlers=[on_change])
        time.sleep(look_ms / 1_000)
    finally:
        zeroconf.close()
    return list(found)
