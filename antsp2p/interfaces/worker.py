"""An agent made of a command: it serves one capability and runs the command for each claim.

Law: a command runs only while its claim holds and the node says so. When the claim is lost, the
command is stopped; when the node goes away, all are stopped, and the worker comes back with it.
"""
from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx2
import trio

from antsp2p.interfaces.client import (
    BASE_URL,
    STREAM_TIMEOUT,
    TIMEOUT,
    NodeAddress,
    error_of,
    find_node,
    no_node,
)
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.running import Finished, run_command

if TYPE_CHECKING:
    import argparse

FIRST_RETRY_S: Final = 0.2
LAST_RETRY_S: Final = 5.0
"""Between two tries to find the node again: quick after a restart, cheap over a weekend."""
REPORTS_PER_LEASE: Final = 4
MIN_REPORT_S: Final = 0.1
MAX_REPORT_S: Final = 3.0
"""A node gives an agent up after three leases of silence, and never before ten seconds."""

Say = Callable[[str, Mapping[str, Any]], None]
"""Tells a person or a script what happened: the name of the event and its facts."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a worker serves, and how."""

    capability: str
    command: tuple[str, ...]
    slots: int = 1
    description: str = ""
    configuration: bytes = b""
    """The digest of what the command is made of; empty: nothing is said of it."""


class Worker:
    """Serves a capability at the node that `options` mean."""

    def __init__(self, service: Service, options: argparse.Namespace, say: Say) -> None:
        self._service = service
        self._options = options
        self._say = say
        self._running: dict[str, trio.CancelScope] = {}
        self._served = False

    async def run(self) -> None:
        """Serve until SIGINT, SIGTERM or, unless it is ignored as under nohup, SIGHUP: the commands
        are stopped and their claims given back.

        Raises `CommandError`, perhaps in a group: no node runs at the start, or it refuses.
        """
        ends = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            ends.append(signal.SIGHUP)
        with trio.open_signal_receiver(*ends) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve_again_and_again)
                await anext(signals)
                nursery.cancel_scope.cancel()

    async def _serve_again_and_again(self) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            began_served = self._served
            self._served = False
            try:
                await self._serve(find_node(self._options))
            except CommandError as error:
                if error.code is not Exit.NO_NODE or not began_served:
                    raise
            except httpx2.TransportError as error:
                if not began_served:
                    raise no_node(self._options) from error
            if self._served:
                self._say("gone", {"text": "the node went away; waiting for it to come back"})
                retry_s = FIRST_RETRY_S
            self._served = True
            await trio.sleep(retry_s)
            retry_s = min(2 * retry_s, LAST_RETRY_S)

    async def _serve(self, node: NodeAddress) -> None:
        """Serve until the node ends the stream. Raises `TransportError` if there is no stream."""
        service = self._service
        params: dict[str, str | int] = {
            "capability": service.capability, "slots": service.slots,
            "description": service.description,
        }
        if service.configuration:
            params["configuration"] = service.configuration.hex()
        async with (
            httpx2.AsyncClient(
                transport=httpx2.AsyncHTTPTransport(
                    uds=node.socket_path, verify=False,
                    limits=httpx2.Limits(max_connections=None),
                ),
                base_url=BASE_URL, headers=node.headers, timeout=TIMEOUT, trust_env=False,
            ) as http,
            http.stream("GET", "/v1/work", params=params, timeout=STREAM_TIMEOUT) as response,
        ):
            if not response.is_success:
                raise error_of(response.status_code, await response.aread())
            async with trio.open_nursery() as nursery:
                try:
                    async for event in httpx2.EventSource(response):
                        self._take(event.event, event.json(), http, nursery)
                except httpx2.TransportError:
                    pass
                # The claims ended with the stream, so their commands must not go on.
                nursery.cancel_scope.cancel()

    def _take(
        self, name: str, data: Any, http: httpx2.AsyncClient, nursery: trio.Nursery
    ) -> None:
        match name:
            case "agent":
                self._served = True
                self._say("serving", {
                    "capability": self._service.capability, "slots": self._service.slots,
                    "agent": data["agent"],
                })
            case "start":
                nursery.start_soon(self._work, http, data)
            case "stop" if data["claim"] in self._running:
                self._say("stop", data)
                self._running[data["claim"]].cancel()

    # --- one claim ----------------------------------------------------------------------------

    async def _work(self, http: httpx2.AsyncClient, start: Mapping[str, Any]) -> None:
        claim = start["claim"]
        with trio.CancelScope() as scope:
            self._running[claim] = scope
            try:
                await self._work_on(http, start)
            except httpx2.TransportError as error:
                self._say("lost", {**_names(start), "text": f"the node went away: {error}"})
            finally:
                del self._running[claim]

    async def _work_on(self, http: httpx2.AsyncClient, start: Mapping[str, Any]) -> None:
        place = f"/v1/claims/{start['claim']}"
        began = trio.current_time()
        response = await http.get(f"{place}/input")
        if not response.is_success:
            reason = error_of(response.status_code, response.content).line
            self._say("released", {**_names(start), "text": reason})
            await http.post(f"{place}/release", params={"reason": reason})
            return
        self._say("start", _names(start))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_report, http, place, start["lease_ms"])
            finished = await run_command(
                self._service.command, response.content, _environment(start))
            nursery.cancel_scope.cancel()
        answer = await http.post(
            f"{place}/result", content=finished.output, params=_outcome(finished))
        facts = {**_names(start), "ms": round((trio.current_time() - began) * 1_000)}
        if not answer.is_success:
            line = error_of(answer.status_code, answer.content).line
            self._say("refused", {**facts, "text": line})
        elif finished.error:
            self._say("failed", {**facts, "text": finished.error})
        else:
            self._say("done", {**facts, "size": len(finished.output)})


async def _report(http: httpx2.AsyncClient, place: str, lease_ms: int) -> None:
    """Say that the command lives, often enough for the lease, as long as it runs."""
    interval_s = lease_ms / 1_000 / REPORTS_PER_LEASE
    while True:
        await trio.sleep(min(max(interval_s, MIN_REPORT_S), MAX_REPORT_S))
        # A refusal means that the claim is lost; the stop is then already on its way.
        with suppress(httpx2.TransportError):
            await http.post(f"{place}/progress", params={"progress": 0})


def _outcome(finished: Finished) -> dict[str, str]:
    if finished.error:
        return {"outcome": "failed", "error": finished.error}
    return {"outcome": "done"}


def _names(start: Mapping[str, Any]) -> dict[str, Any]:
    return {name: start[name] for name in ("task", "claim", "epoch")}


def _environment(start: Mapping[str, Any]) -> dict[str, str]:
    return {
        "ANTSP2P_TASK": start["task"], "ANTSP2P_EPOCH": str(start["epoch"]),
        "ANTSP2P_CLAIM": start["claim"], "ANTSP2P_CAPABILITY": start["capability"],
    }
