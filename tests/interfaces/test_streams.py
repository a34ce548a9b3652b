"""Standard streams that are closed, or whose reader goes: no traceback, whatever is asked."""
from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from antsp2p.interfaces.exit_codes import Exit
from tests.interfaces.terminal import COMMAND, LIMIT_S, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk(tmp_path_factory.mktemp("home")) as desk:
        yield desk.start_node()


def shell(line: str, desk: Desk | None = None) -> subprocess.CompletedProcess[str]:
    """Run a line in which `antsp2p` is the command, at the desk's home."""
    home = "" if desk is None else f"; set -- --home {shlex.quote(str(desk.home))}"
    script = f'set -o pipefail{home}; antsp2p() {{ {shlex.join(COMMAND)} "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.mark.parametrize(
    "line",
    [
        "antsp2p --help | true", "antsp2p simulate --help | head -1",
        'antsp2p status "$@" | head -1', 'antsp2p tasks "$@" | true',
        'antsp2p log "$@" --json 2>&1 | true',
        'antsp2p tasks "$@" <&-', 'antsp2p tasks "$@" >&-', 'antsp2p tasks "$@" <&- >&- 2>&-',
        'antsp2p status "$@" 2>&-', 'antsp2p post a "$@" --text x >&-', "antsp2p --help >&-",
    ],
)
def test_whoever_does_not_listen_is_told_nothing(desk: Desk, line: str) -> None:
    done = shell(line, desk)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file here is full")
@pytest.mark.parametrize(
    "line", ['status "$@"', "networks --json", 'start "$@"x --no-discovery --listen 127.0.0.1:0'])
def test_a_full_disk_behind_standard_output_is_one_line_and_no_failed_task(
    desk: Desk, line: str
) -> None:
    done = shell(f"antsp2p {line} >/dev/full", desk)
    assert done.stderr.splitlines()[-1] == (
        "antsp2p: cannot write to standard output: No space left on device")
    assert "Traceback" not in done.stderr
    assert done.returncode == Exit.REFUSED


@pytest.mark.parametrize(
    "line", ['antsp2p post a "$@" --input - <&-', "antsp2p log --decode - <&-"]
)
def test_an_input_that_is_asked_for_must_not_be_closed(desk: Desk, line: str) -> None:
    done = shell(line, desk)
    assert done.stderr == "antsp2p: standard input is closed\n"
    assert done.returncode == 2
