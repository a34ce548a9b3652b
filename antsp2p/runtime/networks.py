"""The networks that this user belongs to: one file each, with the network's id and its secret.

Law: a secret is read from a file that its owner alone may read, made durable before it is used,
and never shown. All nodes of one user on one machine share it, whatever their homes.
"""
from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import platformdirs

from antsp2p.gossip.network_keys import SECRET_BYTES, KeyPurpose, NetworkKey
from antsp2p.records.record import NETWORK_BYTES
from antsp2p.runtime.home import APP_NAME, HomeError, network_id, refuse_wider, write_durably

CONFIGURATION_VARIABLE: Final = "ANTSP2P_CONFIG"
"""Names the user's configuration folder instead of the platform's."""
OPEN_DOMAIN: Final = b"antsp2p/1/open-network\0"
OPEN_WARNING: Final = (
    "this network is open: whoever knows its name can take part, read everything in it and offer "
    "or claim any task"
)


@dataclass(frozen=True, slots=True)
class Network:
    """A network this node can take part in."""

    name: str
    id: bytes
    keys: tuple[NetworkKey, ...]
    """The newest first."""
    is_open: bool


def configuration_folder() -> Path:
    """Where the user's networks are kept, whatever the home."""
    chosen = os.environ.get(CONFIGURATION_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_config_path(APP_NAME, appauthor=False)


def network_path(name: str) -> Path:
    """The file of the network that this user calls `name`."""
    return configuration_folder() / "networks" / f"{quote(name, safe='', errors='replace')}.json"


def open_network(name: str) -> Network:
    """The network that anybody may enter who knows its name. Raises `HomeError`."""
    secret = hashlib.sha256(OPEN_DOMAIN + name.encode("utf-8", "surrogateescape")).digest()
    return Network(name, network_id(name), (NetworkKey(secret),), is_open=True)


def closed_network(name: str) -> Network:
    """The user's network of that name, made if it is not there yet. Blocks.

    Raises `HomeError`.
    """
    network_id(name)
    path = network_path(name)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_wider(path.parent)
        if not path.exists():
            _make(path, name)
        refuse_wider(path)
        return _read(path, name)
    except OSError as error:
        raise HomeError(f"cannot use the network's file {path}: {error.strerror}") from error


def _make(path: Path, name: str) -> None:
    facts = {
        "name": name, "id": secrets.token_hex(NETWORK_BYTES),
        "secret": secrets.token_hex(SECRET_BYTES), "made_ms": time.time_ns() // 1_000_000,
    }
    try:
        write_durably(path, json.dumps(facts, indent=1).encode() + b"\n", replace=False)
    except FileExistsError:
        # Another node of this user was first, and its network is as good.
        return


def _read(path: Path, name: str) -> Network:
    try:
        facts = json.loads(path.read_bytes())
        network, secret = bytes.fromhex(facts["id"]), bytes.fromhex(facts["secret"])
        keys = [NetworkKey(secret), *_previous(facts)]
    except (ValueError, KeyError, TypeError) as error:
        raise HomeError(f"the network's file {path} is damaged: restore it from a backup") from (
            error)
    if len(network) != NETWORK_BYTES or any(len(key.secret) != SECRET_BYTES for key in keys):
        raise HomeError(f"the network's file {path} is damaged: restore it from a backup")
    return Network(name, network, tuple(keys), is_open=False)


def _previous(facts: dict[str, Any]) -> list[NetworkKey]:
    """Secrets from before a change, for as long as some may not have heard of it."""
    return [
        NetworkKey(bytes.fromhex(secret), KeyPurpose.PREVIOUS)
        for secret in facts.get("previous", [])
    ]
