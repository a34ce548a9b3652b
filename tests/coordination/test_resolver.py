from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from antsp2p.coordination.body import (
    Announce,
    Award,
    Body,
    Claim,
    Reopen,
    ReopenReason,
    Result,
    Verdict,
)
from antsp2p.coordination.resolver import tie_break
from antsp2p.coordination.tasks import Resolution, Rule, State, TaskFold
from tests.coordination.contests import (
    Log,
    RecordSet,
    an_offer,
    fold_of,
    key_of,
    merged,
    random_set,
)
from tests.coordination.reference import Answer, Reference

if TYPE_CHECKING:
    from antsp2p.records.record import Record

BLOCKS = 26
SETS_PER_BLOCK = 200
"""5,200 sets in all."""


def answer_of(resolution: Resolution) -> Answer:
    holder, end = resolution.holder, resolution.end
    return Answer(
        str(resolution.state), resolution.epoch, None if holder is None else holder.id,
        str(resolution.rule), resolution.settled, None if end is None else end.id,
    )


def check_against_reference(fold: TaskFold, reference: Reference) -> None:
    assert fold.task_ids() == tuple(sorted(reference.offers()))
    for task in fold.task_ids():
        resolution = fold.resolve(task)
        assert resolution is not None
        original = reference.original(task)
        if original == task:
            assert resolution.alias_of is None
            assert answer_of(resolution) == reference.answer(task)
            assert [record.id for record in fold.candidates(task)] == [
                record.id for record in sorted(
                    reference.candidates(task), key=lambda r: (r.seq, r.author))
            ]
        else:
            assert resolution.alias_of == original
            assert resolution.state is State.OPEN
            assert resolution.holder is None


def deliver_in_sequence(contest: RecordSet, order: list[Record]) -> bytes:
    """As logs deliver: no epoch may go back on the way, no end be undone."""
    fold = TaskFold()
    epochs: dict[bytes, int] = {}
    ends: dict[bytes, bytes] = {}
    for author in contest.convicted:
        fold.convict(author)
    for record in order:
        for task in fold.add(record):
            resolution = fold.resolve(task)
            assert resolution is not None
            assert resolution.epoch >= epochs.get(task, 0)
            epochs[task] = resolution.epoch
            if task in ends:
                assert resolution.end is not None
                assert resolution.end.id == ends[task]
            elif resolution.end is not None:
                ends[task] = resolution.end.id
    return fold.snapshot()


def deliver_in_disorder(contest: RecordSet, rng: Random) -> bytes:
    """Any order, even within an author; forks come to light on the way."""
    fold = TaskFold()
    order: list[Record | bytes] = [*contest.records, *contest.convicted]
    rng.shuffle(order)
    convicted: set[bytes] = set()
    for number, item in enumerate(order):
        if isinstance(item, bytes):
            convicted.add(item)
            for record in contest.records:
                if record.author == item and not contest.holds(record):
                    fold.remove(record)
            fold.convict(item)
        elif item.author not in convicted or contest.holds(item):
            fold.add(item)
        if number % 4 == 0:
            for task in fold.task_ids():
                fold.resolve(task)
    return fold.snapshot()


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_contests(block: int) -> None:
    for seed in range(block * SETS_PER_BLOCK, (block + 1) * SETS_PER_BLOCK):
        contest = random_set(seed)
        rng = Random(-seed)
        valid = contest.valid()
        fold = fold_of(valid, contest.convicted)
        snapshot = fold.snapshot()
        check_against_reference(fold, Reference(valid, contest.convicted))
        assert deliver_in_sequence(contest, list(valid)) == snapshot
        assert deliver_in_sequence(contest, merged(valid, rng)) == snapshot
        assert deliver_in_disorder(contest, rng) == snapshot


