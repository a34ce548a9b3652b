"""What a node knows, as plain JSON-able values: ids in hex, times in milliseconds.

Law: reading only. Nothing here changes the node, waits, or knows HTTP. Texts that peers wrote are
passed on as they are: JSON is safe, and whoever prints them escapes them.
"""
from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.body import (
    BlobRef,
    Cancel,
    CancelReason,
    Outcome,
    RecordType,
    Reopen,
    ReopenReason,
    parse_body,
)
from antsp2p.coordination.reputation import PPM
from antsp2p.coordination.standing import recovery_digest
from antsp2p.records.record import NO_PREV

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.events import Notice, StartWork
    from antsp2p.node import Node
    from antsp2p.records.record import Record

View = dict[str, Any]

_CONTENT_FIELDS: Final = frozenset({"input", "output", "idempotency_key"})
_RECORD_TYPES: Final = {int(kind): kind.name.lower() for kind in RecordType}


# --- values --------------------------------------------------------------------------------------


def content_view(content: bytes) -> View:
    """Content of any kind: `{"text": ...}` where it is printable UTF-8, else `{"base64": ...}`."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if all(character.isprintable() or character in "\n\t" for character in text):
        return {"text": text}
    return {"base64": base64.b64encode(content).decode("ascii")}


def value_view(value: Any) -> Any:
    """A decoded CBOR value: 32 bytes are an id, other bytes content, map keys text."""
    if isinstance(value, BlobRef):
        return {"sha256": value.hash.hex(), "size": value.size}
    if isinstance(value, bytes):
        return value.hex() if len(value) in (16, 32) else content_view(value)
    if isinstance(value, Mapping):
        return {str(key): value_view(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [value_view(item) for item in value]
    return value


def record_type_name(type_: int) -> str:
    """The name of a record type, or its number where nobody has named it."""
    return _RECORD_TYPES.get(type_, str(type_))


_REASONS: Final[Mapping[type, Any]] = {Reopen: ReopenReason, Cancel: CancelReason}


def body_view(record: Record) -> View:
    """A record's body by field names, or as the raw map where the record is void."""
    body = parse_body(record)
    if body is None:
        view: View = value_view(record.body)
        return view
    shown: View = {}
    for item in fields(body):
        value = getattr(body, item.name)
        if value is None or (value == item.default and item.name not in ("slots", "cost")):
            continue
        if item.name in _CONTENT_FIELDS:
            shown[item.name] = content_view(value)
        elif item.name == "outcome":
            shown[item.name] = Outcome(value).name.lower()
        elif item.name == "reason" and type(body) in _REASONS:
            shown[item.name] = reason_name(type(body), value)
        else:
            shown[item.name] = value_view(value)
    return shown


def reason_name(kind: type, value: int) -> str:
    """The word for a reason, or its number where nobody has named it."""
    try:
        return str(_REASONS[kind](value).name.lower())
    except ValueError:
        return str(value)


def record_view(record: Record) -> View:
    """One signed record, readable; `void` ones mean nothing to this version."""
    return {
        "id": record.id.hex(),
        "author": record.author.hex(),
        "seq": record.seq,
        "type": record_type_name(record.type),
        "void": parse_body(record) is None,
        "prev": record.prev.hex(),
        "refs": [ref.hex() for ref in record.refs],
        "body": body_view(record),
        "size": len(record.wire),
        "claimed_ms": record.claimed_ms,
    }


# --- peers ---------------------------------------------------------------------------------------


def peer_authors(node: Node) -> list[bytes]:
    """Everybody but ourselves of whom anything is known, sorted; recovery keys are no nodes."""
    is_recovery_key = node.meaning.standings.is_recovery_key
    known = {author for author in node.logs.authors() if not is_recovery_key(author)}
    known |= set(node.beats)
    known |= {link.author for link in node.gossip.links()}
    return sorted(known - {node.author})


def peer_views(
    node: Node, limit: int, served: Callable[[bytes], Mapping[str, int]] = lambda author: {}
) -> list[View]:
    """The other nodes: linked ones first, then by score; who failed comes after the unknown.
    `served`: what streams gave each."""
    links = {link.author: link for link in node.gossip.links()}
    views = [
        _peer_view(node, author, links.get(author), served(author))
        for author in peer_authors(node)
    ]
    views.sort(key=lambda v: (
        not v["linked"], v["convicted"], -v["score_ppm"], v["failed"], v["author"]))
    return views[:limit]


