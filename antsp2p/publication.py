"""When own records leave, and what waits for that: commands, answers, records that peers gave back.

Law: nothing is shown to anybody before it is on disk and a peer has confirmed where our log ends,
and nothing is answered before what the answer tells is on disk. Nothing is signed here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.events import (
    Answer,
    AppendRecord,
    Command,
    RemoveRecords,
    SavePublished,
    WithdrawAgent,
)

if TYPE_CHECKING:
    from antsp2p.commands import Commands
    from antsp2p.node import Node
    from antsp2p.own_log import OwnLog
    from antsp2p.records.record import Record

MAX_DEFERRED: Final = 1_000
"""Commands that wait, for a second or so, until a peer has confirmed where our log ends."""


class Publication:
    """The way of one node's own records to others."""

    def __init__(self, node: Node, own: OwnLog, commands: Commands) -> None:
        self._node = node
        self._own = own
        self._commands = commands
        self.durable_seq = 0
        """Own records up to here are on disk, held back or not."""
        self.published_seq = 0
        """Own records up to here may have been shown to others."""
        self._saved_seq = 0
        self._waiting: list[tuple[int, Answer]] = []
        self._deferred: list[Command] = []
        self._was_confirming = False
        self._recovered: list[Record] = []

    def begin(self, now_us: int) -> None:
        """All that the store has is loaded."""
        self.durable_seq, _ = self._own.head
        self.published_seq = self._own.base_seq
        self._node.take(self._node.gossip.publish(self.published_seq, now_us))

    # --- commands and their answers --------------------------------------------------------------

    def run(self, command: Command, now_us: int) -> None:
        """Do what this machine's user wants, now or when the head is confirmed, or refuse it."""
        # An agent that has gone must be let go, however much waits.
        is_full = self._own.is_full or len(self._deferred) >= MAX_DEFERRED
        is_full = is_full and not isinstance(command, WithdrawAgent)
        is_suspect = self._own.is_suspect and not self._node.is_confirming
        if self._own.is_closed or is_full or is_suspect:
            self._node.emit(Answer(command.request, refusal=self._own.why_not))
            return
        if self._node.is_confirming:
            self._deferred.append(command)
            return
        answer = self._commands.run(command, now_us)
        last_seq, _ = self._own.head
        if answer.refusal or last_seq <= self.durable_seq:
            self._node.emit(answer)
        else:
            self._waiting.append((last_seq, answer))

    def run_deferred(self, now_us: int) -> bool:
        """Do what waited while the head was being confirmed; whether that has just ended."""
        has_ended = self._was_confirming and not self._node.is_confirming
        if has_ended:
            deferred, self._deferred = self._deferred, []
            for command in deferred:
                self.run(command, now_us)
        self._was_confirming = self._node.is_confirming
        return has_ended

    # --- the way out -----------------------------------------------------------------------------

    def save(self) -> None:
        """A record is about to be stored: the store is told first how far the log was shown."""
        if self._saved_seq != self.published_seq:
            self._saved_seq = self.published_seq
            self._node.emit(SavePublished(self.published_seq))

    def committed(self, seq: int, now_us: int) -> None:
        """Own records up to `seq` are on disk."""
        self.durable_seq = max(self.durable_seq, seq)
        ready = [answer for due, answer in self._waiting if due <= seq]
        self._waiting = [(due, answer) for due, answer in self._waiting if due > seq]
        for answer in ready:
            self._node.emit(answer)
        self._publish(now_us)

    def _publish(self, now_us: int) -> None:
        upto = min(self.durable_seq, self._own.base_seq)
        if self._own.confirmed and upto > self.published_seq:
            self.published_seq = upto
            self._node.take(self._node.gossip.publish(upto, now_us))

    # --- where the log ends ----------------------------------------------------------------------

    def given_back(self, record: Record, age_ms: int, now_us: int) -> None:
        """A peer gave back an own record that this store did not have."""
        self._own.recovered(now_us)
        self._node.emit(AppendRecord(record, age_ms, own=False))
        if not self._own.confirmed:
            self._recovered.append(record)

    def confirm(self, now_us: int) -> None:
        """Peers have said where our log ends: what was held back may leave, on top of that."""
        node = self._node
        if self._own.is_suspect:
            node.notice("confirmed", node.author)
        pairs = self._own.confirm(now_us)
        recovered, self._recovered = self._recovered, []
        if pairs:
            node.emit(RemoveRecords(node.author, pairs[0][0].seq))
            # What peers gave back stands where the held ones stood in the store.
            for record in recovered:
                age_ms = node.gossip.age_ms(record.id, now_us)
                node.emit(AppendRecord(record, age_ms, own=False))
            node.replace(pairs)
            self.durable_seq = min(self.durable_seq, pairs[0][1].seq - 1)
        self._publish(now_us)
