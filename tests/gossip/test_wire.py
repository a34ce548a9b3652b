"""Frames and datagrams: one encoding each, strict, and never larger than they may be."""
from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.gossip import trie, wire
from antsp2p.gossip.addresses import pack_host, unpack_host
from antsp2p.gossip.datagram import (
    SEALED_BYTES,
    join_frames,
    kind_of,
    pack,
    split_frames,
)
from antsp2p.gossip.handshake import answer_of, answerer_of, busy_payload, this_is
from antsp2p.gossip.limits import (
    HELLO_BYTES,
    MAX_ADVERTS,
    MAX_DATAGRAM_BYTES,
    MAX_FRAME_BYTES,
    MAX_LINES,
    MAX_NAMES,
    MAX_PARTS,
    MAX_PEERS,
    MAX_PREFIXES,
    MAX_WANT_IDS,
    MAX_WANT_RANGES,
    MIN_HELLO_BYTES,
    PART_BYTES,
)
from antsp2p.gossip.wire import (
    Advert,
    Adverts,
    BeatFrame,
    Busy,
    Bye,
    Changes,
    Clue,
    Confirm,
    Entry,
    Frame,
    Graft,
    Line,
    Mark,
    Name,
    News,
    Node,
    Part,
    PeerAddress,
    Peers,
    Ping,
    Pong,
    Prune,
    Range,
    Records,
    Since,
    Want,
    WantIds,
    WantNames,
    WantProofs,
    Welcome,
    encode_frame,
)
from antsp2p.records.encoding import MAX_UINT53, Malformed, encode
from antsp2p.records.fork import MAX_PROOF_BYTES

NETWORK = b"n" * 16
TOKEN = b"t" * 8
AUTHORS = [bytes((index,)) * 32 for index in range(2, 60)]
ID = b"\xff" * 32
TOP = MAX_UINT53
UINTS = st.integers(0, TOP) | st.sampled_from([23, 24, 255, 256, 65_535, 65_536, 2**32])
LINES = [Line(author, TOP, b"h" * 8, TOP) for author in AUTHORS[:MAX_LINES]]

LARGEST: list[Frame] = [
    Welcome(AUTHORS[0], b"s" * 64, TOKEN, TOP, ID, b"r" * 16, TOP),
    Confirm(AUTHORS[0], b"s" * 64, TOKEN, TOP, ID),
    Busy(tuple(PeerAddress(author, b"\xff" * 16, 65_535) for author in AUTHORS[:8])),
    Bye(255),
    Ping(TOP, b"r" * 16, TOP, TOP),
    Pong(TOP, b"r" * 16, TOP, TOP, TOP),
    Peers(1, tuple(PeerAddress(author, b"\xff" * 16, 65_535) for author in AUTHORS[:MAX_PEERS])),
    Adverts((), (Advert(TOP, TOP, b"s" * 8),) * MAX_ADVERTS),
    Adverts(
        tuple(Name(TOP, author) for author in AUTHORS[:MAX_NAMES]), (Advert(TOP, TOP, b"s" * 8),)
    ),
    Want(TOP, tuple(Range(author, TOP, TOP) for author in AUTHORS[:MAX_WANT_RANGES])),
    WantIds((ID,) * MAX_WANT_IDS),
    WantProofs(tuple(AUTHORS[:MAX_WANT_IDS])),
    Records(TOP, 1, (Entry(TOP, b"w" * 1_000),)),
    BeatFrame(b"b" * 1_000),
    Prune(),
    Graft(),
    News(1, 255, (Entry(TOP, b"w" * 1_000),)),
    WantNames((TOP,) * MAX_NAMES),
    Part(1, AUTHORS[0], ID, TOP, MAX_PARTS - 1, MAX_PARTS, b"p" * PART_BYTES),
    Since(TOKEN, TOP),
    Changes(TOP, TOP, 2, trie.lines_in_frames(LINES)[0]),
    trie.probes(TOKEN, ["f" * 14 + f"{index:02x}" for index in range(MAX_PREFIXES)])[0],
    trie.probes(TOKEN, ["f" * 62 + f"{index:02x}" for index in range(MAX_PREFIXES)])[0],
    trie.nodes(TOKEN, [Node("f" * 63, b"f" * 48)] * MAX_PREFIXES)[0],
    trie.nodes(TOKEN, [Node("", (Mark(b"m" * 6, TOP, TOP),) * 16)] * MAX_PREFIXES)[0],
    trie.nodes(TOKEN, [Node("abc", ())] * MAX_PREFIXES)[0],
    trie.want_authors(TOKEN, [Clue("f" * 64, b"c" * 3)] * MAX_PREFIXES)[0],
    trie.leaves(LINES)[0],
]


