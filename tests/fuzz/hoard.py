"""What attackers bring along: many authors of their own, with logs, forks, beats and proofs.

All of it is signed and valid, and there is only so much of it: when a node has taken it all, it
has no more reason to grow.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from antsp2p.records.beat import Beat, sign_beat
from antsp2p.records.encoding import decode
from antsp2p.records.fork import ForkProof, make_proof
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from tests.fuzz.corpus import VECTORS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

NETWORK: Final = bytes(range(16))
"""The network of the vectors."""
AUTHORS: Final = 256
RECORDS: Final = 8
FORK_AT: Final = 5
"""Every fourth author has two logs that part here."""


@dataclass(frozen=True, slots=True)
class Hoard:
    """All of it, in lists to choose from."""

    authors: tuple[bytes, ...]
    logs: tuple[tuple[Record, ...], ...]
    forks: tuple[tuple[Record, ...], ...]
    """Second branches, each from `FORK_AT` on."""
    proofs: tuple[ForkProof, ...]
    beats: tuple[Beat, ...]

    def run(self, rng: Random) -> Sequence[Record]:
        """Some records of one author in a row."""
        log = rng.choice(self.forks if rng.random() < 0.1 else self.logs)
        start = rng.randrange(len(log))
        return log[start : start + rng.choice((1, 1, 1, 2, 4, RECORDS))]


@cache
def hoard() -> Hoard:
    """The same in every run."""
    owners = [Identity.from_seed(b"hoard" + number.to_bytes(27, "big")) for number in
              range(AUTHORS)]
    bodies = [
        (int(body["type"]), decode(bytes.fromhex(body["body"]), 1_000))
        for body in json.loads((VECTORS / "bodies.json").read_text())["meant"]
    ]
    logs, forks, proofs, beats = [], [], [], []
    for number, owner in enumerate(owners):
        log: list[Record] = []
        for seq in range(1, RECORDS + 1):
            log.append(_signed(owner, log, bodies[(number + seq) % len(bodies)], 0))
        logs.append(tuple(log))
        beats += [
            sign_beat(
                owner, network=NETWORK, counter=counter, head_seq=RECORDS, head=log[-1].id,
                free_slots=1, load=0, claims=[(seq, 500) for seq in range(1, RECORDS)],
            )
            for counter in (1, 2**32, 2**53 - 1)
        ]
        if number % 4 == 0:
            branch = log[: FORK_AT - 1]
            for seq in range(FORK_AT, RECORDS + 1):
                branch.append(_signed(owner, branch, bodies[(number + seq) % len(bodies)], 1))
            forks.append(tuple(branch[FORK_AT - 1 :]))
            at = slice(FORK_AT - 1, FORK_AT)
            proofs.append(make_proof(owner.author, FORK_AT, tuple(log[at]), tuple(branch[at])))
    return Hoard(
        tuple(owner.author for owner in owners), tuple(logs), tuple(forks), tuple(proofs),
        tuple(beats),
    )


def _signed(
    owner: Identity, log: Sequence[Record], body: tuple[int, dict[int, object]], claimed_ms: int
) -> Record:
    return sign_record(
        owner, network=NETWORK, seq=len(log) + 1, prev=log[-1].id if log else NO_PREV,
        type=body[0], body=body[1], claimed_ms=claimed_ms,
    )
