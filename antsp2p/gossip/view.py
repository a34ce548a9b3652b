"""The view: how many links a node wants, and whom to dial next.

Law: an address that only a payload names gets a bounded number of padded hellos at a bounded rate,
and nothing else. The view is asked when something is due, never at every datagram. What a link is
and what flows on it is not known here.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.addresses import is_loopback, unpack_host
from antsp2p.gossip.affinity import FARTHEST, Affinity
from antsp2p.gossip.backoff import backoff_us, due_us, is_pending, is_spent
from antsp2p.gossip.book import Book, Known, Origin, Purpose
from antsp2p.gossip.exchange import Exchange
from antsp2p.gossip.naming import addresses_for
from antsp2p.gossip.outsiders import Outsiders
from antsp2p.gossip.pressure import Pressure
from antsp2p.gossip.strangers import StrangerDials

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable
    from random import Random

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.wire import Address, PeerAddress


@dataclass(frozen=True, slots=True)
class Linked:
    """What the view needs to know of the links."""

    addresses: Collection[Address]
    authors: Collection[bytes]
    initiated: int = 0
    """Links that this node dialled."""
    reach: int = FARTHEST
    """The distance of the farthest link that may give way to a nearer one."""


class View:
    """Plans hellos over the address book."""

    def __init__(
        self, *, me: bytes, rng: Random, now_us: int, limits: Limits, drops: Counter[str]
    ) -> None:
        self._me = me
        self.affinity = Affinity(me)
        self._rng = rng
        self._limits = limits
        self._book = Book(limits=limits, rng=rng, drops=drops)
        self._own: dict[Address, None] = {}
        self._strangers = StrangerDials(limits, now_us)
        self._target = limits.target_links
        self._is_small = True
        """Whether there are links enough for everybody known to be about."""
        self._is_hungry = True
        """Whether the last plan wanted more links than it had addresses for."""
        self._is_patient = False
        """Whether it can wait until nodes without room have some."""
        self._since_us = now_us
        self._outsiders = Outsiders(rng=rng, limits=limits, spread=self._spread, now_us=now_us)
        self._pressure = Pressure(limits, now_us)
        self._exchange = Exchange(
            affinity=self.affinity, rng=rng, limits=limits, pressure=self._pressure,
            spread=self._spread, now_us=now_us,
        )
        self._choice_us: int | None = None
        """When one is dialled next for the sake of the share of links that this node dialled."""
        self._choice_pause_us = limits.choice_us
        self.wake_us = now_us
        """When `plan` has something to do."""

    # --- learning ----------------------------------------------------------------------------

    def hint(self, address: Address, now_us: int, keep: bool) -> None:
        """This machine or its user knows `address`."""
        if address in self._own:
            return
        known = self._book.hint(address, keep, now_us)
        # A hint is news: whoever gave it has just seen something there.
        known.next_us = min(known.next_us, max(now_us, known.dialled_us + self._limits.dial_us))
        if self._is_welcome or known.origin is Origin.KEPT:
            self.wake_us = min(self.wake_us, known.next_us)

    def named(
        self, source: bytes, source_host: str, peers: Iterable[PeerAddress], now_us: int,
        *, is_full: bool = False,
    ) -> None:
        """A peer's payload names addresses. `is_full`: it says so instead of taking a link."""
        for peer in peers:
            host = unpack_host(peer.host)
            address = (host, peer.port)
            if not host or peer.author == self._me or address in self._own:
                continue
            if is_loopback(host) and not is_loopback(source_host):
                continue
            known = self._book.get(address)
            if known is not None:
                known.author = known.author or peer.author
            else:
                far = self.affinity.far(peer.author)
                known = self._book.name(address, peer.author, source, now_us, far)
                if known is not None and self._is_welcome:
                    self.wake_us = min(self.wake_us, now_us)
            if known is not None and is_full:
                known.told_by_full = True

    def reached(self, address: Address, author: bytes, now_us: int) -> None:
        """`author` answered at `address`."""
        self._book.prove(address, author, now_us)
        self._strangers.answered(address)

    def lost(self, address: Address, now_us: int, *, is_silent: bool) -> None:
        """The link at `address` is gone: try it again soon. `is_silent`: nobody said why."""
        known = self._book.get(address)
        if known is None:
            return
        known.next_us = now_us + self._spread(self._limits.first_backoff_us)
        if is_silent:
            # Others may have lost links with it, and have room again.
            for each in self._book:
                each.refusals = 0
            known.lost_us = now_us
            self._outsiders.lost(now_us)

    def refused(self, address: Address, now_us: int, author: bytes = b"") -> None:
        """The node there has no room: it lives, so ask again, but not soon. It may say who it is.
        """
        known = self._book.get(address)
        if known is None:
            return
        known.author = known.author or author
        self._strangers.answered(address)
        if known.author:
            self._book.prove(address, known.author, now_us)
        known.failures, known.lost_us = 0, -1
        known.next_us = now_us + self._spread(self._limits.refused_us)
        known.refusals += 1
        if self._is_hungry:
            self.thinned(now_us)

    def turned_away(self, host: str, now_us: int) -> bool:
        """There was no room for a caller. Returns whether callers press: then this node looks by
        itself for those who belong here."""
        was_pressed = self.is_pressed(now_us)
        if self._pressure.turned_away(host, now_us) and not was_pressed:
            self._exchange.hurry(now_us)
            self.wake_by(self._exchange.due_us)
        return self.is_pressed(now_us)

    def is_pressed(self, now_us: int) -> bool:
        """Whether more call than there is room for, again and again."""
        return self._pressure.lasts(now_us)

    def thinned(self, now_us: int) -> None:
        """There is a link less: look whether another is to be dialled."""
        self.wake_us = min(self.wake_us, now_us + 1)

    def wake_by(self, time_us: int) -> None:
        """Somebody has something to do at `time_us` when `plan` is asked."""
        self.wake_us = min(self.wake_us, time_us)

    def own(self, address: Address) -> None:
        """`address` is this node's own: never dial it again."""
        self._book.remove(address)
        if len(self._own) >= self._limits.own_addresses:
            del self._own[next(iter(self._own))]
        self._own[address] = None

    def extend(self, gap_us: int) -> None:
        """The own loop stood still for `gap_us`: nothing was missed in that time."""
        self._outsiders.extend(gap_us)

    def known(self) -> Iterable[Known]:
        """Every known address: those that a person named first, then the proven ones."""
        return iter(self._book)

    # --- answers to hellos -------------------------------------------------------------------

    def wants(self, address: Address, linked: Linked, *, is_strange: bool) -> bool:
        """Whether to link with the node that answered a hello at `address`. `is_strange`: it told
        another root than ours."""
        known = self._book.get(address)
        is_missing = self._missing(linked) > 0
        if known is None:
            return is_missing
        known.strange = known.strange + 1 if is_strange else 0
        if known.origin is Origin.KEPT:
            most = self._limits.target_links + self._limits.kept_links
            return len(linked.authors) < most
        if known.lost_us >= 0 or known.purpose is Purpose.MIX:
            return True
        is_far = (
            known.strange >= self._limits.strange_roots
            or known.failures > self._limits.returned_failures
        )
        return is_missing or is_far

    def linked(self, address: Address, author: bytes, now_us: int) -> bool:
        """A link to `address` is up; returns whether another is to go for it."""
        known = self._book.prove(address, author, now_us)
        self._strangers.answered(address)
        is_exchange = known.purpose is Purpose.MIX
        if is_exchange:
            self._exchange.done(now_us)
        else:
            self._choice_pause_us = self._limits.choice_us
        known.purpose, known.lost_us, known.strange, known.refusals = Purpose.NEED, -1, 0, 0
        return is_exchange

    def is_returning(self, author: bytes) -> bool:
        """Whether `author` fell silent and has not been linked since."""
        return any(known.lost_us >= 0 and known.author == author for known in self._book.proven())

    # --- deciding ----------------------------------------------------------------------------

    def plan(self, linked: Linked, now_us: int) -> list[tuple[Address, Purpose]]:
        """The addresses to send a hello to now, and `wake_us` anew."""
        limits = self._limits
        tried = [known for known in self._book.unproven() if known.failures]
        for known in tried:
            if is_spent(known, limits, now_us):
                self._book.remove(known.address)
        authors = linked.authors
        self._target = self._target_of(linked)
        self._is_patient = (
            now_us - self._since_us >= limits.settled_us and len(authors) >= limits.needy_links
            and not self.is_pressed(now_us)
        )
        missing = self._wanted(self._missing(linked), linked, now_us)
        free = self._free(linked) if missing > 0 or self._is_curious(now_us) else []
        after_us = now_us - limits.dial_us
        pending = sum([known.failures > 0 and known.dialled_us > after_us for known in free])
        wanted = min(missing, limits.pending_dials) - pending
        chosen = self._replacements(free, linked, wanted, now_us)
        purposes = dict.fromkeys((known.address for known in chosen), Purpose.NEED)
        for known, purpose in self._others(free, chosen, linked, missing, now_us):
            chosen.append(known)
            purposes[known.address] = purpose
        is_alone = not linked.authors
        dialled = [known for known in chosen if self._dial(known, is_alone, now_us)]
        for known in dialled:
            known.purpose = purposes[known.address]
        self._is_hungry = missing > 0
        self._set_wake(free, wanted > len(dialled), now_us)
        return [(known.address, known.purpose) for known in dialled]

    def _free(self, linked: Linked) -> list[Known]:
        """Whatever is known without a link."""
        addresses, authors = linked.addresses, linked.authors
        return [
            known for known in self._book.all()
            if known.author not in authors and known.address not in addresses
        ]

    def _is_curious(self, now_us: int) -> bool:
        """Whether some address may be dialled although no link is missing."""
        return (
            self._book.has_kept or now_us >= self._exchange.due_us
            or self._outsiders.is_due(now_us)
        )

    def _target_of(self, linked: Linked) -> int:
        """How many links to have: to everybody where that fits, so that few form a full mesh."""
        limits = self._limits
        others: set[bytes | Address] = set()
        most = limits.target_links + limits.accepted_links - len(linked.authors)
        addresses, authors = linked.addresses, linked.authors
        for known in self._book.all():
            if (
                known.failures <= limits.outsider_failures
                and known.author not in authors and known.address not in addresses
            ):
                others.add(known.author or known.address)
                if len(others) > most:
                    self._is_small = False
                    return limits.target_links
        self._is_small = True
        return max(limits.target_links, len(linked.authors) + len(others))

    def _missing(self, linked: Linked) -> int:
        """Links to dial for: up to the target, and until enough of them are our own choice."""
        total = len(linked.authors)
        own_choice = -(-total // self._limits.dialled_share)
        return max(self._target - total, own_choice - linked.initiated, 0)

    def _wanted(self, missing: int, linked: Linked, now_us: int) -> int:
        """How many of the missing links to dial for now. Where only some of the node's own choice
        are missing, and all are full, it asks ever more rarely."""
        is_choice = missing > 0 and len(linked.authors) >= self._target
        if not is_choice or not self._is_patient:
            self._choice_us = None
            return missing
        if self._choice_us is not None and now_us < self._choice_us:
            return 0
        self._choice_us = now_us + self._spread(self._choice_pause_us)
        self._choice_pause_us = min(2 * self._choice_pause_us, self._limits.max_choice_us)
        return 1

    def is_small(self) -> bool:
        """Whether all nodes known to be about are to be linked."""
        return self._is_small

    def _replacements(
        self, free: list[Known], linked: Linked, wanted: int, now_us: int
    ) -> list[Known]:
        kept_wanted = (
            self._limits.target_links + self._limits.kept_links - len(linked.authors)
        )
        if wanted <= 0 and not self._book.has_kept:
            return []
        due = [
            known for known in free
            if known.next_us <= now_us and self._due_us(known) <= now_us
            and (wanted > 0 or known.origin is Origin.KEPT)
        ]
        order = {known.address: self._distance(known) for known in due}
        due.sort(key=lambda known: (
            known.origin is not Origin.KEPT, known.lost_us >= 0, known.failures,
            not _is_own_find(known), order[known.address],
        ))
        chosen: list[Known] = []
        for known in due:
            if len(chosen) < (kept_wanted if known.origin is Origin.KEPT else wanted):
                chosen.append(known)
        return chosen

    def _others(
        self, free: list[Known], chosen: list[Known], linked: Linked, missing: int, now_us: int,
    ) -> list[tuple[Known, Purpose]]:
        """Addresses outside the view that are dialled although no link is missing."""
        is_mix = now_us >= self._exchange.due_us
        if not is_mix and not self._outsiders.is_due(now_us):
            return []
        rest = [
            known for known in free
            if known not in chosen and not is_pending(known, self._limits, now_us)
        ]
        found = self._outsiders.choose(rest, now_us)
        if is_mix:
            is_wanted = not missing and not self._is_small
            found += self._exchange.choose(rest, linked.reach, is_wanted, now_us)
        return list({known.address: (known, purpose) for known, purpose in found}.values())

    def _distance(self, known: Known) -> int:
        """How near whoever is said to be there is; where nobody is, any place is as good."""
        if not known.author:
            return self._rng.getrandbits(64)
        return self.affinity.far(known.author)

    def _dial(self, known: Known, is_alone: bool, now_us: int) -> bool:
        if known.origin is Origin.NAMED and not self._strangers.take(known.address, now_us):
            known.next_us = now_us + self._limits.dial_us
            return False
        known.dialled_us = now_us
        known.failures += 1
        pause_us = backoff_us(known, self._limits, is_alone=is_alone)
        known.next_us = now_us + self._spread(pause_us)
        return True

    def _set_wake(self, free: list[Known], wants_more: bool, now_us: int) -> None:
        times = []
        if len(self._book):
            times += [self._outsiders.heal_us, self._exchange.due_us]
        asked = (self._outsiders.lost_us, self._choice_us, self._pressure.ends_us(now_us))
        times += [time_us for time_us in asked if time_us is not None]
        watched: Iterable[Known] = free
        if not wants_more and not self._is_hungry:
            watched = [
                known for known in free if known.origin is Origin.KEPT
            ] if self._book.has_kept else ()
        soonest_us = now_us + self._limits.first_backoff_us // 2
        for known in watched:
            if known.origin is Origin.KEPT or wants_more:
                times.append(max(self._due_us(known), soonest_us))
            elif is_pending(known, self._limits, now_us):
                times.append(known.dialled_us + self._limits.dial_us)
        self.wake_us = min(times, default=now_us + self._limits.heal_us)

    def _due_us(self, known: Known) -> int:
        return due_us(known, self._limits, is_patient=self._is_patient)

    # --- answering ---------------------------------------------------------------------------

    def is_mesh(self, linked: Collection[bytes]) -> bool:
        """Whether every author known to be about is among `linked`."""
        return not any(
            known.author and known.author not in linked
            and known.failures <= self._limits.outsider_failures
            for known in self._book
        )

    def addresses_of(self, author: bytes) -> list[Address]:
        """Where `author` was reached, then where others say it is."""
        found = [known for known in self._book if known.author == author]
        found.sort(key=lambda known: (not known.proven, known.failures, known.address))
        return [known.address for known in found]

    def sample(
        self, linked: Iterable[tuple[bytes, Address]], asker_host: str, asker: bytes, count: int,
        now_us: int,
    ) -> tuple[PeerAddress, ...]:
        """Up to `count` addresses where a node was reached, for a peer at `asker_host`."""
        return addresses_for(
            asker, asker_host, self._book, linked, count=count,
            after_us=now_us - self._limits.share_fresh_us, rng=self._rng,
        )

    @property
    def is_hungry(self) -> bool:
        """Whether links were missing when it was last planned."""
        return self._is_hungry

    def knows(self, address: Address) -> bool:
        return self._book.get(address) is not None

    def is_silent(self, address: Address) -> bool:
        """Whether hellos went to `address` and nobody has answered there yet."""
        known = self._book.get(address)
        return known is not None and known.failures > 0 and not known.proven

    @property
    def has_kept(self) -> bool:
        """Whether a person named any address."""
        return self._book.has_kept

    def is_kept(self, address: Address) -> bool:
        known = self._book.get(address)
        return known is not None and known.origin is Origin.KEPT

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {
            **self._book.sizes(), **self._strangers.sizes(), **self._pressure.sizes(),
            "known": len(self._book), "own": len(self._own),
        }

    @property
    def _is_welcome(self) -> bool:
        """Whether one more address is dialled at once: links are missing, or nodes are few."""
        few = 2 * (self._limits.target_links + self._limits.accepted_links)
        return self._is_hungry or len(self._book) <= few

    # --- small parts -------------------------------------------------------------------------

    def _spread(self, interval_us: int) -> int:
        """`interval_us` give or take a quarter, so that nodes do not act in step."""
        return self._rng.randrange(interval_us * 3 // 4, interval_us * 5 // 4 + 1)


def _is_own_find(known: Known) -> bool:
    """Whether this node came to know the address by itself, and not because others named it or
    called from there."""
    return known.origin is Origin.HINTED or known.dialled_us >= 0
