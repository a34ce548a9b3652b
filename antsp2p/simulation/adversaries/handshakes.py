"""Handshake flood: an outsider asks every node for a link, as fast as it can.

Law: it knows what travels in clear, the network's id and the key's, and nothing else. What it
sends looks right up to the MAC, and it hears nothing back.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from antsp2p.gossip.datagram import HELLO, SESSION_ID_BYTES
from antsp2p.gossip.handshake import NO_COOKIE
from antsp2p.gossip.limits import HELLO_BYTES
from antsp2p.gossip.network_keys import MAC_BYTES, link_key

if TYPE_CHECKING:
    from random import Random

    from antsp2p.simulation.world import World


@dataclass(frozen=True, slots=True)
class HandshakeFlood:
    """Sends `per_s` false HELLOs a second to each node in turn."""

    per_s: int
    name: ClassVar[str] = "handshakes"

    def arm(self, world: World, rng: Random, end_us: int) -> None:
        start = bytes((HELLO,)) + world.network_id + link_key(
            world.network_id, world.network_key).id
        room = HELLO_BYTES - len(start) - SESSION_ID_BYTES - len(NO_COOKIE) - MAC_BYTES
        pause_us = 1_000_000 // self.per_s

        def strike() -> None:
            said = start + rng.randbytes(SESSION_ID_BYTES + room) + NO_COOKIE
            source = (f"203.0.113.{rng.randrange(250)}", rng.randrange(1_024, 65_536))
            rng.choice(world.machines).datagram_arrived(source, said + rng.randbytes(MAC_BYTES))
            if world.now_us < end_us:
                world.after(pause_us, strike)

        world.after(pause_us, strike)
