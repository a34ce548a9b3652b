"""The demo as people run it, with fewer tasks."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest
import trio

ROOT: Final = Path(__file__).resolve().parents[2]
BAZAAR: Final = [sys.executable, str(ROOT / "demo" / "bazaar.py"), "--nodes", "6"]
LIMIT_S: Final = 170.0
TASKS: Final = 48


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A few files to work on."""
    for number in range(6):
        (tmp_path / f"part{number}.py").write_text(
            "".join(f"def step_{n}(count):\n    return count + {number}\n\n" for n in range(20)))
        (tmp_path / f"note{number}.md").write_text(
            "".join(f"line {n} of note {number}, which says little\n" for n in range(99)))
    (tmp_path / "broken.py").write_text("def")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    return tmp_path


async def test_the_bazaar_ends_well(folder: Path) -> None:
    with trio.fail_after(LIMIT_S):
        done = await trio.run_process(
            [*BAZAAR, str(folder), "--tasks", str(TASKS), "--json"],
            capture_stdout=True, capture_stderr=True, check=False,
        )
    story = done.stderr.decode()
    assert done.returncode == 0, story
    report = json.loads(done.stdout)
    assert report["tasks"] == report["accepted"] == TASKS + 1
    assert report["unfinished"] == report["different"] == []
    assert report["nodes_agree"] is True
    assert len(report["nodes"]) == 6
    assert report["nodes"]["idle"]["did"] == report["nodes"]["boast"]["did"] == {}
    assert sum(sum(node["did"].values()) for node in report["nodes"].values()) == TASKS + 1
    killed = report["scenes"]["killed"]
    assert killed["records_kept"] is True
    assert (killed["node"], killed["moved_to"]) in {
        (move["from"], move["to"]) for move in report["moves"] if move["task"] == killed["task"]}
    assert report["scenes"]["late"]["records"] > 0
    assert "kill -9" in story


async def test_ctrl_c_leaves_nothing_behind(folder: Path) -> None:
    # pytest's own temporary folders have paths too long for a socket.
    with tempfile.TemporaryDirectory(prefix="antsp2p-") as temporary:
        await _interrupt(folder, temporary)
        assert _left_below(temporary) == []


def _left_below(temporary: str) -> list[bytes]:
    """What is in this folder, and the command lines of processes that were told to use it."""
    found = [bytes(path) for path in Path(temporary).iterdir()]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return [line for line in found if temporary.encode() in line]


async def _interrupt(folder: Path, temporary: str) -> None:
    process = await trio.lowlevel.open_process(
        [*BAZAAR, str(folder), "--tasks", "2000"], env={**os.environ, "TMPDIR": temporary},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    text = b""
    with trio.fail_after(LIMIT_S):
        async with process.stdout:
            while b"found each other" not in text:
                text += await process.stdout.receive_some()
            process.send_signal(signal.SIGINT)
            while part := await process.stdout.receive_some():
                text += part
            assert await process.wait() == 130
    assert b"every process has ended" in text
    assert b"Traceback" not in text


@pytest.mark.parametrize("words", [["--nodes", "5"], ["--tasks", "3"], ["no-such-folder"]])
def test_nonsense_is_refused_with_one_reason(words: list[str]) -> None:
    done = subprocess.run([*BAZAAR, *words], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 2
    assert "error:" in done.stderr
