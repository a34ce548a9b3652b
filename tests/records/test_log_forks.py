"""Forks in a log set: found in any order of arrival, proven, and cut at the lowest."""
from __future__ import annotations

from dataclasses import replace

import pytest

from antsp2p.records import log as log_module
from antsp2p.records.fork import MAX_UNSIGNED, make_proof
from antsp2p.records.log import ForkProof, Head, Insertion, Leaf, LogSet, Missing
from antsp2p.records.record import NO_PREV
from tests.records.chains import (
    NETWORK,
    CountingVerify,
    chain,
    extend,
    identity,
    log_set,
    spoiled,
    unsigned,
)
from tests.records.test_log import strangers_root

AUTHOR = identity().author
TRUNK = chain(3)
X = chain(8)
Y = tuple(extend(TRUNK, 5, mark=1))
"""`X` and `Y` part at seq 4."""
LOWEST = make_proof(AUTHOR, 4, (X[3],), (Y[3],))
BELOW = Leaf(AUTHOR, 3, TRUNK[-1].id, 4)


def shape(proof: ForkProof | None) -> tuple[int, list[list[int]]]:
    """The seq of a proof, and the seqs of its branches, X's first."""
    assert proof is not None
    branches = [proof.left, proof.right]
    branches.sort(key=lambda branch: branch[-1].claimed_ms)
    return proof.seq, [[record.seq for record in branch] for branch in branches]


def test_another_record_at_the_same_seq_is_a_fork() -> None:
    logs = log_set()
    logs.insert(X[:6])
    outcome = logs.insert(Y[:4])
    assert outcome == Insertion(removed=X[3:6], convicted=logs.proof(AUTHOR), duplicates=3)
    assert outcome.convicted is not None
    assert outcome.convicted.id == LOWEST.id
    assert shape(outcome.convicted) == (4, [[4], [4]])
    assert outcome.convicted.is_lowest
    assert logs.leaf(AUTHOR) == BELOW
    assert tuple(logs.records()) == TRUNK
    assert logs.proofs() == (outcome.convicted,)
    assert logs.root() == strangers_root(logs)


def test_another_prev_above_the_head_is_a_fork_at_the_head() -> None:
    logs = log_set()
    logs.insert(X[:5])
    outcome = logs.insert([Y[5]])
    assert shape(outcome.convicted) == (5, [[5], [6]])
    assert outcome.sibling == Y[4].id
    assert logs.head(AUTHOR) == Head(4, X[3].id)
    outcome = logs.insert([Y[4]])
    assert shape(outcome.convicted) == (4, [[4], [5]])
    assert outcome.sibling == Y[3].id
    outcome = logs.insert([Y[3]])
    assert outcome.convicted is not None
    assert outcome.convicted.id == LOWEST.id
    assert outcome.sibling is None
    assert logs.leaf(AUTHOR) == BELOW


def test_a_fork_above_a_gap_is_a_fork() -> None:
    logs = log_set()
    assert logs.insert([X[6]]).missing == Missing(AUTHOR, 1, 6)
    outcome = logs.insert([Y[6]])
    assert shape(outcome.convicted) == (6, [[7], [7]])
    assert outcome.missing == Missing(AUTHOR, 1, 5)
    assert outcome.sibling in (X[5].id, Y[5].id)
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 0, NO_PREV, 6)


def test_a_run_that_becomes_contiguous_may_turn_out_a_fork() -> None:
    logs = log_set()
    logs.insert(X[:2])
    assert logs.insert(Y[6:]).missing == Missing(AUTHOR, 3, 6)
    outcome = logs.insert(X[2:6])
    assert outcome.added == (X[2], X[3], X[4])
    assert shape(outcome.convicted) == (6, [[6], [7]])
    assert outcome.sibling == Y[5].id
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 5, X[4].id, 6)


def test_a_run_from_the_sibling_down_proves_the_lowest_at_once() -> None:
    logs = log_set()
    logs.insert(X)
    assert logs.insert([Y[7]]).sibling == Y[6].id
    outcome = logs.insert([spoiled(record) for record in Y[2:7]])
    assert outcome.convicted is not None
    assert outcome.convicted.id == LOWEST.id
    assert shape(outcome.convicted) == (4, [[4], [4, 5, 6, 7, 8]])


def test_two_first_records_are_a_fork_at_one() -> None:
    logs = log_set()
    logs.insert(X[:2])
    outcome = logs.insert(chain(2, mark=1))
    assert outcome.removed == X[:2]
    assert outcome.convicted is not None
    assert outcome.convicted.is_lowest
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 0, NO_PREV, 1)
    assert logs.head(AUTHOR) is None
    assert logs.authors() == (AUTHOR,)


