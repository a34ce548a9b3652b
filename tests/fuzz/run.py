"""Runs of one target: a number of mutated inputs from one seed, and what became of them."""
from __future__ import annotations

from dataclasses import dataclass
from random import Random
from time import process_time
from typing import TYPE_CHECKING, Final

from tests.fuzz.bounds import check_bounds, weight_beside_records
from tests.fuzz.mutate import Mutator

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

LOOKS: Final = 100
"""At all tables of a node in one run; each costs some 50 ms."""


class Fault(AssertionError):
    """A reader raised what it must not; the text has the bytes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many inputs there were, how many were accepted, and the processor time of all.

    Of a node also the most that its tables weighed at any look, records aside, while the first
    half of the inputs came, and while the second did.
    """

    inputs: int
    accepted: int
    cpu_s: float
    first_bytes: int = 0
    second_bytes: int = 0


def fuzz(target: Target, runs: int, seed: int) -> Outcome:
    """Give `target` its seeds and then mutations of them. Raises `Fault` at the first fault."""
    seeds = target.seeds()
    mutator = Mutator(seeds, Random(f"{seed}/{target.name}"))
    accepted = 0
    choices = Random(f"{seed}/{target.name}/choices")
    peaks, look_every = [0, 0], max(1, runs // LOOKS)
    before_s = process_time()
    for number in range(runs):
        data = seeds[number] if number < len(seeds) else mutator.next()
        if target.choice:
            data = choices.randbytes(target.choice) + data
        try:
            accepted += target.accepts(data)
        except Exception as error:
            where = f"{target.name} raised {error!r} at input {number} of seed {seed}"
            raise Fault(f"{where}: {data.hex()[:2_400]}") from error
        if target.rig is not None and (number + 1) % look_every == 0:
            peaks[2 * number // runs] = max(
                peaks[2 * number // runs], weight_beside_records(check_bounds(target.rig.node)))
    return Outcome(runs, accepted, process_time() - before_s, *peaks)
