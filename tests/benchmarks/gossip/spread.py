"""Last node and median node: each chosen system at each size, one after another in every run.

So that whatever else this machine does hits all of them alike, a run goes round the systems before
the next run begins. The systems without a target are measured in the first run only.
"""
from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.gossip.place import alone
from tests.benchmarks.gossip.rows import Options, Row, number
from tests.benchmarks.gossip.systems import BY_UDP, OURS, why_missing
from tests.system.namespaces import why_not
from tests.system.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FIELD_S: Final = 600.0
"""One system at one size, whatever happens."""
GIVE_UP_S: Final = 30.0
TARGET_NODES: Final = 50
SHARES_OF_SERF: Final = {0: 10, 30: 5}
"""At this loss, our last node comes in at most one nth of serf's time."""

_Found = dict[tuple[str, int], list[dict[str, Any]]]


class FieldFailed(Exception):
    """A system did not get as far as to be measured; the text is its last line."""


def run(options: Options) -> list[Row]:
    """Measure `options.systems`."""
    refused = why_not()
    losses = (0,) if refused else options.losses
    found: _Found = {}
    rows: list[Row] = []
    failed: dict[tuple[str, int], str] = {}
    missing = {name: why_missing(name, options.peers_venv) for name in options.systems}
    for number_ in range(options.runs):
        for nodes in options.nodes:
            for name in options.systems:
                if missing[name] or (number_ and name not in BY_UDP and not options.everything):
                    continue
                _say(f"run {number_ + 1} of {options.runs}: {name}, {nodes} nodes")
                try:
                    result = _spread(name, nodes, losses, options, not refused)
                except FieldFailed as error:
                    failed[name, nodes] = str(error)
                else:
                    found.setdefault((name, nodes), []).append(result)
    for nodes in options.nodes:
        for name in options.systems:
            reason = missing[name] or failed.get((name, nodes), "")
            if (name, nodes) in found:
                rows += _rows(name, nodes, found)
            if reason:
                rows.append(Row("last node", name, nodes, missing=reason))
    if refused:
        rows.append(Row("last node, with loss", OURS, 0, missing=refused))
    return rows


def _spread(
    name: str, nodes: int, losses: Sequence[int], options: Options, apart: bool
) -> dict[str, Any]:
    chosen = losses if name in BY_UDP else [0]
    words = ["spread", name, nodes, options.events, ",".join(map(str, chosen))]
    return field(words, options.peers_venv, apart)


def field(words: Sequence[object], venv: Path | None, apart: bool) -> dict[str, Any]:
    """Run one field, in a namespace of its own if `apart`. Raises `FieldFailed`."""
    command = [sys.executable, "-m", "tests.benchmarks.gossip.field", *map(str, words)]
    command += [str(venv)] if venv else []
    with _prefix(apart) as prefix:
        process = subprocess.Popen(
            [*prefix, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=ROOT, env=os.environ, text=True,
        )
        try:
            output, errors = process.communicate(timeout=FIELD_S)
        except BaseException as error:
            process.terminate()  # It ends its nodes itself.
            try:
                process.communicate(timeout=GIVE_UP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise FieldFailed(f"not done within {FIELD_S:g} s") from error
            raise
    if process.returncode:
        lines = errors.strip().splitlines() or [f"exit code {process.returncode}"]
        print(errors, file=sys.stderr)
        raise FieldFailed(f"failed: {lines[-1].strip(' |+-')}")
    return dict(json.loads(output))


@contextmanager
def _prefix(apart: bool) -> Iterator[list[str]]:
    if apart:
        with alone() as host:
            yield host.prefix
    else:
        yield []


# --- telling ------------------------------------------------------------------------------------


def _rows(name: str, nodes: int, found: _Found) -> list[Row]:
    rows = []
    for place, measured in enumerate(found[name, nodes][0]["losses"]):
        loss = measured["loss"]
        each = [result["losses"][place] for result in found[name, nodes]]
        coverage = statistics.mean(item["coverage"] for item in each)
        last = _medians(each, "last_ms")
        target, met = "", None
        if name == OURS:
            target, met = _against_serf(statistics.median(last), coverage, nodes, loss, found)
        rows.append(Row("last node", name, nodes, "ms", last, loss, coverage, target, met))
        rows.append(Row("median node", name, nodes, "ms", _medians(each, "median_ms"), loss))
    return rows


def _medians(each: Sequence[dict[str, Any]], key: str) -> tuple[float, ...]:
    return tuple(round(statistics.median(item[key]), 2) for item in each)


def _against_serf(
    last_ms: float, coverage: float, nodes: int, loss: int, found: _Found
) -> tuple[str, bool | None]:
    """What serf reached in the same runs, divided by what is asked; and everything must arrive."""
    theirs = [
        item for result in found.get(("serf", nodes), ()) for item in result["losses"]
        if item["loss"] == loss
    ]
    share = SHARES_OF_SERF.get(loss)
    if not theirs or share is None or nodes != TARGET_NODES:
        return "", None
    most_ms = statistics.median(_medians(theirs, "last_ms")) / share
    return f"≤ {number(most_ms)} (serf / {share})", last_ms <= most_ms and coverage == 1.0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
