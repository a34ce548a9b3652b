"""A node's home: its key, its lock, its token, and where everything else of it lies.

Law: one key signs in one process at a time, with the history it signed before. So the lock comes
before the key, a key is not made twice, and a key whose store is gone does not sign as if new.
"""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import platformdirs

from antsp2p.records.keys import SEED_BYTES, Identity
from antsp2p.records.record import NETWORK_BYTES
from antsp2p.records.work import MAX_WORK_BITS
from antsp2p.runtime.key_file import (
    MAX_KEY_FILE_BYTES,
    KeyFile,
    KeyFileError,
    Kind,
    parse_key_file,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

APP_NAME: Final = "antsp2p"
DEFAULT_NETWORK: Final = "local"
NETWORK_NAME_DOMAIN: Final = b"antsp2p/1/network-name\0"
PRICED_NAME_DOMAIN: Final = b"antsp2p/1/priced-network\0"
MAX_NETWORK_NAME_BYTES: Final = 64
MAX_SOCKET_PATH_BYTES: Final = 103
"""`sun_path` has 104 bytes on macOS and 108 on Linux, the closing zero among them."""
MAX_BOOT: Final = 2**21 - 1
"""A beat's counter is `boot << 32 | n` below 2**53; at a boot a minute this lasts four years."""

_HOME_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


class HomeError(Exception):
    """The home cannot be used; the text is one line that says why and what to do."""


def network_id(name: str, work_bits: int = 0) -> bytes:
    """The 16-byte id of a network known by name, and by what it asks of each author, if it does:
    the head of a SHA-256 under a domain of its own.

    Raises `HomeError` if the name is empty or longer than 64 bytes, or so much cannot be asked.
    """
    if not 0 <= work_bits <= MAX_WORK_BITS:
        raise HomeError(f"a network may ask for at most {MAX_WORK_BITS} bits of work")
    encoded = name.encode("utf-8", "surrogateescape")
    if not 0 < len(encoded) <= MAX_NETWORK_NAME_BYTES:
        raise HomeError(f"a network's name has 1 to {MAX_NETWORK_NAME_BYTES} bytes")
    start = PRICED_NAME_DOMAIN + bytes((work_bits,)) if work_bits else NETWORK_NAME_DOMAIN
    return hashlib.sha256(start + encoded).digest()[:NETWORK_BYTES]


def default_home(name: str | None = None) -> Path:
    """Where a home lies on this platform; `name` is for several on one machine.

    Raises `HomeError` if the name cannot be a folder's.
    """
    name = "default" if name is None else name
    if not _HOME_NAME.match(name):
        raise HomeError("a home's name is made of letters, digits, '.', '_' and '-', at most 64")
    return platformdirs.user_data_path(APP_NAME, appauthor=False) / name


class Home:
    """The folder of one node. `open` takes the lock, `close` gives it back."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().absolute()
        self.key_path = self.path / "key"
        self.recovery_path = self.path / "recovery"
        self.store_path = self.path / "store.db"
        self.blobs_path = self.path / "blobs"
        self.token_path = self.path / "token"
        self.boot_path = self.path / "boot"
        self.lock_path = self.path / "lock"
        self.api_path = self.path / "api.json"
        self.invitations_path = self.path / "invitations.json"
        self.trust_path = self.path / "trust.json"
        self._lock: int | None = None

    # --- the lock ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Make the folder if need be and take its lock.

        Raises `HomeError`: another process has it, or others may read it.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_wider(self.path)
            self._lock = self._take_lock()
        except OSError as error:
            raise HomeError(f"cannot use the home {self.path}: {error.strerror}") from error

    def _take_lock(self) -> int:
        lock = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        except BlockingIOError as error:
            pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise HomeError(
                f"a node already runs in {self.path} (pid {pid}): "
                "stop it, or take another home with --home or --name"
            ) from error
        except BaseException:
            os.close(lock)
            raise
        return lock

    def close(self) -> None:
        """Give the lock back. The file stays, or two processes could lock two files."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- the key ----------------------------------------------------------------------------------

    def has_key(self) -> bool:
        return self.key_path.exists()

    def make_key(self) -> Identity:
        """A new key and its recovery key, durable before they are used. Raises `HomeError`."""
        seed = secrets.token_bytes(SEED_BYTES)
        recovery = KeyFile.of(Kind.RECOVERY, secrets.token_bytes(SEED_BYTES))
        try:
            # One that a start which was cut off has left belongs to no key yet.
            write_durably(self.recovery_path, recovery.encode())
            key = KeyFile.of(Kind.NODE, seed, recovery.public_key)
            write_durably(self.key_path, key.encode(), replace=False)
        except OSError as error:
            raise HomeError(f"cannot write the key {self.key_path}: {error.strerror}") from error
        return Identity.from_seed(seed)

    def key_file(self) -> KeyFile:
        """The home's key as it lies there. Raises `HomeError` if others may read it, or it is
        damaged."""
        found = read_key_file(self.key_path)
        if found.kind is not Kind.NODE:
            raise HomeError(f"{self.key_path} is a recovery key, and no node's")
        return found

    def read_key(self, passphrase: bytes | None = None) -> Identity:
        """The home's key. Raises `HomeError` if it is damaged, sealed, or others may read it."""
        return Identity.from_seed(open_key_file(self.key_path, self.key_file(), passphrase).seed)

    def recovery_file(self) -> KeyFile | None:
        """The recovery key, without its secret once that was moved away; None where there is none.

        Raises `HomeError`.
        """
        return read_key_file(self.recovery_path) if self.recovery_path.exists() else None

    def write_key_file(self, path: Path, key: KeyFile, *, replace: bool = True) -> None:
        """Write a key durably. Raises `HomeError`."""
        try:
            write_durably(path, key.encode(), replace=replace)
        except FileExistsError as error:
            raise HomeError(f"{path} is there already: nothing was written") from error
        except OSError as error:
            raise HomeError(f"cannot write the key {path}: {error.strerror}") from error

    # --- the boot counter, the token ------------------------------------------------------------

    def last_boot(self) -> int:
        """The number of the last start. Raises `HomeError`."""
        try:
            return int(self.boot_path.read_text("ascii")) if self.boot_path.exists() else 0
        except (ValueError, OSError) as error:
            raise HomeError(f"cannot count this start in {self.boot_path}: {error}") from error

    def next_boot(self, floor: int) -> int:
        """A number above every one before, durable before it is used.

        `floor` is the store's copy: one of the two may have come from an older backup.
        """
        try:
            boot = max(self.last_boot(), floor) + 1
            if boot > MAX_BOOT:
                raise HomeError(f"the boot counter {self.boot_path} is used up")
            write_durably(self.boot_path, b"%d\n" % boot)
        except OSError as error:
            raise HomeError(f"cannot count this start in {self.boot_path}: {error}") from error
        return boot

    def token(self) -> str:
        """The secret that clients of the local API show; made at the first call."""
        try:
            if not self.token_path.exists():
                token = secrets.token_urlsafe(32)
                write_durably(self.token_path, token.encode() + b"\n", replace=False)
            return self.read_token()
        except OSError as error:
            raise HomeError(f"cannot make {self.token_path}: {error.strerror}") from error

    def read_token(self) -> str:
        """The token as a client reads it. Raises `HomeError`, and `OSError` if there is none."""
        refuse_wider(self.token_path)
        return self.token_path.read_text("ascii").strip()

    # --- the local API's place --------------------------------------------------------------------

    def socket_path(self) -> Path:
        """Where the local API listens: in the home, or where a short enough path is private.

        Raises `HomeError` if the place is not private.
        """
        inside = self.path / "api.sock"
        if len(os.fsencode(inside)) <= MAX_SOCKET_PATH_BYTES:
            return inside
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:24] + ".sock"
        return _private_runtime_folder(len(name) + 1) / name

    def publish_api(self, socket_path: Path) -> None:
        """Tell clients where the local API is. The entry's end is `withdraw_api`."""
        entry = {"socket": str(socket_path), "pid": os.getpid()}
        write_durably(self.api_path, json.dumps(entry).encode() + b"\n")

    def withdraw_api(self) -> None:
        """Remove what `publish_api` told."""
        with contextlib.suppress(OSError):
            self.api_path.unlink()

    def read_api(self) -> Mapping[str, Any] | None:
        """What `publish_api` told (`socket`, `pid`), or None. The node may be gone since."""
        try:
            entry = json.loads(self.api_path.read_bytes())
        except (OSError, ValueError):
            return None
        known = isinstance(entry, dict) and isinstance(entry.get("socket"), str)
        return entry if known else None


