"""Runs of one target: a number of mutated inputs from one seed, and what became of them."""
from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from statistics import median_low
from time import process_time
from typing import TYPE_CHECKING, Final

from tests.fuzz.bounds import check_bounds, entries_beside_records, weight_beside_records
from tests.fuzz.mutate import Mutator

if TYPE_CHECKING:
    from tests.fuzz.tables import Tables
    from tests.fuzz.targets import Target

LOOKS: Final = 200
"""At all tables of a node in one run; each costs some 50 ms."""


class Fault(AssertionError):
    """A reader raised what it must not; the text has the bytes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many inputs there were, how many were accepted, and the processor time of all.

    Of a node also the most that its tables weighed at any look, records aside, while the first
    half of the inputs came, and while the second did; and the tables that had more entries at half
    of the looks in the second half than at any in the first, with both numbers. (What comes and
    goes has its highest moment in either half; what grows has it at the end.)
    """

    inputs: int
    accepted: int
    cpu_s: float
    first_bytes: int = 0
    second_bytes: int = 0
    grown: dict[str, tuple[int, int]] = field(default_factory=dict)


def fuzz(target: Target, runs: int, seed: int) -> Outcome:
    """Give `target` its seeds and then mutations of them. Raises `Fault` at the first fault."""
    seeds = target.seeds()
    mutator = Mutator(seeds, Random(f"{seed}/{target.name}"))
    accepted = 0
    choices = Random(f"{seed}/{target.name}/choices")
    halves, look_every = (_Half(), _Half()), max(1, runs // LOOKS)
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
            halves[2 * number // runs].look(check_bounds(target.rig.node))
    first, second = halves
    return Outcome(
        runs, accepted, process_time() - before_s, first.bytes, second.bytes, {
            name: (first.highest(name), second.usual(name)) for name in sorted(second.entries)
            if second.usual(name) > first.highest(name)
        })


class _Half:
    """What was found at the looks of one half of a run."""

    def __init__(self) -> None:
        self.bytes = 0
        """The most."""
        self.looks = 0
        self.entries: dict[str, list[int]] = {}

    def look(self, tables: Tables) -> None:
        self.looks += 1
        self.bytes = max(self.bytes, weight_beside_records(tables))
        for name, entries in entries_beside_records(tables).items():
            self.entries.setdefault(name, []).append(entries)

    def highest(self, name: str) -> int:
        return max(self.entries.get(name, [0]))

    def usual(self, name: str) -> int:
        """As many at half of the looks, or more."""
        missing = self.looks - len(self.entries[name])
        return median_low([0] * missing + self.entries[name])
