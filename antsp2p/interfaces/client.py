"""The client of the local API: one request, one answer, over the node's Unix socket.

Law: it knows addresses, the token and errors, and nothing of what a task means. It is synchronous,
so that a command costs no event loop; the worker, which needs one, shares `find_node`.
"""
from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import httpx2

from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.runtime.home import Home, HomeError, default_home

if TYPE_CHECKING:
    import argparse

BASE_URL: Final = "http://antsp2p"
"""The host's name is only there because HTTP wants one."""
TIMEOUT: Final = httpx2.Timeout(30.0, connect=5.0)
"""Seconds. A node answers in milliseconds; one that is stopped does not answer at all."""
STREAM_TIMEOUT: Final = httpx2.Timeout(30.0, connect=5.0, write=30.0)
"""An event stream says something at least every 10 s."""
Params = Mapping[str, str | int | list[str]]


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a running node's API is, and the token that it wants."""

    home: Path
    socket_path: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def home_path(options: argparse.Namespace) -> Path:
    """The home that `--home` and `--name` mean. Raises `CommandError`."""
    home, name = options.home, options.name
    if home is not None and name is not None:
        raise CommandError(Exit.USAGE, "give --home or --name, not both")
    if home == "":
        raise CommandError(Exit.USAGE, "--home is empty: give a folder, or leave it out")
    try:
        return default_home(name) if home is None else Path(home).expanduser().absolute()
    except HomeError as error:
        raise CommandError(Exit.USAGE, str(error)) from error


def own_options(options: argparse.Namespace) -> str:
    """The options by which a line to type means the same node, a space before them; empty where
    none were given."""
    if options.home is not None:
        return " " + shlex.join(["--home", options.home])
    return "" if options.name is None else " " + shlex.join(["--name", options.name])


def hint(options: argparse.Namespace, *words: str) -> str:
    """The line to type for a command to the same node that `options` mean."""
    return shlex.join(["antsp2p", *words]) + own_options(options)


def no_node(options: argparse.Namespace) -> CommandError:
    """What a command without a running node ends with."""
    return CommandError(
        Exit.NO_NODE,
        f"no node is running in {home_path(options)}; start one with: {hint(options, 'start')}",
    )


def find_node(options: argparse.Namespace) -> NodeAddress:
    """The address of the node that `options` mean. Raises `CommandError` if there is none."""
    home = Home(home_path(options))
    entry = home.read_api()
    if entry is None:
        raise no_node(options)
    try:
        return NodeAddress(home.path, entry["socket"], home.read_token())
    except OSError as error:
        raise no_node(options) from error
    except HomeError as error:
        raise CommandError(Exit.REFUSED, str(error)) from error


def id_segment(text: str) -> str:
    """An id, or how one begins, as one segment of a path. Raises `CommandError`."""
    if not text or set(text.lower()) - set("0123456789abcdef"):
        raise CommandError(Exit.NOT_FOUND, f"{text!r} is no id: give at least 4 hex digits of one")
    return text.lower()


def error_of(status: int, content: bytes) -> CommandError:
    """The error that an answer of the API stands for."""
    try:
        line = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        line = f"the node answered with HTTP {status}"
    return CommandError(Exit.NOT_FOUND if status == 404 else Exit.REFUSED, line)


class Client:
    """A connection to the node that `options` mean. Every method raises `CommandError`."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.node = find_node(options)
        self._http = httpx2.Client(
            transport=httpx2.HTTPTransport(uds=self.node.socket_path, verify=False),
            base_url=BASE_URL, headers=self.node.headers, timeout=TIMEOUT, trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx2.ConnectError as error:
            raise no_node(self._options) from error
        except httpx2.TimeoutException as error:
            raise CommandError(
                Exit.TIMED_OUT, "the node runs but does not answer; is it stopped or overloaded?"
            ) from error
        except httpx2.TransportError as error:
            raise CommandError(Exit.NO_NODE, "the node went away before it answered") from error

    def request(
        self, method: str, path: str, *, params: Params | None = None, content: bytes = b"",
        wait_ms: int = 0,
    ) -> httpx2.Response:
        """The answer, whatever its status. `wait_ms`: the node may take so long on purpose."""
        timeout = httpx2.Timeout(30.0 + wait_ms / 1_000, connect=5.0)
        with self._explained():
            return self._http.request(
                method, path, params=params, content=content or None, timeout=timeout
            )

    def call(
        self, method: str, path: str, *, params: Params | None = None, content: bytes = b""
    ) -> Any:
        """The JSON of a good answer; any other is raised."""
        response = self.request(method, path, params=params, content=content)
        if response.is_success:
            return response.json()
        raise error_of(response.status_code, response.content)

    def get(self, path: str, params: Params | None = None) -> Any:
        """`call` for reading."""
        return self.call("GET", path, params=params)

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """The (name, data) pairs of an event stream, until the node ends it."""
        with self._explained():
            request = self._http.build_request("GET", path, timeout=STREAM_TIMEOUT)
            response = self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    raise error_of(response.status_code, response.read())
                for event in httpx2.EventSource(response):
                    yield event.event, event.json()
            finally:
                response.close()
