"""Arguments are read, or refused in one line, without loading what a command needs."""
from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from antsp2p.interfaces import command_line, simulation_commands
from antsp2p.interfaces.arguments import read_address
from antsp2p.interfaces.client import hint
from antsp2p.interfaces.command_line import main
from antsp2p.interfaces.exit_codes import MEANING, Exit

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    "start", "stop", "status", "work", "post", "accept", "reject", "cancel", "tasks", "task",
    "peers", "why", "watch", "log", "mark", "marks", "simulate", "invite", "join", "networks",
    "rotate-secret", "audit", "proof", "verify",
)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that `arguments` are refused with."""
    try:
        code: object = main(arguments)
    except SystemExit as end:
        code = end.code
    assert code == Exit.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys)
    for command in COMMANDS:
        assert f"\n    {command}" in text
    for code, meaning in MEANING.items():
        assert f"{int(code):3d}  {meaning}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_common_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = help_of(capsys, command)
    assert "--json" in text
    assert ("--home DIR" in text and "--name NAME" in text) == (
        command not in ("simulate", "join", "networks", "verify"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "COMMAND"),
        (("dance",), "'dance'"),
        (("post", "a", "--text", "x", "--lease", "5"), "'5' is not a duration"),
        (("post", "a"), "--input"),
        (("post", "a", "--text", "x", "--input", "-"), "not allowed with"),
        (("post", "a", "--text", "x", "--attempts", "0"), "from 1 to 1000"),
        (("start", "--listen", "here"), "HOST:PORT"),
        (("start", "--listen", "::1:5"), "[::1]:4444"),
        (("start", "--peer", "host:70000"), "HOST:PORT"),
        (("start", "--list", "127.0.0.1:0"), "--list"),
        (("work", "--", "wc"), "--can"),
        (("work", "--can", "x", "--slots", "many", "--", "wc"), "'many'"),
        (("work", "--can", "x"), "-- CMD"),
        (("work", "--can", "x", "wc", "l"), "goes behind `--`: ... -- wc l"),
        (("work", "--can", "x", "--frob", "--", "wc"), "work takes no --frob"),
        (("trust", "pin", "ab", "cd"), "trust pin takes no cd (see: antsp2p trust pin --help)"),
        (("work", "--can", "x", "--", "no-such-command-here"), "no-such-command-here"),
        (("peers", "--", "x"), "peers takes nothing behind"),
        (("peers", "--home", "a", "--name", "b"), "not both"),
        (("peers", "--name", "../x"), "name"),
        (("peers", "--name", ""), "name"),
        (("peers", "--home", ""), "--home is empty"),
        (("start", "--home", ""), "--home is empty"),
        (("peers", "--home", "", "--name", "b"), "not both"),
        (("task", "ab", "--wait"), "--result"),
        (("invite", "--expires", "8d"), "argument --expires: '8d' is longer than a week"),
        (("rotate-secret", "--overlap", "31d"), "argument --overlap: '31d' is longer than 30d"),
        (("simulate", "--loss", "1"), "share"),
        (("simulate", "--blob-rate", "2"), "share"),
        (("simulate", "--attempts", "0"), "from 1 to 1000"),
        (("simulate", "--lease-ms", "1"), "from 500 to"),
        (("simulate", "--settle-ms", "60001"), "from 0 to 60000"),
        (("simulate", "--profile", "sunny"), "no profile 'sunny'"),
        (("simulate", "--processes", "2"), "take --tasks 0"),
        (("simulate", "--nodes", "5", "--flaky", "3", "--wrong", "3"), "6 nodes are to be bad"),
        (("simulate", "--tasks-per-s", "0"), "a rate above 0"),
        (("simulate", "--until-ms", "1"), "take a later --until-ms"),
        (("log", "--decode", "xyz"), "hex"),
        (("post", "a", "--input", "/no/such/file"), "cannot read /no/such/file"),
    ],
)
def test_a_mistake_gets_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(capsys, *arguments)


def test_an_interrupt_while_a_command_is_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    assert main(["peers"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "antsp2p: interrupted\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("peers",), ("stop",), ("status",), ("tasks",), ("watch",), ("log",),
        ("post", "a", "--text", "x"), ("work", "--can", "a", "--", "cat"), ("why", "abcd"),
        ("audit", "abcd", "-o", "x"), ("proof",), ("trust", "list"), ("trust", "block", "abcd"),
    ],
)
def test_without_a_node_the_line_says_how_to_start_one(
    arguments: tuple[str, ...], tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    place = arguments.index("--") if "--" in arguments else len(arguments)
    home = f"{tmp_path}/home"
    code = main([*arguments[:place], "--home", home, *arguments[place:]])
    assert code == Exit.NO_NODE
    assert capsys.readouterr().err == (
        f"antsp2p: no node is running in {home}; start one with: antsp2p start --home {home}\n"
    )


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((), "antsp2p stop"),
        (("--name", "ada"), "antsp2p stop --name ada"),
        (("--home", "a b"), "antsp2p stop --home 'a b'"),
    ],
)
def test_a_hint_names_the_same_node(given: tuple[str, ...], line: str) -> None:
    options = command_line._parser().parse_args(["start", *given])
    assert hint(options, "stop") == line


def test_addresses() -> None:
    assert read_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert read_address("[fe80::1%eth0]:4444") == ("fe80::1%eth0", 4444)
    assert read_address("host.example:65535") == ("host.example", 65_535)


def test_simulate_takes_every_option_of_the_simulation() -> None:
    from antsp2p.simulation.options import SimulationOptions

    flags = {flag.replace("-", "_") for flag, *_ in simulation_commands.OPTIONS} | {"review"}
    assert flags == {item.name for item in fields(SimulationOptions)}


@pytest.mark.parametrize("arguments", [("--help",), ("post", "--help"), ("peers", "--bad")])
def test_help_and_usage_errors_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    script = (
        "import sys; from antsp2p.interfaces.command_line import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'trio', 'httpx2', 'rich', 'cryptography', 'starlette', 'hypercorn', 'cbor2'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True,
        timeout=30,
    )
    assert done.stderr.endswith("[]\n")


def test_the_states_to_choose_from_are_all_that_there_are() -> None:
    from antsp2p.coordination.state import State
    from antsp2p.interfaces.task_commands import STATES

    assert sorted(STATES) == sorted(str(state) for state in State)


def test_the_longest_durations_are_those_that_a_node_takes() -> None:
    from antsp2p.gossip.limits import MAX_OVERLAP_MS
    from antsp2p.interfaces import key_commands
    from antsp2p.runtime.limits import INVITATION_MAX_MS

    assert key_commands.MAX_EXPIRES_MS == INVITATION_MAX_MS
    assert key_commands.MAX_OVERLAP_MS == MAX_OVERLAP_MS


def test_the_profiles_are_listed_in_the_help_with_a_line_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from antsp2p.simulation.profiles import PROFILES

    with pytest.raises(SystemExit) as ended:
        main(("simulate", "--help"))
    assert ended.value.code == Exit.OK
    listed = capsys.readouterr().out.partition("profiles:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == list(PROFILES)
    assert all(len(line.split()) > 2 for line in listed)


def test_a_simulation_that_loses_a_process_ends_with_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from antsp2p.interfaces.commands import simulate
    from antsp2p.simulation.shards import ShardLost

    def lost(*_: object, **__: object) -> None:
        raise ShardLost("process 1 of the simulation ended before its time")

    monkeypatch.setattr(simulate, "run_from_options", lost)
    assert main(("simulate", "--tasks", "0", "--processes", "2")) == Exit.FAILED
    written = capsys.readouterr().err
    assert "process 1 of the simulation ended before its time" in written
    assert written.count("\n") == 1


def test_several_numbers_of_nodes_are_one_run_each_and_a_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "report"
    arguments = ("simulate", "--nodes", "3,5", "--tasks", "0", "--records", "2")
    assert main((*arguments, "--report", str(folder), "--json")) == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert [report["nodes"] for report in printed] == [3, 5]
    written = json.loads((folder / "report.json").read_text())
    assert [report["curves"]["coverage"][-1][1] for report in written] == [1.0, 1.0]
    page = (folder / "report.html").read_text()
    assert "antsp2p simulate --nodes 3,5 --tasks 0 --records 2 --seed 1" in page
    assert main(arguments) == Exit.OK
    assert "latency ms p99" in capsys.readouterr().out
