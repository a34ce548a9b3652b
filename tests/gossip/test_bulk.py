"""Bulk: every author is fetched, waits for it, or is left to datagrams; never neither."""
from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from antsp2p.gossip.bulk import Bulk
from antsp2p.gossip.bulk_wire import END, join_chunk, parse_chunk
from antsp2p.gossip.intake import Taken
from antsp2p.gossip.limits import DEFAULT_LIMITS, Limits
from antsp2p.gossip.link import Link
from antsp2p.gossip.outputs import FetchLogs, MoreLogs, Output, StopLogs
from antsp2p.gossip.wire import Range
from antsp2p.records.log import Insertion
from antsp2p.records.record import Record, parse_record
from tests.gossip.protections import some_link
from tests.gossip.swarm import NETWORK, SECOND, Peer, Swarm, identity, record

AUTHORS = [identity(100 + index).author for index in range(12)]
GAP = DEFAULT_LIMITS.bulk_author_records


def link(number: int) -> Link:
    return some_link(number, identity(number).author, ("192.0.2.1", number))


def stub(author: bytes, seq: int) -> Record:
    """A record as far as bulk looks at it."""
    return Record(b"\x82\x58", NETWORK, author, seq, (), 200, 0, 0, 0)


class World:
    """Bulk alone: heads that rise as chunks come, and what it says."""

    def __init__(self, links: int = 3, limits: Limits = DEFAULT_LIMITS) -> None:
        self.now_us = 0
        self.heads: Counter[bytes] = Counter()
        self.drops: Counter[str] = Counter()
        self.running: dict[int, FetchLogs] = {}
        self.more: list[int] = []
        self.pursued: dict[bytes, int] = {}
        self.offences: list[int] = []
        self.links = {number: link(number) for number in range(1, links + 1)}
        self.bulk = Bulk(
            limits=limits, drops=self.drops, have=lambda author: self.heads[author],
            pursue=self._pursue, tell=self._tell,
            offence=lambda link, now_us: self.offences.append(link.id),
        )
        for each in self.links.values():
            self.bulk.opened(each)

    def _pursue(self, to: Link, author: bytes, upto: int, now_us: int) -> None:
        # As the pursuits do: whoever is pursued is not offered again.
        if author in self.pursued or not self.bulk.take(to, author, upto, now_us):
            self.pursued[author] = max(upto, self.pursued.get(author, 0))

    def _tell(self, output: Output) -> None:
        match output:
            case FetchLogs(fetch=fetch):
                assert len(self.running) < DEFAULT_LIMITS.bulk_fetches
                assert output.peer not in {other.peer for other in self.running.values()}
                asked = {asked.author for asked in output.ranges}
                for other in self.running:
                    assert not asked & {
                        author for author, want in self.bulk._fetches[other].wants.items()
                        if not want.is_over and want.next <= want.last
                    }
                self.running[fetch] = output
            case StopLogs(fetch=fetch):
                del self.running[fetch]
            case MoreLogs(fetch=fetch):
                assert fetch in self.running
                self.more.append(fetch)
            case _:
                raise AssertionError(output)

    def turn(self, pass_us: int = 0) -> None:
        self.now_us += pass_us
        self.bulk.due(self.now_us)
        self.check()

    def gather(self) -> None:
        self.turn(16 * DEFAULT_LIMITS.bulk_gather_us)

    def chunk(self, fetch: int, author: bytes, count: int) -> None:
        """The next `count` records of an author arrive and are taken."""
        first = self.heads[author] + 1
        self.raw_chunk(fetch, [stub(author, seq) for seq in range(first, first + count)])

    def raw_chunk(self, fetch: int, records: list[Record]) -> None:
        admitted = self.bulk.admit(fetch, [(each, 0) for each in records], self.now_us)
        if admitted is None:
            return
        taken = []
        for each, _ in admitted[1]:
            is_next = each.seq == self.heads[each.author] + 1
            self.heads[each.author] += is_next
            refused = "" if is_next else "chain"
            added = (each,) if is_next else ()
            taken.append(Taken((each,), 0, Insertion(added=added, refused=refused), ()))
        self.bulk.taken(fetch, taken, self.now_us)

    def end(self, fetch: int, reason: str = "") -> None:
        self.running.pop(fetch, None)
        self.bulk.ended(fetch, reason, self.now_us)

    def check(self) -> None:
        """Nobody is stuck, and what is counted is what is missing."""
        bulk = self.bulk
        for author, entry in bulk._authors.items():
            if entry.fetch:
                asked = {asked.author for asked in self.running[entry.fetch].ranges}
                assert author in asked
            else:
                assert bulk._plan_us is not None or self.running
        assert bulk.missing == sum(entry.missing for entry in bulk._authors.values())
        assert bulk.missing >= 0
        assert sum(bulk._caused.values()) == len(bulk._authors)
        assert set(bulk._fetches) == set(self.running)


