"""A link, and what can become of one.

Law: facts only. Who makes links, and what is done about a change, is known elsewhere.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.network_keys import KeyPurpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.gossip.session import Session
    from antsp2p.gossip.wire import Address, Frame, PeerAddress

BYE_REASONS: Final = ("leaving", "full", "signatures", "flood", "secret")


@dataclass(slots=True, eq=False)
class Link:
    """A peer that can be talked to. It owns the key `author`, or there would be no link."""

    id: int
    author: bytes
    instance: bytes
    address: Address
    initiated: bool
    """Whether this side sent the hello."""
    session: Session = field(repr=False)
    since_us: int
    confirmed: bool
    """Whether the peer has shown that its side is up."""
    purpose: KeyPurpose = KeyPurpose.MEMBER
    """What the secret was for by which the two met."""
    key_id: bytes = b""
    """The id of that secret."""
    confirm: bytes = field(default=b"", repr=False)
    """The datagram to put in front until the peer's side is up."""
    doubted_us: int | None = None
    """When the peer last said that it has no such session."""
    sent: int = 0
    """Datagrams written for it."""
    heard: int = 0
    """Datagrams read on it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A link is up; the peer holds our log up to `seq` with `head` there."""

    link: Link
    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    link: Link
    reason: str


@dataclass(frozen=True, slots=True)
class Doubted:
    """The peer says that it has lost the link's session: call it, the link stays meanwhile."""

    link: Link


@dataclass(frozen=True, slots=True)
class Reached:
    """A dialled address answered, but there is a link to that author, or none is wanted."""

    address: Address
    author: bytes


@dataclass(frozen=True, slots=True)
class Own:
    """The dialled address is this node's own."""

    address: Address


@dataclass(frozen=True, slots=True)
class Refused:
    """The dialled node has no room, and names others."""

    address: Address
    peers: tuple[PeerAddress, ...]


Change = Opened | Closed | Doubted | Reached | Own | Refused


@dataclass(frozen=True, slots=True)
class Reply:
    """A datagram that goes back to where one came from, under the name that it is counted by."""

    name: str
    data: bytes


@dataclass(slots=True)
class Reading:
    """What a datagram came to. Replies go to the address it came from."""

    link: Link | None = None
    frames: Sequence[Frame] = ()
    heard: int = 0
    """Datagrams of the link's own session that were opened."""
    replies: Sequence[Reply] = ()
    changes: list[Change] = field(default_factory=list)
    dropped: str = ""
    """Why the whole datagram was dropped."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of an author's log, and the root over everything."""

    seq: int
    head: bytes
    root: bytes
