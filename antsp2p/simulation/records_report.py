"""What a run with isolated records has measured, put together from what each process saw.

Law: facts in, figures out; nothing here runs or asks anything.

What the report means; the window is the measured part and the tail, and a pair is one measured
record and one node, other than its author, that runs at the end:

- `records`: measured records that some running node has at the end; `lost_with_author`: how many
  died with their author before they left it. Where a profile brings everybody back, the run waits
  for that first.
- `coverage`: share of the pairs in which the node has the record at the end; `missed`: how many
  pairs lack it.
- `copies_per_node`: transmissions of measured records (pushed, in answers, in parts; lost ones and
  those to nobody count) per measured record and node other than its author.
- `latency_ms`: from the moment at which the record was durable at its author, who sends it then, to
  the moment at which it entered the node's set, over all pairs that have one.
- `bytes_per_node`: UDP payload sent in the window per node; `spread_bytes_per_node`: only the
  messages that carry or ask for news (see `SPREADING`), without the datagrams' own headers;
  `bytes_per_node_and_record`: the latter per measured record.
- `bytes_by_message`: the bytes of all nodes in the window by message, and under `framing` what
  datagram headers add. Messages outside an open link (hello, welcome, ...) count with theirs.
- `adverts_per_node`: advert frames sent in the window, per measured record and node.
- `datagrams_per_node`: datagrams sent in the window per node.
- `links`: of the running nodes, when the measured part begins; `isolated`: nodes without any then.
- In the profile with forkers, what `Convictions.report` says.
- `processes`: how many ran it. The same options give the same figures; another number of processes
  draws other delays and losses. `trace_hash` of several is a hash over the hash of each.
- `wall_s`, `cpu_s`, `peak_memory_mb`: what the run cost this machine; no other figure depends on
  it. Of several processes the last two are added up, so pages that they share count more than once.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Final

from antsp2p.simulation.quantiles import quantiles_ms

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from antsp2p.records.record import Record
    from antsp2p.simulation.options import SimulationOptions

SPREADING: Final = (
    "news", "adverts", "records", "want", "wantids", "wantnames", "prune", "graft", "part",
)
"""Messages that carry news or ask for it."""
REPAIRING: Final = (
    "since", "changes", "probe", "nodes", "leaves", "wantauthors", "wantproofs",
)
"""Messages that find out what differs."""
UPKEEP: Final = (
    "hello", "welcome", "confirm", "busy", "gone", "cookie", "bye", "ping", "pong", "peers",
    "beatframe", "secret",
)
"""Messages that flow without news as well."""
UNFRAMED: Final = frozenset({"hello", "welcome", "busy", "gone", "cookie", "bye"})
"""Messages that the engine counts with their datagram's header."""
CURVE_POINTS: Final = 200
"""Of one curve; more are not seen."""


@dataclass(slots=True)
class Traffic:
    """What has been sent so far, by all nodes that ever ran."""

    bytes: int
    datagrams: int
    copies: int
    by_message: Counter[str]
    frames: Counter[str]

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.bytes + other.bytes, self.datagrams + other.datagrams,
            self.copies + other.copies, self.by_message + other.by_message,
            self.frames + other.frames,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """What one process of a run has seen of its own machines."""

    nodes: int
    """Of all processes."""
    running: int
    published: Sequence[Record]
    """Of the measured part, the same in all processes."""
    lacking: Sequence[int]
    """Of each such record, how many running nodes lack it."""
    has_author: Sequence[bool]
    """Whether its author runs here."""
    due_us: Mapping[bytes, int]
    """Id of a record that was signed here -> when it was durable."""
    arrivals_us: Mapping[bytes, Mapping[int, int]]
    """Record id -> machine -> when it came there."""
    links: Sequence[int]
    before: Traffic
    after: Traffic
    copies: Sequence[int]
    """All copies sent until the next record was due, record by record, warm-up included."""
    drops: Counter[str]
    steps: int
    trace_hash: str
    cpu_s: float
    peak_memory_mb: int


def _sum(rows: Sequence[Sequence[int]]) -> list[int]:
    """Row by row."""
    return [sum(column) for column in zip(*rows, strict=True)]