@pytest.mark.parametrize("frame", LARGEST, ids=wire.frame_name)
def test_the_largest_frame_of_each_type_fits_and_comes_back(frame: Frame) -> None:
    encoded = encode_frame(frame)
    assert len(encoded) <= MAX_FRAME_BYTES
    (plain,) = pack([encoded])
    assert len(plain) + SEALED_BYTES <= MAX_DATAGRAM_BYTES
    assert split_frames(plain)[0] == [frame]


def test_a_refusal_names_as_many_as_fit() -> None:
    busy = LARGEST[2]
    assert isinstance(busy, Busy)
    assert len(busy_payload(busy.peers, MIN_HELLO_BYTES)) < MIN_HELLO_BYTES
    assert busy_payload(busy.peers, HELLO_BYTES) > busy_payload(busy.peers, MIN_HELLO_BYTES)
    assert busy_payload(busy.peers, MAX_DATAGRAM_BYTES) == encode_frame(busy)


def test_who_has_no_room_says_who_it_is_before_it_names_others() -> None:
    me = this_is(AUTHORS[0])
    busy = Busy((me, *(PeerAddress(author, b"\xff" * 16, 65_535) for author in AUTHORS[1:8])))
    read = answer_of(busy_payload(busy.peers, MIN_HELLO_BYTES))
    assert isinstance(read, Busy)
    assert answerer_of(read.peers) == AUTHORS[0]
    assert answerer_of(read.peers[1:]) == b""
    assert unpack_host(me.host) == "", "nobody is sent there"


def test_the_largest_proof_fits_its_parts() -> None:
    assert MAX_PARTS * PART_BYTES >= MAX_PROOF_BYTES


@pytest.mark.parametrize("frame", LARGEST, ids=wire.frame_name)
def test_every_mutated_byte_gives_frames_or_malformed(frame: Frame) -> None:
    data = join_frames([encode_frame(frame)])
    rng = random.Random(1)
    for place in range(len(data)):
        mutated = bytearray(data)
        mutated[place] ^= 1 << rng.randrange(8)
        try:
            frames, _ = split_frames(bytes(mutated))
        except Malformed:
            continue
        for other in frames:
            assert wire.parse_frame(_decoded(other)) == other


def _decoded(frame: Frame) -> object:
    import cbor2

    return cbor2.loads(encode_frame(frame))


REFUSED: list[tuple[str, object]] = [
    ("not an array", 5),
    ("empty", []),
    ("type is not an integer", ["x"]),
    ("too few fields", [6, 1, b"r" * 16]),
    ("too many fields", [21, 1]),
    ("a negative number", [6, -1, b"r" * 16, 0, 0]),
    ("a short root", [6, 1, b"r" * 15, 0, 0]),
    ("a bool for a number", [6, True, b"r" * 16, 0, 0]),
    ("adverts alone", [9, [[0, 1, b"s" * 8]]]),
    ("seq 0", [9, [], [[0, 0, b"s" * 8]]]),
    ("a small-order key", [9, [[0, bytes(32)]], []]),
    ("too many adverts", [9, [], [[0, 1, b"s" * 8]] * (MAX_ADVERTS + 1)]),
    ("a range upside down", [10, 1, [[AUTHORS[0], 2, 1]]]),
    ("a host of 5 bytes", [8, [[AUTHORS[0], b"12345", 1]]]),
    ("port 0", [8, [[AUTHORS[0], b"1234", 0]]]),
    ("a part beyond the count", [15, 0, AUTHORS[0], ID, 0, 2, 2, b"p"]),
    ("changes upside down", [17, 2, 1, 0, []]),
    ("more than asking on", [17, 1, 2, 3, []]),
    ("a line without a conviction", [25, [[AUTHORS[0], 1, b"h" * 8]]]),
    ("a prefix in capitals", [18, TOKEN, ["AB"]]),
    ("a prefix in bytes", [18, TOKEN, [b"ab"]]),
    ("a prefix of 65 digits", [18, TOKEN, ["a" * 65]]),
    ("no prefix", [18, TOKEN, []]),
    ("a key of 9 bytes", [18, TOKEN + b"k", ["a"]]),
    ("15 fingerprints", [19, TOKEN, [["a", b"f" * 45]]]),
    ("17 marks", [19, TOKEN, [["a", [[b"m" * 6, 1, 0]] * 17]]]),
    ("fingerprints below a whole key", [19, TOKEN, [["a" * 64, b"f" * 48]]]),
    ("a clue of 4 bytes", [20, TOKEN, [["a", b"clue"]]]),
]


