"""The endpoints of the blackboard: a mark is left, and the marks are looked at.

Law: as of all endpoints, they translate and decide nothing.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response

from antsp2p.coordination.fields import is_capability_name
from antsp2p.coordination.marks import DEFAULT_HALF_LIFE_MS
from antsp2p.events import LeaveMark
from antsp2p.runtime.api_requests import ApiError, Query
from antsp2p.runtime.mark_views import MarkReader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from antsp2p.coordination.marks import Topic, Trace
    from antsp2p.runtime.host import Host

MAX_LISTED: Final = 10_000
DEFAULT_LISTED: Final = 1_000


class MarkApi:
    """The endpoints over one host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def table(self) -> list[tuple[str, str, Callable[[Request], Awaitable[Any]]]]:
        """(method, path, endpoint) of each."""
        return [
            ("POST", "/v1/marks", self.leave),
            ("GET", "/v1/marks", self.marks),
        ]

    async def leave(self, request: Request) -> Response:
        query = Query(request)
        given: dict[str, Any] = {
            "topic": query.text("topic"), "text": query.text("text"),
            "half_life_ms": query.number("half_life_ms", DEFAULT_HALF_LIFE_MS),
        }
        query.end()
        answer = await self._host.command(LeaveMark, **given)
        return JSONResponse({"mark": answer["mark"].hex(), "topic": given["topic"]}, 201)

    async def marks(self, request: Request) -> Response:
        """The topics, or what stands at one of them."""
        query = Query(request)
        topic = query.text("topic") if query.has("topic") else None
        limit = query.number("limit", DEFAULT_LISTED, MAX_LISTED)
        query.end()
        reader = MarkReader(self._host.node, self._host.now_us())
        if topic is None:
            topics = await reader.topics(limit)
            return JSONResponse({"topics": [_topic_view(each) for each in topics]})
        if not is_capability_name(topic):
            raise ApiError(400, f"{topic[:80]!r} is no name of a topic")
        traces = await reader.marks(topic, limit)
        return JSONResponse({"marks": [_trace_view(each) for each in traces]})


def _topic_view(topic: Topic) -> dict[str, Any]:
    return {
        "topic": topic.name, "marks": topic.marks, "strength_ppm": topic.strength_ppm,
        "trusted_ppm": topic.trusted_ppm, "ms_ago": topic.age_ms,
    }


def _trace_view(trace: Trace) -> dict[str, Any]:
    return {
        "author": trace.author.hex(), "record": trace.record_id.hex(),
        "topic": trace.mark.topic, "text": trace.mark.text,
        "half_life_ms": trace.mark.half_life_ms, "ms_ago": trace.age_ms,
        "strength_ppm": trace.strength_ppm, "trusted_ppm": trace.trusted_ppm,
        "heeded": trace.heeded,
    }
