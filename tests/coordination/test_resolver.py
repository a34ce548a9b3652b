from __future__ import annotations

import hashlib
import itertools
from random import Random
from typing import TYPE_CHECKING

import pytest

from antsp2p.coordination.body import (
    Announce,
    Claim,
    Reopen,
    Result,
    Verdict,
)
from antsp2p.coordination.resolver import tie_break
from antsp2p.coordination.tasks import Rule, State
from tests.coordination.contests import Log, Race, an_offer, fold_of, key_of, resolved

if TYPE_CHECKING:
    from antsp2p.records.record import Record


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
