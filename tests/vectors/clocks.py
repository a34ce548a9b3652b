"""Vector clocks of a task, and the hashes that decide or name.

The clocks are stated here by hand, and checked against the code by the test.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import content_hash
from antsp2p.coordination.capability import configuration_digest
from antsp2p.coordination.resolver import tie_break
from antsp2p.coordination.standing import recovery_digest
from antsp2p.gossip.affinity import distance
from antsp2p.records.clock import compare, join
from antsp2p.records.work import MAX_WORK_BITS
from antsp2p.runtime.home import MAX_NETWORK_NAME_BYTES, network_id
from tests.vectors.common import NETWORK, Case, case, identity
from tests.vectors.pen import Pen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from antsp2p.records.record import Record

_EIGHT, _SIXTEEN = 156, 26_669
_MISSING = b"\xee" * 32


def _seen(
    name: str, why: str, pen: Pen, task: Record,
    expected: Sequence[tuple[Record, Mapping[str, int]]],
) -> Case:
    return case(
        name, why, task=task.id, records=[record.wire for record in pen.records],
        clocks=[
            {"record": record.id,
             "clock": {identity(who).author.hex(): seq for who, seq in sorted(clock.items())}}
            for record, clock in expected
        ],
    )


def _derived() -> Iterable[Case]:
    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    yield _seen("offer and claim", "a claim names its task", pen, task,
                [(task, {}), (a, {"rita": 1})])

    pen = Pen()
    task = pen.offer()
    a, b = pen.claim("ann", task), pen.claim("bob", task)
    yield _seen("concurrent", "neither has seen the other", pen, task,
                [(a, {"rita": 1}), (b, {"rita": 1})])

    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    b = pen.claim("bob", task, a)
    c = pen.claim("cid", task, b)
    yield _seen("a chain of refs", "what is named has been seen, and what that has seen", pen, task,
                [(b, {"rita": 1, "ann": 1}), (c, {"rita": 1, "ann": 1, "bob": 1})])

    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    result = pen.result("ann", a)
    b = pen.claim("bob", task, result)
    yield _seen("a later record named", "its seq is seen, and with it all below", pen, task,
                [(result, {"rita": 1, "ann": 1}), (b, {"rita": 1, "ann": 2})])

    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    pen.note("bob", a)
    pen.note("bob")
    b = pen.claim("bob", task)
    yield _seen("named by a record of no task", "every record of the author at or below counts",
                pen, task, [(b, {"rita": 1, "ann": 1})])

    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    note = pen.note("cid", a)
    b = pen.claim("bob", task, note)
    yield _seen("through a record of no task", "the recursion enters records of the task only",
                pen, task, [(b, {"rita": 1})])

    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    b = pen.claim("bob", task)
    pen.note("bob", a)
    yield _seen("named afterwards", "records above do not count", pen, task, [(b, {"rita": 1})])

    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    pen.write("bob", 3, {0: task.id, 1: -1}, a)
    b = pen.claim("bob", task)
    yield _seen("named by a void record", "its refs count", pen, task,
                [(b, {"rita": 1, "ann": 1})])

    pen = Pen()
    task = pen.offer()
    b = pen.claim("bob", task, _MISSING)
    yield _seen("a missing target", "it contributes nothing", pen, task, [(b, {"rita": 1})])

    pen = Pen()
    task = pen.offer()
    a = pen.claim("ann", task)
    award = pen.award(a)
    lapse = pen.reopen("bob", a, award)
    b = pen.claim("bob", task, epoch=1)
    yield _seen("ids in bodies", "a body's ids are edges like refs, and own records are below",
                pen, task, [
                    (award, {"rita": 1, "ann": 1}), (lapse, {"rita": 2, "ann": 1}),
                    (b, {"rita": 2, "ann": 1, "bob": 1}),
                ])


def _orders() -> Iterable[Case]:
    one, two = (identity(who).author.hex() for who in ("ann", "bob"))
    for name, why, left, right in (
        ("both empty", "nothing has seen nothing", {}, {}),
        ("equal", "the same entries", {one: 2}, {one: 2}),
        ("before", "less in one entry", {one: 1}, {one: 2}),
        ("before, absent", "absence means 0", {one: 1}, {one: 1, two: 1}),
        ("after", "more in one entry", {one: 3, two: 1}, {one: 2, two: 1}),
        ("concurrent", "more in one, less in another", {one: 2, two: 1}, {one: 1, two: 2}),
        ("concurrent, apart", "nothing in common", {one: 1}, {two: 1}),
    ):
        left_clock, right_clock = (
            {bytes.fromhex(author): seq for author, seq in clock.items()}
            for clock in (left, right)
        )
        joined = join(left_clock, right_clock)
        yield case(
            name, why, left=left, right=right, order=compare(left_clock, right_clock).value,
            joined={author.hex(): seq for author, seq in sorted(joined.items())},
        )


def clocks() -> dict[str, list[Case]]:
    """Clocks of records, with their authors' own records of the task below; and their order."""
    return {"derived": list(_derived()), "orders": list(_orders())}


