"""Liveness: pings, round-trip times, losses, and when a link is dead.

Law: it is local to a link, and nobody is told. The side that dialled pings, and the other counts
on it. A gap in this node's own loop is not the peers' fault, and a late loop is a patient one.
What a dead peer's leases are worth is not known here.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.limits import SECOND_US
from antsp2p.gossip.loss import CommonLoss, Loss

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link


@dataclass(slots=True, eq=False)
class _Pulse:
    link: Link
    heard_us: int
    active_until_us: int
    outbound: Loss
    inbound: Loss
    next_us: int = 0
    """Not later than the next ping: what is heard meanwhile may put it off."""
    waiting_since_us: int | None = None
    """When the first ping was sent after the peer was last heard."""
    noticed_us: int | None = None
    """When the silence was seen to be too long."""
    counter: int = 0
    sent_us: int = 0
    sent_count: int = 0
    """Datagrams sent on the link, the last ping included."""
    idle_us: int = 0
    """How long the link may idle this time."""
    is_soon: bool = False
    """Whether the next ping is wanted as soon as it may go."""
    srtt_us: int | None = None
    rttvar_us: int = 0


class Liveness:
    """One pulse per link. `ping(link, counter, now_us)` sends one."""

    def __init__(
        self, *, limits: Limits, rng: Random, ping: Callable[[Link, int, int], None]
    ) -> None:
        self._limits = limits
        self._rng = rng
        self._ping = ping
        self._pulses: dict[int, _Pulse] = {}
        self._common = CommonLoss(limits.loss_sample)
        self._attended_until_us = -1
        self._lag_us = 0
        self._late_us = 0
        """When `_lag_us` was measured."""
        self.wake_us: int | None = None
        """When `due` may have something to do; never too late."""

    def opened(self, link: Link, now_us: int) -> None:
        """The first ping goes out at once: it carries the root."""
        sample = self._limits.loss_sample
        pulse = self._pulses[link.id] = _Pulse(
            link, now_us, now_us, Loss(sample, self._common), Loss(sample, self._common)
        )
        self._send(pulse, now_us)

    def closed(self, link: Link) -> None:
        self._pulses.pop(link.id, None)

    # --- what came ---------------------------------------------------------------------------

    def heard(self, link: Link, now_us: int) -> None:
        """Anything came from the peer."""
        pulse = self._pulses[link.id]
        pulse.heard_us = now_us
        if pulse.waiting_since_us is not None:
            pulse.waiting_since_us = pulse.noticed_us = None
            pulse.next_us = max(self._next_us(pulse, now_us), now_us + 1)
            self._set_wake(now_us)

    def pinged(self, link: Link, sent: int) -> None:
        """The peer says how many datagrams it has sent on the link."""
        self._pulses[link.id].inbound.note(sent, link.heard)

    def answered(self, link: Link, counter: int, sent: int, heard: int, now_us: int) -> None:
        """A pong: a sample of the round-trip time and of the losses both ways."""
        pulse = self._pulses[link.id]
        pulse.inbound.note(sent, link.heard)
        if counter != pulse.counter:
            return
        pulse.outbound.note(pulse.sent_count, heard)
        self.sample(link, now_us - pulse.sent_us)

    def sample(self, link: Link, rtt_us: int) -> None:
        """A round trip took so long: smoothed as in RFC 6298."""
        pulse = self._pulses.get(link.id)
        if pulse is None or rtt_us < 0:
            return
        # A ping that waited for a lost CONFIRM, or behind a burst, took far longer than the way
        # does: what came much sooner shows how long that is.
        if pulse.srtt_us is None or rtt_us < pulse.srtt_us // self._limits.quicker:
            pulse.srtt_us, pulse.rttvar_us = rtt_us, rtt_us // 2
            return
        pulse.rttvar_us += (abs(pulse.srtt_us - rtt_us) - pulse.rttvar_us) // 4
        pulse.srtt_us += (rtt_us - pulse.srtt_us) // 8

    # --- who wants pings ---------------------------------------------------------------------

    def active(self, link: Link, now_us: int) -> None:
        """News flows on the link, or the two differ: ping at the short interval."""
        pulse = self._pulses.get(link.id)
        if pulse is not None:
            was_idle = pulse.active_until_us <= now_us
            pulse.active_until_us = now_us + self._limits.active_for_us
            if was_idle:
                self._quicken(pulse, now_us)

    def attend(self, now_us: int) -> None:
        """Somebody waits for signs of life: ping on all links, whoever dialled them."""
        was_idle = self._attended_until_us <= now_us
        self._attended_until_us = now_us + self._limits.active_for_us
        if was_idle:
            for pulse in self._pulses.values():
                self._quicken(pulse, now_us)

    def soon(self, link: Link, now_us: int) -> None:
        """Something is being repaired: ping at the next turn, but not after each other."""
        pulse = self._pulses.get(link.id)
        if pulse is not None:
            pulse.is_soon = True
            self._quicken(pulse, now_us)

    def _quicken(self, pulse: _Pulse, now_us: int) -> None:
        pulse.next_us = min(pulse.next_us, max(self._next_us(pulse, now_us), now_us + 1))
        self._wake_by(pulse.next_us)

    def _next_us(self, pulse: _Pulse, now_us: int) -> int:
        """When the next ping is due, as far as is known now."""
        limits = self._limits
        if pulse.is_soon:
            return pulse.sent_us + limits.ping_repair_us
        if now_us < self._attended_until_us or pulse.srtt_us is None:
            return pulse.sent_us + limits.ping_active_us
        is_active = now_us < pulse.active_until_us
        if pulse.link.initiated:
            return pulse.sent_us + (limits.ping_active_us if is_active else pulse.idle_us)
        most_us = limits.ping_idle_us + limits.ping_jitter_us
        quiet_us = limits.ping_active_us if is_active else most_us
        return max(pulse.heard_us, pulse.sent_us) + quiet_us + limits.ping_active_us // 2

    # --- time --------------------------------------------------------------------------------

    def due(self, now_us: int) -> list[Link]:
        """Send the pings whose time has come; returns the dead links, which are forgotten."""
        dead: list[Link] = []
        if self.wake_us is None or now_us < self.wake_us:
            return dead
        for pulse in self._pulses.values():
            if self._is_dead(pulse, now_us):
                dead.append(pulse.link)
                continue
            if pulse.waiting_since_us is None:
                # What was heard meanwhile puts a ping off, and saves a wake for its sake.
                pulse.next_us = self._next_us(pulse, now_us)
            if pulse.next_us <= now_us:
                self._send(pulse, now_us)
        for link in dead:
            del self._pulses[link.id]
        if dead:
            # What silenced one may have silenced more: look at all others now.
            for pulse in self._pulses.values():
                if pulse.waiting_since_us is None:
                    self.soon(pulse.link, now_us)
        self._set_wake(now_us)
        return dead

    def _set_wake(self, now_us: int) -> None:
        self.wake_us = min(
            (self._look_us(pulse, now_us) for pulse in self._pulses.values()), default=None
        )

    def _is_dead(self, pulse: _Pulse, now_us: int) -> bool:
        """Silent for too long, and still so at a second look."""
        since_us = pulse.waiting_since_us
        if since_us is None or now_us - since_us < self._patience_us(now_us):
            return False
        if pulse.noticed_us is None:
            pulse.noticed_us = now_us
            self._send(pulse, now_us)
            return False
        return now_us - pulse.noticed_us >= self._limits.second_look_us

    def _look_us(self, pulse: _Pulse, now_us: int) -> int:
        if pulse.waiting_since_us is None:
            return pulse.next_us
        if pulse.noticed_us is not None:
            return min(pulse.next_us, pulse.noticed_us + self._limits.second_look_us)
        silent_us = pulse.waiting_since_us + self._patience_us(now_us)
        return min(pulse.next_us, max(silent_us, now_us + 1))

    def late(self, late_us: int, now_us: int) -> None:
        """The own loop came so much later than it was to be woken."""
        lag_us = min(late_us, self._limits.max_lag_us)
        if lag_us >= self._lag_at(now_us):
            self._lag_us, self._late_us = lag_us, now_us

    def _lag_at(self, now_us: int) -> int:
        return self._lag_us >> min((now_us - self._late_us) // SECOND_US, 40)

    def _patience_us(self, now_us: int) -> int:
        """How long a silence is borne: longer where the silence may be our own lateness."""
        return self._limits.dead_us + self._limits.lag_factor * self._lag_at(now_us)

    def extend(self, gap_us: int) -> None:
        """The own loop stood still for `gap_us`: every deadline moves by it."""
        self._attended_until_us += gap_us
        for pulse in self._pulses.values():
            pulse.next_us += gap_us
            pulse.heard_us += gap_us
            pulse.sent_us += gap_us
            pulse.noticed_us = None
            pulse.active_until_us += gap_us
            if pulse.waiting_since_us is not None:
                pulse.waiting_since_us += gap_us

    # --- answers -----------------------------------------------------------------------------

    def rtt_us(self, link: Link) -> int | None:
        """The smoothed round-trip time; None before the first sample."""
        pulse = self._pulses.get(link.id)
        return None if pulse is None else pulse.srtt_us

    def wait_us(self, link: Link) -> int:
        """How long to wait for an answer before another is asked."""
        pulse = self._pulses.get(link.id)
        if pulse is None or pulse.srtt_us is None:
            return self._first_wait_us()
        return self._bounded_us(pulse.srtt_us, pulse.rttvar_us)

    def turn_us(self, link: Link) -> int:
        """How long to wait where others can be asked meanwhile: most answers have come by then,
        and an answer or a question that was lost costs little time."""
        pulse = self._pulses.get(link.id)
        if pulse is None or pulse.srtt_us is None:
            return self.wait_us(link)
        return self._bounded_us(pulse.srtt_us, pulse.rttvar_us // 4)

    def _first_wait_us(self) -> int:
        """A link of which nothing is known yet is taken for as slow as most others."""
        known = sorted([
            self._bounded_us(pulse.srtt_us, pulse.rttvar_us)
            for pulse in self._pulses.values() if pulse.srtt_us is not None
        ])
        return known[len(known) // 2] if known else self._limits.first_wait_us

    def _bounded_us(self, srtt_us: int, rttvar_us: int) -> int:
        wait_us = srtt_us + 4 * rttvar_us
        return min(max(wait_us, self._limits.min_wait_us), self._limits.max_wait_us)

    def loss_permille(self, link: Link) -> int:
        """Of a thousand datagrams to the peer, how many are lost. Who never pings does not hear
        what arrived, and takes the way back for both; a new link is taken to be like the others.
        """
        pulse = self._pulses.get(link.id)
        if pulse is None:
            return 0
        permille = pulse.outbound.permille
        if permille is None:
            permille = pulse.inbound.permille
        return (self._common.permille if permille is None else permille) or 0

    # --- small parts -------------------------------------------------------------------------

    def _send(self, pulse: _Pulse, now_us: int) -> None:
        if pulse.waiting_since_us is None:
            pulse.waiting_since_us = now_us
        pulse.is_soon = False
        pulse.counter += 1
        pulse.sent_us = now_us
        pulse.sent_count = pulse.link.sent + 1
        pulse.idle_us = self._limits.ping_idle_us + self._rng.randrange(
            self._limits.ping_jitter_us + 1
        )
        pulse.next_us = now_us + self._limits.ping_active_us
        self._wake_by(pulse.next_us)
        self._ping(pulse.link, pulse.counter, now_us)

    def _wake_by(self, when_us: int) -> None:
        if self.wake_us is None or when_us < self.wake_us:
            self.wake_us = when_us
