"""The readers of strangers' bytes, each with what must hold whatever it is given.

A target is a function of bytes. It returns whether they were accepted, lets `Malformed` be
`Malformed`, and anything else that is raised is a fault. A node is a target as well: its state
goes from one input to the next, so each run makes its own.
"""
from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.audit import judge
from antsp2p.coordination.body import parse_body
from antsp2p.gossip.admission import MAX_ADMISSION_BYTES, encode_answer, parse_answer
from antsp2p.gossip.bulk_wire import parse_chunk, parse_request
from antsp2p.gossip.datagram import (
    CONFIRM,
    COOKIE,
    HELLO,
    WELCOME,
    join_frames,
    kind_of,
    split_frames,
)
from antsp2p.gossip.handshake import (
    HelloParts,
    answer_of,
    payload_of,
    split_confirm,
    split_cookie,
    split_hello,
    split_welcome,
)
from antsp2p.gossip.join_code import NotACode, read_code
from antsp2p.gossip.limits import DEFAULT_LIMITS, Limits
from antsp2p.gossip.network_keys import KeyRing, NetworkKey
from antsp2p.gossip.protection import protect
from antsp2p.gossip.session import Session
from antsp2p.gossip.stream_cipher import LENGTH_BYTES, Channel, StreamAnswerer
from antsp2p.gossip.suite import NOISE
from antsp2p.gossip.wire import Confirm, Hello, encode_frame
from antsp2p.records.audit import check_audit, encode_audit, parse_audit
from antsp2p.records.beat import parse_beat
from antsp2p.records.encoding import Malformed, decode, encode
from antsp2p.records.fork import encode_proof, parse_proof, verify_proof
from antsp2p.records.keys import Identity, verify
from antsp2p.records.record import parse_any_record, parse_record
from tests.fuzz.bounds import check_bounds
from tests.fuzz.corpus import seeds
from tests.fuzz.hoard import NETWORK
from tests.fuzz.rig import SECRET, Members, Outsiders, Rig

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.records.record import Parse, Record

MAX_VALUE_BYTES: Final = 4_096
BOUNDS_EVERY: Final = 16_384
"""Inputs to a node between two looks at all its tables, each of which costs 50 ms."""
_READ: Final = (
    "id", "network", "author", "seq", "refs", "type", "prev", "body", "claimed_ms", "signature",
)


@dataclass(frozen=True, slots=True)
class Target:
    """One reader. `vectors`: the files that its seeds come from; `choice`: random bytes that stand
    before each, and choose what is done with it; `rig`: what `read` belongs to, if to anything."""

    name: str
    read: Callable[[bytes], bool]
    vectors: tuple[str, ...]
    choice: int = 0
    rig: Rig | None = None

    def accepts(self, data: bytes) -> bool:
        """Whether the reader accepts the bytes. Raises only on a fault of the reader."""
        if self.rig is not None:
            return self.read(data)  # Out of a node not even `Malformed` may come.
        try:
            return self.read(data)
        except Malformed as malformed:
            if not malformed.reason:
                raise AssertionError("a refusal has a reason") from malformed
            return False

    def seeds(self) -> tuple[bytes, ...]:
        return seeds(*self.vectors)


def _encoding(data: bytes) -> bool:
    assert encode(decode(data, MAX_VALUE_BYTES)) == data, "one value, one encoding"
    return True


def _record(data: bytes) -> bool:
    record, plain = _parsed(parse_record, data), _parsed(parse_any_record, data)
    if record is None or plain is None:
        assert record is plain, "the short cut accepts what the long way accepts"
        return False
    assert all(
        getattr(record, name) == getattr(plain, name) for name in _READ
    ), "the short cut reads what the long way reads"
    assert record.wire == data
    body = parse_body(record)
    assert body is None or body == parse_body(record)
    return True


def _parsed(parse: Parse, data: bytes) -> Record | None:
    try:
        return parse(data)
    except Malformed:
        return None


def _beat(data: bytes) -> bool:
    beat = parse_beat(data)
    assert beat.wire == data
    return True


def _proof(data: bytes) -> bool:
    proof = parse_proof(data)
    verify_proof(proof, NETWORK, verify)
    assert encode_proof(proof) == data
    return True


def _audit(data: bytes) -> bool:
    audit = parse_audit(data)
    assert encode_audit(audit) == data
    check_audit(audit, verify)
    judge(audit)
    return True


def _frame(data: bytes) -> bool:
    frames, unknown = split_frames(data)
    if unknown:
        return False
    written = join_frames([encode_frame(frame) for frame in frames])
    assert written == data, "frames are written as they were read"
    return True


