"""What stands in a record's body, type by type.

Law: a body either has exactly the shape its type says, or the record is void: stored, relayed,
and meaning nothing. Unknown keys 0 to 15 make it void, 16 to 23 are ignored. A body names the task
it belongs to, where it does, under key 0. Nothing here looks at a second record.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import lru_cache
from typing import Any, ClassVar, Final

from antsp2p.coordination.fields import (
    VOID,
    Read,
    ascending,
    bytes_up_to,
    read_bool,
    read_id,
    read_media_type,
    read_name,
    read_text,
    uint,
)
from antsp2p.records.encoding import MAX_UINT53
from antsp2p.records.record import ID_BYTES, NO_PREV, Record

MAX_INLINE_BYTES: Final = 400
"""Larger content is a blob; with all other fields at their widest a record still fits."""
MAX_BLOB_BYTES: Final = 16 * 1024 * 1024
MAX_AFTER: Final = 16
MAX_EXCLUDED: Final = 8
"""Exclusions in one reopen; a requester may sign several reopens."""
MAX_KEY_BYTES: Final = 32
"""An idempotency key."""
MIN_LEASE_MS: Final = 500
MAX_LEASE_MS: Final = 86_400_000
MAX_SETTLE_MS: Final = 60_000
MAX_ATTEMPTS: Final = 1_000
MAX_TIMEOUT_MS: Final = 30 * 86_400_000
MAX_COST: Final = 1_000
MAX_SLOTS: Final = 10_000
MAX_EPOCH: Final = MAX_UINT53
MAX_HALF_LIFE_MS: Final = 30 * 86_400_000
"""What should stand for longer than months is no mark."""
MAX_VOUCH_DAYS: Final = 366
"""A word for somebody is renewed once a year, or fades."""
FIRST_IGNORED_KEY: Final = 16
OFFER_AFTER_KEY: Final = 12
MARK_TOPIC_KEY: Final = 1
IDENTITY_NAME: Final = "antsp2p.identity"
"""Announced and withdrawn at once by who has something to say of its key, and no capability yet."""


class RecordType(IntEnum):
    """Types with a meaning. A checkpoint is reserved: until it has one, it is void."""

    ANNOUNCE = 1
    OFFER = 2
    CLAIM = 3
    AWARD = 4
    REOPEN = 5
    RESULT = 6
    VERDICT = 7
    CANCEL = 8
    DISPUTE = 9
    MARK = 10
    VOUCH = 11
    REVOKE = 12
    CHECKPOINT = 13


class Outcome(IntEnum):
    """How a result says that the work ended."""

    DONE = 0
    FAILED = 1


class ReopenReason(IntEnum):
    """Why an epoch was reopened. It informs people; no rule depends on it."""

    OTHER = 0
    LAPSED = 1
    RELEASED = 2
    FAILED = 3
    REJECTED = 4
    UNAVAILABLE = 5
    OVERDUE = 6


class CancelReason(IntEnum):
    """Why a requester ended its task without a result."""

    REQUESTER = 0
    EXHAUSTED = 1
    TIMEOUT = 2


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Content too large for a record: its SHA-256 and its size in bytes."""

    hash: bytes
    size: int


def content_hash(content: bytes) -> bytes:
    """The SHA-256 by which a result is named, inline or blob."""
    return hashlib.sha256(content).digest()


def _read_blob(value: Any) -> Any:
    if (
        type(value) is list and len(value) == 2
        and type(value[0]) is bytes and len(value[0]) == ID_BYTES
        and type(value[1]) is int and 0 <= value[1] <= MAX_BLOB_BYTES
    ):
        return BlobRef(value[0], value[1])
    return VOID


Shape = Mapping[int, tuple[str, Read, bool]]
"""Key -> (attribute, reader, required). An optional field left out has its attribute's default."""


