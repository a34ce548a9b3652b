"""What strangers, other versions and unlucky users do to a node: each gets its answer or its
count, and the node lives and works."""
from __future__ import annotations

import sqlite3
from collections import Counter
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
import trio

from antsp2p.coordination.body import Announce, Claim
from antsp2p.gossip.wire import (
    Advert,
    Adverts,
    Changes,
    Clue,
    Entry,
    Leaves,
    Line,
    Mark,
    Name,
    Node,
    Nodes,
    PeerAddress,
    Peers,
    Ping,
    Probe,
    Range,
    Records,
    Want,
    WantAuthors,
    WantIds,
    WantProofs,
)
from antsp2p.interfaces.exit_codes import Exit
from tests.system.hand_peer import HandPeer, open_hand_peer
from tests.system.namespaces import lan, why_not
from tests.system.process import ApiError, Machine, NodeProcess, NotReady, stored
from tests.wire_peer import plain_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DATAGRAMS: Final = 200_000
BURST: Final = 200
"""Between two requests to the local API: faster, and the kernel would drop most of them."""
SEED: Final = 4
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
RESIDENT_GROWTH_MB: Final = 60.0


async def assert_works(machine: Machine, node: NodeProcess) -> None:
    """The node posts a task, claims it itself, and has the result."""
    await machine.work(node, "text.echo", "cat")
    async with node.events() as notices:
        if not await _serves(node, "text.echo"):
            async for _, notice in notices:
                if notice["kind"] == "announced" and notice["subject"] == node.author:
                    break
    task = await node.post("text.echo", b"still alive", settle_ms=0)
    assert await node.result(task) == b"still alive"


async def _serves(node: NodeProcess, capability: str) -> bool:
    records = (await node.get("/v1/log", author=node.author, limit=10_000))["records"]
    return any(
        record["type"] == "announce" and record["body"]["name"] == capability for record in records
    )


def _resident_mb(node: NodeProcess) -> float:
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1_024 / 1_000_000
    raise AssertionError("the kernel tells no resident size")


# --- datagrams -----------------------------------------------------------------------------------


def _valid_plains(peer: HandPeer, rng: Random) -> list[bytes]:
    """What a member seals: one of most kinds, to be mutated."""
    first = peer.sign(1, Announce("text.nothing", 1))
    other = rng.randbytes(32)
    frames = (
        Records(0, 1, (Entry(0, first.wire),)),
        Records(0, 0, (Entry(5, peer.sign(3, Claim(other, 0), prev=first).wire),)),
        Ping(1, rng.randbytes(16), 0, 1),
        Adverts((Name(3, peer.author),), (Advert(3, 9, rng.randbytes(8)),)),
        Want(7, (Range(peer.author, 1, 9), Range(peer.author, 4, 2**40))),
        WantIds((other,)),
        WantProofs((peer.author,)),
        Changes(0, 9, 0, (Line(peer.author, 3, other[:8], 0),)),
        Leaves((Line(peer.author, 3, other[:8], 0),)),
        Probe(other[:8], ("", "0", peer.author.hex()[:3])),
        Nodes(other[:8], (Node(peer.author.hex()[:3], (Mark(other[:6], 3, 0),)),)),
        WantAuthors(other[:8], (Clue("", other[:3]),)),
        Peers(0, (PeerAddress(peer.author, b"\x7f\0\0\1", 9),)),
    )
    return [*(plain_of(frame) for frame in frames), plain_of(*frames[2:])]