def _request(data: bytes) -> bool:
    value = decode(data[LENGTH_BYTES:], MAX_VALUE_BYTES)
    if type(value) is not list:
        return False
    return bool(parse_request(value, NETWORK))


def _chunk(data: bytes) -> bool:
    parse_chunk(data)
    return True


def _code(data: bytes) -> bool:
    try:
        code = read_code(data.decode("latin-1"))
    except NotACode:
        return False
    assert read_code(code.text) == code
    return True


def _admission(data: bytes) -> bool:
    value = decode(data, MAX_ADMISSION_BYTES)
    if type(value) is not list:
        return False
    answer = parse_answer(value)
    assert encode_answer(answer) == data
    return True


def _handshake(data: bytes) -> bool:
    match kind_of(data, NETWORK):
        case kind if kind == HELLO:
            parts: HelloParts = split_hello(data)
            assert parts.network + parts.key_id + parts.caller + parts.noise in data
        case kind if kind == WELCOME:
            split_welcome(data)
        case kind if kind == CONFIRM:
            split_confirm(data)
        case kind if kind == COOKIE:
            split_cookie(data)
        case _:
            return False
    return True


def _payload(data: bytes) -> bool:
    """What stands in the messages of a handshake, as vectors have it: frames in an array."""
    opened = data[1:]
    for read in (lambda: payload_of(opened, Hello), lambda: payload_of(opened, Confirm),
                 lambda: answer_of(opened)):
        with suppress(Malformed):
            assert encode_frame(read()) == opened
            return True
    return False


def _stream_first(data: bytes) -> bool:
    answerer = StreamAnswerer(_PROTECTION, verify)
    return bool(answerer.first(data[LENGTH_BYTES:]))


class _Agreed:
    """An agreement on two keys of the vectors."""

    def split(self) -> tuple[bytes, bytes]:
        return _KEYS


def _stream_chunk(data: bytes) -> bool:
    channel = Channel(NOISE, _Agreed(), bytes(32))  # type: ignore[arg-type]
    channel.open(data[LENGTH_BYTES:])
    return True


def _sealed(data: bytes) -> bool:
    if not data:
        return False
    session = Session(
        NOISE, _KEYS, id_in=data[1:5], id_out=bytes(4), now_us=0, limits=DEFAULT_LIMITS
    )
    session.open(data, 0)
    return True


_KEYS: Final = (
    bytes.fromhex("dd9575d915c3bf2d7f9fd81676875437ddeba69ef8a6cdd055aa85dcbe79bd1c"),
    bytes.fromhex("5e94747db522d715860d42cb3133bfc28928bebda462a913964b0bc99051701b"),
)
_PROTECTION: Final = protect(
    Identity.from_seed(bytes(32)), NETWORK, KeyRing(NETWORK, [NetworkKey(SECRET)]),
    Random("fuzz").randbytes,
)


def _node(
    name: str, make: Callable[[Limits], Rig], vectors: tuple[str, ...], limits: Limits
) -> Target:
    """A node that handles one input after the other, with all its tables looked at now and then."""
    rig = make(limits)
    inputs = 0

    def read(data: bytes) -> bool:
        nonlocal inputs
        inputs += 1
        is_answered = rig.input(data)
        if inputs % BOUNDS_EVERY == 0:
            check_bounds(rig.node)
        return is_answered

    return Target(name, read, vectors, choice=2, rig=rig)


def node_member(limits: Limits = DEFAULT_LIMITS) -> Target:
    """A new node and the members that attack it."""
    return _node("node-member", Members, ("frames", "records", "beats", "bulk"), limits)


def node_outsider(limits: Limits = DEFAULT_LIMITS) -> Target:
    """A new node and the strangers that attack it."""
    return _node("node-outsider", Outsiders, ("datagrams", "links", "frames"), limits)


NODES: Final = {"node-member": node_member, "node-outsider": node_outsider}
TARGETS: Final = {
    target.name: target
    for target in (
        Target("encoding", _encoding, ("encoding", "records", "frames")),
        Target("record", _record, ("records", "bodies")),
        Target("beat", _beat, ("beats",)),
        Target("proof", _proof, ("proofs",)),
        Target("audit", _audit, ("audits",)),
        Target("frame", _frame, ("frames",)),
        Target("bulk-request", _request, ("bulk",)),
        Target("bulk-chunk", _chunk, ("bulk",)),
        Target("admission", _admission, ("admission",)),
        Target("join-code", _code, ("admission",)),
        Target("handshake", _handshake, ("links", "datagrams")),
        Target("payload", _payload, ("frames",)),
        Target("stream-first", _stream_first, ("links",)),
        Target("stream-chunk", _stream_chunk, ("links",)),
        Target("sealed", _sealed, ("links",)),
    )
}
