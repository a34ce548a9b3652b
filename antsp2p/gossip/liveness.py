"""Liveness: pings, round-trip times, and when a link is dead.

Law: it is local to a link, and nobody is told. A gap in this node's own loop is not the peers'
fault. What a dead peer's leases are worth is not known here.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link


@dataclass(slots=True, eq=False)
class _Pulse:
    link: Link
    next_us: int
    active_until_us: int
    waiting_since_us: int | None = None
    """When the first ping was sent after the peer was last heard."""
    counter: int = 0
    sent_us: int = 0
    rtt_us: int | None = None


class Liveness:
    """One pulse per link. `ping(link, counter, now_us)` sends one."""

    def __init__(self, *, limits: Limits, ping: Callable[[Link, int, int], None]) -> None:
        self._limits = limits
        self._ping = ping
        self._pulses: dict[int, _Pulse] = {}

    def opened(self, link: Link, now_us: int) -> None:
        """The first ping goes out at once: it carries the root."""
        self._pulses[link.id] = _Pulse(link, now_us, now_us + self._limits.active_for_us)
        self._send(self._pulses[link.id], now_us)

    def closed(self, link: Link) -> None:
        self._pulses.pop(link.id, None)

    def heard(self, link: Link, now_us: int) -> None:
        """Anything came from the peer."""
        pulse = self._pulses[link.id]
        if pulse.waiting_since_us is not None:
            pulse.waiting_since_us = None
            pulse.next_us = max(now_us, pulse.sent_us + self._interval_us(pulse, now_us))

    def answered(self, link: Link, counter: int, now_us: int) -> None:
        """A pong: a sample of the round-trip time, smoothed as in RFC 6298."""
        pulse = self._pulses[link.id]
        if counter != pulse.counter or pulse.sent_us < 0:
            return
        sample_us = now_us - pulse.sent_us
        if pulse.rtt_us is None:
            pulse.rtt_us = sample_us
        else:
            pulse.rtt_us += (sample_us - pulse.rtt_us) // 8

    def active(self, link: Link, now_us: int) -> None:
        """News flows on the link, or the two differ: ping at the short interval."""
        pulse = self._pulses.get(link.id)
        if pulse is not None:
            pulse.active_until_us = now_us + self._limits.active_for_us
            pulse.next_us = min(pulse.next_us, now_us + self._limits.ping_active_us)

    def soon(self, link: Link, now_us: int) -> None:
        """Something is being repaired on the link: ping it within a moment."""
        self.active(link, now_us)
        pulse = self._pulses.get(link.id)
        if pulse is not None:
            pulse.next_us = min(pulse.next_us, now_us + self._limits.ping_repair_us)

    def due(self, now_us: int) -> list[Link]:
        """Send the pings whose time has come; returns the dead links."""
        dead: list[Link] = []
        for pulse in self._pulses.values():
            since_us = pulse.waiting_since_us
            if since_us is not None and now_us - since_us >= self._limits.dead_us:
                dead.append(pulse.link)
            elif pulse.next_us <= now_us:
                self._send(pulse, now_us)
        return dead

    @property
    def wake_us(self) -> int | None:
        return min((self._next_us(pulse) for pulse in self._pulses.values()), default=None)

    def _next_us(self, pulse: _Pulse) -> int:
        if pulse.waiting_since_us is None:
            return pulse.next_us
        return min(pulse.next_us, pulse.waiting_since_us + self._limits.dead_us)

    def extend(self, gap_us: int) -> None:
        """The own loop stood still for `gap_us`: every deadline moves by it."""
        for pulse in self._pulses.values():
            pulse.next_us += gap_us
            pulse.active_until_us += gap_us
            if pulse.waiting_since_us is not None:
                pulse.waiting_since_us += gap_us

    def rtt_us(self, link: Link) -> int | None:
        """The smoothed round-trip time; None before the first sample."""
        pulse = self._pulses.get(link.id)
        return None if pulse is None else pulse.rtt_us

    def loss_permille(self, link: Link) -> int:
        """The share of datagrams to the peer that seem to be lost; 0 while nothing is known."""
        return 0

    def wait_us(self, link: Link) -> int:
        """How long to wait for an answer before another is asked."""
        rtt_us = self.rtt_us(link)
        if rtt_us is None:
            return self._limits.first_wait_us
        return min(max(3 * rtt_us, self._limits.min_wait_us), self._limits.max_wait_us)

    def _send(self, pulse: _Pulse, now_us: int) -> None:
        if pulse.waiting_since_us is None:
            pulse.waiting_since_us = now_us
        pulse.counter += 1
        pulse.sent_us = now_us
        pulse.next_us = now_us + self._limits.ping_active_us
        self._ping(pulse.link, pulse.counter, now_us)

    def _interval_us(self, pulse: _Pulse, now_us: int) -> int:
        active = now_us < pulse.active_until_us
        return self._limits.ping_active_us if active else self._limits.ping_idle_us
