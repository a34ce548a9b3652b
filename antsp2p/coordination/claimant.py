"""The worker's side: which open tasks to claim, what to start, what to stop, what to lapse.

Law: pure decisions on the fold and the observed leases. The agents themselves are elsewhere; here
are only their names, capabilities and slots. Nothing is sent or signed here.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.agenda import Agenda
from antsp2p.coordination.body import Claim, Offer, Reopen, ReopenReason
from antsp2p.coordination.draft import Draft
from antsp2p.coordination.rendezvous import rank
from antsp2p.coordination.rivals import Rivals
from antsp2p.coordination.state import State

if TYPE_CHECKING:
    from antsp2p.coordination.capability import CapabilityFold
    from antsp2p.coordination.judgement import Judgement
    from antsp2p.coordination.lease import Leases
    from antsp2p.coordination.tasks import Resolution, TaskFold
    from antsp2p.records.record import Record

RANK_SLOT_US: Final = 40_000
"""How long each rank waits: a claim reaches everybody on a LAN well within it."""
SOLO_START_US: Final = 150_000
"""How long after the settle window work starts without an award: the requester's window begins
when the claim reaches it, and its award needs the way back."""
STANDBY_US: Final = 1_000_000
"""How long a slot stays reserved for a claim that lost the tie-break but may yet be awarded."""
MAX_STANDBY: Final = 1_000
"""Such claims remembered after their slot was given up."""
SILENT_LEASES: Final = 3
"""An agent that reports nothing for this many leases no longer has its claim renewed."""
MIN_SILENCE_US: Final = 10_000_000
DECLINED_US: Final = 30_000_000
"""Between two looks whether a requester has given the verdicts that it owes."""
SCANNED_TASKS: Final = 64
"""Open tasks compared when a slot becomes free: the oldest, so that none waits for ever."""
MAX_AGENTS: Final = 1_000


@dataclass(slots=True)
class Agent:
    """A program on this machine that serves one capability."""

    name: str
    capability: str
    slots: int
    held: int = 0


@dataclass(slots=True)
class Holding:
    """An own claim that has not ended."""

    claim: Record
    task: bytes
    epoch: int
    agent: str
    capability: str
    lease_us: int
    claimed_us: int
    won_us: int | None = None
    started: bool = False
    reported_us: int = 0
    progress: int = 0


@dataclass(slots=True)
class _Open:
    """A task that nobody has claimed in its highest open epoch."""

    epoch: int
    since_us: int
    capability: str
    claim_at_us: int | None = None
    """When our rank's turn comes; None while no slot is free."""


@dataclass(frozen=True, slots=True)
class Start:
    """The agent may begin."""

    holding: Holding


@dataclass(frozen=True, slots=True)
class Stop:
    """The agent must stop: its claim is lost."""

    holding: Holding
    reason: str