@dataclass(frozen=True, slots=True)
class Announce:
    """One capability of the author; the latest per author and name wins, or withdraws it.

    The last three are of the author itself. `recovery` (the digest of its recovery key) and `work`
    (a nonce, antsp2p.records.work) count in its first announcement alone, `succeeds` (the author
    whose successor it agrees to be) in the first that has it.
    """

    name: str
    slots: int = 1
    withdrawn: bool = False
    description: str = ""
    nickname: str = ""
    config_digest: bytes = b""
    recovery: bytes = b""
    succeeds: bytes = b""
    work: int | None = None

    type: ClassVar[RecordType] = RecordType.ANNOUNCE
    shape: ClassVar[Shape] = {
        1: ("name", read_name, True),
        2: ("slots", uint(MAX_SLOTS), False),
        3: ("withdrawn", read_bool, False),
        4: ("description", read_text, False),
        5: ("nickname", read_text, False),
        6: ("config_digest", read_id, False),
        7: ("recovery", read_id, False),
        8: ("succeeds", read_id, False),
        9: ("work", uint(MAX_UINT53), False),
    }


@dataclass(frozen=True, slots=True)
class Offer:
    """A task. Exactly one of `input` and `blob` is present."""

    capability: str
    lease_ms: int
    settle_ms: int
    attempts: int
    input: bytes | None = None
    blob: BlobRef | None = None
    media_type: str = "application/octet-stream"
    timeout_ms: int = 0
    review: bool = False
    cost: int = 1
    idempotency_key: bytes = b""
    after: tuple[int, ...] = ()
    holder_only: bool = False
    """The input is for whoever holds the task, and nobody else."""

    type: ClassVar[RecordType] = RecordType.OFFER
    shape: ClassVar[Shape] = {
        1: ("capability", read_name, True),
        2: ("lease_ms", uint(MAX_LEASE_MS, MIN_LEASE_MS), True),
        3: ("settle_ms", uint(MAX_SETTLE_MS), True),
        4: ("attempts", uint(MAX_ATTEMPTS, 1), True),
        5: ("input", bytes_up_to(MAX_INLINE_BYTES), False),
        6: ("blob", _read_blob, False),
        7: ("media_type", read_media_type, False),
        8: ("timeout_ms", uint(MAX_TIMEOUT_MS), False),
        9: ("review", read_bool, False),
        10: ("cost", uint(MAX_COST, 1), False),
        11: ("idempotency_key", bytes_up_to(MAX_KEY_BYTES, 1), False),
        OFFER_AFTER_KEY: ("after", ascending(uint(MAX_UINT53, 1), MAX_AFTER), False),
        13: ("holder_only", read_bool, False),
    }


@dataclass(frozen=True, slots=True)
class Claim:
    """The author wants to do the task in this epoch; the record's refs name the rivals seen."""

    task: bytes
    epoch: int

    type: ClassVar[RecordType] = RecordType.CLAIM
    shape: ClassVar[Shape] = {
        0: ("task", read_id, True),
        1: ("epoch", uint(MAX_EPOCH), True),
    }


@dataclass(frozen=True, slots=True)
class Award:
    """The requester gives the task to a claim."""

    task: bytes
    claim: bytes

    type: ClassVar[RecordType] = RecordType.AWARD
    shape: ClassVar[Shape] = {0: ("task", read_id, True), 1: ("claim", read_id, True)}


