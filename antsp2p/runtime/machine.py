"""What this machine remembers of a key beside the key's own home.

Law: a home that was copied, or put back from a backup, cannot know it from what lies in it. So the
count of starts is kept here too, in the user's folder for such things, and one process at a time
may run with a key, wherever its home lies. Nothing here is secret, and nothing is lost with it but
the warning: without the folder a node goes by its own home alone.
"""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Final

import platformdirs

from antsp2p.runtime.home import APP_NAME, HomeError, write_durably

MACHINE_DOMAIN: Final = b"antsp2p/1/machine\0"
MACHINE_BYTES: Final = 16
MAX_REMEMBERED_KEYS: Final = 1_024
"""Keys with a file here; where more have run on this machine, the longest unused are forgotten."""

_MACHINE_IDS: Final = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_HEX_DIGITS: Final = 32


def this_machine() -> bytes:
    """16 bytes that name this machine and tell nobody what it is; empty where it has no name.

    A container without a machine id of its own has none: another at every start would be worse.
    """
    for path in _MACHINE_IDS:
        with contextlib.suppress(OSError, ValueError):
            text = Path(path).read_text("ascii").strip()
            if len(text) == _HEX_DIGITS and int(text, 16):
                return hashlib.sha256(MACHINE_DOMAIN + text.encode()).digest()[:MACHINE_BYTES]
    return b""


class Memory:
    """What is remembered of one author. `close` ends the right to run with its key."""

    def __init__(self, author: bytes, folder: Path | None = None) -> None:
        self._folder = (
            platformdirs.user_state_path(APP_NAME, appauthor=False) / "keys"
            if folder is None else folder
        )
        self._path = self._folder / author.hex()
        self._lock: int | None = None

    def open(self) -> None:
        """Take the right to run with the key on this machine.

        Raises `HomeError` where another process has it. Without a folder nothing is remembered.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(
                self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise HomeError(
                f"another copy of this node's key is running in {self._home()}: stop it, "
                "or take another home with --home or --name"
            ) from error
        except OSError:
            os.close(lock)
            return
        self._lock = lock

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _entry(self) -> dict[str, object]:
        try:
            entry = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return entry if isinstance(entry, dict) else {}

    def _home(self) -> str:
        return str(self._entry().get("home", "another home"))

    def starts(self) -> int:
        """The number of the latest start remembered; 0 where there is none."""
        count = self._entry().get("starts")
        return count if type(count) is int and count > 0 else 0

    def remember(self, home: Path, starts: int) -> None:
        """The key's home is here, and this is its start of that number."""
        entry = {"home": str(home), "starts": starts}
        with contextlib.suppress(OSError):
            write_durably(self._path, json.dumps(entry).encode() + b"\n")
            self._prune()

    def _prune(self) -> None:
        entries = [path for path in self._folder.iterdir() if not path.suffix]
        if len(entries) <= MAX_REMEMBERED_KEYS:
            return
        entries.sort(key=lambda path: path.stat().st_mtime)
        for path in entries[: len(entries) - MAX_REMEMBERED_KEYS]:
            path.unlink(missing_ok=True)
            path.with_suffix(".lock").unlink(missing_ok=True)
