"""Frames: their bytes and nothing else.

Law: deterministic CBOR, every frame with a schema, strict; what does not fit is `Malformed`. A
frame of an unknown type is skipped, so that a later version can add one. What a frame makes a node
do is not known here, and no frame carries a clock.

    frame = [type, * field]
"""
from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final, NamedTuple

from antsp2p.gossip import schema
from antsp2p.gossip.limits import (
    MAX_ADVERTS,
    MAX_DATAGRAM_BYTES,
    MAX_ENTRIES,
    MAX_HOPS,
    MAX_LINES,
    MAX_MARKS,
    MAX_NAMES,
    MAX_OVERLAP_MS,
    MAX_PARTS,
    MAX_PEERS,
    MAX_PREFIXES,
    MAX_STEM,
    MAX_WANT_IDS,
    MAX_WANT_RANGES,
    PART_BYTES,
)
from antsp2p.gossip.network_keys import MAX_GENERATION, SECRET_BYTES
from antsp2p.records.beat import MAX_BEAT_BYTES
from antsp2p.records.digest import KEY_DIGITS
from antsp2p.records.encoding import MAX_UINT53, Malformed, array_head, encode, uint_item
from antsp2p.records.keys import SIGNATURE_BYTES
from antsp2p.records.record import ID_BYTES, MAX_RECORD_BYTES

Address = tuple[str, int]
"""(host as an IP literal, UDP port)."""

WIRE_VERSION: Final = 1
INSTANCE_BYTES: Final = 8
ROOT_BYTES: Final = 16
SHORT_ID_BYTES: Final = 8
NO_HEAD: Final = bytes(ID_BYTES)
MAX_AGE_MS: Final = MAX_UINT53
SESSION_KEY_BYTES: Final = 8
PRINT_BYTES: Final = 3
BRANCHES: Final = 16
PROOF, RUN = 0, 1
END, FOLLOWS, ASK_ON = 0, 1, 2


class Name(NamedTuple):
    """From now on the sender means `author` by `handle`, on this link, in this direction."""

    handle: int
    author: bytes


class Advert(NamedTuple):
    """The author of `handle` has signed up to `seq`, whose id begins with `short_id`."""

    handle: int
    seq: int
    short_id: bytes


class Range(NamedTuple):
    """The records `first` to `last` of `author`."""

    author: bytes
    first: int
    last: int


class Entry(NamedTuple):
    """A record and how long ago it was first shown to anybody, summed over hops."""

    age_ms: int
    wire: bytes


class Line(NamedTuple):
    """One author's leaf. `convicted_seq` above 0: the lowest proven fork."""

    author: bytes
    seq: int
    short_head: bytes
    """The first bytes of the head; of zeros where `seq` is 0."""
    convicted_seq: int


class Mark(NamedTuple):
    """One author's leaf, in few bytes that mean something only under a session's key."""

    prints: bytes
    """Fingerprints of the author and of the head."""
    seq: int
    convicted_seq: int


class Node(NamedTuple):
    """What stands below a prefix of hex digits of authors' keys.

    Where it is much, the fingerprints of the 16 prefixes that are one digit longer; else a mark
    for every author.
    """

    prefix: str
    below: bytes | tuple[Mark, ...]


class Clue(NamedTuple):
    """An author whose key begins with `prefix` and has the fingerprint `print_`."""

    prefix: str
    print_: bytes


class PeerAddress(NamedTuple):
    """An address at which `author` was reached; `host` is 4 or 16 bytes."""

    author: bytes
    host: bytes
    port: int


@dataclass(frozen=True, slots=True)
class Hello:
    """In the first message of a handshake: who calls, not proven yet. `links`: how many it has."""

    author: bytes
    instance: bytes
    links: int
    padding: bytes


@dataclass(frozen=True, slots=True)
class Welcome:
    """In the second: who answers. `seq`, `head`: what is held of the caller's log."""

    author: bytes
    signature: bytes
    """The author's, over the X25519 key of the message."""
    instance: bytes
    seq: int
    head: bytes
    root: bytes
    work: int = 0
    """What pays for the author, where the network asks for it."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """In the third: who called."""

    author: bytes
    signature: bytes
    instance: bytes
    seq: int
    head: bytes
    work: int = 0


@dataclass(frozen=True, slots=True)
class Busy:
    """Instead of a welcome, or first on a link that is none: no room, try these."""

    peers: tuple[PeerAddress, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    reason: int


@dataclass(frozen=True, slots=True)
class Ping:
    """`sent`: datagrams sent on this link so far, this one included."""

    counter: int
    root: bytes
    cursor: int
    """The sender's change number at which `root` was its root."""
    sent: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The counter of the ping it answers. `heard`: datagrams received on this link so far."""

    counter: int
    root: bytes
    cursor: int
    sent: int
    heard: int


@dataclass(frozen=True, slots=True)
class Peers:
    """`asks`: 1 where as many are wanted back."""

    asks: int
    peers: tuple[PeerAddress, ...]


@dataclass(frozen=True, slots=True)
class Adverts:
    """What is here, and the names of handles that the peer may not know yet."""

    names: tuple[Name, ...]
    adverts: tuple[Advert, ...]


@dataclass(frozen=True, slots=True)
class Want:
    """`number` comes back in the answer."""

    number: int
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class WantIds:
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class WantProofs:
    authors: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """`number`: of the want it answers, or 0. `last` 1: the answer ends here; ask on for more."""

    number: int
    last: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class BeatFrame:
    wire: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A part of something too large for a frame. `id`: of the proof, or the run's SHA-256."""

    kind: int
    """PROOF, or RUN: an array of one author's consecutive records, the last one signed."""
    author: bytes
    id: bytes
    age_ms: int
    """Of the run's last record; 0 for a proof."""
    index: int
    count: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Since:
    """What has changed after change `cursor` of your run `instance`?"""

    instance: bytes
    cursor: int


