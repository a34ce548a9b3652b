"""Marks: which there are is the same for everybody, and what they are worth is each one's own."""
from __future__ import annotations

import itertools
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from antsp2p.coordination.body import MAX_HALF_LIFE_MS, Mark, RecordType
from antsp2p.coordination.judgement import Judgement, Policy
from antsp2p.coordination.marks import (
    DEFAULT_HALF_LIFE_MS,
    GONE_HALVINGS,
    Blackboard,
    MarkFold,
    Topic,
    Trace,
    place_of_topic,
    place_of_trace,
    strength_ppm,
    topic_of,
)
from antsp2p.coordination.pins import NO_PINS
from antsp2p.coordination.reputation import Ledger
from antsp2p.coordination.weighing import PPM
from antsp2p.gossip.wire import MAX_AGE_MS
from tests.coordination.contests import Log, an_offer, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from antsp2p.records.record import Record

HOUR_MS = 3_600_000
ME, ANN, BOB = (key_of(name) for name in ("me", "ann", "bob"))
ages = st.integers(0, MAX_AGE_MS)
half_lives = st.integers(1, MAX_HALF_LIFE_MS)


def fold_of(records: Iterable[Record]) -> MarkFold:
    fold = MarkFold()
    for record in records:
        fold.add(record)
    return fold


def board_of(*logs: Log, ledger: Ledger | None = None, policy: Policy | None = None) -> Blackboard:
    judgement = Judgement(ledger or Ledger(ME), policy or Policy())
    return Blackboard(ME, fold_of(record for log in logs for record in log.records), judgement)


def at(board: Blackboard, topic: str, age_ms: Callable[[bytes, int], int]) -> list[Trace]:
    return sorted(filter(None, board.traces(topic, age_ms)), key=place_of_trace)


def listed(board: Blackboard, age_ms: Callable[[bytes, int], int]) -> list[Topic]:
    topics = (topic_of(name, at(board, name, age_ms)) for name in board.names())
    return sorted(filter(None, topics), key=place_of_topic)


def fresh(author: bytes, seq: int) -> int:
    return 0


# --- how a mark fades ----------------------------------------------------------------------------


def test_a_mark_is_half_as_strong_after_each_half_life_and_then_gone() -> None:
    told = [strength_ppm(age_ms, 1_000) for age_ms in (0, 500, 1_000, 1_500, 2_000, 9_999, 10_000)]
    assert told == [1_000_000, 750_000, 500_000, 375_000, 250_000, 977, 0]


@given(ages, ages, half_lives)
def test_no_mark_grows(one_ms: int, other_ms: int, half_life_ms: int) -> None:
    young, old = sorted((one_ms, other_ms))
    assert PPM >= strength_ppm(young, half_life_ms) >= strength_ppm(old, half_life_ms) >= 0


@given(ages, half_lives)
def test_who_fades_slower_is_never_the_weaker(age_ms: int, half_life_ms: int) -> None:
    assert strength_ppm(age_ms, half_life_ms) <= strength_ppm(age_ms, half_life_ms + 1)


@given(half_lives)
def test_every_mark_is_gone_some_day(half_life_ms: int) -> None:
    assert strength_ppm(GONE_HALVINGS * half_life_ms - 1, half_life_ms) > 0
    assert strength_ppm(GONE_HALVINGS * half_life_ms, half_life_ms) == 0


def test_what_was_wiped_off_has_no_strength() -> None:
    assert strength_ppm(0, 0) == 0


# --- which marks there are -----------------------------------------------------------------------


def test_the_latest_mark_of_an_author_at_a_topic_counts_in_any_order() -> None:
    log = Log(ANN)
    for mark in (
        Mark("site.lab", "one", HOUR_MS), Mark("site.lab"), Mark("site.lab", "two", HOUR_MS),
        Mark("site.hall", "three", 9),
    ):
        log.say(mark)
    for order in itertools.permutations(log.records):
        fold = fold_of(order)
        assert fold.of(ANN) == (Mark("site.hall", "three", 9), Mark("site.lab", "two", HOUR_MS))
        assert fold.names() == ("site.hall", "site.lab")
        assert fold.snapshot() == fold_of(log.records).snapshot()


def test_what_is_no_mark_or_void_is_passed_over() -> None:
    log = Log(ANN)
    log.say(an_offer())
    log.write(RecordType.MARK, {1: "Not A Name", 3: 1})
    log.write(RecordType.MARK, {1: b"bytes"})
    fold = fold_of(log.records)
    assert fold.names() == ()
    assert fold.snapshot() == MarkFold().snapshot()


def test_remove_is_the_inverse_of_add_and_pardon_of_convict() -> None:
    rng = Random(5)
    logs = [Log(key_of(f"{n}")) for n in range(4)]
    for _ in range(60):
        rng.choice(logs).say(Mark(rng.choice("abc"), "", rng.choice((0, 1, HOUR_MS))))
    records = [record for log in logs for record in log.records]
    for _ in range(40):
        fold, gone = fold_of(rng.sample(records, len(records))), rng.sample(records, 25)
        fold.convict(logs[0].author)
        for record in gone:
            fold.remove(record)
            fold.remove(record)
        fold.pardon(logs[0].author)
        rest = fold_of(record for record in records if record not in gone)
        assert fold.snapshot() == rest.snapshot()
        assert fold.names() == rest.names()
        assert [fold.live(name) for name in "abc"] == [rest.live(name) for name in "abc"]


