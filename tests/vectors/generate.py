"""`python -m tests.vectors.generate` writes the vectors: JSON that any language can read.

Bytes are hex digits. Every case is one behaviour: a name, a line of why, the input, and what is
expected. Where an expectation is a judgement (a reason, a holder, a rule), it is stated by hand in
the modules beside this one; the tests hold the code to it.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.vectors import (
    admission,
    audits,
    blobs,
    bodies,
    bulk,
    clocks,
    contests,
    datagrams,
    deeds,
    digests,
    encodings,
    envelopes,
    links,
    logs,
    marks,
    standings,
    trust,
)
from tests.vectors.common import NETWORK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER: Final = Path(__file__).parent

_FILES: Final[tuple[tuple[str, str, Callable[[], Mapping[str, Any]]], ...]] = (
    ("encoding", "Deterministic CBOR: values in diagnostic notation with their bytes, and bytes "
     "that are refused; 1,000 are the most here. Section 2 of protocol.md.", encodings.cases),
    ("keys", "Public keys and signatures. The edge cases of verification stand in "
     "tests/records/ed25519_speccheck.json. Section 3.", envelopes.keys),
    ("records", "Records by their envelope: parsed, or dropped with a reason. `signed`: whether "
     "the record's own signature verifies. Section 4.", envelopes.records),
    ("bodies", "Bodies, as the CBOR of the map alone: the meaning with defaults filled in and the "
     "ids named, or the fault that makes the record void (its words are not normative). "
     "Section 8.", bodies.cases),
    ("beats", "Beats: parsed, or dropped with a reason. Section 9.", envelopes.beats),
    ("logs", "Offers of runs and proofs to one set, in order, and what each changed; then the "
     "set, its leaves and its root. `missing`: the seqs to be fetched now; `sibling`: the id to be "
     "asked for; `duplicates`: what was held already, below any fork. Sections 5 to 7.",
     logs.stories),
    ("proofs", "Fork proofs: parsed, or malformed. `convicts`: whether both tops are signed and "
     "the network is this one; `unknown`: ids at seq whose records are not in it. Section 6.",
     logs.proofs),
    ("audits", "Audit files: the records and forks proven, or why the file proves nothing. "
     "Section 6.", audits.cases),
    ("clocks", "`derived`: the clock of records within one task, joined with their authors' own "
     "records of the task below. `orders`: two clocks compared and joined. Section 10.",
     clocks.clocks),
    ("contests", "A set of records, who is convicted, and what follows for one task; null where "
     "the offer is not in the set. The order of the records does not matter. Section 11.",
     contests.cases),
    ("evidence", "A set of records, and what it says of one task's authors to an observer who is "
     "none of them: the deeds by kind, claim and rater; `rater` null: the records alone say so. "
     "The order of the records does not matter. Section 24.", deeds.cases),
    ("standings", "A set of records, the authors out of it or succeeding, and how the set says so. "
     "`last_seq`: records above it do not count; null where all do. The order of the records does "
     "not matter. Section 8.", standings.cases),
    ("marks", "What is left of a mark by its age; and a set of records, with the texts that stand "
     "at each topic, by author: where none is told, none stands. The order of the records does "
     "not matter. Section 8.", marks.cases),
    ("trust", "What raters said of claims in one capability or another, and the integers that "
     "follow for the observer at a bucket of time, by the first settings. Section 24, which is "
     "informative: a node may score otherwise.", trust.cases),
    ("hashes", "The tie-break, hashes of content, recovery and configuration digests, work, "
     "distances of authors, and network ids of names. Sections 11, 3, 8, 17 and 22.",
     clocks.hashes),
    ("digests", "Sets by their leaves: the shelves that are not empty, the root, and the node "
     "below a prefix under a session's key. Sections 7 and 19.", digests.cases),
    ("frames", "Frames, each alone in the array that a datagram seals: the fields, or why the "
     "datagram is dropped. Section 16.", datagrams.frames),
    ("datagrams", "Datagrams to a node without links that has called nobody: under which reason it "
     "counts a drop, and what it answers all the same. Section 17.", datagrams.datagrams),
    ("links", "What follows from a secret; handshakes whose private keys are given, and what is "
     "sealed after them; cookies and resets; a stream. Sections 17 and 23.", links.cases),
    ("admission", "Join codes and what is none; the doors of their secrets; a newcomer's talk at a "
     "door, with the keys of both sides. Section 23.", admission.cases),
    ("blobs", "Requests to a holder of one blob, and every byte that comes back before the stream "
     "ends; a refused one gets none. Section 23.", blobs.cases),
    ("bulk", "Requests to a holder of two logs, whose records have the ages told, and every byte "
     "that comes back before the stream ends; chunks that are malformed. Section 23.", bulk.cases),
)


def files() -> dict[str, str]:
    """The text of every file by its name."""
    return {
        f"{name}.json": json.dumps(
            {"about": about, "network": NETWORK.hex(), **make()}, ensure_ascii=False, indent=1,
        ) + "\n"
        for name, about, make in _FILES
    }


def main() -> None:
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
