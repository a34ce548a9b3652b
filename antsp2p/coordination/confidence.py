"""Inputs for the holder alone: who may have a blob, as far as tasks say anything about it.

Law: a pure question to the fold. What a node has of other tasks, or of none, is not restricted
here; so nobody can have a blob withheld from others by naming it in a task of one's own.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.resolver import Rule

if TYPE_CHECKING:
    from antsp2p.coordination.tasks import TaskFold


def may_have(tasks: TaskFold, me: bytes, asker: bytes, blob: bytes) -> bool:
    """Whether the node of `me` gives `asker` the blob of that hash.

    Where it came to this node by a task whose input is for the holder alone, be it one's own or
    one that was claimed here: only to such a task's requester, and to whom it has awarded it now.
    """
    is_bound = False
    for task in tasks.for_the_holder(blob):
        offered = tasks.offer(task)
        if offered is None:
            continue
        requester = offered[0].author
        if requester != me and not any(claim.author == me for claim, _ in tasks.claims(task)):
            continue
        is_bound = True
        resolution = tasks.resolve(task)
        holder = None if resolution is None else resolution.holder
        is_awarded = resolution is not None and resolution.rule is Rule.AWARD
        if asker == requester or (is_awarded and holder is not None and holder.author == asker):
            return True
    return not is_bound
