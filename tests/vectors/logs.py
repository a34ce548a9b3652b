"""Logs: what is in the set after each offer, forks, proofs, digests."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.records.encoding import encode
from antsp2p.records.fork import (
    MAX_BRANCH_RECORDS,
    ForkProof,
    encode_proof,
    make_proof,
    verify_proof,
)
from antsp2p.records.log import Insertion, LogSet
from tests.vectors.common import (
    NETWORK,
    OTHER_NETWORK,
    Case,
    case,
    chain,
    names_of,
    spoiled,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from antsp2p.records.record import Record

Step = list[str] | ForkProof
"""Names of records offered as one run, or a proof."""


def told(insertion: Insertion, table: Mapping[str, Record]) -> dict[str, Any]:
    """What a step changed, as the vectors tell it."""
    proof, missing, sibling = insertion.convicted, insertion.missing, insertion.sibling
    return {
        "added": names_of(insertion.added, table),
        "removed": names_of(insertion.removed, table),
        "convicted_seq": 0 if proof is None else proof.seq,
        "proof_id": None if proof is None else proof.id,
        "missing": None if missing is None else [missing.first, missing.last],
        "sibling": sibling,
        "duplicates": insertion.duplicates,
        "refused": insertion.refused,
    }


def _story(name: str, why: str, table: Mapping[str, Record], steps: Iterable[Step]) -> Case:
    logs, lines, used = LogSet(NETWORK, verify), [], set[str]()
    for step in steps:
        if isinstance(step, ForkProof):
            change = logs.convict(step)
            lines.append({"proof": encode_proof(step), **told(change, table)})
        else:
            change = logs.insert([table[label] for label in step])
            used.update(step)
            lines.append({"run": list(step), **told(change, table)})
    return case(
        name, why, steps=lines,
        records={label: record.wire for label, record in table.items() if label in used},
        set=names_of(logs.records(), table), leaves=[leaf.wire for leaf in logs.leaves()],
        root=logs.root(),
    )


def _named(prefix: str, records: Sequence[Record], first: int = 1) -> dict[str, Record]:
    return {f"{prefix}{number}": record for number, record in enumerate(records, first)}


def _plain_stories() -> Iterable[Case]:
    a = _named("a", chain(5))
    b = _named("b", chain(1, who="bob"))
    yield _story("nothing", "an empty set has a root too", {}, [])
    yield _story("a run", "one signature covers all", a, [["a1", "a2", "a3"]])
    yield _story("one by one", "the same set, and so the same root", a, [["a1"], ["a2"], ["a3"]])
    yield _story("again", "a duplicate changes nothing", a, [["a1", "a2"], ["a1", "a2"]])
    yield _story("two authors", "a leaf each", {**a, **b}, [["a1", "a2"], ["b1"]])
    yield _story("a gap", "what stands above it waits, outside the digest", a, [["a1"], ["a4"]])
    yield _story("the gap closes", "what waited joins", a, [["a1"], ["a4"], ["a2", "a3"]])
    yield _story("overlap", "only what is new is added", a, [["a1", "a2"], ["a2", "a3", "a4"]])
    yield _story("from the middle", "nothing is in the set without its first record", a,
                 [["a3", "a4"]])
    yield _story("not a run", "a record is missing between", a, [["a1", "a3"]])
    yield _story("backwards", "runs ascend", a, [["a2", "a1"]])
    yield _story("two authors in one run", "a run has one", {**a, **b}, [["a1", "b1"]])
    yield _story("another network", "carried here from elsewhere",
                 _named("x", chain(1, network=OTHER_NETWORK)), [["x1"]])


def _signature_stories() -> Iterable[Case]:
    a = chain(3)
    bad = {f"bad{number}": spoiled(record) for number, record in enumerate(a, 1)}
    good = _named("a", a)
    both = {**good, **bad}
    yield _story("wrong signature alone", "not signed, and nobody vouches for it", bad, [["bad1"]])
    yield _story("ancestor with a wrong signature", "valid as an ancestor, and no offence", both,
                 [["bad1", "bad2", "a3"]])
    yield _story("wrong signature at the top", "the last record covers all, or nothing", both,
                 [["a1", "a2", "bad3"]])
    yield _story("a good signature comes later", "it takes the bad one's place", both,
                 [["bad1", "a2"], ["a1"]])
    yield _story("a bad signature comes later", "it never takes a good one's place", both,
                 [["a1", "a2"], ["bad1"]])
    yield _story("below what waits", "named as prev by a valid record", both,
                 [["a1"], ["a3"], ["bad2"]])
    yield _story("an unsigned ancestor again", "a duplicate is no offence, signed or not", both,
                 [["bad1", "a2"], ["bad1"]])
    six = {
        label: record for number, record in enumerate(chain(6), 1)
        for label, record in ((f"a{number}", record), (f"bad{number}", spoiled(record)))
    }
    yield _story("up to one that waits unsigned", "what covers it covers what leads to it", six,
                 [["bad5", "a6"], ["a3", "bad4", "bad5"], ["bad1", "bad2"]])
    long = chain(MAX_BRANCH_RECORDS + 1)
    stretch = [*(spoiled(record) for record in long[:-1]), long[-1]]
    table = {"bad": stretch[0], "good": long[0], **_named("s", stretch[1:])}
    names = [f"s{number}" for number in range(1, MAX_BRANCH_RECORDS + 1)]
    yield _story("unsigned in a row", "65 are one too many, for a fork among them could not be "
                 "shown; 64 are not", table, [["bad", *names], ["good", *names]])


def _fork_stories() -> Iterable[Case]:
    a = chain(5)
    b = chain(3, below=a[:2], mark=1)
    c = chain(2, mark=2)
    good = {**_named("a", a), **_named("b", b[2:], 3), **_named("c", c)}
    yield _story("a fork at the head", "two signed records at one place", good,
                 [["a1", "a2", "a3"], ["b3"]])
    yield _story("a fork below the head", "all above it leave the set", good,
                 [["a1", "a2", "a3", "a4", "a5"], ["b3"]])
    yield _story("the other way round", "the same leaves and the same proof", good,
                 [["a1", "a2", "b3"], ["a3", "a4", "a5"]])
    yield _story("seen one above", "the record above the head names another prev", good,
                 [["a1", "a2", "a3"], ["b4"]])
    yield _story("the sibling comes", "then the proof is lowest", good,
                 [["a1", "a2", "a3"], ["b4"], ["b3"]])
    yield _story("a lower fork", "the conviction falls, and never rises", good,
                 [["a1", "a2", "a3"], ["b3"], ["c1"]])
    yield _story("more of a convicted log", "refused without a signature check", good,
                 [["a1", "a2", "a3"], ["b3"], ["a3", "a4"]])
    yield _story("below the fork", "taken as before", good,
                 [make_proof(a[0].author, 3, (a[2],), (b[2],)), ["a1", "a2"]])
    yield _story("across the fork", "what is above covers what is below, and is not taken", good,
                 [make_proof(a[0].author, 3, (a[2],), (b[2],)), ["a1", "a2", "a3", "a4"]])
    yield _story("across the fork, nothing new below", "it is no refusal", good,
                 [["a1", "a2", "a3"], ["b3"], ["a1", "a2", "a3", "a4"]])
    yield _story("a proof with a wrong signature", "it changes nothing", good,
                 [["a1"], make_proof(a[0].author, 3, (a[2],), (spoiled(b[2]),))])
    yield _story("a proof for a log that is held", "what it forbids leaves the set", good,
                 [["a1", "a2", "a3", "a4"], make_proof(a[0].author, 3, (a[2],), (b[2],))])
    yield _story("the same proof again", "nothing new, and no signature check", good, [
        make_proof(a[0].author, 3, (a[2],), (b[2],)), make_proof(a[0].author, 3, (b[2],), (a[2],)),
    ])
    bad = spoiled(b[2])
    unsigned = {**_named("a", a), "bad3": bad, "b4": b[3]}
    yield _story("a fork by an unsigned record", "nothing signed covers it", unsigned,
                 [["a1", "a2", "a3"], ["bad3"]])
    yield _story("a fork by an unsigned ancestor", "its signed top covers it: two branches",
                 unsigned, [["a1", "a2", "a3"], ["bad3", "b4"]])


def stories() -> dict[str, list[Case]]:
    """Offers of runs and proofs, and what each changed."""
    return {"cases": [*_plain_stories(), *_signature_stories(), *_fork_stories()]}


# --- proofs --------------------------------------------------------------------------------------


def _proofs() -> Iterable[tuple[str, str, ForkProof]]:
    a = chain(5)
    b = chain(2, below=a[:2], mark=1)
    author = a[0].author
    yield "two records", "the shortest proof", make_proof(author, 3, (a[2],), (b[2],))
    yield "at seq 1", "two first records", make_proof(
        author, 1, (a[0],), (chain(1, mark=2)[0],))
    yield "two branches", "unsigned below, signed on top", make_proof(
        author, 3, (spoiled(a[2]), a[3]), (spoiled(b[2]), b[3]))
    yield "seen one above", "one side is known by its id alone", make_proof(
        author, 3, (a[2],), (b[3],))
    yield "both one above", "two ids, and neither record", make_proof(
        author, 3, (a[3],), (b[3],))
    yield "not lowest", "the prevs differ: a fork stands below", make_proof(
        author, 4, (a[3],), (b[3],))
    yield "a wrong signature", "well formed, but it convicts nobody", make_proof(
        author, 3, (a[2],), (spoiled(b[2]),))
    yield "another network", "it convicts nobody here", make_proof(
        author, 1, *((record,) for record in (
            *chain(1, network=OTHER_NETWORK), *chain(1, mark=1, network=OTHER_NETWORK))))
    yield "a long branch", "65 records are the most on a side", make_proof(
        author, 2, tuple(chain(MAX_BRANCH_RECORDS, below=a[:1], mark=3)[1:]), (a[1],))


def _bad_proofs() -> Iterable[tuple[str, str, bytes, str]]:
    a = chain(5)
    b = chain(2, below=a[:2], mark=1)
    left, right = (record.wire for record in sorted((a[2], b[2]), key=lambda r: r.id))
    other = chain(3, who="bob")[2].wire
    foreign = chain(3, network=OTHER_NETWORK)[2].wire
    good = encode([3, [left], [right]])
    yield "nothing", "no bytes", b"", "encoding"
    yield "a byte after", "one proof, and then nothing", good + b"\0", "not-deterministic"
    yield "two items", "seq and two branches", encode([3, [left]]), "proof"
    yield "sides exchanged", "the lower id is on the left", encode([3, [right], [left]]), "proof"
    yield "one record twice", "two ids are needed", encode([3, [left], [left]]), "proof"
    yield "seq 0", "counting begins at 1", encode([0, [left], [right]]), "proof"
    begin = "branches begin at seq or one above"
    yield "seq too low", begin, encode([1, [left], [right]]), "proof"
    yield "seq too high", begin, encode([4, [left], [right]]), "proof"
    yield "seq as text", "an integer", encode(["3", [left], [right]]), "proof"
    yield "empty branch", "at least one record", encode([3, [], [right]]), "proof"
    yield "a branch with a hole", "consecutive records", encode(
        [3, [a[2].wire, a[4].wire], [b[2].wire]]), "proof"
    yield "another author", "both branches are of one", encode([3, [left], [other]]), "proof"
    yield "another network", "both branches are of one", encode([3, [left], [foreign]]), "proof"
    yield "a record that is none", "its own reason", encode([3, [left], [right[:-1]]]), "outer"
    yield "a record not embedded", "byte strings", encode([3, [left], [[right]]]), "proof"
    long = chain(66, below=a[:1], mark=3)[1:]
    yield "66 records", "65 are the most", encode(
        [2, [record.wire for record in long], [a[1].wire]]), "proof"


def proofs() -> dict[str, list[Case]]:
    """Proofs of forks, and bytes that are none."""
    return {
        "valid": [
            case(
                name, why, wire=encode_proof(proof), author=proof.author, seq=proof.seq,
                id=proof.id, convicts=verify_proof(proof, NETWORK, verify),
                lowest=proof.is_lowest, unknown=proof.unknown,
            )
            for name, why, proof in _proofs()
        ],
        "invalid": [
            case(name, why, wire=wire, reason=reason) for name, why, wire, reason in _bad_proofs()
        ],
    }
