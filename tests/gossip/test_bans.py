"""How long who misbehaved is left alone, and when that is forgotten."""
from __future__ import annotations

from antsp2p.gossip.bans import Bans
from antsp2p.gossip.limits import DEFAULT_LIMITS

PLACE, KEY = ("192.0.2.1", 5), b"k" * 32
LIMITS = DEFAULT_LIMITS


def end_of(bans: Bans, who: bytes | tuple[str, int], now_us: int) -> int:
    """How long the ban lasts, to the second."""
    return next(
        after for after in range(0, 2 * LIMITS.max_ban_us, 1_000_000)
        if not bans.holds(who, now_us + after)
    )


def test_a_ban_is_of_the_address_and_of_the_key() -> None:
    bans = Bans(LIMITS)
    bans.add(PLACE, KEY, 0)
    for who, other in ((PLACE, (PLACE[0], 6)), (KEY, b"l" * 32)):
        assert bans.holds(who, 1)
        assert not bans.holds(other, 1)
        assert not bans.holds(who, LIMITS.ban_us)


def test_it_doubles_up_to_its_bound_and_is_forgiven_step_by_step() -> None:
    bans, now_us, pauses = Bans(LIMITS), 0, []
    for number in range(8):
        bans.add(("192.0.2.1", number + 1), KEY, now_us)
        pauses.append(end_of(bans, KEY, now_us))
        now_us += pauses[-1]
    assert pauses == [min(LIMITS.ban_us << times, LIMITS.max_ban_us) for times in range(8)]
    now_us += 6 * LIMITS.ban_forgiven_us
    bans.add(PLACE, KEY, now_us)
    assert end_of(bans, KEY, now_us) == 4 * LIMITS.ban_us, "two of eight are left, and this one"
    now_us += 20 * LIMITS.ban_forgiven_us + LIMITS.max_ban_us
    bans.add(PLACE, KEY, now_us)
    assert end_of(bans, KEY, now_us) == LIMITS.ban_us


def test_the_table_is_bounded_and_the_oldest_gives_way() -> None:
    bans = Bans(LIMITS)
    for number in range(LIMITS.bans):
        bans.add(("192.0.2.1", number + 1), number.to_bytes(32, "big"), 0)
        assert bans.sizes()["banned"] <= LIMITS.bans
    assert not bans.holds(bytes(32), 1)
    assert bans.holds((LIMITS.bans - 1).to_bytes(32, "big"), 1)
