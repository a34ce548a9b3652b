"""What must hold of trust whatever is said, in whatever order."""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from antsp2p.coordination.fading import LANDMARK_BUCKETS
from antsp2p.coordination.trust import DEFAULT, PPM, Trust
from tests.coordination.test_trust import ME, Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PEOPLE = (ME, *(bytes([number]) * 32 for number in range(1, 7)))
SKILLS = ("sort", "sum")
NOW = 3
_LONG = DEFAULT.horizon_buckets + LANDMARK_BUCKETS


@st.composite
def statements(draw: st.DrawFn, most: int = 40) -> list[Said]:
    """A market of few people, where many speak of the same, each of claims of its own."""
    number = draw(st.integers(0, most))
    one = st.builds(
        Said, rater=st.sampled_from(PEOPLE), subject=st.sampled_from(PEOPLE), good=st.booleans(),
        weight=st.sampled_from((1, 2, 5, 40)), capability=st.sampled_from(SKILLS),
        bucket=st.integers(0, NOW), configuration=st.sampled_from((b"", b"a")),
    )
    said = draw(st.lists(one, min_size=number, max_size=number))
    return [replace(each, claim=place.to_bytes(4, "big")) for place, each in enumerate(said)]


def after(said: Iterable[Said]) -> Trust:
    trust = Trust(ME)
    for each in said:
        trust.add(each)
    return trust


def everything(trust: Trust, now: int = NOW) -> list[object]:
    return [
        (trust.score(each, skill, now=now, configuration=digest),
         trust.contributions(each, skill, now=now, configuration=digest),
         trust.capacity(each, now=now))
        for each in PEOPLE for skill in (*SKILLS, None) for digest in (None, b"", b"a")
    ]


def capabilities(trust: Trust, subject: bytes) -> list[int]:
    return [trust.score(subject, skill, now=NOW).value_ppm for skill in (*SKILLS, None)]


@given(statements(), st.randoms(use_true_random=False))
def test_neither_order_nor_questions_nor_repeats_nor_retractions_matter(
    said: list[Said], rng: object
) -> None:
    batch = everything(after(said))
    shuffled = said * 2
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert everything(after(shuffled)) == batch
    trust, now = Trust(ME), 0
    for place, each in enumerate(shuffled):
        trust.add(each)
        if place % 3 == 0:
            trust.score(each.subject, each.capability, now=now)
            now = (now + 1) % (NOW + 2)
        if place % 5 == 0:
            trust.remove(each)
            trust.capacity(each.rater, now=now)
            trust.add(each)
    assert everything(trust) == batch
    for each in said:
        trust.remove(each)
        trust.score(each.rater, None, now=NOW)
    assert everything(trust) == everything(Trust(ME))


@given(statements(), st.lists(st.integers(0, 4 * LANDMARK_BUCKETS), min_size=1, max_size=6),
       st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), st.integers(1, 40),
                          st.integers(0, 100)), max_size=4))
def test_what_was_asked_on_other_days_does_not_matter(
    said: list[Said], days: list[int], vouches: list[tuple[bytes, bytes, int, int]]
) -> None:
    spread = [
        replace(each, bucket=place * 7 % (3 * LANDMARK_BUCKETS)) for place, each in enumerate(said)
    ]
    trust = Trust(ME)
    for place, each in enumerate(spread):
        trust.add(each)
        trust.score(each.subject, each.capability, now=days[place % len(days)])
    batch = after(spread)
    for one in (trust, batch):
        one.pin(PEOPLE[3], 2)
        for voucher, vouched, lent, since in vouches:
            one.vouch(voucher, vouched, lent, since=since, until=since + 30)
    trust.score(PEOPLE[1], None, now=5)
    assert everything(trust, days[-1]) == everything(batch, days[-1])


@settings(max_examples=300)
@given(statements(), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE[1:]), st.sampled_from(SKILLS),
       st.sampled_from((1, 5, 40)), st.integers(0, NOW),
       st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), st.integers(1, 40),
                          st.integers(0, NOW)), max_size=6))
