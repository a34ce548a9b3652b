"""Whom this node's person trusts or shuts out, as it lies in the home, and while the node runs.

Law: the file is written before the node acts by it, and whatever else is in the home does not
depend on it. Nobody but the owner may read or write it.
"""
from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import trio

from antsp2p.coordination.pins import MAX_PIN_WEIGHT, MAX_PINS, NO_PINS, Pins
from antsp2p.events import PinsChanged
from antsp2p.runtime.home import HomeError, refuse_wider, write_durably

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

MAX_TRUST_FILE_BYTES: Final = 512 * 1024
"""All pins and blocks there may be take 160 kB."""
_AUTHOR = re.compile("[0-9a-f]{64}")


def read_pins(path: Path) -> Pins:
    """What stands in the file; nothing where there is none. Raises `HomeError`, one line."""
    try:
        refuse_wider(path)
        with path.open("rb") as file:
            content = file.read(MAX_TRUST_FILE_BYTES + 1)
    except FileNotFoundError:
        return NO_PINS
    except OSError as error:
        raise HomeError(f"cannot read {path}: {error.strerror}") from error
    try:
        if len(content) > MAX_TRUST_FILE_BYTES:
            raise ValueError("it is too large")
        return _parse(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise HomeError(
            f"{path} is damaged ({error}): restore it from a backup, or remove it to trust and "
            "block nobody beforehand"
        ) from error


def _parse(stored: Any) -> Pins:
    if not isinstance(stored, dict) or stored.keys() != {"pins", "blocked"}:
        raise ValueError("it has not the two lists")
    pins, blocked = stored["pins"], stored["blocked"]
    if not isinstance(pins, dict) or not isinstance(blocked, list):
        raise ValueError("it has not the two lists")
    if len(pins) > MAX_PINS or len(blocked) > MAX_PINS:
        raise ValueError("its lists are too long")
    if not all(type(w) is int and 0 < w <= MAX_PIN_WEIGHT for w in pins.values()):
        raise ValueError("a weight is wrong")
    if not all(isinstance(key, str) and _AUTHOR.fullmatch(key) for key in (*pins, *blocked)):
        raise ValueError("a node's id is wrong")
    if set(pins) & set(blocked):
        raise ValueError("a node is both trusted and blocked")
    weights = {bytes.fromhex(key): weight for key, weight in pins.items()}
    return Pins(weights, frozenset(map(bytes.fromhex, blocked)))


def write_pins(path: Path, pins: Pins) -> None:
    """Write the file durably. Raises `HomeError`."""
    stored = {
        "pins": {author.hex(): pins.weights[author] for author in sorted(pins.weights)},
        "blocked": [author.hex() for author in sorted(pins.blocked)],
    }
    try:
        write_durably(path, json.dumps(stored, indent=1).encode() + b"\n")
    except OSError as error:
        raise HomeError(f"cannot write {path}: {error.strerror}") from error


class LocalTrust:
    """The pins of a running node. `put` takes events of the node."""

    def __init__(
        self, path: Path, pins: Pins, put: Callable[[PinsChanged], Awaitable[None]]
    ) -> None:
        self._path = path
        self._put = put
        self._changing = trio.Lock()
        self.pins = pins

    async def change(self, make: Callable[[Pins], Pins]) -> Pins:
        """Have the pins be what `make` makes of them. Raises `HomeError`, and what `make` does."""
        async with self._changing:
            pins = make(self.pins)
            if pins != self.pins:
                await trio.to_thread.run_sync(write_pins, self._path, pins)
                self.pins = pins
                await self._put(PinsChanged(pins))
            return pins
