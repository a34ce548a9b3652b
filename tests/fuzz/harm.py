"""Frames that are well formed and mean harm, or look as if an honest peer had sent them."""
from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from antsp2p.gossip import wire
from antsp2p.gossip.limits import MAX_PEERS, PART_BYTES
from antsp2p.records.encoding import encode
from antsp2p.records.fork import encode_proof
from tests.fuzz.hoard import RECORDS, hoard

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_SEQS: Final = (1, 2, RECORDS, RECORDS + 1, 700, 100_000, 2**53 - 1)
_AGES: Final = (0, 1, 1_000, 86_400_000)
_INSTANCE: Final = b"instance"


def some_frame(rng: Random) -> wire.Frame:
    """One of any kind but those that open and close links."""
    return rng.choice(_KINDS)(rng)


def _author(rng: Random) -> bytes:
    """Of the hoard, mostly; else one that nobody ever heard of."""
    return rng.choice(hoard().authors) if rng.random() < 0.7 else rng.randbytes(32)


def _entries(rng: Random) -> tuple[wire.Entry, ...]:
    room = 1_000
    entries: list[wire.Entry] = []
    for record in hoard().run(rng):
        data = record.wire
        room -= len(data) + 8
        if room < 0 and entries:
            break
        if rng.random() < 0.03:
            data = data[:-1] + bytes((data[-1] ^ 1,))
        entries.append(wire.Entry(rng.choice(_AGES), data))
    return tuple(entries)


def _line(rng: Random) -> wire.Line:
    return wire.Line(_author(rng), rng.choice(_SEQS), rng.randbytes(8), rng.choice((0, 0, 0, 1)))


def _prefix(rng: Random) -> str:
    return _author(rng).hex()[: rng.choice((0, 1, 2, 3, 5, 64))]


def _key(rng: Random) -> bytes:
    return rng.choice((_INSTANCE, rng.randbytes(8)))


def _adverts(rng: Random) -> wire.Frame:
    handles = [rng.choice((1, 7, 300, 4_097, rng.randrange(2**32))) for _ in range(rng.choice(
        (1, 4, 16)))]
    names = tuple(wire.Name(handle, _author(rng)) for handle in dict.fromkeys(handles))
    return wire.Adverts(
        names[: rng.randint(0, len(names))],
        tuple(wire.Advert(handle, rng.choice(_SEQS), rng.randbytes(8)) for handle in handles),
    )


def _want(rng: Random) -> wire.Frame:
    return wire.Want(rng.randrange(2**40), tuple(
        wire.Range(_author(rng), 1, rng.choice(_SEQS)) for _ in range(rng.choice((1, 2, 19)))
    ))


def _part(rng: Random) -> wire.Frame:
    if rng.random() < 0.3:
        return wire.Part(
            rng.choice((wire.RUN, wire.PROOF)), _author(rng), rng.randbytes(32), 0,
            rng.randrange(100), rng.choice((2, 100, 150)), rng.randbytes(50),
        )
    if rng.random() < 0.3:
        proof = rng.choice(hoard().proofs)
        kind, author, whole = wire.PROOF, proof.author, encode_proof(proof)
        name = proof.id
    else:
        run = rng.choice(hoard().logs)
        kind, author, whole = wire.RUN, run[0].author, encode([record.wire for record in run])
        name = hashlib.sha256(whole).digest()
    count = -(-len(whole) // PART_BYTES)
    index = rng.randrange(count)
    data = whole[index * PART_BYTES : (index + 1) * PART_BYTES]
    return wire.Part(kind, author, name, 0, index, count, data)


def _peers(rng: Random) -> wire.Frame:
    host = rng.randbytes(rng.choice((4, 16)))
    return wire.Peers(rng.randrange(2), tuple(
        wire.PeerAddress(_author(rng), host, rng.randrange(1, 65_536))
        for _ in range(rng.choice((1, 4, MAX_PEERS)))
    ))


def _nodes(rng: Random) -> wire.Frame:
    marks = tuple(
        wire.Mark(rng.randbytes(6), rng.choice(_SEQS), 0) for _ in range(rng.randrange(16)))
    return wire.Nodes(_key(rng), (
        wire.Node(_prefix(rng), marks), wire.Node(_prefix(rng)[:63], rng.randbytes(48)),
    ))


_KINDS: Final[tuple[Callable[[Random], wire.Frame], ...]] = (
    _adverts, _adverts, _want, _part, _part, _peers, _nodes,
    lambda rng: wire.News(rng.choice((0, 0, 1, 60_000)), rng.randrange(256), _entries(rng)),
    lambda rng: wire.News(0, 1, _entries(rng)),
    lambda rng: wire.Records(rng.choice((0, 1, 2**40)), rng.randrange(2), _entries(rng)),
    lambda rng: wire.Records(rng.randrange(40), 1, _entries(rng)),
    lambda rng: wire.BeatFrame(rng.choice(hoard().beats).wire),
    lambda rng: wire.BeatFrame(rng.randbytes(60)),
    lambda rng: wire.WantIds(tuple(
        rng.choice((rng.choice(rng.choice(hoard().logs)).id, rng.randbytes(32)))
        for _ in range(rng.choice((1, 30)))
    )),
    lambda rng: wire.WantProofs(tuple(_author(rng) for _ in range(rng.choice((1, 20))))),
    lambda rng: wire.WantNames(tuple(rng.sample(range(1, 400), rng.choice((1, 20))))),
    lambda rng: wire.Since(_key(rng), rng.choice((0, 5, 2**53 - 1))),
    lambda rng: wire.Changes(
        rng.choice((0, 1)), rng.choice((5, 2**53 - 1)), rng.randrange(3),
        tuple(_line(rng) for _ in range(rng.choice((1, 20)))),
    ),
    lambda rng: wire.Probe(_key(rng), tuple(dict.fromkeys(_prefix(rng) for _ in range(rng.choice(
        (1, 16)))))),
    lambda rng: wire.WantAuthors(_key(rng), (wire.Clue(_prefix(rng), rng.randbytes(3)),)),
    lambda rng: wire.Leaves(tuple(_line(rng) for _ in range(rng.choice((1, 16))))),
    lambda rng: wire.Ping(
        rng.choice(_SEQS), rng.randbytes(16), rng.choice(_SEQS), rng.choice(_SEQS)),
    lambda rng: wire.Pong(
        rng.choice(_SEQS), rng.randbytes(16), rng.choice(_SEQS), rng.choice(_SEQS),
        rng.choice(_SEQS)),
    lambda rng: rng.choice((wire.Prune(), wire.Graft())),
)
