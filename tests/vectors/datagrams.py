"""Datagrams and frames: what they mean, and why they are dropped."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cbor2

from antsp2p.gossip.datagram import join_frames
from antsp2p.gossip.handshake import make_cookie, make_gone, make_hello, split_hello, this_is
from antsp2p.gossip.network_keys import NetworkKey, link_key
from antsp2p.gossip.wire import (
    ASK_ON,
    END,
    FOLLOWS,
    NO_HEAD,
    PROOF,
    RUN,
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
    Hello,
    Leaves,
    Line,
    Mark,
    Name,
    News,
    Node,
    Nodes,
    Part,
    PeerAddress,
    Peers,
    Ping,
    Pong,
    Probe,
    Prune,
    Range,
    Records,
    Secret,
    Since,
    Want,
    WantAuthors,
    WantIds,
    WantNames,
    WantProofs,
    Welcome,
    encode_frame,
    frame_name,
)
from antsp2p.records.beat import sign_beat
from antsp2p.records.encoding import MAX_UINT53
from tests.vectors import links
from tests.vectors.common import (
    NETWORK,
    OTHER_NETWORK,
    Case,
    case,
    chain,
    identity,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ME, PEER = identity("ada").author, identity("bob").author
INSTANCE, PEER_INSTANCE = b"i" * 8, b"j" * 8
SIGNATURE = bytes(range(64))
_ROOT = bytes(range(16))
_ID = bytes(range(32))
_KEY = bytes(range(0x10, 0x18))


def _fields(frame: Frame) -> dict[str, Any]:
    """A frame's fields by name; inner tuples as arrays."""
    return {name: getattr(frame, name) for name in type(frame).__dataclass_fields__}


def _valid_frames() -> Iterable[tuple[str, str, Frame]]:
    record = chain(1)[0]
    beat = sign_beat(
        identity("bob"), network=NETWORK, counter=1, head_seq=0, head=NO_HEAD, free_slots=1,
        load=0, claims=[],
    )
    four = PeerAddress(PEER, bytes((192, 0, 2, 1)), 4_747)
    six = PeerAddress(PEER, bytes.fromhex("20010db8000000000000000000000001"), 65_535)
    yield "hello", "may I talk to you? its padding is empty here", Hello(
        PEER, PEER_INSTANCE, 3, b"")
    yield "welcome", "nothing held of the caller's log", Welcome(
        PEER, SIGNATURE, PEER_INSTANCE, 0, NO_HEAD, _ROOT)
    yield "welcome, paid", "what a name costs in this network", Welcome(
        PEER, SIGNATURE, PEER_INSTANCE, 0, NO_HEAD, _ROOT, MAX_UINT53)
    yield "confirm", "three records held of the other's log", Confirm(
        PEER, SIGNATURE, PEER_INSTANCE, 3, _ID)
    yield "busy", "an IPv4 and an IPv6 address to try", Busy((four, six))
    yield "busy, no address", "nobody else is known", Busy(())
    answerer = this_is(bytes(range(32)))
    yield "busy, by name", "who answers has the host 0.0.0.0", Busy((answerer, four))
    yield "bye, leaving", "reason 0", Bye(0)
    yield "bye, a later reason", "read as other", Bye(255)
    yield "ping", "a counter, a root, the change at which it held, datagrams sent", Ping(
        1, _ROOT, 3, 9)
    yield "pong", "the counter comes back, with datagrams heard", Pong(1, _ROOT, 0, 7, 9)
    yield "peers", "where nodes were reached", Peers(0, (four,))
    yield "peers that ask", "tell me as many: nothing is known here", Peers(1, ())
    yield "advert", "a handle and its name, the highest seq, the beginning of the id", Adverts(
        (Name(0, ME),), (Advert(0, 7, _ID[:8]),))
    yield "36 adverts", "as many as there may be, of handles named before", Adverts(
        (), tuple(Advert(handle, 1, _ID[:8]) for handle in range(36)))
    yield "names alone", "the answer to want names", Adverts((Name(0, ME), Name(24, PEER)), ())
    yield "want names", "of two handles", WantNames((0, 24))
    yield "prune", "no fields", Prune()
    yield "graft", "no fields", Graft()
    yield "news", "a record that nobody asked for", News(1, 3, (Entry(0, record.wire),))
    yield "want", "two ranges, the second of one record", Want(
        1, (Range(ME, 1, 1_024), Range(PEER, 5, 5)))
    yield "want ids", "records by id", WantIds((_ID, bytes(32)))
    yield "want proofs", "against an author", WantProofs((PEER,))
    yield "records", "the last of an answer", Records(1, 1, (Entry(3, record.wire),))
    yield "no records", "the end of an answer that has nothing", Records(1, 1, ())
    yield "records unasked", "number 0", Records(0, 0, (Entry(0, record.wire),))
    yield "an old record", "the largest age", Records(
        2, 0, (Entry(MAX_UINT53, record.wire),))
    yield "beat", "embedded as bytes", BeatFrame(beat.wire)
    yield "proof part", "the first of two", Part(PROOF, PEER, _ID, 0, 0, 2, bytes(900))
    yield "run part", "the last of two, shorter", Part(RUN, PEER, _ID, 17, 1, 2, b"\x01")
    yield "since", "a run of the receiver's, and its change number", Since(PEER_INSTANCE, 17)
    yield "changes, first frame", "the next one follows by itself", Changes(
        17, 20, FOLLOWS, (Line(ME, 3, _ID[:8], 0), Line(PEER, 0, bytes(8), 1)))
    yield "changes, ask on", "from 25, since more has changed", Changes(
        20, 25, ASK_ON, (Line(PEER, 2, _ID[:8], 3),))
    yield "changes, the end", "nothing has changed since", Changes(25, 25, END, ())
    yield "probe", "of all keys", Probe(_KEY, ("",))
    yield "probe, deeper", "of several, one of them a whole key", Probe(
        _KEY, ("0", "abc", ME.hex()))
    yield "nodes", "fingerprints, marks, and nothing", Nodes(_KEY, (
        Node("a", bytes(range(48))),
        Node("abc", (Mark(_ID[:6], 7, 0), Mark(_ID[6:12], 0, 1))),
        Node("abd", ())))
    yield "want authors", "below a prefix, by their fingerprints", WantAuthors(
        _KEY, (Clue("abc", _ID[:3]), Clue("", _ID[3:6])))
    yield "leaves", "of an author", Leaves((Line(ME, 3, _ID[:8], 0),))
    yield "secret", "a new one, for the next hour", Secret(1, bytes(range(32)), 3_600_000, 0)


