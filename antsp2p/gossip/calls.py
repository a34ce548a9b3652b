"""Calls: handshakes that this node has begun and nobody has answered yet.

Law: a call is the same message however often it is repeated, but for the cookie that was asked
for, so that any answer is the answer. What an answer means is not known here.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from antsp2p.gossip.datagram import SESSION_ID_BYTES, session_id
from antsp2p.gossip.handshake import (
    NO_COOKIE,
    is_authentic,
    mac_of,
    make_hello,
    split_cookie,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.network_keys import LinkKey
    from antsp2p.gossip.protection import Protection
    from antsp2p.gossip.suite import Agreement
    from antsp2p.gossip.wire import Address


@dataclass(slots=True, eq=False)
class Call:
    """One handshake, under one key."""

    id: bytes
    """What the answers say; later the session's, if it comes to that."""
    address: Address
    key: LinkKey
    agreement: Agreement
    noise: bytes
    hello: bytes = b""
    has_cookie: bool = False


@dataclass(slots=True)
class _Dial:
    since_us: int
    count: int = 0
    calls: dict[bytes, Call] = field(default_factory=dict)
    """By the id of their key: where a secret is changed, the new and the old one in turn."""


class Calls:
    """At most `limits.dials` addresses. `is_free(id)`: whether no session has it."""

    def __init__(
        self, protection: Protection, limits: Limits, is_free: Callable[[bytes], bool]
    ) -> None:
        self._protection = protection
        self._limits = limits
        self._is_free = is_free
        self._dials: dict[Address, _Dial] = {}
        self._calls: dict[bytes, Call] = {}

    def __len__(self) -> int:
        return len(self._dials)

    def fresh_id(self) -> bytes:
        """A session id that is not in use."""
        while True:
            new = self._protection.entropy(SESSION_ID_BYTES)
            if self._is_free(new) and new not in self._calls:
                return new

    def hello(
        self, address: Address, payload: Callable[[], bytes], now_us: int,
        key: LinkKey | None = None,
    ) -> bytes:
        """The datagram that calls `address`, with `payload()` if it is a new call."""
        dial = self._dials.get(address)
        if dial is None or now_us - dial.since_us > self._limits.handshake_us:
            self.forget(address)
            if len(self._dials) >= self._limits.dials:
                self.forget(next(iter(self._dials)))
            dial = self._dials[address] = _Dial(now_us)
        keys = self._protection.keys.calling() if key is None else [key]
        assert keys, "a node knows a secret of its network"
        key = keys[dial.count % len(keys)]
        dial.count += 1
        call = dial.calls.get(key.id)
        if call is None:
            agreement = self._protection.agreement(key, initiator=True)
            call = Call(self.fresh_id(), address, key, agreement, agreement.write(payload()))
            call.hello = self._datagram(call, NO_COOKIE)
            dial.calls[key.id] = self._calls[call.id] = call
        return call.hello

    def _datagram(self, call: Call, cookie: bytes) -> bytes:
        return make_hello(self._protection.network, call.key, call.id, call.noise, cookie)

    def answered(self, address: Address, data: bytes) -> Call | None:
        """The call of ours that a WELCOME from `address` answers."""
        call = self._calls.get(session_id(data))
        if call is None or call.address != address or not is_authentic(data, call.key):
            return None
        return call

    def cookie(self, address: Address, data: bytes) -> bytes | None:
        """The HELLO to repeat at once, if this asks for it; a second time it waits for its turn.

        Raises `Malformed`.
        """
        cookie = split_cookie(data)
        call = self._calls.get(session_id(data))
        if call is None or call.address != address or not is_authentic(
            data, call.key, mac_of(call.hello)
        ):
            return None
        was_first, call.has_cookie = not call.has_cookie, True
        call.hello = self._datagram(call, cookie)
        return call.hello if was_first else b""

    def by_id(self, call_id: bytes) -> Call | None:
        return self._calls.get(call_id)

    def forget(self, address: Address) -> None:
        """The address is not called any more."""
        dial = self._dials.pop(address, None)
        for call in dial.calls.values() if dial is not None else ():
            del self._calls[call.id]