def test_two_records_of_one_seq_have_a_place_each_in_any_order() -> None:
    held, given, later = Log(ANN), Log(ANN), Log(ANN)
    one, other = held.say(Mark("a", "held", 1)), given.say(Mark("a", "given back", 1))
    later.say(an_offer())
    anew = later.say(Mark("a", "anew", 1))
    for order in itertools.permutations((one, other, anew)):
        fold = fold_of(order)
        fold.remove(one)
        assert fold.snapshot() == fold_of((other, anew)).snapshot()
        fold.remove(anew)
        assert fold.of(ANN) == (Mark("a", "given back", 1),)


def test_who_is_out_leaves_no_mark() -> None:
    ann, bob = Log(ANN), Log(BOB)
    for log in (ann, bob):
        log.say(Mark("site.lab", "", HOUR_MS))
    fold = fold_of(ann.records)
    fold.convict(ANN)
    assert fold.add(bob.records[0]) == Mark("site.lab", "", HOUR_MS)
    assert fold.add(ann.say(Mark("site.lab", "", 1))) is None, "nobody is told of it"
    assert list(fold.live("site.lab")) == [BOB]
    assert fold.snapshot() == fold_of(bob.records).snapshot()


# --- what they are worth here --------------------------------------------------------------------


def test_a_stranger_is_heeded_and_trusted_with_nothing_and_the_own_mark_with_all() -> None:
    mine, ann = Log(ME), Log(ANN)
    mine.say(Mark("site.lab", "here", HOUR_MS))
    ann.say(Mark("site.lab", "there", HOUR_MS))
    board = board_of(mine, ann)
    own, strange = at(board, "site.lab", lambda author, _: 0 if author == ME else HOUR_MS)
    assert (own.author, own.strength_ppm, own.trusted_ppm, own.heeded) == (ME, PPM, PPM, True)
    assert (strange.author, strange.strength_ppm, strange.trusted_ppm) == (ANN, PPM // 2, 0)
    assert strange.heeded
    (topic,) = listed(board, lambda author, _: 0 if author == ME else HOUR_MS)
    assert topic == ("site.lab", PPM + PPM // 2, PPM, 2, 0)


def test_however_many_strangers_mark_a_topic_none_is_trusted_more() -> None:
    crowd = [Log(key_of(f"{n}")) for n in range(50)]
    for log in crowd:
        log.say(Mark("buy.this", "", HOUR_MS))
    friend = Log(ANN)
    friend.say(Mark("site.lab", "", HOUR_MS))
    ledger = Ledger(ME)
    ledger.set_pins(NO_PINS.pin(ANN, 6))
    topics = listed(board_of(*crowd, friend, ledger=ledger), fresh)
    assert [(topic.name, topic.trusted_ppm) for topic in topics] == [
        ("site.lab", 750_000), ("buy.this", 0)]


def test_strangers_change_no_order_where_somebody_trusted_has_been() -> None:
    mine, crowd = Log(ME), [Log(key_of(f"{n}")) for n in range(9)]
    for topic in ("a", "b"):
        mine.say(Mark(topic, "", HOUR_MS))
    for log in crowd:
        log.say(Mark("b", "", HOUR_MS))
        log.say(Mark("c", "", HOUR_MS))
    crowd[0].say(Mark("d", "", HOUR_MS))
    assert [topic.name for topic in listed(board_of(mine, *crowd), fresh)] == ["a", "b", "c", "d"]


def test_who_is_blocked_is_shown_at_the_topic_and_not_counted() -> None:
    ann, bob = Log(ANN), Log(BOB)
    for log in (ann, bob):
        log.say(Mark("site.lab", "", HOUR_MS))
    ledger = Ledger(ME)
    ledger.set_pins(NO_PINS.block(ANN))
    board = board_of(ann, bob, ledger=ledger)
    assert [(trace.author, trace.heeded) for trace in at(board, "site.lab", fresh)] == [
        (BOB, True), (ANN, False)]
    (topic,) = listed(board, fresh)
    assert (topic.marks, topic.strength_ppm) == (1, PPM)


def test_what_has_faded_is_not_shown() -> None:
    log = Log(ANN)
    log.say(Mark("site.lab", "", 1))
    board = board_of(log)
    assert at(board, "site.lab", lambda *_: GONE_HALVINGS) == []
    assert listed(board, lambda *_: GONE_HALVINGS) == []
    assert list(board.traces("site.lab", lambda *_: GONE_HALVINGS)) == [None]
    assert at(board, "nowhere", fresh) == []


def test_the_default_on_the_command_line_is_that_of_a_program() -> None:
    from antsp2p.interfaces.command_line import _parser

    assert _parser().parse_args(["mark", "x"]).half_life_ms == DEFAULT_HALF_LIFE_MS
