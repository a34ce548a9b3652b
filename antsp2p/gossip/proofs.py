"""Fork proofs on their way: told at once, asked for where the digest shows one.

Law: a proof is told at once to every link, and to any peer that still shows what it forbids. Where
a peer has not shown that it has it, a line of the digest says again that there is one, and whoever
lacks it asks: a lost datagram costs a line, and no proof is sent on a guess. It is checked by the
logs and by nothing else.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from antsp2p.gossip import trie
from antsp2p.gossip.assembly import split
from antsp2p.gossip.wire import PROOF, Frame, Part, Range, Want, WantIds, WantProofs
from antsp2p.records.encoding import Malformed
from antsp2p.records.fork import ForkProof, encode_proof, parse_proof

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from antsp2p.gossip.limits import Limits
    from antsp2p.gossip.link import Link
    from antsp2p.gossip.visible import Visible
    from antsp2p.records.log import Insertion


@dataclass(slots=True, eq=False)
class _Peer:
    link: Link
    marks: dict[tuple[str, bytes], int] = field(default_factory=dict)
    """(sent, asked, place or sibling; author or record id) -> when it may be done again."""
    shown: dict[bytes, int] = field(default_factory=dict)
    """Author -> the lowest fork of it that the peer has shown to know."""


@dataclass(slots=True)
class _Told:
    """A proof that some peer may have missed."""

    due_us: int
    times: int = 0


class Proofs:
    """Proofs on their way. `may_send(link, size, now_us)` is the link's rate."""

    def __init__(
        self,
        *,
        visible: Visible,
        limits: Limits,
        drops: Counter[str],
        may_send: Callable[[Link, int, int], bool],
        post: Callable[[Link, Frame], None],
    ) -> None:
        self._visible = visible
        self._limits = limits
        self._drops = drops
        self._may_send = may_send
        self._post = post
        self._peers: dict[int, _Peer] = {}
        self._told: dict[bytes, _Told] = {}
        """By author, the latest last."""

    def opened(self, link: Link) -> None:
        self._peers[link.id] = _Peer(link)

    def closed(self, link: Link) -> None:
        self._peers.pop(link.id, None)

    def spread(self, author: bytes, source: Link | None, now_us: int) -> None:
        """A proof is new here: send it to all but `source`, whatever was sent before."""
        if source is not None:
            self._confirm(source, author)
        for peer in self._peers.values():
            if source is None or peer.link.id != source.id:
                peer.marks.pop(("sent", author), None)
                self.offer(peer.link, author, now_us)
        self._told.pop(author, None)
        if len(self._told) >= self._limits.proof_marks:
            del self._told[next(iter(self._told))]
        self._told[author] = _Told(now_us + self._limits.proof_tell_us)

    def offer(self, link: Link, author: bytes, now_us: int) -> None:
        """Send the proof against `author`, unless that was done a moment ago."""
        proof = self._visible.logs.proof(author)
        if proof is None or not self._mark(
            link, "sent", author, now_us, self._limits.proof_retry_us
        ):
            return
        wire = encode_proof(proof)
        if self._may_send(link, len(wire), now_us):
            for part in split(PROOF, author, proof.id, 0, wire):
                self._post(link, part)

    def asked(self, link: Link, author: bytes, now_us: int) -> None:
        """The peer asks for the proof: what was sent before may have been lost."""
        if self._mark(link, "answered", author, now_us, self._limits.proof_ask_us):
            peer = self._peers.get(link.id)
            if peer is not None:
                peer.marks.pop(("sent", author), None)
            self.offer(link, author, now_us)

    # --- who may have missed it ------------------------------------------------------------------

    def shown(self, link: Link, author: bytes, seq: int) -> None:
        """The peer has shown that it knows of a fork of `author` at `seq`; 0: of none."""
        peer = self._peers.get(link.id)
        if peer is None:
            return
        peer.shown.pop(author, None)
        if not seq:
            return
        if len(peer.shown) >= self._limits.proof_marks:
            del peer.shown[next(iter(peer.shown))]
        peer.shown[author] = seq

    def _confirm(self, source: Link, author: bytes) -> None:
        """Show whom the proof came from that it has arrived."""
        leaf = self._visible.leaf(author)
        if leaf is not None:
            self.shown(source, author, leaf.convicted_seq)
            for frame in trie.leaves([trie.line(leaf)]):
                self._post(source, frame)

    @property
    def wake_us(self) -> int | None:
        """When `due` has something to do."""
        return min([told.due_us for told in self._told.values()]) if self._told else None

    def due(self, now_us: int) -> None:
        """Say again of which proofs peers may not have heard, ever more rarely."""
        due = [author for author, told in self._told.items() if told.due_us <= now_us]
        for peer in self._peers.values() if due else ():
            lines = [
                trie.line(leaf) for author in due
                if (leaf := self._visible.leaf(author)) is not None
                and not 0 < peer.shown.get(author, 0) <= leaf.convicted_seq
            ]
            for frame in trie.leaves(lines):
                self._post(peer.link, frame)
        for author in due:
            told = self._told[author]
            told.times += 1
            told.due_us = now_us + (self._limits.proof_tell_us << told.times)
            if told.times >= self._limits.proof_tells:
                del self._told[author]

    def ask(self, link: Link, author: bytes, now_us: int) -> None:
        """The peer has a proof against `author` that is not here."""
        if self._mark(link, "asked", author, now_us, self._limits.proof_ask_us):
            self._post(link, WantProofs((author,)))

    def ask_sibling(self, link: Link, record_id: bytes, now_us: int) -> None:
        """The peer may have the record that would prove a lower fork."""
        if self._mark(link, "sibling", record_id, now_us, self._limits.proof_retry_us):
            self._post(link, WantIds((record_id,)))

    def ask_place(self, link: Link, author: bytes, seq: int, now_us: int) -> None:
        """The peer has another record of `author` at `seq` than is here: one half of a proof."""
        if self._mark(link, "place", author, now_us, self._limits.proof_retry_us):
            self._post(link, Want(0, (Range(author, seq, seq),)))

    def is_known(self, link: Link, part: Part) -> bool:
        """Whether the part is of a proof that is here and tells all there is to know."""
        known = self._visible.logs.proof(part.author)
        if known is None or known.id != part.id or not known.is_lowest:
            return False
        self.shown(link, part.author, known.seq)
        return True

    def receive(self, link: Link, part: Part, wire: bytes) -> Insertion | None:
        """A whole proof, of which `part` came last; what it changed."""
        proof = self._parse(wire, part)
        if proof is None:
            return None
        insertion = self._visible.logs.convict(proof)
        if insertion.refused:
            self._drops["proof-" + insertion.refused] += 1
        else:
            self.shown(link, proof.author, proof.seq)
        return insertion

    def _parse(self, wire: bytes, part: Part) -> ForkProof | None:
        try:
            proof = parse_proof(wire)
        except Malformed as malformed:
            self._drops["proof-" + malformed.reason] += 1
            return None
        if proof.id != part.id or proof.author != part.author:
            self._drops["proof-id"] += 1
            return None
        return proof

    def _mark(
        self, link: Link, what: str, author: bytes, now_us: int, again_us: int
    ) -> bool:
        """Whether this may be done now; if so it is remembered."""
        peer = self._peers.get(link.id)
        if peer is None or now_us < peer.marks.get((what, author), now_us):
            return False
        peer.marks.pop((what, author), None)
        if len(peer.marks) >= self._limits.proof_marks:
            del peer.marks[next(iter(peer.marks))]
        peer.marks[what, author] = now_us + again_us
        return True

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        peers = self._peers.values()
        return {
            "proof-marks": max((len(peer.marks) for peer in peers), default=0),
            "proofs-shown": max((len(peer.shown) for peer in peers), default=0),
            "proofs-told": len(self._told),
        }
