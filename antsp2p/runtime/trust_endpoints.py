"""The endpoints about whom to believe: why a score is what it is, what an author did, as files
that prove themselves, and whom the user trusts or shuts out beforehand.

Law: as of all endpoints, they translate and decide nothing. Nothing leaves in a file that the node
would not show to a peer now.
"""
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import trio
from starlette.responses import JSONResponse, Response

from antsp2p.coordination.audit import Collected, collect
from antsp2p.coordination.fields import is_capability_name
from antsp2p.coordination.pins import (
    DEFAULT_PIN_WEIGHT,
    MAX_PIN_WEIGHT,
    MAX_PINS,
    Pins,
    TooManyPins,
)
from antsp2p.records.audit import encode_audit
from antsp2p.records.fork import encode_proof
from antsp2p.runtime.api_requests import ApiError, Query, find_id
from antsp2p.runtime.trust_views import why_view

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.requests import Request

    from antsp2p.runtime.host import Host

COLLECT_TRIES: Final = 3
"""A fork that comes to light while records are collected overthrows them; so many in a row do not
happen."""
LEFT_OUT_HEADER: Final = "X-Antsp2p-Left-Out"
BINARY: Final = "application/octet-stream"


class TrustApi:
    """`find_author` finds an author by how its id begins, or raises `ApiError`."""

    def __init__(self, host: Host, find_author: Callable[[str], bytes]) -> None:
        self._host = host
        self._node = host.node
        self._find_author = find_author

    def table(self) -> list[tuple[str, str, Callable[[Request], Awaitable[Any]]]]:
        """(method, path, endpoint) of each."""
        return [
            ("GET", "/v1/peers/{id}/why", self.why),
            ("GET", "/v1/peers/{id}/audit", self.audit),
            ("GET", "/v1/proofs", self.proofs),
            ("GET", "/v1/proofs/{id}", self.proof),
            ("GET", "/v1/trust", self.trusted),
            ("POST", "/v1/trust/{id}/pin", self.pin),
            ("POST", "/v1/trust/{id}/unpin", self.unpin),
            ("POST", "/v1/trust/{id}/block", self.block),
            ("POST", "/v1/trust/{id}/unblock", self.unblock),
        ]

    async def why(self, request: Request) -> Response:
        query = Query(request)
        capability = query.text("capability") or None
        query.end()
        if capability is not None and not is_capability_name(capability):
            raise ApiError(400, f"{capability[:80]!r} is no name of a capability")
        author = self._find_author(request.path_params["id"])
        return JSONResponse(why_view(self._node, author, capability))

    async def audit(self, request: Request) -> Response:
        Query(request).end()
        author = self._find_author(request.path_params["id"])
        for _ in range(COLLECT_TRIES):
            collected = await self._collect(author)
            if collected is not None:
                content = await trio.to_thread.run_sync(encode_audit, collected.audit)
                return Response(
                    content, media_type=BINARY,
                    headers={LEFT_OUT_HEADER: str(collected.left_out)},
                )
        raise ApiError(503, "forks come to light faster than the file is written: try again")

    async def _collect(self, author: bytes) -> Collected | None:
        node = self._node

        def upto(each: bytes) -> int:
            # What was never sent may have to be signed again, and would be a fork outside.
            seq = node.logs.seq(each)
            return min(seq, node.gossip.published) if each == node.author else seq

        steps = collect(author, node.network, node.logs, node.meaning, upto)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                collected: Collected | None = end.value
                return collected
            # The node must go on meanwhile, however long the log is.
            await trio.lowlevel.checkpoint()

    async def proofs(self, request: Request) -> Response:
        Query(request).end()
        return JSONResponse({"proofs": [
            {"id": proof.id.hex(), "author": proof.author.hex(), "seq": proof.seq}
            for proof in self._node.logs.proofs()
        ]})

    async def proof(self, request: Request) -> Response:
        Query(request).end()
        proofs = {proof.id: proof for proof in self._node.logs.proofs()}
        found = find_id("fork proof", request.path_params["id"], proofs)
        return Response(encode_proof(proofs[found]), media_type=BINARY)

    # --- local configuration ------------------------------------------------------------------

    async def trusted(self, request: Request) -> Response:
        Query(request).end()
        pins = self._host.trust.pins
        return JSONResponse({
            "pins": [
                {"author": author.hex(), "weight": pins.weights[author]}
                for author in sorted(pins.weights)
            ],
            "blocked": [{"author": author.hex()} for author in sorted(pins.blocked)],
        })

    async def pin(self, request: Request) -> Response:
        query = Query(request)
        weight = query.number("weight", DEFAULT_PIN_WEIGHT, MAX_PIN_WEIGHT)
        query.end()
        if not weight:
            raise ApiError(400, "a weight is at least 1; to take a pin back, unpin")
        author = self._stranger(request)
        return await self._change(author, lambda pins: pins.pin(author, weight))

    async def block(self, request: Request) -> Response:
        Query(request).end()
        author = self._stranger(request)
        return await self._change(author, lambda pins: pins.block(author))

    async def unpin(self, request: Request) -> Response:
        Query(request).end()
        author = self._of("pinned", request, self._host.trust.pins.weights)
        return await self._change(author, lambda pins: pins.unpin(author))

    async def unblock(self, request: Request) -> Response:
        Query(request).end()
        author = self._of("blocked", request, self._host.trust.pins.blocked)
        return await self._change(author, lambda pins: pins.unblock(author))

    def _stranger(self, request: Request) -> bytes:
        """Any other node: known here, or by its whole id."""
        text = request.path_params["id"].lower()
        is_whole = re.fullmatch("[0-9a-f]{64}", text) is not None
        author = bytes.fromhex(text) if is_whole else self._find_author(text)
        if author == self._node.author:
            raise ApiError(400, "that is this node itself")
        return author

    def _of(self, what: str, request: Request, authors: Iterable[bytes]) -> bytes:
        return find_id(f"{what} node", request.path_params["id"], sorted(authors))

    async def _change(self, author: bytes, make: Callable[[Pins], Pins]) -> Response:
        before = self._host.trust.pins

        def changed(pins: Pins) -> Pins:
            nonlocal before
            before = pins
            return make(pins)

        try:
            pins = await self._host.trust.change(changed)
        except TooManyPins:
            raise ApiError(409, f"there are {MAX_PINS} already: take some back first") from None
        return JSONResponse({
            "author": author.hex(), "weight": pins.weights.get(author, 0),
            "blocked": author in pins.blocked,
            "before": {
                "weight": before.weights.get(author, 0), "blocked": author in before.blocked,
            },
        })