def _mutated(data: bytes, rng: Random) -> bytes:
    """`data` with a few bits, bytes or its length changed."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[place] ^= 1 << rng.randrange(8)
            case 1:
                changed[place] = rng.randrange(256)
            case 2:
                del changed[place:]
            case _:
                changed[place:place] = rng.randbytes(rng.randrange(1, 20))
        if not changed:
            break
    return bytes(changed[:1_400])


@pytest.mark.timeout(120)
async def test_bad_datagrams_by_the_thousand_are_counted_and_survived(machine: Machine) -> None:
    node = await machine.start()
    rng = Random(SEED)
    sent = 0
    async with open_hand_peer(node, rng) as stranger, open_hand_peer(node, rng) as linked:
        await linked.link()
        await node.until_links(1)
        valid = _valid_plains(linked, rng)
        whole = [stranger.wire.call(("127.0.0.1", node.port)), *map(linked.wire.seal, valid)]
        before_mb = _resident_mb(node)
        while sent < DATAGRAMS:
            for _ in range(BURST):
                # Half is sealed by a member of bad will; of the rest, some was a datagram once.
                if rng.random() < 0.5:
                    plain = _mutated(rng.choice(valid), rng)
                    await linked.throw(linked.wire.seal(plain[:1_170]))
                elif rng.random() < 0.5:
                    await stranger.throw(rng.randbytes(rng.randrange(1, 1_400)))
                else:
                    peer = rng.choice((stranger, linked))
                    await peer.throw(_mutated(rng.choice(whole), rng))
                sent += 1
            status = await node.status()
    drops = Counter(status["drops"])
    assert drops.total() > DATAGRAMS // 4, "hardly anything was counted"
    assert len(drops) < 60, "the reasons are a fixed list"
    assert _resident_mb(node) - before_mb < RESIDENT_GROWTH_MB
    await assert_works(machine, node)


# --- records -------------------------------------------------------------------------------------


async def test_a_fork_convicts_its_author_and_nobody_else(machine: Machine) -> None:
    node = await machine.start()
    witness = await machine.start(peers=[node])
    await witness.until_links(1)
    async with open_hand_peer(node, Random(SEED)) as forger:
        await forger.link()
        first = forger.sign(1, Announce("text.lies", 1))
        left = forger.sign(2, Announce("text.lies", 2), prev=first)
        right = forger.sign(2, Announce("text.lies", 3), prev=first)
        await forger.show([first, left])
        await _until_known(node, forger.author, 2)
        await forger.show([right])
        for each in (node, witness):

            async def is_convicted(each: NodeProcess = each) -> bool:
                return forger.author.hex() in await _convicted(each)

            await each.until(is_convicted)
    assert await _convicted(node) == await _convicted(witness) == {forger.author.hex()}
    # The log before the fork stays, what is above it goes.
    records = (await node.get("/v1/log", author=forger.author.hex()))["records"]
    assert [record["seq"] for record in records] == [1]
    await assert_works(machine, node)


async def _convicted(node: NodeProcess) -> set[str]:
    peers = (await node.get("/v1/peers"))["peers"]
    return {peer["author"] for peer in peers if peer["convicted"]}


async def _until_known(node: NodeProcess, author: bytes, seq: int) -> None:
    async def is_known() -> bool:
        peers = (await node.get("/v1/peers"))["peers"]
        return any(p["author"] == author.hex() and p["records"] >= seq for p in peers)

    await node.until(is_known)


async def test_a_claim_for_an_unknown_task_is_kept_and_means_nothing(machine: Machine) -> None:
    node = await machine.start()
    unknown = Random(SEED).randbytes(32)
    async with open_hand_peer(node, Random(SEED)) as peer:
        await peer.link()
        claim = peer.sign(1, Claim(unknown, 0))
        void = peer.sign(2, {0: b"no task id"}, type_=3, prev=claim)
        named = peer.sign(3, Announce("text.waiting", 1), prev=void)
        await peer.show([claim, void, named])
        await _until_known(node, peer.author, 3)
        records = (await node.get("/v1/log", author=peer.author.hex()))["records"]
    assert [(r["type"], r["void"]) for r in records] == [
        ("claim", False), ("claim", True), ("announce", False)]
    with pytest.raises(ApiError, match="404"):
        await node.task(unknown.hex())
    await assert_works(machine, node)


# --- people's mistakes ---------------------------------------------------------------------------


async def test_an_input_of_sixteen_mebibytes_and_one_byte_is_refused(machine: Machine) -> None:
    node = await machine.start()
    content = bytes(MAX_BODY_BYTES)
    with pytest.raises(ApiError, match="16 MiB") as refused:
        await node.post("text.echo", content + b"1")
    assert refused.value.status == 413
    path = machine.folder / "large"
    await trio.Path(path).write_bytes(content + b"1")
    done = await machine.run("post", "text.echo", "--input", path, "--home", node.home)
    assert done.returncode not in (0, None)
    assert b"16 MiB" in done.stderr
    assert done.stderr.count(b"\n") == 1
    await assert_works(machine, node)
    task = await node.post("text.echo", content, settle_ms=0)
    assert await node.result(task) == content


async def test_a_second_node_on_the_same_home_is_refused(machine: Machine) -> None:
    node = await machine.start()
    done = await machine.run("start", "--home", node.home, "--no-discovery")
    assert done.returncode == Exit.REFUSED
    assert b"already runs" in done.stderr
    assert str(node.process.pid).encode() in done.stderr
    assert done.stderr.count(b"\n") == 1
    await assert_works(machine, node)


async def test_a_port_in_use_is_named(machine: Machine) -> None:
    node = await machine.start()
    done = await machine.run(
        "start", "--home", machine.new_home(), "--no-discovery", "--listen", node.address)
    assert done.returncode == Exit.REFUSED
    assert node.address.encode() in done.stderr
    assert b"use" in done.stderr
    assert done.stderr.count(b"\n") == 1
    await assert_works(machine, node)


async def test_a_store_of_a_newer_version_is_left_alone(machine: Machine) -> None:
    node = await machine.start()
    home = node.home
    await assert_works(machine, node)
    for agent in machine.agents:
        await agent.end()
    await node.end()
    before = stored(home)
    (version,) = _store(home / "store.db", "PRAGMA user_version")
    _store(home / "store.db", "PRAGMA user_version = 999")
    done = await machine.run("start", "--home", home, "--no-discovery")
    assert done.returncode == Exit.REFUSED
    assert b"newer" in done.stderr
    assert done.stderr.count(b"\n") == 1
    _store(home / "store.db", f"PRAGMA user_version = {version}")
    assert stored(home) == before != set()
    await assert_works(machine, await machine.start(home))


def _store(path: object, statement: str) -> tuple[int, ...]:
    connection = sqlite3.connect(str(path))
    try:
        row = connection.execute(statement).fetchone()
        connection.commit()
    finally:
        connection.close()
    return tuple(row or ())


async def test_a_node_without_arguments_that_make_sense_says_so(machine: Machine) -> None:
    with pytest.raises(NotReady, match="HOST:PORT"):
        await machine.start(listen="nowhere")


# --- no multicast --------------------------------------------------------------------------------

reason = cache(why_not)


@pytest.fixture
def lonely_prefix() -> Iterator[list[str]]:
    if reason():
        pytest.skip(reason())
    with lan(1) as (host,):
        host.without_multicast()
        yield host.prefix


@pytest.mark.netns
async def test_without_multicast_a_node_still_starts_and_works(
    machine: Machine, lonely_prefix: list[str]
) -> None:
    node = await machine.start(listen="", discovery=True, prefix=lonely_prefix)
    other = await machine.start(
        None, "--peer", f"127.0.0.1:{node.port}", listen="", prefix=lonely_prefix)
    await other.until_links(1)
    await assert_works(machine, node)
    await node.end()
    assert b"Traceback" not in await trio.Path(node.errors).read_bytes()
