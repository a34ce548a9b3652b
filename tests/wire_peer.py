"""A peer for tests that speaks the wire as a node does, and then says what it likes.

It has one key, one start and one link at a time, and no clock or socket: whoever holds it carries
its datagrams.
"""
from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from antsp2p.gossip.datagram import join_frames
from antsp2p.gossip.limits import DEFAULT_LIMITS, HELLO_BYTES
from antsp2p.gossip.link import Closed, Holding, Link, Opened
from antsp2p.gossip.links import Links
from antsp2p.gossip.protection import protect
from antsp2p.gossip.suite import NOISE
from antsp2p.gossip.wire import NO_HEAD, encode_frame
from antsp2p.records.keys import verify

if TYPE_CHECKING:
    from antsp2p.gossip.link import Change
    from antsp2p.gossip.network_keys import KeyRing
    from antsp2p.gossip.suite import Suite
    from antsp2p.gossip.wire import Address, Frame
    from antsp2p.records.keys import Identity, Verify


class WirePeer:
    """Calls a node, or answers one."""

    def __init__(
        self, identity: Identity, network: bytes, keys: KeyRing, *, seed: object = 0,
        suite: Suite = NOISE, verify: Verify = verify,
    ) -> None:
        rng = random.Random(f"{identity.author.hex()} {seed}")
        self.identity = identity
        self.drops: Counter[str] = Counter()
        self.links = Links(
            protection=protect(identity, network, keys, rng.randbytes, suite),
            instance=rng.randbytes(8), now_us=0, limits=DEFAULT_LIMITS, drops=self.drops,
            verify=verify, holding=lambda author: Holding(0, NO_HEAD, bytes(16)),
            room=lambda *caller: None,
        )
        self.link: Link | None = None
        """The link, once it is up."""
        self.changes: list[Change] = []

    @property
    def author(self) -> bytes:
        return self.identity.author

    def call(self, address: Address, now_us: int = 0, size: int = HELLO_BYTES) -> bytes:
        """The datagram that asks `address` for a link."""
        return self.links.dial(address, now_us, size)

    def read(
        self, address: Address, data: bytes, now_us: int = 0
    ) -> tuple[list[Frame], list[bytes]]:
        """The frames in a datagram, and the datagrams to answer with."""
        reading = self.links.read(address, data, now_us)
        for change in reading.changes:
            self.changes.append(change)
            match change:
                case Opened(link):
                    self.link = link
                case Closed(link) if link is self.link:
                    self.link = None
        return list(reading.frames), [reply.data for reply in reading.replies]

    def say(self, *frames: Frame, now_us: int = 0) -> list[bytes]:
        """The datagrams that carry the frames on the link; a CONFIRM is in front where due."""
        assert self.link is not None, "there is no link"
        return self.links.write(self.link, [encode_frame(frame) for frame in frames], now_us)

    def seal(self, plain: bytes, now_us: int = 0) -> bytes:
        """Any bytes as the link carries them; `plain_of` makes some of frames."""
        assert self.link is not None, "there is no link"
        return self.link.session.seal(plain, now_us)


def plain_of(*frames: Frame) -> bytes:
    """Frames as they are before they are sealed."""
    return join_frames([encode_frame(frame) for frame in frames])