def _bad_frames() -> Iterable[tuple[str, str, Any, str]]:
    small = bytes(32)
    line = [PEER, 1, bytes(8), 0]
    yield "not an array", "a map", {0: 4}, "frame"
    yield "empty array", "a type at least", [], "frame"
    yield "type as text", "an integer", ["prune"], "frame"
    yield "type true", "true is not 1", [True], "frame"
    yield "bye without a reason", "one field", [5], "frame-length"
    yield "bye 256", "one byte", [5, 256], "frame-field"
    yield "ping, root of 15 bytes", "it has 16", [6, 1, bytes(15), 0, 0], "frame-field"
    yield "ping, counter -1", "0 at least", [6, -1, _ROOT, 0, 0], "frame-field"
    yield "ping, counter 2^53", "beyond what every language can hold", [6, 2**53, _ROOT, 0, 0], (
        "frame-field")
    yield "ping, counter true", "true is not 1", [6, True, _ROOT, 0, 0], "frame-field"
    yield "welcome, author of small order", "not acceptable", [
        1, small, SIGNATURE, INSTANCE, 0, NO_HEAD, _ROOT, 0], "frame-author"
    yield "welcome, author of 31 bytes", "a key has 32", [
        1, PEER[:31], SIGNATURE, INSTANCE, 0, NO_HEAD, _ROOT, 0], "frame-author"
    yield "welcome, signature of 63 bytes", "it has 64", [
        1, PEER, bytes(63), INSTANCE, 0, NO_HEAD, _ROOT, 0], "frame-field"
    yield "welcome without work", "0 where nothing is asked for", [
        1, PEER, SIGNATURE, INSTANCE, 0, NO_HEAD, _ROOT], "frame-length"
    yield "welcome, work 2^53", "a nonce is no larger", [
        1, PEER, SIGNATURE, INSTANCE, 0, NO_HEAD, _ROOT, 2**53], "frame-field"
    yield "hello, links 256", "255 stands for all above", [
        0, PEER, INSTANCE, 256, b""], "frame-field"
    yield "peers, host of 5 bytes", "4 or 16", [8, 0, [[PEER, bytes(5), 1]]], "frame-field"
    yield "peers, port 0", "nobody listens there", [8, 0, [[PEER, bytes(4), 0]]], "frame-field"
    yield "peers, port 65536", "two bytes", [8, 0, [[PEER, bytes(4), 65_536]]], "frame-field"
    yield "peers that ask twice", "it is asked for or not", [8, 2, []], "frame-field"
    yield "17 peers", "16 are the most", [8, 0, [[PEER, bytes(4), 1]] * 17], "frame-array"
    yield "adverts without names", "two arrays", [9, [[0, 1, bytes(8)]]], "frame-length"
    yield "37 adverts", "36 are the most", [9, [], [[0, 1, bytes(8)]] * 37], "frame-array"
    yield "21 names", "20 are the most", [9, [[0, PEER]] * 21, []], "frame-array"
    yield "name of a bad key", "not acceptable", [9, [[0, small]], []], "frame-author"
    yield "handle -1", "0 at least", [9, [[-1, PEER]], []], "frame-field"
    yield "advert of seq 0", "there is nothing to tell", [9, [], [[0, 0, bytes(8)]]], "frame-field"
    yield "advert with a whole id", "eight bytes", [9, [], [[0, 1, _ID]]], "frame-field"
    yield "advert of two items", "three", [9, [], [[0, 1]]], "frame-array"
    yield "prune with a field", "it has none", [21, 0], "frame-length"
    yield "graft with a field", "it has none", [22, []], "frame-length"
    yield "no news", "one at least", [23, 1, 1, []], "frame-array"
    yield "names of no handles", "one at least", [24, []], "frame-array"
    yield "want from 0", "counting begins at 1", [10, 1, [[PEER, 0, 1]]], "frame-field"
    yield "want backwards", "first above last", [10, 1, [[PEER, 2, 1]]], "frame-range"
    yield "20 ranges", "19 are the most", [10, 1, [[PEER, 1, 1]] * 20], "frame-array"
    yield "want of a bad key", "not acceptable", [10, 1, [[small, 1, 1]]], "frame-author"
    yield "31 ids", "30 are the most", [11, [_ID] * 31], "frame-array"
    yield "id of 31 bytes", "it has 32", [11, [bytes(31)]], "frame-field"
    yield "proofs of nobody", "one at least", [12, []], "frame-array"
    yield "records, last 2", "0 or 1", [13, 1, 2, []], "frame-field"
    yield "records, an empty one", "one byte at least", [13, 1, 1, [[0, b""]]], "frame-field"
    yield "records, 1,001 bytes", "1,000 are the most", [13, 1, 1, [[0, bytes(1_001)]]], (
        "frame-field")
    yield "nine records", "8 are the most", [13, 1, 1, [[0, b"\0"]] * 9], "frame-array"
    yield "beat empty", "one byte at least", [14, b""], "frame-field"
    yield "part of kind 2", "a proof or a run", [15, 2, PEER, _ID, 0, 0, 1, b"\0"], "frame-field"
    yield "part 1 of 1", "counting begins at 0", [15, 0, PEER, _ID, 0, 1, 1, b"\0"], "frame-part"
    yield "151 parts", "150 are the most", [15, 0, PEER, _ID, 0, 0, 151, b"\0"], "frame-field"
    yield "part of 901 bytes", "900 are the most", [15, 0, PEER, _ID, 0, 0, 1, bytes(901)], (
        "frame-field")
    yield "part empty", "one byte at least", [15, 0, PEER, _ID, 0, 0, 1, b""], "frame-field"
    yield "since, instance of 7 bytes", "it has 8", [16, bytes(7), 0], "frame-field"
    yield "changes backwards", "start above upto", [17, 2, 1, 0, []], "frame-range"
    yield "changes, more 3", "2 is the most", [17, 1, 2, 3, []], "frame-field"
    yield "25 lines", "24 are the most", [17, 0, 1, 0, [line] * 25], "frame-array"
    yield "line with a whole head", "eight bytes", [17, 0, 1, 0, [[PEER, 1, _ID, 0]]], (
        "frame-field")
    yield "line of a bad key", "not acceptable", [25, [[small, 1, bytes(8), 0]]], "frame-author"
    yield "line of three items", "four", [25, [line[:3]]], "frame-array"
    yield "no leaves", "one at least", [25, []], "frame-array"
    yield "probe, key of 9 bytes", "it has 8", [18, bytes(9), [""]], "frame-field"
    yield "probe of nothing", "one prefix at least", [18, _KEY, []], "frame-array"
    yield "65 prefixes", "64 are the most", [18, _KEY, ["a"] * 65], "frame-array"
    yield "prefix of 65 digits", "a key has 64", [18, _KEY, ["a" * 65]], "frame-field"
    yield "prefix in capitals", "one writing only", [18, _KEY, ["A"]], "frame-field"
    yield "prefix in bytes", "text", [18, _KEY, [b"a"]], "frame-field"
    yield "15 fingerprints", "16 of three bytes", [19, _KEY, [["", bytes(45)]]], "frame-field"
    yield "fingerprints below a whole key", "there is nothing below", [
        19, _KEY, [["a" * 64, bytes(48)]]], "frame-node"
    yield "17 marks", "16 are the most", [19, _KEY, [["", [[bytes(6), 1, 0]] * 17]]], (
        "frame-array")
    yield "mark of 5 bytes", "two fingerprints of three", [
        19, _KEY, [["", [[bytes(5), 1, 0]]]]], "frame-field"
    yield "node of a number", "bytes or an array", [19, _KEY, [["", 1]]], "frame-array"
    yield "clue of 4 bytes", "a fingerprint of three", [20, _KEY, [["", bytes(4)]]], "frame-field"