def test_signing_again_is_never_a_fork() -> None:
    logs = log_set()
    logs.insert(X)
    for record in X:
        logs.insert([spoiled(record)])
        logs.insert([record])
    logs.insert(unsigned(X))
    assert logs.proof(AUTHOR) is None
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 8, X[7].id, 0)


def test_an_unsigned_record_is_no_evidence() -> None:
    logs = log_set()
    logs.insert(X[:6])
    assert logs.insert([spoiled(Y[3])]) == Insertion(refused="signature")
    assert logs.insert([*Y[:4], spoiled(Y[4])]) == Insertion(refused="signature")
    assert logs.proof(AUTHOR) is None


def test_the_branches_of_a_proof_reach_up_to_signed_records() -> None:
    logs = log_set()
    logs.insert(unsigned(X[:6]))
    outcome = logs.insert(unsigned(Y[:7]))
    assert shape(outcome.convicted) == (4, [[4, 5, 6], [4, 5, 6, 7]])


# --- after the conviction ------------------------------------------------------------------------


def convicted() -> LogSet:
    logs = log_set()
    logs.insert(X[:6])
    logs.insert(Y[:6])
    return logs


def test_records_from_the_fork_on_are_refused_without_a_check() -> None:
    verify = CountingVerify()
    logs = LogSet(NETWORK, verify)
    logs.insert(X[:6])
    logs.insert(Y[:6])
    calls = verify.calls
    root = logs.root()
    for run in (X[3:], Y[3:], X[5:7], [Y[7]], [spoiled(X[6])]):
        assert logs.insert(run) == Insertion(refused="convicted")
    assert verify.calls == calls
    assert logs.root() == root


def test_records_below_the_fork_are_still_taken() -> None:
    logs = log_set()
    logs.convict(LOWEST)
    assert logs.insert([X[1]]).missing == Missing(AUTHOR, 1, 1)
    assert logs.insert([X[0]]) == Insertion(added=X[:2], missing=Missing(AUTHOR, 3, 3))
    assert logs.insert(X[2:6]) == Insertion(added=X[2:3])
    assert logs.leaf(AUTHOR) == BELOW
    assert logs.insert(X) == Insertion(duplicates=3)


def test_what_a_proof_needs_is_found_by_id_and_is_not_in_the_set() -> None:
    logs = convicted()
    for record in (X[3], Y[3]):
        assert logs.get(record.id) is record
    assert logs.at(AUTHOR, 4) is None
    assert logs.get(X[4].id) is None
    assert logs.servable(AUTHOR, 1, 9, 10_000) == TRUNK


def test_a_lower_fork_replaces_a_higher_and_lets_go_of_its_records() -> None:
    logs = convicted()
    z = extend(X[:1], 3, mark=2)
    outcome = logs.insert([z[1]])
    assert outcome.removed == X[1:3]
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 1, X[0].id, 2)
    assert logs.get(X[3].id) is logs.get(Y[3].id) is None
    assert logs.get(z[1].id) is z[1]
    assert logs.convict(LOWEST) == Insertion()
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 1, X[0].id, 2)


def test_a_third_branch_at_the_fork_from_further_down_is_noticed() -> None:
    logs = convicted()
    z = extend(X[:1], 4, mark=2)
    outcome = logs.insert([z[3]])
    assert outcome.convicted is not None
    assert outcome.convicted.seq == 3
    assert outcome.sibling == z[2].id
    logs.insert([z[2]])
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 1, X[0].id, 2)


def test_the_sibling_is_named_until_it_comes() -> None:
    logs = log_set()
    logs.insert(X)
    assert logs.insert([Y[7]]).sibling == Y[6].id
    assert logs.insert([X[7]]) == Insertion(sibling=Y[6].id, refused="convicted")
    assert logs.insert([X[0]]) == Insertion(sibling=Y[6].id, duplicates=1)
    proof = logs.proof(AUTHOR)
    assert proof is not None
    assert logs.convict(proof) == Insertion(sibling=Y[6].id)


def test_a_sibling_needs_no_signature_of_its_own() -> None:
    logs = log_set()
    logs.insert(X)
    logs.insert([Y[7]])
    assert shape(logs.insert([spoiled(Y[6])]).convicted) == (6, [[6], [7, 8]])
    assert logs.insert([spoiled(Y[5], 7)]).sibling == Y[4].id


def test_a_sibling_may_not_make_the_unsigned_branch_too_long() -> None:
    logs = log_set()
    long = extend(TRUNK, MAX_UNSIGNED + 2, mark=1)
    logs.insert(chain(len(long) - MAX_UNSIGNED - 1))
    assert logs.insert([*map(spoiled, long[-MAX_UNSIGNED - 1 : -1]), long[-1]]).sibling
    sibling = long[-MAX_UNSIGNED - 2]
    assert logs.insert([spoiled(sibling)]).refused == "signature"
    assert logs.insert([sibling]).convicted is not None


# --- proofs that come from others ----------------------------------------------------------------


