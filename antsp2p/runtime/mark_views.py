"""The blackboard as those on this machine see it now.

Law: reading only, and in slices: as many marks as there may be, the node's loop goes on meanwhile.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from antsp2p.coordination.marks import place_of_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.coordination.marks import Topic, Trace
    from antsp2p.node import Node

TOPICS_AT_ONCE: Final = 200
"""Looked at in one go: a few milliseconds, where nobody crowds one topic."""


async def topics_at(node: Node, now_us: int) -> list[Topic]:
    """Where marks are that the node heeds, the most trusted first."""
    found = []
    for number, topic in enumerate(node.blackboard.topics(_ages_at(node, now_us)), 1):
        if topic is not None:
            found.append(topic)
        if not number % TOPICS_AT_ONCE:
            await trio.lowlevel.checkpoint()
    return sorted(found, key=place_of_topic)


def marks_at(node: Node, topic: str, now_us: int) -> list[Trace]:
    """What is left of the marks at a topic, those that the node heeds first."""
    return node.blackboard.at(topic, _ages_at(node, now_us))


def _ages_at(node: Node, now_us: int) -> Callable[[bytes, int], int]:
    """(author, seq) -> how old in milliseconds the record there is by then."""

    def age_ms(author: bytes, seq: int) -> int:
        record = node.record_at(author, seq)
        # An own one that is not on disk yet was signed this moment.
        return 0 if record is None else node.age_ms(record, now_us)

    return age_ms
