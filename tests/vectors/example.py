"""The worked example of protocol.md: one task from its offer to its verdict, with fixed keys."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import (
    Award,
    Body,
    Claim,
    Offer,
    Outcome,
    Result,
    Verdict,
    body_map,
    content_hash,
)
from antsp2p.coordination.resolver import tie_break
from antsp2p.gossip.datagram import join_frames
from antsp2p.gossip.network_keys import link_key
from antsp2p.gossip.wire import (
    Advert,
    Adverts,
    Entry,
    Name,
    Ping,
    Records,
    encode_frame,
)
from antsp2p.records.beat import beat_counter, sign_beat
from antsp2p.records.keys import Identity
from antsp2p.records.log import LogSet
from antsp2p.records.record import NO_PREV, Record, sign_record
from antsp2p.runtime.blobs import encode_request
from antsp2p.runtime.home import network_id
from antsp2p.runtime.networks import open_network
from tests.vectors.common import verify

if TYPE_CHECKING:
    from collections.abc import Iterable

NETWORK_NAME = "local"
NETWORK = network_id(NETWORK_NAME)
REQUESTER = Identity.from_seed(bytes(range(32)))
WORKER = Identity.from_seed(bytes(range(32, 64)))
START_MS = 1_700_000_000_000


def _say(
    who: Identity, below: Record | None, body: Body, claimed_ms: int, refs: Iterable[bytes] = ()
) -> Record:
    seq, prev = (1, NO_PREV) if below is None else (below.seq + 1, below.id)
    return sign_record(
        who, network=NETWORK, seq=seq, prev=prev, refs=refs, type=body.type,
        body=body_map(body), claimed_ms=claimed_ms,
    )


def records() -> dict[str, Record]:
    """The five records of a simple task."""
    offer = _say(REQUESTER, None, Offer(
        "text.wordcount", 10_000, 150, 3, input=b"to be or not to be", media_type="text/plain",
    ), START_MS)
    claim = _say(WORKER, None, Claim(offer.id, 0), START_MS + 2)
    award = _say(REQUESTER, offer, Award(offer.id, claim.id), START_MS + 155)
    result = _say(WORKER, claim, Result(
        offer.id, claim.id, Outcome.DONE, output=b"6", media_type="text/plain",
    ), START_MS + 180)
    verdict = _say(REQUESTER, award, Verdict(
        offer.id, claim.id, result.id, True, content_hash(b"6"),
    ), START_MS + 183)
    return {
        "offer": offer, "claim": claim, "award": award, "result": result, "verdict": verdict,
    }


def lines() -> list[tuple[str, bytes]]:
    """(name, bytes) of everything that the example shows, in its order."""
    told = records()
    logs = LogSet(NETWORK, verify)
    shown = [
        ("network id", NETWORK), ("requester", REQUESTER.author), ("worker", WORKER.author),
        ("root of nothing", logs.root()), ("offer payload", told["offer"].payload),
    ]
    for name, record in told.items():
        shown += [(f"{name} id", record.id), (f"{name} record", record.wire)]
        logs.insert([record])
    requester_leaf, worker_leaf = logs.leaf(REQUESTER.author), logs.leaf(WORKER.author)
    assert requester_leaf is not None
    assert worker_leaf is not None
    shown += [
        ("worker leaf", worker_leaf.wire), ("requester leaf", requester_leaf.wire),
        ("root of all five", logs.root()),
        ("tie-break of the claim", tie_break(told["offer"].id, 0, WORKER.author)),
    ]
    return shown + _on_the_wire(told, logs.root())


def _on_the_wire(told: dict[str, Record], root: bytes) -> list[tuple[str, bytes]]:
    beat = sign_beat(
        WORKER, network=NETWORK, counter=beat_counter(1, 7), head_seq=1, head=told["claim"].id,
        free_slots=1, load=500, claims=[(1, 250)],
    )
    offer = told["offer"]
    key = link_key(NETWORK, open_network(NETWORK_NAME).key)
    adverts = Adverts((Name(0, offer.author),), (Advert(0, offer.seq, offer.id[:8]),))
    return [
        ("beat", beat.wire),
        ("secret", key.source.secret), ("key id", key.id), ("psk", key.psk),
        ("adverts, to be sealed", join_frames([encode_frame(adverts)])),
        ("records, to be sealed", join_frames(
            [encode_frame(Records(1, 1, (Entry(3, offer.wire),)))])),
        ("ping, to be sealed", join_frames([encode_frame(Ping(1, root, 3, 4))])),
        ("blob request", encode_request(NETWORK, content_hash(b"6"), 0)),
    ]


def block(width: int = 96) -> str:
    """The example as it stands in protocol.md."""
    text = []
    for name, data in lines():
        digits = data.hex()
        for start in range(0, len(digits), width):
            text.append(f"{name if start == 0 else '':23} {digits[start : start + width]}".rstrip())
    return "\n".join(text)
