from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from antsp2p.coordination.fading import LANDMARK_BUCKETS
from antsp2p.coordination.trust import DEFAULT, PPM, Score, Trust
from antsp2p.coordination.weighing import borrowed

PLAIN = replace(DEFAULT, alpha_ppm=PPM // 2, keep_ppm=PPM)
"""Round numbers: a quarter of what was earned may be said, half be passed on; nothing fades."""
ME, ANN, BEN, CAM, DAN = (bytes([number]) * 32 for number in range(5))


@dataclass(frozen=True, slots=True)
class Said:
    """A statement, by whom and of whom first."""

    rater: bytes
    subject: bytes
    good: bool = True
    weight: int = 1
    capability: str = "text.count"
    bucket: int = 0
    configuration: bytes = b""
    claim: bytes = b""


def trust_of(*said: Said) -> Trust:
    """What I think after these, each of a claim of its own."""
    trust = Trust(ME, PLAIN)
    for number, each in enumerate(said):
        trust.add(replace(each, claim=number.to_bytes(32, "big")))
    return trust


def value(trust: Trust, subject: bytes) -> int:
    return trust.score(subject, "text.count").value_ppm


def test_a_stranger_is_unknown_and_not_bad() -> None:
    assert trust_of().score(ANN, "text.count") == Score(0, 0, 0, known=False, uncertainty_ppm=PPM)


def test_what_i_saw_counts_in_full() -> None:
    trust = trust_of(Said(ME, ANN), Said(ME, ANN, good=False))
    assert trust.score(ANN, "text.count") == Score(
        PPM // 5, PPM, PPM, known=True, uncertainty_ppm=2 * PPM // 5
    )


def test_a_statement_said_twice_counts_once_and_can_be_taken_back() -> None:
    trust, said = Trust(ME), Said(ME, ANN, claim=b"1")
    trust.add(said)
    trust.add(said)
    assert value(trust, ANN) == PPM // 3
    trust.remove(said)
    trust.remove(said)
    assert not trust.score(ANN, "text.count").known


def test_nobody_speaks_of_itself() -> None:
    assert not trust_of(Said(ANN, ANN)).score(ANN, "text.count").known


def test_words_of_one_who_never_worked_for_me_weigh_nothing() -> None:
    trust = trust_of(Said(ANN, BEN, weight=1_000))
    assert trust.capacity(ANN) == 0
    assert not trust.score(BEN, "text.count").known


def test_words_weigh_what_their_author_earned() -> None:
    trust = trust_of(Said(ME, ANN, weight=12), Said(ANN, BEN, weight=2))
    assert trust.score(BEN, "text.count").accepted == 2 * PPM
    much = trust_of(Said(ME, ANN, weight=12), Said(ANN, BEN, weight=20), Said(ANN, CAM, weight=40))
    said = sum(much.score(each, "text.count").accepted for each in (BEN, CAM))
    assert 3 * PPM - 2 <= said <= 3 * PPM


def test_trust_goes_two_steps_and_no_further() -> None:
    trust = trust_of(Said(ME, ANN, weight=8), Said(ANN, BEN), Said(BEN, CAM), Said(CAM, DAN))
    assert trust.capacity(BEN) == PPM
    assert trust.score(CAM, "text.count").accepted == PPM // 4
    assert trust.capacity(CAM) == 0
    assert not trust.score(DAN, "text.count").known


def test_other_capabilities_lend_a_little() -> None:
    trust = trust_of(Said(ME, ANN, weight=100))
    assert 0 < trust.score(ANN, "other").accepted <= DEFAULT.borrow_ppm
    assert trust.score(ANN, None).accepted == 100 * PPM


def test_words_weigh_in_a_capability_what_was_earned_there() -> None:
    cheap = [Said(ME, ANN, weight=100, capability="cheap"), Said(ME, ANN, weight=4)]
    trust = trust_of(*cheap, Said(ANN, BEN, weight=1_000), Said(ANN, CAM, capability="none"))
    assert trust.score(BEN, "text.count").accepted == PPM
    assert not trust.score(CAM, None).known
    assert trust.capacity(ANN, "text.count") == 4 * PPM
    assert trust.capacity(ANN, "none") == 0
    assert trust.capacity(ANN) == 104 * PPM


def test_who_owes_more_than_it_earned_in_a_capability_pays_in_the_others() -> None:
    said = [Said(ME, ANN, weight=6), Said(ME, ANN, weight=2, capability="other"),
            Said(ME, ANN, good=False, weight=2, capability="third")]
    trust = trust_of(*said)
    found = [trust.capacity(ANN, each) for each in ("text.count", "other", "third", None)]
    assert found == [3 * PPM, PPM, 0, 4 * PPM]


def test_a_vouch_without_a_capability_counts_where_its_voucher_earned() -> None:
    trust = trust_of(Said(ME, ANN, weight=8), Said(BEN, CAM), Said(BEN, CAM, capability="other"))
    trust.vouch(ANN, BEN, 2, since=0, until=9)
    assert trust.score(BEN, "text.count").known
    assert not trust.score(BEN, "other").known
    assert (trust.capacity(BEN, "text.count"), trust.capacity(BEN, "other")) == (PPM, 0)
    trust.pin(ANN, 8)
    assert trust.capacity(BEN, "other") == PPM
    assert trust.score(BEN, "third").known


def test_another_configuration_is_another_capability() -> None:
    trust = trust_of(Said(ME, ANN, weight=100, configuration=b"old"))
    assert trust.score(ANN, "text.count").accepted == 100 * PPM
    new = trust.score(ANN, "text.count", configuration=b"new")
    assert new == trust.score(ANN, "other")


def test_old_statements_fade() -> None:
    settings = replace(DEFAULT, keep_ppm=PPM // 2, horizon_buckets=3)
    trust = Trust(ME, settings)
    trust.add(Said(ME, ANN, weight=4, bucket=7))
    now = {
        0: 4 * PPM, 7: 4 * PPM, 8: 2 * PPM, 9: PPM, LANDMARK_BUCKETS - 1: 0, 1_000: 0, 6: 4 * PPM,
    }
    for bucket, left in now.items():
        assert trust.score(ANN, "text.count", now=bucket).accepted == left


def test_past_the_horizon_at_a_landmark_nothing_is_left() -> None:
    trust = Trust(ME, replace(DEFAULT, keep_ppm=999_999, horizon_buckets=3))
    for place, bucket in enumerate((60, 61, 62)):
        trust.add(Said(ME, (ANN, BEN, CAM)[place], bucket=bucket, claim=bytes([place])))
    known = {
        now: [trust.score(each, None, now=now).known for each in (ANN, BEN, CAM)]
        for now in (63, 64, 127, 128)
    }
    assert known == {
        63: [True] * 3, 64: [False, False, True], 127: [False, False, True], 128: [False] * 3,
    }


def test_another_bucket_changes_no_sum_but_at_a_landmark() -> None:
    trust = trust_of(Said(ME, ANN, weight=10), Said(ANN, BEN))
    trust.score(BEN, None)
    (words,) = trust._authors[ANN].crafts["text.count"].said.values()
    before = words.good
    trust.score(BEN, None, now=LANDMARK_BUCKETS - 1)
    assert words.good == before
    fading = Trust(ME)
    fading.add(Said(ME, ANN, weight=10))
    late = fading.score(ANN, None, now=LANDMARK_BUCKETS - 1).accepted
    assert fading.score(ANN, None, now=LANDMARK_BUCKETS).accepted == pytest.approx(
        late * 9 // 10, abs=100)


def test_what_time_alone_does_is_told_without_summing_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def at(now: int) -> Trust:
        trust = Trust(ME)
        trust.advance(now)
        return trust

    now, later = LANDMARK_BUCKETS - 10, LANDMARK_BUCKETS + 20
    said = [
        Said(ME, ANN, weight=9, bucket=now, claim=b"1"),
        Said(ME, ANN, good=False, bucket=now - 3, claim=b"2"),
        Said(ME, ANN, weight=3, bucket=now, capability="image.scale", claim=b"3"),
        Said(ME, ANN, good=False, bucket=now, capability="image.scale", claim=b"4"),
        Said(ME, BEN, weight=30, bucket=now, claim=b"5"),
        Said(BEN, ANN, weight=2, bucket=now, claim=b"6"),
    ]
    trust, moved = at(now), at(now)
    for each in said:
        trust.add(each)
        moved.add(each)
    before = trust.score(ANN, "text.count", now=now)
    moved.advance(later)
    really = moved.score(ANN, "text.count", now=later)
    monkeypatch.setattr(Trust, "_sum_anew", lambda _: pytest.fail("all is summed anew"))
    told = trust.score_later(ANN, "text.count", later - now, now=now)
    # What fades to now and what fades from now are rounded each by itself.
    assert abs(told.value_ppm - really.value_ppm) < 100
    assert trust.score(ANN, "text.count", now=now) == before
    trust.vouch(BEN, ANN, 2, since=now, until=later)
    assert trust.score_later(ANN, "text.count", later - now, now=now) == told, "it has ended"
    trust.vouch(BEN, ANN, 2, since=now, until=later + 1)
    lent = trust.score_later(ANN, "text.count", later - now, now=now)
    assert told.value_ppm < lent.value_ppm < before.value_ppm
    trust.block(ANN)
    assert trust.score_later(ANN, "text.count", 1, now=now).value_ppm == 0


def test_a_person_pins_and_blocks() -> None:
    trust = trust_of(Said(ME, ANN, weight=8), Said(ANN, BEN))
    trust.pin(CAM, 5)
    assert trust.score(CAM, "text.count").accepted == 5 * PPM
    assert trust.capacity(CAM) == 5 * PPM
    trust.block(ANN)
    assert value(trust, ANN) == 0
    assert trust.score(ANN, "text.count").known
    assert not trust.score(BEN, "text.count").known
    trust.unblock(ANN)
    trust.unpin(CAM)
    assert value(trust, BEN) == PPM // 3
    assert not trust.score(CAM, "text.count").known


def test_a_liar_has_no_score_and_no_say_until_it_is_pardoned() -> None:
    trust = trust_of(Said(ME, ANN, weight=8), Said(ANN, BEN))
    trust.convict(ANN)
    assert value(trust, ANN) == value(trust, BEN) == 0
    trust.pardon(ANN)
    assert (value(trust, ANN), value(trust, BEN)) == (8 * PPM // 10, PPM // 3)


def test_a_vouch_lends_fades_along_a_chain_and_expires() -> None:
    trust = trust_of(Said(ME, ANN, weight=10))
    trust.vouch(ANN, BEN, 4, since=1, until=5)
    assert trust.score(BEN, "text.count", now=1).known
    assert trust.capacity(BEN, now=1) == 2 * PPM
    trust.vouch(BEN, CAM, 2, since=1, until=5)
    assert trust.score(CAM, "text.count", now=1).known
    assert trust.capacity(CAM, now=1) == 0
    assert not trust.score(BEN, "text.count", now=5).known
    trust.unvouch(ANN, BEN, at=3)
    assert not trust.score(BEN, "text.count", now=3).known


@pytest.mark.parametrize(("bucket", "left"), [(0, 10), (1, 7), (2, 7), (3, 10)])
def test_who_vouched_pays_for_what_failed_meanwhile(bucket: int, left: int) -> None:
    trust = trust_of(Said(ME, ANN, weight=10))
    trust.vouch(ANN, BEN, 4, since=1, until=5)
    trust.unvouch(ANN, BEN, at=3)
    assert trust.capacity(ANN, now=4) == 10 * PPM
    trust.add(Said(ME, BEN, good=False, weight=3, bucket=bucket, claim=b"late"))
    assert trust.capacity(ANN, now=4) == left * PPM


def test_contributions_add_up_to_the_score() -> None:
    trust = trust_of(
        Said(ME, BEN, weight=2), Said(ME, ANN, weight=12), Said(ANN, BEN, weight=7),
        Said(ANN, BEN, weight=7, capability="other"), Said(ANN, BEN, good=False),
    )
    trust.pin(BEN, 1)
    trust.vouch(ANN, BEN, 5, since=0, until=1)
    found = trust.contributions(BEN, "text.count")
    assert [each.part for each in found] == ["own", "pin", "testimony", "vouch"]
    score = trust.score(BEN, "text.count")
    loan = borrowed(
        sum(each.borrowed for each in found), sum(each.failed for each in found), PLAIN
    )
    assert score.failed == sum(each.failed for each in found)
    assert score.accepted == sum(each.accepted for each in found) + loan


def test_a_successor_goes_on_with_the_evidence_of_the_lost_key() -> None:
    trust = Trust(ME, lineage=lambda author: (BEN, ANN) if author == BEN else (author,))
    trust.add(Said(ME, ANN, claim=b"1"))
    trust.add(Said(ME, BEN, claim=b"2"))
    assert trust.score(BEN, "text.count").accepted == 2 * PPM
