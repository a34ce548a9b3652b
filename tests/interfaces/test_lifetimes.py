"""Starting and ending: of nodes, of workers, and of the commands that workers run."""
from __future__ import annotations

import os
import signal
import stat
from typing import TYPE_CHECKING

import pytest

from tests.interfaces.terminal import LIMIT_S, WAITING, Desk, Started, two_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path / "home") as desk:
        yield desk


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def holding(fifo: Path) -> tuple[str, ...]:
    """A command that says who it is in `fifo` and then never ends by itself."""
    script = 'echo "$$ $ANTSP2P_TASK $ANTSP2P_EPOCH $ANTSP2P_CAPABILITY" > "$0"; '
    return ("sh", "-c", script + "exec tail -f /dev/null", str(fifo))


def said_in(fifo: Path) -> list[str]:
    """What the command wrote; this waits until one is there."""
    return fifo.read_text().split()


def wait_gone(pid: int) -> None:
    """Return when the process, no child of ours, has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        import select

        assert select.select([process], [], [], LIMIT_S)[0]
    finally:
        os.close(process)


def test_start_says_what_a_person_must_know(desk: Desk) -> None:
    node = desk.start("start", "--no-discovery", "--listen", "127.0.0.1:0")
    said = [node.line()]
    while not said[-1].startswith("Ready"):
        said.append(node.line())
    text = "\n".join(said)
    assert "listening  127.0.0.1:" in text
    assert f"Let another machine in with: antsp2p invite --home {desk.home}" in text
    assert "network    local" in text
    assert said[-1].endswith(f"antsp2p stop --home {desk.home}")
    node.signal(signal.SIGINT)
    assert node.wait() == 0
    assert node.errors == ""


def test_stop_returns_when_the_process_has_ended(desk: Desk) -> None:
    desk.start_node()
    author = desk.author
    watch = desk.watch()
    assert desk.json("stop") == {"stopped": True, "pid": desk.node.pid}
    assert desk.node.wait() == 0
    assert desk.node.errors == ""
    # An open event stream does not hold the node; it ends, and says why.
    assert watch.wait() == 3
    assert "the node has stopped" in watch.errors
    assert "no node is running" in desk.refusal("stop", code=3)
    assert desk.start_node().author == author


def test_sigterm_is_a_clean_end(desk: Desk) -> None:
    desk.start_node().node.signal(signal.SIGTERM)
    assert desk.node.wait() == 0
    assert not (desk.home / "api.json").exists()
    assert not (desk.home / "api.sock").exists()


def test_a_watcher_that_does_not_read_does_not_hold_the_node(desk: Desk) -> None:
    desk.start_node()
    watch = desk.watch()
    desk.say("post", "a", "--text", "x")
    watch.json(kind="task")
    watch.signal(signal.SIGSTOP)
    desk.say("stop")
    assert desk.node.wait() == 0
    watch.signal(signal.SIGCONT)


def test_what_lies_in_the_home_is_private(desk: Desk) -> None:
    desk.start_node()
    assert stat.S_IMODE(desk.home.stat().st_mode) == 0o700
    for name in ("api.sock", "api.json", "token", "key"):
        assert stat.S_IMODE((desk.home / name).stat().st_mode) == 0o600


def test_a_home_has_one_node(desk: Desk) -> None:
    desk.start_node()
    line = desk.refusal("start", "--no-discovery", code=5)
    assert "already runs" in line
    assert str(desk.node.pid) in line


def test_a_port_in_use_is_said(desk: Desk, tmp_path: Path) -> None:
    desk.start_node()
    with Desk(tmp_path / "other") as other:
        line = other.refusal(
            "start", "--no-discovery", "--listen", desk.ready["address"], code=5)
        assert desk.ready["address"].rpartition(":")[2] in line


def test_a_leftover_of_a_killed_node_is_no_node(desk: Desk) -> None:
    desk.start_node().node.signal(signal.SIGKILL)
    desk.node.wait()
    assert (desk.home / "api.json").exists()
    assert "no node is running" in desk.refusal("peers", code=3)
    assert "no node is running" in desk.refusal("work", "--can", "x", "--", "cat", code=3)
    desk.start_node()
    assert desk.json("peers") == {"peers": []}


def test_a_home_that_others_can_read_is_refused(desk: Desk) -> None:
    desk.home.mkdir(mode=0o755)
    desk.home.chmod(0o755)
    assert "chmod 700" in desk.refusal("start", "--no-discovery", code=5)


def test_a_long_path_still_has_a_socket(tmp_path: Path) -> None:
    with Desk(tmp_path / ("long" * 30)) as desk:
        desk.start_node()
        assert desk.json("peers") == {"peers": []}


def test_cancelling_a_task_stops_its_command(desk: Desk, fifo: Path) -> None:
    desk.start_node()
    worker = desk.work("hold", *holding(fifo))
    task = desk.say("post", "hold", "--text", "x", "--settle", "0").strip()
    pid, *told = said_in(fifo)
    assert told == [task, "0", "hold"]
    assert worker.json(event="start")["task"] == task
    desk.say("cancel", task)
    assert worker.json(event="stop")["reason"] == "the task has ended"
    wait_gone(int(pid))
    # The worker itself goes on.
    desk.say("post", "hold", "--text", "y", "--settle", "0")
    assert said_in(fifo)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_worker_stops_its_commands_and_gives_the_claim_back(
    desk: Desk, fifo: Path, number: signal.Signals
) -> None:
    desk.start_node()
    worker = desk.work("hold", *holding(fifo))
    watch = desk.watch()
    task = desk.say("post", "hold", "--text", "x", "--settle", "0").strip()
    pid = int(said_in(fifo)[0])
    worker.signal(number)
    assert worker.wait() == 130
    wait_gone(pid)
    watch.json(kind="task", subject=task, state="open", epoch=1)
    assert [line["type"] for line in desk.json("task", task)["history"]].count("reopen") == 1


def test_when_a_worker_is_killed_another_gets_the_task(tmp_path: Path, fifo: Path) -> None:
    with two_nodes(tmp_path) as (first, second):
        held = second.work("swap", *holding(fifo))
        poster = first.start("post", "swap", "--text", "x", "--wait", "--settle", "0")
        orphan = int(said_in(fifo)[0])
        first.work("swap", "echo", "done")
        held.signal(signal.SIGKILL)
        assert poster.line() == "done"
        assert poster.wait() == 0
        # Nobody is left to stop the command of a worker that was killed outright.
        os.kill(orphan, signal.SIGKILL)


def test_a_worker_comes_back_with_its_node(desk: Desk, fifo: Path) -> None:
    desk.start_node()
    worker = desk.work("back", *holding(fifo))
    desk.say("post", "back", "--text", "x", "--settle", "0")
    pid = int(said_in(fifo)[0])
    desk.node.signal(signal.SIGKILL)
    desk.node.wait()
    worker.json(event="gone")
    wait_gone(pid)
    desk.start_node()
    worker.json(event="serving")
    # What the killed node held is given back at its start, and taken anew.
    assert said_in(fifo)[2] == "1"


def test_ctrl_c_while_waiting_leaves_the_task(desk: Desk) -> None:
    desk.start_node()
    watch = desk.watch()
    poster = desk.start("post", "later", "--text", "x", "--wait")
    task = watch.json(kind="task", state="open")["subject"]
    interrupt_when_waiting(poster, desk)
    assert poster.wait() == 130
    *said, last = poster.errors.splitlines()
    # On a slow machine it may have been long enough to be told of, and that is said once.
    assert said in ([], [f"{WAITING}nobody offers later"])
    assert f"antsp2p task {task[:12]} --result --home {desk.home}" in last
    desk.work("later", "cat")
    assert desk.say("task", task, "--result", "--wait") == "x"


def test_a_long_wait_says_what_for_and_says_it_once(desk: Desk, fifo: Path) -> None:
    desk.start_node()
    poster = desk.start("post", "slow.work", "--text", "x", "--wait", "--settle", "0")
    assert poster.error_line() == f"{WAITING}nobody offers slow.work"
    desk.work("slow.work", "sh", "-c", 'echo > "$0"; cat "$0" > /dev/null; cat', str(fifo))
    said_in(fifo)
    while not (line := poster.error_line()).endswith("works on it"):
        assert line.startswith(WAITING)
    assert line == f"{WAITING}{desk.author[:12]} works on it"
    fifo.write_text("go on")
    assert poster.line() == "x"
    assert poster.wait() == 0


def interrupt_when_waiting(poster: Started, desk: Desk) -> None:
    """SIGINT once the poster sleeps in its wait: its answer to the post has then come."""
    for _ in range(10_000):
        if desk.json("status")["waiting"]:
            poster.signal(signal.SIGINT)
            return
    raise AssertionError("the poster never waited")
