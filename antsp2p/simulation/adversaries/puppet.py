"""Puppets: attackers who know the network's secret, with keys of their own and no node behind them.

Law: a puppet speaks the link as a node does, or nobody would listen, and says on it what its master
wishes. It hears what nodes send to its host and nothing else, and comes back from another port
when it is not answered any more.
"""
from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Final

from antsp2p.events import SendDatagram
from antsp2p.gossip.limits import DEFAULT_LIMITS, HELLO_BYTES
from antsp2p.gossip.link import Doubted, Holding
from antsp2p.gossip.links import Links
from antsp2p.gossip.network_keys import KeyRing
from antsp2p.gossip.protection import Signer, protect
from antsp2p.gossip.wire import NO_HEAD, Frame, Ping, Pong, encode_frame
from antsp2p.records.keys import Identity
from antsp2p.simulation.world import Observer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from antsp2p.events import Address, Effect, Event
    from antsp2p.gossip.wire import PeerAddress
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

DELAY_US: Final = 300
"""One way between a puppet and anybody."""
CALL_PAUSE_US: Final = 200_000
"""Between two calls of one puppet to one machine."""
PATIENT_CALLS: Final = 3
"""Calls without a link; then with another key and from another port: neither costs anything."""
PORTS: Final = 60_000


class Puppet:
    """One key of an attacker, and another where that is not answered any more.

    `signer` may pretend to be of another author than it is; `named` are the addresses with which
    this puppet answers those who call it.
    """

    def __init__(
        self, world: World, number: int, signer: Signer | None = None,
        named: Sequence[PeerAddress] = (),
    ) -> None:
        self.host = f"198.18.{number // 250}.{number % 250 + 1}"
        self._world = world
        self._rng = world.stream(f"puppet/{number}")
        self._signer = signer
        self._named = tuple(named)
        self._lives = 0
        self._called: dict[int, tuple[int, int]] = {}
        """Machine -> when it was last called, and how often in vain."""
        self._begin()

    def _begin(self) -> None:
        """Be somebody else, on another port; all links are gone."""
        world, rng = self._world, self._rng
        self._lives += 1
        self.identity = Identity.from_seed(rng.randbytes(32))
        self._place: Address = (self.host, 1_024 + self._lives % PORTS)
        self._places: dict[int, Address] = {}
        """Machine -> where it called this puppet, or was called from."""
        self._links = Links(
            protection=protect(
                self._signer or self.identity, world.network_id,
                KeyRing(world.network_id, [world.network_key]), rng.randbytes, world.suite,
            ),
            instance=rng.randbytes(8), now_us=0, limits=DEFAULT_LIMITS, drops=Counter(),
            verify=world.verify, holding=lambda author: Holding(0, NO_HEAD, bytes(16)),
            room=lambda *caller: self._named or None,
        )

    def is_linked(self, machine: Machine) -> bool:
        return self._links.at(machine.address) is not None

    def call(self, machine: Machine) -> None:
        """Ask the machine for a link, unless that was done a moment ago."""
        now_us = self._world.now_us
        last_us, vain = self._called.get(machine.index, (-CALL_PAUSE_US, 0))
        if now_us - last_us < CALL_PAUSE_US:
            return
        if vain == PATIENT_CALLS:
            self._begin()
            vain = 0
        self._called[machine.index] = now_us, vain + 1
        self._places[machine.index] = self._place
        self._send(machine, self._links.dial(machine.address, now_us, HELLO_BYTES))

    def say(self, machine: Machine, *frames: Frame) -> None:
        """Frames on the link to the machine."""
        link = self._links.at(machine.address)
        assert link is not None, "there is no link"
        encoded = [encode_frame(frame) for frame in frames]
        for data in self._links.write(link, encoded, self._world.now_us):
            self._send(machine, data)

    def utter(self, machine: Machine, plain: bytes) -> None:
        """Any bytes, sealed as frames would be."""
        link = self._links.at(machine.address)
        assert link is not None, "there is no link"
        if link.confirm:
            self._send(machine, link.confirm)
        self._send(machine, link.session.seal(plain, self._world.now_us))

    def _send(self, machine: Machine, data: bytes) -> None:
        machine.datagram_arrived(self._places.get(machine.index, self._place), data)

    def hear(self, machine: Machine, place: Address, data: bytes) -> None:
        """What a machine sent to this puppet: it keeps its links alive."""
        self._places[machine.index] = place
        now_us = self._world.now_us
        reading = self._links.read(machine.address, data, now_us)
        for change in reading.changes:
            if isinstance(change, Doubted):
                self._links.close(change.link, "gone")
        for reply in reading.replies:
            machine.datagram_arrived(place, reply.data)
        link = self._links.at(machine.address)
        if link is None:
            return
        self._called.pop(machine.index, None)
        link.heard += reading.heard
        if link.confirm:
            self.say(machine, Ping(1, bytes(16), 0, 1))
        for frame in reading.frames:
            if isinstance(frame, Ping):
                pong = Pong(frame.counter, bytes(16), 0, link.sent + 1, link.heard)
                self.say(machine, pong)


class Troupe(Observer):
    """Puppets of one master. Each turn one of them strikes at one machine, or calls it first."""

    def __init__(
        self, world: World, rng: Random, puppets: Sequence[Puppet], per_s: int, end_us: int
    ) -> None:
        self.world = world
        self.rng = rng
        self.puppets = puppets
        self._by_host = {puppet.host: puppet for puppet in puppets}
        self._pause_us = 1_000_000 // per_s
        self._end_us = end_us
        world.observers.append(self)
        world.after(self._pause_us, self._turn)

    @abstractmethod
    def strike(self, puppet: Puppet, machine: Machine) -> None:
        """Do what this master does, on a link that is up."""

    def victims(self) -> list[Machine]:
        """The machines whose node is up."""
        return self.world.running()

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SendDatagram):
                puppet = self._by_host.get(effect.address[0])
                if puppet is not None and self.world.now_us < self._end_us:
                    self.world.after(
                        DELAY_US, puppet.hear, machine, effect.address, effect.data)

    def _turn(self) -> None:
        if self.world.now_us >= self._end_us:
            return
        victims = self.victims()
        if victims:
            puppet, machine = self.rng.choice(self.puppets), self.rng.choice(victims)
            if puppet.is_linked(machine):
                self.strike(puppet, machine)
            else:
                puppet.call(machine)
        self.world.after(self._pause_us, self._turn)
