"""What a node knows, as plain JSON-able values: ids in hex, times in milliseconds.

Law: reading only. Nothing here changes the node, waits, or knows HTTP. Texts that peers wrote are
passed on as they are: JSON is safe, and whoever prints them escapes them.
"""
from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import fields
from heapq import nlargest, nsmallest
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.body import (
    BlobRef,
    Cancel,
    CancelReason,
    Claim,
    Offer,
    Outcome,
    RecordType,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
    parse_body,
)
from antsp2p.coordination.reputation import PPM
from antsp2p.coordination.standing import recovery_digest
from antsp2p.records.record import NO_PREV

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.coordination.tasks import Resolution
    from antsp2p.events import Notice, StartWork
    from antsp2p.node import Node
    from antsp2p.records.record import Record

View = dict[str, Any]

MAX_HISTORY: Final = 200
"""Records of one task's history, the oldest; a contest with more is a flood."""
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
            shown[item.name] = _reason_name(type(body), value)
        else:
            shown[item.name] = value_view(value)
    return shown


def _reason_name(kind: type, value: int) -> str:
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


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


# --- tasks ---------------------------------------------------------------------------------------


def task_view(node: Node, task: bytes, now_us: int) -> View | None:
    """One line of `tasks`; None where the task is not known."""
    offered, resolution = node.tasks.offer(task), node.tasks.resolve(task)
    if offered is None or resolution is None:
        return None
    record, offer = offered
    return {
        "task": task.hex(),
        "capability": offer.capability,
        "state": str(resolution.state),
        "epoch": resolution.epoch,
        "attempts": offer.attempts,
        "holder": _hex(resolution.holder.author if resolution.holder else None),
        "claim": _hex(resolution.holder.id if resolution.holder else None),
        "rule": str(resolution.rule),
        "settled": resolution.settled,
        "ended": resolution.end is not None or str(resolution.state) == "orphaned",
        "requester": record.author.hex(),
        "mine": record.author == node.author,
        "review": offer.review,
        "holder_only": offer.holder_only,
        "alias_of": _hex(resolution.alias_of),
        "posted_ms_ago": node.age_ms(record, now_us),
    }


def what_it_waits_for(node: Node, task: bytes) -> str:
    """What stands between a task that has not ended and its result, in a few words."""
    offered, resolution = node.tasks.offer(task), node.tasks.resolve(task)
    if offered is None or resolution is None:
        return ""
    capability, holder = offered[1].capability, resolution.holder
    if holder is not None:
        name = holder.author.hex()[:12]
        return {
            "claimed": f"claimed by {name}", "working": f"{name} works on it",
            "done": f"{name} is done; its result is not accepted yet",
        }.get(str(resolution.state), f"{resolution.state}, last held by {name}")
    if not node.tasks.after_satisfied(task):
        return "the tasks that it comes after are not all accepted"
    if not node.capabilities.providers(capability):
        return f"nobody offers {capability}"
    return f"{capability} is offered, but nobody has the task"


def task_views(
    node: Node, now_us: int, *, state: str = "", mine: bool = False, limit: int
) -> list[View]:
    """The newest `limit` tasks that fit, newest first."""

    def fits(task: bytes) -> bool:
        resolution, offered = node.tasks.resolve(task), node.tasks.offer(task)
        return (
            resolution is not None and offered is not None
            and (not state or resolution.state == state)
            and (not mine or offered[0].author == node.author)
        )

    # Only what is shown is made into a view: there may be very many tasks, and the node waits.
    fitting = (
        (node.age_ms(offered[0], now_us), task) for task in node.tasks.task_ids()
        if fits(task) and (offered := node.tasks.offer(task)) is not None
    )
    found = (task_view(node, task, now_us) for _, task in nsmallest(limit, fitting))
    return [view for view in found if view is not None]


def task_counts(node: Node) -> dict[str, int]:
    """How many tasks are in which state."""
    return {str(state): count for state, count in node.tasks.counts().items()}


def task_detail(node: Node, task: bytes, now_us: int) -> View | None:
    """One task with its claims, results, verdicts and history."""
    view = task_view(node, task, now_us)
    offered = node.tasks.offer(task)
    if view is None or offered is None:
        return None
    offer = offered[1]
    view |= {
        "lease_ms": offer.lease_ms,
        "settle_ms": offer.settle_ms,
        "timeout_ms": offer.timeout_ms,
        "cost": offer.cost,
        "media_type": offer.media_type,
        "input": _content_or_blob(offer.input, offer.blob),
        "after": list(offer.after),
        "claims": [
            {"claim": record.id.hex(), "author": record.author.hex(), "epoch": claim.epoch}
            for record, claim in node.tasks.claims(task)
        ],
        "results": [_result_view(record, body) for record, body in node.tasks.results(task)],
        "verdicts": [
            {
                "verdict": record.id.hex(), "claim": body.claim.hex(),
                "result": body.result.hex(), "accept": body.accept, "reason": body.reason,
            }
            for record, body in node.tasks.verdicts(task)
        ],
        "history": history(node, task, now_us),
    }
    return view


