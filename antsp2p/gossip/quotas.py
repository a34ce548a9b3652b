"""Quotas: who uses how much of this node, per link, per author and per address.

Law: integers and the time that is passed in. Accounts are this node's own business and forget as
they go, so much a second. What follows from using too much is not known here. The tables are
bounded: whoever opened an account first gives way, and begins anew.
"""
from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from antsp2p.gossip.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link


class Use(Enum):
    """What is counted; the value is its name where people read it."""

    BYTES = "bytes"
    DATAGRAMS = "datagrams"
    RECORDS = "records"
    """News that was pushed: each record costs a check of its signature."""
    WANTS = "wants"
    """Ranges asked for."""
    AUTHORS = "authors"
    """Pushed for the first time: of whom nothing was held before."""
    HANDSHAKES = "handshakes"
    BLOB_BYTES = "blob_bytes"
    """Served of blobs; counted where they are served, and shown with an author's account."""

    # There is one of each: the inherited hash is of the name, by a call, for every datagram.
    __hash__ = object.__hash__


Shares = dict[Use, tuple[int, int]]
"""Use -> so much a second for good, and so much at once."""


class Account:
    """What one source has used lately."""

    __slots__ = ("_buckets", "_shares")

    def __init__(self, shares: Mapping[Use, tuple[int, int]]) -> None:
        self._shares = shares
        self._buckets: dict[Use, Bucket] = {}

    def charge(self, use: Use, amount: int, now_us: int) -> bool:
        """Count `amount` if there is room for it; whether there was."""
        bucket = self._buckets.get(use)
        if bucket is None:
            bucket = self._bucket(use, now_us)
        return bucket.take(amount, now_us)

    def wait_us(self, use: Use, amount: int, now_us: int) -> int:
        """How long until there is room for `amount`, if nothing else is counted meanwhile."""
        return self._bucket(use, now_us).ready_us(amount, now_us)

    def is_used_up(self, use: Use, now_us: int) -> bool:
        """Whether there is no room for one more."""
        return use in self._buckets and self._buckets[use].available(now_us) < 1

    def _bucket(self, use: Use, now_us: int) -> Bucket:
        bucket = self._buckets.get(use)
        if bucket is None:
            bucket = self._buckets[use] = Bucket(*self._shares[use], now_us)
        return bucket

    def used(self, now_us: int) -> dict[str, int]:
        """What still counts, by name; what was never used is left out."""
        return {
            use.value: self._shares[use][1] - bucket.available(now_us)
            for use, bucket in self._buckets.items()
        }


class Quotas:
    """All accounts of a node."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._link_shares: Shares = {
            Use.BYTES: (limits.link_bytes_per_s, limits.link_burst_bytes),
            Use.DATAGRAMS: (limits.link_datagrams_per_s, limits.link_burst_datagrams),
            Use.WANTS: (limits.wants_per_s, limits.wants_burst),
            Use.AUTHORS: (limits.authors_per_s, limits.authors_burst),
        }
        self._author_shares: Shares = {
            Use.RECORDS: (limits.author_records_per_s, limits.author_records_burst),
        }
        self._host_shares: Shares = {
            Use.HANDSHAKES: (limits.handshakes_per_s, 2 * limits.handshakes_per_s),
        }
        self._links: dict[int, Account] = {}
        self._authors: dict[bytes, Account] = {}
        self._hosts: dict[str, Account] = {}

    def opened(self, link: Link) -> None:
        self._links[link.id] = Account(self._link_shares)

    def closed(self, link: Link) -> None:
        self._links.pop(link.id, None)

    def of_link(self, link: Link) -> Account:
        """The account of a link that is up."""
        return self._links[link.id]

    def of_author(self, author: bytes) -> Account:
        account = self._authors.get(author)
        if account is None:
            if len(self._authors) >= self._limits.shares:
                del self._authors[next(iter(self._authors))]
            account = self._authors[author] = Account(self._author_shares)
        return account

    def is_flooding(self, author: bytes, now_us: int) -> bool:
        """Whether so many records of this author were pushed that no more are looked at now."""
        account = self._authors.get(author)
        return account is not None and account.is_used_up(Use.RECORDS, now_us)

    def of_host(self, host: str) -> Account:
        account = self._hosts.get(host)
        if account is None:
            if len(self._hosts) >= self._limits.hosts:
                del self._hosts[next(iter(self._hosts))]
            account = self._hosts[host] = Account(self._host_shares)
        return account

    def used(self, link: Link, now_us: int) -> dict[str, dict[str, int]]:
        """What a peer has used lately: on its link, as an author, and from its host."""
        author, host = self._authors.get(link.author), self._hosts.get(link.address[0])
        return {
            "link": self._links[link.id].used(now_us),
            "author": {} if author is None else author.used(now_us),
            "host": {} if host is None else host.used(now_us),
        }

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {
            "link-accounts": len(self._links), "author-accounts": len(self._authors),
            "host-accounts": len(self._hosts),
        }