def test_the_random_contests_reach_every_rule_and_state() -> None:
    seen: Counter[str] = Counter()
    for seed in range(600):
        contest = random_set(seed)
        fold = fold_of(contest.valid(), contest.convicted)
        for task in fold.task_ids():
            resolution = fold.resolve(task)
            assert resolution is not None
            seen[f"rule {resolution.rule}"] += 1
            seen[f"state {resolution.state}"] += 1
            seen[f"epoch {min(resolution.epoch, 2)}"] += 1
            seen["alias"] += resolution.alias_of is not None
            seen["award of a missing claim"] += (
                resolution.rule is Rule.AWARD and resolution.holder is None
            )
            seen["excluded"] += bool(fold.excluded(task))
            seen["convicted"] += bool(contest.convicted)
            offered = fold.offer(task)
            assert offered is not None
            seen["waits for others"] += bool(offered[1].after)
            for attempt in fold.attempts(task):
                seen[f"attempt {attempt.state}"] += 1
    wanted = [f"rule {rule}" for rule in Rule]
    wanted += [f"state {state}" for state in State
               if state not in (State.LAPSED, State.RELEASED, State.REJECTED)]
    wanted += [f"attempt {state}" for state in State if state is not State.OPEN]
    wanted += ["epoch 0", "epoch 1", "epoch 2", "alias", "award of a missing claim", "excluded",
               "convicted", "waits for others"]
    rare = {name: seen[name] for name in wanted if seen[name] < 5}
    assert not rare


@pytest.mark.parametrize("block", range(5))
def test_any_subset_of_the_records_and_back(block: int) -> None:
    """`remove` is the inverse of `add`, and sets with gaps follow the same rules."""
    for seed in range(block * 100, block * 100 + 100):
        rng = Random(seed)
        records = random_set(seed).records
        fold = fold_of(records)
        full = fold.snapshot()
        gone = [record for record in records if rng.random() < 0.4]
        for record in gone:
            fold.remove(record)
        rest = [record for record in records if record not in gone]
        assert fold.snapshot() == fold_of(rest).snapshot()
        check_against_reference(fold, Reference(rest, ()))
        rng.shuffle(gone)
        for record in gone:
            fold.add(record)
            fold.add(record)
        assert fold.snapshot() == full
        for record in rng.sample(records, len(records)):
            fold.remove(record)
        assert fold.snapshot() == TaskFold().snapshot()
        assert fold.task_ids() == ()


def test_what_add_returns_covers_every_change() -> None:
    """Whoever looks only at the touched tasks misses nothing, in any order of arrival."""
    for seed in range(300):
        contest = random_set(seed)
        order = list(contest.records)
        Random(seed).shuffle(order)
        fold = TaskFold()
        known: dict[bytes, Answer] = {}
        for record in order:
            for task in fold.add(record):
                known[task] = answer_of(resolved(fold, task))
            if record.seq % 3 == 0:
                fresh = fold_of(order[: order.index(record) + 1])
                assert known == {t: answer_of(resolved(fresh, t)) for t in fresh.task_ids()}


def resolved(fold: TaskFold, task: bytes) -> Resolution:
    resolution = fold.resolve(task)
    assert resolution is not None
    return resolution


# --- what is promised about contests ----------------------------------------------------------


class Race:
    """One offer, and claimants who see what they are made to see."""

    def __init__(self, **terms: Any) -> None:
        self.requester = Log(key_of("requester"))
        self.offer = self.requester.say(an_offer(**terms))
        self.records = [self.offer]
        self.logs: dict[str, Log] = {}

    def log(self, name: str) -> Log:
        return self.logs.setdefault(name, Log(key_of(name)))

    def claim(self, name: str, *refs: Record, epoch: int = 0) -> Record:
        return self.says(name, Claim(self.offer.id, epoch), *refs)

    def says(self, name: str, body: Body, *refs: Record) -> Record:
        log = self.requester if name == "requester" else self.log(name)
        record = log.say(body, [ref.id for ref in refs])
        self.records.append(record)
        return record

    def award(self, claim: Record) -> Record:
        return self.says("requester", Award(self.offer.id, claim.id))

    def lapse(self, name: str, claim: Record, *refs: Record, epoch: int = 0) -> Record:
        return self.says(name, Reopen(self.offer.id, epoch, claim.id, ReopenReason.LAPSED), *refs)

    def resolve(self) -> Resolution:
        return resolved(fold_of(self.records), self.offer.id)