def test_a_failure_never_helps_its_author(
    said: list[Said], rater: bytes, subject: bytes, capability: str, weight: int, bucket: int,
    vouches: list[tuple[bytes, bytes, int, int]],
) -> None:
    trust = after(said)
    for voucher, vouched, lent, since in vouches:
        trust.vouch(voucher, vouched, lent, since=since, until=NOW + 1)
    before = capabilities(trust, subject)
    trust.add(Said(rater, subject, good=False, weight=weight, capability=capability,
                   bucket=bucket, claim=b"more"))
    for one, other in zip(before, capabilities(trust, subject), strict=True):
        assert other <= one


@given(statements(), st.sets(st.sampled_from(PEOPLE[1:]), min_size=1, max_size=3),
       st.lists(st.tuples(st.integers(0, 60), st.integers(6, 40), st.integers(1, 10**9),
                          st.sampled_from((SKILLS[0], *SKILLS))), max_size=20))
def test_fake_praise_gives_a_collective_no_more_than_alpha_of_what_it_earned_there(
    said: list[Said], liars: set[bytes], fakes: Sequence[tuple[int, int, int, str]]
) -> None:
    members = sorted(liars)
    trust = after(said)
    # What its members may pass on: nobody is believed more than in full.
    earned = {
        skill: sum(trust.capacity(each, skill, now=NOW) for each in members)
        for skill in (*SKILLS, None)
    }
    names = [bytes([number]) * 32 for number in range(10, 50)]
    for place, (who, name, weight, skill) in enumerate(fakes):
        raters = [*members, *names]
        trust.add(Said(raters[who % len(raters)], names[name % len(names)], weight=weight,
                       capability=skill, bucket=NOW, claim=b"fake%d" % place))
    found = [trust.contributions(each, SKILLS[0], now=NOW) for each in names]
    gained = sum(voice.accepted for voices in found for voice in voices)
    assert gained <= earned[SKILLS[0]] * DEFAULT.alpha_ppm // PPM
    over_all = sum(trust.score(each, None, now=NOW).accepted for each in names)
    assert over_all <= earned[None] * DEFAULT.alpha_ppm // PPM
    assert earned[None] == sum(earned[skill] for skill in SKILLS)


@given(statements(), statements())
def test_strangers_do_not_move_what_i_think_of_strangers_through_strangers(
    said: list[Said], strange: list[Said]
) -> None:
    far = [bytes([number]) * 32 for number in range(100, 107)]
    other = dict(zip(PEOPLE, far, strict=True))
    trust = after(said)
    before = everything(trust)
    for each in strange:
        # Nobody of these ever worked for me, or for one of whom I know.
        subject = each.subject if each.good is (each.weight > 2) else other[each.subject]
        trust.add(replace(each, rater=other[each.rater], subject=subject, claim=b"s" + each.claim))
    assert everything(trust) == before
    assert not any(trust.score(each, None, now=NOW).known for each in far)


@given(statements(), st.sampled_from(PEOPLE[1:]))
def test_slander_by_twenty_liars_it_never_worked_for_changes_nothing(
    said: list[Said], honest: bytes
) -> None:
    trust = after(said)
    before = everything(trust)
    for number in range(20):
        trust.add(Said(bytes([200, number]), honest, good=False, weight=10**9,
                       capability=SKILLS[0], bucket=NOW, claim=b"lie"))
    assert everything(trust) == before


@given(statements(), st.sampled_from(PEOPLE[1:]))
def test_contributions_add_up(said: list[Said], subject: bytes) -> None:
    trust = after(said)
    score = trust.score(subject, SKILLS[0], now=NOW)
    found = trust.contributions(subject, SKILLS[0], now=NOW)
    assert sum(each.failed for each in found) == score.failed
    loan = score.accepted - sum(each.accepted for each in found)
    assert 0 <= loan <= DEFAULT.borrow_ppm
    assert len({(each.part, each.rater) for each in found}) == len(found)


@given(statements(), st.integers(NOW, NOW + 2 * _LONG))
def test_everything_fades(said: list[Said], now: int) -> None:
    trust = after(said)
    for subject in PEOPLE[1:]:
        early = trust.score(subject, None, now=NOW)
        late = trust.score(subject, None, now=now)
        assert late.uncertainty_ppm <= PPM
        if now >= NOW + _LONG:
            assert not late.known
        assume(early.known or not late.known)
