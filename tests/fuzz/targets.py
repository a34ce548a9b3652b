"""The readers of strangers' bytes, each with what must hold whatever it is given.

A target is a function of bytes. It returns whether they were accepted, lets `Malformed` be
`Malformed`, and anything else that is raised is a fault.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from antsp2p.coordination.body import parse_body
from antsp2p.gossip.admission import MAX_ADMISSION_BYTES, encode_answer, parse_answer
from antsp2p.gossip.bulk_wire import parse_chunk, parse_request
from antsp2p.gossip.join_code import NotACode, read_code
from antsp2p.gossip.wire import encode_frame, parse_frame
from antsp2p.records.beat import parse_beat
from antsp2p.records.encoding import Malformed, decode, encode
from antsp2p.records.fork import encode_proof, parse_proof, verify_proof
from antsp2p.records.keys import verify
from antsp2p.records.record import parse_any_record, parse_record
from tests.fuzz.corpus import seeds

if TYPE_CHECKING:
    from collections.abc import Callable

    from antsp2p.records.record import Parse, Record

MAX_VALUE_BYTES: Final = 4_096
NETWORK: Final = bytes(range(16))
_READ: Final = (
    "id", "network", "author", "seq", "refs", "type", "prev", "body", "claimed_ms", "signature",
)


@dataclass(frozen=True, slots=True)
class Target:
    """One reader. `vectors`: the files that its seeds come from."""

    name: str
    read: Callable[[bytes], bool]
    vectors: tuple[str, ...]

    def accepts(self, data: bytes) -> bool:
        """Whether the reader accepts the bytes. Raises only on a fault of the reader."""
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


def _frame(data: bytes) -> bool:
    frame = parse_frame(decode(data, MAX_VALUE_BYTES))
    if frame is None:
        return False
    assert encode_frame(frame) == data, "a frame is written as it was read"
    return True


def _request(data: bytes) -> bool:
    value = decode(data, MAX_VALUE_BYTES)
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


TARGETS: Final = {
    target.name: target
    for target in (
        Target("encoding", _encoding, ("encoding", "records", "frames")),
        Target("record", _record, ("records", "bodies")),
        Target("beat", _beat, ("beats",)),
        Target("proof", _proof, ("proofs",)),
        Target("frame", _frame, ("frames",)),
        Target("bulk-request", _request, ("bulk",)),
        Target("bulk-chunk", _chunk, ("bulk",)),
        Target("admission", _admission, ("admission",)),
        Target("join-code", _code, ("keys",)),
    )
}
