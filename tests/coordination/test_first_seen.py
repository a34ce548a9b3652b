from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antsp2p.coordination.first_seen import FirstSeen

ADA, BOB = b"a" * 32, b"b" * 32


def test_a_record_keeps_the_tick_at_which_it_came() -> None:
    seen = FirstSeen()
    assert seen.tick(ADA, 1) == 0
    for seq, tick in ((1, 5), (2, 5), (3, 9)):
        seen.note(ADA, seq, tick)
    assert [seen.tick(ADA, seq) for seq in (1, 2, 3, 4)] == [5, 5, 9, 9]
    assert seen.tick(BOB, 1) == 0


def test_a_clock_that_was_set_back_makes_nothing_older() -> None:
    seen = FirstSeen()
    seen.note(ADA, 1, 9)
    seen.note(ADA, 2, 4)
    assert seen.tick(ADA, 2) == 9


def test_what_left_the_set_and_came_again_came_then() -> None:
    seen = FirstSeen()
    for seq in range(1, 6):
        seen.note(ADA, seq, seq)
    seen.cut(ADA, 3)
    assert seen.tick(ADA, 2) == 2
    seen.note(ADA, 3, 8)
    assert seen.tick(ADA, 3) == 8
    seen.cut(ADA, 1)
    assert seen.tick(ADA, 3) == 0


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40))
def test_the_steps_say_what_a_table_would(ticks: list[int]) -> None:
    seen, table, highest = FirstSeen(), [], 0
    for seq, tick in enumerate(ticks, 1):
        seen.note(ADA, seq, tick)
        highest = tick if seq == 1 else max(highest, tick)
        table.append(highest)
    assert [seen.tick(ADA, seq) for seq in range(1, len(ticks) + 1)] == table
