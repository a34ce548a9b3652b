"""What strangers' payloads can make this node send, and the shelves they can fill."""
from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from antsp2p.gossip.book import Book, Origin
from antsp2p.gossip.limits import DEFAULT_LIMITS
from antsp2p.gossip.strangers import StrangerDials, is_local, subnet_of
from tests.gossip.swarm import SECOND, identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.gossip.wire import Address

AUTHOR = identity(1).author


def make_book() -> Book:
    return Book(limits=DEFAULT_LIMITS, rng=random.Random(1), drops=Counter())


def named(book: Book) -> int:
    return sum(known.origin is Origin.NAMED for known in book)


def test_subnets_and_local_networks() -> None:
    assert subnet_of("192.0.2.9") == subnet_of("192.0.2.200") != subnet_of("192.0.3.9")
    assert subnet_of("2001:db8::1") == subnet_of("2001:db8::ffff:1") != subnet_of("2001:db8:0:1::1")
    assert all(map(is_local, ("10.1.2.3", "192.168.0.1", "172.31.0.1", "fd00::1", "127.0.0.1")))
    assert not any(map(is_local, ("203.0.113.1", "172.32.0.1", "2001:db8::1", "8.8.8.8")))


@pytest.mark.parametrize(("hosts", "most"), [
    (["203.0.113.9"], DEFAULT_LIMITS.silent_per_host),
    ([f"203.0.113.{last}" for last in range(1, 200)], DEFAULT_LIMITS.silent_per_subnet),
    (["2001:db8::9"], DEFAULT_LIMITS.silent_per_host),
    ([f"2001:db8::{last:x}" for last in range(1, 200)], DEFAULT_LIMITS.silent_per_subnet),
    (["10.0.0.9"], DEFAULT_LIMITS.silent_per_host),
])
def test_a_victim_gets_a_bounded_number_of_hellos(hosts: list[str], most: int) -> None:
    rng = random.Random(2)
    dials = StrangerDials(DEFAULT_LIMITS, 0)
    times = [
        tick * SECOND // 10 for tick in range(6_000)
        if dials.take((rng.choice(hosts), rng.randrange(1, 65_536)), tick * SECOND // 10)
    ]
    assert times
    for start_us in times:
        within = [when for when in times if 0 <= when - start_us < DEFAULT_LIMITS.silent_us]
        assert len(within) <= most


def test_who_answers_is_no_victim_and_this_machine_is_none() -> None:
    dials = StrangerDials(DEFAULT_LIMITS, 0)
    for port in range(1, 100):
        assert dials.take(("203.0.113.9", port), port * SECOND)
        dials.answered(("203.0.113.9", port))
        assert dials.take(("127.0.0.1", port), port * SECOND)
    assert dials.sizes()["silent-dials"] <= 60


def test_all_strangers_together_have_a_rate() -> None:
    dials = StrangerDials(DEFAULT_LIMITS, 0)
    taken = sum(dials.take((f"{n % 200 + 1}.{n // 200}.0.1", 7), n * 1_000) for n in range(10_000))
    assert taken <= DEFAULT_LIMITS.named_dials_burst + 10 * DEFAULT_LIMITS.named_dials_per_s


def test_unproven_ports_of_a_host_and_hosts_of_a_subnet_are_few() -> None:
    book = make_book()
    for port in range(1, 20):
        book.name(("203.0.113.9", port), AUTHOR, bytes((port,)), 0)
    assert named(book) == DEFAULT_LIMITS.named_per_host
    book = make_book()
    for last in range(1, 60):
        book.name((f"203.0.113.{last}", 7), AUTHOR, bytes((last,)), 0)
    assert named(book) == DEFAULT_LIMITS.named_per_subnet


def test_many_nodes_of_one_machine_or_one_local_network_are_known() -> None:
    book = make_book()
    for number in range(50):
        book.name(("127.0.0.1", 7_000 + number), AUTHOR, bytes((number,)), 0)
    assert named(book) == 50
    book = make_book()
    for number in range(50):
        book.name((f"192.168.1.{number + 1}", 7), AUTHOR, bytes((number,)), 0)
    assert named(book) == 50


def test_the_most_talkative_source_gives_way() -> None:
    book = make_book()
    for liar in range(8):
        for number in range(20):
            book.name((f"198.{liar}.{number}.1", 7), AUTHOR, bytes((liar,)), 0)
    assert len(book) == DEFAULT_LIMITS.passive_addresses
    honest = [(f"203.0.{number}.1", 7) for number in range(4)]
    for address in honest:
        assert book.name(address, AUTHOR, b"honest", 1) is not None
    assert len(book) == DEFAULT_LIMITS.passive_addresses
    assert all(book.get(address) is not None for address in honest)


def test_names_push_out_neither_hints_nor_what_is_proven_nor_what_is_kept() -> None:
    book = make_book()
    safe = [(f"192.0.{number}.1", 7) for number in range(40)]
    for number, address in enumerate(safe):
        if number % 2:
            book.prove(address, AUTHOR, 0)
        else:
            book.hint(address, keep=number % 4 == 0, now_us=0)
    for number in range(600):
        book.name((f"198.{number % 200}.0.1", number), AUTHOR, bytes((number % 200,)), 1)
    assert all(book.get(address) is not None for address in safe)
    sizes = book.sizes()
    assert sizes["passive"] == DEFAULT_LIMITS.passive_addresses


def test_every_shelf_has_its_bound() -> None:
    book = make_book()
    for number in range(2_000):
        host = f"198.{number % 200}.{number // 200}.1"
        book.hint((host, 1), keep=number % 3 == 0, now_us=number)
        book.prove((host, 2), AUTHOR, number)
        book.name((host, 3), AUTHOR, bytes((number % 200,)), number)
    sizes = book.sizes()
    assert sizes.pop("named-sources") <= DEFAULT_LIMITS.passive_addresses
    assert sizes.pop("named-hosts") <= DEFAULT_LIMITS.passive_addresses
    assert sizes == {
        "passive": DEFAULT_LIMITS.passive_addresses,
        "remembered": DEFAULT_LIMITS.remembered_addresses,
        "kept": DEFAULT_LIMITS.kept_addresses,
    }
    assert len(book) == sum(sizes.values())


def test_how_many_addresses_a_source_named_is_known_whatever_becomes_of_them() -> None:
    """A source may name as many as before once its addresses have gone from the passive shelf."""
    book = make_book()
    places = DEFAULT_LIMITS.named_per_source
    ways: list[Callable[[Address], object]] = [
        lambda address: book.prove(address, AUTHOR, 2),
        lambda address: book.hint(address, keep=True, now_us=2),
        lambda address: book.hint(address, keep=False, now_us=2),
        lambda address: book.remove(address),
    ]
    for round_, leave in enumerate(ways):
        named = [(f"198.51.{round_}.{number}", 1) for number in range(places + 1)]
        known = [book.name(address, AUTHOR, b"source", 1) for address in named]
        assert [each is not None for each in known] == [True] * places + [False]
        for address in named[:places]:
            leave(address)
        assert book.sizes()["named-sources"] == book.sizes()["named-hosts"] == 0
        for address in named:
            book.remove(address)
