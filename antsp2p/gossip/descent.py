"""A descent: one session of probing a peer's trie down to the authors in which the two differ.

Law: only the asker keeps anything, and what it keeps is bounded: the prefixes under way, and those
that still wait. An answer that was not asked for means nothing. What was lost is asked for again.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from antsp2p.gossip import trie
from antsp2p.gossip.wire import PRINT_BYTES, Clue, Line, Mark, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link
    from antsp2p.gossip.settle import Settle
    from antsp2p.gossip.visible import Visible
    from antsp2p.gossip.wire import Frame

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class _Ask:
    deadline_us: int
    tries: int = 1


class Descent:
    """`key` is fresh. `room(link)`: how many more authors can be fetched by way of this link."""

    def __init__(
        self,
        link: Link,
        key: bytes,
        *,
        visible: Visible,
        settle: Settle,
        limits: Limits,
        wait_us: Callable[[Link], int],
        room: Callable[[Link], int],
        post: Callable[[Link, Frame], None],
        now_us: int,
    ) -> None:
        self.link = link
        self.key = key
        self.is_done = False
        self.deadline_us = now_us + limits.exchange_us
        self._until_us = self.deadline_us
        self._visible = visible
        self._settle = settle
        self._limits = limits
        self._wait_us = wait_us
        self._room = room
        self._post = post
        self._waiting = [""]
        self._asked: dict[str, _Ask] = {}
        self._sought: dict[bytes, tuple[str, _Ask]] = {}
        """Fingerprint -> where it stood, of authors that are not known here."""
        self._unsent: list[Clue] = []
        self._untold: dict[bytes, str | None] = {}
        """Author -> the prefix under which the peer has it; None: it has nothing of it."""
        self._told: dict[bytes, tuple[str | None, _Ask]] = {}
        """Told, and not asked for yet."""
        self._probes_left = limits.probes_per_exchange

    # --- answers -----------------------------------------------------------------------------

    def heard(self, nodes: Iterable[Node], now_us: int) -> None:
        """The peer's nodes, made with the key of this session."""
        for node in nodes:
            if self._asked.pop(node.prefix, None) is None:
                continue
            below = node.below
            if isinstance(below, bytes):
                digest = self._visible.logs.digest
                self._waiting.extend(
                    reversed(trie.differing(digest, self.key, node.prefix, below))
                )
                # More than may still be asked would only fill memory.
                del self._waiting[: -max(1, self._probes_left)]
            elif self._spare() < len(below):
                self._waiting.append(node.prefix)
            else:
                self._compare(node.prefix, below, now_us)

    def _compare(self, prefix: str, marks: tuple[Mark, ...], now_us: int) -> None:
        """The peer has these authors below `prefix`, and no others."""
        digest, key = self._visible.logs.digest, self.key
        ours = trie.by_print(digest, key, prefix, self._limits.compared_authors)
        for mark in marks:
            author = ours.pop(mark.prints[:PRINT_BYTES], None)
            if author is None:
                self._seek(prefix, mark.prints[:PRINT_BYTES], now_us)
            elif self._differs(author, mark) and self._is_ahead(author, mark, now_us):
                self._tell(author, prefix)
        for author in ours.values():
            leaf = self._visible.leaf(author)
            if leaf is not None:
                self._settle.only_here(self.link, leaf, now_us)
                self._tell(author, None)

    def _tell(self, author: bytes, prefix: str | None) -> None:
        if author not in self._told and len(self._untold) < self._limits.untold:
            self._untold[author] = prefix

    def wanted(self, authors: Iterable[bytes]) -> None:
        """The peer asks for records of these authors: it has been told."""
        for author in authors if self._told else ():
            self._told.pop(author, None)

    def _spare(self) -> int:
        """How many more authors can be fetched besides those that are still without a name."""
        return self._room(self.link) - len(self._sought)

    def _differs(self, author: bytes, mark: Mark) -> bool:
        leaf = self._visible.leaf(author)
        return leaf is None or trie.mark(self.key, leaf) != mark

    def _is_ahead(self, author: bytes, mark: Mark, now_us: int) -> bool:
        return settle_mark(self._settle, self.link, self.key, author, mark, now_us)

    def _seek(self, prefix: str, print_: bytes, now_us: int) -> None:
        if len(self._sought) < self._limits.compared_authors:
            self._sought[print_] = prefix, _Ask(now_us + self._wait_us(self.link))
            self._unsent.append(Clue(prefix, print_))

    def found(self, lines: Iterable[Line]) -> None:
        """The peer has named authors."""
        for line in lines if self._sought else ():
            print_ = trie.fingerprint(self.key, line.author)
            prefix, _ = self._sought.get(print_, (None, None))
            if prefix is not None and line.author.hex().startswith(prefix):
                del self._sought[print_]

    # --- questions ---------------------------------------------------------------------------

    def due(self, now_us: int) -> None:
        """Ask again for what was lost, and tell again what was not asked for."""
        if now_us < self.deadline_us or self.is_done:
            return
        if now_us >= self._until_us:
            self.is_done = True
            return
        tries = self._limits.probe_tries
        late = self._late(self._asked, tries, now_us)
        for frame in trie.probes(self.key, late):
            self._post(self.link, frame)
        sought = {print_: ask for print_, (_, ask) in self._sought.items()}
        again = self._late(sought, tries, now_us)
        self._sought = {print_: self._sought[print_] for print_ in sought}
        self._unsent.extend(Clue(self._sought[print_][0], print_) for print_ in again)
        told = {author: ask for author, (_, ask) in self._told.items()}
        once_more = self._late(told, self._limits.tell_tries, now_us)
        self._told = {author: self._told[author] for author in told}
        self._post_told({author: self._told[author][0] for author in once_more})
        self._send(now_us)

    def _late(self, asks: dict[_T, _Ask], tries: int, now_us: int) -> list[_T]:
        """What is to be said once more; what was said too often is given up."""
        late = [what for what, ask in asks.items() if ask.deadline_us <= now_us]
        for what in late:
            ask = asks[what]
            if ask.tries >= tries:
                del asks[what]
            wait_us = self._wait_us(self.link) << ask.tries
            ask.deadline_us = now_us + min(wait_us, self._limits.max_wait_us)
            ask.tries += 1
        return [what for what in late if what in asks]

    def flush(self, now_us: int) -> None:
        """Send what this turn brought about."""
        if not self.is_done:
            self._send(now_us)

    def _send(self, now_us: int) -> None:
        self._probe(now_us)
        for frame in trie.want_authors(self.key, self._unsent):
            self._post(self.link, frame)
        self._unsent = []
        self._tell_on(now_us)
        self.is_done = not (self._waiting or self._asked or self._sought or self._told)
        deadlines = [ask.deadline_us for ask in self._asks()]
        if self._waiting:
            deadlines.append(now_us + self._limits.probe_pause_us)
        self.deadline_us = min(deadlines, default=self._until_us)

    def _probe(self, now_us: int) -> None:
        """Ask on, as far as what is found can also be fetched."""
        if self._probes_left <= 0:
            self._waiting.clear()
        limits = self._limits
        most = min(limits.probes_under_way, self._spare() // 2, self._probes_left)
        if self._asked and most - len(self._asked) < min(len(self._waiting), limits.probe_batch):
            return
        batch: list[str] = []
        while self._waiting and len(self._asked) < most:
            prefix = self._waiting.pop()
            self._asked[prefix] = _Ask(now_us + self._wait_us(self.link))
            self._probes_left -= 1
            batch.append(prefix)
        for frame in trie.probes(self.key, batch):
            self._post(self.link, frame)

    def _tell_on(self, now_us: int) -> None:
        """Tell on, as far as the peer has asked for what it was told."""
        most = self._limits.told_under_way
        if self._told and most - len(self._told) < min(len(self._untold), most // 4):
            return
        batch: dict[bytes, str | None] = {}
        while self._untold and len(self._told) < most:
            author = next(iter(self._untold))
            batch[author] = prefix = self._untold.pop(author)
            wait_us = self._limits.tell_waits * self._wait_us(self.link)
            self._told[author] = prefix, _Ask(now_us + wait_us)
        self._post_told(batch)

    def _post_told(self, told: dict[bytes, str | None]) -> None:
        marks: dict[str, list[Mark]] = {}
        lines: list[Line] = []
        for author, prefix in told.items():
            leaf = self._visible.leaf(author)
            if leaf is not None and prefix is None:
                lines.append(trie.line(leaf))
            elif leaf is not None and prefix is not None:
                marks.setdefault(prefix, []).append(trie.mark(self.key, leaf))
        nodes = [Node(prefix, tuple(below)) for prefix, below in marks.items()]
        frames: list[Frame] = [*trie.nodes(self.key, nodes), *trie.leaves(lines)]
        for frame in frames:
            self._post(self.link, frame)

    def extend(self, gap_us: int) -> None:
        """Nobody is to blame for `gap_us`: every deadline moves by it."""
        self.deadline_us += gap_us
        self._until_us += gap_us
        for ask in self._asks():
            ask.deadline_us += gap_us

    def size(self) -> int:
        return sum(map(len, (
            self._waiting, self._asked, self._sought, self._untold, self._told,
        )))

    def _asks(self) -> list[_Ask]:
        pairs = (*self._sought.values(), *self._told.values())
        return [*self._asked.values(), *(ask for _, ask in pairs)]


def settle_mark(
    settle: Settle, link: Link, key: bytes, author: bytes, mark: Mark, now_us: int
) -> bool:
    """Settle what a peer's mark says of `author`; returns whether the peer has less."""
    def is_head(head: bytes) -> bool:
        return trie.fingerprint(key, head) == mark.prints[PRINT_BYTES:]

    return settle.leaf(link, author, mark.seq, mark.convicted_seq, is_head, now_us)
