from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.simulation.world import Violation, World

if TYPE_CHECKING:
    import pytest


def test_what_is_due_earlier_runs_first_and_ties_run_in_the_order_of_asking() -> None:
    world = World(1)
    ran: list[tuple[str, int]] = []
    for delay_us, name in ((20, "late"), (10, "first"), (10, "second"), (0, "now")):
        world.after(delay_us, lambda name=name: ran.append((name, world.now_us)))
    world.run(100)
    assert ran == [("now", 0), ("first", 10), ("second", 10), ("late", 20)]
    assert world.now_us == 100


def test_an_event_after_the_end_of_the_run_waits_for_the_next_run() -> None:
    world = World(1)
    ran: list[int] = []
    world.after(50, lambda: ran.append(world.now_us))
    world.run(49)
    assert ran == []
    world.run(50)
    assert ran == [50]


def test_stop_ends_the_run_after_the_present_event() -> None:
    world = World(1)
    ran: list[int] = []
    world.after(1, world.stop)
    world.after(2, lambda: ran.append(2))
    world.run(10)
    assert (world.now_us, ran) == (1, [])


def test_a_purpose_draws_the_same_whatever_others_drew() -> None:
    one, other = World(7), World(7)
    other.stream("network/loss").random()
    assert one.stream("fault/crash/0").random() == other.stream("fault/crash/0").random()
    assert one.stream("a").random() != one.stream("b").random()
    assert World(7).stream("a").random() != World(8).stream("a").random()


def test_a_violation_says_where_and_how_to_see_it_again() -> None:
    world = World(42, replay="antsp2p simulate --seed 42")
    machine = world.add_machine()
    world.run(1_500_000)
    error = world.violation("epoch", "it goes back", machine)
    assert isinstance(error, Violation)
    assert str(error) == (
        "epoch: it goes back at node 0 (seed 42, time 1.500000 s, step 0). "
        "Replay: antsp2p simulate --seed 42"
    )


def test_each_signature_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(1)
    asked: list[bytes] = []

    def check(public_key: bytes, signature: bytes, message: bytes) -> bool:
        asked.append(message)
        return message == b"good"

    monkeypatch.setattr("antsp2p.records.keys.verify", check)
    for _ in range(3):
        assert world.verify(b"key", b"signature", b"good")
        assert not world.verify(b"key", b"signature", b"bad")
    assert asked == [b"good", b"bad"]
