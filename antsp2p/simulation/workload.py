"""The users of the simulated world: agents that work, well or badly, and posters of tasks.

Law: a user knows only what its own node tells it; between the two lies the delay of a local call.
An agent dies with its machine and serves again when the machine is back.
"""
from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.body import MAX_INLINE_BYTES, BlobRef, Outcome, Result, content_hash
from antsp2p.coordination.state import State
from antsp2p.events import (
    Answer,
    BlobFetched,
    BlobMissing,
    Command,
    DecideTask,
    Effect,
    FetchBlob,
    FinishClaim,
    Notice,
    PostTask,
    ReleaseClaim,
    ReportProgress,
    ServeCapability,
    StartWork,
    StopWork,
)
from antsp2p.simulation.limits import MAX_POST_RETRIES
from antsp2p.simulation.world import Observer, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.simulation.machine import Machine

CALL_US: Final = 500
"""A local call between an agent or a person and the node, one way."""
RETRY_US: Final = 200_000
REVIEW_US: Final = 100_000
"""How often a person who reviews looks for a result."""
FETCH_US: Final = 5_000
PROGRESS_US: Final = 250_000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an agent works. Rates are the probability for each piece of work."""

    name: str = "honest"
    service_ms: int = 50
    """Mean of an exponential distribution; at least a tenth of it."""
    failing: float = 0.0
    wrong: float = 0.0
    delivers: bool = True
    reports_progress: bool = True


HONEST: Final = Behaviour()
FLAKY: Final = Behaviour("flaky", failing=0.5)
WRONG: Final = Behaviour("wrong", wrong=1.0)
SILENT: Final = Behaviour("silent", delivers=False, reports_progress=False)
PRETENDING: Final = Behaviour("pretending", delivers=False)
"""Reports progress for ever and delivers nothing."""


@dataclass(slots=True)
class Posting:
    """One task that somebody wants done."""

    number: int
    capability: str
    input: bytes
    machine: int
    author: bytes
    """Whose task it is: with a wiped home it has no requester any more."""
    due_us: int
    answered_us: int = 0
    task: bytes = b""
    tries: int = 0

    @property
    def key(self) -> bytes:
        """The idempotency key: posting again after a crash is not a second task."""
        return b"task-%d" % self.number


@dataclass(slots=True)
class Run:
    """One agent's work under one claim."""

    machine: int
    start: StartWork
    since_us: int
    generation: int


@dataclass(frozen=True, slots=True)
class TaskTerms:
    """What every posting of a workload asks for."""

    lease_ms: int = 10_000
    settle_ms: int = 150
    attempts: int = 10
    timeout_ms: int = 0
    review: bool = False
    blob_rate: float = 0.0
    """Share of the tasks whose input, and so result, is too large for a record."""


@dataclass(slots=True)
class _Calls:
    """The commands of one machine that wait for their answer."""

    waiting: dict[int, Callable[[Answer], None]] = field(default_factory=dict)
    last: int = 0


def expected_output(content: bytes) -> bytes:
    """What an honest agent makes of an input; large inputs have large results."""
    digest = hashlib.sha256(b"work" + content).digest()
    return digest if len(content) <= MAX_INLINE_BYTES else digest * 20