@dataclass(frozen=True, slots=True)
class Reopen:
    """The epoch is over without an end; by the claim's author a release, by another a lapse.

    `claim` may be missing only in the requester's own.
    """

    task: bytes
    epoch: int
    claim: bytes | None = None
    reason: int = ReopenReason.OTHER
    excluded: tuple[bytes, ...] = ()
    text: str = ""

    type: ClassVar[RecordType] = RecordType.REOPEN
    shape: ClassVar[Shape] = {
        0: ("task", read_id, True),
        1: ("epoch", uint(MAX_EPOCH), True),
        2: ("claim", read_id, False),
        3: ("reason", uint(255), False),
        4: ("excluded", ascending(read_id, MAX_EXCLUDED), False),
        5: ("text", read_text, False),
    }


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a claim. Exactly one of `output` and `blob`; for a failure, the end of stderr
    stands in `error` and the output may be empty."""

    task: bytes
    claim: bytes
    outcome: int
    output: bytes | None = None
    blob: BlobRef | None = None
    media_type: str = "application/octet-stream"
    error: str = ""

    type: ClassVar[RecordType] = RecordType.RESULT
    shape: ClassVar[Shape] = {
        0: ("task", read_id, True),
        1: ("claim", read_id, True),
        2: ("outcome", uint(1), True),
        3: ("output", bytes_up_to(MAX_INLINE_BYTES), False),
        4: ("blob", _read_blob, False),
        5: ("media_type", read_media_type, False),
        6: ("error", read_text, False),
    }

    @property
    def hash(self) -> bytes:
        """The SHA-256 of the output, which a verdict repeats."""
        return self.blob.hash if self.blob is not None else content_hash(self.output or b"")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The requester's word on a result. An accept ends the task for ever."""

    task: bytes
    claim: bytes
    result: bytes
    accept: bool
    result_hash: bytes
    reason: str = ""

    type: ClassVar[RecordType] = RecordType.VERDICT
    shape: ClassVar[Shape] = {
        0: ("task", read_id, True),
        1: ("claim", read_id, True),
        2: ("result", read_id, True),
        3: ("accept", read_bool, True),
        4: ("result_hash", read_id, True),
        5: ("reason", read_text, False),
    }


@dataclass(frozen=True, slots=True)
class Cancel:
    """The requester ends its task without a result."""

    task: bytes
    reason: int
    text: str = ""

    type: ClassVar[RecordType] = RecordType.CANCEL
    shape: ClassVar[Shape] = {
        0: ("task", read_id, True),
        1: ("reason", uint(255), True),
        2: ("text", read_text, False),
    }


@dataclass(frozen=True, slots=True)
class Dispute:
    """The author of a claim contests what a reopen or a verdict, `record`, says of it. It answers;
    it changes nobody's state."""

    task: bytes
    claim: bytes
    record: bytes
    text: str = ""

    type: ClassVar[RecordType] = RecordType.DISPUTE
    shape: ClassVar[Shape] = {
        0: ("task", read_id, True),
        1: ("claim", read_id, True),
        2: ("record", read_id, True),
        3: ("text", read_text, False),
    }


@dataclass(frozen=True, slots=True)
class Mark:
    """A trace that the author leaves at a topic for whoever looks there; it is half as strong after
    every `half_life_ms`, and 0 wipes it off. The latest per author and topic counts."""

    topic: str
    text: str = ""
    half_life_ms: int = 0

    type: ClassVar[RecordType] = RecordType.MARK
    shape: ClassVar[Shape] = {
        MARK_TOPIC_KEY: ("topic", read_name, True),
        2: ("text", read_text, False),
        3: ("half_life_ms", uint(MAX_HALF_LIFE_MS), False),
    }

    @property
    def withdrawn(self) -> bool:
        """Whether it takes back what stood there."""
        return not self.half_life_ms


@dataclass(frozen=True, slots=True)
class Vouch:
    """The author lends `weight` of what it is trusted with to another, for `days` as the observer
    counts them; 0 days take it back. The latest for one author counts."""

    author: bytes
    weight: int = 1
    days: int = 0
    capability: str = ""
    text: str = ""

    type: ClassVar[RecordType] = RecordType.VOUCH
    shape: ClassVar[Shape] = {
        1: ("author", read_id, True),
        2: ("weight", uint(MAX_COST, 1), False),
        3: ("days", uint(MAX_VOUCH_DAYS), False),
        4: ("capability", read_name, False),
        5: ("text", read_text, False),
    }


@dataclass(frozen=True, slots=True)
class Revoke:
    """The recovery key's word that another key is given up: nothing above `seq` is its owner's.

    `id` is that of its record at `seq`, zeros where `seq` is 0: then nothing of it is good.
    """

    author: bytes
    seq: int
    id: bytes
    successor: bytes = b""
    text: str = ""

    type: ClassVar[RecordType] = RecordType.REVOKE
    shape: ClassVar[Shape] = {
        1: ("author", read_id, True),
        2: ("seq", uint(MAX_UINT53), True),
        3: ("id", read_id, True),
        4: ("successor", read_id, False),
        5: ("text", read_text, False),
    }


