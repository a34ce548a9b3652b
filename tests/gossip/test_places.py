"""Which links stay where there are too many, and who is let in."""
from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from antsp2p.gossip.affinity import FARTHEST, MAX_AFFINITIES, Affinity, distance
from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.places import Places, Settled
from tests.gossip.protections import some_link
from tests.gossip.swarm import identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from antsp2p.gossip.link import Link
    from antsp2p.gossip.wire import Address

MOST = DEFAULT_LIMITS.target_links + DEFAULT_LIMITS.accepted_links
PRESSED = DEFAULT_LIMITS.pressed_links
GUEST_US, PAUSE_US = DEFAULT_LIMITS.guest_us, DEFAULT_LIMITS.guest_pause_us
ME = identity(0).author
NEAREST = sorted(
    (identity(number).author for number in range(1, 40)), key=lambda author: distance(ME, author)
)


class Table:
    """The links that are up."""

    def __init__(self) -> None:
        self.links: list[Link] = []

    def __len__(self) -> int:
        return len(self.links)

    def all(self) -> Sequence[Link]:
        return self.links

    def holds(self, link: Link) -> bool:
        return link in self.links


class Sights:
    """What is known of addresses and of those who were linked before."""

    def __init__(self) -> None:
        self.affinity = Affinity(ME)
        self.kept: set[Address] = set()
        self.returning: set[bytes] = set()
        self.pressed_us = -(10**9)

    @property
    def has_kept(self) -> bool:
        return bool(self.kept)

    def is_kept(self, address: Address) -> bool:
        return address in self.kept

    def is_pressed(self, now_us: int) -> bool:
        return now_us < self.pressed_us

    def is_returning(self, author: bytes) -> bool:
        return author in self.returning


class House:
    """Places, and the links that they are asked about. No guest is taken before `hosts_us`."""

    def __init__(self, hosts_us: int = 0) -> None:
        self.table, self.sights = Table(), Sights()
        links: Any = self.table
        view: Any = self.sights
        self.places = Places(links=links, view=view, limits=DEFAULT_LIMITS, now_us=hosts_us)

    def open(
        self, place: int, now_us: int = 0, *, initiated: bool = False, is_kept: bool = False
    ) -> tuple[Link, Settled]:
        """A link comes up to the author who is so far away; who gives way is closed."""
        address = ("192.0.2.1", 1_000 + place)
        if is_kept:
            self.sights.kept.add(address)
        link = some_link(place, NEAREST[place], address, initiated=initiated)
        link.since_us = now_us
        self.table.links.append(link)
        settled = self.places.settle(link, now_us)
        for leaving in settled.leaving:
            self.table.links.remove(leaving)
        return link, settled

    def linked(self) -> list[int]:
        return sorted(NEAREST.index(link.author) for link in self.table.links)

    def admits(self, place: int, now_us: int = 0, *, is_needy: bool = False) -> bool:
        return self.places.admits(NEAREST[place], is_needy=is_needy, now_us=now_us)


def full(hosts_us: int = 10**9) -> House:
    """A house whose usual places are taken by the even ones."""
    house = House(hosts_us)
    for place in range(0, 2 * MOST, 2):
        assert house.open(place)[1] == Settled()
    return house


def test_while_there_is_room_everybody_comes_in_and_nobody_leaves() -> None:
    house = House()
    for place in range(MOST):
        assert house.admits(38 - place)
        assert house.open(38 - place)[1] == Settled()
    assert not house.admits(38, now_us=-1)


@pytest.mark.parametrize("seed", range(8))
def test_the_nearest_stay_in_whatever_order_they_come(seed: int) -> None:
    house = House(hosts_us=10**9)
    places = list(range(len(NEAREST)))
    random.Random(seed).shuffle(places)
    for place in places:
        house.open(place)
    assert house.linked() == list(range(MOST))


def test_only_the_nearer_the_returning_and_the_needy_are_let_into_a_full_house() -> None:
    house = full(hosts_us=5)
    assert house.places.reach() == distance(ME, NEAREST[2 * MOST - 2])
    assert house.admits(2 * MOST - 3)
    assert not house.admits(2 * MOST - 1)
    house.sights.returning.add(NEAREST[2 * MOST - 1])
    assert house.admits(2 * MOST - 1)
    assert not house.admits(30, now_us=4, is_needy=True)
    assert house.admits(30, now_us=5, is_needy=True)
    assert not house.admits(30, now_us=5)


