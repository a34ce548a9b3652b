from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, cast

from antsp2p.coordination.body import Announce, Award, Claim, Reopen
from antsp2p.coordination.causality import Causality
from antsp2p.coordination.tasks import TaskFold
from tests.coordination.contests import Log, an_offer, fold_of, key_of, random_set
from tests.coordination.reference import Reference

if TYPE_CHECKING:
    from antsp2p.records.record import Record

CHAIN = 10_000


def test_clocks_agree_with_the_definition_in_any_order() -> None:
    for seed in range(400):
        contest = random_set(seed)
        valid = contest.valid()
        reference = Reference(valid, contest.convicted)
        fold, rng = TaskFold(), Random(seed)
        for number, record in enumerate(rng.sample(valid, len(valid))):
            fold.add(record)
            if number % 5 == 0:  # a graph that is built early must be mended later
                for task in fold.task_ids():
                    fold.clock(task, record.id)
        for task in fold.task_ids():
            for record in valid:
                expected = dict(reference.clock(task, record))
                for own in reference.at_or_below(record):
                    if own.seq < record.seq and reference.task_of(own) == task:
                        expected[own.author] = max(own.seq, expected.get(own.author, 0))
                assert fold.clock(task, record.id) == expected


def test_no_record_precedes_one_in_its_own_past() -> None:
    for seed in range(300):
        contest = random_set(seed)
        fold = fold_of(contest.valid())
        for task in fold.task_ids():
            claims = [record for record, _ in fold.claims(task)]
            after = {
                (a.id, c.id) for c in claims for a in claims
                if fold.clock(task, c.id).get(a.author, 0) >= a.seq
            }
            for a, c in after:
                assert (c, a) not in after
                assert {(a, e) for d, e in after if d == c} <= after


class Three:
    """A requester's offer and two workers."""

    def __init__(self) -> None:
        self.requester = Log(key_of("requester"))
        self.ann, self.bob = Log(key_of("ann")), Log(key_of("bob"))
        self.offer = self.requester.say(an_offer())
        self.task = self.offer.id

    def clock(self, record: Record, *others: Record) -> dict[str, int]:
        fold = fold_of([self.offer, *others, record])
        names = {self.requester.author: "requester", self.ann.author: "ann",
                 self.bob.author: "bob"}
        return {names[a]: seq for a, seq in fold.clock(self.task, record.id).items()}


def test_ids_in_the_body_are_causal_edges() -> None:
    three = Three()
    claim = three.ann.say(Claim(three.task, 0))
    assert three.clock(claim) == {"requester": 1}
    award = three.requester.say(Award(three.task, claim.id))
    assert three.clock(award, claim) == {"requester": 1, "ann": 1}


def test_the_refs_of_a_void_record_count_and_the_ids_in_its_body_do_not() -> None:
    three = Three()
    claim = three.ann.say(Claim(three.task, 0))
    by_ref = three.bob.write(Claim.type, {0: three.task, 1: 0, 9: 1}, [claim.id])
    later = three.bob.say(Announce("text.count"))
    assert three.clock(later, claim, by_ref) == {"ann": 1, "requester": 1}
    other = Three()
    other_claim = other.ann.say(Claim(other.task, 0))
    by_body = other.bob.write(Award.type, {0: other.task, 1: other_claim.id, 9: 1})
    assert other.clock(other.bob.say(Announce("text.count")), other_claim, by_body) == {}


def test_a_void_record_is_of_no_task() -> None:
    three = Three()
    void = three.ann.write(Claim.type, {0: three.task, 1: 0, 9: 1})
    claim = three.bob.say(Claim(three.task, 0), [void.id])
    assert three.clock(claim, void) == {"requester": 1}


