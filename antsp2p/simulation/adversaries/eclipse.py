"""Eclipse: hostile members try to hold all links of honest nodes.

Law: they are members with keys of their own and speak the protocol; what they do beyond it, they
do as fast as every honest node's limits allow. They know every honest address, dial all of them,
claim to be in need, take every caller, let nobody go, and name only each other.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from antsp2p.events import DatagramReceived, SendDatagram
from antsp2p.gossip.addresses import pack_host
from antsp2p.gossip.affinity import FARTHEST
from antsp2p.gossip.datagram import SESSION_ID_BYTES, WELCOME
from antsp2p.gossip.limits import DEFAULT_LIMITS, SECOND_US, Limits
from antsp2p.gossip.places import Settled
from antsp2p.gossip.table import Table
from antsp2p.gossip.view import Linked
from antsp2p.gossip.wire import PeerAddress, Peers, encode_frame
from antsp2p.node import Node
from antsp2p.simulation.machine import shipped_node

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from antsp2p.events import Address, Effect, Event
    from antsp2p.gossip.book import Purpose
    from antsp2p.gossip.view import View
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

ADVERTISE_US: Final = 250_000
"""Between two lists of addresses to every link."""
NAMED: Final = DEFAULT_LIMITS.named_per_s * ADVERTISE_US // SECOND_US
"""Addresses in such a list: as many as are read."""
DIAL_US: Final = 100_000
"""Between two rounds of hellos."""
DIALS: Final = 32
"""Hellos in a round: all hostile nodes together keep every honest one at the number of hellos that
it answers a second."""
REST_US: Final = 10_000_000
"""Between two looks at whom an honest node would dial."""
GREEDY: Final = Limits(target_links=1_000, accepted_links=1_000, named_dials_per_s=1_000)
"""The attacker would like to have a link to everybody."""


@dataclass(slots=True)
class Ring:
    """What all hostile nodes of one world know together."""

    members: dict[Address, bytes] = field(default_factory=dict)
    """Address -> author of each hostile node."""
    victims: list[Address] = field(default_factory=list)
    end_us: int | None = None
    """By the world's clock; from then on its nodes do nothing beyond what others do."""

    def named(self, draws: Random, count: int) -> tuple[PeerAddress, ...]:
        """Some members, others each time."""
        chosen = draws.sample(sorted(self.members), min(count, len(self.members)))
        return tuple(
            PeerAddress(self.members[address], pack_host(address[0]), address[1])
            for address in chosen
        )


class Hostile(Node):
    """An honest node with a second will."""

    def conspire(self, machine: Machine, ring: Ring) -> None:
        """Begin to attack, together with the ring."""
        self._machine = machine
        self._ring = ring
        self._draws = machine.world.stream(f"eclipse/{machine.index}")
        self._advertise_us = self._dial_us = machine.local_us
        neighbours: Any = self.gossip._neighbours
        view, places = neighbours._parts.view, neighbours._places
        # Whoever asks hears of members only, everybody is let in, and nobody is ever sent away.
        # Whom to dial is the second will's matter alone.
        self._instead(
            neighbours, "sample",
            lambda host, asker, count, now_us: ring.named(self._draws, count))
        self._instead(neighbours, "_linked", lambda: Linked((), ()))
        self._instead(places, "admits", lambda caller, *, is_needy, now_us: True)
        self._instead(places, "settle", lambda newcomer, now_us: Settled())
        self._instead(places, "reach", lambda: FARTHEST)
        self._instead(view, "plan", partial(_rest, view))
        self._instead(view, "wants", lambda address, linked, *, is_strange: True)
        self._instead(view, "named", lambda source, host, peers, now_us, *, is_full=False: None)
        self._instead(view, "is_small", lambda: False)

    def _instead(self, owner: Any, name: str, hostile: Callable[..., Any]) -> None:
        """What is done as long as the attack lasts."""
        honest = getattr(owner, name)

        def chosen(*given: Any, **named: Any) -> Any:
            return (honest if self._is_over else hostile)(*given, **named)

        setattr(owner, name, chosen)

    @property
    def _is_over(self) -> bool:
        end_us = self._ring.end_us
        return end_us is not None and self._machine.world.now_us >= end_us

    @property
    def wake_at(self) -> int | None:
        honest_us = super().wake_at
        if self._is_over:
            return honest_us
        hostile_us = min(self._advertise_us, self._dial_us)
        return hostile_us if honest_us is None else min(honest_us, hostile_us)

    def handle(self, event: Event, now_us: int) -> list[Effect]:
        if isinstance(event, DatagramReceived) and _is_refusal(event.data) and not self._is_over:
            # Nothing is learned from it; whoever refuses is called again.
            self.gossip._parts.links.forget_dial(event.address)
            return []
        effects = super().handle(event, now_us)
        if self._is_over:
            return effects
        if now_us >= self._advertise_us:
            self._advertise_us = now_us + ADVERTISE_US
            effects += self._advertise()
        if now_us >= self._dial_us:
            self._dial_us = now_us + DIAL_US
            effects += self._dial()
        return effects

    def _advertise(self) -> list[Effect]:
        parts = self.gossip._parts
        peers = encode_frame(Peers(0, self._ring.named(self._draws, NAMED)))
        for link in parts.links.all():
            if link.address not in self._ring.members:
                parts.outbox.post_bytes(link, "peers", peers)
        sent = parts.outbox.flush(parts.links, self._now_us)
        return [SendDatagram(each.address, each.data) for each in sent]

    def _dial(self) -> list[Effect]:
        links = self.gossip._parts.links
        free = [address for address in self._ring.victims if links.at(address) is None]
        chosen = self._draws.sample(free, min(DIALS, len(free)))
        return [SendDatagram(address, self._needy_hello(address)) for address in chosen]

    def _needy_hello(self, address: Address) -> bytes:
        """A hello that claims not one link."""
        links: Any = self.gossip._parts.links
        greetings = links._greetings
        held, greetings._table = greetings._table, Table(GREEDY)
        try:
            hello: bytes = links.dial(address, self._now_us)
        finally:
            greetings._table = held
        return hello


def _is_refusal(data: bytes) -> bool:
    """Whether this is a WELCOME to nobody, which carries a BUSY."""
    return data[0] == WELCOME and data[5:9] == bytes(SESSION_ID_BYTES)


def _rest(view: View, linked: Linked, now_us: int) -> list[tuple[Address, Purpose]]:
    """A plan to dial nobody."""
    view.wake_us = now_us + REST_US
    return []


def eclipse_node(machine: Machine, ring: Ring) -> Node:
    """A node that behaves as an honest one to everybody's face, and does the rest beside it."""
    ring.members[machine.address] = machine.author
    node = shipped_node(machine, Hostile, GREEDY)
    assert isinstance(node, Hostile)
    node.conspire(machine, ring)
    return node


@dataclass(frozen=True, slots=True)
class Eclipse:
    """A share of all nodes are the ring's, from their first start on."""

    share: float
    name: ClassVar[str] = "eclipse"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        ring = Ring(end_us=end_us)
        hostile = rng.sample(range(len(world.machines)), round(len(world.machines) * self.share))
        for machine in world.machines:
            if machine.index in hostile:
                machine.make_node = partial(eclipse_node, ring=ring)
            else:
                ring.victims.append(machine.address)
