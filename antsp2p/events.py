"""What goes into a node and what comes out of it.

Law: plain frozen facts, no behaviour. Everything a node learns is an event; everything it does is
an effect. A log of `(now_us, event)` replays a node exactly.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

# What gossip asks of the world about logs is an effect as it is.
from antsp2p.gossip.outputs import FetchLogs as FetchLogs
from antsp2p.gossip.outputs import MoreLogs as MoreLogs
from antsp2p.gossip.outputs import SecretLearned as SecretLearned
from antsp2p.gossip.outputs import StopLogs as StopLogs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from antsp2p.coordination.body import BlobRef
    from antsp2p.coordination.pins import Pins
    from antsp2p.gossip.network_keys import NetworkKey
    from antsp2p.records.log import ForkProof
    from antsp2p.records.record import Record

Address = tuple[str, int]
"""(host as an IP literal, without IPv6 scope brackets; UDP port)."""

# --- events from the world ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DatagramReceived:
    """A stranger's bytes, at most one datagram."""

    address: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class DatagramsReceived:
    """Datagrams that came one after the other and are handled as one event. What they call for is
    decided and sent once, at the end."""

    datagrams: tuple[DatagramReceived, ...]
    more: bool = False
    """Whether others follow at once: then it may be done with those."""


@dataclass(frozen=True, slots=True)
class Woke:
    """The deadline `wake_at` has passed."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Own records up to and including `seq` are durable and may be sent."""

    seq: int


@dataclass(frozen=True, slots=True)
class PeerHint:
    """Somebody may listen at `address`: from the command line, discovery, or memory."""

    address: Address
    keep: bool = False
    """True for addresses that a person named: they are dialled again for ever."""


@dataclass(frozen=True, slots=True)
class BlobFetched:
    """The blob is in the local blob store, its hash checked."""

    blob: BlobRef


@dataclass(frozen=True, slots=True)
class BlobMissing:
    """No source gave the blob; `reason` is one line."""

    blob: BlobRef
    reason: str


@dataclass(frozen=True, slots=True)
class LogsReceived:
    """A stranger's bytes: one chunk of the answer to `FetchLogs`."""

    fetch: int
    chunk: bytes


@dataclass(frozen=True, slots=True)
class LogsEnded:
    """A `FetchLogs` is over; an empty `reason`: the peer said all it had to say."""

    fetch: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """These secrets of the network are good from now on, the newest first, and are kept. The one
    before the newest is good for `overlap_ms` more; without that nobody is told the newest."""

    keys: tuple[NetworkKey, ...]
    overlap_ms: int = 0


@dataclass(frozen=True, slots=True)
class PinsChanged:
    """Whom the user trusts or shuts out beforehand; it is kept."""

    pins: Pins


# --- commands: events from this machine's user; each gets exactly one Answer -------------------


@dataclass(frozen=True, slots=True)
class PostTask:
    """Offer a task. The answer is `{"task": id}` once the offer is durable."""

    request: int
    capability: str
    input: bytes | BlobRef
    media_type: str = "application/octet-stream"
    lease_ms: int = 10_000
    settle_ms: int = 150
    attempts: int = 3
    timeout_ms: int = 0
    """0: no timeout."""
    review: bool = False
    cost: int = 1
    after: tuple[bytes, ...] = ()
    """Own tasks that must be accepted before this one may be claimed."""
    expected: bytes = b""
    """The SHA-256 of the answer, where it is known: the node judges by it and tells nobody. To
    others such a task looks like one that a person reviews."""
    idempotency_key: bytes = b""
    holder_only: bool = False
    """The input, which must be a blob, is for whoever holds the task, and nobody else."""


@dataclass(frozen=True, slots=True)
class DecideTask:
    """Accept or reject the result that waits for review. The answer is `{"verdict": id}`."""

    request: int
    task: bytes
    accept: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CancelTask:
    """End an own task. The answer is `{"cancel": id}`."""

    request: int
    task: bytes
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ServeCapability:
    """An agent of this machine serves a capability. The answer is `{"agent": agent}`."""

    request: int
    agent: str
    capability: str
    slots: int = 1
    description: str = ""
    config_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class WithdrawAgent:
    """The agent has gone: what it held is released. The answer is `{}`."""

    request: int
    agent: str
    reason: str = "the agent has gone"


@dataclass(frozen=True, slots=True)
class FinishClaim:
    """The work under a claim is over, well or badly. The answer is `{"result": id}`."""

    request: int
    claim: bytes
    done: bool
    output: bytes | BlobRef = b""
    media_type: str = "application/octet-stream"
    error: str = ""
    """For a failure: what went wrong, at most 300 bytes are kept."""


