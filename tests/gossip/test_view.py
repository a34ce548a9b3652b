"""The view: whom to dial, how often, and how much a payload can make it do."""
from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from antsp2p.gossip.addresses import pack_host
from antsp2p.gossip.affinity import distance
from antsp2p.gossip.book import Purpose
from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.view import Linked, View
from antsp2p.gossip.wire import PeerAddress
from tests.gossip.swarm import SECOND, identity

if TYPE_CHECKING:
    from antsp2p.gossip.wire import Address

ME = identity(0).author
NOBODY = Linked((), ())
SOMEBODY = Linked((("192.0.2.99", 9),), (identity(99).author,), 1)


def make_view() -> View:
    return View(
        me=ME, rng=random.Random(1), now_us=0, limits=DEFAULT_LIMITS, drops=Counter()
    )


def dials(
    view: View, linked: Linked, until_us: int
) -> list[tuple[int, tuple[Address, Purpose]]]:
    """(when, (address, purpose)) of all hellos up to `until_us`, nobody answering."""
    found = []
    now_us = view.wake_us
    while now_us <= until_us:
        found += [(now_us, address) for address in view.plan(linked, now_us)]
        assert view.wake_us > now_us
        now_us = view.wake_us
    return found


def peer(index: int, host: str = "") -> PeerAddress:
    host = host or f"198.51.{index % 250}.{index // 250 + 1}"
    return PeerAddress(identity(1 + index % 50).author, pack_host(host), 7_000)


def test_a_kept_address_is_dialled_for_ever_at_most_10_s_apart() -> None:
    view = make_view()
    view.hint(("192.0.2.1", 7), 0, True)
    times = [when for when, _ in dials(view, SOMEBODY, 600 * SECOND)]
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert pauses[0] < SECOND
    assert max(pauses) <= 12.5 * SECOND
    assert len(times) >= 55


def test_a_node_without_links_tries_harder() -> None:
    view = make_view()
    view.hint(("192.0.2.1", 7), 0, True)
    times = [when for when, _ in dials(view, NOBODY, 60 * SECOND)]
    assert max(later - sooner for sooner, later in pairwise(times)) <= 2.5 * SECOND


def calm_view() -> View:
    """A view that dials nobody but for missing links and kept addresses."""
    limits = replace(DEFAULT_LIMITS, heal_us=10**6 * SECOND)
    return View(me=ME, rng=random.Random(1), now_us=0, limits=limits, drops=Counter())


def refused_dials(view: View, linked: Linked, from_us: int, until_us: int) -> list[int]:
    """When hellos for missing links or to kept addresses went, all answered that there is no room.
    """
    found = []
    now_us = max(from_us, view.wake_us)
    while now_us <= until_us:
        for address, purpose in view.plan(linked, now_us):
            if purpose is Purpose.NEED:
                found.append(now_us)
            view.refused(address, now_us + 1, identity(1).author)
        now_us = max(view.wake_us, now_us + 1)
    return found


def linked_to(count: int, initiated: int) -> Linked:
    return Linked(
        [("192.0.2.99", port) for port in range(1, count + 1)],
        [identity(100 + index).author for index in range(count)], initiated,
    )


def test_who_has_links_asks_a_node_without_room_ever_more_rarely() -> None:
    view = calm_view()
    view.hint(("192.0.2.1", 7), 0, True)
    times = refused_dials(view, linked_to(8, 4), 0, 3_600 * SECOND)
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert min(pauses) >= 22.5 * SECOND
    assert pauses[-1] > 900 * SECOND
    assert len(times) <= 10


def test_who_has_few_links_asks_again_and_again() -> None:
    view = calm_view()
    view.hint(("192.0.2.1", 7), 0, True)
    times = refused_dials(view, SOMEBODY, 0, 600 * SECOND)
    assert max(later - sooner for sooner, later in pairwise(times)) <= 37.5 * SECOND


def test_a_link_that_falls_silent_ends_the_patience() -> None:
    view = calm_view()
    for port in range(1, 9):
        view.hint(("192.0.2.1", port), 0, False)
        view.reached(("192.0.2.1", port), identity(50 + port).author, 0)
    view.reached(("192.0.2.99", 8), identity(107).author, 0)
    refused_dials(view, linked_to(7, 4), 0, 3_000 * SECOND)
    before = refused_dials(view, linked_to(7, 4), 3_000 * SECOND, 3_040 * SECOND)
    assert len(before) <= 2
    view.lost(("192.0.2.99", 8), 3_040 * SECOND, is_silent=True)
    view.thinned(3_040 * SECOND)
    after = refused_dials(view, linked_to(6, 4), 3_040 * SECOND, 3_080 * SECOND)
    assert len(after) >= 8


