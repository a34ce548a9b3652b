"""The endpoints about whom to believe: what an author did, as files that prove themselves.

Law: as of all endpoints, they translate and decide nothing. Nothing leaves in a file that the node
would not show to a peer now.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio
from starlette.responses import JSONResponse, Response

from antsp2p.coordination.audit import Collected, collect
from antsp2p.records.audit import encode_audit
from antsp2p.records.fork import encode_proof
from antsp2p.runtime.api_requests import ApiError, Query, find_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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
            ("GET", "/v1/peers/{id}/audit", self.audit),
            ("GET", "/v1/proofs", self.proofs),
            ("GET", "/v1/proofs/{id}", self.proof),
        ]

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
