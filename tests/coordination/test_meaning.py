"""Revokes and forks in any order of arrival: one set, one meaning."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from antsp2p.coordination.body import (
    Announce,
    Award,
    Body,
    Claim,
    Mark,
    Offer,
    Outcome,
    Result,
    Revoke,
    Verdict,
    body_map,
    content_hash,
)
from antsp2p.coordination.meaning import Meaning
from antsp2p.coordination.reputation import PPM
from antsp2p.coordination.standing import MAX_SUCCESSIONS, Standing, recovery_digest
from antsp2p.coordination.state import State
from antsp2p.records.log import Insertion, LogSet
from antsp2p.records.record import NO_PREV, Record, sign_record
from tests.coordination.scribe import NETWORK, identity
from tests.vectors.common import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("ada", "recovery", "heir", "requester", "other")
ADA, RECOVERY, HEIR, REQUESTER, OTHER = (identity(name).author for name in NAMES)
OFFER = Offer("work", 1_000, 0, 3, input=b"", cost=4)
MAX_ROUNDS = 20


class Log:
    """One author's log as it grows; a copy goes on as another branch."""

    def __init__(self, name: str, records: Sequence[Record] = ()) -> None:
        self.name = name
        self.records = list(records)

    def say(self, body: Body, refs: Sequence[bytes] = (), mark: int = 0) -> Record:
        record = sign_record(
            identity(self.name), network=NETWORK, seq=len(self.records) + 1,
            prev=self.records[-1].id if self.records else NO_PREV, refs=refs, type=body.type,
            body=body_map(body), claimed_ms=mark,
        )
        self.records.append(record)
        return record

    def branch(self, seq: int) -> Log:
        """The log up to `seq`, to go on otherwise."""
        return Log(self.name, self.records[:seq])

    def point(self, seq: int) -> bytes:
        return self.records[seq - 1].id if 0 < seq <= len(self.records) else NO_PREV


@dataclass
class Observer:
    """A set and what it means, kept as a node keeps them."""

    me: bytes = REQUESTER
    work_bits: int = 0
    logs: LogSet = field(default_factory=lambda: LogSet(NETWORK, verify))

    def __post_init__(self) -> None:
        self.meaning = Meaning(self.me, NETWORK, self.logs.at, work_bits=self.work_bits)

    def take(self, records: Sequence[Record]) -> None:
        self.apply(self.logs.insert(records))

    def apply(self, insertion: Insertion) -> None:
        touched: dict[bytes, None] = {}
        proof = insertion.convicted
        if proof is not None:
            for record in insertion.removed:
                touched.update(dict.fromkeys(self.meaning.remove(record).tasks))
            touched.update(dict.fromkeys(self.meaning.forked(proof.author, proof.seq).tasks))
        for record in insertion.added:
            touched.update(dict.fromkeys(self.meaning.add(record).tasks))
        for task in touched:
            self.meaning.ledger.update(task, self.meaning.tasks)

    def view(self) -> object:
        """All that an observer can tell."""
        meaning = self.meaning
        authors = [identity(name).author for name in NAMES]
        return (
            self.logs.root(), meaning.tasks.snapshot(), meaning.capabilities.snapshot(),
            meaning.marks.snapshot(),
            [(meaning.standing(author), meaning.standings.lineage(author)) for author in authors],
            [(meaning.ledger.score(a), meaning.ledger.why(a)) for a in authors],
        )

    def afresh(self) -> Observer:
        """Another that is given the same set in one go, the proofs last."""
        other = Observer(self.me, self.work_bits)
        for author in self.logs.authors():
            head = self.logs.head(author)
            run = [self.logs.at(author, seq) for seq in range(1, (head.seq if head else 0) + 1)]
            other.take([record for record in run if record is not None])
        for proof in self.logs.proofs():
            other.apply(other.logs.convict(proof))
        return other


def all_of(logs: Sequence[Log], order: Sequence[int]) -> Observer:
    """An observer that got every record by itself in this order, and again until it rests."""
    found = Observer()
    records = [record for log in logs for record in log.records]
    for _ in range(MAX_ROUNDS):
        before = found.view()
        for index in order:
            found.take([records[index]])
        if found.view() == before:
            return found
    raise AssertionError("the set does not come to rest")


