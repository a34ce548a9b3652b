"""A running node's part in its network: the secret as it changes, and invitations to others.

Law: the network's file is the truth. A secret is in it before the node uses it, and what other
nodes of the same user write there is taken over. What the node tells its peers is the node's.
"""
from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

import trio

from antsp2p.events import KeysChanged
from antsp2p.gossip.admission import Admission
from antsp2p.gossip.join_code import MAX_JOIN_ADDRESSES, JoinCode
from antsp2p.gossip.network_keys import NetworkKey
from antsp2p.runtime import limits
from antsp2p.runtime.discovery import usable_interfaces
from antsp2p.runtime.home import HomeError
from antsp2p.runtime.invitations import Invitation, InvitationRefused, Invitations
from antsp2p.runtime.networks import change_secret, learn_secret, stored_network, wall_ms
from antsp2p.runtime.udp import primary_host

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from antsp2p.events import Address, SecretLearned
    from antsp2p.gossip.protection import Signer
    from antsp2p.runtime.home import Home
    from antsp2p.runtime.networks import Network


@dataclass(frozen=True, slots=True)
class Invited:
    """What the inviting person is shown."""

    invitation: Invitation
    code: JoinCode


class Membership:
    """`put` takes events of the node, `warn` lines for the person, `unwarn` those that are so no
    more."""

    def __init__(
        self,
        home: Home,
        network: Network,
        identity: Signer,
        *,
        put: Callable[[KeysChanged], Awaitable[None]],
        warn: Callable[[str], None],
        unwarn: Callable[[str], None],
    ) -> None:
        self._network = network
        self._put = put
        self._warn, self._unwarn = warn, unwarn
        # The node has begun with these.
        self._told = KeysChanged(network.keys(wall_ms()))
        self._complaint = ""
        """What was last said of the file, which is looked at again and again."""
        self._changing = trio.Lock()
        self.invitations = Invitations(home.invitations_path, identity, self._admission)

    @property
    def network(self) -> Network:
        """As it was last read or written."""
        return self._network

    def _admission(self) -> Admission:
        network = self._network
        return Admission(
            network.name, network.id, network.key.generation, network.key.secret,
            network.overlap_ms(wall_ms()),
        )

    # --- invitations ------------------------------------------------------------------------------

    async def invite(
        self, listen: Sequence[Address], *, lasting_ms: int, uses: int
    ) -> Invited:
        """A new invitation and its code. Raises `InvitationRefused` or `HomeError`."""
        if self._network.is_open:
            raise InvitationRefused(
                "this network is open: whoever knows its name enters with "
                "antsp2p start --open --network NAME"
                + (f" --price {self._network.work_bits}" if self._network.work_bits else "")
            )
        hosts = await trio.to_thread.run_sync(reachable_hosts, listen)
        invitation = await self.invitations.invite(lasting_ms, uses)
        return Invited(invitation, JoinCode(invitation.secret, listen[0][1], hosts))

    # --- the secret -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the network's file and the end of old secrets, until cancelled."""
        while True:
            async with self._changing:
                await self._refresh()
            await trio.sleep(limits.NETWORK_CHECK_MS / 1_000)

    async def _refresh(self) -> None:
        """Take over what the file says now."""
        if not self._network.is_open:
            try:
                stored = await trio.to_thread.run_sync(stored_network, self._network.name)
            except HomeError as error:
                self._complain(f"{error}; the node goes on with what it knows")
                stored = None
            else:
                self._complain("")
            if stored is not None and stored.id == self._network.id:
                self._network = stored
        await self._tell()

    def _complain(self, text: str) -> None:
        """Say what is wrong with the file now, in place of what was said before."""
        before, self._complaint = self._complaint, text
        if text != before:
            if before:
                self._unwarn(before)
            if text:
                self._warn(text)

    async def _tell(self) -> None:
        """Tell the node which secrets are good, where that has changed."""
        now_ms = wall_ms()
        keys, overlap_ms = self._network.keys(now_ms), self._network.overlap_ms(now_ms)
        if keys != self._told.keys or (overlap_ms and not self._told.overlap_ms):
            self._told = KeysChanged(keys, overlap_ms)
            await self._put(self._told)

    async def change_secret(self, overlap_ms: int) -> Network:
        """A new secret from now on. Raises `InvitationRefused` or `HomeError`."""
        if self._network.is_open:
            raise InvitationRefused("this network is open: its secret follows from its name")
        async with self._changing:
            self._network = await trio.to_thread.run_sync(
                change_secret, self._network.name, overlap_ms)
            await self._tell()
        return self._network

    async def learned(self, learned: SecretLearned) -> None:
        """A member has told a later secret."""
        if self._network.is_open:
            return
        key = NetworkKey(learned.secret, generation=learned.generation)
        async with self._changing:
            try:
                self._network = await trio.to_thread.run_sync(
                    learn_secret, self._network.name, key, learned.overlap_ms)
            except HomeError as error:
                self._warn(f"the network's secret has changed, and cannot be kept: {error}")
                return
            await self._tell()


# --- where this machine is reached ---------------------------------------------------------------


def reachable_hosts(listen: Sequence[Address]) -> tuple[str, ...]:
    """The addresses for a join code: those by which this machine goes out first, loopback only
    where there is nothing else. Blocks."""
    names = {host for host, _ in listen}
    found = [host for host in names if host not in ("0.0.0.0", "::")]
    if names & {"0.0.0.0", "::"}:
        everywhere = [primary_host(), *usable_interfaces().addresses]
        found += [
            host for host in everywhere
            if host and ("::" if ":" in host else "0.0.0.0") in names
        ]
    return best_hosts(found)


def best_hosts(hosts: Sequence[str]) -> tuple[str, ...]:
    """Of these addresses up to three that another machine may reach, in that order, IPv4 first."""
    literals = [_literal(host) for host in dict.fromkeys(hosts)]
    away = [literal for literal in literals if not literal.is_loopback]
    # An address that means something on one cable only needs the name of an interface.
    used = [literal for literal in away or literals if not literal.is_link_local]
    used.sort(key=lambda literal: literal.version)
    return tuple(map(str, used[:MAX_JOIN_ADDRESSES]))


def _literal(host: str) -> IPv4Address | IPv6Address:
    return ip_address(host.partition("%")[0])
