"""How fast an empty node catches up with a full one.

    python -m tests.benchmarks.catch_up [--json] [--authors N] [--records N]

Two real processes on loopback: one has a store of so many records, the other an empty home. The
time runs from the moment they are linked until every record is in its set, folded, and
kept in turns that wait for the store's commit. Beside it stands the machine's own rate of Ed25519
checks on one core, measured in the same run, since that is what a node without ancestor validity
could reach at most.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

from antsp2p.coordination.body import Cancel, CancelReason, Offer, body_map
from antsp2p.events import AppendRecord, LogsReceived
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.runtime.boot import boot_home
from antsp2p.runtime.home import DEFAULT_NETWORK, network_id
from antsp2p.runtime.host import HostOptions, open_host
from antsp2p.runtime.peers import format_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from antsp2p.events import Event

AUTHORS: Final = 100
RECORDS: Final = 100_000
TARGET: Final = 3.0
"""Times the rate of single checks."""
LIMIT_S: Final = 600.0
_VERIFIED: Final = 2_000
_BATCH: Final = 5_000


# --- the full store ------------------------------------------------------------------------------


def history(identity: Identity, count: int) -> Iterator[Record]:
    """A log of tasks that were offered and called off: what is left of a busy past."""
    prev, network = NO_PREV, network_id(DEFAULT_NETWORK)
    for seq in range(1, count + 1):
        body: Offer | Cancel = Offer(
            "echo", lease_ms=10_000, settle_ms=150, attempts=3, input=b"%06d" % seq,
        ) if seq % 2 else Cancel(task=prev, reason=CancelReason.REQUESTER)
        record = sign_record(
            identity, network=network, seq=seq, prev=prev, type=body.type, body=body_map(body),
            claimed_ms=0,
        )
        yield record
        prev = record.id


def fill(home: Path, authors: int, records: int) -> None:
    """Make a home whose store has so many records."""
    boot = boot_home(home, DEFAULT_NETWORK)
    try:
        batch: list[AppendRecord] = []
        for index in range(authors):
            identity = Identity.from_seed(index.to_bytes(32, "big"))
            share = records // authors + (index < records % authors)
            for record in history(identity, share):
                batch.append(AppendRecord(record, 60_000, own=False))
                if len(batch) >= _BATCH:
                    boot.store.commit(batch)
                    batch.clear()
        boot.store.commit(batch)
    finally:
        boot.close()


def verify_rate() -> float:
    """Ed25519 checks a second on one core, over records as they are here."""
    from antsp2p.records.keys import verify

    records = list(history(Identity.from_seed(b"v" * 32), 100))
    began = time.perf_counter()
    for index in range(_VERIFIED):
        assert records[index % 100].verifies(verify)
    return _VERIFIED / (time.perf_counter() - began)


# --- the two processes ---------------------------------------------------------------------------


async def serve(home: Path) -> None:
    """The full node: says where it is, and runs until its input ends."""
    options = HostOptions(home=home, listen=(("127.0.0.1", 0),), discovery=False)
    async with open_host(options) as host:
        print(format_address(host.address), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


async def fetch(home: Path, address: str, records: int) -> dict[str, Any]:
    """The empty node, linked to the full one: how long it takes."""
    chunks, whole = 0, trio.Event()

    def tap(_: int, event: Event) -> None:
        nonlocal chunks
        chunks += isinstance(event, LogsReceived)
        if sum(leaf.seq for leaf in host.node.logs.leaves()) >= records:
            whole.set()

    options = HostOptions(
        home=home, listen=(("127.0.0.1", 0),), discovery=False, peers=(address,)
    )
    async with open_host(options, tap=tap) as host:
        with trio.fail_after(LIMIT_S):
            with host.subscribe() as notices:
                while not host.node.gossip.links():
                    await notices.receive()
            began, cpu_began = time.perf_counter(), time.process_time()
            await whole.wait()
        seconds = time.perf_counter() - began
        return {
            "seconds": seconds,
            "cpu_seconds": time.process_time() - cpu_began,
            "chunks": chunks,
            "drops": dict(host.node.gossip.drops),
            "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
        }


def _child(*words: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.benchmarks.catch_up", *map(str, words)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ, **options
    )


def run(authors: int = AUTHORS, records: int = RECORDS) -> dict[str, Any]:
    """One catch-up. Keys: authors, records, seconds, records_per_s, verify_per_s, multiple, and
    what the fetching process said of itself."""
    with tempfile.TemporaryDirectory(prefix="catch-up-") as folder:
        full, empty = Path(folder) / "full", Path(folder) / "empty"
        fill(full, authors, records)
        rate = verify_rate()
        server = _child("--serve", full)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            fetcher = _child("--fetch", empty, "--from", address, "--records", records)
            said, _ = fetcher.communicate(timeout=LIMIT_S)
        finally:
            server.communicate(timeout=LIMIT_S)
        told: dict[str, Any] = json.loads(said)
        per_s = records / told["seconds"]
        return {
            "authors": authors, "records": records, **told, "records_per_s": per_s,
            "verify_per_s": rate, "multiple": per_s / rate,
        }


def main() -> None:
    """Print the measure as lines or as JSON."""
    parser = argparse.ArgumentParser(prog="catch_up", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--authors", type=int, default=AUTHORS)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--fetch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--from", dest="source", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        trio.run(serve, options.serve)
    elif options.fetch is not None:
        print(json.dumps(trio.run(fetch, options.fetch, options.source, options.records)))
    else:
        measured = run(options.authors, options.records)
        if options.json:
            print(json.dumps(measured))
            return
        for name, value in measured.items():
            print(f"{name:14} {value:,.1f}" if isinstance(value, float) else f"{name:14} {value}")
        print(f"{'target':14} {TARGET} times the rate of single checks")


if __name__ == "__main__":
    main()
