"""Using an invitation from a machine that does not belong to the network yet. No node runs here.

Law: the key shown at the door is made for this one talk. An answer is believed from whoever knows
the code's secret, wherever it was found. Nothing is taken before it is known where to keep it.
"""
from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from antsp2p.gossip.admission import (
    MAX_ADMISSION_BYTES,
    Admission,
    Refusal,
    door_id,
    door_key,
    door_protection,
    join_request,
    parse_answer,
)
from antsp2p.records.encoding import Malformed
from antsp2p.records.keys import SEED_BYTES, Identity
from antsp2p.runtime import limits
from antsp2p.runtime.discovery import find_nodes
from antsp2p.runtime.networks import find_member, keep_network
from antsp2p.runtime.streams import connect_by, framed_bytes, read_message, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from antsp2p.events import Address
    from antsp2p.gossip.join_code import JoinCode
    from antsp2p.runtime.networks import Network

_FAILURES = (OSError, Malformed, trio.TooSlowError, trio.BrokenResourceError)
"""What trying one address may raise."""


class JoinFailed(Exception):
    """The text is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of an invitation."""

    network: Network
    inviter: bytes
    was_member: bool
    """This machine belonged to it before; the invitation has not been used."""
    address: Address
    """Where the inviting node answered."""


class Newcomer:
    """One use of a code."""

    def __init__(self, code: JoinCode) -> None:
        identity = Identity.from_seed(secrets.token_bytes(SEED_BYTES))
        self._code = code
        self._door = door_id(code.secret)
        self._protection = door_protection(identity, code.secret, secrets.token_bytes)
        self._silent = self._closed = 0

    async def join(
        self, name: str = "", *, look: Callable[[], Awaitable[list[Address]]] | None = None
    ) -> Joined:
        """Ask wherever the inviter may be, and keep what it gives: as `name` or what it says, or
        as this machine calls the network already.

        Raises `JoinFailed` or `HomeError`.
        """
        address, inviter, found = await self._find(look)
        name = name or found.name
        known = await trio.to_thread.run_sync(find_member, name, found.network)
        if known is not None:
            # One network has one name here: nodes started under a second would miss the homes
            # and the secrets that are kept under the first.
            name = known.name
            if known.key.generation >= found.generation:
                return Joined(known, inviter, was_member=True, address=address)
        given = await self._take(address)
        network = await trio.to_thread.run_sync(keep_network, name, given, inviter)
        return Joined(network, inviter, was_member=False, address=address)

    async def _find(
        self, look: Callable[[], Awaitable[list[Address]]] | None
    ) -> tuple[Address, bytes, Admission]:
        """Where the inviter is, who it is, and to what it invites."""
        async for address in self._places(look):
            try:
                inviter, answer = await self._ask(address, takes=False)
            except trio.BrokenResourceError:
                self._closed += 1
            except Malformed as error:
                self._closed += error.reason == "cut-off"
            except (OSError, trio.TooSlowError):
                self._silent += 1
            else:
                return address, inviter, _admission(answer)
        if self._closed:
            raise JoinFailed(
                "somebody answered and does not know this code: it was used, cancelled or has "
                "expired, or its node runs elsewhere now; ask for a new one"
            )
        raise JoinFailed(
            "nobody answers: is the inviting node running, on the same network, and does its "
            f"firewall let TCP in on port {self._code.port}?"
        )

    async def _places(
        self, look: Callable[[], Awaitable[list[Address]]] | None
    ) -> AsyncIterator[Address]:
        named = [(host, self._code.port) for host in self._code.hosts]
        for address in named:
            yield address
        if look is not None:
            for address in (await look())[: limits.JOIN_PLACES]:
                if address not in named:
                    yield address

    async def _take(self, address: Address) -> Admission:
        """Use the invitation; again where the answer was lost."""
        for is_last in (False, False, True):
            try:
                _, answer = await self._ask(address, takes=True)
            except _FAILURES as error:
                if is_last:
                    raise JoinFailed(
                        "the inviting node went away in the middle: try again, or ask for a new "
                        "code"
                    ) from error
            else:
                given = _admission(answer)
                if given.secret:
                    return given
                break
        raise JoinFailed("the inviting node gave no secret: is it of another version?")

    async def _ask(self, address: Address, *, takes: bool) -> tuple[bytes, Admission | Refusal]:
        key = door_key(self._code.secret)
        async with await connect_by(address, self._protection, key) as stream:
            await send(stream, framed_bytes(join_request(self._door, takes=takes)))
            with trio.fail_after(limits.BLOB_REQUEST_MS / 1_000):
                answer = parse_answer(await read_message(stream, MAX_ADMISSION_BYTES))
            return stream.author, answer


def _admission(answer: Admission | Refusal) -> Admission:
    match answer:
        case Refusal.USED:
            raise JoinFailed("this code has been used already: ask for a new one")
        case Refusal.EXPIRED:
            raise JoinFailed("this code has expired: ask for a new one")
    return answer


async def look_around() -> list[Address]:
    """Where nodes of any network announce themselves here."""
    return await trio.to_thread.run_sync(find_nodes, limits.JOIN_LOOK_MS)
