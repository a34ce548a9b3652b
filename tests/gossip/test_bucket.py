"""The token bucket."""
from __future__ import annotations

from antsp2p.gossip.bucket import Bucket
from tests.gossip.swarm import SECOND


def test_a_burst_and_then_the_rate() -> None:
    bucket = Bucket(4, 8, 0)
    assert sum(bucket.take(1, 0) for _ in range(20)) == 8
    assert sum(bucket.take(1, now_us) for now_us in range(0, 10 * SECOND, 1_000)) == 39
    assert not bucket.take(9, 1_000 * SECOND)
    assert bucket.take(8, 1_000 * SECOND)


def test_a_bucket_tells_when_it_has_enough() -> None:
    bucket = Bucket(3, 8, 0)
    assert bucket.ready_us(8, 0) == 0
    assert bucket.take(8, 0)
    for tokens in (1, 2, 8):
        wait_us = bucket.ready_us(tokens, 0)
        assert bucket.available(wait_us - 1) < tokens <= bucket.available(wait_us)
        bucket = Bucket(3, 8, 0)
        assert bucket.take(8, 0)


def test_a_clock_that_stands_still_gives_nothing() -> None:
    bucket = Bucket(1, 1, 5)
    assert bucket.take(1, 5)
    assert not bucket.take(1, 4)
    assert bucket.available(5) == 0
