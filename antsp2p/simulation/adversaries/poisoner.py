"""Address poisoner: a member names victims' addresses, and void ones, in whatever can name one.

Law: what it names is nobody's. A node that sends there anything but a bounded number of calls, or
anything at all to an address that means nothing, has broken a rule, and the world stops.
"""
from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, ClassVar, Final

from antsp2p.events import SendDatagram
from antsp2p.gossip.addresses import pack_host
from antsp2p.gossip.datagram import HELLO
from antsp2p.gossip.limits import DEFAULT_LIMITS, HELLO_BYTES, MAX_PEERS
from antsp2p.gossip.wire import Busy, PeerAddress, Peers
from antsp2p.simulation.adversaries.puppet import Puppet, Troupe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from antsp2p.events import Effect, Event
    from antsp2p.gossip.wire import Frame
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

PUPPETS: Final = 4
BUSY_NAMES: Final = 8
VICTIMS: Final = (
    *(f"203.0.113.{number}" for number in range(1, 41)), "2001:db8::1", "2001:db8::2")
VOID: Final = (
    "0.0.0.0", "255.255.255.255", "224.0.0.251", "239.1.2.3", "169.254.7.7", "127.0.0.1", "::",
    "::1", "ff02::fb", "fe80::1", "::ffff:0.0.0.0", "::ffff:127.0.0.1", "::ffff:224.0.0.251",
)
"""Nobody, everybody, the machine itself, and what has a meaning on one cable only."""


@dataclass(frozen=True, slots=True)
class Poisoner:
    """Sends `per_s` lists of addresses a second."""

    per_s: int
    name: ClassVar[str] = "poisoner"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        refusing = [_named(rng, rng.choice((VICTIMS, VOID))) for _ in range(BUSY_NAMES)]
        puppets = [
            Puppet(world, number, named=refusing if number % 2 else ())
            for number in range(PUPPETS)
        ]
        _Poison(world, rng, puppets, self.per_s, end_us)


def _named(rng: Random, hosts: Sequence[str], author: bytes = b"") -> PeerAddress:
    packed = pack_host(rng.choice(hosts))
    assert packed, "an address that can be written down"
    return PeerAddress(author or rng.randbytes(32), packed, rng.randrange(1, 65_536))


class _Poison(Troupe):
    def __init__(
        self, world: World, rng: Random, puppets: Sequence[Puppet], per_s: int, end_us: int
    ) -> None:
        super().__init__(world, rng, puppets, per_s, end_us)
        self._calls: dict[tuple[int, str], deque[int]] = defaultdict(deque)
        """(machine, victim) -> when it was called lately."""
        self._void = {_plain(host) for host in VOID}
        self._victims = {_plain(host) for host in VICTIMS}

    def strike(self, puppet: Puppet, machine: Machine) -> None:
        rng = self.rng
        names = [_named(rng, rng.choice((VICTIMS, VOID))) for _ in range(rng.randint(1, MAX_PEERS))]
        # An honest author is said to be at a victim's, and a puppet, which will refuse, is named.
        names[0] = _named(rng, VICTIMS, rng.choice(self.world.machines).author)
        names.append(PeerAddress(
            rng.randbytes(32), pack_host(rng.choice(self.puppets).host), 1_024))
        frame: Frame = Busy(tuple(names[-MAX_PEERS:]))
        if rng.random() < 0.9:
            frame = Peers(rng.randrange(2), tuple(names[-MAX_PEERS:]))
        puppet.say(machine, frame)

    def handled(self, machine: Machine, event: Event, effects: Sequence[Effect]) -> None:
        super().handled(machine, event, effects)
        for effect in effects:
            if isinstance(effect, SendDatagram):
                host = _plain(effect.address[0])
                if host in self._void:
                    what = f"a datagram goes to {host}, which means nothing"
                    raise self.world.violation("address", what, machine)
                if host in self._victims:
                    self._check(machine, host, effect.data)

    def _check(self, machine: Machine, host: str, data: bytes) -> None:
        now_us, limits = self.world.now_us, DEFAULT_LIMITS
        self.world.network.drops["to-victims"] += 1
        if data[0] != HELLO or len(data) > HELLO_BYTES:
            what = f"more than a call goes to {host}, which only a payload names"
            raise self.world.violation("address", what, machine)
        calls = self._calls[machine.index, host]
        calls.append(now_us)
        while calls[0] <= now_us - limits.silent_us:
            calls.popleft()
        if len(calls) > limits.silent_per_host:
            what = f"{len(calls)} calls go to {host}, which only payloads name"
            raise self.world.violation("address", what, machine)


def _plain(host: str) -> str:
    """One text for one address, a mapped one as what it is mapped from."""
    address = ip_address(host)
    return str(getattr(address, "ipv4_mapped", None) or address)
