"""What `antsp2p doctor` prints, and what it ends with."""
from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import pytest

from antsp2p.interfaces.commands import doctor
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.runtime.examine.facts import Examination, Interface, PeerTry, Reply, Service, Stream
from antsp2p.runtime.networks import CONFIGURATION_VARIABLE, closed_network

if TYPE_CHECKING:
    from pathlib import Path

    from antsp2p.runtime.examine.examination import Question

THERE = ("192.0.2.7", 4700)
GOOD = PeerTry(THERE, Reply.ANSWERED, Reply.ANSWERED, Stream.ANSWERED)
LAN = Interface("eth0", ("192.0.2.1/24",), 1_500)


def options(home: Path, **given: object) -> argparse.Namespace:
    return argparse.Namespace(**{
        "home": str(home), "name": None, "json": False, "peer": None, "listen": [],
        "network": "bazaar", "open": True, **given,
    })


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Instead of looking, an examination that found a stranger with a wild name."""
    asked: list[Question] = []

    async def examine(question: Question) -> Examination:
        asked.append(question)
        service = Service((THERE,), "", "\x1b[2J\nroot# rm", "1")
        silent = PeerTry(THERE, Reply.SILENT, Reply.SILENT, Stream.OPEN)
        return Examination(
            question.network_id, 1, question.listen, interfaces=(LAN,), services=(service,),
            network_name=question.network_name, is_member=question.network is not None,
            peers=(silent,) if question.peers else (GOOD,),
        )

    monkeypatch.setattr(doctor, "examine", examine)
    return asked


def test_what_a_stranger_wrote_is_escaped(
    examined: list[Question], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(options(tmp_path, peer=THERE)) == Exit.DIAGNOSED
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert r"192.0.2.7:4700 is of network \x1b[2J\x0aroot#" in printed
    assert len(printed.splitlines()) == 2


def test_json_names_the_kinds_and_carries_the_facts(
    examined: list[Question], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(options(tmp_path, json=True, peer=THERE)) == Exit.DIAGNOSED
    line = capsys.readouterr().out
    assert "\x1b" not in line
    answer = json.loads(line)
    assert [item["kind"] for item in answer["findings"]] == ["other-network"]
    assert answer["peers"][0]["tcp"] == "open"
    assert not answer["running"]


def test_nothing_in_the_way_is_said_and_is_no_failure(
    examined: list[Question], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(options(tmp_path)) == Exit.OK
    assert capsys.readouterr().out.endswith("nothing is in the way: 192.0.2.7:4700 answers\n")


def test_without_a_node_the_options_say_where_it_would_listen(
    examined: list[Question], tmp_path: Path
) -> None:
    doctor.run(options(tmp_path, listen=[("192.0.2.1", 4700)], peer=("localhost", 4700)))
    (question,) = examined
    assert question.listen == (("192.0.2.1", 4700),)
    assert question.node is None
    assert ("127.0.0.1", 4700) in question.peers
    assert question.own == f" --home {tmp_path}"


def test_a_network_is_looked_for_and_not_made(
    examined: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(CONFIGURATION_VARIABLE, str(tmp_path / "config"))
    assert doctor.run(options(tmp_path, open=False)) == Exit.OK
    assert "this user has no network 'bazaar' yet" in capsys.readouterr().out
    assert not (tmp_path / "config").exists()
    made = closed_network("bazaar")
    doctor.run(options(tmp_path, open=False))
    assert [question.network for question in examined] == [None, made]


def test_mistakes_are_one_line(examined: list[Question], tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        doctor.run(options(tmp_path, peer=("no.such.name.invalid", 4)))
    assert caught.value.code is Exit.NOT_FOUND
    with pytest.raises(CommandError) as caught:
        doctor.run(options(tmp_path, network="n" * 1_000))
    assert caught.value.code is Exit.USAGE
