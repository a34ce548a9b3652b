"""Leases, judged by observation alone.

Law: no clock of another machine is compared with ours. A lease's time runs on a live clock: our
own monotonic clock, counted only while peers are heard. Whoever was stopped, or cut off from
everybody, has observed nothing in that time, so all leases begin anew. What a lapse does is
decided elsewhere.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LIVE_GAP_US: Final = 1_500_000
"""Silence of all peers longer than this is our own isolation; linked peers ping every second."""
SECOND_LOOK_US: Final = 100_000
"""Between noticing that a lease ran out and acting on it, the inbox has been drained."""
MAX_WATCHED: Final = 20_000
"""Leases watched at once; a claim beyond that is watched when another ends."""


@dataclass(slots=True)
class _Watch:
    author: bytes
    seq: int
    lease_us: int
    started_us: int  # on the live clock


class Leases:
    """The leases this node watches: those of the claims that hold, other than its own."""

    def __init__(self, now_us: int) -> None:
        self._live_us = 0
        self._heard_us = now_us
        self._watches: dict[bytes, _Watch] = {}
        self._by_claim: dict[tuple[bytes, int], bytes] = {}
        self._noticed_us: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._watches)

    def watch(self, claim: bytes, author: bytes, seq: int, lease_ms: int) -> None:
        """Start the lease of `claim`, unless it runs already."""
        if claim not in self._watches and len(self._watches) < MAX_WATCHED:
            self._watches[claim] = _Watch(author, seq, lease_ms * 1_000, self._live_us)
            self._by_claim[author, seq] = claim

    def forget(self, claim: bytes) -> None:
        """Stop watching."""
        watch = self._watches.pop(claim, None)
        self._noticed_us.pop(claim, None)
        if watch is not None:
            self._by_claim.pop((watch.author, watch.seq), None)

    def heard(self, now_us: int) -> None:
        """A linked peer was heard: the live clock goes on, or after a gap all leases restart."""
        if now_us - self._heard_us > LIVE_GAP_US:
            self.restart_all()
        else:
            self._live_us += max(now_us - self._heard_us, 0)
        self._heard_us = max(now_us, self._heard_us)

    def renewed(self, author: bytes, seqs: tuple[int, ...]) -> None:
        """A newer beat of `author` names the claims at `seqs`."""
        for seq in seqs:
            claim = self._by_claim.get((author, seq))
            if claim is not None:
                self._watches[claim].started_us = self._live_us
                self._noticed_us.pop(claim, None)

    def restart_all(self) -> None:
        """Begin every lease anew: after a gap in our own loop, or with no live link."""
        for watch in self._watches.values():
            watch.started_us = self._live_us
        self._noticed_us.clear()

    def has_lapsed(self, claim: bytes, now_us: int, extra_us: int = 0) -> bool:
        """Whether `claim` got no sign of life for its lease and `extra_us`, at a second look."""
        watch = self._watches.get(claim)
        if watch is None or self._live_us - watch.started_us < watch.lease_us + extra_us:
            return False
        noticed_us = self._noticed_us.setdefault(claim, now_us)
        return now_us - noticed_us >= SECOND_LOOK_US

    def next_look_us(self, claim: bytes, now_us: int, extra_us: int = 0) -> int | None:
        """When `has_lapsed` may become true, at the earliest; None where it is not watched."""
        watch = self._watches.get(claim)
        if watch is None:
            return None
        left_us = watch.lease_us + extra_us - (self._live_us - watch.started_us)
        return now_us + max(left_us, SECOND_LOOK_US)

    def lease_us(self, claim: bytes) -> int:
        """The length of a watched lease; 0 where it is not watched."""
        watch = self._watches.get(claim)
        return 0 if watch is None else watch.lease_us
