"""Named worlds: how long datagrams take, and which faults strike."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.simulation.adversaries.amplifier import Amplifier
from antsp2p.simulation.adversaries.eclipse import Eclipse
from antsp2p.simulation.adversaries.expander import Expander
from antsp2p.simulation.adversaries.flooder import Flooder
from antsp2p.simulation.adversaries.forger import Forger
from antsp2p.simulation.adversaries.forker import Forkers
from antsp2p.simulation.adversaries.handshakes import HandshakeFlood
from antsp2p.simulation.adversaries.oversize import Oversize
from antsp2p.simulation.adversaries.poisoner import Poisoner
from antsp2p.simulation.adversaries.replayer import Replayer
from antsp2p.simulation.adversaries.slow_loris import SlowLoris
from antsp2p.simulation.faults import (
    ClockRate,
    Crash,
    Delay,
    Duplication,
    Fault,
    Loss,
    OneWayLoss,
    Partition,
    Reordering,
    Stall,
    Wipe,
)
from antsp2p.simulation.upheaval import (
    BurstLoss,
    Churn,
    Halves,
    LostStore,
    MassCrash,
    Move,
    SlowNodes,
    WallStep,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Profile:
    """A name's meaning. `text` is its line in the help."""

    text: str
    faults: tuple[Fault, ...] = ()
    delay: str = "lan"
    tasks: bool = True
    """Whether it suits a world with tasks, in which every node comes back in the end."""


PROFILES: Final[Mapping[str, Profile]] = {
    "calm": Profile("a wired local network where nothing goes wrong"),
    "lan": Profile("the same under the name of its delays"),
    "wifi": Profile("a wireless local network: milliseconds, with bursts", delay="wifi"),
    "wan": Profile("nodes in six regions, 1 to 150 ms apart", delay="wan"),
    "lossy": Profile("30 % loss, duplicates, reordering", (
        Loss(0.3), Duplication(0.05), Reordering(0.1, 20),
    )),
    "lopsided": Profile("a fifth of the directed pairs lose nine datagrams of ten", (
        OneWayLoss(0.2, 0.9), Loss(0.05),
    )),
    "slow": Profile("delays of 80 ms that come and go", (Delay(80), Reordering(0.3, 100))),
    "partition": Profile("two sides that do not hear each other, again and again", (
        Partition(2_000, (1_000, 4_000)),
    )),
    "crashy": Profile("nodes die at any moment and come back with their store", (
        Crash(1_000, (50, 2_000)),
    )),
    "forgetful": Profile("nodes crash, and some lose their key and store", (
        Wipe(4_000, (100, 1_000)), Crash(2_000, (50, 1_000)),
    )),
    "stalling": Profile("nodes stop for seconds, and their clocks run differently", (
        Stall(1_500, (100, 4_000)), ClockRate(10_000),
    )),
    "bursts": Profile("wireless, and losses that come together at a node", (
        BurstLoss(1_500, 150),
    ), delay="wifi"),
    "pairs": Profile("losses that come together on a directed pair", (
        BurstLoss(1_000, 200, per_pair=True),
    )),
    "sluggish": Profile("a tenth of the nodes needs 5 ms for each event", (
        SlowNodes(0.1, 5_000), ClockRate(10_000),
    )),
    "moving": Profile("nodes come back at another address", (Move(1_500, (50, 1_000)),)),
    "amnesia": Profile("nodes come back with an empty store, or a day off", (
        LostStore(2_500, (50, 1_000)), WallStep(2_500, (50, 1_000)),
    )),
    "churn": Profile("nodes leave for good and others join", (Churn(1_000),), tasks=False),
    "mass-crash": Profile("half of all nodes die at once", (
        MassCrash(1_000, 0.5),
    ), tasks=False),
    "halves": Profile("two halves do not hear each other for six seconds", (
        Halves(500, 6_000),
    )),
    "replayer": Profile("an outsider sends again what it hears, from any address", (
        Replayer(500),
    )),
    "handshakes": Profile("an outsider floods all nodes with false calls", (
        HandshakeFlood(2_000),
    )),
    "amplifier": Profile("an outsider calls nodes in the name of victims", (Amplifier(500),)),
    "flooder": Profile("a member signs 500 records of no use a second", (Flooder(500),)),
    "eclipse": Profile("three nodes of ten call everybody and name only each other", (
        Eclipse(0.3),
    )),
    "forger": Profile("a member signs in the name of others and for other networks", (
        Forger(500),
    )),
    "poisoner": Profile("a member names victims' addresses wherever one can stand", (
        Poisoner(200),
    )),
    "oversize": Profile("a member announces and serves more than anybody may take", (
        Oversize(100),
    )),
    "slow-loris": Profile("a member has much, and gives it drop by drop", (SlowLoris(50),)),
    "expander": Profile("a member sends few bytes that ask for much memory", (Expander(500),)),
    "forkers": Profile("a tenth of the members shows two histories, and 30 % of all is lost", (
        Forkers(0.1), Loss(0.3),
    ), tasks=False),
    "mixed": Profile("all of that, but for restored backups", (
        Loss(0.1), Duplication(0.05), Reordering(0.1, 30), OneWayLoss(0.05, 0.7),
        Delay(20, 3_000), Partition(4_000, (500, 3_000)), Crash(2_000, (50, 2_000)),
        Wipe(10_000, (100, 1_000)), Stall(3_000, (100, 3_000)), ClockRate(10_000),
    )),
}
"""Rates are per world, not per node, and tuned to a few seconds of trouble for about ten nodes."""
