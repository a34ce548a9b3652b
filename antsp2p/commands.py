"""What this machine's user may ask of the node, and what is answered.

Law: a command is checked, turned into drafts, and answered in one line; it decides nothing that
the rules decide. A refused command has done nothing. No peer can reach this.
"""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.body import (
    IDENTITY_NAME,
    Announce,
    BlobRef,
    Body,
    Cancel,
    CancelReason,
    Mark,
    Offer,
    Outcome,
    Result,
    Revoke,
    Vouch,
    body_map,
    parse_body,
    read_body,
)
from antsp2p.coordination.claimant import MAX_AGENTS
from antsp2p.coordination.draft import Draft
from antsp2p.coordination.fields import MAX_TEXT_BYTES
from antsp2p.coordination.standing import recovery_digest
from antsp2p.events import (
    Answer,
    CancelTask,
    Command,
    DecideTask,
    FinishClaim,
    LeaveMark,
    PostTask,
    ReleaseClaim,
    ReportProgress,
    RevokeKey,
    ServeCapability,
    VouchFor,
    WithdrawAgent,
)
from antsp2p.own_log import AUTHORS_FULL
from antsp2p.records.encoding import Malformed
from antsp2p.records.record import ID_BYTES, NO_PREV, parse_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from antsp2p.node import Node
    from antsp2p.records.record import Record

STALE_ANNOUNCE_US: Final = 3_000_000
"""After a start, agents get this long to come back before their capability is withdrawn."""

_ALLOWED: Final[Mapping[str, str]] = {
    "capability": "lower-case words joined by . _ or -, at most 64 characters",
    "name": "lower-case words joined by . _ or -, at most 64 characters",
    "topic": "lower-case words joined by . _ or -, at most 64 characters",
    "half_life_ms": "up to 30 days",
    "lease_ms": "500 ms to 24 h",
    "settle_ms": "0 to 60 s",
    "attempts": "1 to 1000",
    "timeout_ms": "0 (none) to 30 days",
    "cost": "1 to 1000",
    "weight": "1 to 1000",
    "days": "0 to 366",
    "slots": "1 to 10000",
    "media_type": "printable ASCII like text/plain, at most 100 characters",
    "idempotency_key": "1 to 32 bytes",
    "after": "at most 16 own tasks",
    "text": "at most 300 bytes",
    "description": "at most 300 bytes",
    "nickname": "at most 300 bytes",
    "input": "at most 400 bytes inline; larger content as a blob of at most 16 MiB",
    "output": "at most 400 bytes inline; larger content as a blob of at most 16 MiB",
    "blob": "at most 16 MiB",
    "config_digest": "32 bytes",
}


class Refused(Exception):
    """The command cannot be done; the text is one line that says why and what to do."""


