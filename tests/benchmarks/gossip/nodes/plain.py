"""One node of ours whose links seal nothing, to be measured beside nodes that do.

    python -m tests.benchmarks.gossip.nodes.plain HOME PORT [PEER ...]

It is `ours` but for the suite of the simulation, whose messages have the same sizes, in the place
of the cipher. The program has no option for it: it is put in here, from outside.
"""
from __future__ import annotations

import sys
from functools import partial

import trio

from antsp2p.gossip.protection import protect
from antsp2p.runtime import host
from antsp2p.simulation.plain import PLAIN
from tests.benchmarks.gossip.nodes.ours import serve


def unseal() -> None:
    """From now on, what this process opens seals nothing."""
    assert vars(host)["protect"] is protect, "the node takes its protection from elsewhere now"
    vars(host)["protect"] = partial(protect, suite=PLAIN)


if __name__ == "__main__":
    unseal()
    trio.run(serve, sys.argv[1], int(sys.argv[2]), tuple(sys.argv[3:]))