def test_links_of_ones_own_choice_are_sought_one_at_a_time_where_all_are_full() -> None:
    view = calm_view()
    for port in range(1, 33):
        view.hint(("192.0.2.1", port), 0, False)
        view.reached(("192.0.2.1", port), identity(40 + port).author, 0)
    times = refused_dials(view, linked_to(12, 1), 0, 600 * SECOND)
    later = [when for when in times if when > 300 * SECOND]
    assert 3 <= len(later) <= 8
    assert len(set(later)) == len(later)


def test_a_hint_that_never_answers_is_forgotten() -> None:
    view = make_view()
    view.hint(("192.0.2.1", 7), 0, False)
    dials(view, SOMEBODY, 3_600 * SECOND)
    assert view.sizes()["known"] == 0


def test_an_address_that_only_a_payload_names_gets_few_hellos() -> None:
    view = make_view()
    view.named(b"liar", "192.0.2.9", [peer(1)], 0)
    assert len(dials(view, SOMEBODY, 3_600 * SECOND)) == DEFAULT_LIMITS.named_dials
    assert view.sizes()["known"] == 0


def test_what_payloads_name_is_dialled_at_a_bounded_rate() -> None:
    view = make_view()
    for liar in range(20):
        view.named(bytes((liar,)), "192.0.2.9", [peer(20 * liar + n) for n in range(20)], 0)
    assert view.sizes()["passive"] <= DEFAULT_LIMITS.passive_addresses
    times = [when for when, _ in dials(view, SOMEBODY, 20 * SECOND)]
    for start_us in range(0, 20 * SECOND, SECOND):
        before = [when for when in times if when <= start_us]
        most = start_us // SECOND * DEFAULT_LIMITS.named_dials_per_s
        assert len(before) <= most + DEFAULT_LIMITS.named_dials_burst


def test_one_liar_cannot_fill_the_table_nor_push_out_what_is_proven() -> None:
    view = make_view()
    view.hint(("192.0.2.1", 7), 0, True)
    view.reached(("192.0.2.2", 7), identity(60).author, 0)
    view.named(b"liar", "192.0.2.9", [peer(n) for n in range(300)], 0)
    assert view.sizes()["known"] == 2 + DEFAULT_LIMITS.named_per_source
    for liar in range(30):
        view.named(bytes((liar,)), "192.0.2.9", [peer(20 * liar + n) for n in range(20)], 1)
    assert view.sizes()["passive"] == DEFAULT_LIMITS.passive_addresses
    assert view.knows(("192.0.2.1", 7))
    assert view.knows(("192.0.2.2", 7))


def test_own_and_local_addresses_are_not_taken_from_strangers() -> None:
    view = make_view()
    view.own(("192.0.2.1", 7_000))
    view.named(b"p", "192.0.2.9", [
        peer(1, "192.0.2.1"), peer(2, "127.0.0.1"), peer(3, "224.0.0.1"),
        PeerAddress(ME, pack_host("192.0.2.77"), 7_000),
    ], 0)
    assert view.sizes()["known"] == 0
    view.named(b"p", "127.0.0.1", [peer(2, "127.0.0.1")], 0)
    assert view.sizes()["known"] == 1


def test_loopback_is_told_to_this_machine_only() -> None:
    view = make_view()
    linked = [(identity(1).author, ("127.0.0.1", 7)), (identity(2).author, ("192.0.2.2", 7))]
    assert len(view.sample(linked, "127.0.0.1", b"", 16, 0)) == 2
    assert [peer.author for peer in view.sample(linked, "192.0.2.9", b"", 16, 0)] == [
        identity(2).author
    ]


def test_enough_links_stop_dialling_except_to_heal() -> None:
    view = make_view()
    authors = [identity(index).author for index in range(8)]
    linked = Linked([(f"192.0.2.{index}", 7) for index in range(8)], authors, 8, reach=0)
    for index in range(20):
        view.reached((f"203.0.113.{index}", 7), identity(100 + index).author, 0)
    count = len(dials(view, linked, 100 * SECOND))
    assert 7 <= count <= 14


def test_addresses_where_a_node_answered_come_first() -> None:
    view = make_view()
    author = identity(1).author
    view.named(b"p", "192.0.2.9", [PeerAddress(author, pack_host("192.0.2.5"), 7)], 0)
    view.reached(("192.0.2.6", 7), author, 0)
    assert view.addresses_of(author) == [("192.0.2.6", 7), ("192.0.2.5", 7)]


def test_whoever_only_calls_is_not_named_before_those_that_were_called() -> None:
    view = make_view()
    for index in range(8):
        view.hint((f"192.0.2.{index + 1}", 7), 0, False)
    view.plan(NOBODY, 0)
    for index in range(8):
        view.reached((f"192.0.2.{index + 1}", 7), identity(index + 1).author, 0)
    for index in range(60):
        view.reached((f"198.51.100.{index + 1}", 7), identity(index + 100).author, 0)
    called = {identity(index + 1).author for index in range(8)}
    for asker in range(200, 220):
        named = view.sample((), "192.0.2.99", identity(asker).author, 8, 0)
        assert {peer.author for peer in named} == called
    assert len(view.sample((), "192.0.2.99", b"", 16, 0)) == 16, "others fill the rest"


