"""A bounded run of every target, and its worst inputs for ever."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.rig import SMALL
from tests.fuzz.run import fuzz
from tests.fuzz.targets import NODES, TARGETS

RUNS = 3_000
"""A second or so for each target; `python -m tests.fuzz --runs N` takes longer."""
GROWTH_RUNS = 200_000
"""All small tables are full after a part of them, and nearly all valid records have come."""
NODE_RUNS = {"node-member": 10_000, "node-outsider": 20_000}
"""Some seconds each."""


@pytest.mark.parametrize("name", TARGETS)
def test_mutations_of_the_vectors_raise_nothing_but_malformed(name: str) -> None:
    outcome = fuzz(TARGETS[name], RUNS, seed=1)
    assert outcome.inputs == RUNS
    assert 0 < outcome.accepted < RUNS, "both answers are met, or the seeds are too far off"


@given(st.sampled_from(sorted(TARGETS)), st.binary(max_size=300))
def test_any_bytes_raise_nothing_but_malformed(name: str, data: bytes) -> None:
    TARGETS[name].accepts(data)


@pytest.mark.parametrize("name", NODES)
def test_nothing_raises_out_of_a_node_under_attack_and_no_table_outgrows_its_bound(
    name: str,
) -> None:
    target = NODES[name]()
    outcome = fuzz(target, NODE_RUNS[name], seed=1)
    assert outcome.inputs == NODE_RUNS[name]
    assert target.rig is not None
    assert len(target.rig.node.gossip.drops) >= 10, "many kinds of damage were told apart"


@pytest.mark.slow
@pytest.mark.parametrize("name", NODES)
def test_a_node_does_not_grow_once_its_queues_are_full(name: str) -> None:
    outcome = fuzz(NODES[name](SMALL), GROWTH_RUNS, seed=2)
    assert not outcome.grown, "what is full, and what comes and goes, grows no more"


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_long_run_raises_nothing_but_malformed(name: str) -> None:
    fuzz(TARGETS[name], 300_000, seed=2)
