"""The endpoints of the local API: what each request does.

Law: they translate. A request becomes a command or a view of the node; no rule of the protocol is
here. Waits are bounded, and every wait ends when the node stops.
"""
from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import trio
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from antsp2p import __version__
from antsp2p.coordination.body import (
    MAX_INLINE_BYTES,
    BlobRef,
    Outcome,
    Result,
    Verdict,
    parse_body,
)
from antsp2p.events import (
    CancelTask,
    DecideTask,
    FinishClaim,
    PostTask,
    ReleaseClaim,
    ReportProgress,
    RevokeKey,
    StartWork,
    StopWork,
    VouchFor,
)
from antsp2p.runtime import task_views, views
from antsp2p.runtime.api_requests import ApiError, Query, error_response, find_id, read_body
from antsp2p.runtime.event_stream import EventStream, Feed
from antsp2p.runtime.examine.own_node import node_view
from antsp2p.runtime.host import CommandRefused
from antsp2p.runtime.mark_endpoints import MarkApi
from antsp2p.runtime.membership_endpoints import MembershipApi
from antsp2p.runtime.trust_endpoints import TrustApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from antsp2p.coordination.tasks import Resolution
    from antsp2p.runtime.host import Host

MAX_WAIT_MS: Final = 60_000
"""One request waits no longer; the client asks again."""
MAX_LISTED: Final = 10_000
DEFAULT_LISTED: Final = 50
DEFAULT_MEDIA_TYPE: Final = "application/octet-stream"
STATE_HEADER: Final = "X-Antsp2p-State"


