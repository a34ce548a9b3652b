"""The networks that this user belongs to: one file each, with the network's id and its secret.

Law: a secret is read from a file that its owner alone may read, made durable before it is used,
and never shown. All nodes of one user on one machine share it, whatever their homes.
"""
from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import platformdirs

from antsp2p.gossip.network_keys import SECRET_BYTES, KeyPurpose, NetworkKey
from antsp2p.records.record import NETWORK_BYTES
from antsp2p.runtime import limits
from antsp2p.runtime.home import APP_NAME, HomeError, network_id, refuse_wider, write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator

    from antsp2p.gossip.admission import Admission

CONFIGURATION_VARIABLE: Final = "ANTSP2P_CONFIG"
"""Names the user's configuration folder instead of the platform's."""
OPEN_DOMAIN: Final = b"antsp2p/1/open-network\0"
OPEN_WARNING: Final = (
    "this network is open: whoever knows its name can take part, read everything in it and offer "
    "or claim any task"
)


@dataclass(frozen=True, slots=True)
class Previous:
    """A secret that was replaced, and until when it is good (milliseconds since 1970)."""

    key: NetworkKey
    until_ms: int


@dataclass(frozen=True, slots=True)
class Network:
    """A network this user's nodes can take part in. Times are milliseconds since 1970."""

    name: str
    id: bytes
    key: NetworkKey
    is_open: bool = False
    previous: tuple[Previous, ...] = ()
    """Secrets from before a change, the newest first."""
    since_ms: int = 0
    """When it was made or joined here."""
    invited_by: bytes = b""
    """The key of the node whose invitation was used; empty where the network was made here."""
    work_bits: int = 0
    """What it asks each author to pay for its name; of an open network a part of its id, so that
    nobody can be in doubt about it."""
    homes: tuple[str, ...] = field(default=(), compare=False)
    """Homes of nodes that were started in it here."""

    def keys(self, now_ms: int) -> tuple[NetworkKey, ...]:
        """The secrets as they are good now, the newest first."""
        return self.key, *(
            each.key if each.until_ms > now_ms
            else replace(each.key, purpose=KeyPurpose.REPLACED) for each in self.previous
        )

    def overlap_ms(self, now_ms: int) -> int:
        """How long the secret from before the last change is still good; 0 where it is not."""
        return max(0, self.previous[0].until_ms - now_ms) if self.previous else 0

    def changed(self, key: NetworkKey, overlap_ms: int, now_ms: int) -> Network:
        """This network under another secret; those before are good for `overlap_ms` more at
        most."""
        end_ms = now_ms + overlap_ms
        before = Previous(replace(self.key, purpose=KeyPurpose.PREVIOUS), end_ms)
        kept = [
            replace(each, until_ms=min(each.until_ms, end_ms)) for each in (before, *self.previous)
        ]
        return replace(self, key=key, previous=tuple(kept[: limits.PREVIOUS_SECRETS]))


def wall_ms() -> int:
    """Milliseconds since 1970, by the machine's calendar."""
    return time.time_ns() // 1_000_000


# --- where they are ------------------------------------------------------------------------------


