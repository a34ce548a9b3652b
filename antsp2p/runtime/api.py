"""The local API: HTTP with server-sent events on a Unix socket, for the programs of one user.

Law: it translates. A request becomes a command or a view of the node; no rule of the protocol is
here. Whoever cannot read the home's token gets nothing. Bodies, streams and waits are bounded, an
error is one line of JSON, and open streams are ended by us when the node stops.
"""
from __future__ import annotations

import hmac
import logging
import os
import socket
import stat
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from antsp2p import __version__
from antsp2p.coordination.body import (
    MAX_BLOB_BYTES,
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
    StartWork,
    StopWork,
)
from antsp2p.runtime import views
from antsp2p.runtime.blobs import BlobUnavailable
from antsp2p.runtime.event_stream import EventStream, Feed
from antsp2p.runtime.host import CommandRefused, Host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from antsp2p.coordination.tasks import Resolution

MAX_BODY_BYTES: Final = MAX_BLOB_BYTES
MAX_DISCARDED_BYTES: Final = 4 * MAX_BODY_BYTES
"""Read of a body that is too large, so that its sender gets the answer instead of a broken pipe."""
MAX_WAIT_MS: Final = 60_000
"""One request waits no longer; the client asks again."""
MAX_LISTED: Final = 10_000
DEFAULT_LISTED: Final = 50
MIN_PREFIX_DIGITS: Final = 4
GRACEFUL_S: Final = 2.0
"""For requests under way when the node stops."""
BACKLOG: Final = 128
DEFAULT_MEDIA_TYPE: Final = "application/octet-stream"
STATE_HEADER: Final = "X-Antsp2p-State"
_LOG: Final = logging.getLogger("antsp2p.api")


class ApiError(Exception):
    """A request that cannot be answered; `line` says why and what to do."""

    def __init__(self, status: int, line: str, **more: Any) -> None:
        super().__init__(line)
        self.status = status
        self.line = line
        self.more = more


