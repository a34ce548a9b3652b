"""The endpoints about who takes part in the network: invitations, and a new secret.

Law: as of all endpoints, they translate and decide nothing.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from antsp2p.gossip.limits import MAX_OVERLAP_MS
from antsp2p.runtime import limits
from antsp2p.runtime.api_requests import ApiError, Query, find_id
from antsp2p.runtime.invitations import INVITATION_DIGITS
from antsp2p.runtime.views import address_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from antsp2p.runtime.host import Host


class MembershipApi:
    """The endpoints over one host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def table(self) -> list[tuple[str, str, Callable[[Request], Awaitable[Any]]]]:
        """(method, path, endpoint) of each."""
        return [
            ("GET", "/v1/invitations", self.invitations),
            ("POST", "/v1/invitations", self.invite),
            ("DELETE", "/v1/invitations/{id}", self.cancel_invitation),
            ("POST", "/v1/secret", self.change_secret),
        ]

    async def invitations(self, request: Request) -> Response:
        Query(request).end()
        known = self._host.membership.invitations.all()
        return JSONResponse({"invitations": [each.view() for each in known]})

    async def invite(self, request: Request) -> Response:
        query = Query(request)
        lasting_ms = query.number(
            "expires_ms", limits.INVITATION_DEFAULT_MS, limits.INVITATION_MAX_MS)
        uses = query.number("uses", 1, limits.INVITATION_USES)
        query.end()
        if not lasting_ms or not uses:
            raise ApiError(400, "an invitation is good for a while, and for one use at least")
        made = await self._host.membership.invite(
            self._host.addresses, lasting_ms=lasting_ms, uses=uses)
        return JSONResponse({
            **made.invitation.view(), "code": made.code.text,
            "network_name": self._host.options.network,
            "addresses": [address_text((host, made.code.port)) for host in made.code.hosts],
        }, 201)

    async def cancel_invitation(self, request: Request) -> Response:
        Query(request).end()
        invitations = self._host.membership.invitations
        door = find_id(
            "invitation", request.path_params["id"], [each.door for each in invitations.all()])
        await invitations.cancel(door)
        return JSONResponse({"id": door.hex()[:INVITATION_DIGITS]})

    async def change_secret(self, request: Request) -> Response:
        query = Query(request)
        overlap_ms = query.number("overlap_ms", limits.OVERLAP_DEFAULT_MS, MAX_OVERLAP_MS)
        query.end()
        network = await self._host.membership.change_secret(overlap_ms)
        return JSONResponse({
            "network_name": network.name, "generation": network.key.generation,
            "overlap_ms": overlap_ms,
        })
