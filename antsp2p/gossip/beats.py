"""Beats: each author's latest sign of life, flooded.

Law: only a strictly greater counter with a good signature replaces, and only authors with a record
in the set have a place: a beat renews claims, and who has no record has none. When a lease runs
out is not known here.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.wire import BeatFrame, Frame
from antsp2p.records.beat import Beat, parse_beat
from antsp2p.records.encoding import Malformed

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link
    from antsp2p.gossip.visible import Visible
    from antsp2p.records.keys import Verify


@dataclass(frozen=True, slots=True)
class _Latest:
    beat: Beat
    since_us: int


class Beats:
    """Latest beat per author, the longest not renewed first."""

    def __init__(
        self,
        *,
        visible: Visible,
        network: bytes,
        verify: Verify,
        limits: Limits,
        drops: Counter[str],
        post: Callable[[Link, Frame], None],
    ) -> None:
        self._visible = visible
        self._network = network
        self._verify = verify
        self._limits = limits
        self._drops = drops
        self._post = post
        self._latest: dict[bytes, _Latest] = {}
        self._early: dict[bytes, bytes] = {}
        """The beat of an author of whom there is no record yet: its log is on its way."""
        self._links: dict[int, Link] = {}

    def opened(self, link: Link, now_us: int) -> None:
        """Tell a new link the most recent beats."""
        self._links[link.id] = link
        recent = list(self._latest.values())[-self._limits.beats_on_link_up :]
        for latest in recent:
            fresh = now_us - latest.since_us < self._limits.beat_fresh_us
            if fresh and latest.beat.author != link.author:
                self._post(link, BeatFrame(latest.beat.wire))

    def closed(self, link: Link) -> None:
        self._links.pop(link.id, None)

    def publish(self, beat: Beat, now_us: int) -> None:
        """Send an own beat to all links."""
        self._keep(beat, now_us)
        self._flood(beat, None)

    def receive(
        self, link: Link, wire: bytes, now_us: int, *, is_mesh: bool
    ) -> tuple[Beat | None, bool]:
        """The beat if it is news, and whether a wrong signature was found. In a full mesh, what its
        author told us it has told everybody."""
        try:
            beat = parse_beat(wire)
        except Malformed as malformed:
            self._drops["beat-" + malformed.reason] += 1
            return None, False
        refusal = self._refusal(beat)
        if refusal == "unknown":
            self._wait(beat)
        if refusal:
            self._drops["beat-" + refusal] += 1
            return None, False
        latest = self._latest.get(beat.author)
        if latest is not None and beat.counter <= latest.beat.counter:
            return None, False
        if not beat.verifies(self._verify):
            self._drops["beat-signature"] += 1
            return None, True
        self._keep(beat, now_us)
        if not is_mesh or beat.author != link.author:
            self._flood(beat, link)
        return beat, False

    def _wait(self, beat: Beat) -> None:
        self._early.pop(beat.author, None)
        if len(self._early) >= self._limits.early_beats:
            del self._early[next(iter(self._early))]
        self._early[beat.author] = beat.wire

    def early(self, author: bytes) -> bytes | None:
        """The last beat that came before the author's first record; given out once, unchecked."""
        return self._early.pop(author, None)

    def _refusal(self, beat: Beat) -> str:
        if beat.network != self._network:
            return "network"
        if beat.author == self._visible.me:
            return "own"
        if self._visible.fork_seq(beat.author):
            return "convicted"
        return "" if self._visible.seq(beat.author) else "unknown"

    def _keep(self, beat: Beat, now_us: int) -> None:
        self._latest.pop(beat.author, None)
        if len(self._latest) >= self._limits.beats:
            del self._latest[next(iter(self._latest))]
        self._latest[beat.author] = _Latest(beat, now_us)

    def _flood(self, beat: Beat, source: Link | None) -> None:
        frame = BeatFrame(beat.wire)
        for link in self._links.values():
            if link is not source and link.author != beat.author:
                self._post(link, frame)

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"beats": len(self._latest), "early-beats": len(self._early)}
