"""One start of a home: the lock, the store, the key, the count, in the order that is safe.

Law: a key signs only with the history it signed before. So the store is made before the key, it
remembers whose it is, and a key without its store is refused: what it signed could be signed again
differently, which is a fork that the whole network would hold against it.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.runtime.home import Home, HomeError
from antsp2p.runtime.networks import Network, closed_network, open_network
from antsp2p.runtime.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from antsp2p.records.keys import Identity
    from antsp2p.runtime.store import History

_AUTHOR: Final = "author"
_NETWORK: Final = "network"
_BOOT: Final = "boot"
_PORT: Final = "port"


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

    def remember_port(self, port: int) -> None:
        if port != self.preferred_port:
            self.store.keep_facts(**{_PORT: port})

    def close(self) -> None:
        self.store.close()
        self.home.close()


def boot_home(
    path: Path, network_name: str, *, is_open: bool = False, accept_lost_store: bool = False
) -> Boot:
    """Take a home into use, and make it and its network if they are not there. Blocks.

    Raises `HomeError` or `StoreError`, each one line.
    """
    network = open_network(network_name) if is_open else closed_network(network_name)
    home = Home(path)
    home.open()
    try:
        store = _open_store(home, accept_lost_store)
        try:
            return _boot(home, store, network)
        except BaseException:
            store.close()
            raise
    except BaseException:
        home.close()
        raise


def _open_store(home: Home, accept_lost_store: bool) -> Store:
    has_key, has_store = home.has_key(), home.store_path.exists()
    if has_key:
        home.read_key()
    if has_key and not has_store and not accept_lost_store:
        raise HomeError(
            f"the store {home.store_path} is gone, but its key is still here: restore the store "
            "from a backup, take a new home, or accept the loss with --accept-lost-store (the node "
            "then waits for a peer to tell it where its history ended)"
        )
    return Store(home.store_path)


def _boot(home: Home, store: Store, network: Network) -> Boot:
    author, has_key = store.fact(_AUTHOR), home.has_key()
    if author is not None and not has_key:
        raise HomeError(
            f"the key {home.key_path} is gone, but its store is still here: restore the key from "
            "a backup, or take a new home"
        )
    identity = home.read_key() if has_key else home.make_key()
    # A first start that was cut off has made a key, but has not counted itself yet.
    fresh = author is None and (not has_key or not home.boot_path.exists())
    if author is not None and author != identity.author:
        raise HomeError(
            f"the store {home.store_path} belongs to another key than {home.key_path}: "
            "bring the two back together, or take a new home"
        )
    if store.fact(_NETWORK) not in (None, network.id):
        raise HomeError(
            f"the home {home.path} belongs to another network than {network.name!r}: "
            "take another home with --home or --name"
        )
    store.keep_facts(**{_AUTHOR: identity.author, _NETWORK: network.id})
    number = home.next_boot(_whole(store.fact(_BOOT)))
    store.keep_facts(**{_BOOT: number})
    return Boot(
        home=home, store=store, identity=identity, network=network, number=number, fresh=fresh,
        history=store.load(), preferred_port=_whole(store.fact(_PORT)),
    )


def _whole(fact: bytes | int | None) -> int:
    return fact if isinstance(fact, int) else 0
