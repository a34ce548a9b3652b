"""The view: which addresses are known, and whom to dial next.

Law: an address that only a payload names gets a bounded number of padded hellos at a bounded rate,
and nothing else. What a link is and what flows on it is not known here.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from antsp2p.gossip.bucket import Bucket
from antsp2p.gossip.wire import (
    Address,
    PeerAddress,
    is_loopback,
    pack_host,
    unpack_host,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from random import Random

    from antsp2p.gossip.limits import Limits


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


@dataclass(frozen=True, slots=True)
class Linked:
    """What the view needs to know of the links."""

    addresses: Collection[Address]
    authors: Collection[bytes]


class View:
    """The table of known addresses."""

    def __init__(
        self, *, me: bytes, rng: Random, now_us: int, limits: Limits, drops: Counter[str]
    ) -> None:
        self._me = me
        self._rng = rng
        self._limits = limits
        self._drops = drops
        self._known: dict[Address, Known] = {}
        self._own: dict[Address, None] = {}
        self._named_dials = Bucket(limits.named_dials_per_s, limits.named_dials_per_s, now_us)
        self._heal_us = now_us + self._spread(limits.heal_us)
        self.wake_us = now_us
        """When `plan` has something to do."""

    # --- learning ----------------------------------------------------------------------------

    def hint(self, address: Address, now_us: int, keep: bool) -> None:
        """This machine or its user knows `address`."""
        if address in self._own:
            return
        known = self._known.get(address)
        if known is None:
            kept = sum(known.origin is Origin.KEPT for known in self._known.values())
            keep = keep and kept < self._limits.kept_addresses
            known = self._add(address, Origin.KEPT if keep else Origin.HINTED, b"", b"", now_us)
        if known is None:
            return
        known.origin = max(known.origin, Origin.KEPT if keep else Origin.HINTED)
        # A hint is news: whoever gave it has just seen something there.
        known.next_us = min(known.next_us, max(now_us, known.dialled_us + self._limits.dial_us))
        self.wake_us = min(self.wake_us, known.next_us)

    def named(
        self, source: bytes, source_host: str, peers: Iterable[PeerAddress], now_us: int
    ) -> None:
        """A peer's payload names addresses."""
        for peer in peers:
            host = unpack_host(peer.host)
            address = (host, peer.port)
            if not host or peer.author == self._me or address in self._own:
                continue
            if is_loopback(host) and not is_loopback(source_host):
                continue
            known = self._known.get(address)
            if known is None:
                self._add(address, Origin.NAMED, peer.author, source, now_us)
                self.wake_us = min(self.wake_us, now_us)
            elif not known.author:
                known.author = peer.author

    def reached(self, address: Address, author: bytes, now_us: int) -> None:
        """`author` answered at `address`."""
        known = self._known.get(address)
        if known is None:
            known = self._add(address, Origin.PROVEN, author, b"", now_us)
        if known is not None:
            known.author = author
            known.origin = max(known.origin, Origin.PROVEN)
            known.proven = True
            known.failures = 0

    def lost(self, address: Address, now_us: int) -> None:
        """The link at `address` is gone: try it again soon."""
        known = self._known.get(address)
        if known is not None:
            known.next_us = now_us + self._spread(self._limits.first_backoff_us)
            self.wake_us = min(self.wake_us, known.next_us)

    def refused(self, address: Address, now_us: int) -> None:
        """The node there has no room: it lives, so ask again, but not soon."""
        known = self._known.get(address)
        if known is not None:
            known.proven = True
            known.next_us = now_us + self._spread(self._limits.max_backoff_us)

    def own(self, address: Address) -> None:
        """`address` is this node's own: never dial it again."""
        self._known.pop(address, None)
        if len(self._own) >= self._limits.own_addresses:
            del self._own[next(iter(self._own))]
        self._own[address] = None

    def extend(self, gap_us: int) -> None:
        """The own loop stood still for `gap_us`: nothing was missed in that time."""
        self._heal_us += gap_us

    # --- deciding ----------------------------------------------------------------------------

    def plan(self, linked: Linked, now_us: int) -> list[Address]:
        """The addresses to send a hello to now, and `wake_us` anew."""
        limits = self._limits
        for known in list(self._known.values()):
            if self._is_spent(known, now_us):
                del self._known[known.address]
        free = [
            known for known in self._known.values()
            if known.address not in linked.addresses
            and not (known.author and known.author in linked.authors)
        ]
        pending = sum(self._is_pending(known, now_us) for known in free)
        wanted = min(limits.target_links - len(linked.authors), limits.pending_dials) - pending
        kept_wanted = limits.target_links + limits.kept_links - len(linked.authors)
        heal = self._heal_due(now_us)
        due = [known for known in free if known.next_us <= now_us]
        # Every address gets a number drawn once, so that equals are tried in a random order.
        order = {known.address: self._rng.random() for known in due}
        due.sort(key=lambda known: (-known.origin, known.failures, order[known.address]))
        chosen: list[Known] = []
        for known in due:
            if known.origin is Origin.KEPT:
                if len(chosen) < kept_wanted:
                    chosen.append(known)
            elif len(chosen) < wanted:
                chosen.append(known)
        if heal:
            self._add_outsider(free, chosen, now_us)
        is_alone = not linked.authors
        dialled = [known.address for known in chosen if self._dial(known, is_alone, now_us)]
        self._set_wake(free, wanted - len(dialled) > 0, now_us)
        return dialled

    def _heal_due(self, now_us: int) -> bool:
        if now_us < self._heal_us:
            return False
        self._heal_us = now_us + self._spread(self._limits.heal_us)
        return True

    def _add_outsider(self, free: list[Known], chosen: list[Known], now_us: int) -> None:
        """One more known address outside the view, at random, whatever its backoff."""
        outside = [
            known for known in free
            if known not in chosen and not self._is_pending(known, now_us)
            and known.origin is not Origin.NAMED
        ]
        if outside:
            chosen.append(self._rng.choice(outside))

    def _dial(self, known: Known, is_alone: bool, now_us: int) -> bool:
        if known.origin is Origin.NAMED and not self._named_dials.take(1, now_us):
            known.next_us = now_us + self._limits.dial_us
            return False
        known.dialled_us = now_us
        known.failures += 1
        known.next_us = now_us + self._spread(self._backoff_us(known, is_alone))
        return True

    def _backoff_us(self, known: Known, is_alone: bool) -> int:
        limits = self._limits
        if known.origin is Origin.NAMED:
            first = known.failures == 1
            return limits.first_named_backoff_us if first else limits.named_backoff_us
        top = limits.max_backoff_us
        if is_alone:
            top = limits.lonely_backoff_us
        elif known.origin is not Origin.KEPT and known.failures > limits.patient_dials:
            top = limits.long_backoff_us
        return min(limits.first_backoff_us << min(known.failures - 1, 20), top)

    def _is_pending(self, known: Known, now_us: int) -> bool:
        return known.failures > 0 and now_us - known.dialled_us < self._limits.dial_us

    def _set_wake(self, free: list[Known], wants_more: bool, now_us: int) -> None:
        times = [self._heal_us] if self._known else []
        for known in free:
            if known.origin is Origin.KEPT or wants_more:
                times.append(max(known.next_us, now_us + self._limits.first_backoff_us // 2))
            elif self._is_pending(known, now_us):
                times.append(known.dialled_us + self._limits.dial_us)
        self.wake_us = min(times, default=now_us + self._limits.heal_us)

    def _is_spent(self, known: Known, now_us: int) -> bool:
        """Whether an address never answered and has had its chances."""
        if self._is_pending(known, now_us) or known.proven:
            return False
        if known.origin is Origin.NAMED:
            return known.failures >= self._limits.named_dials
        return known.origin is Origin.HINTED and known.failures > 2 * self._limits.patient_dials

    # --- answering ---------------------------------------------------------------------------

    def is_mesh(self, linked: Collection[bytes]) -> bool:
        """Whether every author known to be about is among `linked`."""
        return not any(
            known.author and known.author not in linked
            and known.failures <= self._limits.outsider_failures
            for known in self._known.values()
        )

    def addresses_of(self, author: bytes) -> list[Address]:
        """Where `author` was reached, then where others say it is."""
        found = [known for known in self._known.values() if known.author == author]
        found.sort(key=lambda known: (not known.proven, known.failures, known.address))
        return [known.address for known in found]

    def sample(
        self, linked: Iterable[tuple[bytes, Address]], asker_host: str, asker: bytes, count: int
    ) -> tuple[PeerAddress, ...]:
        """Up to `count` addresses where a node was reached, for a peer at `asker_host`."""
        pool = dict.fromkeys((address, author) for author, address in linked)
        for known in self._known.values():
            if known.proven and known.author and known.failures == 0:
                pool[known.address, known.author] = None
        shareable = [
            PeerAddress(author, pack_host(host), port)
            for (host, port), author in pool
            if author != asker and pack_host(host)
            and (not is_loopback(host) or is_loopback(asker_host))
        ]
        if len(shareable) > count:
            shareable = self._rng.sample(shareable, count)
        return tuple(sorted(shareable))

    def knows(self, address: Address) -> bool:
        return address in self._known

    def is_kept(self, address: Address) -> bool:
        known = self._known.get(address)
        return known is not None and known.origin is Origin.KEPT

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"known": len(self._known), "own": len(self._own)}

    # --- small parts -------------------------------------------------------------------------

    def _add(
        self, address: Address, origin: Origin, author: bytes, source: bytes, now_us: int
    ) -> Known | None:
        if source and self._named_by(source) >= self._limits.named_per_source:
            self._drops["named-full"] += 1
            return None
        if len(self._known) >= self._limits.known_addresses and not self._evict(origin):
            self._drops["known-full"] += 1
            return None
        known = Known(address, origin, author, source, now_us, next_us=now_us)
        self._known[address] = known
        return known

    def _named_by(self, source: bytes) -> int:
        return sum(known.source == source and not known.proven for known in self._known.values())

    def _evict(self, origin: Origin) -> bool:
        """Make room for an address of `origin`: the worst that is not above it goes."""
        counts = Counter(known.source for known in self._known.values())
        victims = [
            known for known in self._known.values()
            if known.origin is not Origin.KEPT and known.origin <= origin
        ]
        if not victims:
            return False
        worst = min(
            victims,
            key=lambda known: (
                known.origin, -counts[known.source], -known.failures, known.added_us,
                known.address,
            ),
        )
        del self._known[worst.address]
        return True

    def _spread(self, interval_us: int) -> int:
        """`interval_us` give or take a quarter, so that nodes do not act in step."""
        return self._rng.randrange(interval_us * 3 // 4, interval_us * 5 // 4 + 1)
