"""Members that show two histories are convicted by everybody, and nobody else is."""
from __future__ import annotations

import pytest

from antsp2p.simulation.adversaries.forker import PATTERNS, Convictions, Fork, fork
from antsp2p.simulation.adversaries.scenario import conviction
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.records_run import RecordsRun, run_records

SECOND_US = 1_000_000


def formed(nodes: int, loss: float = 0.0, seed: int = 1) -> RecordsRun:
    run = RecordsRun(SimulationOptions(nodes=nodes, tasks=0, loss=loss, seed=seed, form_ms=2_000))
    run.form()
    run.spread(2)
    return run


def test_all_honest_nodes_convict_within_a_second_and_no_restored_one_is_convicted() -> None:
    found = conviction(60, 0.1, 0.3, seed=2, seconds=5, restored=6)
    assert found["forks"] == 6
    assert found["unconvicted"] == 0
    assert found["false_convictions"] == 0
    assert found["restored_again"] == 6
    assert 0 < found["everywhere_ms"]["max"] <= 1_000


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 13))
def test_the_same_with_many_more_seeds(seed: int) -> None:
    found = conviction(60, 0.1, 0.3, seed=seed, seconds=5, restored=6)
    assert found["unconvicted"] == found["false_convictions"] == 0
    assert found["restored_again"] == 6
    assert found["everywhere_ms"]["p99"] <= 1_000


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_way_to_fork_is_found_out(pattern: str) -> None:
    run = formed(8)
    world, forker = run.world, run.world.machines[3]
    watch = Convictions(world, [forker])
    fork(forker, pattern, world.stream("fork"), watch)  # type: ignore[arg-type]
    world.run(world.now_us + 3 * SECOND_US)
    report = watch.report()
    assert (report["forks"], report["unseen"], report["unconvicted"]) == (1, 0, 0)
    assert report["false_convictions"] == 0
    (found,) = watch.forks()
    assert found.author == forker.author
    assert len(found.convicted_us) == 7
    both_us = found.both_seen_us
    assert both_us is not None
    assert all(at_us >= both_us for at_us in found.convicted_us.values())


def test_a_forker_passes_on_no_proof() -> None:
    run = formed(5)
    world = run.world
    watch = Convictions(world, world.machines[:2])
    for machine in world.machines[:2]:
        fork(machine, "split", world.stream(f"fork/{machine.index}"), watch)
    world.run(world.now_us + 3 * SECOND_US)
    parts = [machine.node.gossip.frames["part"] for machine in world.machines if machine.node]
    assert parts[:2] == [0, 0]
    assert all(parts[2:])


def test_a_conviction_of_who_did_not_fork_is_counted_as_false() -> None:
    run = formed(3)
    world, accused = run.world, run.world.machines[1]
    watch = Convictions(world, [world.machines[2]])
    fork(accused, "split", world.stream("fork"), Convictions(world, [accused]))
    world.run(world.now_us + 2 * SECOND_US)
    assert {author for _, author in watch.false} == {accused.author}
    assert watch.report()["false_convictions"] == 3


def test_what_was_seen_by_nobody_is_no_fork_yet() -> None:
    run = formed(3)
    watch = Convictions(run.world, [run.world.machines[0]])
    records = run.isolated.published
    watch.expect(Fork(records[0].author, (records[0], records[1])))
    report = watch.report()
    assert (report["forks"], report["unseen"], report["unconvicted"]) == (1, 1, 0)
    assert report["everywhere_ms"]["max"] == 0


def test_the_profile_tells_of_convictions() -> None:
    report = run_records(SimulationOptions(
        nodes=20, tasks=0, records=5, seed=3, form_ms=2_000, faults_ms=3_000, profile="forkers",
    ))
    assert report["forks"] == 2
    assert report["unconvicted"] == report["false_convictions"] == 0