# --- what goes over streams, and from whom -------------------------------------------------------


def test_a_small_gap_stays_with_datagrams_until_they_become_many() -> None:
    world = World()
    bulk = world.bulk
    assert not bulk.take(world.links[1], AUTHORS[0], GAP - 1, 0)
    assert bulk.take(world.links[1], AUTHORS[1], GAP, 0)
    for author in AUTHORS[2:5]:
        assert not bulk.take(world.links[1], author, GAP - 1, 0)
    assert bulk.take(world.links[1], AUTHORS[5], GAP - 1, 0)
    world.heads.update(dict.fromkeys(AUTHORS, GAP - 1))
    world.now_us = DEFAULT_LIMITS.bulk_check_us
    assert not bulk.take(world.links[1], AUTHORS[6], world.heads[AUTHORS[6]] + 9, world.now_us)


def test_authors_are_split_among_sources_and_each_is_asked_of_one() -> None:
    world = World(links=5)
    for author in AUTHORS:
        for each in world.links.values():
            assert world.bulk.take(each, author, 1_000, 0)
    world.gather()
    shares = [len(fetch.ranges) for fetch in world.running.values()]
    assert shares == [4, 4, 4]
    assert world.bulk.missing == 12_000


def test_whoever_shows_later_what_it_has_takes_its_share_of_what_is_left() -> None:
    world = World(links=2, limits=replace(DEFAULT_LIMITS, bulk_fetch_records=250))
    for author in AUTHORS:
        assert world.bulk.take(world.links[1], author, 100, 0)
    world.gather()
    (first,) = world.running.values()
    assert [asked.author for asked in first.ranges] == AUTHORS[:3]
    for author in AUTHORS:
        assert world.bulk.take(world.links[2], author, 100, world.now_us)
    world.gather()
    (_, second) = world.running.values()
    assert second.peer == world.links[2].author
    assert [asked.author for asked in second.ranges] == AUTHORS[3:6]
    rounds = 2
    while world.running:
        for fetch in list(world.running.values()):
            for asked in fetch.ranges:
                world.chunk(fetch.fetch, asked.author, 100)
            world.end(fetch.fetch)
            world.turn()
            rounds += 1
        world.gather()
    assert set(world.heads.values()) == {100}
    assert len(world.heads) == len(AUTHORS)
    assert rounds == 6
    assert not world.pursued


def trickle(world: World, fetch: int, author: bytes, seconds: int, each: int = 10) -> None:
    """A source that brings little, so that it is never silent."""
    for _ in range(seconds):
        if fetch in world.running:
            world.chunk(fetch, author, each)
        world.turn(SECOND)


def test_who_only_trickles_keeps_no_author_from_whoever_has_it_too() -> None:
    world = World(links=2)
    for author in AUTHORS:
        assert world.bulk.take(world.links[1], author, 1_000, 0)
    world.gather()
    (slow,) = world.running.values()
    for author in AUTHORS:
        assert world.bulk.take(world.links[2], author, 1_000, world.now_us)
    trickle(world, slow.fetch, AUTHORS[0], 5)
    (quick,) = world.running.values()
    assert quick.peer == world.links[2].author
    assert {asked.author for asked in quick.ranges} == {*AUTHORS}
    assert next(asked.first for asked in quick.ranges if asked.author == AUTHORS[0]) > 1
    assert world.drops == {"bulk-turn": 1}
    assert world.offences == []


