"""Sessions: nothing is read twice, and a change of keys loses nothing."""
from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from antsp2p.gossip.limits import DEFAULT_LIMITS, MAX_DATAGRAM_BYTES, SECOND_US
from antsp2p.gossip.session import EPOCHS_AHEAD, Session
from antsp2p.gossip.suite import NOISE
from antsp2p.records.encoding import Malformed

LIMITS = replace(DEFAULT_LIMITS, rekey_datagrams=50, rekey_us=10 * SECOND_US)
KEYS = b"k" * 32, b"K" * 32


def pair() -> tuple[Session, Session]:
    here, there = (
        Session(NOISE, keys, id_in=id_in, id_out=id_out, now_us=0, limits=LIMITS)
        for keys, id_in, id_out in ((KEYS, b"aaaa", b"bbbb"), (KEYS[::-1], b"bbbb", b"aaaa"))
    )
    return here, there


def reason(session: Session, data: bytes, now_us: int = 0) -> str:
    with pytest.raises(Malformed) as caught:
        session.open(data, now_us)
    return caught.value.reason


def test_what_is_sealed_is_opened_once_by_the_other_side() -> None:
    here, there = pair()
    data = here.seal(b"hello", 0)
    assert data[1:5] == b"bbbb"
    assert len(here.seal(bytes(MAX_DATAGRAM_BYTES - 29), 0)) == MAX_DATAGRAM_BYTES
    assert there.open(data, 0) == b"hello"
    assert reason(there, data) == "replayed"
    assert here.open(there.seal(b"and back", 0), 0) == b"and back"
    assert reason(pair()[0], data) == "seal"


def test_every_flipped_bit_is_refused_and_moves_nothing() -> None:
    here, there = pair()
    data = here.seal(b"hello", 0)
    for at in range(5, len(data)):
        for bit in range(8):
            bad = data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
            assert reason(there, bad) in ("seal", "epoch")
    for size in range(len(data)):
        assert reason(there, data[:size]) in ("size", "seal")
    assert there.open(data, 0) == b"hello"


def test_keys_change_by_count_and_by_time_and_nothing_is_lost() -> None:
    """Ten thousand datagrams over a wire that delays, doubles and shuffles: each comes once."""
    here, there = pair()
    rng = random.Random(3)
    now_us = 0
    wire: list[tuple[int, int, bytes]] = []
    for number in range(10_000):
        now_us += rng.choice((100, 1_000, 300_000))
        data = here.seal(b"%d" % number, now_us)
        wire += [
            (now_us + rng.randrange(SECOND_US), number, data) for _ in range(rng.choice((1, 1, 2)))
        ]
    opened: list[int] = []
    drops: Counter[str] = Counter()
    for arrival_us, _, data in sorted(wire):
        try:
            opened.append(int(there.open(data, arrival_us)))
        except Malformed as malformed:
            drops[malformed.reason] += 1
    assert sorted(opened) == list(range(10_000))
    assert drops == {"replayed": len(wire) - 10_000}
    assert len({data[9:13] for _, _, data in wire}) == 200


def test_an_old_key_is_forgotten_and_a_far_one_not_tried() -> None:
    here, there = pair()
    late = [here.seal(b"late", 0) for _ in range(2)]
    now_us = LIMITS.rekey_us
    assert there.open(here.seal(b"next", now_us), now_us) == b"next"
    assert there.open(late[0], now_us + LIMITS.old_key_us - 1) == b"late"
    assert reason(there, late[1], now_us + LIMITS.old_key_us) == "epoch"
    skipped = [here.seal(b"", (3 + number) * now_us) for number in range(EPOCHS_AHEAD + 1)]
    assert reason(there, skipped[-1], 9 * now_us) == "epoch"
    assert there.open(skipped[-2], 9 * now_us) == b""


def test_forgeries_for_the_next_epoch_change_no_key() -> None:
    here, there = pair()
    forged = here.seal(b"x", 0)[:9] + b"\1\0\0\0" + bytes(17)
    assert reason(there, forged) == "seal"
    assert there.open(here.seal(b"still", 0), 0) == b"still"
