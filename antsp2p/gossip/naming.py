"""Naming: which addresses a peer is told, of all that are known here.

Law: only those where a node was reached, and loopback only to who calls from there. Where there are
more than it is to hear of, the nearest to the asker come first. When somebody is told is not known
here.
"""
from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from antsp2p.gossip.addresses import REMEMBERED_HOSTS, is_loopback, pack_host
from antsp2p.gossip.affinity import distance
from antsp2p.gossip.wire import Address, PeerAddress

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from antsp2p.gossip.book import Book


def addresses_for(
    asker: bytes, asker_host: str, book: Book, linked: Iterable[tuple[bytes, Address]],
    *, count: int, after_us: int, rng: Random,
) -> tuple[PeerAddress, ...]:
    """Up to `count` addresses for the asker: of `linked`, and of those in the book where somebody
    answered after `after_us`."""
    links = {(address, author): book.get(address) for author, address in linked}
    pool = [
        (author, address, known is not None and known.dialled_us >= 0)
        for (address, author), known in links.items()
    ]
    pool += [
        (known.author, known.address, known.dialled_us >= 0) for known in book.proven()
        if known.failures == 0 and known.lost_us < 0 and known.reached_us > after_us
        and (known.address, known.author) not in links
    ]
    tells_loopback = is_loopback(asker_host)
    called: list[tuple[bytes, bytes, int]] = []
    others: list[tuple[bytes, bytes, int]] = []
    for author, (host, port), was_called in pool:
        packed = _told_as(host, tells_loopback)
        if packed and author != asker:
            (called if was_called else others).append((author, packed, port))
    if len(called) + len(others) > count:
        # The nearest help the asker to its place, and others to know more. Whoever calls
        # everybody is not for that named to everybody.
        called.sort(key=lambda peer: distance(asker, peer[0]))
        near, rest = called[: count // 2], called[count // 2 :]
        room = count - len(near)
        if len(rest) < room:
            rest += rng.sample(others, room - len(rest))
        called, others = near + rng.sample(rest, room), []
    return tuple([PeerAddress(*peer) for peer in sorted(called + others)])


@lru_cache(maxsize=REMEMBERED_HOSTS)
def _told_as(host: str, tells_loopback: bool) -> bytes:
    """The host as it is told; empty where it is not."""
    return pack_host(host) if tells_loopback or not is_loopback(host) else b""
