"""Reconciliation: roots tell whether two nodes differ, changes or the trie tell in what.

Law: neither side relies on anything else having worked. Cost grows with the difference, not with
the set; equal nodes are silent. It begins with a root that differs, so an exchange that was lost
begins again by itself, and what it brought stays. A peer that lies costs a bounded effort, and
nothing to what is exchanged with others.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.gossip import trie
from antsp2p.gossip.bucket import Bucket
from antsp2p.gossip.changes import Catching, changes_after
from antsp2p.gossip.descent import Descent, settle_mark
from antsp2p.gossip.limits import MAX_MARKS, Limits
from antsp2p.gossip.wire import (
    PRINT_BYTES,
    SESSION_KEY_BYTES,
    Changes,
    Frame,
    Leaves,
    Node,
    Nodes,
    Probe,
    Since,
    WantAuthors,
)

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable
    from random import Random

    from antsp2p.gossip.link import Link
    from antsp2p.gossip.settle import Settle
    from antsp2p.gossip.visible import Visible
    from antsp2p.records.log import Leaf


Exchanged = Since | Changes | Probe | Nodes | WantAuthors | Leaves

_MANY: Final = 16
_NARROW: Final = 4 * MAX_MARKS
"""Authors below a prefix that was marked one by one a moment ago."""


@dataclass(frozen=True, slots=True)
class Ties:
    """What reconciliation asks of its neighbours."""

    wait_us: Callable[[Link], int]
    """How long an answer may take."""
    soon: Callable[[Link, int], None]
    """(link, now_us): exchange roots again in a moment."""
    room: Callable[[Link], int]
    """How many more authors can be fetched by way of the link."""
    may_send: Callable[[Link, int, int], bool]
    """(link, bytes, now_us): whether the link's rate allows it."""
    post: Callable[[Link, Frame], None]


@dataclass(slots=True, eq=False)
class _Peer:
    link: Link
    mismatches: int
    answers: Bucket
    first_us: int
    """When the first of the mismatches was heard."""
    cursor: int = 0
    """The change number of the peer that was heard last."""
    differs_since_us: int | None = None
    moved_us: int | None = None
    """When records last came or went on the link."""
    probed_us: int = 0
    was_listed: bool = False
    had_exchange: bool = False
    rest_until_us: int = 0
    vain: int = 0
    """Exchanges since then."""


