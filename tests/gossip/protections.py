"""What test nodes bring to their links, and what can be read of them on a wire without a cipher."""
from __future__ import annotations

import random
from typing import TYPE_CHECKING

from antsp2p.gossip.datagram import SEALED, SEALED_HEADER_BYTES, split_frames
from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.link import Link
from antsp2p.gossip.network_keys import KeyRing, NetworkKey
from antsp2p.gossip.noise import TAG_BYTES
from antsp2p.gossip.protection import Protection, protect
from antsp2p.gossip.session import Session
from antsp2p.simulation.plain import PLAIN

if TYPE_CHECKING:
    from antsp2p.gossip.suite import Suite
    from antsp2p.gossip.wire import Address, Frame
    from antsp2p.records.keys import Identity

SECRET = b"a secret that all tests know too".ljust(32)


def protection_of(
    identity: Identity, network: bytes, seed: object = 0, suite: Suite = PLAIN,
    keys: KeyRing | None = None,
) -> Protection:
    """As a member of `network`; another `seed` is another start."""
    ring = KeyRing(network, [NetworkKey(SECRET)]) if keys is None else keys
    rng = random.Random(f"{identity.author.hex()} {seed}")
    return protect(identity, network, ring, rng.randbytes, suite)


def some_session(suite: Suite = PLAIN) -> Session:
    """A session with nobody."""
    return Session(
        suite, (bytes(32), bytes(32)), id_in=bytes(4), id_out=bytes(4), now_us=0,
        limits=DEFAULT_LIMITS,
    )


def some_link(
    number: int, author: bytes, address: Address, *, initiated: bool = True,
    instance: bytes = bytes(8),
) -> Link:
    """A link that is up, as the parts above it see one."""
    return Link(
        id=number, author=author, instance=instance, address=address, initiated=initiated,
        session=some_session(), since_us=0, confirmed=True,
    )


def frames_in(data: bytes) -> list[Frame]:
    """The frames of a datagram that only looks sealed; none of any other."""
    if data[0] != SEALED:
        return []
    return split_frames(data[SEALED_HEADER_BYTES:-TAG_BYTES])[0]
