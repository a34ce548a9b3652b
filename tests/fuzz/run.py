"""Runs of one target: a number of mutated inputs from one seed, and what became of them."""
from __future__ import annotations

from dataclasses import dataclass
from random import Random
from time import process_time
from typing import TYPE_CHECKING

from tests.fuzz.mutate import Mutator

if TYPE_CHECKING:
    from tests.fuzz.targets import Target


class Fault(AssertionError):
    """A reader raised what it must not; the text has the bytes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many inputs there were, how many were accepted, and the processor time of all."""

    inputs: int
    accepted: int
    cpu_s: float


def fuzz(target: Target, runs: int, seed: int) -> Outcome:
    """Give `target` its seeds and then mutations of them. Raises `Fault` at the first fault."""
    seeds = target.seeds()
    mutator = Mutator(seeds, Random(f"{seed}/{target.name}"))
    accepted = 0
    before_s = process_time()
    for number in range(runs):
        data = seeds[number] if number < len(seeds) else mutator.next()
        try:
            accepted += target.accepts(data)
        except Exception as error:
            raise Fault(f"{target.name} raised {error!r} at {data.hex()}") from error
    return Outcome(runs, accepted, process_time() - before_s)