def frames() -> dict[str, list[Case]]:
    """One frame each, alone in the array that a datagram seals."""
    return {
        "valid": [
            case(name, why, frames=join_frames([encode_frame(frame)]),
                 frame=frame_name(frame), fields=_fields(frame))
            for name, why, frame in _valid_frames()
        ],
        "invalid": [
            *(case(name, why, reason=reason,
                   frames=join_frames([cbor2.dumps(value, canonical=True)]))
              for name, why, value, reason in _bad_frames()),
            *(case(name, why, reason=reason, frames=data)
              for name, why, data, reason in _bad_arrays()),
        ],
    }


def _bad_arrays() -> Iterable[tuple[str, str, bytes, str]]:
    ping = join_frames([encode_frame(Ping(1, _ROOT, 0, 1))])
    yield "nothing", "no bytes are no value", b"", "encoding"
    yield "cut off", "the last byte is missing", ping[:-1], "encoding"
    yield "a byte after", "one array, and then nothing", ping + b"\0", "not-deterministic"
    yield "frames in a map", "an array", b"\xa0", "datagram"
    yield "65 frames", "64 are the most", join_frames([encode_frame(Prune())] * 65), "datagram"
    yield "a frame with a float", "floats do not exist", b"\x81\x82\x06\xf9\x3c\x00", "value-kind"
    yield "one frame malformed", "the whole datagram goes", join_frames(
        [encode_frame(Prune()), b"\x81\x05"]), "frame-length"