def _error(status: int, line: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": " ".join(line.split()), **more}, status)


# --- reading a request ---------------------------------------------------------------------------


class _Query:
    """The query of a request; every parameter is read once, and none may be left over."""

    def __init__(self, request: Request) -> None:
        self._given: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            self._given.setdefault(name, []).append(value)

    def texts(self, name: str) -> list[str]:
        return self._given.pop(name, [])

    def text(self, name: str, default: str = "") -> str:
        values = self.texts(name)
        if len(values) > 1:
            raise ApiError(400, f"{name} is given more than once")
        return values[0] if values else default

    def has(self, name: str) -> bool:
        return name in self._given

    def number(self, name: str, default: int = 0, high: int = 2**53) -> int:
        text = self.text(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and int(text[:20]) <= high):
            raise ApiError(400, f"{name} must be a whole number from 0 to {high}")
        return int(text)

    def flag(self, name: str) -> bool:
        text = self.text(name)
        if text not in ("", "0", "1", "true", "false"):
            raise ApiError(400, f"{name} must be true or false")
        return text in ("1", "true")

    def end(self) -> None:
        if self._given:
            raise ApiError(400, f"unknown parameter {min(self._given)!r}")


async def _read_body(request: Request) -> bytes:
    content, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            content += chunk
        elif size > MAX_DISCARDED_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise ApiError(
            413, f"the content is larger than {MAX_BODY_BYTES >> 20} MiB; split the work up"
        )
    return bytes(content)


def _find(kind: str, prefix: str, ids: tuple[bytes, ...]) -> bytes:
    """The one id that begins with `prefix`. Raises `ApiError`."""
    digits = prefix.lower()
    is_hex = all(digit in "0123456789abcdef" for digit in digits)
    if not is_hex or not MIN_PREFIX_DIGITS <= len(digits) <= 64:
        raise ApiError(404, f"{prefix[:80]!r} is no {kind}: give at least 4 hex digits of its id")
    found = [id_ for id_ in ids if id_.hex().startswith(digits)]
    if not found:
        raise ApiError(404, f"no {kind} known here begins with {digits}")
    if len(found) > 1:
        raise ApiError(404, f"{len(found)} {kind}s begin with {digits}: give more digits")
    return found[0]


# --- the endpoints -------------------------------------------------------------------------------


class LocalApi:
    """The endpoints over one host."""

    def __init__(self, host: Host, closing: trio.Event) -> None:
        self._host = host
        self._node = host.node
        self._closing = closing
        self._assignments: dict[bytes, StartWork] = {}

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Callable[[Request], Awaitable[Any]]]] = [
            ("GET", "/v1/status", self.status),
            ("POST", "/v1/stop", self.stop),
            ("POST", "/v1/tasks", self.post_task),
            ("GET", "/v1/tasks", self.tasks),
            ("GET", "/v1/tasks/{id}", self.task),
            ("GET", "/v1/tasks/{id}/result", self.task_result),
            ("POST", "/v1/tasks/{id}/accept", self.accept),
            ("POST", "/v1/tasks/{id}/reject", self.reject),
            ("POST", "/v1/tasks/{id}/cancel", self.cancel),
            ("GET", "/v1/peers", self.peers),
            ("GET", "/v1/peers/{id}/why", self.why),
            ("GET", "/v1/log", self.log),
            ("GET", "/v1/events", self.events),
            ("GET", "/v1/work", self.work),
            ("GET", "/v1/claims/{id}/input", self.claim_input),
            ("POST", "/v1/claims/{id}/result", self.claim_result),
            ("POST", "/v1/claims/{id}/progress", self.claim_progress),
            ("POST", "/v1/claims/{id}/release", self.claim_release),
        ]
        return [Route(path, endpoint, methods=[method]) for method, path, endpoint in table]

    # --- the node -----------------------------------------------------------------------------

    async def status(self, request: Request) -> Response:
        _Query(request).end()
        host, node = self._host, self._node
        leaves = [leaf for author in node.logs.authors() if (leaf := node.logs.leaf(author))]
        return JSONResponse({
            "author": node.author.hex(), "nickname": node.nickname,
            "network": node.network.hex(), "network_name": host.options.network,
            "version": __version__, "pid": os.getpid(), "home": str(host.home.path),
            "listen": [views.address_text(address) for address in host.addresses],
            "uptime_ms": (host.now_us() - host.started_us) // 1_000,
            "confirmed": node.is_confirmed,
            "links": len(node.gossip.links()),
            "records": sum(leaf.seq - node.logs.floor(leaf.author) for leaf in leaves),
            "authors": len(leaves),
            "tasks": views.task_counts(node),
            "holding": len(node.holding),
            "drops": dict(sorted((node.drops + node.gossip.drops + host.drops).items())),
        })

    async def stop(self, request: Request) -> Response:
        _Query(request).end()
        self._host.stop()
        return JSONResponse({"pid": os.getpid()}, 202)

    # --- tasks --------------------------------------------------------------------------------

    async def post_task(self, request: Request) -> Response:
        query = _Query(request)
        given: dict[str, Any] = {
            "capability": query.text("capability"),
            "review": query.flag("review"),
            "idempotency_key": query.text("key").encode(),
            "after": tuple(
                _find("task", task, self._node.tasks.task_ids()) for task in query.texts("after")
            ),
        }
        # What is left out has the node's own default.
        if media_type := query.text("media_type"):
            given["media_type"] = media_type
        for name in ("lease_ms", "settle_ms", "attempts", "timeout_ms", "cost"):
            if query.has(name):
                given[name] = query.number(name)
        query.end()
        given["input"] = await self._content(await _read_body(request))
        answer = await self._host.command(PostTask, **given)
        return JSONResponse({"task": answer["task"].hex()}, 201)

    async def _content(self, content: bytes) -> bytes | BlobRef:
        return content if len(content) <= MAX_INLINE_BYTES else await self._host.put_blob(content)

    async def tasks(self, request: Request) -> Response:
        query = _Query(request)
        state, mine = query.text("state"), query.flag("mine")
        limit = query.number("limit", DEFAULT_LISTED, MAX_LISTED)
        query.end()
        found = views.task_views(
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
        return _find("task", prefix, self._node.tasks.task_ids())

    async def task(self, request: Request) -> Response:
        _Query(request).end()
        return JSONResponse(
            views.task_detail(self._node, self._task_id(request), self._host.now_us())
        )

    async def task_result(self, request: Request) -> Response:
        query = _Query(request)
        wait_ms = query.number("wait_ms", 0, MAX_WAIT_MS)
        query.end()
        task = self._task_id(request)
        resolution = self._node.tasks.resolve(task)
        if resolution is not None and resolution.alias_of is not None:
            task = resolution.alias_of
        with trio.move_on_after(wait_ms / 1_000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_after, self._closing, nursery.cancel_scope)
                while self._is_pending(task):
                    await self._host.wait_task(task)
                nursery.cancel_scope.cancel()
        return await self._result_response(task)

    def _resolve(self, task: bytes) -> Resolution:
        resolution = self._node.tasks.resolve(task)
        if resolution is None:
            raise ApiError(404, "the task is no longer known here")
        return resolution

    def _is_pending(self, task: bytes) -> bool:
        resolution = self._resolve(task)
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
        resolution = self._resolve(task)
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
            why = views.what_happened(resolution.end) if resolution.end else "its poster forked"
            return _error(
                409, f"task {task.hex()[:12]} is {state}: {why}", state=state,
                cause=views.cancel_cause(resolution.end),
                failures=views.failures(self._node, task),
            )
        return JSONResponse({"state": state}, 202)

    async def accept(self, request: Request) -> Response:
        return await self._decide(request, accept=True)

    async def reject(self, request: Request) -> Response:
        return await self._decide(request, accept=False)

    async def _decide(self, request: Request, *, accept: bool) -> Response:
        query = _Query(request)
        reason = query.text("reason")
        query.end()
        task = self._task_id(request)
        answer = await self._host.command(DecideTask, task=task, accept=accept, reason=reason)
        return JSONResponse({"task": task.hex(), "verdict": answer["verdict"].hex()})

    async def cancel(self, request: Request) -> Response:
        query = _Query(request)
        reason = query.text("reason")
        query.end()
        task = self._task_id(request)
        answer = await self._host.command(CancelTask, task=task, reason=reason)
        return JSONResponse({"task": task.hex(), "cancel": answer["cancel"].hex()})

    # --- looking ------------------------------------------------------------------------------

    async def peers(self, request: Request) -> Response:
        query = _Query(request)
        limit = query.number("limit", MAX_LISTED, MAX_LISTED)
        query.end()
        return JSONResponse({"peers": views.peer_views(self._node, limit)})

    def _author(self, prefix: str) -> bytes:
        known = sorted({*views.peer_authors(self._node), *self._node.ledger.authors(),
                        self._node.author})
        return _find("node", prefix, tuple(known))

    async def why(self, request: Request) -> Response:
        _Query(request).end()
        author = self._author(request.path_params["id"])
        return JSONResponse(views.why_view(self._node, author))

    async def log(self, request: Request) -> Response:
        query = _Query(request)
        author, after_seq = query.text("author"), query.number("after_seq", 0)
        limit = query.number("limit", DEFAULT_LISTED, MAX_LISTED)
        query.end()
        found = views.log_views(
            self._node, self._host.now_us(), author=self._author(author) if author else None,
            after_seq=after_seq, limit=limit,
        )
        return JSONResponse({"records": found})

    async def events(self, request: Request) -> EventStream:
        _Query(request).end()
        return EventStream(self._closing, self._notices())

    @asynccontextmanager
    async def _notices(self) -> AsyncIterator[Feed]:
        with self._host.subscribe() as notices:
            yield Feed(notices, lambda notice: ("notice", views.notice_view(notice)), ())

    # --- agents -------------------------------------------------------------------------------

    async def work(self, request: Request) -> EventStream:
        query = _Query(request)
        capability, description = query.text("capability"), query.text("description")
        slots = query.number("slots", 1)
        query.end()
        return EventStream(self._closing, self._serving(capability, slots, description))

    @asynccontextmanager
    async def _serving(
        self, capability: str, slots: int, description: str
    ) -> AsyncIterator[Feed]:
        serving = self._host.serving(capability, slots=slots, description=description)

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
        _Query(request).end()
        start = self._assignments[self._claim(request)]
        content = start.input
        if isinstance(content, BlobRef):
            content = await self._host.read(content, start.sources)
        return Response(content, media_type=start.media_type)

    async def claim_result(self, request: Request) -> Response:
        query = _Query(request)
        outcome, error = query.text("outcome", "done"), query.text("error")
        media_type = query.text("media_type", DEFAULT_MEDIA_TYPE)
        query.end()
        if outcome not in ("done", "failed"):
            raise ApiError(400, "outcome must be done or failed")
        claim, done = self._claim(request), outcome == "done"
        content = await _read_body(request)
        answer = await self._host.command(
            FinishClaim, claim=claim, done=done, media_type=media_type, error=error,
            output=await self._content(content) if done else b"",
        )
        self._assignments.pop(claim, None)
        return JSONResponse({"result": answer["result"].hex()}, 201)

    async def claim_progress(self, request: Request) -> Response:
        query = _Query(request)
        progress = query.number("progress", 0, 1_000)
        query.end()
        await self._host.command(ReportProgress, claim=self._claim(request), progress=progress)
        return JSONResponse({})

    async def claim_release(self, request: Request) -> Response:
        query = _Query(request)
        reason = query.text("reason")
        query.end()
        claim = self._claim(request)
        await self._host.command(ReleaseClaim, claim=claim, reason=reason)
        self._assignments.pop(claim, None)
        return JSONResponse({})


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


# --- the server ----------------------------------------------------------------------------------


def make_app(host: Host, token: str, closing: trio.Event) -> ASGIApp:
    """The ASGI application; its event streams end once `closing` is set."""

    async def known(_: Request, error: Exception) -> Response:
        match error:
            case ApiError():
                return _error(error.status, error.line, **error.more)
            case CommandRefused():
                return _error(409, str(error))
            case BlobUnavailable():
                return _error(503, str(error))
            case HTTPException(status_code=status, detail=detail):
                return _error(status, detail)
        return _error(400, "the request ended too early")

    handled: Mapping[Any, Any] = dict.fromkeys(
        (ApiError, CommandRefused, BlobUnavailable, HTTPException, ClientDisconnect), known
    )
    app = Starlette(routes=LocalApi(host, closing).routes(), exception_handlers=handled)
    return _Guard(app, token)


@dataclass(frozen=True, slots=True)
class _Guard:
    """Lets requests with the token in, and keeps what goes wrong inside from the wire."""

    app: ASGIApp
    token: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not self._is_known(scope):
            refused = _error(401, "the token is missing or wrong; it is in the node's home")
            refused.headers["WWW-Authenticate"] = "Bearer"
            await refused(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except Exception:
            # Starlette has answered with 500 already; a defect of ours must not end the node.
            _LOG.exception("the local API failed at %s %s", scope["method"], scope["path"])

    def _is_known(self, scope: Scope) -> bool:
        expected = b"Bearer " + self.token.encode()
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        return hmac.compare_digest(given, expected)


def _bind(path: Path) -> socket.socket:
    """A Unix socket of mode 0600. The home's lock is ours, so what lies at `path` is a leftover."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        bound.bind(str(path))
    except BaseException:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound


async def serve_api(
    host: Host, closing: trio.Event, *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the local API of `host` until `closing` is set; then end what is open and return.

    Raises `HomeError` or `OSError` if the socket cannot be made.
    """
    path = host.home.socket_path()
    app = make_app(host, host.home.token(), closing)
    bound = _bind(path)
    config = Config()
    config.bind = [f"fd://{bound.detach()}"]
    config.backlog = BACKLOG
    config.accesslog = config.errorlog = None
    config.graceful_timeout = GRACEFUL_S
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_run_hypercorn, app, config, closing)
            host.home.publish_api(path)
            task_status.started()
    finally:
        host.home.withdraw_api()
        with suppress(OSError):
            path.unlink()


async def _run_hypercorn(
    app: ASGIApp, config: Config, closing: trio.Event, *,
    task_status: trio.TaskStatus[list[str]],
) -> None:
    await serve(
        app,  # type: ignore[arg-type]  # hypercorn and starlette each write their own ASGI types
        config, shutdown_trigger=closing.wait, task_status=task_status, mode="asgi",
    )
