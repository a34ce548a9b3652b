"""What the set of records means to the parts of a node: each record as it comes and as it goes.

Law: what enters or leaves the set goes through here, in one order, whoever brought it; so all parts
have made sense of the same records. Nothing is signed, decided or sent here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import Announce
from antsp2p.events import AppendRecord, RemoveRecords, SaveProof

if TYPE_CHECKING:
    from antsp2p.commands import Commands
    from antsp2p.coordination.answers import OwedAnswers
    from antsp2p.coordination.meaning import Folded
    from antsp2p.decisions import Decisions
    from antsp2p.node import Node
    from antsp2p.own_log import OwnLog
    from antsp2p.publication import Publication
    from antsp2p.records.log import Insertion
    from antsp2p.records.record import Record


class Folding:
    """The way of records into the meaning of one node, and out of it."""

    def __init__(
        self, node: Node, *, own: OwnLog, answers: OwedAnswers, commands: Commands,
        publication: Publication, decisions: Decisions,
    ) -> None:
        self._node = node
        self._own = own
        self._answers = answers
        self._commands = commands
        self._publication = publication
        self._decisions = decisions

    def fold(self, record: Record, now_us: int, held_ms: int = 0) -> None:
        """A record is in the set, and has been here for `held_ms`."""
        node = self._node
        folded = node.meaning.add(record, node.tick(held_ms))
        self._answers.note(record)
        record.rest()
        self._folded(folded)
        said = folded.said
        if isinstance(said, Announce):
            node.notice("announced", record.author, capability=said.name,
                        slots=said.slots, withdrawn=said.withdrawn)
        elif said is not None:
            node.notice("marked", record.author, topic=said.topic, text=said.text,
                        half_life_ms=said.half_life_ms,
                        ms_ago=node.gossip.age_ms(record.id, now_us),
                        heeded=node.blackboard.heeds(record.author))

    def _unfold(self, record: Record) -> None:
        self._folded(self._node.meaning.remove(record))

    def _folded(self, folded: Folded) -> None:
        node = self._node
        self._decisions.touch(folded.tasks)
        for author in folded.authors:
            standing = node.meaning.standing(author)
            if author == node.author:
                self._own.is_revoked, self._own.heir = standing.revoked, standing.named
            if standing.revoked:
                named = {"successor": standing.named} if standing.named else {}
                node.notice("revoked", author, seq=standing.last_seq, **named)

    def adopt(self, record: Record, age_ms: int, now_us: int) -> None:
        """An own record was folded: a task that it offers is looked after from now on."""
        if self._node.tasks.offer(record.id) is not None:
            self._node.requester.adopt(record.id, now_us - age_ms * 1_000)

    def apply(self, insertion: Insertion, now_us: int) -> None:
        """Others' records, or a proof, have changed the set."""
        node, proof = self._node, insertion.convicted
        if proof is not None:
            node.emit(SaveProof(proof))
            node.emit(RemoveRecords(proof.author, proof.seq))
            for record in insertion.removed:
                self._unfold(record)
            self._folded(node.meaning.forked(proof.author, proof.seq))
            node.notice("convicted", proof.author, seq=proof.seq)
        for record in insertion.added:
            self.fold(record, now_us)
            age_ms = node.gossip.age_ms(record.id, now_us)
            if record.author == node.author:
                self.adopt(record, age_ms, now_us)
                self._publication.given_back(record, age_ms, now_us)
            else:
                node.emit(AppendRecord(record, age_ms, own=False))

    def replace(self, pairs: list[tuple[Record, Record]], now_us: int) -> None:
        """Own records that were held back were signed anew: take (old, new) in."""
        node = self._node
        for old, _ in pairs:
            node.requester.forget(old.id)
            self._unfold(old)
        self._commands.renamed({old.id: new.id for old, new in pairs})
        for old, new in pairs:
            self.fold(new, now_us)
            self.adopt(new, 0, now_us)
            node.emit(AppendRecord(new, 0, own=True))
            if node.tasks.offer(new.id) is not None:
                node.notice("warning", node.author,
                            text=f"task {old.id.hex()} is now {new.id.hex()}")