def _work() -> Iterable[tuple[str, str, bytes, bytes, int, int, bool]]:
    ann, bob = identity("ann").author, identity("bob").author
    # The nonces were found by a search from 0 on.
    yield "no bits", "where nothing is asked for, anything pays", NETWORK, ann, 0, 0, True
    yield "8 bits", "the first nonce that pays", NETWORK, ann, _EIGHT, 8, True
    yield "8 bits, the nonce before", "no other than a whole byte of zeros", NETWORK, ann, (
        _EIGHT - 1), 8, False
    yield "8 bits, another author", "a nonce pays for one author", NETWORK, bob, _EIGHT, 8, False
    yield "8 bits, another network", "and in one network", bytes(16), ann, _EIGHT, 8, False
    yield "16 bits", "the first nonce that pays", NETWORK, ann, _SIXTEEN, 16, True
    yield "17 bits", "bits count, not bytes", NETWORK, ann, _SIXTEEN, 17, False
    yield "a nonce too large", "2^53 - 1 at most", NETWORK, ann, 2**53, 1, False


def hashes() -> dict[str, list[Case]]:
    """The tie-break, hashes of content, recovery digests, work, distances, and network ids of
    names."""
    task, ann = bytes(range(32)), identity("ann").author
    ties = [
        case(name, why, task=task, epoch=epoch, author=author,
             hash=tie_break(task, epoch, author))
        for name, why, epoch, author in (
            ("epoch 0", "the first attempt", 0, ann),
            ("epoch 1", "the epoch is part of it, as eight bytes", 1, ann),
            ("epoch 2^53 - 1", "the largest", 2**53 - 1, ann),
            ("another author", "and nothing else that a claimant chooses", 0,
             identity("bob").author),
        )
    ]
    contents = [
        case(name, why, content=content, hash=content_hash(content))
        for name, why, content in (
            ("nothing", "plain SHA-256, without a domain", b""),
            ("a line", "plain SHA-256, without a domain", b"170\n"),
        )
    ]
    digests = [
        case(who, "of the key alone", recovery_key=identity(who).author,
             digest=recovery_digest(identity(who).author))
        for who in ("ann", "bob")
    ]
    configurations = [
        case(name, why, parts=[part.hex() for part in parts], digest=configuration_digest(parts))
        for name, why, parts in (
            ("no parts", "an agent of which nothing is said leaves the key out instead", ()),
            ("one part", "hashed twice, like several", (b"model-7",)),
            ("three parts", "in any order", (b"model-7", b"Be brief.", b"")),
            ("three parts, otherwise", "in any order", (b"", b"model-7", b"Be brief.")),
            ("one part twice", "each counts", (b"model-7", b"model-7")),
        )
    ]
    pairs = [
        case(f"{one} and {other}", "the lower key first, whoever asks",
             one=identity(one).author, other=identity(other).author,
             distance=distance(identity(one).author, identity(other).author).to_bytes(8, "big"))
        for one, other in (("ann", "bob"), ("bob", "ann"), ("ann", "cem"))
    ]
    names = ("local", "a", "Local", "café", "n" * MAX_NETWORK_NAME_BYTES)
    return {
        "tie_breaks": ties,
        "contents": contents,
        "recovery_digests": digests,
        "configuration_digests": configurations,
        "work": [
            case(name, why, network_id=network, author=author, nonce=nonce, bits=bits,
                 pays=pays)
            for name, why, network, author, nonce, bits, pays in _work()
        ],
        "distances": pairs,
        "network_names": [
            case(name[:16], "the bytes of the name in UTF-8 count", network_name=name,
                 network=network_id(name))
            for name in names
        ],
        "priced_network_names": [
            case(f"{name[:16]}, {bits} bits", "the price is a part of the id", network_name=name,
                 bits=bits, network=network_id(name, bits))
            for name, bits in (("local", 1), ("local", 20), ("café", MAX_WORK_BITS))
        ],
        "bad_network_names": [
            case("empty", "a name has 1 to 64 bytes", network_name=""),
            case("65 bytes", "a name has 1 to 64 bytes", network_name="n" * 65),
            case("65 bytes in 33 characters", "bytes count", network_name="é" * 32 + "n"),
        ],
    }
