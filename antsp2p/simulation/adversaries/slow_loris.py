"""Slow loris: a member says that it has much, lets itself be asked, and gives it drop by drop.

Law: what little it gives is well formed and valid. It holds as many streams of every node as it
can, each for as long as it is let.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from antsp2p.coordination.body import RecordType
from antsp2p.gossip.bulk_wire import encode_entry, join_chunk
from antsp2p.gossip.wire import Advert, Adverts, Name
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.simulation.adversaries.puppet import Puppet, Troupe

if TYPE_CHECKING:
    from random import Random

    from antsp2p.events import FetchLogs
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

PUPPETS: Final = 4
PAUSES_US: Final = (900_000, 9_000_000, 60_000_000)
"""Between two chunks: soon enough to be alive, hardly so, and never."""
LURES: Final = 12
"""Authors in one advert."""
KEYS: Final = 600
"""Authors in all, each with a log of its own of which it shows a record now and then."""
HEADS: Final = (65, 1_000, 2**53 - 1)
"""So many records it says to have: enough to be asked for them over a stream."""
HANDLES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class SlowLoris:
    """Sends `per_s` adverts a second of what it will hardly give."""

    per_s: int
    name: ClassVar[str] = "slow-loris"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        puppets = [Puppet(world, number) for number in range(PUPPETS)]
        lures = Lures(world, KEYS)
        _Master(world, rng, puppets, self.per_s, end_us).lures = lures
        pauses = world.stream("slow-loris/pauses")

        def serve(asked: FetchLogs, given: int) -> tuple[int, bytes]:
            wanted = asked.ranges[0]
            entry = encode_entry(0, lures.record(wanted.author, wanted.first + given).wire)
            return pauses.choice(PAUSES_US), join_chunk([entry])

        for puppet in puppets:
            world.streams.strangers.hosts[puppet.host] = serve


class _Master(Troupe):
    lures: Lures

    def strike(self, puppet: Puppet, machine: Machine) -> None:
        puppet.say(machine, self.lures.advert(self.rng))


class Lures:
    """Authors with logs that are begun and never end."""

    def __init__(self, world: World, count: int) -> None:
        rng = world.stream("lures")
        self._network = world.network_id
        owners = [Identity.from_seed(rng.randbytes(32)) for _ in range(count)]
        self._owners = {owner.author: owner for owner in owners}
        self._authors = list(self._owners)
        self._logs: dict[bytes, list[Record]] = {}

    def advert(self, rng: Random) -> Adverts:
        """Some of them, with more records than anybody wants to ask for one by one."""
        keys = rng.sample(self._authors, LURES)
        handles = rng.sample(range(HANDLES), LURES)
        return Adverts(
            tuple(Name(handle, key) for handle, key in zip(handles, keys, strict=True)),
            tuple(Advert(handle, rng.choice(HEADS), rng.randbytes(8)) for handle in handles),
        )

    def record(self, author: bytes, seq: int) -> Record:
        """The author's record at `seq`, the same whenever it is asked for."""
        log = self._logs.setdefault(author, [])
        while len(log) < seq:
            prev = log[-1].id if log else NO_PREV
            log.append(sign_record(
                self._owners[author], network=self._network, seq=len(log) + 1, prev=prev,
                type=RecordType.ANNOUNCE, body={1: "drop"}, claimed_ms=0,
            ))
        return log[seq - 1]
