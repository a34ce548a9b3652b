"""Expander: few bytes in, much memory. Whatever could make a node build, remember or promise more
than it was given.

Law: no record of it is valid, so that nothing it says may stay; all it can leave behind is tables.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from antsp2p.gossip.datagram import join_frames
from antsp2p.gossip.limits import (
    MAX_FRAMES,
    MAX_LINES,
    MAX_PARTS,
    MAX_PREFIXES,
    MAX_WANT_IDS,
    MAX_WANT_RANGES,
)
from antsp2p.gossip.wire import (
    PROOF,
    RUN,
    Changes,
    Leaves,
    Line,
    Part,
    Ping,
    Probe,
    Range,
    Since,
    Want,
    WantIds,
    WantNames,
    WantProofs,
    encode_frame,
)
from antsp2p.simulation.adversaries.puppet import Puppet, Troupe
from antsp2p.simulation.adversaries.slow_loris import Lures

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from antsp2p.gossip.wire import Frame
    from antsp2p.simulation.machine import Machine
    from antsp2p.simulation.world import World

PUPPETS: Final = 3
CROWD: Final = 40
"""Puppets that only call, and leave their calls unconfirmed."""
KEYS: Final = 1_000
HUGE: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Expander:
    """Sends `per_s` such datagrams a second."""

    per_s: int
    name: ClassVar[str] = "expander"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        puppets = [Puppet(world, number) for number in range(PUPPETS)]
        _Expansions(world, rng, puppets, self.per_s, end_us)


class _Expansions(Troupe):
    def __init__(
        self, world: World, rng: Random, puppets: list[Puppet], per_s: int, end_us: int
    ) -> None:
        super().__init__(world, rng, puppets, per_s, end_us)
        self._lures = Lures(world, KEYS)
        self._crowd = [Puppet(world, PUPPETS + number) for number in range(CROWD)]

    def strike(self, puppet: Puppet, machine: Machine) -> None:
        rng = self.rng
        match rng.randrange(4):
            case 0:
                puppet.utter(machine, rng.choice(_BOMBS)(rng))
            case 1:
                rng.choice(self._crowd).call(machine)
            case 2:
                # As many small frames as a datagram may have, each with work or a table behind it.
                frames = [encode_frame(rng.choice(_SMALL)(rng)) for _ in range(MAX_FRAMES)]
                puppet.utter(machine, join_frames(frames)[:1_160])
            case _ if rng.random() < 0.2:
                puppet.say(machine, self._lures.advert(rng))
            case _:
                puppet.say(machine, rng.choice(_LARGE)(rng))


_BOMBS: Final[tuple[Callable[[Random], bytes], ...]] = (
    lambda rng: b"\x81" * rng.randrange(1, 1_160),
    lambda rng: b"\xa1\x00" * 580,
    lambda rng: b"\x9f" * 1_160,
    lambda rng: b"\xc0" * 1_160,
    lambda rng: rng.choice((b"\x9b", b"\xbb", b"\x5b", b"\x7b")) + rng.randbytes(8),
    lambda rng: b"\x9b" + bytes(4) + b"\xff" * 4,
    lambda rng: b"\x81" * 7 + b"\x9a\xff\xff\xff\xff",
    lambda rng: b"\x82\x0d" + b"\x9a\x7f\xff\xff\xff" + bytes(1_000),
    lambda rng: b"\x99\x04\x80" + b"\x80" * 1_152,
    lambda rng: b"\x98\x40" + b"\x81\x16" * 64,
    lambda rng: b"\xc2\x59\x04\x00" + rng.randbytes(1_024),
    lambda rng: b"\xd8\x23\x78\xff" + b"(a+)+$" * 40,
)
"""Depth, width, lengths that are not there, indefinite ones, tags: all that CBOR can promise."""


def _range(rng: Random) -> Range:
    return Range(_author(rng), 1, HUGE)


def _author(rng: Random) -> bytes:
    """Acceptable as a key, as far as that is looked at."""
    return rng.randbytes(31) + b"\x01"


def _line(rng: Random) -> Line:
    return Line(_author(rng), rng.choice((1, 60, HUGE)), rng.randbytes(8), rng.choice((0, 0, 1)))


_SMALL: Final[tuple[Callable[[Random], Frame], ...]] = (
    lambda rng: Ping(rng.randrange(HUGE), rng.randbytes(16), rng.randrange(HUGE), HUGE),
    lambda rng: Since(rng.randbytes(8), 0),
    lambda rng: Probe(rng.randbytes(8), ("",)),
    lambda rng: WantNames((rng.randrange(1, HUGE),)),
)
_LARGE: Final[tuple[Callable[[Random], Frame], ...]] = (
    lambda rng: Want(rng.randrange(HUGE), tuple(_range(rng) for _ in range(MAX_WANT_RANGES))),
    lambda rng: WantIds(tuple(rng.randbytes(32) for _ in range(MAX_WANT_IDS))),
    lambda rng: WantProofs(tuple(_author(rng) for _ in range(30))),
    lambda rng: Leaves(tuple(_line(rng) for _ in range(MAX_LINES))),
    lambda rng: Changes(0, HUGE, rng.randrange(3), tuple(_line(rng) for _ in range(MAX_LINES))),
    lambda rng: Probe(rng.randbytes(8), tuple(f"{number:03x}" for number in range(MAX_PREFIXES))),
    lambda rng: Part(
        rng.choice((RUN, PROOF)), _author(rng), rng.randbytes(32), 0, 0, MAX_PARTS, b"\x9f"),
)