def test_who_only_trickles_keeps_no_place_from_whoever_waits() -> None:
    world = World(links=4)
    for number in (1, 2, 3):
        assert world.bulk.take(world.links[number], AUTHORS[number], 100_000, 0)
    world.gather()
    assert len(world.running) == 3
    assert world.bulk.take(world.links[4], AUTHORS[4], 400, world.now_us)
    for _ in range(5):
        for fetch in list(world.running.values()):
            world.chunk(fetch.fetch, fetch.ranges[0].author, 200)  # Not slow enough to rest.
        world.turn(SECOND)
    assert world.links[4].author in {fetch.peer for fetch in world.running.values()}
    assert not world.pursued


def test_a_slow_source_that_is_in_nobodys_way_is_left_to_it() -> None:
    world = World(links=1)
    assert world.bulk.take(world.links[1], AUTHORS[0], 10_000, 0)
    world.gather()
    (slow,) = world.running.values()
    trickle(world, slow.fetch, AUTHORS[0], 60)
    assert slow.fetch in world.running
    assert not world.drops


def test_an_author_larger_than_all_that_is_asked_at_once_is_asked_whole() -> None:
    world = World(links=1, limits=replace(DEFAULT_LIMITS, bulk_fetch_records=250))
    assert world.bulk.take(world.links[1], AUTHORS[0], 1_000, 0)
    world.gather()
    (fetch,) = world.running.values()
    assert [(asked.first, asked.last) for asked in fetch.ranges] == [(1, 1_000)]


def test_an_author_goes_to_another_source_and_at_last_to_datagrams() -> None:
    world = World(links=2)
    for each in world.links.values():
        world.bulk.take(each, AUTHORS[0], 1_000, 0)
    world.gather()
    (first,) = world.running
    world.chunk(first, AUTHORS[0], 100)
    assert world.more == [first]
    world.end(first, "broken")
    world.turn()
    (second,) = world.running
    assert world.running[second].peer != link(1).author
    assert world.running[second].ranges[0].first == 101
    world.end(second, "refused")
    world.turn()
    assert not world.running
    assert not world.pursued  # The first has given something, and is waited for.
    for _ in range(3 * DEFAULT_LIMITS.bulk_patience):
        world.turn(DEFAULT_LIMITS.bulk_max_rest_us)
        for fetch in list(world.running):
            world.end(fetch, "refused")
        world.turn()
    assert world.pursued == {AUTHORS[0]: 1_000}
    assert world.bulk.missing == 0


def test_a_peer_whose_stream_failed_rests_and_is_asked_again_later() -> None:
    world = World(links=1)
    world.bulk.take(world.links[1], AUTHORS[0], 1_000, 0)
    world.gather()
    world.end(1, "refused")
    world.turn()
    assert not world.bulk.take(world.links[1], AUTHORS[1], 1_000, world.now_us)
    world.now_us += DEFAULT_LIMITS.bulk_rest_us
    assert world.bulk.take(world.links[1], AUTHORS[1], 1_000, world.now_us)


def test_a_stream_that_brought_something_is_waited_for_a_few_times() -> None:
    world, limits = World(links=1), DEFAULT_LIMITS
    world.bulk.take(world.links[1], AUTHORS[0], 1_000, 0)
    world.gather()
    for attempt in range(limits.bulk_patience + 1):
        (fetch,) = world.running
        world.chunk(fetch, AUTHORS[0], 10)
        world.end(fetch, "broken")
        world.turn()
        assert not world.running
        assert bool(world.pursued) == (attempt == limits.bulk_patience)
        if not world.pursued:
            assert world.bulk.wake_us == world.now_us + (limits.bulk_rest_us << attempt)
            world.turn(limits.bulk_rest_us << attempt)