@dataclass(frozen=True, slots=True)
class Changes:
    """All whose last change has a number above `start` and at most `upto`, in that order."""

    start: int
    upto: int
    more: int
    """END, or FOLLOWS: by itself in the next frame, or ASK_ON."""
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """What stands below these prefixes of keys? The fingerprints are to be made with `key`."""

    key: bytes
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Nodes:
    """The answer to a probe; or, with a key that the receiver did not choose, news for it."""

    key: bytes
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class WantAuthors:
    """Who is behind these marks?"""

    key: bytes
    clues: tuple[Clue, ...]


@dataclass(frozen=True, slots=True)
class Leaves:
    """What is held of these authors."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Prune:
    """Advertise to me from now on, do not push."""


@dataclass(frozen=True, slots=True)
class Graft:
    """Push to me from now on."""


@dataclass(frozen=True, slots=True)
class News:
    """Records that nobody asked for, pushed because they are new."""

    stem: int
    """0: pushed all the way from their author; else the number of the pull they came through."""
    hops: int
    """Links passed since the author or the pull, this one included."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class WantNames:
    """Handles whose names did not arrive."""

    handles: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Secret:
    """The newest secret of the network. The one before is good for `overlap_ms` more."""

    generation: int
    secret: bytes = field(repr=False)
    overlap_ms: int
    is_known: int
    """1: the receiver has told it, and need not answer."""


Frame = (
    Hello | Welcome | Confirm | Busy | Bye | Ping | Pong | Peers | Adverts | Want | WantIds
    | WantProofs | Records | BeatFrame | Part | Since | Changes | Probe | Nodes | WantAuthors
    | Prune | Graft | News | WantNames | Leaves | Secret
)

# --- schemas -------------------------------------------------------------------------------------


_SEQ: Final = schema.uint(MAX_UINT53)
_SOME_SEQ: Final = schema.uint(MAX_UINT53, 1)
_ID: Final = schema.octets(ID_BYTES)
_INSTANCE: Final = schema.octets(INSTANCE_BYTES)
_SIGNATURE: Final = schema.octets(SIGNATURE_BYTES)
_ROOT: Final = schema.octets(ROOT_BYTES)
_PEERS: Final = schema.items(
    PeerAddress, (schema.author, schema.host, schema.uint(65_535, 1)), 0, MAX_PEERS
)
_BIT: Final = schema.uint(1)

_ENTRY: Final = (schema.uint(MAX_AGE_MS), schema.octets(1, MAX_RECORD_BYTES))

_LINE: Final = (schema.author, _SEQ, schema.octets(SHORT_ID_BYTES), _SEQ)
_KEY: Final = schema.octets(SESSION_KEY_BYTES)
_PREFIX: Final = schema.digits(KEY_DIGITS)
_BELOW: Final = schema.either(
    bytes, schema.octets(BRANCHES * PRINT_BYTES),
    schema.items(Mark, (schema.octets(2 * PRINT_BYTES), _SEQ, _SEQ), 0, MAX_MARKS),
)

