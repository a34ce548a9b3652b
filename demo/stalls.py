"""A stall of the bazaar: one antsp2p node and its agents, as real processes on this machine."""
from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2
import trio

from antsp2p.interfaces.client import BASE_URL, find_node
from antsp2p.runtime.networks import CONFIGURATION_VARIABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

ROOT: Final = Path(__file__).resolve().parents[1]
START_S: Final = 30.0
"""For a node to say that it is ready; it takes half a second on an idle machine."""
STOP_S: Final = 5.0
"""A node says goodbye within 3 s."""
STREAM_TIMEOUT: Final = httpx2.Timeout(60.0, connect=5.0)
Notice = dict[str, Any]


class Trouble(Exception):
    """The demo cannot go on; the text is one line."""


class Stall:
    """A node with a name, its agents, and a connection to its local API."""

    def __init__(self, name: str, folder: Path, network: str) -> None:
        self.name = name
        self.home = folder / name
        self.log = folder / f"{name}.log"
        self.network = network
        self.author = ""
        self.address = ""
        self.node: trio.Process | None = None
        self.agents: list[trio.Process] = []
        self._http: httpx2.AsyncClient | None = None

    # --- processes -------------------------------------------------------------------------------

    async def open(self, peers: Sequence[Stall] = ()) -> None:
        """Start the node and return when it is ready."""
        words = [
            "start", "--home", str(self.home), "--network", self.network, "--json",
            "--listen", "127.0.0.1:0", "--no-discovery", "--nickname", self.name,
        ]
        for peer in peers:
            words += ["--peer", peer.address]
        self.node = await self._run(words, subprocess.PIPE)
        with trio.move_on_after(START_S) as limit:
            await self._read_ready_line(self.node)
        if limit.cancelled_caught:
            raise Trouble(f"{self.name} did not start; see {self.log}")
        found = find_node(argparse.Namespace(home=str(self.home), name=None))
        self._http = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=found.socket_path, verify=False),
            base_url=BASE_URL, headers=found.headers, trust_env=False,
            timeout=httpx2.Timeout(90.0, connect=5.0),
        )
        status = await self.get("/v1/status")
        self.author, self.address = status["author"], status["listen"][0]

    async def _read_ready_line(self, node: trio.Process) -> None:
        assert node.stdout is not None
        text = b""
        while b"\n" not in text:
            part = await node.stdout.receive_some()
            if not part:
                raise Trouble(f"{self.name} did not start: {self._last_words()}")
            text += part
        json.loads(text.partition(b"\n")[0])

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    async def serve(
        self, capability: str, description: str, command: Sequence[str], slots: int = 1
    ) -> None:
        """Start an agent of this node."""
        self.agents.append(await self._run([
            "work", "--home", str(self.home), "--can", capability, "--slots", str(slots),
            "--description", description, "--", *command,
        ], subprocess.DEVNULL))

    async def _run(self, words: Sequence[str], stdout: int) -> trio.Process:
        with self.log.open("ab") as log:
            # In a session of its own: the terminal's Ctrl-C is for the demo, which ends everybody.
            return await trio.lowlevel.open_process(
                [sys.executable, "-m", "antsp2p", *words], stdin=subprocess.DEVNULL,
                stdout=stdout, stderr=log, cwd=ROOT, start_new_session=True,
                env={
                    **os.environ, "LC_ALL": "C",
                    CONFIGURATION_VARIABLE: str(self.home.parent / "config"),
                },
            )

    async def kill(self) -> None:
        """`kill -9` the node; its agents stop what they do and wait for it to come back."""
        assert self.node is not None
        self.node.kill()
        await self._forget(self.node)

    async def close(self) -> None:
        """End the agents and the node, politely first."""
        for process in self._running():
            process.send_signal(signal.SIGTERM)
        with trio.move_on_after(STOP_S):
            for process in self._running():
                await process.wait()
        for process in self._running():
            process.kill()
        for process in (*self.agents, *([self.node] if self.node else [])):
            await self._forget(process)

    def _running(self) -> list[trio.Process]:
        return [
            process for process in (*self.agents, *([self.node] if self.node else []))
            if process.poll() is None
        ]

    async def _forget(self, process: trio.Process) -> None:
        await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()
        if process is self.node and self._http is not None:
            await self._http.aclose()
            self._http = None

    # --- the local API ---------------------------------------------------------------------------

    @property
    def http(self) -> httpx2.AsyncClient:
        if self._http is None:
            raise Trouble(f"{self.name} is not running")
        return self._http

    async def get(self, path: str, **params: str | int) -> Any:
        """The JSON of an answer."""
        response = await self.http.get(path, params=params)
        return _good(response, self.name).json()

    async def post(self, path: str, content: bytes = b"", **params: str | int) -> Any:
        """Ask for something; the JSON of the answer."""
        response = await self.http.post(path, params=params, content=content or None)
        return _good(response, self.name).json()

    async def result(self, task: str) -> tuple[bytes, bool]:
        """The output of a task of this node, and whether it waits for our review.

        Raises `Trouble` if the task ended without one.
        """
        while True:
            response = await self.http.get(f"/v1/tasks/{task}/result", params={"wait_ms": 30_000})
            if response.status_code == 200:
                return response.content, response.headers["X-Antsp2p-State"] == "done"
            if response.status_code not in (202, 503):
                raise Trouble(f"{self.name}: {response.json()['error']}")

    async def records(self) -> set[str]:
        """The ids of every record this node holds."""
        return {r["id"] for r in (await self.get("/v1/log", limit=10_000))["records"]}

    async def tasks(self, mine: int = 0) -> dict[str, dict[str, Any]]:
        """Every task this node knows, or only its own, by id."""
        listed = await self.get("/v1/tasks", limit=10_000, mine=mine)
        return {task["task"]: task for task in listed["tasks"]}

    @asynccontextmanager
    async def notices(self) -> AsyncIterator[AsyncGenerator[Notice, None]]:
        """What happens, as this node sees it."""
        async with (
            self.http.stream("GET", "/v1/events", timeout=STREAM_TIMEOUT) as response,
            aclosing(_notices(response)) as notices,
        ):
            yield notices

    async def until(self, check: Callable[[], Awaitable[bool]]) -> None:
        """Return once `check` is true; it is asked now and at every notice."""
        async with self.notices() as notices:
            while not await check():
                await anext(notices)


def _good(response: httpx2.Response, name: str) -> httpx2.Response:
    if response.is_success:
        return response
    raise Trouble(f"{name}: {response.json()['error']}")


async def _notices(response: httpx2.Response) -> AsyncGenerator[Notice, None]:
    source = aiter(httpx2.EventSource(response))
    assert isinstance(source, AsyncGenerator)
    async with aclosing(source):
        async for event in source:
            notice = event.json()
            assert isinstance(notice, dict)
            yield notice