class Commands:
    """Runs commands against one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._keys: dict[bytes, bytes] = {}
        self._details: dict[str, ServeCapability] = {}
        self.wake_at: int | None = None

    def run(self, command: Command, now_us: int) -> Answer:
        """Do `command`; the answer is final, but may be held back until it is durable."""
        try:
            return Answer(command.request, self._run(command, now_us))
        except Refused as refused:
            return Answer(command.request, refusal=str(refused))
        except UnicodeEncodeError:
            return Answer(command.request, refusal="a text of this command is not valid Unicode")

    def _run(self, command: Command, now_us: int) -> Mapping[str, Any]:
        match command:
            case PostTask():
                return self._post(command)
            case DecideTask():
                return self._decide(command)
            case CancelTask():
                return self._cancel(command)
            case ServeCapability():
                return self._serve(command)
            case WithdrawAgent():
                return self._withdraw(command)
            case FinishClaim():
                return self._finish(command)
            case ReleaseClaim():
                return self._release(command)
            case ReportProgress():
                return self._progress(command, now_us)
            case RevokeKey():
                return self._revoke(command)
            case VouchFor():
                return self._vouch(command)
            case LeaveMark():
                return self._mark(command)

    def _append(self, body: Body) -> Record:
        read, wrong = read_body(body.type, body_map(body))
        if read is None:
            allowed = _ALLOWED.get(wrong, "")
            # Whoever serves or vouches knows a capability's name by that word.
            shown = "capability" if wrong == "name" else wrong.replace("_ms", "")
            raise Refused(f"{shown} is not allowed here: it must be {allowed}")
        try:
            return self._node.append(Draft(body))
        except Malformed as error:
            if error.reason == AUTHORS_FULL:
                raise Refused("this network has no place for one more node") from error
            raise Refused(
                "this does not fit one record: shorten the texts or pass the content as a blob"
            ) from error

    # --- the requester's commands --------------------------------------------------------------

    def _post(self, command: PostTask) -> Mapping[str, Any]:
        key = command.idempotency_key
        if key and key in self._keys:
            return self._posted(self._keys[key], command)
        is_blob = isinstance(command.input, BlobRef)
        if command.holder_only and not is_blob:
            raise Refused("an input for the holder alone must be a blob: in the record all see it")
        if len(command.expected) not in (0, ID_BYTES):
            raise Refused("what is expected must be given by its hash, 32 bytes")
        record = self._append(Offer(
            capability=command.capability, lease_ms=command.lease_ms,
            settle_ms=command.settle_ms, attempts=command.attempts,
            input=None if isinstance(command.input, BlobRef) else command.input,
            blob=command.input if isinstance(command.input, BlobRef) else None,
            media_type=command.media_type, timeout_ms=command.timeout_ms,
            review=command.review or bool(command.expected),
            cost=command.cost, idempotency_key=key, after=self._after(command.after),
            holder_only=command.holder_only,
        ))
        if command.expected:
            self._node.expect(record.id, command.expected)
        if key:
            self._keys[key] = record.id
        return {"task": record.id, "blob": is_blob}

    def _posted(self, task: bytes, command: PostTask) -> Mapping[str, Any]:
        """The task that a key stands for, if it is what is asked for now."""
        offered = self._node.tasks.offer(task)
        if offered is not None:
            offer, given = offered[1], command.input
            earlier = offer.input if offer.blob is None else offer.blob
            differs = [
                what for what, same in (
                    ("capability", offer.capability == command.capability),
                    ("input", earlier == given),
                ) if not same
            ]
            if differs:
                raise Refused(
                    f"this key stands for task {task.hex()[:12]} already, which has another "
                    f"{' and '.join(differs)}; that task stands, and nothing new was posted"
                )
        return {"task": task}

    def _after(self, tasks: tuple[bytes, ...]) -> tuple[int, ...]:
        seqs = set()
        for task in tasks:
            offered = self._node.tasks.offer(task)
            if offered is None or offered[0].author != self._node.author:
                raise Refused(f"task {task.hex()[:12]} is not a task that this node posted")
            seqs.add(offered[0].seq)
        return tuple(sorted(seqs))

    def _own_task(self, task: bytes) -> None:
        offered = self._node.tasks.offer(task)
        if offered is None:
            raise Refused(f"no task {task.hex()[:12]} is known here; see: antsp2p tasks")
        if offered[0].author != self._node.author:
            raise Refused("only the node that posted a task may decide about it")
        resolution = self._node.tasks.resolve(task)
        if resolution is None or resolution.end is not None or not self._node.requester.owns(task):
            raise Refused("the task has ended already")

    def _decide(self, command: DecideTask) -> Mapping[str, Any]:
        self._own_task(command.task)
        draft = self._node.requester.verdict(
            command.task, command.accept, _clip(command.reason)
        )
        if draft is None:
            raise Refused("the task has no result yet that a verdict could be given on")
        return {"verdict": self._node.append(draft).id}

    def _cancel(self, command: CancelTask) -> Mapping[str, Any]:
        self._own_task(command.task)
        body = Cancel(command.task, CancelReason.REQUESTER, _clip(command.reason))
        return {"cancel": self._append(body).id}

    # --- the worker's commands -----------------------------------------------------------------

    def _serve(self, command: ServeCapability) -> Mapping[str, Any]:
        claimant = self._node.claimant
        if command.agent in claimant.agents:
            raise Refused(f"an agent named {command.agent} serves already")
        if len(claimant.agents) >= MAX_AGENTS:
            raise Refused(f"this node serves {MAX_AGENTS} agents already; stop one first")
        if command.slots < 1:
            raise Refused("slots must be at least 1")
        slots = claimant.served_slots(command.capability) + command.slots
        self._announce(command.capability, slots, command)
        self._details[command.capability] = command
        claimant.serve(command.agent, command.capability, command.slots)
        return {"agent": command.agent}

    def _announce(
        self, capability: str, slots: int, detail: ServeCapability | None = None
    ) -> None:
        """Announce unless the latest announcement says the same already."""
        detail = detail or self._details.get(capability)
        latest = self._node.capabilities.latest(self._node.author, capability)
        if slots:
            body = Announce(
                capability, slots, description=_clip(detail.description) if detail else "",
                nickname=_clip(self._node.nickname),
                config_digest=detail.config_digest if detail else b"",
            )
        else:
            body = Announce(capability, 0, withdrawn=True)
        # What was said of the key in the first announcement need not be said again.
        if latest is None or replace(latest, recovery=b"", succeeds=b"", work=None) != body:
            self._append(body)

    def _withdraw(self, command: WithdrawAgent) -> Mapping[str, Any]:
        agent = self._node.claimant.agents.get(command.agent)
        if agent is None:
            return {}
        for holding in self._node.claimant.withdraw(command.agent):
            self._node.release(holding.task, holding.claim.id, _clip(command.reason))
        self._announce(agent.capability, self._node.claimant.served_slots(agent.capability))
        return {}

    def _finish(self, command: FinishClaim) -> Mapping[str, Any]:
        holding = self._node.claimant.holdings.get(command.claim)
        if holding is None:
            raise Refused("the claim is no longer held: the result came too late")
        output = command.output
        blob = output if isinstance(output, BlobRef) else None
        inline = None if isinstance(output, BlobRef) else output
        if not command.done:
            blob, inline = None, b""
        record = self._append(Result(
            holding.task, command.claim, Outcome.DONE if command.done else Outcome.FAILED,
            inline, blob, command.media_type, "" if command.done else _clip_front(command.error),
        ))
        self._node.claimant.drop(command.claim)
        return {"result": record.id}

    def _release(self, command: ReleaseClaim) -> Mapping[str, Any]:
        holding = self._node.claimant.holdings.get(command.claim)
        if holding is None:
            raise Refused("the claim is not held")
        record = self._node.release(holding.task, command.claim, _clip(command.reason))
        return {} if record is None else {"reopen": record.id}

    def _progress(self, command: ReportProgress, now_us: int) -> Mapping[str, Any]:
        progress = min(max(command.progress, 0), 1_000)
        if not self._node.claimant.reported(command.claim, progress, now_us):
            raise Refused("the claim is no longer held: stop the work")
        return {}

    # --- whom this node stands in for ----------------------------------------------------------

    def _vouch(self, command: VouchFor) -> Mapping[str, Any]:
        node = self._node
        if command.author == node.author:
            raise Refused("nobody can vouch for itself")
        given = node.meaning.vouches.given(node.author, command.author)
        if not command.days and (given is None or given.until <= node.ledger.bucket):
            raise Refused("this node does not vouch for that one")
        weight = 1 if not command.days else command.weight
        body = Vouch(
            command.author, weight, command.days, command.capability if command.days else "",
            _clip(command.reason),
        )
        return {"vouch": self._append(body).id}

    # --- the blackboard ------------------------------------------------------------------------

    def _mark(self, command: LeaveMark) -> Mapping[str, Any]:
        mark = Mark(command.topic, command.text, command.half_life_ms)
        body, _ = read_body(mark.type, body_map(mark))
        if isinstance(body, Mark) and mark.withdrawn:
            if mark.text:
                raise Refused("what is wiped off leaves no text: half_life must be above 0")
            if self._node.author not in self._node.meaning.marks.live(mark.topic):
                raise Refused("this node has left no mark at that topic")
        return {"mark": self._append(mark).id}

    # --- keys ----------------------------------------------------------------------------------

    def _revoke(self, command: RevokeKey) -> Mapping[str, Any]:
        record, revoke = self._read_revoke(command.wire)
        node = self._node
        if command.succeed and revoke.successor != node.author:
            raise Refused("the revoke does not name this node as the successor")
        if node.gossip.catching_up:
            raise Refused("this node is still catching up with the others: try again later")
        head = node.logs.head(record.author)
        # Anything else could be a fork of the recovery key's log, or a gap in it.
        if (record.seq, record.prev) != ((head.seq + 1, head.id) if head else (1, NO_PREV)):
            raise Refused(
                "the revoke does not continue what is known here of the recovery key's log: "
                "ask for its head again, and sign anew"
            )
        refused = node.introduce(record).refused
        if refused:
            raise Refused(f"the revoke is not valid ({refused})")
        answer: dict[str, bytes] = {"revoke": record.id}
        if command.succeed:
            said = Announce(IDENTITY_NAME, 0, withdrawn=True, succeeds=revoke.author)
            answer["announce"] = self._append(said).id
        return answer

    def _read_revoke(self, wire: bytes) -> tuple[Record, Revoke]:
        try:
            record = parse_record(wire)
        except Malformed as error:
            raise Refused(f"this is no record ({error.reason})") from error
        revoke = parse_body(record)
        if not isinstance(revoke, Revoke) or record.author == self._node.author:
            raise Refused("this is no revoke that a recovery key has signed")
        digest = self._node.meaning.standings.recovery(revoke.author)
        if digest != recovery_digest(record.author):
            raise Refused(
                "the first announcement of the author to be revoked names another recovery key, "
                "or has not arrived here: nobody would heed this revoke"
            )
        return record, revoke

    # --- after a start -------------------------------------------------------------------------

    def restored(self, now_us: int) -> None:
        """The history is folded: remember idempotency keys, and plan to withdraw what no agent
        comes back for."""
        for task in self._node.tasks.task_ids():
            offered = self._node.tasks.offer(task)
            if offered is not None and offered[0].author == self._node.author:
                self._remember_key(*offered)
        if self._stale():
            self.wake_at = now_us + STALE_ANNOUNCE_US

    def renamed(self, ids: Mapping[bytes, bytes]) -> None:
        """Records were signed anew, old id -> new id: a key means the new offer from now on."""
        self._keys = {key: ids.get(task, task) for key, task in self._keys.items()}

    def _remember_key(self, record: Record, offer: Offer) -> None:
        if offer.idempotency_key:
            self._keys.setdefault(offer.idempotency_key, record.id)

    def _stale(self) -> list[str]:
        return [
            announce.name for announce in self._node.capabilities.of(self._node.author)
            if not self._node.claimant.served_slots(announce.name)
        ]

    def wake(self, now_us: int) -> None:
        """Withdraw capabilities that no agent came back for."""
        if self.wake_at is None or now_us < self.wake_at:
            return
        if not self._node.may_sign:
            self.wake_at = now_us + STALE_ANNOUNCE_US
            return
        self.wake_at = None
        for name in self._stale():
            self._announce(name, 0)


def _clip(text: str) -> str:
    """The beginning of `text`, at most 300 bytes, cut between characters."""
    _check_text(text)
    return text.encode(errors="replace")[:MAX_TEXT_BYTES].decode(errors="ignore")


def _clip_front(text: str) -> str:
    """The end of `text`, where an error says what happened."""
    _check_text(text)
    return text.encode(errors="replace")[-MAX_TEXT_BYTES:].decode(errors="ignore")


def _check_text(text: Any) -> None:
    # A program may hand over anything, and must not end its node by it.
    if not isinstance(text, str):
        raise Refused("a text of this command is no text")
