"""What comes out of the gossip engine.

Law: plain frozen facts, no behaviour.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from antsp2p.gossip.wire import Address, Range
    from antsp2p.records.beat import Beat
    from antsp2p.records.log import Insertion
    from antsp2p.records.record import Record


@dataclass(frozen=True, slots=True)
class Send:
    """Send `data` to `address`."""

    address: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class Learned:
    """Records or a proof changed the logs. `peer` is the author of the link it came by;
    `Gossip.age_ms` knows the age of each record."""

    insertion: Insertion
    peer: bytes


@dataclass(frozen=True, slots=True)
class BeatLearned:
    """Newer than any beat before by its author, and its signature is good."""

    beat: Beat


@dataclass(frozen=True, slots=True)
class LinkUp:
    author: bytes
    address: Address


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The last link to `author` is gone."""

    author: bytes
    address: Address
    reason: str


@dataclass(frozen=True, slots=True)
class HeadReported:
    """A peer says what it holds of our own log; `seq` 0: nothing."""

    peer: bytes
    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class OwnDisplaced:
    """Own records, never sent, that were taken back: a peer has other own signed ones there.

    They are to be signed again on top of the own head once that is as high as was reported.
    """

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class FetchLogs:
    """Ask the peer at `address`, over TCP, for `ranges` of logs.

    Each chunk of the answer comes back by its `fetch` number, at most two ahead of `MoreLogs`, and
    then its end, unless `StopLogs` was first.
    """

    fetch: int
    peer: bytes
    address: Address
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class MoreLogs:
    """A chunk of the fetch has been handled: one more may come."""

    fetch: int


@dataclass(frozen=True, slots=True)
class StopLogs:
    """Nothing more of the fetch is wanted."""

    fetch: int


@dataclass(frozen=True, slots=True)
class SecretLearned:
    """The member `peer` has told a later secret of the network. It is to be kept, and then made
    known; the one before is good for `overlap_ms` more."""

    peer: bytes
    generation: int
    secret: bytes = field(repr=False)
    overlap_ms: int


Output = (
    Learned | BeatLearned | Send | LinkUp | LinkDown | HeadReported | OwnDisplaced
    | FetchLogs | MoreLogs | StopLogs | SecretLearned
)


@dataclass(frozen=True, slots=True)
class LinkView:
    """One link, to be shown to people."""

    author: bytes
    address: Address
    rtt_us: int | None
    since_us: int
    initiated: bool
    used: Mapping[str, Mapping[str, int]]
    """What the peer has used lately of what it may: by "link", "author" and "host"."""


@dataclass(frozen=True, slots=True)
class Dial:
    """An address that was called, to be shown to people."""

    address: Address
    origin: str
    """Why it is known: `named`, `hinted`, `proven` or `kept`."""
    failures: int
    """Hellos since an answer last came."""
    dialled_us: int
    reached_us: int
    """When it last answered; below zero: never."""
