"""Forger: a member signs in the name of others, and for other networks.

Law: it has everything that honest nodes have said, and no key of theirs. It forks no log of its
own: whoever is convicted in this world is convicted wrongly.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, cast

from antsp2p.gossip.limits import PART_BYTES
from antsp2p.gossip.wire import PROOF, BeatFrame, Entry, News, Part, Records
from antsp2p.records.beat import sign_beat
from antsp2p.records.fork import encode_proof, make_proof
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.simulation.adversaries.puppet import Puppet, Troupe

if TYPE_CHECKING:
    from random import Random

    from antsp2p.gossip.wire import Frame
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

PUPPETS: Final = 3
THIEVES: Final = 2
"""Puppets that call in the name of an honest author."""
ANNOUNCE: Final = 1


@dataclass(slots=True)
class _Mask:
    """Another's name over one's own hand."""

    author: bytes
    hand: Identity

    def sign(self, message: bytes) -> bytes:
        return self.hand.sign(message)


@dataclass(frozen=True, slots=True)
class Forger:
    """Sends `per_s` forgeries a second."""

    per_s: int
    name: ClassVar[str] = "forger"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        hand = Identity.from_seed(rng.randbytes(32))
        masks = [_Mask(machine.author, hand) for machine in world.machines[:THIEVES]]
        puppets = [Puppet(world, number) for number in range(PUPPETS)]
        puppets += [Puppet(world, PUPPETS + number, mask) for number, mask in enumerate(masks)]
        _Forgeries(world, rng, puppets, self.per_s, end_us)


class _Forgeries(Troupe):
    def strike(self, puppet: Puppet, machine: Machine) -> None:
        author = self.rng.choice(self.world.machines).author
        log = [entry[0] for _, entry in sorted(machine.disk.logs.get(author, {}).items())]
        forge = self.rng.choice((
            self._next, self._sibling, self._wrong_chain, self._flipped, self._other_network,
            self._above_a_gap, self._beat, self._proof,
        ))
        puppet.say(machine, *forge(puppet, author, log))

    def _signed(
        self, puppet: Puppet, author: bytes, seq: int, prev: bytes, network: bytes = b""
    ) -> Record:
        mask = _Mask(author, puppet.identity)
        return sign_record(
            cast("Identity", mask), network=network or self.world.network_id, seq=seq, prev=prev,
            type=ANNOUNCE, body={1: f"forged.{self.rng.randrange(1_000)}"}, claimed_ms=0,
        )

    def _pushed(self, *records: Record) -> list[Frame]:
        entries = tuple(Entry(0, record.wire) for record in records)
        return [self.rng.choice((News(0, 1, entries), Records(0, 1, entries)))]

    def _next(self, puppet: Puppet, author: bytes, log: list[Record]) -> list[Frame]:
        prev = log[-1].id if log else NO_PREV
        return self._pushed(self._signed(puppet, author, len(log) + 1, prev))

    def _sibling(self, puppet: Puppet, author: bytes, log: list[Record]) -> list[Frame]:
        if not log:
            return self._next(puppet, author, log)
        record = self.rng.choice(log)
        return self._pushed(self._signed(puppet, author, record.seq, record.prev))

    def _wrong_chain(self, puppet: Puppet, author: bytes, log: list[Record]) -> list[Frame]:
        first = self._signed(puppet, author, len(log) + 2, self.rng.randbytes(32))
        return self._pushed(first, self._signed(puppet, author, len(log) + 3, first.prev))

    def _flipped(self, puppet: Puppet, author: bytes, log: list[Record]) -> list[Frame]:
        if not log:
            return self._next(puppet, author, log)
        wire = bytearray(self.rng.choice(log).wire)
        wire[self.rng.randrange(len(wire))] ^= 1 << self.rng.randrange(8)
        return [News(0, 1, (Entry(0, bytes(wire)),))]

    def _other_network(self, puppet: Puppet, author: bytes, log: list[Record]) -> list[Frame]:
        network = self.rng.randbytes(16)
        return self._pushed(self._signed(puppet, puppet.identity.author, 1, NO_PREV, network))

    def _above_a_gap(self, puppet: Puppet, author: bytes, log: list[Record]) -> list[Frame]:
        """Of an author whose key is known and good, and whose log does not exist."""
        own = Identity.from_seed(self.rng.randbytes(32))
        record = sign_record(
            own, network=self.world.network_id, seq=self.rng.randrange(2, 1_000),
            prev=self.rng.randbytes(32), type=ANNOUNCE, body={1: "gap"}, claimed_ms=0,
        )
        return self._pushed(record)

    def _beat(self, puppet: Puppet, author: bytes, log: list[Record]) -> list[Frame]:
        mask = cast("Identity", _Mask(author, puppet.identity))
        beat = sign_beat(
            mask, network=self.world.network_id, counter=1 << 50, head_seq=0, head=bytes(32),
            free_slots=0, load=1_000, claims=[(seq, 500) for seq in range(1, len(log) + 1)][:50],
        )
        return [BeatFrame(beat.wire)]

    def _proof(self, puppet: Puppet, author: bytes, log: list[Record]) -> list[Frame]:
        if not log:
            return self._next(puppet, author, log)
        true = self.rng.choice(log)
        false = self._signed(puppet, author, true.seq, true.prev)
        proof = make_proof(author, true.seq, (true,), (false,))
        whole = encode_proof(proof)
        count = -(-len(whole) // PART_BYTES)
        return [
            Part(PROOF, author, proof.id, 0, index, count,
                 whole[index * PART_BYTES : (index + 1) * PART_BYTES])
            for index in range(count)
        ]