_SCHEMAS: Final[dict[int, tuple[type, tuple[schema.Read, ...]]]] = {
    0: (Hello, (
        schema.author, _INSTANCE, schema.uint(255), schema.octets(0, MAX_DATAGRAM_BYTES),
    )),
    1: (Welcome, (schema.author, _SIGNATURE, _INSTANCE, _SEQ, _ID, _ROOT, _SEQ)),
    2: (Confirm, (schema.author, _SIGNATURE, _INSTANCE, _SEQ, _ID, _SEQ)),
    3: (Busy, (_PEERS,)),
    5: (Bye, (schema.uint(255),)),
    6: (Ping, (_SEQ, _ROOT, _SEQ, _SEQ)),
    7: (Pong, (_SEQ, _ROOT, _SEQ, _SEQ, _SEQ)),
    8: (Peers, (_BIT, _PEERS)),
    9: (Adverts, (
        schema.items(Name, (_SEQ, schema.author), 0, MAX_NAMES),
        schema.items(Advert, (_SEQ, _SOME_SEQ, schema.octets(SHORT_ID_BYTES)), 0, MAX_ADVERTS),
    )),
    10: (Want, (
        _SEQ, schema.items(Range, (schema.author, _SOME_SEQ, _SOME_SEQ), 1, MAX_WANT_RANGES),
    )),
    11: (WantIds, (schema.plain(_ID, 1, MAX_WANT_IDS),)),
    12: (WantProofs, (schema.plain(schema.author, 1, MAX_WANT_IDS),)),
    13: (Records, (_SEQ, _BIT, schema.items(Entry, _ENTRY, 0, MAX_ENTRIES))),
    14: (BeatFrame, (schema.octets(1, MAX_BEAT_BYTES),)),
    15: (Part, (
        schema.uint(RUN), schema.author, _ID, schema.uint(MAX_AGE_MS), schema.uint(MAX_PARTS - 1),
        schema.uint(MAX_PARTS, 1), schema.octets(1, PART_BYTES),
    )),
    16: (Since, (_INSTANCE, _SEQ)),
    17: (Changes, (_SEQ, _SEQ, schema.uint(ASK_ON), schema.items(Line, _LINE, 0, MAX_LINES))),
    18: (Probe, (_KEY, schema.plain(_PREFIX, 1, MAX_PREFIXES))),
    19: (Nodes, (_KEY, schema.items(Node, (_PREFIX, _BELOW), 1, MAX_PREFIXES))),
    20: (WantAuthors, (
        _KEY, schema.items(Clue, (_PREFIX, schema.octets(PRINT_BYTES)), 1, MAX_PREFIXES),
    )),
    21: (Prune, ()),
    22: (Graft, ()),
    23: (News, (
        schema.uint(MAX_STEM), schema.uint(MAX_HOPS, 1),
        schema.items(Entry, _ENTRY, 1, MAX_ENTRIES),
    )),
    24: (WantNames, (schema.plain(_SEQ, 1, MAX_NAMES),)),
    25: (Leaves, (schema.items(Line, _LINE, 1, MAX_LINES),)),
    26: (Secret, (
        schema.uint(MAX_GENERATION), schema.octets(SECRET_BYTES), schema.uint(MAX_OVERLAP_MS), _BIT,
    )),
}
_TYPES: Final[dict[type, int]] = {kind: number for number, (kind, _) in _SCHEMAS.items()}
_FIELDS: Final = {kind: tuple(part.name for part in fields(kind)) for kind in _TYPES}


def frame_name(frame: Frame) -> str:
    """The stable lower-case name under which bytes are counted."""
    return type(frame).__name__.lower()


# --- frames --------------------------------------------------------------------------------------


def encode_frame(frame: Frame) -> bytes:
    """The bytes of `frame`. Raises `Malformed` where a value is outside the encoding."""
    if isinstance(frame, Adverts):
        return _encode_adverts(frame)
    if isinstance(frame, Peers):
        return _encode_peers(frame)
    kind = type(frame)
    return encode([_TYPES[kind], *[getattr(frame, name) for name in _FIELDS[kind]]])


def _encode_adverts(frame: Adverts) -> bytes:
    """What `encode` makes of it, in one pass: adverts are most of what a node writes."""
    parts = [b"\x83\x09", array_head(len(frame.names))]
    for handle, author in frame.names:
        parts += b"\x82", uint_item(handle), b"\x58\x20", author
    parts.append(array_head(len(frame.adverts)))
    for handle, seq, short_id in frame.adverts:
        parts += b"\x83", uint_item(handle), uint_item(seq), b"\x48", short_id
    return b"".join(parts)


def _encode_peers(frame: Peers) -> bytes:
    """The same of addresses, which are most of what young nodes write."""
    parts = [b"\x83\x08", uint_item(frame.asks), array_head(len(frame.peers))]
    for author, host, port in frame.peers:
        parts += b"\x83\x58\x20", author, b"\x44" if len(host) == 4 else b"\x50", host
        parts.append(uint_item(port))
    return b"".join(parts)


def parse_frame(value: Any) -> Frame | None:
    """The frame of a decoded value; `None` for a type that is not known. Raises `Malformed`."""
    if type(value) is not list or not value or type(value[0]) is not int:
        raise Malformed("frame")
    if value[0] not in _SCHEMAS:
        return None
    kind, readers = _SCHEMAS[value[0]]
    if len(value) != len(readers) + 1:
        raise Malformed("frame-length")
    parts = [reader(part) for reader, part in zip(readers, value[1:], strict=True)]
    frame: Frame = kind(*parts)
    _check_whole(frame)
    return frame


def keeps_rules(frame: Frame) -> bool:
    """Whether the fields of `frame` agree with each other, as whoever reads it will ask."""
    try:
        _check_whole(frame)
    except Malformed:
        return False
    return True


def _check_whole(frame: Frame) -> None:
    """Rules between the fields of a frame."""
    match frame:
        case Want(ranges=ranges):
            if any(asked.first > asked.last for asked in ranges):
                raise Malformed("frame-range")
        case Part(index=index, count=count):
            if index >= count:
                raise Malformed("frame-part")
        case Changes(start=start, upto=upto):
            if start > upto:
                raise Malformed("frame-range")
        case Nodes(nodes=nodes):
            if any(len(node.prefix) == KEY_DIGITS and type(node.below) is bytes for node in nodes):
                raise Malformed("frame-node")
        case _:
            pass
