from __future__ import annotations

from antsp2p.coordination.lease import LIVE_GAP_US, SECOND_LOOK_US, Leases

CLAIM, AUTHOR = b"c" * 32, b"a" * 32
SECOND = 1_000_000


def heard_every(leases: Leases, start_us: int, end_us: int, step_us: int = 500_000) -> None:
    for now_us in range(start_us, end_us + 1, step_us):
        leases.heard(now_us)


def test_a_silent_holder_lapses_after_its_lease_at_the_second_look() -> None:
    leases = Leases(0)
    leases.watch(CLAIM, AUTHOR, 7, 2_000)
    heard_every(leases, 0, 2 * SECOND - 500_000)
    assert not leases.has_lapsed(CLAIM, 2 * SECOND - 500_000)
    leases.heard(2 * SECOND)
    assert not leases.has_lapsed(CLAIM, 2 * SECOND)
    assert not leases.has_lapsed(CLAIM, 2 * SECOND + SECOND_LOOK_US - 1)
    assert leases.has_lapsed(CLAIM, 2 * SECOND + SECOND_LOOK_US)


def test_a_beat_that_names_the_claim_renews() -> None:
    leases = Leases(0)
    leases.watch(CLAIM, AUTHOR, 7, 2_000)
    heard_every(leases, 0, 1_500_000)
    leases.renewed(AUTHOR, (3, 7))
    heard_every(leases, 2 * SECOND, 3 * SECOND)
    assert not leases.has_lapsed(CLAIM, 3 * SECOND)


def test_a_beat_that_does_not_name_the_claim_renews_nothing() -> None:
    leases = Leases(0)
    leases.watch(CLAIM, AUTHOR, 7, 1_000)
    leases.renewed(AUTHOR, (6,))
    leases.renewed(b"b" * 32, (7,))
    heard_every(leases, 0, SECOND)
    leases.has_lapsed(CLAIM, SECOND)
    assert leases.has_lapsed(CLAIM, SECOND + SECOND_LOOK_US)


def test_a_beat_between_the_looks_saves_the_claim() -> None:
    leases = Leases(0)
    leases.watch(CLAIM, AUTHOR, 7, 1_000)
    heard_every(leases, 0, SECOND)
    assert not leases.has_lapsed(CLAIM, SECOND)
    leases.renewed(AUTHOR, (7,))
    assert not leases.has_lapsed(CLAIM, SECOND + SECOND_LOOK_US)


def test_time_in_which_nobody_was_heard_does_not_count() -> None:
    leases = Leases(0)
    leases.watch(CLAIM, AUTHOR, 7, 2_000)
    heard_every(leases, 0, SECOND)
    back_us = 60 * SECOND
    leases.heard(back_us)
    assert not leases.has_lapsed(CLAIM, back_us)
    assert not leases.has_lapsed(CLAIM, back_us + SECOND_LOOK_US)
    heard_every(leases, back_us, back_us + 2 * SECOND)
    leases.has_lapsed(CLAIM, back_us + 2 * SECOND)
    assert leases.has_lapsed(CLAIM, back_us + 2 * SECOND + SECOND_LOOK_US)


def test_without_any_peer_nothing_ever_lapses() -> None:
    leases = Leases(0)
    leases.watch(CLAIM, AUTHOR, 7, 500)
    for now_us in range(0, 100 * SECOND, SECOND):
        assert not leases.has_lapsed(CLAIM, now_us)


def test_the_next_look_is_never_in_the_past() -> None:
    leases = Leases(0)
    leases.watch(CLAIM, AUTHOR, 7, 1_000)
    heard_every(leases, 0, 5 * SECOND)
    look_us = leases.next_look_us(CLAIM, 5 * SECOND)
    assert look_us is not None
    assert look_us > 5 * SECOND
    assert leases.next_look_us(b"x" * 32, 0) is None


def test_a_forgotten_claim_does_not_lapse() -> None:
    leases = Leases(0)
    leases.watch(CLAIM, AUTHOR, 7, 1_000)
    leases.forget(CLAIM)
    heard_every(leases, 0, 5 * SECOND)
    assert not leases.has_lapsed(CLAIM, 5 * SECOND)
    assert len(leases) == 0


def test_the_gap_is_shorter_than_a_minute_and_longer_than_a_ping() -> None:
    assert SECOND < LIVE_GAP_US < 60 * SECOND
