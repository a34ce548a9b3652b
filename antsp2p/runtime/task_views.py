"""Tasks as plain JSON-able values: what they are, what became of them, and their history.

Law: as of all views, reading only. What happened is told in the order in which it was caused.
"""
from __future__ import annotations

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
    Reopen,
    Result,
    Verdict,
    parse_body,
)
from antsp2p.runtime.views import (
    View,
    content_view,
    reason_name,
    record_type_name,
    value_view,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from antsp2p.coordination.tasks import Resolution
    from antsp2p.node import Node
    from antsp2p.records.record import Record

MAX_HISTORY: Final = 200
"""Records of one task's history, the oldest; a contest with more is a flood."""


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
        blocked = node.capabilities.shut_out(capability)
        if blocked:
            others = f" and {len(blocked) - 1} more" if blocked[1:] else ""
            return (
                f"{capability} is offered by {blocked[0].hex()[:12]}{others} only, blocked here "
                "(see: antsp2p trust list)"
            )
        return f"nobody offers {capability}"
    left_out = {
        author for record, body in node.tasks.reopens(task)
        if record.author == offered[0].author for author in body.excluded
    }
    if all(author in left_out for author, _ in node.capabilities.providers(capability)):
        return f"{capability} is offered only by nodes that were shut out of this very task"
    return f"{capability} is offered, but nobody has the task"


def how_it_ended(node: Node, task: bytes) -> str:
    """What became of a task that ended without a result, in a line."""
    resolution = node.tasks.resolve(task)
    assert resolution is not None, "the task is known"
    text = f"task {task.hex()[:12]} is {resolution.state}"
    if resolution.end is None:
        return f"{text}: its poster's key counts for nothing any more"
    body = parse_body(resolution.end)
    if not isinstance(body, Cancel):
        return f"{text}, and its result is not here"
    text = _with_reason(f"{text} ({reason_name(Cancel, body.reason)})", body.text)
    if body.reason == CancelReason.TIMEOUT and not node.tasks.claims(task):
        text += f"; {what_it_waits_for(node, task)}"
    return text


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
        "waits_for": "" if view["ended"] else what_it_waits_for(node, task),
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
    return reason_name(Cancel, body.reason) if isinstance(body, Cancel) else ""


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
            name = reason_name(Reopen, reason)
            return _with_reason(f"reopened after epoch {epoch} ({name})", text)
        case Cancel(reason=reason, text=text):
            return _with_reason(f"cancelled ({reason_name(Cancel, reason)})", text)
        case None:
            return "void"
    return "awarded"


def _with_reason(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
