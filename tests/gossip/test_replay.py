"""The replay window is a set that forgets what is too old."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antsp2p.gossip.replay import WINDOW, ReplayWindow

STEPS = st.lists(
    st.one_of(st.integers(-WINDOW - 3, WINDOW + 3), st.integers(-8, 8), st.integers(0, 2**40)),
    max_size=200,
)


@given(STEPS)
def test_it_answers_as_a_set_of_all_numbers_would(steps: list[int]) -> None:
    window = ReplayWindow()
    seen: set[int] = set()
    number = 0
    for step in steps:
        number = max(0, number + step)
        top = max(seen, default=-1)
        is_new = number not in seen and number > top - WINDOW
        assert window.is_new(number) == is_new
        if is_new:
            window.note(number)
            seen.add(number)


def test_the_oldest_number_in_the_window() -> None:
    window = ReplayWindow()
    window.note(WINDOW)
    assert window.is_new(1)
    assert not window.is_new(0)
    window.note(1)
    assert not window.is_new(1)