# --- a story told by hand ------------------------------------------------------------------------


@dataclass
class Story:
    """Ada works for the requester, twice well; then a thief has her key too."""

    logs: dict[str, Log]
    tasks: list[Record]

    def observed(self, *extra: Log) -> Observer:
        observer = Observer()
        for log in (*self.logs.values(), *extra):
            observer.take(log.records)
        return observer


def story() -> Story:
    logs = {name: Log(name) for name in NAMES}
    ada, requester = logs["ada"], logs["requester"]
    ada.say(Announce("work", recovery=recovery_digest(RECOVERY)))
    tasks = [requester.say(OFFER) for _ in range(3)]
    for task in tasks[:2]:
        claim = ada.say(Claim(task.id, 0))
        requester.say(Award(task.id, claim.id))
        result = ada.say(Result(task.id, claim.id, Outcome.DONE, output=b"out"))
        requester.say(Verdict(task.id, claim.id, result.id, True, content_hash(b"out")))
    requester.say(Award(tasks[2].id, ada.say(Claim(tasks[2].id, 0)).id))
    return Story(logs, tasks)


def revoke(log: Log, seq: int, successor: bytes = HEIR) -> Revoke:
    return Revoke(identity(log.name).author, seq, log.point(seq), successor)


def test_a_successor_that_agrees_keeps_the_reputation() -> None:
    told = story()
    before = told.observed().meaning.ledger.score(ADA)
    told.logs["recovery"].say(revoke(told.logs["ada"], 5))
    named_only = told.observed().meaning
    assert not named_only.ledger.score(HEIR).known
    told.logs["heir"].say(Announce("work", succeeds=ADA))
    meaning = told.observed().meaning
    assert before.accepted == 8 * PPM
    assert meaning.ledger.score(HEIR) == before
    assert meaning.ledger.why(HEIR) == meaning.ledger.why(ADA)
    assert meaning.standings.lineage(HEIR) == (HEIR, ADA)


def test_nobody_succeeds_who_was_not_named() -> None:
    told = story()
    told.logs["recovery"].say(revoke(told.logs["ada"], 5, OTHER))
    told.logs["heir"].say(Announce("work", succeeds=ADA))
    assert told.observed().meaning.standings.lineage(HEIR) == (HEIR,)


def test_what_was_accepted_below_the_point_stays_and_what_is_above_counts_for_nothing() -> None:
    told = story()
    told.logs["recovery"].say(revoke(told.logs["ada"], 3))
    meaning = told.observed().meaning
    assert meaning.standing(ADA) == Standing(3, revoked=True, named=HEIR)
    assert meaning.ledger.score(ADA).accepted == 4 * PPM
    states = [meaning.tasks.resolve(task.id) for task in told.tasks]
    assert [found.state for found in states if found] == [
        State.ACCEPTED, State.ACCEPTED, State.OPEN]
    assert meaning.tasks.claims(told.tasks[1].id) == ()
    assert meaning.capabilities.providers("work") == ()


def test_a_claim_below_the_point_holds_nothing_and_an_open_task_is_orphaned() -> None:
    told = story()
    told.logs["ada"].say(OFFER)
    offer = told.logs["ada"].records[-1]
    told.logs["recovery"].say(revoke(told.logs["ada"], offer.seq))
    meaning = told.observed().meaning
    held, own = meaning.tasks.resolve(told.tasks[2].id), meaning.tasks.resolve(offer.id)
    assert held is not None
    assert held.holder is None
    assert own is not None
    assert own.state is State.ORPHANED


