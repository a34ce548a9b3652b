"""Liveness: who pings and when, how patient a late node is, and what counts teach."""
from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.liveness import Liveness
from antsp2p.gossip.loss import CommonLoss, Loss
from tests.gossip.protections import some_link
from tests.gossip.swarm import SECOND, identity

if TYPE_CHECKING:
    from collections.abc import Collection

    from antsp2p.gossip.link import Link

DEAD_US = DEFAULT_LIMITS.dead_us
LOOK_US = DEFAULT_LIMITS.second_look_us


class Bench:
    """A liveness with its links; time goes from wake to wake."""

    def __init__(self, links: int = 1, initiated: bool = True) -> None:
        self.now_us = 0
        self.pings: list[tuple[int, int, int]] = []
        """(when, link id, counter)."""
        self.dead: list[tuple[int, int]] = []
        self.liveness = Liveness(
            limits=DEFAULT_LIMITS, rng=random.Random(1),
            ping=lambda link, counter, now_us: self.pings.append((now_us, link.id, counter)),
        )
        self.links = [a_link(number, initiated) for number in range(links)]
        for link in self.links:
            self.liveness.opened(link, 0)

    def run(self, until_us: int, answering: Collection[int] = ()) -> None:
        """Until then; every ping to one of `answering` is answered at once."""
        while True:
            wake_us = self.liveness.wake_us
            if wake_us is None or wake_us > until_us:
                self.now_us = until_us
                return
            self.now_us = max(wake_us, self.now_us)
            before = len(self.pings)
            self.dead += [(self.now_us, link.id) for link in self.liveness.due(self.now_us)]
            after_us = self.liveness.wake_us
            assert after_us is None or after_us > self.now_us
            for _, number, counter in self.pings[before:]:
                if number in answering:
                    link = self.links[number]
                    self.liveness.heard(link, self.now_us)
                    self.liveness.answered(link, counter, 0, 0, self.now_us)


def a_link(number: int, initiated: bool) -> Link:
    address = ("192.0.2.1", 1 + number)
    return some_link(number, identity(number).author, address, initiated=initiated)


def gaps(bench: Bench, after_us: int) -> list[int]:
    times = [when for when, _, _ in bench.pings if when >= after_us]
    return [later - sooner for sooner, later in pairwise(times)]


def test_an_idle_link_is_pinged_by_the_side_that_dialled_it_at_its_interval() -> None:
    bench = Bench()
    bench.liveness.heard(bench.links[0], 1)
    bench.run(100 * SECOND, answering=[0])
    idle = gaps(bench, 10 * SECOND)
    most_us = DEFAULT_LIMITS.ping_idle_us + DEFAULT_LIMITS.ping_jitter_us
    assert min(idle) >= DEFAULT_LIMITS.ping_idle_us >= 5 * SECOND
    assert max(idle) <= most_us
    assert len(set(idle)) > 5, "pings of many links do not fall together"


def test_the_other_side_counts_on_it_while_it_is_heard() -> None:
    bench = Bench(initiated=False)
    bench.liveness.heard(bench.links[0], 1)
    bench.run(20 * SECOND, answering=[0])
    bench.liveness.heard(bench.links[0], bench.now_us)
    before = len(bench.pings)
    for second in range(20, 100, 8):
        bench.run(second * SECOND)
        bench.liveness.heard(bench.links[0], bench.now_us)
    assert len(bench.pings) == before
    bench.run(bench.now_us + 10 * SECOND)
    assert len(bench.pings) > before
    bench.run(bench.now_us + 6 * SECOND)
    assert [number for _, number in bench.dead] == [0]