class Workload(Observer):
    """Agents on machines, postings over time, and who works on what right now."""

    def __init__(self, world: World, terms: TaskTerms | None = None) -> None:
        self.world = world
        self.terms = terms or TaskTerms()
        self.postings: list[Posting] = []
        self.runs: dict[tuple[int, bytes], Run] = {}
        """(machine, claim) -> the run under way."""
        self.duplicate_runs = 0
        self.counts: Counter[str] = Counter()
        self._working: Counter[bytes] = Counter()
        self._agents: dict[int, list[tuple[str, Behaviour, int]]] = {}
        self._calls: dict[int, _Calls] = {}
        self._contents: dict[bytes, bytes] = {}
        self._stream = world.stream("workload/service")
        world.observers.append(self)

    # --- making a workload ------------------------------------------------------------------

    def add_agent(
        self, machine: Machine, capability: str, behaviour: Behaviour = HONEST, slots: int = 1
    ) -> None:
        """An agent that serves `capability` whenever the machine is up."""
        self._agents.setdefault(machine.index, []).append((capability, behaviour, slots))
        if machine.node is not None:
            self._serve(machine, capability, slots)

    def post(self, machine: Machine, capability: str, due_us: int) -> Posting:
        """Somebody at `machine` wants a task done, from `due_us` on."""
        number = len(self.postings)
        stream = self.world.stream(f"workload/task/{number}")
        large = stream.random() < self.terms.blob_rate
        content = stream.randbytes(MAX_INLINE_BYTES + 600 if large else 40)
        posting = Posting(number, capability, content, machine.index, machine.author, due_us)
        self.postings.append(posting)
        self.world.after(max(0, due_us - self.world.now_us), self._post, posting)
        return posting

    # --- calls ------------------------------------------------------------------------------

    def call(
        self, machine: Machine, make: Callable[[int], Command],
        answered: Callable[[Answer], None] | None = None,
    ) -> None:
        """Send a command to the machine's node; `answered` hears the answer unless it crashes."""
        calls = self._calls.setdefault(machine.index, _Calls())
        calls.last += 1
        calls.waiting[calls.last] = answered or self._count_refusal
        self.world.after(CALL_US, self._tell, machine, machine.generation, make(calls.last))

    def _tell(self, machine: Machine, generation: int, event: Any) -> None:
        if machine.generation == generation:
            machine.tell(event)

    def _count_refusal(self, answer: Answer) -> None:
        if answer.refusal:
            self.counts["refusals"] += 1

    def _answer(self, machine: Machine, answer: Answer) -> None:
        calls = self._calls.get(machine.index, _Calls())
        waiting = calls.waiting.pop(answer.request, None)
        if waiting is None:
            what = f"request {answer.request} is answered twice"
            raise self.world.violation("answers", what, machine)
        waiting(answer)

    # --- posters ----------------------------------------------------------------------------

    def _post(self, posting: Posting) -> None:
        machine = self.world.machines[posting.machine]
        if posting.task or machine.author != posting.author:
            return
        if machine.node is None:
            self.world.after(RETRY_US, self._post, posting)
            return
        posting.tries += 1
        if posting.tries > MAX_POST_RETRIES:
            what = f"task {posting.number} is always refused"
            raise self.world.violation("posting", what, machine)
        terms = self.terms
        content = self._handed(machine, posting.input)
        self.call(
            machine,
            lambda request: PostTask(
                request, posting.capability, content, lease_ms=terms.lease_ms,
                settle_ms=terms.settle_ms, attempts=terms.attempts, timeout_ms=terms.timeout_ms,
                review=terms.review, idempotency_key=posting.key,
            ),
            lambda answer: self._posted(machine, posting, answer),
        )

    def _posted(self, machine: Machine, posting: Posting, answer: Answer) -> None:
        if answer.refusal:
            self.counts["refusals"] += 1
            self.world.after(RETRY_US, self._post, posting)
            return
        posting.task = answer.value["task"]
        posting.answered_us = self.world.now_us
        if not _is_on_disk(machine, posting.task):
            what = "a task was answered before it was durable"
            raise self.world.violation("answers", what, machine)
        if self.terms.review:
            self.world.after(REVIEW_US, self._review, posting)

    def _ask_again(self, machine: Machine) -> None:
        """A log put back from a backup may sign its latest offers anew, under other ids: posting
        with the same key tells the present one."""
        for posting in self.postings:
            if posting.author == machine.author and posting.task:
                posting.task = b""
                self.world.after(CALL_US, self._post, posting)

    def _review(self, posting: Posting) -> None:
        machine = self.world.machines[posting.machine]
        if machine.author != posting.author:
            return
        if machine.node is not None:
            resolution = machine.node.tasks.resolve(posting.task)
            if resolution is not None and resolution.end is not None:
                return
            if resolution is not None and resolution.state is State.DONE:
                self._decide(machine, posting)
        self.world.after(REVIEW_US, self._review, posting)

    def _decide(self, machine: Machine, posting: Posting) -> None:
        """Give a verdict on the finished result that has none yet."""
        assert machine.node is not None
        tasks = machine.node.tasks
        judged = {body.claim for _, body in tasks.verdicts(posting.task)}
        for _, result in reversed(tasks.results(posting.task)):
            if result.outcome == Outcome.DONE and result.claim not in judged:
                self._judge(machine, posting, self.is_right(posting, result))
                return

    def _judge(self, machine: Machine, posting: Posting, right: bool) -> None:
        reason = "" if right else "the result is wrong"
        self.call(machine, lambda request: DecideTask(request, posting.task, right, reason))

    def is_right(self, posting: Posting, result: Result) -> bool:
        """Whether the result is what an honest agent delivers."""
        return result.hash == content_hash(expected_output(posting.input))

    # --- agents -----------------------------------------------------------------------------

    def started(self, machine: Machine) -> None:
        self._calls[machine.index] = _Calls()
        for capability, _, slots in self._agents.get(machine.index, ()):
            self._serve(machine, capability, slots)
        for posting in self.postings:
            if posting.machine == machine.index and not posting.task and posting.tries:
                self.world.after(CALL_US, self._post, posting)

    def crashed(self, machine: Machine) -> None:
        self._calls.pop(machine.index, None)
        for machine_index, claim in list(self.runs):
            if machine_index == machine.index:
                self._end_run(machine_index, claim)

    def _serve(self, machine: Machine, capability: str, slots: int) -> None:
        self.call(
            machine,
            lambda request: ServeCapability(request, f"agent {capability}", capability, slots),
        )

    def performed(self, machine: Machine, effect: Effect) -> None:
        match effect:
            case StartWork():
                self._start(machine, effect)
            case StopWork():
                if self._end_run(machine.index, effect.claim):
                    self.counts["stopped"] += 1
            case Answer():
                self._answer(machine, effect)
            case Notice(kind="warning"):
                self._ask_again(machine)
            case FetchBlob(blob=blob, sources=sources):
                self.world.after(FETCH_US, self._fetch, machine, machine.generation, blob, sources)

    def _start(self, machine: Machine, start: StartWork) -> None:
        if (machine.index, start.claim) in self.runs:
            raise self.world.violation("agents", "a claim was started twice", machine)
        if self._working[start.task]:
            self.duplicate_runs += 1
        self._working[start.task] += 1
        self.counts["runs"] += 1
        run = Run(machine.index, start, self.world.now_us, machine.generation)
        self.runs[machine.index, start.claim] = run
        behaviour = next(
            behaviour for capability, behaviour, _ in self._agents[machine.index]
            if capability == start.capability
        )
        if behaviour.reports_progress:
            self.world.after(PROGRESS_US, self._progress, run)
        if behaviour.delivers:
            mean_us = behaviour.service_ms * 1_000
            service_us = mean_us // 10 + int(self._stream.expovariate(1) * mean_us * 0.9)
            self.world.after(service_us, self._finish, run, behaviour)

    def _is_under_way(self, run: Run) -> bool:
        return self.runs.get((run.machine, run.start.claim)) is run

    def _end_run(self, machine: int, claim: bytes) -> bool:
        run = self.runs.pop((machine, claim), None)
        if run is None:
            return False
        self._working[run.start.task] -= 1
        return True

    def _progress(self, run: Run) -> None:
        if not self._is_under_way(run):
            return
        machine = self.world.machines[run.machine]
        self.call(machine, lambda request: ReportProgress(request, run.start.claim, 500))
        self.world.after(PROGRESS_US, self._progress, run)

    def _finish(self, run: Run, behaviour: Behaviour) -> None:
        if not self._is_under_way(run):
            return
        machine = self.world.machines[run.machine]
        content = self._read(machine, run.start.input, run.start.sources)
        fails = self._stream.random() < behaviour.failing
        output = b"nonsense" if self._stream.random() < behaviour.wrong else None
        self._end_run(run.machine, run.start.claim)
        claim = run.start.claim
        if content is None:
            self.counts["inputs-missing"] += 1
            self.call(machine, lambda request: ReleaseClaim(request, claim, "no input"))
        elif fails:
            self.counts["failed"] += 1
            self.call(machine, lambda request: FinishClaim(request, claim, False, error="exit 1"))
        else:
            result = self._handed(machine, expected_output(content) if output is None else output)
            self.call(machine, lambda request: FinishClaim(request, claim, True, result))

    # --- blobs ------------------------------------------------------------------------------

    def _handed(self, machine: Machine, content: bytes) -> bytes | BlobRef:
        """Content as it is handed to the node: itself, or kept in the blob store and named."""
        if len(content) <= MAX_INLINE_BYTES:
            return content
        blob = BlobRef(content_hash(content), len(content))
        self._contents[blob.hash] = content
        machine.disk.blobs[blob.hash] = blob
        return blob

    def _read(
        self, machine: Machine, content: bytes | BlobRef, sources: Sequence[Any]
    ) -> bytes | None:
        if isinstance(content, bytes):
            return content
        return self._contents[content.hash] if self._pull(machine, content, sources) else None

    def _pull(self, machine: Machine, blob: BlobRef, sources: Sequence[Any]) -> bool:
        if blob.hash in machine.disk.blobs:
            return True
        network = self.world.network
        for source in map(network.machine_at, sources):
            if source is None or source.node is None or not network.connects(machine, source):
                continue
            if blob.hash in source.disk.blobs:
                machine.disk.blobs[blob.hash] = blob
                return True
        return False

    def _fetch(
        self, machine: Machine, generation: int, blob: BlobRef, sources: Sequence[Any]
    ) -> None:
        if machine.generation != generation:
            return
        found = self._pull(machine, blob, sources)
        machine.tell(BlobFetched(blob) if found else BlobMissing(blob, "no source has it"))


def _is_on_disk(machine: Machine, record_id: bytes) -> bool:
    own = machine.disk.logs.get(machine.author, {})
    return any(record.id == record_id for record, _, _ in own.values())
