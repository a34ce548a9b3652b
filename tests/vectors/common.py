"""What the vectors share: fixed keys, one network, raw records, and a way to write values down."""
from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from antsp2p.records import keys
from antsp2p.records.keys import Identity
from antsp2p.records.record import NO_PREV, SIGNATURE_DOMAIN, Record, parse_record, sign_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NETWORK = bytes(range(16))
OTHER_NETWORK = bytes(range(16, 32))

Case = dict[str, Any]
"""One behaviour: `name`, one line of `why`, the input and what is expected of it."""


@cache
def identity(name: str) -> Identity:
    """The key whose seed is the SHA-256 of the name."""
    return Identity.from_seed(hashlib.sha256(name.encode()).digest())


@cache
def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Real verification; the same question is asked often."""
    return keys.verify(public_key, signature, message)


def case(name: str, why: str, **rest: Any) -> Case:
    """A case; bytes are written in hex."""
    return {"name": name, "why": why, **{key: written(value) for key, value in rest.items()}}


def written(value: Any) -> Any:
    """A value as JSON holds it: bytes as hex digits."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    return value


def diagnostic(value: Any) -> str:
    """The diagnostic notation of a value (RFC 8949, section 8)."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int():
            return str(value)
        case bytes():
            return f"h'{value.hex()}'"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list():
            return "[" + ", ".join(diagnostic(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(
                f"{key}: {diagnostic(item)}" for key, item in value.items()) + "}"
    raise TypeError(type(value))


def outer(payload: bytes, signature: bytes) -> bytes:
    """CBOR `[payload, signature]`, whatever is in them."""
    return b"\x82" + byte_string(payload) + byte_string(signature)


def byte_string(data: bytes) -> bytes:
    """A CBOR byte string of up to 65,535 bytes."""
    size = len(data)
    if size < 24:
        return bytes((0x40 + size,)) + data
    return (bytes((0x58, size)) if size < 256 else b"\x59" + size.to_bytes(2, "big")) + data


def signed(who: str, payload: bytes, domain: bytes = SIGNATURE_DOMAIN) -> bytes:
    """`payload` under a good signature, whether or not it is a good payload."""
    return outer(payload, identity(who).sign(domain + payload))


def chain(
    count: int, *, who: str = "ada", below: Sequence[Record] = (), mark: int = 0,
    network: bytes = NETWORK,
) -> list[Record]:
    """`below` and `count` more records on top; another `mark` makes another branch."""
    records = list(below)
    for _ in range(count):
        records.append(sign_record(
            identity(who), network=network, seq=len(records) + 1,
            prev=records[-1].id if records else NO_PREV, type=1, body={}, claimed_ms=mark,
        ))
    return records


def spoiled(record: Record) -> Record:
    """The same record by id, with a signature that does not verify."""
    return parse_record(record.wire[:-1] + bytes((record.wire[-1] ^ 1,)))


def names_of(records: Iterable[Record], table: Mapping[str, Record]) -> list[str]:
    """The names that `table` gives to the records; another signature is another name."""
    by_wire = {record.wire: name for name, record in table.items()}
    return [by_wire[record.wire] for record in records]
