"""A command gets its input, gives its output, and never outlives its run."""
from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import trio

from antsp2p.interfaces import running
from antsp2p.interfaces.running import Finished, last_text, run_command

CHILD = """sh -c 'echo $$ > "$0"; exec tail -f /dev/null' "$0\""""


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


async def test_input_goes_in_and_output_comes_out() -> None:
    assert await run_command(("cat",), b"\x00\xff" * 200_000, {}) == Finished(
        b"\x00\xff" * 200_000, "")


async def test_the_environment_is_extended() -> None:
    done = await run_command(("sh", "-c", 'printf %s "$ANTSP2P_TASK$HOME"'), b"",
                             {"ANTSP2P_TASK": "ab12"})
    assert done == Finished(b"ab12" + os.environ["HOME"].encode(), "")


async def test_input_need_not_be_read() -> None:
    assert await run_command(("true",), b"x" * 1_000_000, {}) == Finished(b"", "")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("exit 3", "exit code 3"),
        ("echo out; echo what went wrong >&2; exit 1", "exit code 1: what went wrong"),
        ("kill -9 $$", "ended by SIGKILL"),
    ],
)
async def test_a_failure_tells_its_code_and_the_end_of_standard_error(
    script: str, error: str
) -> None:
    assert await run_command(("sh", "-c", script), b"", {}) == Finished(b"", error)


async def test_standard_error_is_ignored_when_all_is_well() -> None:
    assert await run_command(("sh", "-c", "echo hm >&2; echo x"), b"", {}) == Finished(b"x\n", "")


async def test_a_long_standard_error_keeps_its_end_within_the_bound() -> None:
    script = "import sys; sys.stderr.write('ä' * 500_000 + ' the end'); sys.exit(7)"
    done = await run_command(python(script), b"", {})
    assert done.error.startswith("exit code 7: ä")
    assert done.error.endswith("ä the end")
    assert 298 <= len(done.error.encode()) <= 300


@pytest.mark.parametrize("most", range(12))
def test_the_end_of_a_text_is_cut_between_characters(most: int) -> None:
    text = last_text("aä🐜b".encode(), most)
    assert "aä🐜b".endswith(text)
    assert len(text.encode()) <= most


def test_bytes_that_are_no_text_stay_within_the_bound() -> None:
    assert len(last_text(b"\xff" * 400, 300).encode()) <= 300


async def test_output_beyond_the_bound_is_a_failure_that_says_so(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MAX_OUTPUT_BYTES", 1 << 20)
    with trio.fail_after(20):
        done = await run_command(("cat", "/dev/zero"), b"", {})
    assert done == Finished(b"", "the output is larger than 1 MiB")


async def test_a_command_that_cannot_be_run_is_a_failure(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert (await run_command((str(missing),), b"", {})).error == (
        f"cannot run {missing}: No such file or directory")


async def _pid_from(fifo: Path) -> int:
    """The process number that a command writes into `fifo` once it stands."""
    with trio.fail_after(20):
        return int(await trio.to_thread.run_sync(fifo.read_text, abandon_on_cancel=True))


def _is_gone(pid: int) -> bool:
    """Whether the process has ended; a child of ours that nobody waits for is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pid"
    os.mkfifo(path)
    return path


async def test_a_cancelled_run_ends_the_whole_group(fifo: Path) -> None:
    # The shell's child inherits the group; it is the one that would be left behind.
    command = ("sh", "-c", f"{CHILD} & wait", str(fifo))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_command, command, b"", {})
        pid = await _pid_from(fifo)
        nursery.cancel_scope.cancel()
    with trio.fail_after(20):
        while not _is_gone(pid):
            await trio.lowlevel.checkpoint()


async def test_a_command_that_ignores_sigterm_is_killed(
    fifo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "TERMINATE_S", 0.05)
    script = "import signal, os, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    script += "open(sys.argv[1], 'w').write(str(os.getpid()))\nsignal.pause()"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_command, (*python(script), str(fifo)), b"", {})
        pid = await _pid_from(fifo)
        nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


async def test_children_left_behind_do_not_hold_the_result_back(
    fifo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "DRAIN_S", 0.05)
    command = ("sh", "-c", f"{CHILD} & echo done", str(fifo))
    done: list[Finished] = []

    async def run() -> None:
        done.append(await run_command(command, b"", {}))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            pid = await _pid_from(fifo)
        while not _is_gone(pid):
            await trio.lowlevel.checkpoint()
    assert done == [Finished(b"done\n", "")]
