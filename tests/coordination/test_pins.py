"""Pins and blocks change what one node does and thinks, and nothing else."""
from __future__ import annotations

import pytest

from antsp2p.coordination.body import Award, Cancel, Reopen
from antsp2p.coordination.capability import CapabilityFold
from antsp2p.coordination.claimant import Claimant
from antsp2p.coordination.judgement import Judgement
from antsp2p.coordination.lease import Leases
from antsp2p.coordination.pins import (
    DEFAULT_PIN_WEIGHT,
    MAX_PINS,
    NO_PINS,
    Pins,
    TooManyPins,
)
from antsp2p.coordination.reputation import Ledger
from tests.coordination.scribe import Scribe
from tests.coordination.test_requester import MS, Desk

ADA, BOB = b"a" * 32, b"b" * 32


def test_whoever_is_pinned_is_not_blocked_and_the_reverse() -> None:
    pins = NO_PINS.pin(ADA, 5).block(BOB)
    assert (dict(pins.weights), pins.blocked) == ({ADA: 5}, frozenset({BOB}))
    assert pins.authors() == (ADA, BOB)
    turned = pins.block(ADA).pin(BOB)
    assert (dict(turned.weights), turned.blocked) == ({BOB: DEFAULT_PIN_WEIGHT}, frozenset({ADA}))
    assert turned.unpin(BOB).unblock(ADA) == NO_PINS
    assert NO_PINS.unpin(ADA) == NO_PINS.unblock(ADA) == NO_PINS


def test_there_are_only_so_many() -> None:
    pins = NO_PINS
    for number in range(MAX_PINS):
        author = number.to_bytes(32, "big")
        pins = pins.pin(author, 1)
    with pytest.raises(TooManyPins):
        pins.pin(ADA, 1)
    assert pins.pin(author, 2).weights[author] == 2
    full = Pins(blocked=frozenset(pins.weights))
    with pytest.raises(TooManyPins):
        full.block(ADA)
    assert full.block(author) == full


def test_a_pin_counts_like_work_and_a_block_ends_all_trust() -> None:
    ledger = Ledger(b"me".ljust(32), lambda author: (author, ADA) if author == BOB else (author,))
    assert ledger.score(ADA).known is False
    ledger.set_pins(NO_PINS.pin(ADA, 6))
    assert (ledger.score(ADA).value_ppm, ledger.score(ADA).known) == (750_000, True)
    assert ledger.score(ADA, "anything").value_ppm == 750_000
    assert ledger.score(BOB).value_ppm == 750_000, "it goes on with the reputation of ada"
    ledger.set_pins(NO_PINS.block(ADA))
    assert ledger.is_blocked(ADA)
    assert ledger.is_blocked(BOB), "a new key does not lead past a block"
    assert (ledger.score(ADA).value_ppm, ledger.score(ADA).known) == (0, True)
    ledger.set_pins(NO_PINS)
    assert not ledger.is_blocked(ADA)
    assert not ledger.score(ADA).known


def test_who_is_blocked_provides_nothing_here_and_the_snapshot_is_as_it_was() -> None:
    scribe, open_fold = Scribe(), CapabilityFold()
    records = [scribe.announce("ada"), scribe.announce("bob", "other")]
    capabilities, ada = scribe.capabilities, scribe.author("ada")
    capabilities.block(frozenset({ada}))
    assert (capabilities.names(), capabilities.providers("work")) == (("other",), ())
    records.append(scribe.announce("ada", "more"))
    assert capabilities.names() == ("other",)
    for record in records:
        open_fold.add(record)
    assert capabilities.snapshot() == open_fold.snapshot()
    capabilities.block(frozenset())
    assert capabilities.names() == ("more", "other", "work")


# --- the requester -------------------------------------------------------------------------------


def test_a_blocked_worker_gets_no_award_beside_another() -> None:
    desk = Desk()
    blocked, other = desk.scribe.author("first"), "second"
    desk.ledger.set_pins(NO_PINS.block(blocked))
    task = desk.post()
    first, second = desk.scribe.claim("first", task), desk.scribe.claim(other, task)
    assert desk.bodies(task, 0) == [Award(task, second.id)]
    assert first.author == blocked


def test_a_task_that_only_the_blocked_want_is_opened_again_without_them() -> None:
    desk = Desk()
    desk.ledger.set_pins(NO_PINS.block(desk.scribe.author("first")))
    task = desk.post(settle_ms=100)
    desk.scribe.claim("first", task)
    assert desk.bodies(task, 0) == []
    (reopen,) = desk.bodies(task, 100 * MS)
    assert isinstance(reopen, Reopen)
    assert (reopen.claim, reopen.excluded) == (None, (desk.scribe.author("first"),))
    desk.scribe.claim("first", task)
    assert desk.scribe.tasks.candidates(task) == (), "it is shut out"
    second = desk.scribe.claim("second", task)
    desk.bodies(task, 200 * MS)
    assert desk.bodies(task, 300 * MS) == [Award(task, second.id)]


def test_shutting_out_many_takes_no_attempts_and_ends() -> None:
    desk = Desk()
    names = [f"worker {number}" for number in range(20)]
    pins = NO_PINS
    for name in names:
        pins = pins.block(desk.scribe.author(name))
    desk.ledger.set_pins(pins)
    task = desk.post(attempts=1)
    bodies: list[object] = []
    for _ in range(10):
        for name in names:
            if desk.scribe.author(name) not in desk.scribe.tasks.excluded(task):
                desk.scribe.claim(name, task)
        bodies += desk.bodies(task, 0)
    assert not [body for body in bodies if isinstance(body, Cancel)]
    assert len(bodies) == 3, "eight at a time"
    assert desk.scribe.tasks.excluded(task) == pins.blocked


def test_a_worker_that_was_awarded_before_may_finish() -> None:
    desk = Desk()
    task = desk.post()
    claim = desk.scribe.claim("first", task)
    assert desk.bodies(task, 0) == [Award(task, claim.id)]
    desk.ledger.set_pins(NO_PINS.block(claim.author))
    assert desk.bodies(task, 0) == []


# --- the worker ----------------------------------------------------------------------------------


def test_an_offer_of_the_blocked_is_not_taken_until_they_are_blocked_no_more() -> None:
    scribe = Scribe()
    ledger = Ledger(scribe.author("me"))
    claimant = Claimant(
        scribe.author("me"), scribe.tasks, scribe.capabilities, Leases(0), Judgement(ledger))
    scribe.announce("me")
    claimant.serve("agent", "work", 1)
    claimant.freed(0)
    ledger.set_pins(NO_PINS.block(scribe.author("requester")))
    task = scribe.offer().id
    claimant.touched(task, 0)
    assert not claimant.is_our_turn(task, 0)
    ledger.set_pins(NO_PINS)
    claimant.touched(task, 0)
    assert claimant.is_our_turn(task, 0)
    ledger.set_pins(NO_PINS.block(scribe.author("requester")))
    claimant.touched(task, 0)
    assert not claimant.is_our_turn(task, 0)