def test_either_side_pings_until_it_knows_the_round_trip() -> None:
    """Under loss the first ping may be lost, and hearing teaches nothing of the way back."""
    bench = Bench(initiated=False)
    for second in range(1, 6):
        bench.liveness.heard(bench.links[0], bench.now_us)
        bench.run(second * SECOND)
    assert len(bench.pings) >= 4
    bench.liveness.heard(bench.links[0], bench.now_us)
    bench.liveness.answered(bench.links[0], bench.pings[-1][2], 0, 0, bench.now_us)
    before = len(bench.pings)
    bench.run(bench.now_us + SECOND + 1)
    assert len(bench.pings) == before


def test_whoever_watches_a_lease_pings_every_second_on_either_side() -> None:
    bench = Bench(initiated=False)
    bench.liveness.heard(bench.links[0], 1)
    bench.run(20 * SECOND, answering=[0])
    start_us = bench.now_us
    for second in range(10):
        bench.liveness.attend(start_us + second * SECOND)
        bench.run(start_us + (second + 1) * SECOND, answering=[0])
    assert max(gaps(bench, start_us)) <= SECOND + 1
    assert len(gaps(bench, start_us)) >= 9


def test_silence_is_death_after_the_stated_time_and_a_second_look() -> None:
    bench = Bench()
    bench.run(20 * SECOND)
    assert bench.dead == [(DEAD_US + LOOK_US, 0)]
    assert bench.liveness.wake_us is None


