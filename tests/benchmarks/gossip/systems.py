"""The systems that are compared: how many nodes of each are started, told and listened to.

All nodes are processes on loopback and share one monotonic clock. Each node but the first is given
the address of a random earlier one, the same in every system, and finds the rest by itself; only
py-libp2p, which has no discovery that works here, is given several.
"""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

import trio

from tests.benchmarks.gossip import serf_rpc
from tests.system.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READY_S: Final = 240.0
"""Fifty interpreters that start at once on two cores; py-libp2p takes by far the longest."""
END_S: Final = 10.0
FIRST_PORT: Final = 20_000
RPC_PORT: Final = 17_000
"""Serf's clients are here, apart from what its agents say to each other."""
STARTED_AT_ONCE: Final = 8
LIBP2P_PEERS: Final = 5
"""Connections that a libp2p node opens itself: with those it accepts, about ten; a mesh needs 6."""
NODES_FOLDER: Final = Path(__file__).with_name("nodes")
JOIN_SEED: Final = 5

Arrivals = dict[str, dict[int, int]]
"""Key of a record -> node -> when the node had it, in nanoseconds."""


class System(Protocol):
    """A number of nodes of one system."""

    arrivals: Arrivals

    async def start(self, count: int) -> None:
        """Return when all nodes run and have joined."""

    async def publish(self, node: int, key: str) -> int:
        """Have a node publish 300 bytes that begin with `key`; the moment it was told to."""

    def collect(self) -> None:
        """Bring `arrivals` up to date."""

    def pids(self) -> Sequence[int]:
        """The node processes."""

    async def end(self) -> None:
        """End the processes."""


def joins(count: int, each: int = 1) -> list[list[int]]:
    """For each node, the earlier nodes whose addresses it is given."""
    rng = Random(JOIN_SEED)
    return [sorted(rng.sample(range(node), min(node, each))) for node in range(count)]


async def _end_all(processes: Sequence[trio.Process]) -> None:
    with trio.CancelScope(shield=True):
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        with trio.move_on_after(END_S):
            for process in processes:
                await process.wait()
        for process in processes:
            if process.poll() is None:
                process.kill()
            await process.wait()


# --- nodes that read and write lines ------------------------------------------------------------


@dataclass(eq=False)
class _LineNode:
    process: trio.Process
    source: int
    """The end of a pipe that the node writes to; reading it never waits."""
    errors: Path
    rest: bytes = b""
    lines: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Take what the node has written, without waiting."""
        while True:
            try:
                part = os.read(self.source, 65_536)
            except BlockingIOError:
                return
            if not part:
                raise ConnectionError(f"a node has ended: {self.errors.read_text()[-2_000:]}")
            *lines, self.rest = (self.rest + part).split(b"\n")
            self.lines += [line.decode() for line in lines]

    async def write(self, line: str) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(line.encode() + b"\n")


class LineSystem(ABC):
    """Nodes of `nodes/`, which read orders and write what they have got."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrivals: Arrivals = defaultdict(dict)
        self.record_bytes: set[int] = set()
        self._nodes: list[_LineNode] = []

    @abstractmethod
    def command(self, node: int, peers: Sequence[int]) -> list[str]:
        """What starts a node."""

    async def join(self, peers: Sequence[Sequence[int]]) -> None:  # noqa: B027  # often nothing
        """What is to be done once all nodes are ready."""

    async def start(self, count: int) -> None:
        peers = joins(count)
        with trio.fail_after(READY_S):
            for first in range(0, count, STARTED_AT_ONCE):
                batch = range(first, min(count, first + STARTED_AT_ONCE))
                for node in batch:
                    await self._open(node, peers[node])
                for node in batch:
                    await self.until_line(node, "ready")
            await self.join(peers)

    async def _open(self, node: int, peers: Sequence[int]) -> None:
        errors = self.folder / f"{node}.err"
        source, target = os.pipe()
        os.set_blocking(source, False)
        with errors.open("wb") as file:
            process = await trio.lowlevel.open_process(
                self.command(node, peers), stdin=subprocess.PIPE, stdout=target, stderr=file,
                cwd=ROOT, start_new_session=True,
            )
        os.close(target)
        self._nodes.append(_LineNode(process, source, errors))

    async def until_line(self, node: int, start: str) -> str:
        """The first line of a node that begins so."""
        while True:
            self._nodes[node].read()
            for line in self._nodes[node].lines:
                if line.startswith(start):
                    self._nodes[node].lines.remove(line)
                    return line
            await trio.sleep(0.02)

    async def order(self, node: int, line: str) -> int:
        """Tell a node something; the moment before it was told."""
        moment_ns = time.monotonic_ns()
        await self._nodes[node].write(line)
        return moment_ns

    async def publish(self, node: int, key: str) -> int:
        return await self.order(node, f"publish {key}")

    def collect(self) -> None:
        for number, node in enumerate(self._nodes):
            node.read()
            lines, node.lines = node.lines, []
            for line in lines:
                _, key, moment_ns, size = line.split()
                self.arrivals[key].setdefault(number, int(moment_ns))
                self.record_bytes.add(int(size))

    def pids(self) -> Sequence[int]:
        return [node.process.pid for node in self._nodes]

    async def end(self) -> None:
        await _end_all([node.process for node in self._nodes])