@dataclass(frozen=True, slots=True)
class ReleaseClaim:
    """Give a claim back unfinished. The answer is `{"reopen": id}`."""

    request: int
    claim: bytes
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReportProgress:
    """The agent is alive and at `progress` thousandths. The answer is `{}`."""

    request: int
    claim: bytes
    progress: int


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Take in a revoke that a recovery key has signed, and pass it on; `succeed`: say that this
    node is the successor that it names. The answer is `{"revoke": id}`, where this node has said so
    with `"announce": id`."""

    request: int
    wire: bytes
    succeed: bool = False


@dataclass(frozen=True, slots=True)
class VouchFor:
    """Stand in for another author with `weight`, for so many days; with 0 no longer. The answer is
    `{"vouch": id}`."""

    request: int
    author: bytes
    weight: int = 1
    days: int = 0
    capability: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeaveMark:
    """Leave a mark at a topic, half as strong after every `half_life_ms`; 0 wipes the own one off.
    The answer is `{"mark": id}`."""

    request: int
    topic: str
    text: str = ""
    half_life_ms: int = 0


Command = (
    PostTask | DecideTask | CancelTask | ServeCapability | WithdrawAgent
    | FinishClaim | ReleaseClaim | ReportProgress | RevokeKey | VouchFor | LeaveMark
)
Event = (
    DatagramReceived | DatagramsReceived | Woke | Committed | PeerHint | BlobFetched | BlobMissing
    | LogsReceived | LogsEnded | KeysChanged | PinsChanged | Command
)

# --- effects -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """Send at once. Own records in it are already committed."""

    address: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class AppendRecord:
    """Persist the record. After records by the node's own key are durable, `Committed` must follow.

    `own`: signed here and now; not so what peers gave back of an own log that was lost.
    """

    record: Record
    age_ms: int
    own: bool


@dataclass(frozen=True, slots=True)
class RemoveRecords:
    """The author's records from `first_seq` on are no longer in the set: delete them."""

    author: bytes
    first_seq: int


@dataclass(frozen=True, slots=True)
class SaveProof:
    """Keep the proof of a fork for ever; it replaces a proof of the same author."""

    proof: ForkProof


@dataclass(frozen=True, slots=True)
class SavePublished:
    """Own records up to `seq` may have left this machine. Comes with an own `AppendRecord`, and is
    saved in the same transaction; it may lag behind, never run ahead."""

    seq: int


@dataclass(frozen=True, slots=True)
class SaveAnswer:
    """The only right answer of an own task, by its hash: keep it for the next start. It stands in
    no record, and comes with the one that offers the task. With b"" it may be deleted."""

    task: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class SaveAddress:
    """A peer was reached at `address`: remember it for the next start."""

    author: bytes
    address: Address


@dataclass(frozen=True, slots=True)
class StartWork:
    """The agent is to start: the claim holds."""

    agent: str
    claim: bytes
    task: bytes
    epoch: int
    capability: str
    input: bytes | BlobRef
    media_type: str
    requester: bytes
    sources: tuple[Address, ...]
    """Where a blob input may be fetched, best first."""


@dataclass(frozen=True, slots=True)
class StopWork:
    """The claim is lost or the task has ended: the agent is to stop."""

    agent: str
    claim: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class FetchBlob:
    """Fetch the blob from one of `sources`; `BlobFetched` or `BlobMissing` must follow."""

    blob: BlobRef
    sources: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The one answer to a command."""

    request: int
    value: Mapping[str, Any] = field(default_factory=dict)
    refusal: str = ""
    """Not empty: the command did nothing, and this line says why and what to do."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a watcher may want to see. `kind` is one of NOTICE_KINDS."""

    kind: str
    subject: bytes
    """A task id, or an author."""
    detail: Mapping[str, Any] = field(default_factory=dict)


NOTICE_KINDS = (
    "task",        # subject: task; detail: state, epoch, holder, rule, settled
    "peer-up",     # subject: author; detail: address
    "peer-down",   # subject: author; detail: reason
    "announced",   # subject: author; detail: capability, slots, withdrawn
    "marked",      # subject: author; detail: topic, text, half_life_ms (0: wiped off)
    "convicted",   # subject: author; detail: seq
    "revoked",     # subject: author; detail: seq, and successor if one is named
    "confirmed",   # subject: own author; a peer knows the log of what may have been an old copy
    "secret",      # subject: own author; detail: generation of the network's new one, overlap_ms
    "warning",     # subject: own author; detail: text
)

Effect = (
    SendDatagram | AppendRecord | RemoveRecords | SaveProof | SavePublished | SaveAnswer
    | SaveAddress | StartWork | StopWork | FetchBlob | FetchLogs | MoreLogs | StopLogs
    | SecretLearned | Answer | Notice
)