class LocalApi:
    """The endpoints over one host."""

    def __init__(self, host: Host, closing: trio.Event) -> None:
        self._host = host
        self._node = host.node
        self._closing = closing
        self._assignments: dict[bytes, StartWork] = {}
        self._waiting = 0

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Callable[[Request], Awaitable[Any]]]] = [
            ("GET", "/v1/status", self.status),
            ("GET", "/v1/doctor", self.doctor),
            ("POST", "/v1/stop", self.stop),
            ("POST", "/v1/tasks", self.post_task),
            ("GET", "/v1/tasks", self.tasks),
            ("GET", "/v1/tasks/{id}", self.task),
            ("GET", "/v1/tasks/{id}/result", self.task_result),
            ("POST", "/v1/tasks/{id}/accept", self.accept),
            ("POST", "/v1/tasks/{id}/reject", self.reject),
            ("POST", "/v1/tasks/{id}/cancel", self.cancel),
            ("GET", "/v1/peers", self.peers),
            ("POST", "/v1/peers/{id}/vouch", self.vouch),
            ("GET", "/v1/log", self.log),
            ("GET", "/v1/keys/{id}", self.key),
            ("POST", "/v1/revokes", self.revoke),
            ("GET", "/v1/events", self.events),
            ("GET", "/v1/work", self.work),
            ("GET", "/v1/claims/{id}/input", self.claim_input),
            ("POST", "/v1/claims/{id}/result", self.claim_result),
            ("POST", "/v1/claims/{id}/progress", self.claim_progress),
            ("POST", "/v1/claims/{id}/release", self.claim_release),
        ]
        table += MembershipApi(self._host).table()
        table += TrustApi(self._host, self._author).table()
        table += MarkApi(self._host).table()
        return [Route(path, endpoint, methods=[method]) for method, path, endpoint in table]

    # --- the node -----------------------------------------------------------------------------

    async def status(self, request: Request) -> Response:
        Query(request).end()
        host, node = self._host, self._node
        leaves = [leaf for author in node.logs.authors() if (leaf := node.logs.leaf(author))]
        return JSONResponse({
            "author": node.author.hex(), "nickname": node.nickname,
            "network": node.network.hex(), "network_name": host.options.network,
            "version": __version__, "pid": os.getpid(), "home": str(host.home.path),
            "listen": [views.address_text(address) for address in host.addresses],
            "uptime_ms": (host.now_us() - host.started_us) // 1_000,
            "confirmed": node.is_confirmed,
            "closed": node.why_closed,
            "catching_up": node.gossip.catching_up,
            "links": len(node.gossip.links()),
            "records": sum(map(node.last_seq, {*node.logs.authors(), node.author})),
            "authors": len(leaves),
            "tasks": task_views.task_counts(node),
            "holding": len(node.holding),
            "waiting": self._waiting,
            "warnings": list(host.warnings),
            "drops": dict(sorted((node.drops + node.gossip.drops + host.drops).items())),
        })

    async def doctor(self, request: Request) -> Response:
        Query(request).end()
        host, node = self._host, self._node
        drops = node.drops + node.gossip.drops + host.drops
        return JSONResponse(node_view(node, drops, host.now_us()))

    async def stop(self, request: Request) -> Response:
        Query(request).end()
        self._host.stop()
        return JSONResponse({"pid": os.getpid()}, 202)

    # --- keys ---------------------------------------------------------------------------------

    async def key(self, request: Request) -> Response:
        query = Query(request)
        recovery, at = query.text("recovery"), query.number("at")
        query.end()
        if not re.fullmatch("[0-9a-f]{64}", recovery):
            raise ApiError(400, "recovery must be a public key in hex digits")
        authors = [self._node.author, *views.peer_authors(self._node)]
        author = find_id("node", request.path_params["id"], authors)
        found = views.key_view(self._node, author, bytes.fromhex(recovery), at)
        if found is None:
            raise ApiError(404, f"the node has no record {at} here")
        return JSONResponse(found)

    async def revoke(self, request: Request) -> Response:
        query = Query(request)
        succeed = query.flag("succeed")
        query.end()
        answer = await self._host.command(
            RevokeKey, wire=await read_body(request), succeed=succeed)
        return JSONResponse({name: record.hex() for name, record in answer.items()}, 201)

    # --- tasks --------------------------------------------------------------------------------

    async def post_task(self, request: Request) -> Response:
        query = Query(request)
        given: dict[str, Any] = {
            "capability": query.text("capability"),
            "review": query.flag("review"),
            "idempotency_key": query.text("key").encode(),
            "after": tuple(
                find_id("task", task, self._node.tasks.task_ids()) for task in query.texts("after")
            ),
        }
        # What is left out has the node's own default.
        if media_type := query.text("media_type"):
            given["media_type"] = media_type
        for name in ("lease_ms", "settle_ms", "attempts", "timeout_ms", "cost"):
            if query.has(name):
                given[name] = query.number(name)
        given["holder_only"] = query.flag("holder_only")
        if expected := query.text("expected"):
            if not re.fullmatch("[0-9a-f]{64}", expected):
                raise ApiError(400, "expected must be a SHA-256 of 64 hex digits")
            given["expected"] = bytes.fromhex(expected)
        query.end()
        content = await read_body(request)
        given["input"] = (
            await self._host.put_blob(content) if given["holder_only"]
            else await self._content(content)
        )
        answer = await self._host.command(PostTask, **given)
        return JSONResponse({"task": answer["task"].hex()}, 201)

    async def _content(self, content: bytes) -> bytes | BlobRef:
        return content if len(content) <= MAX_INLINE_BYTES else await self._host.put_blob(content)

    async def tasks(self, request: Request) -> Response:
        query = Query(request)
        state, mine = query.text("state"), query.flag("mine")
        limit = query.number("limit", DEFAULT_LISTED, MAX_LISTED)
        query.end()
        found = task_views.task_views(
            self._node, self._host.now_us(), state=state, mine=mine, limit=limit
        )
        return JSONResponse({"tasks": found})

    def _task_id(self, request: Request) -> bytes:
        prefix = request.path_params["id"]
        if len(prefix) == 64:
            with suppress(ValueError):
                task = bytes.fromhex(prefix)
                if self._node.tasks.offer(task) is not None:
                    return task
        return find_id("task", prefix, self._node.tasks.task_ids())

    async def task(self, request: Request) -> Response:
        Query(request).end()
        return JSONResponse(
            task_views.task_detail(self._node, self._task_id(request), self._host.now_us())
        )

    async def task_result(self, request: Request) -> Response:
        query = Query(request)
        wait_ms = query.number("wait_ms", 0, MAX_WAIT_MS)
        known = query.text("known")
        query.end()
        task = self._task_id(request)
        resolution = self._node.tasks.resolve(task)
        if resolution is not None and resolution.alias_of is not None:
            task = resolution.alias_of
        self._waiting += 1
        try:
            with trio.move_on_after(wait_ms / 1_000):
                await self._wait(task, known)
        finally:
            self._waiting -= 1
        return await self._result_response(task)

    async def _wait(self, task: bytes, known: str) -> None:
        """Return when the task has ended, waits for a review, or the node stops; and when it waits
        for something else than is `known`, if that is given."""
        refused = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_after, self._closing, nursery.cancel_scope)
            try:
                while self._is_pending(task) and known in (
                    "", task_views.what_it_waits_for(self._node, task)
                ):
                    await self._host.wait_task(task)
            except CommandRefused as error:
                refused = error
            nursery.cancel_scope.cancel()
        if refused is not None:
            raise refused

    def _is_pending(self, task: bytes) -> bool:
        resolution = self._node.tasks.resolve(task)
        if resolution is None:
            return False
        if resolution.end is not None or str(resolution.state) == "orphaned":
            return False
        return self._result(task, resolution) is None

    def _result(self, task: bytes, resolution: Resolution) -> tuple[bytes, Result] | None:
        """Author and result that was accepted, or that waits for our review."""
        wanted = None
        if resolution.end is not None:
            end = parse_body(resolution.end)
            wanted = end.result if isinstance(end, Verdict) else None
        elif self._node.requester.owns(task):
            offered = self._node.tasks.offer(task)
            found = self._node.requester.reviewable(task)
            if offered is not None and offered[1].review and found is not None:
                wanted = found[0].id
        for record, result in self._node.tasks.results(task):
            if record.id == wanted and result.outcome == Outcome.DONE:
                return record.author, result
        return None

    async def _result_response(self, task: bytes) -> Response:
        resolution = self._node.tasks.resolve(task)
        if resolution is None:
            raise ApiError(404, "the task is no longer known here")
        state = str(resolution.state)
        found = self._result(task, resolution)
        if found is not None:
            author, result = found
            content = result.output
            if result.blob is not None:
                content = await self._host.read(result.blob, self._host.sources(author))
            return Response(
                content, media_type=result.media_type,
                headers={STATE_HEADER: state if resolution.end else "done"},
            )
        if resolution.end is not None or state == "orphaned":
            return error_response(
                409, task_views.how_it_ended(self._node, task), state=state,
                cause=task_views.cancel_cause(resolution.end),
                failures=task_views.failures(self._node, task),
            )
        waits_for = task_views.what_it_waits_for(self._node, task)
        return JSONResponse({"state": state, "waits_for": waits_for}, 202)

    async def accept(self, request: Request) -> Response:
        return await self._decide(request, accept=True)

    async def reject(self, request: Request) -> Response:
        return await self._decide(request, accept=False)

    async def _decide(self, request: Request, *, accept: bool) -> Response:
        query = Query(request)
        reason = query.text("reason")
        query.end()
        task = self._task_id(request)
        answer = await self._host.command(DecideTask, task=task, accept=accept, reason=reason)
        return JSONResponse({"task": task.hex(), "verdict": answer["verdict"].hex()})

    async def cancel(self, request: Request) -> Response:
        query = Query(request)
        reason = query.text("reason")
        query.end()
        task = self._task_id(request)
        answer = await self._host.command(CancelTask, task=task, reason=reason)
        return JSONResponse({"task": task.hex(), "cancel": answer["cancel"].hex()})

    # --- looking ------------------------------------------------------------------------------

    async def peers(self, request: Request) -> Response:
        query = Query(request)
        limit = query.number("limit", MAX_LISTED, MAX_LISTED)
        query.end()
        served = self._host.blob_service.used
        return JSONResponse({"peers": views.peer_views(self._node, limit, served)})

    def _author(self, prefix: str) -> bytes:
        known = sorted({*views.peer_authors(self._node), *self._node.ledger.authors(),
                        self._node.author})
        return find_id("node", prefix, tuple(known))

    async def vouch(self, request: Request) -> Response:
        query = Query(request)
        given: dict[str, Any] = {
            "weight": query.number("weight", 1), "days": query.number("days", 0),
            "capability": query.text("capability"), "reason": query.text("reason"),
        }
        query.end()
        author = self._author(request.path_params["id"])
        answer = await self._host.command(VouchFor, author=author, **given)
        return JSONResponse({"author": author.hex(), "vouch": answer["vouch"].hex()}, 201)

    async def log(self, request: Request) -> Response:
        query = Query(request)
        author, after_seq = query.text("author"), query.number("after_seq", 0)
        limit = query.number("limit", DEFAULT_LISTED, MAX_LISTED)
        query.end()
        found = views.log_views(
            self._node, self._host.now_us(), author=self._author(author) if author else None,
            after_seq=after_seq, limit=limit,
        )
        return JSONResponse({"records": found})

    async def events(self, request: Request) -> EventStream:
        Query(request).end()
        return EventStream(self._closing, self._notices())

    @asynccontextmanager
    async def _notices(self) -> AsyncIterator[Feed]:
        with self._host.subscribe() as notices:
            yield Feed(
                notices, lambda notice: ("notice", views.notice_view(notice)),
                (("watching", {"kind": "watching", "subject": self._node.author.hex()}),),
            )

    # --- agents -------------------------------------------------------------------------------

    async def work(self, request: Request) -> EventStream:
        query = Query(request)
        capability, description = query.text("capability"), query.text("description")
        slots, configuration = query.number("slots", 1), query.text("configuration")
        query.end()
        if not re.fullmatch("([0-9a-f]{64})?", configuration):
            raise ApiError(400, "configuration must be a digest of 64 hex digits")
        return EventStream(self._closing, self._serving(
            capability, slots, description, bytes.fromhex(configuration)))

    @asynccontextmanager
    async def _serving(
        self, capability: str, slots: int, description: str, configuration: bytes
    ) -> AsyncIterator[Feed]:
        serving = self._host.serving(
            capability, slots=slots, description=description, configuration=configuration)

        def told(item: StartWork | StopWork) -> tuple[str, views.View]:
            if isinstance(item, StartWork):
                self._assignments[item.claim] = item
                offered = self._node.tasks.offer(item.task)
                return "start", views.start_view(item, offered[1].lease_ms if offered else 0)
            self._assignments.pop(item.claim, None)
            return "stop", {"claim": item.claim.hex(), "reason": item.reason}

        async with serving as session:
            try:
                yield Feed(session.work, told, (("agent", {"agent": session.agent}),))
            finally:
                for start in list(self._assignments.values()):
                    if start.agent == session.agent:
                        del self._assignments[start.claim]

    def _claim(self, request: Request) -> bytes:
        text = request.path_params["id"]
        with suppress(ValueError):
            claim = bytes.fromhex(text)
            if claim in self._assignments:
                return claim
        raise ApiError(404, f"no agent of this node holds a claim {text[:80]!r}")

    async def claim_input(self, request: Request) -> Response:
        Query(request).end()
        start = self._assignments[self._claim(request)]
        content = start.input
        if isinstance(content, BlobRef):
            content = await self._host.read(content, start.sources)
        return Response(content, media_type=start.media_type)

    async def claim_result(self, request: Request) -> Response:
        query = Query(request)
        outcome, error = query.text("outcome", "done"), query.text("error")
        media_type = query.text("media_type", DEFAULT_MEDIA_TYPE)
        query.end()
        if outcome not in ("done", "failed"):
            raise ApiError(400, "outcome must be done or failed")
        claim, done = self._claim(request), outcome == "done"
        content = await read_body(request)
        answer = await self._host.command(
            FinishClaim, claim=claim, done=done, media_type=media_type, error=error,
            output=await self._content(content) if done else b"",
        )
        self._assignments.pop(claim, None)
        return JSONResponse({"result": answer["result"].hex()}, 201)

    async def claim_progress(self, request: Request) -> Response:
        query = Query(request)
        progress = query.number("progress", 0, 1_000)
        query.end()
        await self._host.command(ReportProgress, claim=self._claim(request), progress=progress)
        return JSONResponse({})

    async def claim_release(self, request: Request) -> Response:
        query = Query(request)
        reason = query.text("reason")
        query.end()
        claim = self._claim(request)
        await self._host.command(ReleaseClaim, claim=claim, reason=reason)
        self._assignments.pop(claim, None)
        return JSONResponse({})


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
