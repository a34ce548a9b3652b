from __future__ import annotations

import os
import signal
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from antsp2p.node import Node
from antsp2p.simulation import network
from antsp2p.simulation.machine import shipped_node
from antsp2p.simulation.options import SimulationOptions
from antsp2p.simulation.records_run import run_records
from antsp2p.simulation.shards import Shard, ShardLost, in_shards
from antsp2p.simulation.world import Violation

if TYPE_CHECKING:
    from antsp2p.events import Effect, Event
    from antsp2p.simulation.delays import Delays, Streams
    from antsp2p.simulation.machine import Machine

OF_ONE_RUN = ("wall_s", "cpu_s", "peak_memory_mb", "processes", "trace_hash")


def options(processes: int, nodes: int = 40, loss: float = 0.3) -> SimulationOptions:
    return SimulationOptions(
        nodes=nodes, tasks=0, records=8, loss=loss, seed=7, form_ms=2_000, processes=processes
    )


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what differs between numbers of processes, or between two runs."""
    return {name: value for name, value in report.items() if name not in OF_ONE_RUN}


# --- whole runs ----------------------------------------------------------------------------------


def test_two_processes_lose_nothing_and_do_the_same_again() -> None:
    first, again = (run_records(options(2), curves=True) for _ in range(2))
    assert first["processes"] == 2
    assert (first["nodes"], first["running"], first["records"]) == (40, 40, 8)
    assert (first["missed"], first["coverage"], first["isolated"]) == (0, 1.0, 0)
    assert first["drops"].keys() <= {"loss", "down"}
    assert first["curves"]["coverage"][-1] == (first["latency_ms"]["max"], 1.0)
    assert first["trace_hash"] == again["trace_hash"]
    assert figures(first) == figures(again)


def test_several_processes_do_exactly_what_one_does_where_nothing_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Delays follow from who sends when, and no two senders reach a node in one microsecond."""

    def scattered(streams: Streams) -> Delays:
        def delay_us(source: int, target: int, now_us: int) -> int:
            taken_us = 100 + zlib.crc32(b"%d %d %d" % (source, target, now_us)) % 3_000
            return taken_us + (source - now_us - taken_us) % 64

        return delay_us

    monkeypatch.setattr(network, "DELAY_MODELS", {"lan": scattered})
    one, two, three = (
        run_records(
            replace(options(count, nodes=14, loss=0.0), form_ms=400, gap_ms=20), curves=True
        )
        for count in (1, 2, 3)
    )
    assert figures(one) == figures(two) == figures(three)
    assert len({report["trace_hash"] for report in (one, two, three)}) == 3


def test_more_processes_than_nodes_do_no_harm() -> None:
    report = run_records(replace(options(3, nodes=2, loss=0.0), form_ms=400, gap_ms=20))
    assert (report["running"], report["missed"]) == (2, 0)


class Stumbling(Node):
    """Falls over the third thing that happens to it."""

    stumbles_at = 3

    def handle(self, event: Event, now_us: int) -> list[Effect]:
        self.stumbles_at -= 1
        if not self.stumbles_at:
            raise KeyError("stumbled")
        return super().handle(event, now_us)


def stumbling_at_one(machine: Machine) -> Node:
    return shipped_node(machine, Stumbling if machine.index == 1 else Node)


def test_a_violation_in_another_process_is_reported_as_in_this_one() -> None:
    with pytest.raises(Violation, match=r"KeyError\('stumbled'\) at node 1 .*Replay: antsp2p sim"):
        run_records(options(2), make_node=stumbling_at_one)


def killed_at_one(machine: Machine) -> Node:
    if machine.index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return shipped_node(machine)


def test_a_process_that_is_killed_ends_the_run_with_one_line() -> None:
    with pytest.raises(ShardLost) as lost:
        run_records(options(3), make_node=killed_at_one)
    assert str(lost.value) == "process 1 of the simulation ended before its time"


@pytest.mark.parametrize("chosen", [
    {"tasks": 1}, {"profile": "lossy"}, {"profile": "churn"}, {"profile": "wifi"},
    {"delay": "wifi"}, {"processes": 65}, {"processes": 0},
])
def test_what_several_processes_cannot_run_is_refused(chosen: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="process"):
        SimulationOptions(**{"tasks": 0, "processes": 2, **chosen})


# --- processes alone -----------------------------------------------------------------------------


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_each_process_hears_all_and_none_outlives_the_work() -> None:
    heard = in_shards(4, lambda shard: shard.gather((shard.number, os.getpid())))
    assert [number for number, _ in heard] == [0, 1, 2, 3]
    assert heard[0][1] == os.getpid()
    assert all(is_gone(pid) for _, pid in heard[1:])


def test_frames_larger_than_a_pipe_pass_each_other() -> None:
    def work(shard: Shard) -> list[list[int]]:
        return [
            [len(said) for said in shard.gather(bytes(size + shard.number))]
            for size in (1_000_000, 3, 0)
        ]

    assert in_shards(3, work) == [[1_000_000, 1_000_001, 1_000_002], [3, 4, 5], [0, 1, 2]]


def test_news_are_kept_while_a_question_is_asked_and_an_answer_while_news_are_read() -> None:
    def work(shard: Shard) -> list[bytes]:
        other = 1 - shard.number
        shard.send(other, b"before")
        assert shard.gather(shard.number) == [0, 1]
        shard.send(other, b"after" + bytes(200_000))
        news = shard.wait_for_news()
        while len(news) < 2:
            news += shard.wait_for_news()
        assert shard.gather(other) == [1, 0]
        return [frame[:6] for number, frame in news if number == other]

    assert in_shards(2, work) == [b"before", b"after\x00"]


def test_none_outlives_an_error_of_the_first_process() -> None:
    pids: list[int] = []

    def work(shard: Shard) -> None:
        pids.extend(shard.gather(os.getpid()))
        if shard.number == 0:
            raise RuntimeError("enough")
        shard.gather(None)

    with pytest.raises(RuntimeError, match="enough"):
        in_shards(3, work)
    assert all(is_gone(pid) for pid in pids[1:])


def test_an_error_of_another_process_is_told_in_one_line_with_its_place_beside_it() -> None:
    def work(shard: Shard) -> None:
        if shard.number == 2:
            raise KeyError("lost key")
        shard.gather(None)

    with pytest.raises(ShardLost) as lost:
        in_shards(3, work)
    assert str(lost.value) == "process 2 of the simulation ended: KeyError('lost key')"
    assert "in work" in lost.value.__notes__[0]