def _ours(module: str, folder: Path, node: int, peers: Sequence[int]) -> list[str]:
    addresses = [f"127.0.0.1:{FIRST_PORT + peer}" for peer in peers]
    return [sys.executable, "-m", f"tests.benchmarks.gossip.nodes.{module}",
            str(folder / f"n{node}"), str(FIRST_PORT + node), *addresses]


class Ours(LineSystem):
    """Nodes of this checkout, with their stores on disk and their local APIs."""

    def command(self, node: int, peers: Sequence[int]) -> list[str]:
        return _ours("ours", self.folder, node, peers)


class Unsealed(LineSystem):
    """The same nodes with links that seal nothing."""

    def command(self, node: int, peers: Sequence[int]) -> list[str]:
        return _ours("plain", self.folder, node, peers)


class Zenoh(LineSystem):
    """Zenoh peers."""

    def __init__(self, folder: Path, python: str) -> None:
        super().__init__(folder)
        self._python = python

    def command(self, node: int, peers: Sequence[int]) -> list[str]:
        addresses = [f"127.0.0.1:{FIRST_PORT + peer}" for peer in peers]
        return [self._python, str(NODES_FOLDER / "zenoh_node.py"), str(FIRST_PORT + node),
                *addresses]


class Libp2p(LineSystem):
    """Nodes of py-libp2p."""

    def __init__(self, folder: Path, python: str) -> None:
        super().__init__(folder)
        self._python = python
        self._addresses: list[str] = []

    def command(self, node: int, peers: Sequence[int]) -> list[str]:
        return [self._python, str(NODES_FOLDER / "libp2p_node.py"), str(FIRST_PORT + node)]

    async def until_line(self, node: int, start: str) -> str:
        line = await super().until_line(node, start)
        if start == "ready":
            self._addresses.append(line.split()[1])
        return line

    async def join(self, peers: Sequence[Sequence[int]]) -> None:
        for node, chosen in enumerate(joins(len(peers), LIBP2P_PEERS)):
            for peer in chosen:
                await self.order(node, f"join {self._addresses[peer]}")
            for _ in chosen:
                await self.until_line(node, "joined")


# --- serf ---------------------------------------------------------------------------------------


