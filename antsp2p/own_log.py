"""The log that this node writes: what it signs, and when that may leave.

Law: nothing that was sent is ever signed again differently. Records signed before a peer has
reported our head are stored and folded but held back; if the reported head is higher, they are
signed anew on top of it. No socket, no clock, no file.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.body import (
    MARK_TOPIC_KEY,
    OFFER_AFTER_KEY,
    RecordType,
    body_map,
)
from antsp2p.records.encoding import Malformed
from antsp2p.records.record import MAX_REFS, NO_PREV, Record, sign_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.coordination.draft import Draft
    from antsp2p.records.keys import Identity
    from antsp2p.records.log import LogSet

CONFIRM_GRACE_US: Final = 500_000
"""After the first peer that knows no more than we do, others get this long to know better."""
AUTHORS_FULL: Final = "authors-full"
RECOVER_US: Final = 5_000_000
"""A higher head that a peer reports must be shown within this, counted anew as it arrives; a claim
without our signature does not count."""
MAX_HELD: Final = 10_000
"""Records signed before the head is confirmed; a node alone for longer refuses commands."""


class OwnLog:
    """Signs drafts at the end of the node's own log."""

    def __init__(
        self, identity: Identity, network: bytes, logs: LogSet, *, fresh: bool, wall_offset_us: int,
        suspicion: str = "",
    ) -> None:
        self._identity = identity
        self._network = network
        self._logs = logs
        self._wall_offset_us = wall_offset_us
        self.author: bytes = identity.author
        self.confirmed: bool = fresh
        self.confirm_at: int | None = None
        self.suspicion = suspicion
        """Why this may be an old copy of the log, in a line; empty where nothing says so. Then a
        peer must know the log as far as it goes here, and show what it says to know above."""
        self.is_revoked = False
        self.heir = b""
        """Whom the revoke names to go on with the key's reputation, if anybody."""
        self._reported_seq = 0
        self.held: list[Record] = []

    @property
    def base_seq(self) -> int:
        """The last own record in the set; held ones come after it."""
        head = self._logs.head(self.author)
        return 0 if head is None else head.seq

    @property
    def is_convicted(self) -> bool:
        """Whether peers hold proof that our key signed two histories. Then it signs no more."""
        return self._logs.proof(self.author) is not None

    @property
    def is_closed(self) -> bool:
        """Whether nothing will ever be signed here again."""
        return self.is_revoked or self.is_convicted

    @property
    def is_suspect(self) -> bool:
        """Whether nothing may be signed before the head is confirmed."""
        return bool(self.suspicion) and not self.confirmed

    @property
    def why_not(self) -> str:
        """One line for a command that cannot be signed now."""
        if self.is_revoked:
            heir = f"the key {self.heir.hex()[:12]}" if self.heir else "no other key"
            return (
                "this node's key was revoked by its recovery key, so nothing is signed here any "
                f"more; {heir} was named to go on with its reputation: start with a new home, "
                "--home or --name"
            )
        if self.is_convicted:
            return "this node's key was used for two histories and is void: start with a new home"
        if self.is_suspect:
            return self.suspicion
        return "too much waits for a peer to confirm this node's history: start a peer"

    @property
    def is_full(self) -> bool:
        """Whether so much is held back that commands must be refused."""
        return len(self.held) >= MAX_HELD

    @property
    def head(self) -> tuple[int, bytes]:
        """(seq, id) of the last record signed; (0, zeros) for an empty log."""
        if self.held:
            return self.held[-1].seq, self.held[-1].id
        head = self._logs.head(self.author)
        return (0, NO_PREV) if head is None else (head.seq, head.id)

    def sign(self, draft: Draft, now_us: int) -> Record:
        """The next record. Raises `Malformed` where the draft does not fit a record, or the log set
        has no place for one more author."""
        seq, prev = self.head
        record = sign_record(
            self._identity, network=self._network, seq=seq + 1, prev=prev,
            refs=self._foreign(draft.refs), type=draft.body.type, body=body_map(draft.body),
            claimed_ms=max(0, (now_us + self._wall_offset_us) // 1_000),
        )
        self._place(record)
        return record

    def _foreign(self, refs: Sequence[bytes]) -> list[bytes]:
        own = {record.id for record in self.held}
        foreign = []
        for ref in refs:
            record = self._logs.get(ref)
            if ref not in own and (record is None or record.author != self.author):
                foreign.append(ref)
        return foreign[:MAX_REFS]

    def _place(self, record: Record) -> None:
        if self.confirmed:
            insertion = self._logs.insert([record])
            if insertion.refused == AUTHORS_FULL:
                raise Malformed(AUTHORS_FULL)
            assert insertion.added, f"own record refused: {insertion.refused}"
        else:
            self.held.append(record)

    def hold(self, record: Record) -> None:
        """Hold a record of the store that never left this machine, as far as is known."""
        self.held.append(record)

    def held_at(self, seq: int) -> Record | None:
        """The record at `seq`, if it is held back. Those that are stand in a row."""
        index = seq - self.held[0].seq if self.held else -1
        return self.held[index] if 0 <= index < len(self.held) else None

    # --- confirmation --------------------------------------------------------------------------

    def head_reported(self, seq: int, head: bytes, now_us: int) -> str:
        """A peer told what it holds of our log. Returns a warning line, or nothing."""
        if self.confirmed:
            return ""
        if seq > self.base_seq:
            self._reported_seq = max(self._reported_seq, seq)
            if not self.is_suspect:
                self._wait(now_us + RECOVER_US)
            return ""
        known = self._logs.at(self.author, seq) if seq else None
        if seq > self._logs.floor(self.author) and (known is None or known.id != head):
            if not self.is_suspect:
                self._wait(now_us + RECOVER_US)
            return "a peer says that it holds another record of ours at the same place"
        if self.is_suspect and seq < max(1, self.base_seq):
            return ""  # It knows less than the copy, so it cannot say how far the log goes.
        if self._reported_seq <= self.base_seq:
            self._wait(now_us + CONFIRM_GRACE_US)
        return ""

    def _wait(self, until_us: int) -> None:
        """Confirm at `until_us` at the latest."""
        if self.confirm_at is None or until_us < self.confirm_at:
            self.confirm_at = until_us

    def recovered(self, now_us: int) -> None:
        """Own records arrived from peers: they carry our signature, so that part is confirmed."""
        if not self.confirmed:
            is_whole = self.base_seq >= self._reported_seq
            if self.is_suspect and not is_whole:
                return
            self.confirm_at = now_us + (CONFIRM_GRACE_US if is_whole else RECOVER_US)

    def displaced(self, records: Sequence[Record], now_us: int) -> None:
        """Own records, never sent, stood where peers have other signed ones of ours: hold them
        until the higher head is here, then sign them anew."""
        self.confirmed = False
        self.confirm_at = now_us + RECOVER_US
        self.held[:0] = records

    def may_confirm(self, now_us: int) -> bool:
        """Whether the wait is over."""
        if self.is_closed:
            self.confirm_at = None  # It signs no more, so there is nothing to let go.
        return not self.confirmed and self.confirm_at is not None and now_us >= self.confirm_at

    def confirm(self, now_us: int) -> list[tuple[Record, Record]]:
        """Let held records go. Returns (old, new) for those that had to be signed anew; when the
        list is empty the held ones stand as they are."""
        assert not self.confirmed
        self.confirmed = True
        self.confirm_at = None
        # What peers gave back unchanged needs no second place.
        held = [record for record in self.held if self._logs.get(record.id) is None]
        self.held = []
        head = self._logs.head(self.author)
        base_id = NO_PREV if head is None else head.id
        if not held or held[0].prev == base_id:
            for record in held:
                self._place(record)
            return []
        return self._sign_anew(held)

    def _sign_anew(self, held: Sequence[Record]) -> list[tuple[Record, Record]]:
        renamed: dict[bytes, bytes] = {}
        moved: dict[int, int] = {}
        pairs: list[tuple[Record, Record]] = []
        for old in held:
            seq, prev = self.head
            body = _rename(dict(old.body), renamed)
            if old.type == RecordType.OFFER and OFFER_AFTER_KEY in body:
                body[OFFER_AFTER_KEY] = sorted(moved.get(s, s) for s in body[OFFER_AFTER_KEY])
            if old.type == RecordType.MARK:
                body[MARK_TOPIC_KEY] = _topic(body.get(MARK_TOPIC_KEY), renamed)
            new = sign_record(
                self._identity, network=self._network, seq=seq + 1, prev=prev, refs=old.refs,
                type=old.type, body=body, claimed_ms=old.claimed_ms,
            )
            moved[old.seq] = new.seq
            self._place(new)
            renamed[old.id] = new.id
            pairs.append((old, new))
        return pairs


def _topic(topic: Any, renamed: dict[bytes, bytes]) -> Any:
    """The topic of a mark; one that is the id of a task goes with it."""
    return next((new.hex() for old, new in renamed.items() if old.hex() == topic), topic)


def _rename(value: Any, renamed: dict[bytes, bytes]) -> Any:
    """`value` with every id of a record that was signed anew replaced by its new id."""
    if isinstance(value, bytes):
        return renamed.get(value, value)
    if isinstance(value, list):
        return [_rename(item, renamed) for item in value]
    if isinstance(value, dict):
        return {key: _rename(item, renamed) for key, item in value.items()}
    return value
