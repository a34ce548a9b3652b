"""The bound of every collection that a node holds. One that is not here is a fault.

Law: a number is a bound whatever arrives. `KEPT` is what grows with the records that were accepted
and must be kept; nothing grows with what was refused.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.coordination.claimant import MAX_AGENTS, MAX_STANDBY
from antsp2p.coordination.fading import LANDMARK_BUCKETS
from antsp2p.coordination.lease import MAX_WATCHED
from antsp2p.coordination.pins import MAX_PINS
from antsp2p.coordination.weighing import HORIZON_BUCKETS
from antsp2p.decisions import MAX_ENDS_TOLD
from antsp2p.gossip.affinity import MAX_AFFINITIES
from antsp2p.gossip.limits import DEFAULT_LIMITS, MAX_PARTS
from antsp2p.gossip.quotas import Use
from antsp2p.node import MAX_BEATS
from antsp2p.own_log import MAX_HELD
from antsp2p.publication import MAX_DEFERRED
from antsp2p.records.log import MAX_AUTHORS, MAX_WAITING_PER_AUTHOR
from antsp2p.simulation.limits import MAX_PARSED_RECORDS, MAX_VERIFIED_SIGNATURES
from tests.fuzz.tables import Tables

if TYPE_CHECKING:
    from antsp2p.node import Node

KEPT: Final = -1
RECORD_REFS: Final = 32
"""No record names more others than this."""
SLACK: Final = 64
OUTPUTS: Final = 4_096
"""What a node says in one turn; the list is replaced in the next."""
FRAMES: Final = 600
"""Frames of one datagram, or items of one: each has two bytes at least."""
LINKS: Final = (
    DEFAULT_LIMITS.target_links + DEFAULT_LIMITS.accepted_links + DEFAULT_LIMITS.pressed_links
    + DEFAULT_LIMITS.kept_links + 2
)
"""And a newcomer and a guest."""
NAMES: Final = 400
"""Reasons of drops and names of frames: they stand in the code, or nearly."""

_limits = DEFAULT_LIMITS
_LINK_TABLES: Final = (
    "Rotation._shown",
    "Assemblies._by_link", "Beats._links", "Blame._accounts", "Bulk._caused", "Bulk._peers",
    "Liveness._pulses", "Outbox._waiting", "Proofs._peers", "Pursuits._asked",
    "Pursuits._caused", "Pursuits._idle", "Pursuits._links", "Pursuits._wants", "Quotas._links",
    "Reader._heads",
    "Reconcile._peers", "Server._buckets", "Sharing._allowances", "Spread._peers",
    "Table._by_address", "Table._by_author", "Table._by_session", "Tree._eager", "Tree._links",
)
_KEPT_TABLES: Final = (
    "Ages._held", "AuthorLog.run", "Causality._graphs", "Causality._highest", "Causality._logs",
    "Causality._logs[]", "Causality._members", "Causality._members[]", "Causality._naming",
    "Causality._naming[]", "Causality.places", "Causality._reaches", "Causality._reaches[]",
    "Claimant._by_task", "Rivals._engaged", "Rivals._load", "Claimant._open",
    "Claimant._watched", "Claimant.holdings", "Commands._details", "Commands._keys",
    "Contest.awards", "Contest.cancels", "Contest.claims", "Contest.reopens", "Contest.results",
    "Contest.verdicts", "Setting.convicted",
    "Decisions._fetching", "Decisions._postponed", "Decisions._told", "Decisions._touched",
    "Digest._change_authors", "Digest._change_numbers", "Digest._numbers",
    "Digest._shelf_digests", "Digest._shelves", "Digest._shelves[]", "Digest._wires",
    "_Author.raters", "_Author.subjects",
    "Contest.disputes", "LogSet._by_id", "OwedAnswers._noted", "OwedAnswers._noted[]",
    "Trials._trying", "LogSet._crowds[]", "Publication._recovered", "Publication._waiting",
    "Requester._own", "TaskFold._active",
    "TaskFold._changed", "TaskFold._contests", "TaskFold._convicted", "TaskFold._digests",
    "TaskFold._for_holders", "TaskFold._for_holders[]",
    "TaskFold._offers_at", "TaskFold._offers_by_key", "TaskFold._offers_by_key[]",
    "TaskFold._resolved", "TaskFold._waiting", "TaskFold._waiting[]", "TaskFold._waiting_claims",
    "TaskFold._waiting_claims[]", "_Graph._bits", "_Graph._lines", "_Graph._places",
    "_Line.own", "_Line.pasts",
    "_Line.seqs", "_Line.targets", "_Line.targets[]", "Agenda._due_us", "Agenda._heap",
    "Fetches._by_result", "_Own.lapses_answered", "_Own.awarded", "_Own.arrivals",
)
_KEPT_OWNERS: Final = (
    "Meaning", "Standings", "Tally", "Ledger", "Trust", "Purses", "Pair", "Craft", "Words",
    "Author", "Newcomers", "Trials", "FirstSeen", "Vouches", "CapabilityFold", "MarkFold",
)
"""Classes of which every collection is made of accepted records."""
_OF_AUTHORS: Final = ("Node.beats",)
"""One an author who is in the set."""
_OF_RECORDS: Final = ("antsp2p.records.", "antsp2p.coordination.")
"""Where classes stand of which there are as many as there are records, or authors of them."""

BOUNDS: Final[dict[str, int]] = {
    **dict.fromkeys(_LINK_TABLES, LINKS),
    **dict.fromkeys(_KEPT_TABLES, KEPT),
    "Affinity._far": MAX_AFFINITIES,
    "Ages._waiting": _limits.ages_waiting,
    "Answer.early": _limits.early_datagrams,
    "Answers._given": _limits.hellos_remembered,
    "Answers._open": _limits.answers_waiting,
    "Assemblies._by_link[]": _limits.assemblies,
    "AuthorLog._waiting_signed": MAX_WAITING_PER_AUTHOR,
    "AuthorLog.waiting": MAX_WAITING_PER_AUTHOR,
    "Awaited._expected": _limits.pursuits,
    "Awaited._overdue": _limits.overdue,
    "Beats._early": _limits.early_beats,
    "Beats._latest": _limits.beats,
    "Book._kept": _limits.kept_addresses,
    "Book._passive": _limits.passive_addresses,
    "Book._named": _limits.passive_addresses,
    "Book._named_hosts": _limits.passive_addresses,
    "Book._remembered": _limits.remembered_addresses,
    "Bulk._authors": _limits.bulk_authors,
    "Bulk._fetches": _limits.bulk_fetches,
    "Bulk._light": _limits.bulk_records,
    "Book._drops": NAMES,
    "Callers._callers": _limits.callers,
    "Caller.reasons": NAMES,
    "Calls._calls": 2 * _limits.dials,
    "Calls._dials": _limits.dials,
    "CapabilityFold._blocked": MAX_PINS,
    "Catching._early": _limits.since_frames + SLACK,
    "Claimant._standby": MAX_STANDBY,
    "Claimant.agents": MAX_AGENTS,
    "Descent._asked": _limits.probes_per_exchange,
    "Descent._sought": _limits.probes_per_exchange,
    "Decisions._ends_told": MAX_ENDS_TOLD,
    "Descent._told": _limits.told_under_way + _limits.probes_per_exchange,
    "Descent._unsent": _limits.probes_per_exchange,
    "Descent._untold": _limits.untold,
    "Descent._waiting": _limits.probes_per_exchange,
    "Digest._bands": 256,
    "Gossip._out": OUTPUTS,
    "Gossip._read": OUTPUTS,
    "Gossip.received": NAMES,
    "Handles._heard": _limits.handles,
    "Handles._told": _limits.handles,
    "Handshake._messages": 3,
    "Handshake._messages[]": 5,
    "Intake._foreseen": OUTPUTS,
    "KeyRing._keys": SLACK,
    "KeyRing._replaced": SLACK,
    "Leases._by_claim": MAX_WATCHED,
    "Leases._noticed_us": MAX_WATCHED,
    "Leases._watches": MAX_WATCHED,
    "Bans._bans": _limits.bans,
    "Links._readers": 6,
    "LogSet._crowds": MAX_WAITING_PER_AUTHOR + 1,
    "LogSet._logs": MAX_AUTHORS,
    "Neighbours._sent": NAMES,
    "Node._effects": 0,
    "Node.beats": MAX_BEATS,
    "Node.drops": NAMES,
    "Outbox.frames": NAMES,
    "OwnLog.held": MAX_HELD,
    "Pursuits._brought": _limits.answers,
    "Pursuits._idle[]": _limits.pursuits,
    "Pursuits._pursuits": _limits.pursuits,
    "Pursuits._sent_us": _limits.answers,
    "Quotas._authors": _limits.shares,
    "Quotas._hosts": _limits.hosts,
    "Quotas._link_shares": len(Use),
    "Quotas._author_shares": len(Use),
    "Quotas._host_shares": len(Use),
    "Account._buckets": len(Use),
    "Account._shares": len(Use),
    "Reader._drops": NAMES,
    "Reconcile._cursors": _limits.cursors,
    "Reconcile._exchanges": _limits.exchanges,
    "Reconcile._recent": _limits.recent_roots,
    "Reading.changes": 4,
    "Reading.frames": FRAMES,
    "Reading.replies": 4,
    "Record._read": 9,
    "RememberedRecords._records": MAX_PARSED_RECORDS,
    "RememberedSignatures._answers": MAX_VERIFIED_SIGNATURES,
    "Spread._held": _limits.pursuits,
    "Spread._held[]": 2,
    "Spread._shares": _limits.shares,
    "StrangerDials._silent": _limits.named_dials_per_s * 60 + _limits.named_dials_burst,
    "StrangerDials._silent[]": _limits.silent_per_subnet,
    "Table._by_author[]": _limits.links_per_author + 1,
    "Table._fading": _limits.fading_sessions,
    "Tree._came": _limits.pushes_remembered,
    "View._own": _limits.own_addresses,
    "_Assembly.parts": MAX_PARTS,
    "_Author.sources": _limits.sources,
    "_Dial.calls": 2,
    "_Expected.sources": _limits.sources,
    "_Fetch.wants": 1_024,
    "_Peer.heads": _limits.peer_heads,
    "Fading._faded": HORIZON_BUCKETS + 1,
    "Fading._grown": LANDMARK_BUCKETS,
    "Pins.blocked": MAX_PINS,
    "Pins.weights": MAX_PINS,
    "Pressure._turned_us": _limits.hosts,
    "Publication._deferred": MAX_DEFERRED,
    "Proofs._told": _limits.proof_marks,
    "_Peer.marks": _limits.proof_marks,
    "_Peer.refused": _limits.bulk_refused,
    "_Peer.shown": _limits.proof_marks,
    "_Peer.suspected": _limits.proof_marks,
    "_Peer.tells": MAX_AUTHORS,
    "_Pursuit.asks": _limits.asks_per_pursuit,
    "_Pursuit.holes": _limits.holes,
    "_Pursuit.sources": _limits.sources,
}


def check_bounds(node: Node) -> Tables:
    """Assert the bound of every collection of the node; what was found."""
    tables = Tables(node)
    kept = tables.largest["LogSet._by_id"] * RECORD_REFS + SLACK
    for name, entries in tables.largest.items():
        bound = KEPT if name.partition(".")[0] in _KEPT_OWNERS else BOUNDS.get(name)
        assert bound is not None, f"{name} has {entries} entries and no bound"
        assert entries <= (kept if bound == KEPT else bound), f"{name} has {entries} entries"
    return tables


def entries_beside_records(tables: Tables) -> dict[str, int]:
    """How full every table is that holds no records and nothing that follows from them, no names
    that stand in the code, and not what one turn says."""
    return {
        name: entries for name, entries in tables.largest.items()
        if not _is_of_records(tables, name) and BOUNDS.get(name) not in (NAMES, OUTPUTS)
    }


def weight_beside_records(tables: Tables) -> int:
    """Bytes of all that is no record and nothing that follows from one."""
    return sum(
        weight for name, weight in tables.weight.items() if not _is_of_records(tables, name)
    )


def _is_of_records(tables: Tables, name: str) -> bool:
    owner = name.partition(".")[0]
    return (
        BOUNDS.get(name.rstrip("[]"), 0) == KEPT or BOUNDS.get(name, 0) == KEPT
        or owner in _KEPT_OWNERS or name in _OF_AUTHORS
        or tables.modules[owner].startswith(_OF_RECORDS)
    )
