"""The blackboard as those on this machine see it now.

Law: reading only, and in slices: as many marks as there may be, the node's loop goes on meanwhile.
"""
from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING, Final

import trio

from antsp2p.coordination.marks import Topic, Trace, place_of_topic, place_of_trace, topic_of

if TYPE_CHECKING:
    from antsp2p.node import Node

MARKS_AT_ONCE: Final = 500
"""Looked at in one go: some milliseconds."""


class MarkReader:
    """Reads the blackboard of one node, as of one moment."""

    def __init__(self, node: Node, now_us: int) -> None:
        self._node = node
        self._now_us = now_us
        self._looked_at = 0

    async def topics(self, limit: int) -> list[Topic]:
        """Where marks are that the node heeds, up to `limit`, the most trusted first."""
        found = []
        for name in self._node.blackboard.names():
            topic = topic_of(name, await self._traces(name))
            if topic is not None:
                found.append(topic)
        return nsmallest(limit, found, key=place_of_topic)

    async def marks(self, topic: str, limit: int) -> list[Trace]:
        """What is left of the marks at a topic, up to `limit`, those that the node heeds first."""
        return nsmallest(limit, await self._traces(topic), key=place_of_trace)

    async def _traces(self, topic: str) -> list[Trace]:
        found = []
        for trace in self._node.blackboard.traces(topic, self._age_ms):
            if trace is not None:
                found.append(trace)
            self._looked_at += 1
            if not self._looked_at % MARKS_AT_ONCE:
                await trio.lowlevel.checkpoint()
        return found

    def _age_ms(self, author: bytes, seq: int) -> int:
        record = self._node.record_at(author, seq)
        # An own one that is not on disk yet was signed this moment.
        return 0 if record is None else self._node.age_ms(record, self._now_us)