def configuration_folder() -> Path:
    """Where the user's networks are kept, whatever the home."""
    chosen = os.environ.get(CONFIGURATION_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_config_path(APP_NAME, appauthor=False)


def network_path(name: str, *, is_open: bool = False, work_bits: int = 0) -> Path:
    """The file of the network that this user calls `name`."""
    folder = configuration_folder() / ("open-networks" if is_open else "networks")
    # A colon is quoted in every name: no other network has this file.
    price = f":{work_bits}" if is_open and work_bits else ""
    return folder / f"{quote(name, safe='', errors='replace')}{price}.json"


def _path_of(network: Network) -> Path:
    return network_path(network.name, is_open=network.is_open, work_bits=network.work_bits)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The only process of this user that changes networks now. Raises `HomeError`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_wider(path.parent)
        lock = os.open(path.parent / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
    except OSError as error:
        raise HomeError(f"cannot use the network's file {path}: {error.strerror}") from error


# --- reading -------------------------------------------------------------------------------------


def open_network(name: str, work_bits: int = 0) -> Network:
    """The network that anybody may enter who knows its name, and pays its price if it has one.

    Raises `HomeError`.
    """
    secret = hashlib.sha256(OPEN_DOMAIN + name.encode("utf-8", "surrogateescape")).digest()
    return Network(
        name, network_id(name, work_bits), NetworkKey(secret), is_open=True, work_bits=work_bits)


def known_price(name: str) -> int:
    """What the open network of that name asks, as far as this user's nodes were started in one:
    0 where they were not, or in one without a price too. Raises `HomeError`."""
    if stored_network(name, is_open=True) is not None:
        return 0
    prices = [each.work_bits for each in known_networks() if each.is_open and each.name == name]
    return prices[0] if len(prices) == 1 else 0


def closed_network(name: str) -> Network:
    """The user's network of that name, made if it is not there yet. Blocks.

    Raises `HomeError`.
    """
    network_id(name)
    path = network_path(name)
    with _locked(path):
        if not path.exists():
            key = NetworkKey(secrets.token_bytes(SECRET_BYTES))
            _write(Network(name, secrets.token_bytes(NETWORK_BYTES), key, since_ms=wall_ms()))
        return _read(path)


def known_networks() -> list[Network]:
    """All networks of this user, by name, the closed ones first. Raises `HomeError`."""
    found: list[Network] = []
    for is_open in (False, True):
        folder = network_path("-", is_open=is_open).parent
        paths = sorted(folder.glob("*.json"))[: limits.NETWORKS_LISTED]
        found += [network for path in paths if (network := _read_if_there(path)) is not None]
    return found


def stored_network(name: str, *, is_open: bool = False) -> Network | None:
    """The network of that name as its file has it now. Raises `HomeError`."""
    return _read_if_there(network_path(name, is_open=is_open))


def _read_if_there(path: Path) -> Network | None:
    try:
        return _read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HomeError(f"cannot read the network's file {path}: {error.strerror}") from error


def _read(path: Path) -> Network:
    refuse_wider(path.parent)
    refuse_wider(path)
    try:
        facts = json.loads(path.read_bytes())
        homes = tuple(map(str, facts.get("homes", [])))
        since_ms = int(facts["since_ms"])
        if facts.get("open"):
            known = open_network(facts["name"], int(facts.get("work_bits", 0)))
            return replace(known, since_ms=since_ms, homes=homes)
        network = Network(
            str(facts["name"]), bytes.fromhex(facts["id"]), _key(facts, KeyPurpose.MEMBER),
            previous=tuple(
                Previous(_key(each, KeyPurpose.PREVIOUS), int(each["until_ms"]))
                for each in facts.get("previous", [])
            ),
            since_ms=since_ms, invited_by=bytes.fromhex(facts.get("invited_by", "")), homes=homes,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HomeError(f"the network's file {path} is damaged: restore it from a backup") from (
            error)
    secrets_ = (network.key, *(each.key for each in network.previous))
    if len(network.id) != NETWORK_BYTES or any(len(k.secret) != SECRET_BYTES for k in secrets_):
        raise HomeError(f"the network's file {path} is damaged: restore it from a backup")
    return network


def _key(facts: dict[str, Any], purpose: KeyPurpose) -> NetworkKey:
    return NetworkKey(bytes.fromhex(facts["secret"]), purpose, int(facts["generation"]))


# --- changing ------------------------------------------------------------------------------------


def _write(network: Network) -> None:
    path = _path_of(network)
    facts: dict[str, Any] = {"name": network.name, "since_ms": network.since_ms}
    if network.is_open:
        facts["open"] = True
        if network.work_bits:
            facts["work_bits"] = network.work_bits
    else:
        facts |= {
            "id": network.id.hex(), **_key_facts(network.key),
            "previous": [
                {**_key_facts(each.key), "until_ms": each.until_ms} for each in network.previous
            ],
            "invited_by": network.invited_by.hex(),
        }
    facts["homes"] = list(network.homes)
    write_durably(path, json.dumps(facts, indent=1).encode() + b"\n")


def _key_facts(key: NetworkKey) -> dict[str, Any]:
    return {"secret": key.secret.hex(), "generation": key.generation}


def note_home(network: Network, home: Path) -> None:
    """Remember that a node of this home was started in the network. Blocks. Raises `HomeError`."""
    path = _path_of(network)
    with _locked(path):
        known = _read_if_there(path) or replace(network, since_ms=wall_ms())
        if str(home) not in known.homes:
            homes = (*known.homes, str(home))[-limits.HOMES_REMEMBERED :]
            _write(replace(known, homes=homes))


class NameTaken(HomeError):
    """This user calls another network by that name."""


def check_name(name: str, network: bytes) -> Network | None:
    """The network if this user has it by that name, None if the name is free. Blocks.

    Raises `NameTaken`, or another `HomeError`.
    """
    network_id(name)
    known = stored_network(name)
    if known is not None and known.id != network:
        raise NameTaken(
            f"this machine has another network called {name!r}: join under another name "
            "with --as NAME (the invitation has not been used)"
        )
    return known


def find_member(name: str, network: bytes) -> Network | None:
    """The closed network with this id if this user has it, by `name` or else by any other; None
    if not, and the name is free. Blocks. Raises as `check_name`."""
    known = stored_network(name)
    if known is not None and known.id == network:
        return known
    for known in known_networks():
        if known.id == network and not known.is_open:
            return known
    return check_name(name, network)


def keep_network(name: str, admission: Admission, invited_by: bytes) -> Network:
    """Keep what an invitation gave, under `name`. Blocks. Raises `HomeError`."""
    path = network_path(name)
    key = NetworkKey(admission.secret, generation=admission.generation)
    with _locked(path):
        known = check_name(name, admission.network)
        if known is None:
            network = Network(
                name, admission.network, key, since_ms=wall_ms(), invited_by=invited_by)
        else:
            network = _later(known, key, admission.overlap_ms)
        _write(network)
        return network


def change_secret(name: str, overlap_ms: int) -> Network:
    """Make a new secret; the one before is good for `overlap_ms` more. Blocks.

    Raises `HomeError`.
    """
    path = network_path(name)
    with _locked(path):
        network = _read(path)
        key = NetworkKey(
            secrets.token_bytes(SECRET_BYTES), generation=network.key.generation + 1)
        network = network.changed(key, overlap_ms, wall_ms())
        _write(network)
        return network


def learn_secret(name: str, key: NetworkKey, overlap_ms: int) -> Network:
    """Keep the secret that another member has told, if it is later than the one that is known.
    Blocks. Raises `HomeError`."""
    path = network_path(name)
    with _locked(path):
        known = _read(path)
        network = _later(known, key, overlap_ms)
        if network is not known:
            _write(network)
        return network


def _later(known: Network, key: NetworkKey, overlap_ms: int) -> Network:
    return known.changed(key, overlap_ms, wall_ms()) if key.is_later_than(known.key) else known