def test_what_a_node_found_itself_is_dialled_before_what_is_named() -> None:
    view = make_view()
    peers = [peer(index) for index in range(16)]
    view.named(b"somebody", "192.0.2.1", peers, 0)
    for index in range(4):
        view.hint((f"192.0.2.{index + 1}", 7), 0, False)
    order = [address[0] for address, _ in view.plan(NOBODY, 0)]
    assert sorted(order[:4]) == [f"192.0.2.{index + 1}" for index in range(4)]
    assert len(order) > 4


def test_the_nearest_of_those_that_are_named_stay() -> None:
    limits = replace(DEFAULT_LIMITS, passive_addresses=8, named_per_source=4)
    view = View(me=ME, rng=random.Random(1), now_us=0, limits=limits, drops=Counter())
    far = sorted((peer(index) for index in range(40)), key=lambda each: -distance(ME, each.author))
    for number, source in enumerate((b"one", b"two")):
        view.named(source, "192.0.2.1", far[4 * number : 4 * number + 4], 0)
    view.named(b"three", "192.0.2.1", far[-3:], 0)
    kept = {known.author for known in view.known()}
    assert {each.author for each in far[-3:]} <= kept
    assert len(list(view.known())) == 8


def test_callers_that_come_again_too_soon_press_for_a_while() -> None:
    view, limits = make_view(), DEFAULT_LIMITS
    host = "192.0.2.7"
    assert not any(view.turned_away(host, 0) for _ in range(1 + limits.refused_burst))
    assert view.turned_away(host, 0)
    assert view.is_pressed(limits.pressed_us - 1)
    assert not view.is_pressed(limits.pressed_us)
    later_us = 60 * SECOND
    assert not any(
        view.turned_away(host, later_us + count * SECOND // limits.refused_per_s)
        for count in range(100)
    )


def test_while_callers_press_who_has_no_room_is_asked_again_but_not_who_presses() -> None:
    view, limits = make_view(), DEFAULT_LIMITS
    quiet, loud = ("192.0.2.7", 7), ("192.0.2.8", 7)
    authors = [identity(number).author for number in range(20, 42)]
    addresses = [(f"203.0.113.{number}", 7) for number in range(20)]
    for address, author in zip((*addresses, quiet, loud), authors, strict=True):
        view.hint(address, 0, keep=False)
        view.linked(address, author, 0)
    linked = Linked(addresses[:12], authors[:12], initiated=12, reach=0)
    for address, author in ((quiet, authors[-2]), (loud, authors[-1])):
        view.refused(address, 0, author)
    for _ in range(3 + limits.refused_burst):
        view.turned_away(loud[0], 0)
    assert view.is_pressed(0)
    asked = [address for when, (address, purpose) in dials(view, linked, limits.pressed_us)
             if purpose is Purpose.LOOK]
    assert 2 <= asked.count(quiet) <= limits.pressed_us // limits.ask_again_us
    assert loud not in asked


def test_while_callers_press_those_come_first_whom_a_node_without_room_named() -> None:
    view = make_view()
    authors = [identity(number).author for number in range(20, 40)]
    addresses = [(f"203.0.113.{number}", 7) for number in range(20)]
    for address, author in zip(addresses, authors, strict=True):
        view.hint(address, 0, keep=False)
        view.linked(address, author, 0)
    linked = Linked(addresses, authors, initiated=20, reach=0)
    for _ in range(3 + DEFAULT_LIMITS.refused_burst):
        view.turned_away("192.0.2.8", 0)
    for number in range(16):
        view.named(b"a link", "192.0.2.1", [peer(number)], 0)
    view.named(b"full", "192.0.2.1", [peer(40, "192.0.2.5")], 0, is_full=True)
    first = next(address for _, (address, purpose) in dials(view, linked, SECOND)
                 if purpose is Purpose.LOOK)
    assert first == ("192.0.2.5", 7_000)


def test_many_callers_that_come_again_when_they_were_asked_to_do_not_press() -> None:
    view, limits = make_view(), DEFAULT_LIMITS
    hosts = [f"192.0.{index // 250}.{index % 250}" for index in range(4 * limits.refused_burst)]
    for turn in range(4):
        now_us = turn * limits.refused_us * 3 // 4
        assert not any(view.turned_away(host, now_us) for host in hosts)
    assert view.sizes()["turned-away"] == len(hosts)
    for index in range(2 * limits.hosts):
        view.turned_away(f"198.51.{index // 250}.{index % 250}", limits.refused_us * 4)
    assert view.sizes()["turned-away"] == limits.hosts

