"""The outbox: frames of one turn, per link, sent together.

Law: frames of a link leave in the order in which they were posted, in as few datagrams as hold
them. What is posted to a link that has closed meanwhile is dropped with it.
"""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from antsp2p.gossip.outputs import Send
from antsp2p.gossip.wire import Frame, encode_frame, frame_name, keeps_rules

if TYPE_CHECKING:
    from antsp2p.gossip.link import Link
    from antsp2p.gossip.links import Links


class Outbox:
    """Encoded frames waiting for the end of the turn. `sent` counts bytes by frame name."""

    def __init__(self, sent: Counter[str]) -> None:
        self._sent = sent
        self.frames: Counter[str] = Counter()
        """How many frames of each name were posted."""
        self._waiting: dict[int, tuple[Link, list[bytes]]] = {}

    def post(self, link: Link, frame: Frame) -> None:
        """Send `frame`, which must keep its rules, on `link` when the turn ends."""
        assert keeps_rules(frame), frame
        self.post_bytes(link, frame_name(frame), encode_frame(frame))

    def post_bytes(self, link: Link, name: str, data: bytes) -> None:
        """Send a frame of this name that is encoded already."""
        self._sent[name] += len(data)
        self.frames[name] += 1
        self._waiting.setdefault(link.id, (link, []))[1].append(data)

    def closed(self, link: Link) -> None:
        self._waiting.pop(link.id, None)

    def flush(self, links: Links, now_us: int) -> list[Send]:
        """Everything that was posted, as datagrams."""
        if not self._waiting:
            return []
        sends = [
            Send(link.address, data)
            for link, frames in self._waiting.values()
            for data in links.write(link, frames, now_us)
        ]
        self._waiting.clear()
        self._sent["datagram"] += sum(len(send.data) for send in sends)
        return sends
