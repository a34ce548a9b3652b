"""The address book: which addresses are known, why, and which give way when it is full.

Law: three shelves, each with its bound. What is proven never gives way to what is only named, and
of what is named the most talkative source gives way first. When to dial is not known here.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar

from antsp2p.gossip.addresses import is_loopback
from antsp2p.gossip.affinity import FARTHEST
from antsp2p.gossip.strangers import is_local, subnet_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.wire import Address

Key = TypeVar("Key", bytes, str)


class Origin(IntEnum):
    """Why an address is known; the higher, the longer it is kept."""

    NAMED = 0
    """Only a payload names it."""
    HINTED = 1
    """This machine found it: discovery, or memory."""
    PROVEN = 2
    """A node answered there."""
    KEPT = 3
    """A person named it."""


class Purpose(IntEnum):
    """Why an address was dialled last, and so what to do with an answer."""

    NEED = 0
    """Links are missing: link while they still are."""
    LOST = 1
    """A peer fell silent, and may be back: link."""
    MIX = 2
    """One link is to be exchanged: link, and let another go."""
    LOOK = 3
    """To see whether it is there: link only if it is on the far side of a partition."""


@dataclass(slots=True, eq=False)
class Known:
    """One known address. `author` is empty until somebody named or proved one."""

    address: Address
    origin: Origin
    author: bytes
    source: bytes
    """The peer whose payload named it; empty for others."""
    added_us: int
    proven: bool = False
    failures: int = 0
    """Hellos since an answer last came."""
    dialled_us: int = -1
    next_us: int = 0
    reached_us: int = -1
    lost_us: int = -1
    """When a link to it fell silent; below zero once it is back."""
    purpose: Purpose = Purpose.NEED
    far: int = FARTHEST
    """How far its author is from here, as it was named."""
    strange: int = 0
    """Answers in a row with another root than ours."""
    refusals: int = 0
    """Answers in a row that there is no room."""
    told_by_full: bool = False
    """Whether a node that had no room named it."""


class Book:
    """Passive, remembered and kept addresses."""

    def __init__(self, *, limits: Limits, rng: Random, drops: Counter[str]) -> None:
        self._limits = limits
        self._rng = rng
        self._drops = drops
        self._passive: dict[Address, Known] = {}
        self._remembered: dict[Address, Known] = {}
        self._kept: dict[Address, Known] = {}
        self._named: Counter[bytes] = Counter()
        """Source -> how many passive addresses only its payloads name."""
        self._named_hosts: Counter[str] = Counter()
        """Host -> how many of those are there."""

    def get(self, address: Address) -> Known | None:
        return (
            self._remembered.get(address) or self._passive.get(address)
            or self._kept.get(address)
        )

    def __iter__(self) -> Iterator[Known]:
        return iter(self.all())

    def all(self) -> list[Known]:
        """Those that a person named, then the proven ones, then the rest."""
        return [*self._kept.values(), *self._remembered.values(), *self._passive.values()]

    def __len__(self) -> int:
        return len(self._kept) + len(self._remembered) + len(self._passive)

    @property
    def has_kept(self) -> bool:
        """Whether a person named any address."""
        return bool(self._kept)

    def proven(self) -> list[Known]:
        """Where a node answered once."""
        kept = [known for known in self._kept.values() if known.proven]
        return [*kept, *self._remembered.values()]

    def unproven(self) -> list[Known]:
        """Where nobody has answered yet."""
        unknown = [*self._kept.values(), *self._passive.values()]
        return [known for known in unknown if not known.proven]

    def remove(self, address: Address) -> None:
        self._take(address)
        for shelf in (self._remembered, self._kept):
            shelf.pop(address, None)

    # --- adding ------------------------------------------------------------------------------

    def name(
        self, address: Address, author: bytes, source: bytes, now_us: int, far: int = FARTHEST
    ) -> Known | None:
        """Remember what a peer's payload names, if there is a place for it. `far`: how far that
        author is from here."""
        limits = self._limits
        own = self._named[source]
        if own >= limits.named_per_source:
            self._drops["named-full"] += 1
            return None
        rivals = self._rivals(address[0])
        if rivals is not None and not (
            self._yield(rivals, own) or self._yield_far(rivals, own, far)
        ):
            self._drops["named-full"] += 1
            return None
        known = Known(address, Origin.NAMED, author, source, now_us, next_us=now_us, far=far)
        self._passive[address] = known
        self._named[source] += 1
        self._named_hosts[address[0]] += 1
        return known

    def _rivals(self, host: str) -> list[Known] | None:
        """Of which one must give way to a named address at `host`; None where there is room."""
        limits = self._limits
        if not is_loopback(host):
            if self._named_hosts[host] >= limits.named_per_host:
                return [known for known in self._all_named() if known.address[0] == host]
            near = [] if is_local(host) else self._near(host)
            if len(near) >= limits.named_per_subnet:
                return near
        return self._all_named() if len(self._passive) >= limits.passive_addresses else None

    def _all_named(self) -> list[Known]:
        return [known for known in self._passive.values() if known.origin is Origin.NAMED]

    def _near(self, host: str) -> list[Known]:
        subnet = subnet_of(host)
        return [known for known in self._all_named() if subnet_of(known.address[0]) == subnet]

    def _yield(self, rivals: list[Known], own: int) -> bool:
        """Let one of `rivals` give way to a source that has `own` addresses so far."""
        counts = self._named
        if max(counts.values(), default=0) <= own + 1:
            return False
        most = max([counts[known.source] for known in rivals], default=0)
        if most <= own + 1:
            return False
        worst = min(
            [known for known in rivals if counts[known.source] == most],
            key=lambda known: (-known.failures, known.added_us, known.address),
        )
        self._take(worst.address)
        return True

    def _yield_far(self, rivals: list[Known], own: int, far: int) -> bool:
        """Let the farthest give way to a nearer one, of the sources that named as many or more."""
        counts = self._named
        farther = [
            known for known in rivals if known.far > far and counts[known.source] >= own
        ]
        if not farther:
            return False
        worst = max(farther, key=lambda known: (known.far, known.failures, known.address))
        self._take(worst.address)
        return True

    def _take(self, address: Address) -> Known | None:
        """Out of the passive shelf."""
        known = self._passive.pop(address, None)
        if known is not None and known.origin is Origin.NAMED:
            _count_down(self._named, known.source)
            _count_down(self._named_hosts, known.address[0])
        return known

    def hint(self, address: Address, keep: bool, now_us: int) -> Known:
        """Remember what this machine or its user knows."""
        known = self.get(address)
        keep = keep and len(self._kept) < self._limits.kept_addresses
        if known is None:
            known = Known(address, Origin.HINTED, b"", b"", now_us, next_us=now_us)
            if not keep:
                self._make_room()
                self._passive[address] = known
        if keep and known.origin is not Origin.KEPT:
            self.remove(address)
            known.origin = Origin.KEPT
            self._kept[address] = known
        if known.origin is Origin.NAMED:
            self._take(address)
            known.origin = Origin.HINTED
            self._passive[address] = known
        return known

    def prove(self, address: Address, author: bytes, now_us: int) -> Known:
        """`author` answered at `address`."""
        known = self.get(address) or Known(address, Origin.PROVEN, author, b"", now_us)
        if known.origin is not Origin.KEPT and address not in self._remembered:
            self._take(address)
            known.origin = Origin.PROVEN
            if len(self._remembered) >= self._limits.remembered_addresses:
                self._forget_one()
            self._remembered[address] = known
        known.author = author
        known.proven = True
        known.reached_us = now_us
        known.failures = 0
        return known

    def _make_room(self) -> None:
        """A place for a hint: what is only named gives way first, then any."""
        if len(self._passive) < self._limits.passive_addresses:
            return
        named = [known for known in self._passive.values() if known.origin is Origin.NAMED]
        victim = self._rng.choice(named or list(self._passive.values()))
        self._take(victim.address)

    def _forget_one(self) -> None:
        worst = min(
            self._remembered.values(),
            key=lambda known: (-known.failures, known.reached_us, known.address),
        )
        del self._remembered[worst.address]

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {
            "passive": len(self._passive), "remembered": len(self._remembered),
            "kept": len(self._kept), "named-sources": len(self._named),
            "named-hosts": len(self._named_hosts),
        }


def _count_down(counts: Counter[Key], key: Key) -> None:
    """One less; what is nought takes no place."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