Body = (
    Announce | Offer | Claim | Award | Reopen | Result | Verdict | Cancel | Dispute | Mark | Vouch
    | Revoke
)
_BODIES: Final[dict[int, Any]] = {
    kind.type: kind
    for kind in (
        Announce, Offer, Claim, Award, Reopen, Result, Verdict, Cancel, Dispute, Mark, Vouch,
        Revoke,
    )
}


@dataclass(frozen=True, slots=True)
class _Reading:
    """A body's shape, made ready for reading: every attribute has a place among the arguments."""

    kind: Any
    fields: Mapping[int, tuple[int, Read, str]]
    defaults: tuple[Any, ...]
    """What stands where nothing was read; `VOID` where something must be."""
    required: tuple[int, ...]
    """The places where something must be, in order."""


def _reading(kind: Any) -> _Reading:
    names = [item.name for item in fields(kind)]
    required = {name for name, _, is_required in kind.shape.values() if is_required}
    return _Reading(
        kind,
        {key: (names.index(name), read, name) for key, (name, read, _) in kind.shape.items()},
        tuple(VOID if item.name in required else item.default for item in fields(kind)),
        tuple(place for place, name in enumerate(names) if name in required),
    )


_READINGS: Final = {int(type_): _reading(kind) for type_, kind in _BODIES.items()}


@lru_cache(maxsize=8)
def parse_body(record: Record) -> Body | None:
    """The meaning of a record's body, or None where the record is void.

    Kept for a few, as one fold after the other asks for the same.
    """
    return None if record.type not in _READINGS else read_body(record.type, record.body)[0]


def read_body(type_: int, values: Mapping[int, Any]) -> tuple[Body | None, str]:
    """The body of a map, or None with the name of the field that makes it void."""
    reading = _READINGS.get(type_)
    if reading is None:
        return None, "type"
    arguments = list(reading.defaults)
    for key, value in values.items():
        field = reading.fields.get(key)
        if field is None:
            if key < FIRST_IGNORED_KEY:
                return None, f"key {key}"
            continue
        place, read, name = field
        arguments[place] = read(value)
        if arguments[place] is VOID:
            return None, name
    for place in reading.required:
        if arguments[place] is VOID:
            return None, _names(reading.kind)[place]
    body: Body = reading.kind(*arguments)
    if type(body) is Offer and (body.input is None) == (body.blob is None):
        return None, "input"
    if type(body) is Result and (body.output is None) == (body.blob is None):
        return None, "output"
    if type(body) is Revoke and (body.seq == 0) != (body.id == NO_PREV):
        return None, "id"
    return body, ""


def _names(kind: Any) -> list[str]:
    return [item.name for item in fields(kind)]


def body_map(body: Body) -> dict[int, Any]:
    """The map to sign for `body`; optional fields at their default are left out."""
    defaults = {item.name: item.default for item in fields(body)}
    encoded: dict[int, Any] = {}
    for key, (name, _, required) in body.shape.items():
        value = getattr(body, name)
        if not required and value == defaults[name]:
            continue
        encoded[key] = _encodable(value)
    return encoded


def _encodable(value: Any) -> Any:
    if isinstance(value, BlobRef):
        return [value.hash, value.size]
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, IntEnum):
        return int(value)
    return value


def named_ids(body: Body) -> tuple[bytes, ...]:
    """The record ids in a body: causal edges, like refs. Hashes of content are not among them."""
    if type(body) is Reopen and body.claim is None:
        return (body.task,)
    names = _NAMED.get(type(body))
    return () if names is None else names(body)


_NAMED: Final[Mapping[Any, Callable[[Any], tuple[bytes, ...]]]] = {
    Claim: lambda body: (body.task,),
    Award: lambda body: (body.task, body.claim),
    Reopen: lambda body: (body.task, body.claim),
    Result: lambda body: (body.task, body.claim),
    Verdict: lambda body: (body.task, body.claim, body.result),
    Cancel: lambda body: (body.task,),
    Dispute: lambda body: (body.task, body.claim, body.record),
}
