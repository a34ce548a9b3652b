"""What the command-line tests do at a terminal: run commands, start some, and read what they say.

Nothing here sleeps: a line is waited for, with a time limit that only a failure reaches.
"""
from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from antsp2p.runtime.networks import CONFIGURATION_VARIABLE

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

LIMIT_S = 60.0
"""Far above anything measured; a test that reaches it has failed."""
WAITING = "antsp2p: waiting: "
COMMAND = (sys.executable, "-m", "antsp2p")


def antsp2p(
    *arguments: str, stdin: bytes = b"", user: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end; `user` is another user's configuration folder."""
    return subprocess.run(
        [*COMMAND, *arguments], input=stdin, capture_output=True, timeout=LIMIT_S, check=False,
        env=_environment(user),
    )


def _environment(user: Path | None) -> dict[str, str]:
    return {**os.environ, **({CONFIGURATION_VARIABLE: str(user)} if user else {})}


class Started:
    """A command that goes on; its lines are read as they come."""

    def __init__(self, *arguments: str, user: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**_environment(user), "PYTHONUNBUFFERED": "1"},
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: list[bytes] = []
        self._error_lines: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._lines.put(line.decode().rstrip("\n"))
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._errors.append(line)
                self._error_lines.put(line.decode().rstrip("\n"))
        self._error_lines.put(None)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def errors(self) -> str:
        """Standard error; complete once the command has ended."""
        return b"".join(self._errors).decode()

    def error_line(self) -> str:
        """The next line on standard error."""
        line = self._error_lines.get(timeout=LIMIT_S)
        assert line is not None, "the command has ended"
        return line

    def line(self, fits: Callable[[str], bool] = lambda _: True) -> str:
        """The next line that fits; those before it are passed over."""
        while True:
            line = self._lines.get(timeout=LIMIT_S)
            if line is None:
                self.wait()
                raise AssertionError(f"ended with {self._process.returncode}: {self.errors}")
            if fits(line):
                return line

    def json(self, **wanted: Any) -> dict[str, Any]:
        """The next JSON line with these values."""
        found: list[dict[str, Any]] = []

        def fits(line: str) -> bool:
            found.append(json.loads(line))
            return all(found[-1].get(name) == value for name, value in wanted.items())

        self.line(fits)
        return found[-1]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit code, once the command has ended."""
        code = self._process.wait(LIMIT_S)
        for reader in self._readers:
            reader.join(LIMIT_S)
        return code

    def end(self) -> None:
        """End the command if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self.wait()


class Desk:
    """One node's home and what is started there; everything is ended with the desk."""

    def __init__(self, home: Path, *options: str, user: Path | None = None) -> None:
        self.home = home
        self.user = user
        self._options = options
        self._started: list[Started] = []
        self.node: Started
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for started in reversed(self._started):
            started.end()

    def start_node(self, *options: str) -> Self:
        """Start the node and wait until it is ready."""
        self.node = self.start(
            "start", "--json", "--no-discovery", "--listen", "127.0.0.1:0",
            *self._options, *options,
        )
        self.ready = self.node.json(ready=True)
        return self

    @property
    def author(self) -> str:
        return str(self.ready["author"])

    def start(self, command: str, *arguments: str) -> Started:
        started = Started(*command.split(), "--home", str(self.home), *arguments, user=self.user)
        self._started.append(started)
        return started

    def work(self, capability: str, *command: str, options: Sequence[str] = ()) -> Started:
        """A worker that is known to serve; its events are JSON lines."""
        worker = self.start("work", "--json", "--can", capability, *options, "--", *command)
        worker.json(event="serving")
        return worker

    def watch(self) -> Started:
        """`watch` from now on: what comes after this call is seen."""
        watch = self.start("watch", "--json")
        watch.json(kind="watching", subject=self.author)
        return watch

    def run(
        self, command: str, *arguments: str, stdin: bytes = b"", code: int = 0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one command to its end, which must be `code`."""
        done = antsp2p(
            *command.split(), "--home", str(self.home), *arguments, stdin=stdin, user=self.user
        )
        assert done.returncode == code, done.stderr.decode()
        return done

    def say(self, command: str, *arguments: str, stdin: bytes = b"") -> str:
        """What a command that goes well prints."""
        return self.run(command, *arguments, stdin=stdin).stdout.decode()

    def json(self, command: str, *arguments: str, stdin: bytes = b"") -> Any:
        """What a command that goes well prints with `--json`."""
        return json.loads(self.say(command, "--json", *arguments, stdin=stdin))

    def refusal(self, command: str, *arguments: str, code: int, stdin: bytes = b"") -> str:
        """The one line on standard error of a command that ends with `code`."""
        done = self.run(command, *arguments, stdin=stdin, code=code)
        # On a slow machine any wait may be long enough to be told of; nothing else may tell of one.
        text = "".join(
            line for line in done.stderr.decode().splitlines(keepends=True)
            if not ("--wait" in arguments and line.startswith(WAITING))
        )
        assert text.count("\n") == 1, text
        assert "Traceback" not in text
        return text


@contextmanager
def two_nodes(folder: Path) -> Iterator[tuple[Desk, Desk]]:
    """Two nodes on loopback that are linked."""
    with (
        Desk(folder / "first", "--nickname", "first") as first,
        Desk(folder / "second", "--nickname", "second") as second,
    ):
        first.start_node()
        watch = first.watch()
        second.start_node("--peer", first.ready["address"])
        watch.json(kind="peer-up", subject=second.author)
        watch.end()
        yield first, second