def test_a_proof_convicts_an_author_who_is_not_known() -> None:
    logs = log_set()
    outcome = logs.convict(LOWEST)
    assert outcome.missing == Missing(AUTHOR, 1, 3)
    assert outcome.convicted is not None
    assert outcome.convicted.id == LOWEST.id
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 0, NO_PREV, 4)
    assert logs.authors() == (AUTHOR,)
    assert logs.insert([X[3]]) == Insertion(refused="convicted")
    assert logs.get(X[3].id) is not None


def test_a_proof_cuts_the_log_that_is_held() -> None:
    logs = log_set()
    logs.insert(X[:6])
    outcome = logs.convict(LOWEST)
    assert outcome.removed == X[3:6]
    assert logs.leaf(AUTHOR) == BELOW
    assert logs.root() == convicted().root()


def test_a_proof_cuts_what_waits() -> None:
    logs = log_set()
    logs.insert([X[5]])
    logs.insert([X[1]])
    assert logs.convict(LOWEST).missing == Missing(AUTHOR, 1, 1)
    assert logs.insert(X[:1]).added == X[:2]
    assert logs.insert(X[2:3]).added == X[2:3]


def test_a_proof_is_compared_with_the_log_that_is_held() -> None:
    logs = log_set()
    logs.insert(Y[:7])
    higher = make_proof(AUTHOR, 6, (X[5],), (Y[6],))
    outcome = logs.convict(higher)
    assert shape(outcome.convicted) == (5, [[6], [5]])
    assert outcome.sibling == X[4].id
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 4, Y[3].id, 5)


def test_a_proof_of_other_branches_than_the_one_held_shows_a_lower_fork() -> None:
    logs = log_set()
    z = extend(X[:1], 8, mark=2)
    logs.insert(z)
    outcome = logs.convict(LOWEST)
    assert outcome.convicted is not None
    assert (outcome.convicted.seq, outcome.sibling) == (3, X[2].id)
    logs.insert([X[2]])
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 1, X[0].id, 2)


def test_a_log_that_comes_after_a_proof_is_compared_with_it() -> None:
    logs = log_set()
    logs.convict(LOWEST)
    z = extend(X[:1], 2, mark=2)
    outcome = logs.insert(z)
    assert outcome.added == tuple(z[:2])
    assert outcome.convicted is not None
    assert (outcome.convicted.seq, outcome.sibling) == (3, X[2].id)
    assert logs.insert([X[2]]).convicted is not None
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 1, X[0].id, 2)


EVIL = identity("eve").author


@pytest.mark.parametrize(("proof", "refused"), [
    pytest.param(replace(LOWEST, seq=5), "chain", id="another seq"),
    pytest.param(replace(LOWEST, author=EVIL), "chain", id="another author"),
    pytest.param(make_proof(AUTHOR, 4, (spoiled(X[3]),), (Y[3],)), "signature", id="not signed"),
    pytest.param(make_proof(
        AUTHOR, 1, (extend([], 1, network=b"\1" * 16)[0],),
        (extend([], 1, network=b"\1" * 16, mark=1)[0],),
    ), "network", id="another network"),
])
def test_a_bad_proof_is_refused(proof: ForkProof, refused: str) -> None:
    logs = log_set()
    logs.insert(X)
    before = logs.root()
    assert logs.convict(proof) == Insertion(refused=refused)
    assert logs.root() == before
    assert logs.proof(AUTHOR) is None


def test_a_proof_that_tells_nothing_new_costs_no_check() -> None:
    verify = CountingVerify()
    logs = LogSet(NETWORK, verify)
    logs.convict(LOWEST)
    assert verify.calls > 0
    verify.calls = 0
    assert logs.convict(LOWEST) == Insertion()
    assert logs.convict(make_proof(AUTHOR, 6, (X[5],), (Y[6],))) == Insertion()
    assert logs.convict(make_proof(AUTHOR, 4, (X[4],), (Y[4],))) == Insertion()
    assert verify.calls == 0


def test_more_about_the_same_fork_is_taken() -> None:
    logs = log_set()
    poor = make_proof(AUTHOR, 4, (X[4],), (Y[4],))
    assert logs.convict(poor).sibling in (X[3].id, Y[3].id)
    half = make_proof(AUTHOR, 4, (X[3],), (Y[4],))
    assert logs.convict(half).sibling == Y[3].id
    assert logs.convict(poor) == Insertion(sibling=Y[3].id)
    outcome = logs.convict(LOWEST)
    assert outcome.convicted is not None
    assert outcome.convicted.is_lowest
    assert outcome.sibling is None


def test_convicted_authors_count_as_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_AUTHORS", 1)
    logs = log_set()
    logs.insert(chain(1, name="eve"))
    assert logs.convict(LOWEST) == Insertion(refused="authors-full")


