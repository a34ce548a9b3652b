"""Oversize: a member announces and serves more than anybody may take.

Law: its records are valid and few, for what is valid must be kept by all; what it serves for logs
has no end, or chunks beyond their bound.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from antsp2p.coordination.body import MAX_BLOB_BYTES, RecordType
from antsp2p.gossip.bulk_wire import MAX_LOGS_CHUNK_BYTES, encode_entry, join_chunk
from antsp2p.gossip.limits import MAX_DATAGRAM_BYTES, MAX_PARTS, PART_BYTES
from antsp2p.gossip.wire import RUN, Entry, News, Part
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.simulation.adversaries.puppet import Puppet, Troupe
from antsp2p.simulation.adversaries.slow_loris import Lures

if TYPE_CHECKING:
    from random import Random

    from antsp2p.events import FetchLogs
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

PUPPETS: Final = 3
MAX_OFFERS: Final = 30
SIZES: Final = (MAX_BLOB_BYTES, MAX_BLOB_BYTES + 1, 2**31, 2**53 - 1, 2**63 - 1)
"""Of blobs that nobody has; all but the first make their record void."""
CHUNK_PAUSE_US: Final = 20_000
CHUNK_RECORDS: Final = 20
KEYS: Final = 200
FALSE_PREV: Final = bytes(31) + b"\x01"


@dataclass(frozen=True, slots=True)
class Oversize:
    """Does `per_s` of these things a second."""

    per_s: int
    name: ClassVar[str] = "oversize"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        puppets = [Puppet(world, number) for number in range(PUPPETS)]
        lures = Lures(world, KEYS)
        _Oversize(world, rng, puppets, self.per_s, end_us).lures = lures
        for number, puppet in enumerate(puppets):
            stranger = _too_large if number % 2 else partial(_endless, world)
            world.streams.strangers.hosts[puppet.host] = stranger


class _Oversize(Troupe):
    lures: Lures
    _offers = 0

    def strike(self, puppet: Puppet, machine: Machine) -> None:
        rng = self.rng
        match rng.randrange(4):
            case 0 if self._offers < MAX_OFFERS:
                self._offers += 1
                puppet.say(machine, News(0, 1, (Entry(0, self._offer().wire),)))
            case 1:
                puppet.utter(machine, rng.randbytes(rng.choice((
                    MAX_DATAGRAM_BYTES, 4 * MAX_DATAGRAM_BYTES, 1 << 16))))
            case 2:
                author, index = rng.randbytes(31) + b"\x01", rng.randrange(MAX_PARTS)
                data = rng.randbytes(PART_BYTES)
                puppet.say(machine, Part(
                    RUN, author, rng.randbytes(32), 0, index, MAX_PARTS, data))
            case _:
                puppet.say(machine, self.lures.advert(rng))

    def _offer(self) -> Record:
        """The only record of a key that is made for it: a task whose input is a blob."""
        body: dict[int, Any] = {
            1: "work.0", 2: 2_000, 3: 150, 4: 1, 6: [self.rng.randbytes(32),
                                                      self.rng.choice(SIZES)],
        }
        return sign_record(
            Identity.from_seed(self.rng.randbytes(32)), network=self.world.network_id, seq=1,
            prev=NO_PREV, type=RecordType.OFFER, body=body, claimed_ms=0,
        )


def _too_large(asked: FetchLogs, given: int) -> tuple[int, bytes]:
    return CHUNK_PAUSE_US, bytes(MAX_LOGS_CHUNK_BYTES + 1)


def _endless(world: World, asked: FetchLogs, given: int) -> tuple[int, bytes]:
    """Records of the right author and number that nobody signed, in ever more chunks."""
    first = asked.ranges[0].first + given * CHUNK_RECORDS
    own = Identity.from_seed(bytes(32))
    records = [
        sign_record(
            own, network=world.network_id, seq=seq,
            prev=NO_PREV if seq == 1 else FALSE_PREV,
            type=RecordType.ANNOUNCE, body={1: "endless"}, claimed_ms=0,
        ).wire.replace(own.author, asked.ranges[0].author)
        for seq in range(first, first + CHUNK_RECORDS)
    ]
    return CHUNK_PAUSE_US, join_chunk([encode_entry(0, wire) for wire in records])
