"""What a statement and a question cost at 10,000 authors with 50 raters each, in processor time."""
from __future__ import annotations

import gc
import statistics
import time
from random import Random
from typing import Final

from antsp2p.coordination.trust import Trust
from tests.benchmarks.reputation.world import ME_NAMES, Said

AUTHORS: Final = 10_000
RATERS: Final = 50
WORKED_FOR_ME: Final = 500
RUNS: Final = 200
UPDATE: Final = "update"


def costs(authors: int = AUTHORS, raters: int = RATERS, seed: int = 1) -> dict[str, float]:
    """Microseconds: adding one, and asking, after nothing new and after one more of each sort."""
    rng = Random(f"cost {seed}")
    keys = [number.to_bytes(32, "big") for number in range(authors)]
    number = 0

    def said(rater: bytes, subject: bytes) -> Said:
        nonlocal number
        number += 1
        return Said(
            rater, number.to_bytes(32, "big"), subject, rng.choice(ME_NAMES),
            rng.random() < 0.95, rng.randint(1, 5), 0,
        )

    me, trust = keys[0], Trust(keys[0])
    known = keys[1 : 1 + min(WORKED_FOR_ME, authors - 1)]
    everything = [said(me, key) for key in known]
    for subject in keys[1:]:
        # Half of the raters are of those whose words count.
        some = rng.sample(known, min(raters // 2, len(known) - 1))
        some += rng.sample(keys, raters - len(some))
        everything += [said(rater, subject) for rater in some if rater not in (subject, me)]
    gc.collect()
    gc.freeze()
    start = time.process_time_ns()
    for each in everything:
        trust.add(each)
    add_us = (time.process_time_ns() - start) / 1000 / len(everything)

    def ask_us(new: list[Said]) -> float:
        taken = []
        for place in range(RUNS):
            if new:
                trust.add(new[place])
            subject = rng.choice(keys)
            start = time.process_time_ns()
            trust.score(subject, ME_NAMES[0])
            taken.append((time.process_time_ns() - start) / 1000)
        return statistics.median(taken)

    def others() -> list[Said]:
        return [said(rng.choice(known), rng.choice(keys)) for _ in range(RUNS)]

    # Whose words weigh what is known once everybody was asked about.
    for key in keys:
        trust.score(key, ME_NAMES[0])
    found = {
        UPDATE: add_us,
        "query": ask_us([]),
        "query after one more statement of another": ask_us(others()),
        "query after one more of the observer's own": ask_us(
            [said(me, rng.choice(known)) for _ in range(RUNS)]
        ),
    }
    gc.unfreeze()
    return found