def test_recursion_enters_only_records_of_the_task() -> None:
    """Bob names a record of Ann's on another task, and so nothing that it had seen of this one."""
    three = Three()
    claim = three.ann.say(Claim(three.task, 0))
    other_offer = three.requester.say(an_offer(cost=2))
    carol = Log(key_of("carol"))
    bridge = carol.say(Claim(other_offer.id, 0), [claim.id])
    rival = three.bob.say(Claim(three.task, 0), [bridge.id])
    assert three.clock(rival, claim, other_offer, bridge) == {"requester": 1}


def test_a_later_record_of_a_task_takes_the_lower_ones_along() -> None:
    three = Three()
    claim = three.ann.say(Claim(three.task, 0))
    reopen = three.ann.say(Reopen(three.task, 0, claim.id))
    rival = three.bob.say(Claim(three.task, 0), [reopen.id])
    assert three.clock(rival, claim, reopen) == {"requester": 1, "ann": 2}
    assert three.clock(rival, claim) == {"requester": 1}


def test_a_late_target_is_taken_in() -> None:
    three = Three()
    claim = three.ann.say(Claim(three.task, 0))
    rival = three.bob.say(Claim(three.task, 0), [claim.id])
    fold = fold_of([three.offer, rival])
    assert claim.author not in fold.clock(three.task, rival.id)
    assert fold.add(claim) == (three.task,)
    assert fold.clock(three.task, rival.id)[claim.author] == 1
    fold.remove(claim)
    assert claim.author not in fold.clock(three.task, rival.id)


def chain() -> tuple[Record, list[Record]]:
    """Each claim names the one before, and each comes from another key."""
    offer = Log(key_of("requester")).say(an_offer())
    claims: list[Record] = []
    for number in range(CHAIN):
        log = Log(key_of(f"{number}"))
        claims.append(log.say(Claim(offer.id, 0), [c.id for c in claims[-1:]]))
    return offer, claims


def test_a_chain_of_ten_thousand_does_not_recurse() -> None:
    offer, claims = chain()
    for order in (claims, claims[::-1]):
        fold = fold_of([offer, *order])
        clock = fold.clock(offer.id, claims[-1].id)
        assert len(clock) == CHAIN  # everybody but the last, and the requester
        resolution = fold.resolve(offer.id)
        assert resolution is not None
        assert resolution.holder is claims[0]


@dataclass(eq=False)
class Impossible:
    """A claim whose id is no hash."""

    id: bytes
    author: bytes
    seq: int
    refs: tuple[bytes, ...]
    body: dict[int, Any]
    type: int = int(Claim.type)


def test_two_records_at_one_place_cannot_hang_the_derivation() -> None:
    """The log never hands on such a set; should it, the answer is any, but it comes."""
    offer = Log(key_of("requester")).say(an_offer())
    ann, bob = Log(key_of("ann")), Log(key_of("bob"))
    fake = [
        cast("Record", Impossible(bytes((n,)) * 32, log.author, seq, refs, {0: offer.id, 1: 0}))
        for n, (log, seq, refs) in enumerate([
            (ann, 2, (b"\x01" * 32,)), (bob, 2, (b"\x00" * 32,)),
        ])
    ]
    fold = fold_of([offer, *fake])
    assert fold.resolve(offer.id) is not None


def test_how_far_a_log_reaches_into_another() -> None:
    rng = Random(7)
    for _ in range(200):
        ann, bob = Log(key_of("ann")), Log(key_of("bob"))
        for number in range(8):
            bob.say(Announce("text.count", slots=number))
        for number in range(8):
            ann.say(Announce("text.count", slots=number),
                    [r.id for r in rng.sample(bob.records, rng.randint(0, 2))])
        causality = Causality()
        order = [*ann.records, *bob.records]
        rng.shuffle(order)
        for record in order:
            causality.add(record, None, record.refs)
            causality.highest_named(ann.author, 8, bob.author)
        seqs = {record.id: record.seq for record in bob.records}
        for upto in range(9):
            expected = max(
                (seqs[ref] for r in ann.records if r.seq <= upto for ref in r.refs), default=0
            )
            assert causality.highest_named(ann.author, upto, bob.author) == expected
