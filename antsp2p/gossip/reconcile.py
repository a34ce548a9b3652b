"""Reconciliation: roots tell whether two nodes differ, digest pages tell in what.

Law: neither side relies on anything else having worked. A page covers a contiguous range of
authors, so that what is absent is seen. Equal nodes are silent. Levels whose cost grows with the
difference replace the pages, and nothing else.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antsp2p.gossip.limits import MAX_PAGE_LEAVES, Limits
from antsp2p.gossip.wire import Digest, Frame, Line, WantIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from antsp2p.gossip.link import Link
    from antsp2p.gossip.proofs import Proofs
    from antsp2p.gossip.spread import Spread
    from antsp2p.gossip.visible import Visible
    from antsp2p.records.log import Leaf


@dataclass(slots=True, eq=False)
class _Round:
    link: Link
    mismatches: int
    differs: bool = False
    cursor: bytes = b""
    next_us: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What a page said about our own log; `seq` 0: nothing is held."""

    seq: int
    head: bytes


class Reconcile:
    """Rounds of digest pages, one per link that differs."""

    def __init__(
        self,
        *,
        visible: Visible,
        spread: Spread,
        proofs: Proofs,
        limits: Limits,
        post: Callable[[Link, Frame], None],
    ) -> None:
        self._visible = visible
        self._spread = spread
        self._proofs = proofs
        self._limits = limits
        self._post = post
        self._rounds: dict[int, _Round] = {}
        self._recent: dict[bytes, int] = {}
        """Own root -> when it was last ours."""

    def opened(self, link: Link) -> None:
        """The first root that differs on a new link starts a round."""
        self._rounds[link.id] = _Round(link, self._limits.lasting_mismatches - 1)

    def closed(self, link: Link) -> None:
        self._rounds.pop(link.id, None)

    # --- roots -------------------------------------------------------------------------------

    def root(self, now_us: int) -> bytes:
        """The root to tell, which is remembered for a while as one of ours."""
        root = self._visible.logs.root()
        self._recent.pop(root, None)
        if len(self._recent) >= self._limits.recent_roots:
            del self._recent[next(iter(self._recent))]
        self._recent[root] = now_us
        return root

    def heard(self, link: Link, root: bytes, now_us: int) -> bool:
        """A root of the peer. Returns whether the two differ."""
        round_ = self._rounds[link.id]
        if root == self.root(now_us):
            round_.mismatches, round_.differs, round_.cursor = 0, False, b""
            return False
        last_ours_us = self._recent.get(root)
        if last_ours_us is not None and not round_.differs:
            behind_us = now_us - last_ours_us
            if behind_us < self._limits.recent_root_us:
                return True
        round_.mismatches += 1
        if not round_.differs and round_.mismatches >= self._limits.lasting_mismatches:
            round_.differs = True
            round_.cursor = b""
            round_.next_us = now_us
        return True

    # --- pages out ---------------------------------------------------------------------------

    @property
    def wake_us(self) -> int | None:
        return min(
            (round_.next_us for round_ in self._rounds.values() if round_.differs), default=None
        )

    def due(self, now_us: int) -> None:
        """Send the pages whose time has come."""
        for round_ in self._rounds.values():
            if round_.differs and round_.next_us <= now_us:
                self._send_pages(round_, now_us)

    def _send_pages(self, round_: _Round, now_us: int) -> None:
        for _ in range(self._limits.pages_per_turn):
            page = self._page(round_.cursor)
            self._post(round_.link, page)
            round_.cursor = page.upto
            if not page.upto:
                round_.next_us = now_us + self._limits.round_us
                return
        round_.next_us = now_us + self._limits.page_pause_us

    def _page(self, after: bytes) -> Digest:
        leaves = self._visible.leaves(after, MAX_PAGE_LEAVES)
        # A hidden own line can make a page short; only the logs know whether more follow.
        full = len(self._visible.logs.leaves(after, MAX_PAGE_LEAVES)) == MAX_PAGE_LEAVES
        upto = leaves[-1].author if full and leaves else b""
        return Digest(
            after, upto,
            tuple(Line(leaf.author, leaf.seq, leaf.head, leaf.convicted_seq) for leaf in leaves),
        )

    # --- pages in ----------------------------------------------------------------------------

    def compare(self, link: Link, page: Digest, now_us: int) -> Told | None:
        """Ask for what the page has more, tell what it has less; what it says of our own log."""
        answers = 0
        wanted: list[bytes] = []
        for line, leaf in self._pairs(page):
            if line is not None and leaf is not None:
                answers += self._differ(link, line, leaf, wanted, now_us)
            elif line is not None:
                self._only_there(link, line, now_us)
            elif leaf is not None:
                self._spread.lacks(link, leaf.author, 0)
                answers += self._only_here(link, leaf, now_us)
            if answers >= self._limits.answers_per_page:
                break
        if wanted:
            self._post(link, WantIds(tuple(wanted)))
        return self._told(page)

    def _pairs(self, page: Digest) -> Iterator[tuple[Line | None, Leaf | None]]:
        """The page's lines and ours in its range, merged by author."""
        limit = self._limits.answers_per_page + MAX_PAGE_LEAVES
        ours = [
            leaf for leaf in self._visible.leaves(page.after, limit)
            if not page.upto or leaf.author <= page.upto
        ]
        lines = {line.author: line for line in page.lines}
        leaves = {leaf.author: leaf for leaf in ours}
        for author in sorted(lines.keys() | leaves.keys()):
            leaf = leaves.get(author)
            if leaf is None and author in lines:
                # Beyond the limit of what was listed, it may still be here.
                leaf = self._visible.leaf(author)
            yield lines.get(author), leaf

    def _only_there(self, link: Link, line: Line, now_us: int) -> None:
        if line.convicted_seq:
            self._proofs.ask(link, line.author, now_us)
        self._spread.shown(link, line.author, line.seq)
        self._spread.follow(link, line.author, line.seq, now_us)

    def _only_here(self, link: Link, leaf: Leaf, now_us: int) -> int:
        if leaf.convicted_seq:
            self._proofs.offer(link, leaf.author, now_us)
        self._spread.tell(link, leaf.author, now_us)
        return 1

    def _differ(
        self, link: Link, line: Line, leaf: Leaf, wanted: list[bytes], now_us: int
    ) -> int:
        """Settle one author that both have; returns the answers given."""
        if line.convicted_seq and (
            not leaf.convicted_seq or line.convicted_seq < leaf.convicted_seq
        ):
            self._proofs.ask(link, line.author, now_us)
        elif leaf.convicted_seq and line.convicted_seq != leaf.convicted_seq:
            self._proofs.offer(link, line.author, now_us)
        if line.seq > leaf.seq:
            self._spread.shown(link, line.author, line.seq)
            self._spread.follow(link, line.author, line.seq, now_us)
            return 0
        self._spread.lacks(link, line.author, line.seq)
        mine = self._visible.at(line.author, line.seq)
        if mine is not None and mine.id != line.head:
            # Two records at one place: theirs is the other half of a proof.
            wanted.append(line.head)
            return 1
        return self._only_here(link, leaf, now_us) if line.seq < leaf.seq else 0

    def _told(self, page: Digest) -> Told | None:
        me = self._visible.me
        for line in page.lines:
            if line.author == me:
                return Told(line.seq, line.head)
        if page.after < me and (not page.upto or me <= page.upto):
            return Told(0, bytes(len(me)))
        return None

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        return {"rounds": len(self._rounds), "recent-roots": len(self._recent)}
