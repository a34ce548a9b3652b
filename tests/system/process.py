"""Nodes and agents as real processes, started here and ended by their own pid.

Nothing sleeps: a test waits for a line, an answer or a notice of a node, each within a limit.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx2
import trio

from antsp2p.interfaces.client import BASE_URL, NodeAddress, find_node
from antsp2p.records.record import parse_record
from antsp2p.runtime.networks import CONFIGURATION_VARIABLE
from tests.system.event_source import EventSource, open_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
READY_S: Final = 30.0
"""A node starts in half a second; a machine that is busy with other tests takes longer."""
STOP_S: Final = 10.0
WAIT_S: Final = 30.0
T = TypeVar("T")


class ApiError(Exception):
    """The node answered with an error; `status` is HTTP's."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(f"HTTP {status}: {line}")
        self.status = status
        self.line = line


class NotReady(Exception):
    """The process ended, or said something else, before it was ready."""


def antsp2p(*words: object) -> list[str]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "antsp2p", *map(str, words)]


@dataclass(eq=False)
class Agent:
    """A running `antsp2p work`."""

    process: trio.Process
    output: Path
    errors: Path

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and wait for the end."""
        return await end_process(self.process, number)


async def end_process(process: trio.Process, number: int) -> int:
    """Send the signal to this process alone and wait for its end; kill it when it does not."""
    if process.poll() is None:
        process.send_signal(number)
        with trio.move_on_after(STOP_S):
            return await process.wait()
        process.kill()
    return await process.wait()


@dataclass(eq=False)
class NodeProcess:
    """A running `antsp2p start` and a connection to its local API."""

    home: Path
    process: trio.Process
    ready: dict[str, Any]
    at: NodeAddress
    http: httpx2.AsyncClient
    errors: Path
    author: str = field(init=False)

    def __post_init__(self) -> None:
        self.author = self.ready["author"]

    @property
    def port(self) -> int:
        """The UDP port of the first bound address."""
        return int(str(self.ready["listen"][0]).rpartition(":")[2])

    @property
    def address(self) -> str:
        """Where a peer on this machine finds the node."""
        return f"127.0.0.1:{self.port}"

    # --- the local API ---------------------------------------------------------------------------

    async def request(
        self, method: str, path: str, *, content: bytes = b"", **params: str | int
    ) -> httpx2.Response:
        """The answer, whatever its status."""
        return await self.http.request(method, path, params=params, content=content or None)

    async def call(
        self, method: str, path: str, *, content: bytes = b"", **params: str | int
    ) -> Any:
        """The JSON of a good answer. Raises `ApiError`."""
        return _json_of(await self.request(method, path, content=content, **params))

    async def get(self, path: str, **params: str | int) -> Any:
        """`call` for reading."""
        return _json_of(await self.http.get(path, params=params))

    async def status(self) -> dict[str, Any]:
        return dict(await self.get("/v1/status"))

    async def post(self, capability: str, content: bytes = b"", **options: str | int) -> str:
        """Offer a task; its id."""
        params = {"capability": capability, **options}
        answer = await self.http.post("/v1/tasks", params=params, content=content)
        return str(_json_of(answer)["task"])

    async def task(self, task: str) -> dict[str, Any]:
        return dict(await self.get(f"/v1/tasks/{task}"))

    async def tasks(self) -> dict[str, dict[str, Any]]:
        """Every task this node knows, by id."""
        listed = await self.get("/v1/tasks", limit=10_000)
        return {task["task"]: task for task in listed["tasks"]}

    async def result(self, task: str, limit_s: float = WAIT_S) -> bytes:
        """The output of a task of this node, once there is one. Raises `ApiError`."""
        with trio.fail_after(limit_s):
            while True:
                response = await self.request("GET", f"/v1/tasks/{task}/result", wait_ms=5_000)
                if response.status_code == 200:
                    return response.content
                if response.status_code != 202:
                    raise ApiError(response.status_code, response.text)

    async def history(self) -> dict[str, tuple[str, int]]:
        """Every record in the node's log set: its id -> (author, seq)."""
        listed = await self.get("/v1/log", limit=10_000)
        return {r["id"]: (r["author"], r["seq"]) for r in listed["records"]}

    # --- what happens ----------------------------------------------------------------------------

    @asynccontextmanager
    async def events(self, path: str = "/v1/events") -> AsyncIterator[EventSource]:
        """The stream of (name, data); it is subscribed to before the block begins."""
        async with open_events(self.at.socket_path, self.at.token, path) as source:
            yield source

    async def until(
        self, check: Callable[[], Awaitable[T | None]], limit_s: float = WAIT_S
    ) -> T:
        """What `check` gives, once it is neither None nor False: asked now and at every notice."""
        with trio.fail_after(limit_s):
            async with self.events() as notices:
                while True:
                    found = await check()
                    if found is not None and found is not False:
                        return found
                    await anext(notices)
        raise AssertionError("the limit ended the wait without an error")

    async def until_providers(self, capability: str, count: int) -> None:
        """Return when this node knows `count` other nodes that serve `capability`."""

        async def enough() -> bool:
            peers = (await self.get("/v1/peers"))["peers"]
            able = [
                peer for peer in peers
                if any(c["name"] == capability and c["slots"] for c in peer["capabilities"])
            ]
            return len(able) >= count

        await self.until(enough)

    async def until_links(self, count: int) -> None:
        """Return when `count` peers are linked."""

        async def enough() -> bool:
            peers = (await self.get("/v1/peers"))["peers"]
            return sum(1 for peer in peers if peer["linked"]) >= count

        await self.until(enough)

    # --- signals ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """SIGSTOP: the process stands still."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    # --- the end ---------------------------------------------------------------------------------

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal to this node alone and wait for its end; its exit code."""
        code = 0
        with trio.CancelScope(shield=True):
            await self.http.aclose()
            if number != signal.SIGKILL and self.process.poll() is None:
                # A stopped process would not see the signal before it goes on.
                self.process.send_signal(signal.SIGCONT)
            code = await end_process(self.process, number)
            assert self.process.stdout is not None
            await self.process.stdout.aclose()
        return code

    async def kill(self) -> None:
        """`kill -9`."""
        await self.end(signal.SIGKILL)


def _json_of(response: httpx2.Response) -> Any:
    if not response.is_success:
        raise ApiError(response.status_code, response.text)
    return response.json()


class Machine:
    """Starts the processes of one test, under one temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[NodeProcess] = []
        self.agents: list[Agent] = []
        self._count = 0

    def new_home(self) -> Path:
        """A path for a home that nobody has used."""
        self._count += 1
        return self.folder / f"n{self._count}"

    def environment(self) -> dict[str, str]:
        """Nothing of the user's own is read or written by what a test starts."""
        return {
            **os.environ, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_CONFIG_HOME": str(self.folder / "config"), "PYTHONUNBUFFERED": "1",
            CONFIGURATION_VARIABLE: os.environ.get(
                CONFIGURATION_VARIABLE, str(self.folder / "config")),
        }

    async def run(
        self, *words: object, prefix: Sequence[str] = (), limit_s: float = WAIT_S
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one command to its end."""
        with trio.fail_after(limit_s):
            return await trio.run_process(
                [*prefix, *antsp2p(*words)], capture_stdout=True, capture_stderr=True,
                check=False, cwd=ROOT, env=self.environment(),
            )

    async def start(
        self,
        home: Path | None = None,
        *options: object,
        peers: Sequence[NodeProcess] = (),
        listen: str = "127.0.0.1:0",
        discovery: bool = False,
        prefix: Sequence[str] = (),
    ) -> NodeProcess:
        """Start a node and return when it is ready. An empty `listen` is everywhere."""
        home = home or self.new_home()
        words: list[object] = ["start", "--json", "--home", home, *options]
        words += ["--listen", listen] if listen else []
        words += [] if discovery else ["--no-discovery"]
        for peer in peers:
            words += ["--peer", peer.address]
        errors = self.folder / f"{home.name}.err"
        process = await self._open([*prefix, *antsp2p(*words)], subprocess.PIPE, errors)
        try:
            ready = await read_ready_line(process, errors)
        except BaseException:
            with trio.CancelScope(shield=True):
                await end_process(process, signal.SIGKILL)
                assert process.stdout is not None
                await process.stdout.aclose()
            raise
        at = find_node(argparse.Namespace(home=str(home), name=None))
        node = NodeProcess(home, process, ready, at, connect(at), errors)
        self.nodes.append(node)
        return node

    async def work(
        self, node: NodeProcess, capability: str, *command: str, slots: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> Agent:
        """Start an agent; it serves once the node has announced it."""
        self._count += 1
        output = self.folder / f"agent{self._count}.out"
        errors = self.folder / f"agent{self._count}.err"
        words = ["work", "--json", "--home", node.home, "--can", capability, "--slots", slots]
        with output.open("wb") as file:
            process = await self._open(
                [*antsp2p(*words), "--", *command], file.fileno(), errors, environment)
        agent = Agent(process, output, errors)
        self.agents.append(agent)
        return agent

    async def _open(
        self, command: list[str], stdout: int, errors: Path,
        environment: Mapping[str, str] | None = None,
    ) -> trio.Process:
        with errors.open("ab") as file:
            # A session of its own: what the terminal sends to the tests is not for the nodes.
            return await trio.lowlevel.open_process(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=file, cwd=ROOT,
                env={**self.environment(), **(environment or {})}, start_new_session=True,
            )

    async def close(self) -> None:
        """End whatever still runs."""
        async with trio.open_nursery() as nursery:
            for agent in self.agents:
                nursery.start_soon(agent.end)
        async with trio.open_nursery() as nursery:
            for node in self.nodes:
                nursery.start_soon(node.end)


@asynccontextmanager
async def open_machine() -> AsyncIterator[Machine]:
    """A temporary folder and its processes; all of it is gone after the block."""
    # pytest's own temporary folders have paths too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="antsp2p-"))
    machine = Machine(folder)
    try:
        yield machine
    except BaseException:
        _show_errors(folder)
        raise
    finally:
        with trio.CancelScope(shield=True):
            await machine.close()
        shutil.rmtree(folder, ignore_errors=True)


def _show_errors(folder: Path) -> None:
    """What the processes wrote on standard error, for whoever reads the failed test."""
    for path in sorted(folder.glob("*.err")):
        text = path.read_text("utf-8", "replace").strip()
        if text:
            print(f"--- {path.name}\n{text[-2_000:]}", file=sys.stderr)


def connect(at: NodeAddress) -> httpx2.AsyncClient:
    """A client of the node that runs there."""
    return httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(uds=at.socket_path, verify=False),
        base_url=BASE_URL, headers=at.headers, trust_env=False,
        timeout=httpx2.Timeout(30.0, connect=5.0),
    )


async def read_ready_line(process: trio.Process, errors: Path) -> dict[str, Any]:
    """The JSON object that `start --json` writes when the node can be used."""
    assert process.stdout is not None
    text = b""
    with trio.move_on_after(READY_S):
        while b"\n" not in text:
            part = await process.stdout.receive_some()
            if not part:
                break
            text += part
    line = text.partition(b"\n")[0]
    with contextlib.suppress(ValueError):
        ready = json.loads(line)
        if isinstance(ready, dict):
            return ready
    raise NotReady(f"the node did not get ready: {line!r} {error_text(errors)!r}")


def error_text(path: Path) -> str:
    """What a process has written on standard error."""
    return path.read_text("utf-8", "replace")


def stored(home: Path) -> set[str]:
    """The ids of the records in the store of a node that does not run."""
    connection = sqlite3.connect(home / "store.db")
    try:
        rows = connection.execute("SELECT wire FROM records").fetchall()
    finally:
        connection.close()
    return {parse_record(wire).id.hex() for (wire,) in rows}