def test_where_many_press_there_are_more_places_for_a_while_and_no_guests() -> None:
    house = full(hosts_us=0)
    house.sights.pressed_us = 10
    for place in range(30, 30 + PRESSED):
        assert house.admits(place, now_us=9)
        assert house.open(place, 9)[1] == Settled()
    assert not house.admits(36, now_us=9, is_needy=True)
    assert house.admits(2 * MOST - 3, now_us=9, is_needy=True)
    newcomer, settled = house.open(36, 9)
    assert settled == Settled((newcomer,))


def test_afterwards_the_farthest_leave_one_by_one() -> None:
    house = full(hosts_us=10**9)
    before = house.linked()
    house.sights.pressed_us = 10
    for place in range(30, 30 + PRESSED):
        house.open(place, 9)
    assert house.places.overstaying(9) == ()
    left = []
    while leaving := house.places.overstaying(10):
        left += [NEAREST.index(link.author) for link in leaving]
        house.table.links.remove(*leaving)
    assert left == list(range(29 + PRESSED, 29, -1))
    assert house.linked() == before


def test_a_guest_stays_for_its_time_and_leaves_once() -> None:
    house = full(hosts_us=0)
    guest, settled = house.open(30, 7)
    assert settled == Settled(is_guest=True)
    assert house.places.reach() == distance(ME, NEAREST[2 * MOST - 2])
    assert house.places.overstaying(7 + GUEST_US - 1) == ()
    assert house.places.overstaying(7 + GUEST_US) == (guest,)
    house.table.links.remove(guest)
    assert house.places.overstaying(7 + GUEST_US) == ()


def test_there_is_one_guest_at_a_time_and_a_pause_between_two() -> None:
    house = full(hosts_us=0)
    first, _ = house.open(30, 7)
    second, settled = house.open(31, 7 + PAUSE_US - 1)
    assert settled == Settled((second,))
    _, settled = house.open(32, 7 + PAUSE_US)
    assert settled == Settled((first,), is_guest=True)
    assert len(house.table) == MOST + 1


def test_a_guest_that_has_gone_by_itself_is_nobody_to_close() -> None:
    house = full(hosts_us=0)
    guest, _ = house.open(30, 7)
    house.table.links.remove(guest)
    assert house.places.overstaying(7 + GUEST_US) == ()
    assert house.open(31, 7 + PAUSE_US)[1] == Settled(is_guest=True)


def test_the_last_links_of_the_own_choice_do_not_give_way() -> None:
    house = House(hosts_us=10**9)
    dialled, _ = house.open(38, initiated=True)
    for place in range(1, MOST):
        house.open(place)
    assert house.open(0)[1].leaving[0].author == NEAREST[MOST - 1]
    assert dialled in house.table.links
    for link in house.table.links:
        link.initiated = True
    assert house.open(MOST)[1] == Settled((dialled,))


def test_links_that_a_person_named_are_not_counted_up_to_a_number() -> None:
    house = full()
    for index in range(DEFAULT_LIMITS.kept_links):
        assert house.open(25 + index % 14, is_kept=True)[1] == Settled()
    assert house.linked()[:MOST] == list(range(0, 2 * MOST, 2))
    settled = house.open(38, is_kept=True)[1]
    assert [link.author for link in settled.leaving] == [NEAREST[2 * MOST - 2]]


def test_an_empty_house_reaches_everywhere() -> None:
    assert House().places.reach() == FARTHEST


def test_what_is_remembered_of_affinity_is_the_distance_and_bounded() -> None:
    affinity = Affinity(ME)
    authors = [number.to_bytes(32, "big") for number in range(2 * MAX_AFFINITIES + 1)]
    for author in (*authors, *authors[:3]):
        assert affinity.far(author) == affinity.far(author) == distance(ME, author)
        assert len(affinity._far) <= MAX_AFFINITIES