def test_an_author_that_a_stream_does_not_give_is_left_to_datagrams() -> None:
    world = World(links=1)
    for author in AUTHORS[:2]:
        world.bulk.take(world.links[1], author, 1_000, 0)
    world.gather()
    world.chunk(1, AUTHORS[0], 10)
    world.end(1)
    world.turn()
    assert world.pursued == {AUTHORS[1]: 1_000}
    assert [asked.author for asked in world.running[2].ranges] == [AUTHORS[0]]


def test_a_stream_that_ends_without_anything_has_failed() -> None:
    world = World(links=1)
    for author in AUTHORS[:2]:
        world.bulk.take(world.links[1], author, 1_000, 0)
    world.gather()
    world.end(1)
    world.turn()
    assert world.pursued == dict.fromkeys(AUTHORS[:2], 1_000)
    assert not world.bulk.take(world.links[1], AUTHORS[2], 1_000, world.now_us)


def test_without_any_fetch_allowed_everything_is_left_to_datagrams() -> None:
    world = World(limits=Limits(bulk_fetches=0))
    assert not world.bulk.take(world.links[1], AUTHORS[0], 1_000, 0)


def test_what_was_not_asked_for_ends_the_fetch() -> None:
    for records in (
        [stub(AUTHORS[1], 1)], [stub(AUTHORS[0], 2)], [stub(AUTHORS[0], 1), stub(AUTHORS[0], 1)],
        [stub(AUTHORS[0], seq) for seq in range(1, 100 + 66)],
    ):
        world = World()
        world.bulk.take(world.links[1], AUTHORS[0], 100, 0)
        world.gather()
        world.raw_chunk(1, records)
        world.check()
        assert world.drops == {"bulk-range": 1}
        assert world.offences == [1]
        assert not world.running
        assert not world.more


def test_a_silent_fetch_ends() -> None:
    world = World(links=1)
    world.bulk.take(world.links[1], AUTHORS[0], 1_000, 0)
    world.gather()
    end_us = world.now_us + DEFAULT_LIMITS.bulk_silence_us
    while world.now_us < end_us:
        assert not world.drops
        assert world.bulk.wake_us is not None
        assert world.now_us < world.bulk.wake_us <= end_us
        world.turn(world.bulk.wake_us - world.now_us)
    assert world.drops["bulk-silent"] == 1
    assert world.pursued == {AUTHORS[0]: 1_000}


def test_a_liar_cannot_silence_a_node_for_long() -> None:
    world, limits = World(), DEFAULT_LIMITS
    world.bulk.take(world.links[1], AUTHORS[0], 2**53 - 1, 0)
    assert world.bulk.missing == limits.bulk_counted_records
    assert world.bulk.is_far_behind(0)
    assert world.bulk.is_far_behind(limits.far_behind_us - 1)
    assert not world.bulk.is_far_behind(limits.far_behind_us)
    assert not world.bulk.is_far_behind(limits.far_behind_rest_us - 1)
    assert world.bulk.is_far_behind(limits.far_behind_rest_us)


def test_one_link_cannot_take_all_authors() -> None:
    world = World(limits=Limits(bulk_authors=10, bulk_authors_per_link=5))
    for author in AUTHORS:
        world.bulk.take(world.links[1], author, 1_000, 0)
    assert world.bulk.sizes()["bulk-authors"] == 5
    for author in AUTHORS:
        world.bulk.take(world.links[2], author, 1_000, 0)
    assert world.bulk.sizes()["bulk-authors"] == 10
    assert world.drops["bulk-full"] == 7 + 2


