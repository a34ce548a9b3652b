"""Answers: handshakes that others have begun with this node, until they are confirmed.

Law: a caller without the network's secret costs one MAC and is never answered; nobody gets more
bytes than came from his address. When much is asked, only those are answered who can read what is
sent to their address. A repeated HELLO gets the same answer and costs nothing. What an author may
do is not known here.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.bucket import Bucket
from antsp2p.gossip.handshake import (
    COOKIE_BYTES,
    NO_COOKIE,
    HelloParts,
    is_authentic,
    mac_of,
    make_cookie,
    split_hello,
)
from antsp2p.gossip.link import Reply
from antsp2p.records.encoding import Malformed

if TYPE_CHECKING:
    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.network_keys import LinkKey
    from antsp2p.gossip.protection import Protection
    from antsp2p.gossip.suite import Agreement
    from antsp2p.gossip.wire import Address, Hello

_SECRET_BYTES: Final = 32


@dataclass(slots=True, eq=False)
class Answer:
    """A WELCOME that waits for its CONFIRM."""

    id: bytes
    """Ours, for what comes to the session."""
    caller: bytes
    """The caller's."""
    address: Address
    key: LinkKey
    agreement: Agreement
    hello: Hello
    since_us: int
    early: list[bytes] = field(default_factory=list)
    """Datagrams that overtook the CONFIRM."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A HELLO that deserves an answer."""

    parts: HelloParts
    key: LinkKey


@dataclass(frozen=True, slots=True)
class _Given:
    address: Address
    name: str
    data: bytes
    since_us: int


class Answers:
    """At most `limits.answers_waiting` open ones, and a memory of what was answered lately."""

    def __init__(self, protection: Protection, limits: Limits, now_us: int) -> None:
        self._protection = protection
        self._limits = limits
        self._secret = protection.entropy(_SECRET_BYTES)
        self._given: dict[bytes, _Given] = {}
        """By the caller's ephemeral key, the oldest first."""
        self._open: dict[bytes, Answer] = {}
        rate = limits.handshakes_per_s
        self._unproven = Bucket(rate, 2 * rate, now_us)
        self._proven = Bucket(rate, 2 * rate, now_us)

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"answers": len(self._open), "hellos": len(self._given)}

    def __contains__(self, session: bytes) -> bool:
        return session in self._open

    # --- hello -------------------------------------------------------------------------------

    def asked(self, address: Address, data: bytes, now_us: int) -> Asked | Reply:
        """What a HELLO comes to before its first message is read. Raises `Malformed`."""
        parts = split_hello(data)
        if parts.network != self._protection.network:
            raise Malformed("network")
        key = self._protection.keys.good(parts.key_id)
        if not is_authentic(data, key):
            raise Malformed("mac")
        given = self._given.get(parts.ephemeral)
        if given is not None and given.address == address:
            if now_us - given.since_us >= self._limits.handshake_us:
                raise Malformed("replayed")
            return Reply(given.name, given.data)
        if parts.cookie != NO_COOKIE and self._is_good(parts.cookie, address, now_us):
            if not self._proven.take(1, now_us):
                raise Malformed("handshakes")
        elif given is not None or not self._unproven.take(1, now_us):
            # One of two senders of the same bytes has only recorded them, and cannot put the
            # cookie in.
            cookie = self._cookie(address, now_us // self._limits.cookie_us)
            return Reply("cookie", make_cookie(key, parts.caller, cookie, mac_of(data)))
        return Asked(parts, key)

    def given(self, asked: Asked, address: Address, reply: Reply, now_us: int) -> None:
        """`reply` was the answer; it is again when the same HELLO comes."""
        self._given.pop(asked.parts.ephemeral, None)
        if len(self._given) >= self._limits.hellos_remembered:
            del self._given[next(iter(self._given))]
        self._given[asked.parts.ephemeral] = _Given(
            address, reply.name, reply.data, now_us
        )

    def wait(self, answer: Answer) -> None:
        """A WELCOME was sent; its CONFIRM may come."""
        if len(self._open) >= self._limits.answers_waiting:
            del self._open[next(iter(self._open))]
        self._open[answer.id] = answer

    # --- confirm -----------------------------------------------------------------------------

    def to(self, session: bytes, address: Address, now_us: int) -> Answer | None:
        """The open answer to `address` whose id is `session`."""
        answer = self._open.get(session)
        if answer is None or answer.address != address:
            return None
        if now_us - answer.since_us >= self._limits.handshake_us:
            del self._open[session]
            return None
        return answer

    def close(self, answer: Answer) -> None:
        """The answer was confirmed, or refused for good."""
        self._open.pop(answer.id, None)

    # --- cookies -----------------------------------------------------------------------------

    def _cookie(self, address: Address, slot: int) -> bytes:
        """What only the owner of `address` can echo; nothing is kept to recognise it."""
        place = f"{address[0]} {address[1]} {slot}".encode()
        return hashlib.blake2s(place, key=self._secret, digest_size=COOKIE_BYTES).digest()

    def _is_good(self, cookie: bytes, address: Address, now_us: int) -> bool:
        slot = now_us // self._limits.cookie_us
        return cookie in (self._cookie(address, slot), self._cookie(address, slot - 1))