class Reconcile:
    """What is exchanged with each link whose root differs lastingly."""

    def __init__(
        self,
        *,
        visible: Visible,
        settle: Settle,
        ties: Ties,
        instance: bytes,
        rng: Random,
        limits: Limits,
        drops: Counter[str],
        now_us: int,
    ) -> None:
        self._visible = visible
        self._digest = visible.logs.digest
        self._settle = settle
        self._ties = ties
        self._instance = instance
        self._rng = rng
        self._limits = limits
        self._drops = drops
        self._peers: dict[int, _Peer] = {}
        self._exchanges: dict[int, Catching | Descent] = {}
        self._cursors: dict[tuple[bytes, bytes], int] = {}
        """(author, instance) of a peer -> up to where its changes are known here."""
        self._recent: dict[bytes, int] = {}
        """Own root -> when it was last ours."""
        self._moved_us: int | None = None
        self._told: tuple[bytes, int] | None = None
        """What `root` told last, and `_told_us` when that was the root."""
        self._told_us = now_us
        self._answers = Bucket(
            limits.answered_per_s_in_all, limits.answered_burst_in_all, now_us
        )

    def opened(self, link: Link, now_us: int) -> None:
        """The first root that differs on a new link is reason enough."""
        limits = self._limits
        answers = Bucket(limits.answered_per_s, limits.answered_burst, now_us)
        self._peers[link.id] = _Peer(
            link, limits.lasting_mismatches - 1, answers, first_us=now_us - limits.rest_us
        )

    def closed(self, link: Link) -> None:
        self._peers.pop(link.id, None)
        self._exchanges.pop(link.id, None)

    def moved(self, link: Link, now_us: int) -> None:
        """Records came or went on the link: what differs is being repaired."""
        peer = self._peers.get(link.id)
        if peer is not None:
            self._moved_us = peer.moved_us = now_us
            peer.vain = 0

    def wanted(self, link: Link, authors: Iterable[bytes], now_us: int) -> None:
        """The peer asks for records of these authors."""
        self.moved(link, now_us)
        exchange = self._exchanges.get(link.id)
        if isinstance(exchange, Descent):
            exchange.wanted(authors)

    # --- roots -------------------------------------------------------------------------------

    def root(self, now_us: int) -> tuple[bytes, int]:
        """The root to tell, remembered for a while as one of ours, and its change number.

        While so much changes that most of it would be hashed again at every ping, one of a moment
        ago: no peer's is the same then either.
        """
        digest, limits = self._digest, self._limits
        if (
            self._told is not None and digest.unhashed > limits.root_shelves
            and now_us - self._told_us < limits.root_us
        ):
            return self._told
        root = digest.root()
        self._recent.pop(root, None)
        if len(self._recent) >= limits.recent_roots:
            del self._recent[next(iter(self._recent))]
        self._recent[root] = now_us
        self._told, self._told_us = (root, digest.number), now_us
        return self._told

    def heard(self, link: Link, root: bytes, cursor: int, now_us: int) -> bool:
        """A root of the peer, and its change number.

        Returns whether the two differ, and repairing may be expected to get on.
        """
        peer = self._peers[link.id]
        peer.cursor = max(peer.cursor, cursor)
        last_ours_us = self._recent.get(root)
        if root == self.root(now_us)[0]:
            self._know(link, cursor)
            peer.mismatches, peer.differs_since_us, peer.vain = 0, None, 0
            self._exchanges.pop(link.id, None)
            return False
        if last_ours_us is not None and now_us - last_ours_us < self._limits.recent_root_us:
            # What the peer held then is all here now.
            self._know(link, cursor)
            if peer.differs_since_us is None:
                return True
        peer.mismatches += 1
        if peer.mismatches == 1:
            peer.first_us = now_us
        lasts_us = now_us - peer.first_us
        limits = self._limits
        if peer.mismatches >= limits.lasting_mismatches and lasts_us >= limits.rest_us:
            if peer.differs_since_us is None:
                peer.differs_since_us = now_us
            if link.id not in self._exchanges:
                self._begin(peer, now_us - peer.differs_since_us, now_us)
        self._look_again(peer, now_us)
        return peer.vain <= self._limits.vain_exchanges

    def _look_again(self, peer: _Peer, now_us: int) -> None:
        """Exchange roots again in a moment: the one who dialled asks, so that one side does."""
        if peer.link.initiated and not peer.vain:
            self._ties.soon(peer.link, now_us)

    def _know(self, link: Link, cursor: int) -> None:
        """All that the peer had changed up to `cursor` is known here."""
        run = (link.author, link.instance)
        cursor = max(cursor, self._cursors.pop(run, 0))
        if len(self._cursors) >= self._limits.cursors:
            del self._cursors[next(iter(self._cursors))]
        self._cursors[run] = cursor

    # --- exchanges ---------------------------------------------------------------------------

    def _begin(self, peer: _Peer, differs_us: int, now_us: int) -> None:
        """Begin an exchange with a peer that has differed for `differs_us`, if it is time."""
        if now_us < peer.rest_until_us or len(self._exchanges) >= self._limits.exchanges:
            return
        known = self._cursors.get((peer.link.author, peer.link.instance))
        if known is None and not peer.cursor:
            known = 0
        elif known is None and not peer.was_listed and self._has_little():
            if self._exchanges and differs_us < self._limits.patience_us:
                return
            known, peer.was_listed = 0, True
        ties, link = self._ties, peer.link
        is_overdue = self._is_overdue(peer, now_us)
        if known is not None and known < peer.cursor and not is_overdue:
            self._exchanges[link.id] = Catching(
                link, known, limits=self._limits, wait_us=ties.wait_us, room=ties.room,
                post=ties.post, now_us=now_us,
            )
        elif is_overdue or self._may_probe(peer, known, differs_us, now_us):
            peer.probed_us = now_us
            self._exchanges[link.id] = Descent(
                link, self._rng.randbytes(SESSION_KEY_BYTES), visible=self._visible,
                settle=self._settle, limits=self._limits, wait_us=ties.wait_us, room=ties.room,
                post=ties.post, now_us=now_us,
            )

    def _has_little(self) -> bool:
        """Whether it is cheaper to hear all that a peer has than to look for what differs."""
        return len(self._digest) <= self._limits.few_authors

    def _is_overdue(self, peer: _Peer, now_us: int) -> bool:
        """Whether the two have differed for so long that more must be wrong than is under way.

        Where news never stops, something is always under way, and cursors always promise more.
        """
        since_us = max(peer.differs_since_us or now_us, peer.probed_us)
        own_share_us = 0 if peer.link.initiated else self._limits.patience_us
        return now_us - since_us >= self._limits.overdue_us + own_share_us

    def _may_probe(
        self, peer: _Peer, known: int | None, differs_us: int, now_us: int
    ) -> bool:
        """Whether this side is the one to probe, and nothing else is under way."""
        limits = self._limits
        if differs_us >= limits.patience_us:
            return True
        moved_us = self._moved_us if peer.had_exchange else peer.moved_us
        is_moving = moved_us is not None and now_us - moved_us < limits.rest_us
        is_peers_turn = known == peer.cursor and differs_us < limits.turn_us
        return peer.link.initiated and not is_moving and not is_peers_turn

    def _end(self, link: Link, now_us: int) -> None:
        del self._exchanges[link.id]
        peer = self._peers[link.id]
        rest_us = min(self._limits.rest_us << peer.vain, self._limits.max_rest_us)
        peer.rest_until_us, peer.had_exchange = now_us + rest_us, True
        self._look_again(peer, now_us)
        peer.vain = min(peer.vain + 1, _MANY)

    @property
    def wake_us(self) -> int | None:
        exchanges = self._exchanges
        return min([each.deadline_us for each in exchanges.values()]) if exchanges else None

    def due(self, now_us: int) -> None:
        """Ask again for what was lost."""
        for exchange in self._exchanges.values():
            exchange.due(now_us)

    def flush(self, now_us: int) -> None:
        """Send what this turn brought about, and end what is done."""
        for exchange in list(self._exchanges.values()):
            exchange.flush(now_us)
            if exchange.is_done:
                self._end(exchange.link, now_us)

    def extend(self, gap_us: int) -> None:
        """The own loop stood still for `gap_us`: answers may be waiting in the socket."""
        for exchange in self._exchanges.values():
            exchange.extend(gap_us)

    def read(self, link: Link, frame: Exchanged, now_us: int) -> None:
        """A frame of an exchange, of ours or the peer's."""
        match frame:
            case Since():
                self._answer_since(link, frame, now_us)
            case Probe():
                self._answer_probe(link, frame, now_us)
            case WantAuthors():
                self._answer_clues(link, frame, now_us)
            case Changes():
                self._take_changes(link, frame, now_us)
            case Leaves():
                self._take_leaves(link, frame, now_us)
            case Nodes():
                self._take_nodes(link, frame, now_us)

    # --- answers to others -------------------------------------------------------------------

    def _answer_since(self, link: Link, asked: Since, now_us: int) -> None:
        """Tell the peer what has changed here since."""
        if asked.instance != self._instance or asked.cursor > self._digest.number:
            self._drops["since"] += 1
        elif self._may_answer(link, self._limits.since_frames, now_us):
            self._post_all(
                link, changes_after(self._visible, asked.cursor, self._limits.since_frames),
                now_us,
            )

    def _answer_probe(self, link: Link, asked: Probe, now_us: int) -> None:
        """Tell the peer what stands below the prefixes."""
        told = [
            trie.node(self._digest, self._visible.leaf, asked.key, prefix)
            for prefix in asked.prefixes if self._may_answer(link, 1, now_us)
        ]
        self._post_all(link, trie.nodes(asked.key, told), now_us)

    def _answer_clues(self, link: Link, asked: WantAuthors, now_us: int) -> None:
        """Name the authors behind the marks."""
        found: dict[bytes, Leaf] = {}
        below: dict[str, dict[bytes, bytes]] = {}
        for prefix, print_ in asked.clues:
            if prefix not in below:
                below[prefix] = self._by_print(link, asked.key, prefix, now_us)
            leaf = self._visible.leaf(below[prefix].get(print_, b""))
            if leaf is not None:
                found[leaf.author] = leaf
        self._post_all(link, trie.leaves([trie.line(leaf) for leaf in found.values()]), now_us)

    def _may_answer(self, link: Link, nodes: int, now_us: int) -> bool:
        if self._peers[link.id].answers.take(nodes, now_us) and self._answers.take(nodes, now_us):
            return True
        self._drops["probe-rate"] += 1
        return False

    def _by_print(
        self, link: Link, key: bytes, prefix: str, now_us: int
    ) -> dict[bytes, bytes]:
        """Print -> author, where about as many stand below as are marked one by one."""
        count = self._digest.count(prefix)
        if count > _NARROW or not self._may_answer(link, 1 + count // MAX_MARKS, now_us):
            return {}
        return trie.by_print(self._digest, key, prefix, _NARROW)

    def _post_all(
        self, link: Link, frames: list[Changes] | list[Nodes] | list[Leaves], now_us: int
    ) -> None:
        for frame in frames:
            if self._ties.may_send(link, trie.frame_bytes(frame), now_us):
                self._ties.post(link, frame)

    # --- answers and news of others ----------------------------------------------------------

    def _take_changes(self, link: Link, frame: Changes, now_us: int) -> None:
        """What has changed at the peer."""
        self._settle.lines(link, frame.lines, now_us)
        exchange = self._exchanges.get(link.id)
        if isinstance(exchange, Catching):
            before = exchange.cursor
            exchange.heard(frame, now_us)
            if exchange.cursor > before:
                self._know(link, exchange.cursor)

    def _take_leaves(self, link: Link, frame: Leaves, now_us: int) -> None:
        """What the peer holds of some authors."""
        self._settle.lines(link, frame.lines, now_us)
        exchange = self._exchanges.get(link.id)
        if isinstance(exchange, Descent):
            exchange.found(frame.lines)

    def _take_nodes(self, link: Link, frame: Nodes, now_us: int) -> None:
        """The answer to a probe of ours, or news of a peer that probes us."""
        exchange = self._exchanges.get(link.id)
        if isinstance(exchange, Descent) and exchange.key == frame.key:
            exchange.heard(frame.nodes, now_us)
            return
        for node in frame.nodes:
            self._take_news(link, frame.key, node, now_us)

    def _take_news(self, link: Link, key: bytes, node: Node, now_us: int) -> None:
        """Of some authors below the prefix, of whom this side had less a moment ago."""
        if isinstance(node.below, bytes):
            return
        ours = self._by_print(link, key, node.prefix, now_us)
        for mark in node.below:
            author = ours.get(mark.prints[:PRINT_BYTES])
            if author is not None:
                settle_mark(self._settle, link, key, author, mark, now_us)

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        sizes = (exchange.size() for exchange in self._exchanges.values())
        return {
            "reconciled": len(self._peers), "exchanges": len(self._exchanges),
            "exchanged": max(sizes, default=0), "cursors": len(self._cursors),
            "recent-roots": len(self._recent),
        }