def test_every_order_of_up_to_five_claims_gives_one_holder() -> None:
    pairs = list(itertools.combinations(range(5), 2))
    for number in range(24):
        rng = Random(number)
        size = min(2 + number % 4, 5)
        race = Race(settle_ms=number)
        claims: list[Record] = []
        for name in range(size):
            seen = [claims[a] for a, b in pairs if b == name and rng.random() < number / 24]
            claims.append(race.claim(f"{name}", *seen))
        snapshots: set[bytes] = set()
        for order in itertools.permutations(claims):
            snapshots.add(fold_of([race.offer, *order]).snapshot())
            snapshots.add(fold_of([*order, race.offer]).snapshot())
        assert len(snapshots) == 1
        assert race.resolve().holder is not None


def test_a_rival_seen_in_the_ref_comes_before() -> None:
    for name in "abcdefgh":
        race = Race()
        first = race.claim("first")
        race.claim(name, first)
        resolution = race.resolve()
        assert (resolution.holder, resolution.rule) == (first, Rule.BEFORE)
        assert not resolution.settled


def unfair_pair() -> tuple[str, str]:
    """(loser, winner) of the tie-break in epoch 0 of the race without terms."""
    offer = Race().offer
    low, high = sorted("ab", key=lambda name: tie_break(offer.id, 0, key_of(name)))
    return high, low


@pytest.mark.parametrize("proof", ["announcement", "other task", "void record", "rival's rival"])
def test_leaving_out_a_rival_that_it_provably_saw_loses(proof: str) -> None:
    """The claimant would win the tie-break, and names nobody; its own log gives it away."""
    honest, sly = unfair_pair()
    race = Race()
    first = race.claim(honest)
    if proof == "announcement":
        race.says(sly, Announce("text.count"), first)
    elif proof == "other task":
        other = race.requester.say(an_offer(cost=2))
        race.records.append(other)
        race.says(sly, Claim(other.id, 0), first)
    elif proof == "void record":
        race.records.append(race.log(sly).write(99, {}, [first.id]))
    else:
        middle = race.claim("middle", first)
        race.says(sly, Announce("text.count"), middle)
    race.claim(sly)
    resolution = race.resolve()
    assert (resolution.holder, resolution.rule) == (first, Rule.BEFORE)


def test_claims_unaware_of_each_other_are_tied_by_the_key_alone() -> None:
    loser, winner = unfair_pair()
    for number in range(40):
        rng = Random(number)
        race = Race()
        for name in rng.sample([loser, winner], 2):
            log = race.log(name)
            for _ in range(rng.randint(0, 3)):
                race.records.append(log.say(Announce("text.count", slots=rng.randint(1, 9))))
            refs = [rng.randbytes(32) for _ in range(rng.randint(0, 8))]
            body = {0: race.offer.id, 1: 0, **({16: rng.randbytes(9)} if number % 2 else {})}
            race.records.append(log.write(Claim.type, body, refs))
        resolution = race.resolve()
        assert resolution.rule is Rule.TIE
        assert resolution.holder is not None
        assert resolution.holder.author == key_of(winner)


def test_the_tie_break_hash() -> None:
    offer, author = bytes(range(32)), bytes(range(32, 64))
    text = b"antsp2p/1/tie\0" + offer + (7).to_bytes(8, "big") + author
    assert tie_break(offer, 7, author) == hashlib.sha256(text).digest()


def test_a_thousand_fresh_keys_win_nothing_from_an_awarded_claim() -> None:
    race = Race()
    honest = race.claim("honest")
    award = race.award(honest)
    fold = fold_of(race.records)
    for number in range(1_000):
        fold.add(race.claim(f"sybil {number}"))
        if number % 50 == 0:
            fold.add(race.claim(f"late sybil {number}", honest, award))
    resolution = resolved(fold, race.offer.id)
    assert (resolution.holder, resolution.rule) == (honest, Rule.AWARD)
    assert resolution.settled
    assert resolution.claims_in_epoch == 1_021


def test_one_award_answers_a_thousand_lapses_and_uses_up_their_keys() -> None:
    race = Race()
    honest = race.claim("honest")
    award = race.award(honest)
    fold = fold_of(race.records)
    for number in range(1_000):
        name = f"sybil {number}"
        lapse = race.lapse(name, honest, award)
        fold.add(lapse)
        fold.add(race.claim(name, epoch=1))
    robbed = resolved(fold, race.offer.id)
    assert (robbed.epoch, robbed.settled) == (1, False)
    assert robbed.holder is not honest
    fold.add(race.award(honest))
    for number in range(1_000):
        fold.add(race.lapse(f"sybil {number}", honest, race.records[-1]))
    back = resolved(fold, race.offer.id)
    assert (back.holder, back.rule, back.settled, back.epoch) == (honest, Rule.AWARD, True, 1)


