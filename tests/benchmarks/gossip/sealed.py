"""What sealing changes in how records spread: nodes that seal beside nodes that do not.

Both are processes of this checkout, each field in a namespace of its own. They take turns in
pairs, and which comes first changes with every pair. The two of a pair have the same publishers
and the same pauses; what is compared is the ratio within a pair, and its median over the pairs.
"""
from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.gossip.rows import Options, Row, at_most
from tests.benchmarks.gossip.spread import TARGET_NODES, FieldFailed, field
from tests.benchmarks.gossip.systems import OURS, UNSEALED
from tests.system.namespaces import why_not

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST: Final = 1.15
"""Times what it is without the cipher, where there are as many nodes as the target speaks of."""
_QUANTITIES: Final = (
    ("last_ms", "last node", "ms"),
    ("median_ms", "median node", "ms"),
    ("bytes_per_s", "traffic a node", "B/s"),
    ("cpu_percent", "node, of one core", "%"),
)
_HAVE_TARGET: Final = ("last_ms", "median_ms", "bytes_per_s")
"""The processor's part is told as it is: a node that has little to do has no other large part."""

_Found = dict[str, Any]


def run(options: Options) -> list[Row]:
    """`options.runs` pairs at the largest size."""
    nodes = max(options.nodes)
    refused = why_not()
    if refused:
        return [Row("sealed / plain", OURS, nodes, missing=refused)]
    found: dict[str, list[_Found]] = {OURS: [], UNSEALED: []}
    for number in range(options.runs):
        order = (OURS, UNSEALED) if number % 2 == 0 else (UNSEALED, OURS)
        for name in order:
            print(f"pair {number + 1} of {options.runs}: {name}, {nodes} nodes",
                  file=sys.stderr, flush=True)
            try:
                found[name].append(
                    field(["busy", name, nodes, options.events, number], None, True))
            except FieldFailed as error:
                return [Row("sealed / plain", name, nodes, missing=str(error))]
    return _rows(nodes, found[OURS], found[UNSEALED])


def _rows(nodes: int, sealed: Sequence[_Found], plain: Sequence[_Found]) -> list[Row]:
    rows: list[Row] = []
    coverage = {
        name: statistics.mean(each["coverage"] for each in found)
        for name, found in ((OURS, sealed), (UNSEALED, plain))
    }
    for key, what, unit in _QUANTITIES:
        for name, found in ((OURS, sealed), (UNSEALED, plain)):
            values = tuple(round(each[key], 2) for each in found)
            rows.append(Row(what, name, nodes, unit, values, coverage=coverage[name]))
        ratios = [one[key] / other[key] for one, other in zip(sealed, plain, strict=True)]
        what = f"{what}, sealed / plain"
        if key in _HAVE_TARGET and nodes == TARGET_NODES:
            rows.append(at_most(what, OURS, nodes, "", ratios, MOST))
        else:
            rows.append(Row(what, OURS, nodes, "", tuple(round(each, 3) for each in ratios)))
    return rows
