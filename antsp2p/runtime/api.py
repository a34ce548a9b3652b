"""The local API: HTTP with server-sent events on a Unix socket, for the programs of one user.

Law: whoever cannot read the home's token gets nothing. An error is one line of JSON, a defect of
ours never ends the node, and what is open is ended by us when the node stops.
"""
from __future__ import annotations

import hmac
import logging
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from antsp2p.runtime.api_requests import ApiError, error_response
from antsp2p.runtime.blobs import BlobError
from antsp2p.runtime.endpoints import LocalApi
from antsp2p.runtime.home import HomeError
from antsp2p.runtime.host import CommandRefused, Host
from antsp2p.runtime.invitations import InvitationRefused

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

KEEP_ALIVE_S: Final = 300.0
"""An idle connection. Clients give up theirs after seconds (5 is common); a server that does so at
the same moment closes under a request that is just being sent, and a POST is not sent again."""
GRACEFUL_S: Final = 2.0
"""For requests under way when the node stops."""
BACKLOG: Final = 128
_LOG: Final = logging.getLogger("antsp2p.api")


def make_app(host: Host, token: str, closing: trio.Event) -> ASGIApp:
    """The ASGI application; its event streams end once `closing` is set."""

    async def known(_: Request, error: Exception) -> Response:
        match error:
            case ApiError():
                return error_response(error.status, error.line, **error.more)
            case CommandRefused():
                return error_response(409, str(error))
            case BlobError() | HomeError():
                return error_response(503, str(error))
            case InvitationRefused():
                return error_response(409, str(error))
            case HTTPException(status_code=status, detail=detail):
                return error_response(status, detail)
        return error_response(400, "the request ended too early")

    async def unknown(_: Request, error: Exception) -> Response:
        return error_response(500, f"a defect of the node itself ({type(error).__name__})")

    handled: dict[Any, Any] = dict.fromkeys(
        (ApiError, CommandRefused, BlobError, HomeError, InvitationRefused, HTTPException,
         ClientDisconnect), known
    )
    handled[Exception] = unknown
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
            refused = error_response(401, "the token is missing or wrong; it is in the node's home")
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
    config.keep_alive_timeout = KEEP_ALIVE_S
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