def _content_or_blob(content: bytes | None, blob: BlobRef | None) -> View:
    if blob is not None:
        return {"blob": value_view(blob), "size": blob.size}
    return {**content_view(content or b""), "size": len(content or b"")}


def _result_view(record: Record, body: Result) -> View:
    return {
        "result": record.id.hex(), "claim": body.claim.hex(), "author": record.author.hex(),
        "outcome": Outcome(body.outcome).name.lower(), "error": body.error,
        "media_type": body.media_type, "output": _content_or_blob(body.output, body.blob),
    }


def cancel_cause(end: Record | None) -> str:
    """Why a task was cancelled, in one word; empty if it was not."""
    body = None if end is None else parse_body(end)
    return _reason_name(Cancel, body.reason) if isinstance(body, Cancel) else ""


def failures(node: Node, task: bytes) -> list[str]:
    """What the failed attempts at a task said, the latest last."""
    return [body.error for _, body in node.tasks.results(task) if body.outcome == Outcome.FAILED]


def _task_records(node: Node, task: bytes, offer: Record, end: Record | None) -> list[Record]:
    groups: tuple[Iterable[tuple[Record, Any]], ...] = (
        node.tasks.claims(task), node.tasks.awards(task), node.tasks.results(task),
        node.tasks.verdicts(task), node.tasks.reopens(task),
    )
    found = {record.id: record for group in groups for record, _ in group}
    found[offer.id] = offer
    if end is not None:
        found[end.id] = end
    return list(found.values())


def history(node: Node, task: bytes, now_us: int) -> list[View]:
    """What happened to a task as this node saw it, oldest first.

    Each line says what the records up to it decided: the state, the epoch, the holder, the rule.
    """
    offered, resolution = node.tasks.offer(task), node.tasks.resolve(task)
    if offered is None or resolution is None:
        return []
    records = _task_records(node, task, offered[0], resolution.end)
    ages_ms = {record.id: node.age_ms(record, now_us) for record in records}
    records = nlargest(MAX_HISTORY, records, key=lambda record: ages_ms[record.id])
    # The same fold again, over what was known then: a few records, and it cannot disagree.
    fold = type(node.tasks)()
    lines = []
    for record in _in_causal_order(records, ages_ms):
        fold.add(record)
        lines.append(_history_line(record, fold.resolve(task), ages_ms[record.id]))
    return lines


def _in_causal_order(records: list[Record], ages_ms: Mapping[bytes, int]) -> list[Record]:
    """By age as seen here, but never before what a record names or follows in its own log."""
    by_age = sorted(records, key=lambda r: (-ages_ms[r.id], r.type, r.author, r.seq))
    by_id = {record.id: record for record in by_age}
    own_before = {
        later.id: earlier.id
        for earlier, later in pairwise(sorted(records, key=lambda r: (r.author, r.seq)))
        if earlier.author == later.author
    }
    ordered: dict[bytes, Record] = {}

    def place(record: Record) -> None:
        # Hash references cannot form a circle, and MAX_HISTORY bounds the depth.
        causes = (own_before.get(record.id), *record.refs, *record.body.values())
        for cause in causes:
            if isinstance(cause, bytes) and cause in by_id and cause not in ordered:
                place(by_id[cause])
        ordered.setdefault(record.id, record)

    for record in by_age:
        place(record)
    return list(ordered.values())


def _history_line(record: Record, after: Resolution | None, age_ms: int) -> View:
    line: View = {
        "id": record.id.hex(),
        "author": record.author.hex(),
        "type": record_type_name(record.type),
        "what": what_happened(record),
        "ms_ago": age_ms,
    }
    if after is not None:
        line |= {
            "state": str(after.state), "epoch": after.epoch, "rule": str(after.rule),
            "holder": _hex(after.holder.author if after.holder else None),
            "settled": after.settled,
        }
    return line


def what_happened(record: Record) -> str:
    """A record of a task in a few words; a peer's own text comes last."""
    body = parse_body(record)
    match body:
        case Offer(capability=capability):
            return f"offered for {capability}"
        case Claim(epoch=epoch):
            return f"claimed epoch {epoch}"
        case Result(outcome=Outcome.FAILED, error=error):
            return f"failed: {error}"
        case Result():
            return "finished"
        case Verdict(accept=accept, reason=reason):
            return _with_reason("accepted" if accept else "rejected", reason)
        case Reopen(epoch=epoch, reason=reason, text=text):
            name = _reason_name(Reopen, reason)
            return _with_reason(f"reopened after epoch {epoch} ({name})", text)
        case Cancel(reason=reason, text=text):
            return _with_reason(f"cancelled ({_reason_name(Cancel, reason)})", text)
        case None:
            return "void"
    return "awarded"


def _with_reason(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


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
        "accepted": weight_view(score.accepted),
        "failed": weight_view(score.failed),
        "known": score.known,
        "convicted": standing.convicted,
        "revoked": standing.revoked,
        "unpaid": standing.unpaid,
        "blocked": node.ledger.is_blocked(author),
        "succeeds": [each.hex() for each in node.meaning.standings.lineage(author)[1:]],
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
