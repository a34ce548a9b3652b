"""When this node shows a sign of life, and what it names in it.

Law: an idle node shows none. A beat is due on a change and while leases are held; it names only
what may be sent already, never a record that is not yet durable.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.records.beat import MAX_BEAT_CLAIMS, Beat, beat_counter, sign_beat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.coordination.claimant import Holding
    from antsp2p.records.keys import Identity

CHANGE_US: Final = 1_000_000
"""A change of slots or claims is told within this; a burst of changes is one beat."""
BEATS_PER_LEASE: Final = 3
"""Two beats may be lost before a lease runs out."""
CLAIM_BYTES: Final = 740
"""What a beat of 1,000 bytes has left for claims, at the widest of all its other fields."""


class Pulse:
    """Makes the beats of one boot."""

    def __init__(self, identity: Identity, network: bytes, boot: int, now_us: int) -> None:
        self._identity = identity
        self._network = network
        self._boot = boot
        self._count = 0
        self._sent_us = now_us - CHANGE_US
        self._sent_state: tuple[int, tuple[int, ...]] = (0, ())
        self._turn = 0
        self.wake_at: int | None = None

    def beat(
        self, holdings: Sequence[Holding], *, slots: int, free_slots: int, head_seq: int,
        head: bytes, now_us: int,
    ) -> Beat | None:
        """The beat that is due now, or None; plans the next. `head_seq` is the last own record
        that may be sent, `head` its id."""
        claims = sorted(
            (holding.claim.seq, holding.progress) for holding in holdings
            if holding.claim.seq <= head_seq
        )
        state = (free_slots, tuple(seq for seq, _ in claims))
        named = self._fitting(claims)
        lease_us = min((holding.lease_us for holding in holdings), default=0)
        self.wake_at = self._due(state, lease_us, len(claims), len(named))
        if self.wake_at is None or now_us < self.wake_at:
            return None
        self._count += 1
        self._turn += len(named)
        self._sent_us, self._sent_state = now_us, state
        self.wake_at = self._due(state, lease_us, len(claims), len(named))
        return sign_beat(
            self._identity, network=self._network, counter=beat_counter(self._boot, self._count),
            head_seq=head_seq, head=head, free_slots=free_slots,
            load=1_000 * (slots - free_slots) // slots if slots else 0, claims=named,
        )

    def _fitting(self, claims: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """As many claims as one beat holds; the next beat goes on where this one ended."""
        named: list[tuple[int, int]] = []
        left = CLAIM_BYTES
        for offset in range(min(len(claims), MAX_BEAT_CLAIMS)):
            claim = claims[(self._turn + offset) % len(claims)]
            left -= 1 + sum(_encoded_bytes(number) for number in claim)
            if left < 0:
                break
            named.append(claim)
        return named

    def _due(
        self, state: tuple[int, tuple[int, ...]], lease_us: int, claims: int, named: int
    ) -> int | None:
        beats = -(-claims // named) if named else 1
        renew_us = lease_us // (BEATS_PER_LEASE * beats)
        if state != self._sent_state:
            return self._sent_us + (min(renew_us, CHANGE_US) if lease_us else CHANGE_US)
        return self._sent_us + renew_us if claims else None


def _encoded_bytes(number: int) -> int:
    """How many bytes an unsigned integer takes (RFC 8949 section 3)."""
    for limit, size in ((24, 1), (2**8, 2), (2**16, 3), (2**32, 5)):
        if number < limit:
            return size
    return 9