@pytest.mark.parametrize("seed", range(60))
def test_no_order_of_events_leaves_an_author_stuck(seed: int) -> None:
    rng = random.Random(seed)
    world = World(links=4)
    bulk, absent = world.bulk, dict[int, Link]()
    for _ in range(400):
        running = sorted(world.running)
        deed = rng.randrange(9)
        if deed <= 1 and world.links:
            number, author = rng.choice(sorted(world.links)), rng.choice(AUTHORS)
            upto = world.heads[author] + rng.choice((1, 40, 80, 500))
            if author not in world.pursued:
                bulk.take(world.links[number], author, upto, world.now_us)
        elif deed <= 4 and running:
            fetch = rng.choice(running)
            world.chunk(fetch, rng.choice(world.running[fetch].ranges).author, rng.randrange(1, 90))
        elif deed == 5 and running:
            world.end(rng.choice(running), rng.choice(("", "", "broken")))
        elif deed == 6:
            if absent and rng.random() < 0.6:
                number, back = absent.popitem()
                world.links[number] = back
                bulk.opened(back)
            elif len(world.links) > 1:
                number = rng.choice(sorted(world.links))
                absent[number] = world.links.pop(number)
                bulk.closed(absent[number], world.now_us)
        elif deed == 7:
            author = rng.choice(AUTHORS)
            bulk.cut(author, world.now_us)
            world.heads[author] = min(world.heads[author], rng.randrange(500))
        else:
            world.pursued.clear()
        world.turn(rng.choice((0, 1_000, 20_000, 200_000)))
    while bulk._authors or world.running:
        for fetch in sorted(world.running):
            for asked in world.running[fetch].ranges:
                if fetch in world.running and world.heads[asked.author] < asked.last:
                    world.chunk(fetch, asked.author, asked.last - world.heads[asked.author])
            if fetch in world.running:
                world.end(fetch)
        world.gather()
    assert bulk.missing == 0
    assert not world.running


# --- between engines -----------------------------------------------------------------------------


def full_and_empty(
    records: int, authors: int = 4, servers: int = 1, seed: int = 1
) -> tuple[Swarm, Peer]:
    """Nodes that hold so many records of each of some authors, and one that holds nothing."""
    swarm = Swarm(servers + 1, seed=seed)
    swarm.streams = True
    for server in swarm.peers[:servers]:
        for index in range(50, 50 + authors):
            server.logs.insert([record(index, seq) for seq in range(1, records + 1)])
    for server in swarm.peers[:servers]:
        swarm.peers[servers].hint(server)
    return swarm, swarm.peers[servers]


def test_a_newcomer_catches_up_over_streams() -> None:
    swarm, newcomer = full_and_empty(500)
    assert swarm.run(5 * SECOND, swarm.agree)
    assert sum(len(fetch.ranges) for fetch in swarm.fetches) == 4
    assert newcomer.gossip.catching_up == 0
    assert newcomer.gossip.received["records"] == 0
    assert not newcomer.gossip.drops


@pytest.mark.parametrize("seed", range(1, 8))
def test_all_who_have_shown_authors_share_the_work(seed: int) -> None:
    """Who has listed what it holds by the time that the first plan is made, differs by the seed."""
    swarm, newcomer = full_and_empty(500, authors=9, servers=3, seed=seed)
    bulk = newcomer.gossip._parts.bulk
    assert swarm.run(5 * SECOND, lambda: bool(swarm.fetches))
    shown = {link for entry in bulk._authors.values() for link in entry.sources}
    assert len({fetch.peer for fetch in swarm.fetches}) == len(shown)
    assert sum(len(fetch.ranges) for fetch in swarm.fetches) == 9
    assert swarm.run(5 * SECOND, swarm.agree)
    assert sum(len(fetch.ranges) for fetch in swarm.fetches) == 9


def test_a_stream_that_breaks_is_resumed_where_it_stopped() -> None:
    swarm, newcomer = full_and_empty(600, authors=1, servers=2)
    chunks: list[int] = []

    def break_often(to: Peer, by: Peer, chunk: bytes) -> bytes | None:
        if len(chunks) % 3 == 2:
            chunks.append(0)
            return None
        chunks.append(len(parse_chunk(chunk)))
        return chunk

    swarm.on_chunk = break_often
    assert swarm.run(30 * SECOND, swarm.agree)
    assert sum(chunks) == 600
    assert newcomer.gossip.drops["bulk-failed"] > 0