def test_a_lapse_that_had_not_seen_the_award_does_not_undo_it() -> None:
    race = Race()
    claim = race.claim("worker")
    race.lapse("hasty", claim)
    assert race.resolve().holder is None
    race.award(claim)
    resolution = race.resolve()
    assert (resolution.holder, resolution.epoch) == (claim, 1)


def test_who_lapses_a_claim_may_claim_next_without_naming_its_own_lapse() -> None:
    race = Race()
    claim = race.claim("worker")
    award = race.award(claim)
    lapse = race.lapse("other", claim, award)
    next_claim = race.claim("other", epoch=1)
    assert lapse.id not in next_claim.refs
    resolution = race.resolve()
    assert (resolution.holder, resolution.epoch) == (next_claim, 1)


def test_a_claim_of_the_next_epoch_needs_the_reopen_in_its_past() -> None:
    race = Race()
    claim = race.claim("worker")
    lapse = race.lapse("requester", claim)
    race.claim("blind", epoch=1)
    assert race.resolve().rule is Rule.NONE
    seeing = race.claim("seeing", lapse, epoch=1)
    assert race.resolve().holder == seeing


def test_only_the_first_reopen_of_an_author_opens_but_any_own_reopen_releases() -> None:
    race = Race()
    own = race.claim("worker")
    race.says("worker", Reopen(race.offer.id, 5, own.id))
    race.says("worker", Reopen(race.offer.id, 0, own.id))
    resolution = race.resolve()
    assert (resolution.epoch, resolution.holder) == (0, None)
    assert [a.state for a in fold_of(race.records).attempts(race.offer.id)] == [State.RELEASED]


def test_exclusions_act_on_later_epochs_only() -> None:
    race = Race()
    claim = race.claim("worker")
    race.says("requester", Reopen(race.offer.id, 0, claim.id, excluded=(key_of("worker"),)))
    again = race.claim("worker", race.records[-1], epoch=1)
    assert race.resolve().rule is Rule.NONE
    race.award(again)
    assert race.resolve().holder == again


def test_an_award_of_a_claim_that_is_not_here_holds_the_place() -> None:
    race = Race()
    race.claim("here")
    absent = Race().claim("absent")
    race.award(absent)
    assert race.resolve().rule is Rule.AWARD
    assert race.resolve().holder is None
    race.records.append(absent)
    assert race.resolve().holder == absent


def test_an_award_of_what_is_no_claim_means_nothing() -> None:
    race = Race()
    here = race.claim("here")
    race.award(race.offer)
    assert (race.resolve().holder, race.resolve().rule) == (here, Rule.ONLY)
    stranger = Log(key_of("stranger")).write(99, {})
    race.award(stranger)
    assert race.resolve().holder is None
    race.records.append(stranger)
    assert race.resolve().holder == here


def test_what_was_accepted_stays_accepted_whoever_is_convicted() -> None:
    race = Race()
    claim = race.claim("worker")
    result = race.says("worker", Result(race.offer.id, claim.id, 0, b"4"))
    accept = race.says("requester", Verdict(
        race.offer.id, claim.id, result.id, True, hashlib.sha256(b"4").digest()))
    other = race.requester.say(an_offer(cost=2))
    fold = fold_of([*race.records, other], [key_of("requester"), key_of("worker")])
    resolution = resolved(fold, race.offer.id)
    assert (resolution.state, resolution.end) == (State.ACCEPTED, accept)
    orphan = resolved(fold, other.id)
    assert (orphan.state, orphan.rule, orphan.settled) == (State.ORPHANED, Rule.ORPHANED, True)
    assert fold.active() == ()


def test_a_convicted_claimant_holds_nothing_but_its_lapse_stays() -> None:
    race = Race()
    claim = race.claim("worker")
    race.award(claim)
    fold = fold_of(race.records)
    assert fold.convict(key_of("worker")) == (race.offer.id,)
    assert resolved(fold, race.offer.id).rule is Rule.NONE
    race.lapse("forker", claim)
    assert resolved(fold_of(race.records, [key_of("forker")]), race.offer.id).epoch == 1


