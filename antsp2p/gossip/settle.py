"""Settling a difference: what one peer's line about one author makes a node do.

Law: a line is a claim, and nothing is believed for it: it makes a node ask, tell or show a proof.
How the line came here is not known.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.gossip.wire import NO_HEAD, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from antsp2p.gossip.link import Link
    from antsp2p.gossip.proofs import Proofs
    from antsp2p.gossip.spread import Spread
    from antsp2p.gossip.visible import Visible
    from antsp2p.records.log import Leaf


class Settle:
    """`report(link, seq, head)` is told what a peer holds of our own log."""

    def __init__(
        self,
        *,
        visible: Visible,
        spread: Spread,
        proofs: Proofs,
        report: Callable[[Link, int, bytes], None],
    ) -> None:
        self._visible = visible
        self._spread = spread
        self._proofs = proofs
        self._report = report

    def lines(self, link: Link, lines: Iterable[Line], now_us: int) -> None:
        """The peer's leaves of some authors."""
        for author, seq, short_head, convicted_seq in lines:
            self.leaf(link, author, seq, convicted_seq, _begins(short_head), now_us)

    def leaf(
        self,
        link: Link,
        author: bytes,
        seq: int,
        convicted_seq: int,
        is_head: Callable[[bytes], bool],
        now_us: int,
    ) -> bool:
        """The peer's leaf of one author, whose head `is_head` recognises.

        Asks for what it has more, and for a record that differs; returns whether it has less.
        """
        if author == self._visible.me:
            self._own(link, seq, is_head)
        own_convicted_seq = self._visible.fork_seq(author)
        if own_convicted_seq:
            self._proofs.shown(link, author, convicted_seq)
        if convicted_seq and (not own_convicted_seq or convicted_seq < own_convicted_seq):
            self._proofs.ask(link, author, now_us)
        elif own_convicted_seq and convicted_seq != own_convicted_seq:
            self._proofs.offer(link, author, now_us)
        own_seq = self._visible.seq(author)
        if seq > own_seq:
            self._spread.shown(link, author, seq)
            self._spread.follow(link, author, seq, now_us)
            return False
        self._spread.lacks(link, author, seq)
        mine = self._visible.at(author, seq)
        if mine is not None and not is_head(mine.id):
            # Two records at one place: theirs is the other half of a proof.
            self._proofs.ask_place(link, author, seq, now_us)
            return False
        return seq < own_seq

    def only_here(self, link: Link, leaf: Leaf, now_us: int) -> None:
        """The peer has nothing of the author."""
        self._spread.lacks(link, leaf.author, 0)
        if leaf.convicted_seq:
            self._proofs.offer(link, leaf.author, now_us)

    def _own(self, link: Link, seq: int, is_head: Callable[[bytes], bool]) -> None:
        mine = self._visible.logs.at(self._visible.me, seq)
        known = mine is not None and is_head(mine.id)
        self._report(link, seq, mine.id if mine is not None and known else NO_HEAD)


def _begins(short_head: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(short_head)
