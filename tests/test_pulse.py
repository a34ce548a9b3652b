"""Beats: none when idle, one on a change, all leases renewed however many there are."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.claimant import Holding
from antsp2p.pulse import BEATS_PER_LEASE, CHANGE_US, Pulse
from antsp2p.records.keys import Identity, verify
from antsp2p.records.record import NO_PREV, sign_record

if TYPE_CHECKING:
    from antsp2p.records.beat import Beat

ME = Identity.from_seed(b"m" * 32)
NETWORK = b"n" * 16
HEAD = b"h" * 32
LEASE_US = 3_000_000


def holding(seq: int, progress: int = 0) -> Holding:
    claim = sign_record(
        ME, network=NETWORK, seq=seq, prev=NO_PREV if seq == 1 else HEAD, type=3,
        body={0: HEAD, 1: 0}, claimed_ms=0,
    )
    return Holding(claim, HEAD, 0, "agent", "work", LEASE_US, 0, progress=progress)


def run(pulse: Pulse, holdings: list[Holding], until_us: int, free: int = 1) -> list[Beat]:
    """All beats up to `until_us`, woken when the pulse asks."""
    beats, now_us = [], 0
    while now_us <= until_us:
        beat = pulse.beat(
            holdings, slots=4, free_slots=free, head_seq=2**40, head=HEAD, now_us=now_us)
        if beat is not None:
            beats.append(beat)
        if pulse.wake_at is None:
            break
        assert pulse.wake_at > now_us
        now_us = pulse.wake_at
    return beats


def test_an_idle_node_beats_once_and_then_is_silent() -> None:
    pulse = Pulse(ME, NETWORK, 1, 0)
    assert len(run(pulse, [], 100 * LEASE_US)) == 1
    assert pulse.wake_at is None


def test_a_node_that_serves_nothing_never_beats() -> None:
    assert run(Pulse(ME, NETWORK, 1, 0), [], LEASE_US, free=0) == []


def test_a_held_lease_is_renewed_three_times_in_its_time() -> None:
    beats = run(Pulse(ME, NETWORK, 1, 0), [holding(5, 500)], LEASE_US - 1)
    assert len(beats) == BEATS_PER_LEASE
    assert all(beat.claims == ((5, 500),) and beat.verifies(verify) for beat in beats)
    counters = [beat.counter for beat in beats]
    assert counters == sorted(set(counters))


def test_a_claim_that_may_not_be_sent_yet_is_not_named() -> None:
    beat = Pulse(ME, NETWORK, 1, 0).beat(
        [holding(5)], slots=1, free_slots=0, head_seq=4, head=HEAD, now_us=CHANGE_US)
    assert beat is None or beat.claims == ()


def test_hundreds_of_leases_at_high_seqs_are_all_renewed_in_time() -> None:
    many = [holding(2**33 + number, 1_000) for number in range(500)]
    beats = run(Pulse(ME, NETWORK, 1, 0), many, LEASE_US)
    assert all(len(beat.wire) <= 1_000 for beat in beats)
    times: dict[int, int] = {}
    for beat in beats:
        for seq, _ in beat.claims:
            times[seq] = times.get(seq, 0) + 1
    assert len(times) == 500
    assert min(times.values()) >= BEATS_PER_LEASE - 1


def test_another_boot_counts_higher() -> None:
    first = run(Pulse(ME, NETWORK, 1, 0), [], 1)[0]
    second = run(Pulse(ME, NETWORK, 2, 0), [], 1)[0]
    assert second.counter > first.counter