def test_a_fork_above_the_point_convicts_nobody_and_one_at_it_does() -> None:
    told = story()
    ada = told.logs["ada"]
    thief = ada.branch(3)
    thief.say(Announce("loot"), mark=1)
    convicted = told.observed(thief).meaning
    assert convicted.standing(ADA).convicted
    assert convicted.ledger.score(ADA).value_ppm == 0
    told.logs["heir"].say(Announce("work", succeeds=ADA))
    told.logs["recovery"].say(revoke(ada, 3))
    cleared = told.observed(thief)
    assert not cleared.meaning.standing(ADA).convicted
    assert cleared.meaning.ledger.score(HEIR).accepted == 4 * PPM
    leaf = cleared.logs.leaf(ADA)
    assert leaf is not None
    assert leaf.convicted_seq == 4
    at_it = story()
    thief = at_it.logs["ada"].branch(3)
    thief.say(Announce("loot"), mark=1)
    at_it.logs["recovery"].say(revoke(at_it.logs["ada"], 4))
    standing = at_it.observed(thief).meaning.standing(ADA)
    assert standing == Standing(4, convicted=True, revoked=True)


def test_a_log_that_is_not_the_one_named_at_the_point_has_no_successor() -> None:
    told = story()
    ada = told.logs["ada"]
    owner = ada.branch(2)
    owner.say(OFFER, mark=1)
    observer = Observer()
    for records in (ada.records[:2], [told.logs["recovery"].say(revoke(owner, 3))]):
        observer.take(records)
    assert observer.meaning.standing(ADA).named == HEIR
    observer.take(ada.records)
    assert observer.meaning.standing(ADA) == Standing(3, revoked=True)
    observer.take(owner.records)
    assert observer.meaning.standing(ADA) == Standing(3, convicted=True, revoked=True)


def test_a_digest_that_comes_later_or_changes_counts_for_nothing() -> None:
    logs = {name: Log(name) for name in NAMES}
    logs["ada"].say(Announce("work"))
    logs["ada"].say(Announce("work", recovery=recovery_digest(RECOVERY)))
    logs["recovery"].say(revoke(logs["ada"], 1))
    assert not Story(logs, []).observed().meaning.standing(ADA).revoked
    logs["other"].say(Announce("work", recovery=recovery_digest(REQUESTER)))
    logs["other"].say(Announce("work", recovery=recovery_digest(RECOVERY)))
    logs["recovery"].say(revoke(logs["other"], 1))
    assert not Story(logs, []).observed().meaning.standing(OTHER).revoked


def test_of_two_revokes_the_first_in_the_recovery_log_counts() -> None:
    told = story()
    told.logs["recovery"].say(revoke(told.logs["ada"], 2, OTHER))
    told.logs["recovery"].say(revoke(told.logs["ada"], 5, HEIR))
    assert told.observed().meaning.standing(ADA) == Standing(2, revoked=True, named=OTHER)


def test_a_recovery_key_that_forked_below_its_revokes_leaves_nobody_to_succeed() -> None:
    told = story()
    recovery = told.logs["recovery"]
    other = recovery.branch(0)
    recovery.say(revoke(told.logs["ada"], 5, HEIR))
    other.say(revoke(told.logs["ada"], 5, OTHER))
    standing = told.observed(other).meaning.standing(ADA)
    assert standing == Standing(revoked=True)


def test_nobody_revokes_itself() -> None:
    logs = {name: Log(name) for name in NAMES}
    logs["ada"].say(Announce("work", recovery=recovery_digest(ADA)))
    logs["ada"].say(revoke(logs["ada"], 1))
    assert not Story(logs, []).observed().meaning.standing(ADA).revoked


def test_a_line_of_successors_has_an_end() -> None:
    names = [f"key {number}" for number in range(MAX_SUCCESSIONS + 3)]
    logs = [Log(name) for name in names]
    keeper = Log("recovery")
    for index, log in enumerate(logs):
        before = identity(names[index - 1]).author if index else b""
        log.say(Announce("work", recovery=recovery_digest(RECOVERY), succeeds=before))
        if index:
            keeper.say(revoke(logs[index - 1], 1, identity(log.name).author))
    line = Story({log.name: log for log in (*logs, keeper)}, []).observed().meaning.standings
    assert len(line.lineage(identity(names[-1]).author)) == MAX_SUCCESSIONS + 1