class Outcome:
    """All shares of a run, and its figures."""

    def __init__(self, options: SimulationOptions, warm_up: int, shares: Sequence[Share]) -> None:
        self._options = options
        self._warm_up = warm_up
        self._shares = shares
        self._running = sum(share.running for share in shares)
        lacking = _sum([share.lacking for share in shares])
        present = [any(here) for here in zip(*(s.has_author for s in shares), strict=True)]
        kept = [at for at, count in enumerate(lacking) if count < self._running]
        published = shares[0].published
        self._lost = len(published) - len(kept)
        self._records = [published[at] for at in kept]
        self._missed = sum(lacking[at] for at in kept)
        self._pairs = sum(self._running - present[at] for at in kept)

    def figures(self) -> dict[str, Any]:
        """The report, without time."""
        shares, records = self._shares, self._records
        nodes = shares[0].nodes
        before = reduce(add, (share.before for share in shares))
        after = reduce(add, (share.after for share in shares))
        by_message = after.by_message - before.by_message
        sent = after.bytes - before.bytes
        datagrams_sent = by_message.pop("datagram", 0)
        framed = sum(size for name, size in by_message.items() if name not in UNFRAMED)
        by_message["framing"] = max(0, datagrams_sent - framed)
        spreading = sum(by_message[name] for name in SPREADING)
        links = [count for share in shares for count in share.links]
        wanted = max(1, len(records) * (nodes - 1))
        return {
            "nodes": nodes,
            "running": self._running,
            "records": len(records),
            "lost_with_author": self._lost,
            "warm_up_records": self._warm_up,
            "record_bytes": max((len(record.wire) for record in records), default=0),
            "loss": self._options.loss,
            "seed": self._options.seed,
            "coverage": round(1 - self._missed / self._pairs, 8) if self._pairs else 1.0,
            "missed": self._missed,
            "copies_per_node": round((after.copies - before.copies) / wanted, 4),
            "latency_ms": quantiles_ms([us for took in self._took_us() for us in took]),
            "bytes_per_node": sent // nodes,
            "spread_bytes_per_node": spreading // nodes,
            "bytes_per_node_and_record": round(spreading / nodes / max(1, len(records)), 1),
            "bytes_by_message": dict(sorted((k, v) for k, v in by_message.items() if v)),
            "adverts_per_node": round(
                (after.frames["adverts"] - before.frames["adverts"]) / wanted, 3
            ),
            "datagrams_per_node": round((after.datagrams - before.datagrams) / nodes, 1),
            "links": {
                "min": min(links, default=0),
                "mean": round(sum(links) / max(1, len(links)), 2),
                "max": max(links, default=0),
            },
            "isolated": links.count(0),
            "drops": dict(sorted(reduce(add, (share.drops for share in shares)).items())),
        }

    def cost(self) -> dict[str, Any]:
        """What it took: steps, their trace, and what they cost this machine but for the time."""
        hashes = [share.trace_hash for share in self._shares]
        return {
            "steps": sum(share.steps for share in self._shares),
            "processes": len(hashes),
            "trace_hash": (
                hashes[0] if len(hashes) == 1
                else hashlib.sha256("".join(hashes).encode()).hexdigest()
            ),
            "cpu_s": round(sum(share.cpu_s for share in self._shares), 2),
            "peak_memory_mb": sum(share.peak_memory_mb for share in self._shares),
        }

    def curves(self) -> dict[str, Any]:
        """What the measured records did over time.

        `coverage`: (milliseconds, share of the pairs that had the record by then); `copies`: of
        each record, per node; what is sent after the next record counts with that. `slowest_ms`:
        of each record, its last arrival.
        """
        arrivals = self._took_us()
        took = sorted(us for arrived in arrivals for us in arrived)
        pairs = len(took) + self._missed
        marks = sorted({*range(0, len(took), max(1, len(took) // CURVE_POINTS)), len(took) - 1})
        others = max(1, self._shares[0].nodes - 1)
        sent = _sum([share.copies for share in self._shares])
        return {
            "coverage": [
                (took[mark] / 1_000, round((mark + 1) / pairs, 6)) for mark in marks if took
            ],
            "copies": [
                round((sent[at] - (sent[at - 1] if at else 0)) / others, 4)
                for at in range(self._warm_up, len(sent))
            ],
            "slowest_ms": [max(arrived, default=0) / 1_000 for arrived in arrivals],
        }

    def _took_us(self) -> list[list[int]]:
        """Of each measured record that is not lost with its author."""
        due_us = {name: us for share in self._shares for name, us in share.due_us.items()}
        return [
            [
                us - due_us[record.id] for share in self._shares
                for us in share.arrivals_us.get(record.id, {}).values()
            ]
            for record in self._records
        ]