class Claimant:
    """Claims tasks for the agents of `me`."""

    def __init__(
        self, me: bytes, tasks: TaskFold, capabilities: CapabilityFold, leases: Leases,
        judgement: Judgement,
    ) -> None:
        self._me = me
        self._tasks = tasks
        self._capabilities = capabilities
        self._leases = leases
        self._judgement = judgement
        self.agents: dict[str, Agent] = {}
        self.holdings: dict[bytes, Holding] = {}
        self._by_task: dict[bytes, bytes] = {}
        self._open: dict[bytes, _Open] = {}
        self._rivals = Rivals(me, capabilities, judgement)
        self._watched: dict[bytes, bytes] = {}
        self._standby: dict[bytes, None] = {}
        self._agenda = Agenda()
        self._freed = False

    @property
    def wake_at(self) -> int | None:
        """When `take_due` has something."""
        return self._agenda.wake_at

    def look_at(self, task: bytes, now_us: int) -> None:
        """Have `task` among those due at `now_us`."""
        self._agenda.set(task, now_us)

    def take_due(self, now_us: int) -> list[bytes]:
        """Tasks to look at now."""
        return self._agenda.take_due(now_us)

    # --- agents --------------------------------------------------------------------------------

    def serve(self, name: str, capability: str, slots: int) -> None:
        """A new agent; its name is not in use."""
        self.agents[name] = Agent(name, capability, slots)
        self._freed = True
        for task in self._rivals.held(capability):
            self._agenda.set(task, 0)  # Nobody may have watched its lease until now.

    def withdraw(self, name: str) -> list[Holding]:
        """The agent is gone; returns what it held, which the caller releases."""
        self.agents.pop(name, None)
        return [holding for holding in self.holdings.values() if holding.agent == name]

    def served_slots(self, capability: str) -> int:
        """Slots of all agents that serve `capability`."""
        return sum(a.slots for a in self.agents.values() if a.capability == capability)

    def free_slots(self, capability: str) -> int:
        """Slots that hold nothing."""
        return sum(a.slots - a.held for a in self.agents.values() if a.capability == capability)

    def _free_agent(self, capability: str) -> Agent | None:
        free = [
            agent for agent in self.agents.values()
            if agent.capability == capability and agent.held < agent.slots
        ]
        return min(free, key=lambda agent: (agent.held, agent.name)) if free else None

    # --- own claims ----------------------------------------------------------------------------

    def claimed(self, record: Record, now_us: int) -> Holding | None:
        """An own claim was signed: reserve a slot for it."""
        resolution_offer = self._tasks.offer(record.body[0])
        if resolution_offer is None:
            return None
        offer = resolution_offer[1]
        agent = self._free_agent(offer.capability)
        if agent is None:
            return None
        agent.held += 1
        holding = Holding(
            record, record.body[0], record.body[1], agent.name, offer.capability,
            offer.lease_ms * 1_000, now_us, reported_us=now_us,
        )
        self.holdings[record.id] = holding
        self._by_task[holding.task] = record.id
        return holding

    def take_up(self, claim: Record, now_us: int) -> bool:
        """Reserve a slot again for a claim that stood by and now holds, if one is free."""
        if claim.id not in self._standby:
            return False
        del self._standby[claim.id]
        return self.claimed(claim, now_us) is not None

    def drop(self, claim: bytes) -> Holding | None:
        """The claim is over: its slot is free."""
        holding = self.holdings.pop(claim, None)
        if holding is None:
            return None
        if self._by_task.get(holding.task) == claim:
            del self._by_task[holding.task]
        agent = self.agents.get(holding.agent)
        if agent is not None:
            agent.held -= 1
            self._freed = True
        return holding

    def reported(self, claim: bytes, progress: int, now_us: int) -> bool:
        """The agent is alive; False where it no longer holds the claim."""
        holding = self.holdings.get(claim)
        if holding is None:
            return False
        holding.reported_us = now_us
        holding.progress = progress
        return True

    def renewable(self, now_us: int) -> list[Holding]:
        """Holdings to name in a beat: those that hold and whose agent is alive."""
        return [
            holding for holding in self.holdings.values()
            if holding.won_us is not None and now_us < _silent_us(holding)
        ]

    def abandoned(self, task: bytes) -> Record | None:
        """An own claim that holds `task` while no agent of ours works on it: what a restart left
        behind, or what was awarded after its slot was given away."""
        resolution = self._tasks.resolve(task)
        if resolution is None or resolution.end is not None or resolution.holder is None:
            return None
        claim = resolution.holder
        if claim.author != self._me or claim.id in self.holdings:
            return None
        return None if self._has_result(task, claim.id) else claim

    def _has_result(self, task: bytes, claim: bytes) -> bool:
        return any(result.claim == claim for _, result in self._tasks.results(task))

    def update(self, task: bytes, now_us: int) -> Start | Stop | None:
        """What the task's present state means for an own claim of it."""
        claim = self._by_task.get(task)
        if claim is None:
            return None
        holding = self.holdings[claim]
        resolution = self._tasks.resolve(task)
        if resolution is None or resolution.end is not None or resolution.state is State.ORPHANED:
            return self._stop(holding, "the task has ended")
        if resolution.holder is not None and resolution.holder.id == claim:
            return self._holds(holding, resolution, now_us)
        holding.won_us = None
        if holding.started:
            return self._stop(holding, f"the claim is lost ({resolution.rule})")
        if resolution.settled or resolution.epoch > holding.epoch:
            return self._stop(holding, f"the claim is lost ({resolution.rule})")
        if now_us - holding.claimed_us >= STANDBY_US:
            if len(self._standby) >= MAX_STANDBY:
                del self._standby[next(iter(self._standby))]
            self._standby[claim] = None
            return self._stop(holding, "another claim came before")
        self._agenda.set_earliest(task, holding.claimed_us + STANDBY_US)
        return None

    def _holds(
        self, holding: Holding, resolution: Resolution, now_us: int
    ) -> Start | Stop | None:
        if holding.won_us is None:
            holding.won_us = now_us
        if holding.started:
            if now_us >= _silent_us(holding):
                return self._stop(holding, "the agent is silent")
            self._agenda.set_earliest(holding.task, _silent_us(holding))
            return None
        offered = self._tasks.offer(holding.task)
        settle_us = 0 if offered is None else offered[1].settle_ms * 1_000
        start_us = holding.won_us + settle_us + SOLO_START_US
        needs_award = offered is not None and offered[1].holder_only
        if resolution.settled or (now_us >= start_us and not needs_award):
            holding.started = True
            holding.reported_us = now_us
            self._agenda.set_earliest(holding.task, _silent_us(holding))
            return Start(holding)
        if needs_award and now_us >= _silent_us(holding):
            return self._stop(holding, "no award came, and without one there is no input")
        self._agenda.set_earliest(holding.task, _silent_us(holding) if needs_award else start_us)
        return None

    def _stop(self, holding: Holding, reason: str) -> Stop:
        self.drop(holding.claim.id)
        return Stop(holding, reason)

    # --- other people's tasks ------------------------------------------------------------------

    def touched(self, task: bytes, now_us: int) -> None:
        """Bring the view of `task` up to date: is it open to us, who is busy with it?"""
        resolution = self._tasks.resolve(task)
        offered = self._tasks.offer(task)
        self._rivals.engage(task, resolution, offered)
        self._watch(task, resolution, offered, now_us)
        is_open = (
            resolution is not None and offered is not None
            and resolution.end is None and resolution.alias_of is None
            and resolution.holder is None and resolution.state is not State.ORPHANED
            and not self._tasks.candidates(task)
            and not self._awaits_award_target(resolution)
            and self._tasks.after_satisfied(task)
            and not self._is_excluded(task)
            and not self._judgement.is_blocked(offered[0].author)
            and not self._has_claimed(task, resolution.epoch)
        )
        if not is_open or resolution is None or offered is None:
            self._open.pop(task, None)
            return
        known = self._open.get(task)
        if known is None or known.epoch != resolution.epoch:
            self._open[task] = _Open(resolution.epoch, now_us, offered[1].capability)
            self._plan(task, now_us)

    def _awaits_award_target(self, resolution: Resolution) -> bool:
        return resolution.holder is None and resolution.rule == "award"

    def _watch(
        self, task: bytes, resolution: Resolution | None, offered: tuple[Record, Offer] | None,
        now_us: int,
    ) -> None:
        """Watch the lease of a holder whose task we could do ourselves."""
        watched = self._watched.get(task)
        holder = None if resolution is None else resolution.holder
        running = resolution is not None and resolution.state in (State.CLAIMED, State.WORKING)
        if (
            holder is None or not running or offered is None or holder.author == self._me
            or offered[0].author == self._me
            or not self.served_slots(offered[1].capability)
        ):
            if watched is not None and offered is not None and offered[0].author != self._me:
                self._leases.forget(watched)
            self._watched.pop(task, None)
            return
        if watched is not None and watched != holder.id:
            self._leases.forget(watched)
        self._watched[task] = holder.id
        self._leases.watch(holder.id, holder.author, holder.seq, offered[1].lease_ms)
        extra_us = self._leases.lease_us(holder.id)
        self._agenda.set_earliest(task, self._leases.next_look_us(holder.id, now_us, extra_us))

    def _rank(self, task: bytes, epoch: int, capability: str) -> int:
        return self._rivals.place(task, epoch, capability, self.free_slots(capability))

    def _plan(self, task: bytes, now_us: int) -> None:
        entry = self._open[task]
        if self.free_slots(entry.capability):
            place = self._rank(task, entry.epoch, entry.capability)
            self._wait_turn(task, entry, now_us, place)

    def _doubt_us(self, task: bytes, entry: _Open) -> int:
        """How long to wait where only such as are not to be believed say that its holder is silent.
        """
        offered = self._tasks.offer(task)
        if not entry.epoch or offered is None:
            return 0
        record, offer = offered
        reopens = self._tasks.valid_reopens(task, entry.epoch - 1)
        if any(each.author == record.author for each in reopens):
            return 0
        lapses = {each.id for taken in self._tasks.lapses(task).values() for each in taken}
        believed = any(
            each.id not in lapses or self._judgement.counts(each.author, offer.capability)
            for each in reopens
        )
        return 0 if believed else offer.lease_ms * 1_000

    def _wait_turn(self, task: bytes, entry: _Open, now_us: int, place: int) -> None:
        """Wait for our rank's turn; a turn that is still to come is not put off."""
        claim_at_us = now_us + place * RANK_SLOT_US
        if entry.claim_at_us is None:
            claim_at_us += self._doubt_us(task, entry)
        if entry.claim_at_us is None or entry.claim_at_us <= now_us:
            entry.claim_at_us = claim_at_us
        entry.claim_at_us = min(entry.claim_at_us, claim_at_us)
        self._agenda.set_earliest(task, entry.claim_at_us)

    def is_our_turn(self, task: bytes, now_us: int) -> bool:
        """Whether the wait for those ranked before us is over; plans the next look if not."""
        entry = self._open.get(task)
        if entry is None or entry.claim_at_us is None:
            return False
        if now_us < entry.claim_at_us:
            self._agenda.set_earliest(task, entry.claim_at_us)
            return False
        if not self._is_worth_it(task):
            entry.claim_at_us = now_us + DECLINED_US
            self._agenda.set_earliest(task, entry.claim_at_us)
            return False
        return True

    def _is_worth_it(self, task: bytes) -> bool:
        """Whether the task's requester gives verdicts."""
        offered = self._tasks.offer(task)
        return offered is None or offered[0].author == self._me or (
            self._judgement.takes_offers_of(offered[0].author))

    def claim(self, task: bytes) -> Draft | None:
        """The claim for an open task, where a slot is free and nothing excludes us."""
        entry = self._open.get(task)
        if entry is None or not self.free_slots(entry.capability):
            return None
        if task in self._by_task or not self._is_worth_it(task):
            return None
        return Draft(Claim(task, entry.epoch), self._tasks.claim_refs(task, self._me))

    def _has_claimed(self, task: bytes, epoch: int) -> bool:
        """Whether there is nothing more to win for us in this epoch."""
        return any(
            record.author == self._me and claim.epoch == epoch
            for record, claim in self._tasks.claims(task)
        )

    def _is_excluded(self, task: bytes) -> bool:
        return self._me in self._tasks.excluded(task)

    @property
    def has_freed(self) -> bool:
        """Whether a slot became free since `freed` was last asked."""
        return self._freed

    def freed(self, now_us: int) -> list[bytes]:
        """After a slot became free: the open tasks to look at now, the best first."""
        if not self._freed:
            return []
        self._freed = False
        chosen: list[tuple[int, int, int, bytes]] = []
        for capability in sorted({agent.capability for agent in self.agents.values()}):
            if self.free_slots(capability):
                chosen.extend(self._scan(capability, now_us))
        return [task for *_, task in sorted(chosen)]

    def _scan(self, capability: str, now_us: int) -> list[tuple[int, int, int, bytes]]:
        """Open tasks in which we are first among the free; of these, those in which we would
        also be among the first of all providers, so that two freed at once choose apart."""
        everybody = [
            (author, announce.slots) for author, announce in self._capabilities.providers(
                capability)
            if author != self._me
        ]
        found: list[tuple[int, int, int, bytes]] = []
        scanned = 0
        for task, entry in self._open.items():
            if entry.capability != capability:
                continue
            scanned += 1
            if scanned > SCANNED_TASKS:
                break
            place = self._rank(task, entry.epoch, capability)
            if place:
                self._wait_turn(task, entry, now_us, place)
                continue
            among_all = rank(task, entry.epoch, self._me, everybody, 1)
            found.append((among_all, entry.since_us, entry.epoch, task))
        return found

    # --- lapses of others ----------------------------------------------------------------------

    def lapse(self, task: bytes, now_us: int) -> Draft | None:
        """The lapse of a holder whose requester is silent too; our own claim must follow it."""
        claim = self._watched.get(task)
        offered = self._tasks.offer(task)
        resolution = self._tasks.resolve(task)
        if claim is None or offered is None or resolution is None or resolution.holder is None:
            return None
        capability = offered[1].capability
        if not self.free_slots(capability) or self._has_result(task, claim):
            return None
        if task in self._by_task or self._is_excluded(task) or self._reopened(task):
            return None
        place = self._rank(task, resolution.epoch + 1, capability)
        extra_us = self._leases.lease_us(claim) + place * RANK_SLOT_US
        if not self._leases.has_lapsed(claim, now_us, extra_us):
            self._agenda.set_earliest(task, self._leases.next_look_us(claim, now_us, extra_us))
            return None
        refs = [
            record.id for record, body in self._tasks.awards(task)[-1:] if body.claim == claim
        ]
        epoch = {
            record.id: body.epoch for record, body in self._tasks.claims(task)
        }.get(claim, resolution.epoch)
        return Draft(
            Reopen(task, epoch, claim, ReopenReason.LAPSED, text="no sign of life"), tuple(refs)
        )

    def _reopened(self, task: bytes) -> bool:
        return any(record.author == self._me for record, _ in self._tasks.reopens(task))


def _silent_us(holding: Holding) -> int:
    """From when on the agent counts as dead, unless it reports before."""
    return holding.reported_us + max(SILENT_LEASES * holding.lease_us, MIN_SILENCE_US)
