"""Audit files prove themselves, or prove nothing; the vectors say which is which."""
from __future__ import annotations

from random import Random

import pytest

from antsp2p.records import audit as module
from antsp2p.records.audit import Audit, check_audit, encode_audit, join_runs, parse_audit
from antsp2p.records.encoding import Malformed
from antsp2p.records.fork import MAX_UNSIGNED, make_proof
from antsp2p.records.keys import verify
from tests.records.chains import NETWORK, chain, extend, identity, spoiled

ADA = identity("ada").author


def a_file() -> bytes:
    log, other = chain(4), extend(chain(2), 1, mark=1)
    proof = make_proof(ADA, 3, (log[2],), (other[2],))
    bob = chain(3, name="bob")
    return encode_audit(Audit(
        NETWORK, ADA, join_runs([*log[:2], bob[0], bob[2]]), (proof,),
    ))


def test_records_become_runs_in_order_whatever_theirs() -> None:
    records = [*chain(5), *chain(6, name="bob")[3:], chain(8, name="bob")[7]]
    runs = join_runs(records)
    assert [(run[0].author, run[0].seq, run[-1].seq) for run in runs] == sorted(
        [(ADA, 1, 5), (identity("bob").author, 4, 6), (identity("bob").author, 8, 8)])
    shuffled = [*records, *records]
    Random(1).shuffle(shuffled)
    assert join_runs(shuffled) == runs


def test_a_file_says_where_a_log_forks_and_which_runs_are_whose() -> None:
    audit = parse_audit(a_file())
    assert audit.fork_seq(ADA) == 3
    assert audit.fork_seq(identity("bob").author) == 0
    assert [run[-1].seq for run in audit.of(identity("bob").author)] == [1, 3]
    assert [record.seq for record in audit.records() if record.author == ADA] == [1, 2]


def test_no_more_signatures_are_checked_than_needed() -> None:
    long = chain(3 * (MAX_UNSIGNED + 1))
    assert check_audit(Audit(NETWORK, ADA, (long,)), verify) == 3
    covered = (*map(spoiled, long[:MAX_UNSIGNED]), long[MAX_UNSIGNED])
    assert check_audit(Audit(NETWORK, ADA, (covered,)), verify) == 1
    uncovered = (*map(spoiled, long[: MAX_UNSIGNED + 1]), long[MAX_UNSIGNED + 1])
    with pytest.raises(Malformed, match="audit-signature"):
        check_audit(Audit(NETWORK, ADA, (uncovered,)), verify)


def test_whatever_the_bytes_a_file_is_whole_or_malformed() -> None:
    whole = a_file()
    draws = Random(7)
    said = [record.id for record in parse_audit(whole).records()]
    of_another = 0
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << draws.randrange(8)
        try:
            audit = parse_audit(bytes(changed))
            check_audit(audit, verify)
        except Malformed:
            continue
        # The name of whom it is about, which nothing then counts for, and the signatures of
        # ancestors: what was said cannot be changed.
        assert [record.id for record in audit.records()] == said
        of_another += audit.author != ADA
    assert of_another == len(ADA)


def test_a_file_that_is_cut_off_is_malformed() -> None:
    whole = a_file()
    for end in range(len(whole)):
        with pytest.raises(Malformed):
            parse_audit(whole[:end])


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = a_file()
    monkeypatch.setattr(module, "MAX_AUDIT_BYTES", len(whole) - 1)
    with pytest.raises(Malformed, match="too-large"):
        parse_audit(whole)
