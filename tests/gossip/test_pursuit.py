"""Pursuits: one question at a time for a record, and every deadline leads on."""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from antsp2p.gossip.limits import DEFAULT_LIMITS, Limits
from antsp2p.gossip.pursuit import Pursuits
from antsp2p.gossip.wire import Frame, Range, Want
from tests.gossip.protections import some_link
from tests.gossip.swarm import identity

if TYPE_CHECKING:
    from antsp2p.gossip.link import Link

WAIT_US = 20_000
TURN_US = 5_000
A = identity(1).author
B = identity(2).author


def link(number: int) -> Link:
    return some_link(number, identity(number).author, ("192.0.2.1", number))


class Asker:
    def __init__(self, links: int, limits: Limits = DEFAULT_LIMITS) -> None:
        self.heads: Counter[bytes] = Counter()
        self.drops: Counter[str] = Counter()
        self.posted: list[tuple[int, Want]] = []
        self.links = [link(number) for number in range(1, links + 1)]
        self.pursuits = Pursuits(
            limits=limits, drops=self.drops, have=lambda author: self.heads[author],
            wait_us=lambda link: WAIT_US, turn_us=lambda link: TURN_US,
            sample=lambda link, rtt_us: None, post=self._post,
        )
        for each in self.links:
            self.pursuits.opened(each)

    def _post(self, to: Link, frame: Frame) -> None:
        assert isinstance(frame, Want)
        self.posted.append((to.id, frame))

    def asked(self, now_us: int) -> list[tuple[int, int, int]]:
        """(link, first, last) of the questions of this turn."""
        self.pursuits.flush(now_us)
        found = [(to, asked.first, asked.last) for to, want in self.posted for asked in want.ranges]
        self.posted.clear()
        return found


def test_one_question_for_one_record_however_many_advertise_it() -> None:
    asker = Asker(3)
    for each in asker.links:
        asker.pursuits.pursue(each, A, 5, 0)
    assert asker.asked(0) == [(1, 1, 5)]
    asker.pursuits.pursue(asker.links[2], A, 7, 10)
    assert asker.asked(10) == [(3, 6, 7)]


def test_a_deadline_leads_to_the_next_advertiser_and_at_last_to_giving_up() -> None:
    asker = Asker(3)
    for each in asker.links:
        asker.pursuits.pursue(each, A, 5, 0)
    asker.asked(0)
    order, times_us = [], []
    while asker.pursuits.wake_us is not None:
        now_us = asker.pursuits.wake_us
        asker.pursuits.due(now_us)
        order += asker.asked(now_us)
        times_us.append(now_us)
    assert [to for to, _, _ in order[:4]] == [2, 3, 1, 2]
    first_round_us = 3 * TURN_US
    assert times_us[:5] == [
        TURN_US, 2 * TURN_US, first_round_us,
        first_round_us + 2 * WAIT_US, first_round_us + 4 * WAIT_US,
    ]
    assert len(order) == DEFAULT_LIMITS.attempts
    assert asker.drops["given-up"] == 1
    assert asker.pursuits.sizes()["pursuits"] == 0


def test_what_an_answer_skips_is_asked_for_after_a_moment() -> None:
    asker = Asker(1)
    asker.pursuits.pursue(asker.links[0], A, 20, 0)
    asker.asked(0)
    asker.heads[A] = 3
    asker.pursuits.arrived(asker.links[0], A, 1, 3, True, 100)
    asker.pursuits.arrived(asker.links[0], A, 8, 9, True, 200)
    assert asker.asked(200) == []
    asker.pursuits.arrived(asker.links[0], A, 5, 5, True, 300)
    asker.pursuits.due(200 + DEFAULT_LIMITS.reorder_us)
    assert asker.asked(4_000) == [(1, 4, 4), (1, 6, 7)]