def test_what_comes_between_notice_and_second_look_saves_the_link() -> None:
    bench = Bench()
    bench.run(DEAD_US + LOOK_US // 2)
    bench.liveness.heard(bench.links[0], bench.now_us)
    bench.run(DEAD_US + 2 * LOOK_US)
    assert not bench.dead


def test_a_late_node_is_patient_and_grows_normal_again() -> None:
    late = Bench()
    late.run(DEAD_US - SECOND // 10)
    late.liveness.late(2 * SECOND, late.now_us)
    late.run(20 * SECOND)
    ((when_us, _),) = late.dead
    assert DEAD_US + SECOND < when_us <= DEAD_US + DEFAULT_LIMITS.lag_factor * 2 * SECOND
    calm = Bench()
    calm.liveness.heard(calm.links[0], 1)
    calm.liveness.late(2 * SECOND, 1)
    calm.run(60 * SECOND, answering=[0])
    calm.run(80 * SECOND)
    ((died_us, _),) = calm.dead
    asked_us = min(when for when, _, _ in calm.pings if when > 60 * SECOND)
    assert died_us - asked_us == DEAD_US + LOOK_US


def test_a_gap_of_the_own_loop_kills_nobody() -> None:
    bench = Bench()
    bench.run(DEAD_US + LOOK_US // 2)
    bench.now_us += 60 * SECOND
    bench.liveness.extend(60 * SECOND)
    assert not bench.liveness.due(bench.now_us)
    bench.liveness.heard(bench.links[0], bench.now_us)
    bench.run(bench.now_us + SECOND)
    assert not bench.dead


def test_one_death_makes_a_node_look_at_all_its_links() -> None:
    bench = Bench(links=9)
    for link in bench.links:
        bench.liveness.heard(link, 1)
    bench.run(60 * SECOND, answering=range(9))
    bench.run(80 * SECOND, answering=range(1, 9))
    ((died_us, number),) = bench.dead
    assert number == 0
    soon_us = died_us + DEFAULT_LIMITS.ping_repair_us
    assert {number for when, number, _ in bench.pings if died_us < when <= soon_us} == set(
        range(1, 9)
    )


def test_pings_quicken_on_demand_but_not_without_bound() -> None:
    bench = Bench()
    bench.liveness.heard(bench.links[0], 1)
    for millisecond in range(0, 3_000, 10):
        bench.liveness.soon(bench.links[0], bench.now_us)
        bench.run(1_000 * millisecond, answering=[0])
    assert min(gaps(bench, 0)) >= DEFAULT_LIMITS.ping_repair_us
    assert max(gaps(bench, 0)) <= DEFAULT_LIMITS.ping_repair_us + 20_000


def test_round_trips_are_smoothed_as_in_rfc_6298() -> None:
    bench = Bench()
    (link,) = bench.links
    liveness = bench.liveness
    assert liveness.wait_us(link) == DEFAULT_LIMITS.first_wait_us
    liveness.sample(link, 40_000)
    assert (liveness.rtt_us(link), liveness.wait_us(link)) == (40_000, 40_000 + 4 * 20_000)
    for _ in range(200):
        liveness.sample(link, 40_000)
    assert liveness.wait_us(link) <= 41_000, "a steady way needs no margin"
    liveness.sample(link, 140_000)
    assert liveness.wait_us(link) > 140_000
    for _ in range(200):
        liveness.sample(link, 200)
    assert liveness.wait_us(link) == DEFAULT_LIMITS.min_wait_us
    for _ in range(200):
        liveness.sample(link, 10 * SECOND)
    assert liveness.wait_us(link) == DEFAULT_LIMITS.max_wait_us


def common() -> CommonLoss:
    return CommonLoss(DEFAULT_LIMITS.loss_sample)


def test_losses_are_told_apart_from_luck() -> None:
    rng = random.Random(3)
    for permille in (0, 100, 300, 500):
        loss = Loss(DEFAULT_LIMITS.loss_sample, common())
        assert loss.permille is None
        heard, seen = 0, []
        for sent in range(1, 2_001):
            heard += rng.random() * 1_000 >= permille
            loss.note(sent, heard)
            seen.append(loss.permille or 0)
        mean = sum(seen[1_000:]) / 1_000
        assert abs(mean - permille) <= 40


def test_lying_counts_do_no_harm() -> None:
    together = common()
    loss = Loss(16, together)
    for sent, heard in ((2**53 - 1, 0), (1, 2**53 - 1), (100, 5), (0, 0), (50, 60)):
        loss.note(sent, heard)
        for each in (loss, together):
            assert each.permille is None or 0 <= each.permille <= 1_000


def test_few_datagrams_on_each_of_many_links_tell_what_is_lost() -> None:
    rng = random.Random(5)
    together = common()
    for _ in range(40):
        loss = Loss(DEFAULT_LIMITS.loss_sample, together)
        loss.note(5, sum(rng.random() > 0.3 for _ in range(5)))
        assert loss.permille is None
    assert together.permille is not None
    assert 200 <= together.permille <= 400


def test_the_first_look_comes_near_at_once() -> None:
    loss = Loss(DEFAULT_LIMITS.loss_sample, common())
    loss.note(100, 70)
    assert loss.permille is not None
    assert 200 <= loss.permille <= 300


def test_pongs_teach_the_way_out_and_pings_the_way_in() -> None:
    bench = Bench()
    (link,) = bench.links
    for _ in range(60):
        link.sent += 10
        bench.liveness.soon(link, bench.now_us)
        bench.run(bench.now_us + SECOND)
        link.heard += 6
        bench.liveness.heard(link, bench.now_us)
        _, _, counter = bench.pings[-1]
        bench.liveness.answered(link, counter, link.sent, link.sent * 7 // 10, bench.now_us)
    assert 280 <= bench.liveness.loss_permille(link) <= 360
    accepted = a_link(5, initiated=False)
    bench.liveness.opened(accepted, bench.now_us)
    # Nothing is known of it yet, but of the other.
    assert 280 <= bench.liveness.loss_permille(accepted) <= 360
    for _ in range(20):
        accepted.heard += 6
        bench.liveness.pinged(accepted, accepted.heard * 10 // 6)
    assert 350 <= bench.liveness.loss_permille(accepted) <= 450


def test_what_is_only_late_does_not_count_as_lost() -> None:
    rng = random.Random(4)
    loss = Loss(DEFAULT_LIMITS.loss_sample, common())
    for sent in range(2, 2_000):
        loss.note(sent, sent - rng.randrange(2))
        assert (loss.permille or 0) < DEFAULT_LIMITS.lossy_permille
