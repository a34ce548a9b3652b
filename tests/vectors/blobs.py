"""Blob requests and their answers, byte by byte."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.coordination.body import MAX_BLOB_BYTES, content_hash
from antsp2p.records.encoding import encode
from antsp2p.runtime.blobs import encode_request
from tests.vectors.common import NETWORK, OTHER_NETWORK, Case, case

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTENT = b"to be or not to be\n" * 25
HASH = content_hash(CONTENT)


def framed(value: Any) -> bytes:
    """A message after its two bytes of length."""
    message = encode(value)
    return len(message).to_bytes(2, "big") + message


def _answered() -> Iterable[tuple[str, str, bytes, bytes]]:
    here = framed([1, 0, len(CONTENT)])
    yield "all of it", "size, and the bytes", encode_request(NETWORK, HASH, 0), here + CONTENT
    yield "the rest of it", "from an offset on", encode_request(NETWORK, HASH, 470), (
        here + CONTENT[470:])
    yield "from its end", "nothing is left", encode_request(NETWORK, HASH, len(CONTENT)), here
    yield "from beyond its end", "nothing is left", encode_request(
        NETWORK, HASH, MAX_BLOB_BYTES), here
    yield "another blob", "not here", encode_request(NETWORK, bytes(32), 0), framed([1, 1, 0])


def _refused() -> Iterable[tuple[str, str, bytes, str]]:
    plain = [1, NETWORK, "get", HASH, 0]

    def changed(index: int, value: Any) -> bytes:
        return framed([*plain[:index], value, *plain[index + 1 :]])

    good = framed(plain)
    yield "nothing", "the stream ends at once", b"", "cut-off"
    yield "cut off", "the stream ends too early", good[:-1], "cut-off"
    yield "more than 128 bytes", "no request for a blob is so long", (
        framed([*plain, bytes(100)])), "too-large"
    yield "length 65535", "refused before it is read", b"\xff\xff", "too-large"
    yield "length 0", "no bytes are no value", b"\x00\x00", "encoding"
    yield "not CBOR", "a break alone", b"\x00\x01\xff", "encoding"
    yield "a byte inside after", "one value, and then nothing", (
        (len(good) - 1).to_bytes(2, "big") + good[2:] + b"\0"), "not-deterministic"
    yield "a map", "an array", framed({0: 1}), "version"
    yield "version 2", "not known here", changed(0, 2), "version"
    yield "another network", "nothing is given across", changed(1, OTHER_NETWORK), "request"
    yield "put", "there is only get", changed(2, "put"), "request"
    yield "get in bytes", "a text", changed(2, b"get"), "request"
    yield "hash of 31 bytes", "it has 32", changed(3, HASH[:31]), "request"
    yield "offset -1", "0 at least", changed(4, -1), "request"
    yield "offset above 16 MiB", "no blob is that large", changed(4, MAX_BLOB_BYTES + 1), "request"
    yield "offset true", "true is not 1", changed(4, True), "request"
    yield "four items", "five", framed(plain[:4]), "request"
    yield "six items", "five", framed([*plain, 0]), "request"


def cases() -> dict[str, Any]:
    """Requests to a holder of one blob, and all that comes back before the stream ends."""
    answered: list[Case] = [
        case(name, why, request=request, answer=answer)
        for name, why, request, answer in _answered()
    ]
    return {
        "content": CONTENT.hex(), "hash": HASH.hex(),
        "answered": answered,
        "refused": [
            case(name, why, request=request, reason=reason)
            for name, why, request, reason in _refused()
        ],
    }