# --- after, aliases, refs ---------------------------------------------------------------------


def accepted_first() -> tuple[Race, Record, Record]:
    """A race whose second offer comes after the first; (race, accept, second offer)."""
    race = Race()
    second = race.says("requester", an_offer(after=(1,)))
    claim = race.claim("worker")
    result = race.says("worker", Result(race.offer.id, claim.id, 0, b""))
    accept = race.says("requester", Verdict(
        race.offer.id, claim.id, result.id, True, hashlib.sha256(b"").digest()))
    return race, accept, second


def test_a_claim_before_the_verdict_it_waits_for_is_void() -> None:
    race, accept, second = accepted_first()
    early = race.says("early", Claim(second.id, 0))
    race.says("requester", Award(second.id, early.id))
    fold = fold_of(race.records)
    assert fold.after_satisfied(second.id)
    assert fold.claims(second.id) == ()
    assert resolved(fold, second.id).rule is Rule.NONE
    refs = fold.claim_refs(second.id, key_of("late"))
    assert accept.id in refs
    late = race.log("late").say(Claim(second.id, 0), refs)
    fold.add(late)
    assert resolved(fold, second.id).holder == late


def test_one_ref_to_a_later_record_of_the_requester_suffices() -> None:
    race, _, second = accepted_first()
    later = race.says("requester", Announce("text.count"))
    race.says("worker", Announce("text.count"), later)
    claim = race.says("worker", Claim(second.id, 0))
    assert resolved(fold_of(race.records), second.id).holder == claim
    late = fold_of(record for record in race.records if record is not later)
    assert resolved(late, second.id).holder is None
    assert second.id in late.add(later)
    assert resolved(late, second.id).holder == claim


def test_a_requester_may_claim_its_own_task_and_needs_no_ref() -> None:
    race, _, second = accepted_first()
    fold = fold_of(race.records)
    assert fold.claim_refs(second.id, key_of("requester")) == ()
    claim = race.says("requester", Claim(second.id, 0))
    assert resolved(fold_of(race.records), second.id).holder == claim


def test_the_lower_of_two_offers_with_one_key_is_the_task() -> None:
    race = Race(idempotency_key=b"k")
    twin = race.says("requester", an_offer(idempotency_key=b"k", cost=3))
    race.says("worker", Claim(twin.id, 0))
    fold = fold_of(race.records)
    assert resolved(fold, twin.id).alias_of == race.offer.id
    assert resolved(fold, twin.id).holder is None
    assert fold.active() == (race.offer.id,)
    assert twin.id in fold.remove(race.offer)
    assert resolved(fold, twin.id).alias_of is None
    assert resolved(fold, twin.id).holder is not None
    assert fold.add(race.offer) == tuple(sorted((race.offer.id, twin.id)))
    assert resolved(fold, twin.id).alias_of == race.offer.id


def test_the_refs_of_a_claim_are_bounded_and_the_undominated_come_first() -> None:
    race = Race()
    claim = race.claim("worker")
    reopen = race.lapse("requester", claim)
    best = [race.claim(f"early {n}", reopen, epoch=1) for n in range(7)]
    late = race.claim("late", reopen, *best[:4], epoch=1)
    fold = fold_of(race.records)
    refs = fold.claim_refs(race.offer.id, key_of("new"))
    assert refs == tuple(sorted([reopen.id, *(record.id for record in best)]))
    own = fold.claim_refs(race.offer.id, key_of("early 0"))
    assert set(own) == {reopen.id, late.id, *(record.id for record in best[1:])}


def test_unknown_tasks_have_no_state() -> None:
    race = Race()
    claim = race.claim("worker")
    fold = TaskFold()
    assert fold.add(claim) == ()
    assert fold.resolve(race.offer.id) is None
    assert fold.claims(race.offer.id) == ()
    assert fold.verdicts(race.offer.id) == ()
    assert fold.claim_refs(race.offer.id, key_of("x")) == ()
    assert fold.add(race.offer) == (race.offer.id,)
    assert resolved(fold, race.offer.id).holder == claim
