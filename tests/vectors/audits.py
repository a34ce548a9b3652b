"""Audit files: what they prove, and files that prove nothing."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.records.audit import AUDIT_NAME, Audit, encode_audit, join_runs
from antsp2p.records.encoding import encode
from antsp2p.records.fork import encode_proof, make_proof
from tests.vectors.common import (
    NETWORK,
    OTHER_NETWORK,
    Case,
    case,
    chain,
    identity,
    spoiled,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from antsp2p.records.record import Record

ADA = identity("ada").author


def of(*groups: Sequence[Record], proofs: Iterable[Any] = ()) -> Audit:
    """An audit of ada with these records."""
    records = [record for group in groups for record in group]
    return Audit(NETWORK, ADA, join_runs(records), tuple(sorted(proofs, key=lambda p: p.author)))


def map_of(audit: Audit, **changed: Any) -> bytes:
    """The file with some fields replaced: `name`, `network`, `author`, `runs`, `proofs`."""
    given: dict[str, Any] = {
        "name": AUDIT_NAME, "network": audit.network, "author": audit.author,
        "runs": [[record.wire for record in run] for run in audit.runs],
        "proofs": [encode_proof(proof) for proof in audit.proofs], **changed,
    }
    return encode(dict(enumerate(given.values())))


def _good(name: str, why: str, audit: Audit) -> Case:
    return case(
        name, why, wire=encode_audit(audit), author=audit.author,
        runs=[[record.id for record in run] for run in audit.runs],
        forks=[[proof.author, proof.seq] for proof in audit.proofs],
    )


def _bad(name: str, why: str, wire: bytes, reason: str) -> Case:
    return case(name, why, wire=wire, reason=reason)


def _valid() -> Iterable[Case]:
    a, b = chain(4), chain(3, who="bob")
    other = chain(2, below=a[:2], mark=1)
    yield _good("a log", "one signature covers all", of(a))
    yield _good("nothing", "no record is better than one that is not there", of())
    yield _good("parts of others", "what is missing proves nothing", of(a[:1], [b[0]], b[2:]))
    yield _good("a gap", "the author's own log may begin late, or have gaps", of(a[1:2], a[3:]))
    yield _good(
        "an unsigned ancestor", "whom a signed one above it covers",
        of([*a[:2], spoiled(a[2]), a[3]]),
    )
    proof = make_proof(ADA, 3, (a[2],), (other[2],))
    yield _good("a fork", "with the log below it", of(a[:2], proofs=[proof]))
    yield _good(
        "records above a fork", "they cover one below, and count for nothing",
        of([a[0], spoiled(a[1]), a[2]], proofs=[proof]),
    )
    yield _good("a proof alone", "of an author of whom nothing is left", of(proofs=[
        make_proof(ADA, 1, (a[0],), (chain(1, mark=1)[0],))]))


def _invalid_shapes(a: Sequence[Record], b: Sequence[Record]) -> Iterable[Case]:
    whole = of(a[:1])
    yield _bad("empty", "no bytes", b"", "encoding")
    yield _bad("no map", "an array", encode([]), "audit")
    yield _bad("another name", "a later version", map_of(whole, name="antsp2p/2/audit"), "audit")
    yield _bad("no proofs", "a key is missing", encode({0: AUDIT_NAME, 1: NETWORK, 2: ADA, 3: []}),
               "audit")
    yield _bad("one key more", "every key is known", map_of(whole, more=1), "audit")
    yield _bad("a short network", "16 bytes", map_of(whole, network=NETWORK[:15]), "audit")
    yield _bad("a long author", "32 bytes", map_of(whole, author=ADA + b"\0"), "audit")
    yield _bad("runs as a map", "an array", map_of(whole, runs={}), "audit")
    yield _bad("an empty run", "one record at least", map_of(whole, runs=[[]]), "audit")
    yield _bad("a run of numbers", "records", map_of(whole, runs=[[1]]), "audit")
    yield _bad("a proof as an array", "a byte string", map_of(whole, proofs=[[]]), "audit")
    yield _bad("no record", "bytes that are none", map_of(whole, runs=[[b"\x80"]]), "outer")
    yield _bad("no proof", "bytes that are none", map_of(whole, proofs=[b"\x80"]), "proof")
    yield _bad("cut off", "the last byte is missing", encode_audit(whole)[:-1], "encoding")
    yield _bad("one byte more", "behind the end", encode_audit(whole) + b"\0",
               "not-deterministic")
    yield _bad(
        "a chain with a hole", "seqs must follow each other",
        map_of(whole, runs=[[a[0].wire, a[2].wire]]), "audit-chain",
    )
    yield _bad(
        "two authors in a run", "a run is of one",
        map_of(whole, runs=[[a[0].wire, b[1].wire]]), "audit-chain",
    )
    yield _bad(
        "another branch within a run", "each names the one before",
        map_of(whole, runs=[[a[0].wire, chain(2, mark=1)[1].wire]]), "audit-chain",
    )
    yield _bad(
        "runs that touch", "they are one run",
        map_of(whole, runs=[[a[0].wire], [a[1].wire]]), "audit-order",
    )
    yield _bad(
        "a run twice", "every record once",
        map_of(whole, runs=[[a[0].wire], [a[0].wire]]), "audit-order",
    )
    yield _bad(
        "runs out of order", "by author",
        map_of(whole, runs=[
            [r.wire] for r in sorted((a[0], b[0]), key=lambda r: r.author, reverse=True)]),
        "audit-order",
    )
    foreign = chain(1, network=OTHER_NETWORK)
    yield _bad(
        "a record of another network", "what it says there means nothing here",
        map_of(whole, runs=[[foreign[0].wire]]), "audit-network",
    )


def _invalid_claims() -> Iterable[Case]:
    a = chain(4)
    other = chain(2, below=a[:2], mark=1)
    lies = "well formed, and a lie"
    yield _bad("a spoiled signature", lies, map_of(of([a[0], spoiled(a[1])])),
               "audit-signature")
    one_sided = make_proof(ADA, 3, (a[2],), (spoiled(other[2]),))
    yield _bad("a proof with a spoiled side", lies, map_of(of(a[:2], proofs=[one_sided])),
               "audit-proof")
    proof = make_proof(ADA, 3, (a[2],), (other[2],))
    yield _bad(
        "a proof twice", "one for each author",
        map_of(of(a[:2]), proofs=[encode_proof(proof)] * 2), "audit-order",
    )
    foreign = chain(1, network=OTHER_NETWORK), chain(1, network=OTHER_NETWORK, mark=1)
    yield _bad(
        "a proof of another network", "nobody is convicted here",
        map_of(of(proofs=[make_proof(ADA, 1, tuple(foreign[0]), tuple(foreign[1]))])),
        "audit-network",
    )
    parted = make_proof(ADA, 4, (a[3],), (other[3],))
    yield _bad(
        "a proof that shows a lower fork", "its sides name two records below",
        map_of(of(a[:2], proofs=[parted])), "audit-fork",
    )
    yield _bad(
        "a log that the proof does not stand on", "a lower fork that nobody says",
        map_of(of(chain(2, mark=2), proofs=[proof])), "audit-fork",
    )


def cases() -> dict[str, list[Case]]:
    a, b = chain(3), chain(3, who="bob")
    return {
        "valid": list(_valid()),
        "invalid": [*_invalid_shapes(a, b), *_invalid_claims()],
    }
