"""What it costs to find in what two sets differ.

    python -m tests.benchmarks.gossip.reconciliation [--json] [--quick] [--authors N]

Two engines as they are shipped, over an in-memory link with 1 ms each way. Counted are pings and
all frames of reconciliation with the heads of their datagrams, both ways, from the moment the link
is up until the sets are equal; not the WANTs and RECORDS that follow. IP and UDP headers would add
28 bytes a datagram: "with headers" has them.
"""
from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.gossip.wire import (
    Changes,
    Leaves,
    Nodes,
    Ping,
    Pong,
    Probe,
    Since,
    WantAuthors,
    encode_frame,
)
from tests.benchmarks.gossip.rows import Options, Row, at_most, write_table
from tests.gossip.protections import frames_in
from tests.gossip.swarm import SECOND, Peer, Swarm, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.gossip.wire import Address

AUTHORS: Final = 10_000
TARGETS: Final = {1: 1_600, 10: 3_500, 100: 18_000, 1_000: 80_000}
"""Bytes for so many authors that differ by seq."""
WARM_TARGET: Final = 1_000
WARM_DIFFERENCE: Final = 10
HEADERS: Final = 28
_COUNTED: Final = (Ping, Pong, Since, Changes, Probe, Nodes, WantAuthors, Leaves)
_ASKER, _OTHER = 20_000, 20_001
"""Who they are; their own logs are apart from the authors' that are compared."""
_HEAD_BYTES: Final = 29


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took."""

    bytes: int
    datagrams: int
    ms: float
    agreed: bool


class Pair:
    """Two engines and a meter on the link between them."""

    def __init__(self, authors: int, loss: float, seed: int) -> None:
        self.swarm = Swarm(0, seed=seed, loss=loss)
        self.swarm.delay_us = (1_000, 1_001)
        self.swarm.on_send = self._count
        self.asker = self.swarm.add(_ASKER, address=("10.0.0.1", 7_000))
        self.other = self.swarm.add(_OTHER, address=("10.0.0.2", 7_000))
        self._bytes = self._datagrams = 0
        for peer in (self.asker, self.other):
            for author in range(authors):
                _give(peer, author, 1)

    def _count(self, peer: Peer, address: Address, data: bytes) -> None:
        counted = [
            len(encode_frame(frame)) for frame in frames_in(data)
            if isinstance(frame, _COUNTED)
        ]
        if counted:
            self._bytes += _HEAD_BYTES + sum(counted)
            self._datagrams += 1

    def link(self) -> None:
        """The asker is the one who dials."""
        self.asker.hint(self.other)

    def settle(self) -> Cost:
        """Run until both are equal, and what that took."""
        start_us = self.swarm.now_us
        self._bytes = self._datagrams = 0
        agreed = self.swarm.run(300 * SECOND, self.swarm.agree)
        return Cost(
            self._bytes, self._datagrams, (self.swarm.now_us - start_us) / 1_000, agreed
        )


def _give(peer: Peer, author: int, seq: int) -> None:
    peer.logs.insert([record(author, seq)])


def _some(authors: int, count: int, seed: int) -> Sequence[int]:
    return random.Random(seed).sample(range(authors), count)


def cold(authors: int, differing: int, case: str, loss: float, seed: int) -> Cost:
    """A new link between two who share all but `differing` authors. `case` says who has more."""
    pair = Pair(authors, loss, seed)
    for number, author in enumerate(_some(authors, differing, seed)):
        if case == "unknown to the asker":
            _give(pair.other, 50_000 + number, 1)
        else:
            ahead = {"asker behind": pair.other, "asker ahead": pair.asker}.get(
                case, (pair.other, pair.asker)[number % 2])
            _give(ahead, author, 2)
    pair.link()
    return pair.settle()


def warm(authors: int, differing: int, loss: float, seed: int) -> Cost:
    """Two who were equal a moment ago; then one has news that nobody announced."""
    pair = Pair(authors, loss, seed)
    pair.link()
    pair.settle()
    pair.swarm.run(20 * SECOND)
    for author in _some(authors, differing, seed):
        _give(pair.other, author, 2)
    return pair.settle()


def run(options: Options, authors: int = AUTHORS) -> list[Row]:
    """All rows. The cases with a target are those where authors differ by seq."""
    rows: list[Row] = []
    losses = (0,) if options.quick else (0, 30)
    differences = [count for count in TARGETS if not options.quick or count <= 100]
    for loss in losses:
        for count in differences:
            for case in ("asker behind", "asker ahead", "half each"):
                costs = [cold(authors, count, case, loss / 100, seed) for seed in options.seeds]
                rows += _rows(f"{count} differ, {case}", costs, authors, loss,
                              TARGETS[count] if loss == 0 else None)
            costs = [
                cold(authors, count, "unknown to the asker", loss / 100, seed)
                for seed in options.seeds
            ]
            rows += _rows(f"{count} unknown to the asker", costs, authors, loss, None)
        costs = [warm(authors, WARM_DIFFERENCE, loss / 100, seed) for seed in options.seeds]
        rows += _rows(f"{WARM_DIFFERENCE} differ, warm cursor", costs, authors, loss,
                      WARM_TARGET if loss == 0 else None)
    return rows


def _rows(
    what: str, costs: Sequence[Cost], authors: int, loss: int, target: int | None
) -> list[Row]:
    agreed = sum(cost.agreed for cost in costs) / len(costs)
    found = [cost.bytes for cost in costs]
    whole = tuple(float(cost.bytes + HEADERS * cost.datagrams) for cost in costs)
    name, system = f"reconciliation, {what}", "antsp2p"
    if target is None:
        first = Row(name, system, authors, "B", tuple(map(float, found)), loss, agreed)
    else:
        first = at_most(name, system, authors, "B", found, target, loss=loss, coverage=agreed)
    return [
        first,
        Row(f"{name}, with headers", system, authors, "B", whole, loss),
        Row(f"{name}, until equal", system, authors, "ms",
            tuple(round(cost.ms, 1) for cost in costs), loss),
    ]


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="no loss, at most 100 that differ")
    parser.add_argument("--authors", type=int, default=AUTHORS, metavar="N")
    given = parser.parse_args()
    rows = run(Options(quick=given.quick), given.authors)
    if given.json:
        print(json.dumps({"figures": [row.as_json() for row in rows]}))
    else:
        write_table(rows, "Reconciliation")
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