def _peer_view(node: Node, author: bytes, link: Any, served: Mapping[str, int]) -> View:
    used = {} if link is None else link.used
    announced = node.capabilities.of(author)
    beat, leaf = node.beats.get(author), node.logs.leaf(author)
    standing = node.meaning.standing(author)
    score = node.ledger.score(author, None)
    lineage = node.meaning.standings.lineage(author)
    pinned = sum(node.ledger.pins.weights.get(key, 0) for key in lineage)
    rtt_us = None if link is None else link.rtt_us
    return {
        "author": author.hex(),
        "nickname": next((item.nickname for item in announced if item.nickname), ""),
        "linked": link is not None,
        "address": None if link is None else address_text(link.address),
        "rtt_ms": None if rtt_us is None else round(rtt_us / 1_000, 3),
        "used": {**used, "author": {**used.get("author", {}), **served}} if served else used,
        "capabilities": [
            {
                "name": item.name, "slots": item.slots, "description": item.description,
                "configuration": item.config_digest.hex() or None,
            }
            for item in announced
        ],
        # Until its first beat, a node is as free as it announced itself.
        "free_slots": sum(item.slots for item in announced) if beat is None else beat.free_slots,
        "score_ppm": score.value_ppm,
        "accepted": weight_view(score.accepted - pinned * PPM),
        "pinned": pinned,
        "failed": weight_view(score.failed),
        "known": score.known,
        "convicted": standing.convicted,
        "revoked": standing.revoked,
        "unpaid": standing.unpaid,
        "blocked": node.ledger.is_blocked(author),
        "succeeds": [each.hex() for each in lineage[1:]],
        "records": 0 if leaf is None else leaf.seq,
    }


def key_view(node: Node, author: bytes, recovery: bytes, at: int) -> View | None:
    """What a revoke of the author's key must name; None where it has no record `at` (0: its last).

    `recovery` is the recovery key that would sign it.
    """
    head, standings = node.logs.head(recovery), node.meaning.standings
    seq = at or node.last_seq(author)
    point = node.record_at(author, seq)
    if point is None and at:
        return None
    standing = node.meaning.standing(author)
    return {
        "author": author.hex(), "network": node.network.hex(), "me": node.author.hex(),
        "links": len(node.gossip.links()),
        "seq": seq, "id": NO_PREV.hex() if point is None else point.id.hex(),
        "recovery": standings.recovery(author).hex() or None,
        "fits": standings.recovery(author) == recovery_digest(recovery),
        "revoked": standing.revoked,
        "recovery_head": {
            "seq": 0 if head is None else head.seq,
            "id": (NO_PREV if head is None else head.id).hex(),
        },
    }


def weight_view(millionths: int) -> int | float:
    """A weight of trust in whole units, with three decimals where it has any."""
    whole, rest = divmod(millionths, PPM)
    return round(millionths / PPM, 3) if rest else whole


def address_text(address: tuple[str, int]) -> str:
    """`host:port`, an IPv6 host in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# --- the log, events -----------------------------------------------------------------------------


def log_views(
    node: Node, now_us: int, *, author: bytes | None, after_seq: int, limit: int
) -> list[View]:
    """The newest `limit` records, oldest first; with `author` and `after_seq` the next ones."""

    def age_ms(record: Record) -> int:
        return node.age_ms(record, now_us)

    if author is None:
        seqs = {each: node.last_seq(each) for each in (*node.logs.authors(), node.author)}
        held = (
            node.record_at(each, seq) for each in sorted(seqs) for seq in range(1, seqs[each] + 1)
        )
        newest = nsmallest(
            limit, (record for record in held if record is not None),
            key=lambda record: (age_ms(record), record.author, -record.seq),
        )
        records = newest[::-1]
    else:
        last = node.last_seq(author)
        first = after_seq + 1 if after_seq else max(1, last - limit + 1)
        places = range(first, min(last, first + limit - 1) + 1)
        held = (node.record_at(author, seq) for seq in places)
        records = [record for record in held if record is not None]
    return [{**record_view(record), "ms_ago": age_ms(record)} for record in records]


def notice_view(notice: Notice) -> View:
    """One line of `watch`."""
    return {"kind": notice.kind, "subject": notice.subject.hex(), **value_view(notice.detail)}


def start_view(start: StartWork, lease_ms: int) -> View:
    """What an agent needs to begin; the input itself is fetched apart."""
    size = start.input.size if isinstance(start.input, BlobRef) else len(start.input)
    return {
        "claim": start.claim.hex(), "task": start.task.hex(), "epoch": start.epoch,
        "capability": start.capability, "media_type": start.media_type, "size": size,
        "requester": start.requester.hex(), "lease_ms": lease_ms,
    }