def refuse_wider(path: Path) -> None:
    """Raises `HomeError` if anybody but the owner may read or write `path`."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        mend = "700" if path.is_dir() else "600"
        raise HomeError(
            f"{path} is open to others (mode {mode:03o}): run `chmod {mend} {path}` first"
        )


def read_key_file(path: Path) -> KeyFile:
    """The key in a private file. Raises `HomeError`, one line that says what to do."""
    try:
        refuse_wider(path)
        with path.open("rb") as file:
            content = file.read(MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise HomeError(f"cannot read the key {path}: {error.strerror}") from error
    try:
        return parse_key_file(content)
    except KeyFileError as error:
        raise HomeError(f"the key {path} {error}: restore it from a backup") from error


def open_key_file(path: Path, key: KeyFile, passphrase: bytes | None) -> KeyFile:
    """The key with its seed in clear. Raises `HomeError`, one line that says what to do."""
    try:
        return key.open(passphrase)
    except KeyFileError as error:
        raise HomeError(f"the key {path} {error}") from error


def write_durably(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file of mode 0600 so that a crash leaves the old content or the new, never less.

    With `replace=False` an existing file is kept and `FileExistsError` raised.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new name in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private_runtime_folder(room: int) -> Path:
    """A folder of ours alone with a path short enough for a socket of `room` more bytes."""
    user = f"{APP_NAME}-{os.geteuid()}"
    with warnings.catch_warnings():
        # Where no session has made such a folder it warns, and the next of these will do.
        warnings.simplefilter("ignore")
        named = platformdirs.user_runtime_path(APP_NAME, appauthor=False)
    for folder in (
        named,
        Path(tempfile.gettempdir()) / user,
        Path("/tmp") / user,
    ):
        if len(os.fsencode(folder)) + room > MAX_SOCKET_PATH_BYTES:
            continue
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            facts = folder.lstat()
        except OSError:
            continue
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            raise HomeError(f"{folder} is not a private folder of yours: remove it first")
        return folder
    raise HomeError("no folder with a path short enough for a socket: use a shorter --home")