def test_without_streams_datagrams_bring_everything() -> None:
    swarm, newcomer = full_and_empty(300)
    swarm.streams = False
    assert swarm.run(20 * SECOND, swarm.agree)
    assert newcomer.gossip.drops["bulk-failed"] > 0
    assert newcomer.gossip.received["records"] > 0


def test_a_conviction_during_a_stream_is_no_offence() -> None:
    swarm, newcomer = full_and_empty(600, authors=1)
    server = swarm.peers[0]

    def convict(to: Peer, by: Peer, chunk: bytes) -> bytes:
        if newcomer.logs.head(identity(50).author) is not None and not by.logs.proofs():
            insertion = by.logs.insert([record(50, 400, salt=1, branch_at=400)])
            assert insertion.convicted is not None
            by.perform(by.gossip.publish_proof(identity(50).author, swarm.now_us))
        return chunk

    swarm.on_chunk = convict
    assert swarm.run(30 * SECOND, lambda: bool(server.logs.proofs()) and swarm.agree())
    assert newcomer.logs.proofs()
    assert newcomer.linked() == {server.author}


def test_what_leaves_the_logs_is_not_in_the_next_chunk() -> None:
    swarm, _ = full_and_empty(600, authors=1)
    server, author = swarm.peers[0], identity(50).author
    answer = server.gossip.answer_logs([Range(author, 1, 600)], 0)
    first = parse_chunk(answer.next_chunk(0))
    assert 0 < len(first) < 400
    server.logs.insert([record(50, 300, salt=1, branch_at=300)])
    rest = parse_chunk(answer.next_chunk(0))
    assert len(first) + len(rest) == 299
    assert answer.next_chunk(0) == END


def test_hostile_chunks_end_the_fetch_and_count_against_the_peer() -> None:
    for hostile in (b"", b"\x81\x00", b"\xff" * 100, join_chunk([b"\x82\x00\x41\x00"])):
        swarm, newcomer = full_and_empty(300, authors=1)
        swarm.on_chunk = partial(replaced, hostile)
        assert swarm.run(20 * SECOND, swarm.agree)
        assert any(reason.startswith("bulk-") for reason in newcomer.gossip.drops)


def replaced(hostile: bytes, to: Peer, by: Peer, chunk: bytes) -> bytes:
    return hostile


def test_useless_chunks_without_end_end_the_fetch() -> None:
    world = World()
    world.bulk.take(world.links[1], AUTHORS[0], 2**53 - 1, 0)
    world.gather()
    world.bulk.cut(AUTHORS[0], 0)
    seq = 0
    while world.running:
        seq += 1
        assert seq <= DEFAULT_LIMITS.bulk_useless_chunks + 1
        world.raw_chunk(1, [stub(AUTHORS[0], seq)])
    assert world.drops == {"bulk-useless": 1}


def test_the_author_that_changed_last_comes_first() -> None:
    swarm, _ = full_and_empty(70, authors=3)
    server = swarm.peers[0]
    for index, age_ms in ((50, 5_000), (51, 10), (52, 900)):
        server.gossip.restored(record(index, 70).id, age_ms, 0)
    ranges = [Range(identity(index).author, 1, 70) for index in (50, 51, 52)]
    answer, order = server.gossip.answer_logs(ranges, 0), list[bytes]()
    while (chunk := answer.next_chunk(0)) != END:
        order += [parse_record(entry.wire).author for entry in parse_chunk(chunk)]
    assert list(dict.fromkeys(order)) == [identity(index).author for index in (51, 52, 50)]


def test_own_records_that_may_not_be_shown_yet_are_not_served() -> None:
    swarm, _ = full_and_empty(1)
    server = swarm.peers[0]
    server.publish(3)
    server.sign(4)
    ranges = [Range(server.author, 1, 7)]
    chunk = server.gossip.answer_logs(ranges, 0).next_chunk(0)
    assert len(parse_chunk(chunk)) == 3