def test_what_arrives_in_the_turn_of_its_question_is_not_asked_for() -> None:
    asker = Asker(1)
    asker.pursuits.pursue(asker.links[0], A, 5, 0)
    asker.heads[A] = 3
    asker.pursuits.arrived(asker.links[0], A, 1, 3, True, 0)
    assert asker.asked(0) == [(1, 4, 5)]
    asker.pursuits.pursue(asker.links[0], B, 5, 10)
    asker.heads[B] = 5
    asker.pursuits.arrived(asker.links[0], B, 1, 5, True, 10)
    assert asker.asked(10) == []


def test_a_question_that_a_later_record_overtakes_in_its_turn_waits_a_moment() -> None:
    asker = Asker(1)
    asker.pursuits.pursue(asker.links[0], A, 5, 0)
    asker.pursuits.arrived(asker.links[0], A, 6, 6, True, 0)
    assert asker.asked(0) == []
    now_us = DEFAULT_LIMITS.reorder_us
    asker.pursuits.due(now_us)
    assert asker.asked(now_us) == [(1, 1, 5)]


def test_of_an_author_who_is_convicted_in_the_turn_of_a_question_nothing_is_asked() -> None:
    asker = Asker(1)
    asker.pursuits.pursue(asker.links[0], A, 5, 0)
    asker.pursuits.cut(A)
    assert asker.asked(0) == []


def test_an_answer_that_ends_is_continued_only_if_it_brought_news() -> None:
    asker = Asker(1)
    asker.pursuits.pursue(asker.links[0], A, 20, 0)
    asker.pursuits.flush(0)
    number = asker.posted[0][1].number
    asker.posted.clear()
    asker.pursuits.answered(asker.links[0], number, False, True, 50)
    assert asker.asked(50) == []
    asker.heads[A] = 4
    asker.pursuits.arrived(asker.links[0], A, 1, 4, True, 60)
    asker.pursuits.answered(asker.links[0], number, True, True, 60)
    assert asker.asked(60) == [(1, 5, 20)]


def test_a_closed_link_passes_its_questions_on() -> None:
    asker = Asker(2)
    for each in asker.links:
        asker.pursuits.pursue(each, A, 5, 0)
    asker.asked(0)
    asker.pursuits.closed(asker.links[0], 10)
    assert asker.asked(10) == [(2, 1, 5)]
    asker.pursuits.closed(asker.links[1], 20)
    assert asker.pursuits.sizes()["pursuits"] == 0


def test_of_a_closed_link_nothing_is_remembered() -> None:
    asker = Asker(2)
    for each in asker.links:
        asker.pursuits.pursue(each, A, 9, 0)
        asker.asked(0)
        asker.pursuits.answered(each, 1, True, False, 1)
    asker.pursuits.pursue(asker.links[0], B, 3, 1)
    asker.asked(1)
    for each in asker.links:
        asker.pursuits.closed(each, 2)
    assert not any(asker.pursuits.sizes().values())


def test_questions_wait_for_room_and_are_asked_in_turn() -> None:
    asker = Asker(1, Limits(asks_per_link=2))
    authors = [identity(10 + index).author for index in range(5)]
    for author in authors:
        asker.pursuits.pursue(asker.links[0], author, 1, 0)
    assert len(asker.asked(0)) == 2
    for author in authors[:2]:
        asker.heads[author] = 1
        asker.pursuits.arrived(asker.links[0], author, 1, 1, True, 5)
    asker.pursuits.flush(5)
    assert [asked for _, want in asker.posted for asked in want.ranges] == [
        Range(authors[2], 1, 1), Range(authors[3], 1, 1)
    ]


def test_one_link_cannot_take_all_pursuits() -> None:
    asker = Asker(2, Limits(pursuits_per_link=10))
    for index in range(50):
        asker.pursuits.pursue(asker.links[0], identity(100 + index).author, 1, 0)
    assert asker.pursuits.sizes()["pursuits"] == 10
    asker.pursuits.pursue(asker.links[1], A, 1, 0)
    assert asker.pursuits.sizes()["pursuits"] == 11