@pytest.mark.parametrize("value", [value for _, value in REFUSED], ids=[why for why, _ in REFUSED])
def test_a_frame_outside_its_schema_refuses_the_datagram(value: object) -> None:
    with pytest.raises(Malformed):
        wire.parse_frame(value)
    data = join_frames([encode_frame(Bye(0)), encode(value)])
    with pytest.raises(Malformed):
        split_frames(data)


def test_a_frame_of_an_unknown_type_is_skipped() -> None:
    data = join_frames([encode([99, {1: b"x"}]), encode_frame(Bye(0))])
    assert split_frames(data) == ([Bye(0)], 1)


def test_datagrams_are_told_apart_by_their_first_bytes() -> None:
    assert [kind_of(bytes((0x11 + kind,)), NETWORK) & 0x0F for kind in range(6)] == [
        1, 2, 3, 4, 5, 6]
    newer = bytes((0x21,)) + NETWORK
    reasons = []
    for data in (b"", b"\x14" + bytes(1_200), b"\x10", b"\x17", b"\x84" + NETWORK, newer,
                 b"\x21" + bytes(16), b"\x24" + NETWORK):
        with pytest.raises(Malformed) as caught:
            kind_of(data, NETWORK)
        reasons.append(caught.value.reason)
    assert reasons == [
        "size", "size", "datagram", "datagram", "datagram", "version", "datagram", "datagram"]


def test_packing_keeps_order_and_sizes() -> None:
    frames = [encode_frame(BeatFrame(bytes((1 + size,)) * (20 * size + 1))) for size in range(30)]
    packed = pack(frames)
    assert all(len(plain) + SEALED_BYTES <= MAX_DATAGRAM_BYTES for plain in packed)
    unpacked = [frame for data in packed for frame in split_frames(data)[0]]
    assert [encode_frame(frame) for frame in unpacked] == frames
    assert len(packed) < len(frames) / 2


def test_only_addresses_that_mean_something_elsewhere_travel() -> None:
    assert unpack_host(pack_host("192.0.2.7")) == "192.0.2.7"
    assert unpack_host(pack_host("2001:db8::7")) == "2001:db8::7"
    assert unpack_host(pack_host("::ffff:192.0.2.7")) == "192.0.2.7"
    for nowhere in ("224.0.0.251", "0.0.0.0", "255.255.255.255", "fe80::1", "ff02::fb", "::"):
        assert unpack_host(pack_host(nowhere)) == ""
    for host in ("fe80::1%eth0", "example", ""):
        assert pack_host(host) == b""


@given(
    st.lists(st.tuples(UINTS, st.binary(min_size=32, max_size=32)), max_size=MAX_NAMES),
    st.lists(
        st.tuples(UINTS, UINTS, st.binary(min_size=8, max_size=8)), max_size=MAX_ADVERTS
    ),
)
def test_adverts_have_the_one_encoding(
    names: list[tuple[int, bytes]], adverts: list[tuple[int, int, bytes]]
) -> None:
    frame = Adverts(
        tuple(Name(*name) for name in names), tuple(Advert(*advert) for advert in adverts)
    )
    assert encode_frame(frame) == encode([9, names, adverts])


@given(
    st.integers(0, 1),
    st.lists(
        st.tuples(
            st.binary(min_size=32, max_size=32),
            st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
            st.integers(1, 65_535),
        ),
        max_size=MAX_PEERS,
    ),
)
def test_addresses_have_the_one_encoding(asks: int, peers: list[tuple[bytes, bytes, int]]) -> None:
    frame = Peers(asks, tuple(PeerAddress(*peer) for peer in peers))
    assert encode_frame(frame) == encode([8, asks, peers])
