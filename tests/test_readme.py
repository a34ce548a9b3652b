"""The README's transcripts and programs are real: each is run here and compared."""
from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from antsp2p.runtime.networks import CONFIGURATION_VARIABLE

README = Path(__file__).parent.parent / "README.md"
PORTS = ("4747", "4748")
SECONDS = 60


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def steps(transcript: str) -> list[tuple[str, list[str]]]:
    """(command, lines of output) of each `$` line."""
    found: list[tuple[str, list[str]]] = []
    for line in transcript.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def pattern(line: str) -> re.Pattern[str]:
    """What a shown line stands for: ids, times and process numbers differ from run to run."""
    parts = []
    for word in line.split():
        if re.fullmatch(r"[0-9a-f]{12,64}", word):
            parts.append(f"[0-9a-f]{{{len(word)}}}")
        elif re.fullmatch(r"\d+(\.\d+)?(us|ms|s|m)", word):
            parts.append(r"\d+(\.\d+)?(us|ms|s|m)")
        elif re.fullmatch(r"ants(-[0-9a-z]{4,5})+", word):
            parts.append(r"ants(-[0-9a-z]{1,5})+")
        elif re.fullmatch(r"[0-9a-f]{8}", word):
            parts.append("[0-9a-f]{8}")
        elif re.fullmatch(r"\d{3,}\)", word):
            parts.append(r"\d+\)")
        else:
            parts.append(re.escape(word))
    return re.compile(r"\s*" + r"\s+".join(parts) + r"\s*")


def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        CONFIGURATION_VARIABLE: str(home / "config"),
        "XDG_RUNTIME_DIR": str(home),
    }


class Shell:
    """Runs the commands of one transcript; those that end in `&` run on."""

    def __init__(self, home: Path) -> None:
        self._environment = environment(home)
        self._running: list[subprocess.Popen[str]] = []

    def run(self, command: str, lines: int) -> list[str]:
        in_background = command.endswith("&")
        process = subprocess.Popen(
            ["bash", "-c", "exec " + command.removesuffix("&")], env=self._environment,
            cwd=README.parent, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        if not in_background:
            output, _ = process.communicate(timeout=SECONDS)
            # On a slow machine a wait may be long enough to be told of; nothing else tells of one.
            return [
                line for line in output.splitlines()
                if not ("--wait" in command.split() and line.startswith("antsp2p: waiting: "))
            ]
        self._running.append(process)
        # A node in the background is ready when it says so; others when they said what is shown.
        if "start" in command.split():
            while not (line := process.stdout.readline()).startswith("Ready"):
                assert line, f"{command} ended early"
            return []
        return [process.stdout.readline().rstrip("\n") for _ in range(lines)]

    def close(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=SECONDS)


@pytest.mark.parametrize("transcript", blocks("console"))
def test_a_transcript_is_what_really_happens(transcript: str, tmp_path: Path) -> None:
    for port, free in zip(PORTS, free_ports(len(PORTS)), strict=True):
        transcript = transcript.replace(port, free)
    shell = Shell(tmp_path)
    try:
        for command, shown in steps(transcript):
            output = shell.run(command, len(shown))
            assert len(output) == len(shown), f"{command}: {output}"
            for got, line in zip(output, shown, strict=True):
                assert pattern(line).fullmatch(got), f"{command}: {got!r} is not like {line!r}"
    finally:
        shell.close()


@pytest.mark.parametrize("program", blocks("python"))
def test_a_program_runs_as_it_stands(program: str, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], env=environment(tmp_path), cwd=tmp_path,
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "b'HELLO'\n"


def test_the_two_commands_are_there() -> None:
    shell = "\n".join(blocks("sh"))
    assert shell.count("python3 -m venv") == 2
    assert "demo/bazaar.py" in shell
    assert "-m pytest" in shell
