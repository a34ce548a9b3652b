"""One start of a home: the lock, the store, the key, the count, in the order that is safe.

Law: a key signs only with the history it signed before. So the store is made before the key, it
remembers whose it is, and a key without its store is refused: what it signed could be signed again
differently, which is a fork that the whole network would hold against it. For the same reason a
home that seems to be an old copy signs nothing until a peer knows its log as far as it goes, or a
person says by name that there is no other.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.standing import recovery_digest
from antsp2p.records import work
from antsp2p.runtime.home import Home, HomeError, network_id
from antsp2p.runtime.machine import Memory, this_machine
from antsp2p.runtime.networks import (
    Network,
    closed_network,
    known_networks,
    note_home,
    open_network,
    stored_network,
)
from antsp2p.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from antsp2p.records.keys import Identity
    from antsp2p.runtime.store import History

_AUTHOR: Final = "author"
_NETWORK: Final = "network"
_BOOT: Final = "boot"
_PORT: Final = "port"
_MACHINE: Final = "machine"
_SUSPICION: Final = "suspicion"
_WORK: Final = "work"
TRIES_AT_ONCE: Final = 1 << 16
"""Nonces tried between two looks whether to go on: about 30 ms."""
IMPORTED: Final = "its key was imported"
MOVED: Final = "it ran on another machine before"
OLDER: Final = "a later start of its key is remembered on this machine"
SHORT_NAME: Final = 12
"""Hex digits of an author by which a person names a node, as tables show them."""


@dataclass(frozen=True, slots=True)
class Boot:
    """A home in use, and what it held. `close` gives it back."""

    home: Home
    store: Store
    identity: Identity
    network: Network
    number: int
    """Higher at every start."""
    fresh: bool
    """Whether the key was made together with this store, so that nothing was ever signed."""
    history: History
    preferred_port: int
    """The port of the last run, so that peers find the node again; 0 at first."""
    recovery: bytes = b""
    """The digest of the key's recovery key; empty where it has none."""
    suspicion: str = ""
    """Why this may be an old copy, and what to do, in a line; empty where nothing says so."""
    memory: Memory | None = None
    work: int | None = None
    """The nonce that pays for the key in its network; None where nothing is asked for."""

    def settle(self) -> None:
        """The log is known to be whole: the home belongs here from now on."""
        self.store.keep_facts(**{_MACHINE: this_machine(), _SUSPICION: b""})
        if self.memory is not None:
            self.memory.remember(self.home.path, self.number)

    def remember_port(self, port: int) -> None:
        if port != self.preferred_port:
            self.store.keep_facts(**{_PORT: port})

    def close(self) -> None:
        self.store.close()
        if self.memory is not None:
            self.memory.close()
        self.home.close()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a person says at a start."""

    accept_lost_store: bool
    passphrase: bytes | None
    only_copy: str
    remember: bool
    work_bits: int
    pause: Callable[[], None]


def boot_home(
    path: Path, network_name: str, *, is_open: bool = False, accept_lost_store: bool = False,
    passphrase: bytes | None = None, only_copy: str = "", remember: bool = True,
    work_bits: int = 0, pause: Callable[[], None] = lambda: None,
) -> Boot:
    """Take a home into use, and make it and its network if they are not there. Blocks.

    `only_copy` is how the author begins, in hex: a person's word that no other copy of a home that
    looks old has ever signed. Without `remember` nothing is kept outside the home. Where the
    network asks for `work_bits`, which only an open one may, the first start searches a nonce; it
    calls `pause` now and then, which may raise to end it. Raises `HomeError` or `StoreError`, each
    one line.
    """
    if work_bits and not is_open:
        raise HomeError("a price goes with an open network: into a closed one one is invited")
    network_id(network_name, work_bits)
    asked = _Asked(accept_lost_store, passphrase, only_copy, remember, work_bits, pause)
    home = Home(path)
    home.open()
    try:
        store = _open_store(home, asked)
        try:
            network = _network(home, store, network_name, is_open, work_bits)
            return _boot(home, store, network, asked)
        except BaseException:
            store.close()
            raise
    except BaseException:
        home.close()
        raise


def _open_store(home: Home, asked: _Asked) -> Store:
    has_key, has_store = home.has_key(), home.store_path.exists()
    if has_key:
        home.key_file()
    if has_key and not has_store and not asked.accept_lost_store:
        raise HomeError(
            f"the store {home.store_path} is gone, but its key is still here: restore the store "
            "from a backup, take a new home, or accept the loss with --accept-lost-store (the node "
            "then waits for a peer to tell it where its history ended)"
        )
    return Store(home.store_path)


def _network(
    home: Home, store: Store, name: str, is_open: bool, work_bits: int
) -> Network:
    """The network of that name, made only for a home that is in none yet: a start that is refused
    leaves no network behind into which a later one would go."""
    home_id = store.fact(_NETWORK)
    if is_open:
        network: Network | None = open_network(name, work_bits)
    elif home_id is None:
        network = closed_network(name)
    else:
        network = stored_network(name)
    if network is None or home_id not in (None, network.id):
        shown = f"the open network {name!r}" if is_open else f"the closed network {name!r}"
        price = f" at {work_bits} bits" if work_bits else ""
        named = next((each.name for each in known_networks() if each.id == home_id), "")
        raise HomeError(
            f"the home {home.path} belongs to another network than {shown}{price}"
            + (f", to {named!r}" if named else "")
            + " (see: antsp2p networks): take another home with --home or --name"
        )
    return network


def _boot(home: Home, store: Store, network: Network, asked: _Asked) -> Boot:
    author, has_key = store.fact(_AUTHOR), home.has_key()
    if author is not None and not has_key:
        raise HomeError(
            f"the key {home.key_path} is gone, but its store is still here: restore the key from "
            "a backup, or take a new home"
        )
    identity = home.read_key(asked.passphrase) if has_key else home.make_key()
    # A first start that was cut off has made a key, but has not counted itself yet.
    fresh = author is None and (not has_key or not home.boot_path.exists())
    if author is not None and author != identity.author:
        raise HomeError(
            f"the store {home.store_path} belongs to another key than {home.key_path}: "
            "bring the two back together, or take a new home"
        )
    memory = Memory(identity.author) if asked.remember else None
    if memory is not None:
        memory.open()
    try:
        return _start(home, store, identity, network, fresh, memory, asked)
    except BaseException:
        if memory is not None:
            memory.close()
        raise


def _start(
    home: Home, store: Store, identity: Identity, network: Network, fresh: bool,
    memory: Memory | None, asked: _Asked,
) -> Boot:
    author, only_copy = identity.author, asked.only_copy
    remembered = 0 if memory is None else memory.starts()
    reason = _suspicion(home, store, remembered)
    if only_copy and not _is_named(author, only_copy):
        raise HomeError(f"--only-copy takes the node's own name: {author.hex()[:SHORT_NAME]}")
    store.keep_facts(**{_AUTHOR: author, _NETWORK: network.id, _SUSPICION: reason.encode()})
    note_home(network, home.path)
    number = home.next_boot(max(_whole(store.fact(_BOOT)), remembered))
    store.keep_facts(**{_BOOT: number})
    recovery = home.recovery_file()
    boot = Boot(
        home=home, store=store, identity=identity, network=network, number=number, fresh=fresh,
        history=store.load(), preferred_port=_whole(store.fact(_PORT)),
        recovery=b"" if recovery is None else recovery_digest(recovery.public_key),
        suspicion="" if only_copy or not reason else _warning(author, reason), memory=memory,
        work=_nonce(store, network.id, author, asked),
    )
    if not boot.suspicion:
        boot.settle()
    return boot


def _nonce(store: Store, network: bytes, author: bytes, asked: _Asked) -> int | None:
    """What pays for the key: as it was found before, or after a search."""
    bits = asked.work_bits
    if not bits:
        return None
    if not 0 < bits <= work.MAX_WORK_BITS:
        raise HomeError(f"a network may ask for at most {work.MAX_WORK_BITS} bits of work")
    nonce: int | None = _whole(store.fact(_WORK))
    if nonce is not None and work.check(network, author, nonce, bits):
        return nonce
    start, nonce = 0, None
    while nonce is None:
        asked.pause()
        nonce = work.mine(network, author, bits, start=start, tries=TRIES_AT_ONCE)
        start += TRIES_AT_ONCE
    store.keep_facts(**{_WORK: nonce})
    return nonce


def _suspicion(home: Home, store: Store, remembered: int) -> str:
    """Why the home may be an old copy. What was once suspected stays so until it is settled."""
    kept, machine = store.fact(_SUSPICION), store.fact(_MACHINE)
    if isinstance(kept, bytes) and kept:
        return kept.decode("utf-8", "replace")
    if remembered > max(home.last_boot(), _whole(store.fact(_BOOT))):
        return OLDER
    here = this_machine()
    return MOVED if machine and here and machine != here else ""


def _is_named(author: bytes, name: str) -> bool:
    return len(name) >= SHORT_NAME and author.hex().startswith(name.lower())


def _warning(author: bytes, reason: str) -> str:
    return (
        f"this home may be an old copy ({reason}): nothing is signed until a peer confirms where "
        "its history ends; if no other copy ever ran, start it with "
        f"--only-copy {author.hex()[:SHORT_NAME]}"
    )


def note_import(home: Home, author: bytes) -> None:
    """A key was brought into an empty home: what it signed elsewhere is not known here."""
    store = Store(home.store_path)
    try:
        store.keep_facts(**{_AUTHOR: author, _SUSPICION: IMPORTED.encode()})
    finally:
        store.close()


def _whole(fact: bytes | int | None) -> int:
    return fact if isinstance(fact, int) else 0