# --- what is valid only because of a record above the fork ---------------------------------------


def handed_on(logs: LogSet, max_bytes: int = 1_200) -> LogSet:
    """A new set that was given all that `logs` can serve, and its proofs, in that order."""
    other = log_set()
    for leaf in logs.leaves():
        while (head := other.head(leaf.author)) is None or head.seq < leaf.seq:
            first = 1 if head is None else head.seq + 1
            run = logs.servable(leaf.author, first, leaf.seq, max_bytes)
            if not run:
                break
            other.insert(run)
    for proof in logs.proofs():
        other.convict(proof)
    return other


def test_an_unsigned_record_below_the_fork_can_still_be_shown() -> None:
    logs = log_set()
    logs.insert([X[0], spoiled(X[1]), spoiled(X[2]), spoiled(X[3]), X[4], X[5]])
    logs.insert(Y[:4])
    assert logs.leaf(AUTHOR) == BELOW
    served = logs.servable(AUTHOR, 2, 3, 10_000)
    assert [record.seq for record in served] == [2, 3, 4, 5]
    assert handed_on(logs).root() == logs.root()


def test_an_unsigned_record_that_comes_after_the_proof_can_be_shown() -> None:
    logs = log_set()
    logs.convict(LOWEST)
    logs.insert([X[0], spoiled(X[1]), spoiled(X[2]), spoiled(X[3]), X[4]])
    assert logs.leaf(AUTHOR) == BELOW
    assert handed_on(logs).root() == logs.root()
    logs = log_set()
    logs.convict(LOWEST)
    logs.insert([X[0], spoiled(X[1]), spoiled(X[2])])
    assert logs.leaf(AUTHOR) == BELOW
    assert handed_on(logs).root() == logs.root()


def test_an_unsigned_record_that_waits_below_a_fork_can_be_shown() -> None:
    logs = log_set()
    logs.insert([spoiled(X[2]), X[3]])
    logs.insert([Y[3]])
    assert logs.insert(X[:2]).added[:2] == X[:2]
    assert logs.leaf(AUTHOR) == BELOW
    assert handed_on(logs).root() == logs.root()


def test_a_lower_fork_is_proven_through_an_unsigned_record_below_a_higher_one() -> None:
    logs = log_set()
    logs.insert([X[0], spoiled(X[1]), spoiled(X[2]), spoiled(X[3]), X[4]])
    logs.insert([Y[3]])
    z = extend(X[:2], 1, mark=2)
    outcome = logs.insert([z[2]])
    assert outcome.convicted is not None
    assert outcome.convicted.seq == 3
    assert {len(outcome.convicted.left), len(outcome.convicted.right)} == {1, 3}
    assert handed_on(logs).root() == logs.root()


def test_a_better_signature_frees_what_covered_the_record() -> None:
    logs = log_set()
    logs.insert([*X[:2], spoiled(X[2]), spoiled(X[3]), X[4]])
    logs.insert([Y[3]])
    logs.insert([X[2]])
    assert logs.servable(AUTHOR, 1, 3, 10_000) == X[:3]


# --- what was restored ---------------------------------------------------------------------------


def test_a_restored_log_and_its_proof_give_the_same_set_again() -> None:
    logs = log_set()
    logs.insert([X[0], spoiled(X[1]), spoiled(X[2]), spoiled(X[3]), X[4]])
    logs.insert(Y[:4])
    again = log_set()
    assert again.restore(tuple(logs.records())) == len(tuple(logs.records()))
    for proof in logs.proofs():
        assert again.convict(proof).convicted is not None
    assert again.root() == logs.root()
    assert handed_on(again).root() == logs.root()


def test_a_restored_record_that_nothing_covers_is_fetched_before_it_proves_anything() -> None:
    logs = log_set()
    assert logs.restore((*X[:3], spoiled(X[3]))) == 4
    assert logs.insert([Y[3]]) == Insertion(refused="chain", sibling=X[3].id)
    assert logs.proof(AUTHOR) is None
    assert logs.insert([X[3]]).duplicates == 1
    outcome = logs.insert([Y[3]])
    assert outcome.convicted is not None
    assert outcome.convicted.id == LOWEST.id


def test_a_proof_holds_even_if_the_restored_log_cannot_be_compared_with_it() -> None:
    logs = log_set()
    z = extend(X[:1], 2, mark=2)
    assert logs.restore((z[0], spoiled(z[1]), spoiled(z[2]))) == 3
    outcome = logs.convict(LOWEST)
    assert outcome.convicted is LOWEST
    assert logs.insert([X[2]]).refused == "chain"
    assert logs.convict(LOWEST) == Insertion()
    logs.insert([z[2]])
    assert logs.insert([X[2]]).convicted is not None
    assert logs.leaf(AUTHOR) == Leaf(AUTHOR, 1, X[0].id, 2)
