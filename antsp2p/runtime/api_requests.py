"""Reading a request to the local API, and refusing it.

Law: nothing of a request is trusted beyond what is read here, and everything read has a bound.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

from antsp2p.coordination.body import MAX_BLOB_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

MAX_BODY_BYTES: Final = MAX_BLOB_BYTES
MAX_DISCARDED_BYTES: Final = 4 * MAX_BODY_BYTES
"""Read of a body that is too large, so that its sender gets the answer instead of a broken pipe."""
MIN_PREFIX_DIGITS: Final = 4
MAX_DIGITS: Final = 20
"""Of a number; more are a mistake, or an attempt to keep the node busy."""


class ApiError(Exception):
    """A request that cannot be answered; `line` says why and what to do."""

    def __init__(self, status: int, line: str, **more: Any) -> None:
        super().__init__(line)
        self.status = status
        self.line = line
        self.more = more


def error_response(status: int, line: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": " ".join(line.split()), **more}, status)


class Query:
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
        is_number = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
        if not (is_number and int(text) <= high):
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


async def read_body(request: Request) -> bytes:
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


def find_id(kind: str, prefix: str, ids: Iterable[bytes]) -> bytes:
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