def test_two_keys_that_succeed_each_other_are_one_line_each() -> None:
    logs = {name: Log(name) for name in NAMES}
    ada, heir, keeper = logs["ada"], logs["heir"], logs["recovery"]
    digest = recovery_digest(RECOVERY)
    ada.say(Announce("work", recovery=digest, succeeds=HEIR))
    heir.say(Announce("work", recovery=digest, succeeds=ADA))
    keeper.say(revoke(ada, 1, HEIR))
    keeper.say(revoke(heir, 1, ADA))
    standings = Story(logs, []).observed().meaning.standings
    assert standings.lineage(ADA) == (ADA, HEIR)
    assert standings.lineage(HEIR) == (HEIR, ADA)


# --- any story, in any order ---------------------------------------------------------------------


@st.composite
def stories(draw: st.DrawFn) -> list[Log]:
    """Logs of a requester, of Ada with branches, of her recovery key with one, and of heirs."""
    requester, ada = Log("requester"), Log("ada")
    recovery, heir, other = Log("recovery"), Log("heir"), Log("other")
    digests = st.sampled_from([recovery_digest(RECOVERY), recovery_digest(OTHER), b""])
    tasks = [requester.say(OFFER) for _ in range(2)]
    if draw(st.booleans()):
        ada.say(OFFER)
    for _ in range(draw(st.integers(1, 2))):
        ada.say(Announce("work", recovery=draw(digests)))
        ada.say(Mark("site.lab", half_life_ms=draw(st.integers(0, 1))))
    for task in tasks:
        claim = ada.say(Claim(task.id, 0))
        requester.say(Award(task.id, claim.id))
        if draw(st.booleans()):
            result = ada.say(Result(task.id, claim.id, Outcome.DONE, output=b""))
            accept = draw(st.booleans())
            requester.say(Verdict(task.id, claim.id, result.id, accept, content_hash(b"")))
    places = st.integers(0, len(ada.records))
    branches = []
    for mark in range(1, 1 + draw(st.integers(0, 2))):
        branch = ada.branch(draw(places))
        branch.say(Announce("work", recovery=draw(digests)), mark=mark)
        branch.say(Claim(tasks[0].id, 0), mark=mark)
        branch.say(Mark("site.lab", half_life_ms=2), mark=mark)
        branches.append(branch)
    heirs = st.sampled_from([HEIR, OTHER, ADA, b""])
    keepers = [recovery]
    for _ in range(draw(st.integers(0, 2))):
        source = draw(st.sampled_from([ada, *branches]))
        seq = draw(st.integers(0, len(source.records)))
        draw(st.sampled_from(keepers)).say(revoke(source, seq, draw(heirs)))
    if draw(st.booleans()):
        fork = recovery.branch(draw(st.integers(0, len(recovery.records))))
        fork.say(revoke(ada, draw(places), draw(heirs)), mark=9)
        keepers.append(fork)
    heir.say(Announce("work", recovery=draw(digests), succeeds=draw(st.sampled_from([ADA, b""]))))
    other.say(Announce("work", succeeds=draw(st.sampled_from([ADA, HEIR]))))
    if draw(st.booleans()):
        keepers[-1].say(revoke(heir, draw(st.integers(0, 1)), OTHER), mark=3)
    return [requester, ada, *branches, *keepers, heir, other]


@settings(max_examples=100)
@given(st.data())
def test_any_order_of_arrival_gives_the_same_state_and_the_same_leaves(data: st.DataObject) -> None:
    logs = data.draw(stories())
    count = sum(len(log.records) for log in logs)
    first = all_of(logs, range(count))
    order = data.draw(st.permutations(range(count)))
    found = all_of(logs, order)
    assert found.view() == first.view()
    assert found.afresh().view() == found.view()


@settings(max_examples=60)
@given(st.data())
def test_at_every_moment_the_state_is_that_of_the_set(data: st.DataObject) -> None:
    logs = data.draw(stories())
    records = [record for log in logs for record in log.records]
    observer = Observer()
    for index in data.draw(st.permutations(range(len(records)))):
        observer.take([records[index]])
        assert observer.afresh().view() == observer.view()
