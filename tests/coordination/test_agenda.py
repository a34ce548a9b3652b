from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antsp2p.coordination.agenda import Agenda

KEYS = st.sampled_from([b"a", b"b", b"c"])


def test_a_key_set_again_moves() -> None:
    agenda = Agenda()
    agenda.set(b"a", 5)
    agenda.set(b"a", 9)
    assert agenda.take_due(5) == []
    assert agenda.wake_at == 9
    assert agenda.take_due(9) == [b"a"]
    assert agenda.wake_at is None


def test_set_earliest_only_moves_forward() -> None:
    agenda = Agenda()
    agenda.set_earliest(b"a", 5)
    agenda.set_earliest(b"a", 9)
    agenda.set_earliest(b"a", None)
    assert agenda.wake_at == 5
    agenda.set_earliest(b"a", 3)
    assert agenda.wake_at == 3


def test_a_dropped_key_is_never_due() -> None:
    agenda = Agenda()
    agenda.set(b"a", 1)
    agenda.drop(b"a")
    assert agenda.take_due(10) == []


@given(st.lists(st.tuples(KEYS, st.integers(0, 50), st.sampled_from(["set", "earliest", "drop"]))))
def test_an_agenda_is_a_map_from_key_to_deadline(
    steps: list[tuple[bytes, int, str]],
) -> None:
    agenda, model = Agenda(), dict[bytes, int]()
    for key, due, action in steps:
        if action == "set":
            agenda.set(key, due)
            model[key] = due
        elif action == "earliest":
            agenda.set_earliest(key, due)
            model[key] = min(due, model.get(key, due))
        else:
            agenda.drop(key)
            model.pop(key, None)
        assert agenda.wake_at == min(model.values(), default=None)
    due_now = {key for key, due in model.items() if due <= 25}
    assert set(agenda.take_due(25)) == due_now
    assert len(agenda) == len(model) - len(due_now)


def test_the_heap_does_not_grow_with_moves() -> None:
    agenda = Agenda()
    for due in range(10_000):
        agenda.set(b"a", due)
    assert len(agenda._heap) < 100