class Serf:
    """Serf agents with their default settings for a LAN; one reader hears the events of all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrivals: Arrivals = defaultdict(dict)
        self._processes: list[trio.Process] = []
        self._connections: list[serf_rpc.Connection] = []

    async def start(self, count: int) -> None:
        for node, peers in enumerate(joins(count)):
            await self._open(node, peers)
        for node in range(count):
            self._connections.append(await serf_rpc.connect(RPC_PORT + node, READY_S))
            stream = await serf_rpc.connect(RPC_PORT + node, READY_S)
            await stream.follow()
            trio.lowlevel.spawn_system_task(self._listen, node, stream)

    async def _open(self, node: int, peers: Sequence[int]) -> None:
        command = [
            "serf", "agent", f"-node=n{node}", f"-bind=127.0.0.1:{FIRST_PORT + node}",
            f"-rpc-addr=127.0.0.1:{RPC_PORT + node}", "-log-level=err", "-retry-interval=1s",
            *(f"-retry-join=127.0.0.1:{FIRST_PORT + peer}" for peer in peers),
        ]
        with (self.folder / f"{node}.err").open("wb") as file:
            self._processes.append(await trio.lowlevel.open_process(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True,
            ))

    async def _listen(self, node: int, stream: serf_rpc.Connection) -> None:
        while True:
            try:
                payload = await stream.event()
            except (ConnectionError, trio.BrokenResourceError):
                return  # The agent was ended; one that ended by itself publishes no more.
            self.arrivals[payload[:8].hex()].setdefault(node, time.monotonic_ns())

    async def publish(self, node: int, key: str) -> int:
        content = bytes.fromhex(key) + Random(key).randbytes(292)
        moment_ns = time.monotonic_ns()
        await self._connections[node].publish(content)
        return moment_ns

    def collect(self) -> None:
        """What is heard is there at once."""

    def pids(self) -> Sequence[int]:
        return [process.pid for process in self._processes]

    async def end(self) -> None:
        await _end_all(self._processes)


# --- which there are ----------------------------------------------------------------------------

OURS: Final = "antsp2p"
UNSEALED: Final = "plain"
"""Ours without a cipher, which is no system that anybody runs."""
SYSTEMS: Final = (OURS, "serf", "libp2p", "zenoh")
BY_UDP: Final = (OURS, "serf")
"""The others speak TCP, of which the loss takes nothing; they are measured without loss."""
_MODULES: Final = {"libp2p": "libp2p", "zenoh": "zenoh"}
_PACKAGES: Final = {"libp2p": "libp2p", "zenoh": "eclipse-zenoh"}


def why_missing(name: str, peers_venv: Path | None) -> str:
    """How to install a system that is not here; empty where it is."""
    if name == OURS:
        return ""
    if name == "serf":
        return "" if shutil.which("serf") else "apt-get install serf"
    hint = (f"python3 -m venv DIR && DIR/bin/pip install {_PACKAGES[name]}, "
            "then --peers-venv DIR")
    if peers_venv is None or not (peers_venv / "bin" / "python").exists():
        return hint
    tried = subprocess.run(
        [peers_venv / "bin" / "python", "-c", f"import {_MODULES[name]}"], capture_output=True
    )
    return "" if tried.returncode == 0 else hint


def versions(peers_venv: Path | None) -> Mapping[str, str]:
    """The version of each system that is installed."""
    import antsp2p

    found = {OURS: antsp2p.__version__}
    if shutil.which("serf"):
        told = subprocess.run(["serf", "version"], capture_output=True, text=True).stdout
        found["serf"] = (told.split("\n")[0] or "unknown").strip()
    for name, package in _PACKAGES.items():
        if not why_missing(name, peers_venv):
            assert peers_venv is not None
            code = f"import importlib.metadata as m; print(m.version({package!r}))"
            found[name] = subprocess.run(
                [peers_venv / "bin" / "python", "-c", code], capture_output=True, text=True
            ).stdout.strip()
    return found


def make(name: str, folder: Path, peers_venv: Path | None) -> System:
    """A system by its name."""
    python = str(peers_venv / "bin" / "python") if peers_venv else ""
    match name:
        case "antsp2p":
            return Ours(folder)
        case "plain":
            return Unsealed(folder)
        case "serf":
            return Serf(folder)
        case "libp2p":
            return Libp2p(folder, python)
        case "zenoh":
            return Zenoh(folder, python)
    raise ValueError(f"no such system: {name}")