# --- datagrams that come to a node without links -------------------------------------------------


def _dropped() -> Iterable[tuple[str, str, bytes, str, bytes | None]]:
    story, _, _ = links.handshake()
    hello, sealed = story["hello"], b"\x14sess" + bytes(40)
    key = link_key(NETWORK, NetworkKey(links.SECRET))
    parts = split_hello(hello)

    def again(network: bytes = NETWORK, noise: bytes = parts.noise) -> bytes:
        return make_hello(network, key, parts.caller, noise)

    yield "nothing", "no bytes", b"", "size", None
    yield "1,201 bytes", "one too many", sealed + bytes(1_201 - len(sealed)), "size", None
    yield "kind 0", "there is none", b"\x10" + sealed[1:], "datagram", None
    yield "kind 7", "streams begin so", b"\x17" + sealed[1:], "datagram", None
    yield "an array", "nothing of ours", b"\x84" + sealed[1:], "datagram", None
    yield "a hello of version 2", "a node of this network that is newer", b"\x21" + hello[1:], (
        "version"), None
    yield "a hello of version 2, another network", "nothing of ours", (
        b"\x21" + OTHER_NETWORK + hello[17:]), "datagram", None
    yield "sealed by version 2", "nothing of ours", b"\x24" + sealed[1:], "datagram", None
    yield "a short hello", "303 bytes: its answer could be larger", hello[:303], "hello-short", None
    yield "another network", "told apart from all else", again(OTHER_NETWORK), "network", None
    yield "another secret", "the key id is not known", (
        hello[:17] + bytes(4) + hello[21:]), "key", None
    yield "a guessed mac", "whoever made it does not know the secret", (
        hello[:-1] + bytes((hello[-1] ^ 1,))), "mac", None
    yield "a bit of the first message turned", "under a mac that is right", again(
        noise=parts.noise[:-1] + bytes((parts.noise[-1] ^ 1,))), "noise", None
    yield "welcome unasked", "nobody was dialled", story["welcome"], "unasked", None
    yield "confirm unasked", "nobody was welcomed", story["confirm"], "unasked", None
    yield "gone unasked", "there is no such session", make_gone(key, b"sess"), "unasked", None
    yield "cookie unasked", "nobody was dialled", make_cookie(
        key, parts.caller, bytes(16), bytes(16)), "unasked", None
    yield "no link", "answered with GONE", sealed, "unlinked", make_gone(key, b"sess")
    yield "21 bytes", "never answered, so that nothing can echo", sealed[:21], "unlinked", None


def datagrams() -> dict[str, Any]:
    """Each alone, to a node that has called nobody."""
    return {
        "me": ME.hex(), "instance": INSTANCE.hex(), "secret": links.SECRET.hex(),
        "dropped": [
            case(name, why, datagram=data, reason=reason, reply=reply)
            for name, why, data, reason, reply in _dropped()
        ],
    }
