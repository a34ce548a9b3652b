"""Audit files and fork proofs at the terminal: written at one node, checked where there is none."""
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from antsp2p.interfaces.command_line import main
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.records.audit import parse_audit
from antsp2p.records.fork import encode_proof, make_proof
from tests.interfaces.terminal import Desk, antsp2p, two_nodes
from tests.records.chains import chain, extend, spoiled
from tests.vectors import generate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Pair = tuple[Desk, Desk]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with two_nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        first, second = nodes
        second.work("audit.upper", "tr", "a-z", "A-Z")
        second.work("audit.fail", "false")
        for _ in range(2):
            first.say("post", "audit.upper", "--text", "x", "--wait", "--settle", "0")
        answer = antsp2p(
            "post", "audit.fail", "--text", "x", "--wait", "--settle", "0", "--attempts", "1",
            "--cost", "3", "--home", str(first.home),
        )
        assert answer.returncode == Exit.FAILED
        yield nodes


def verified(path: Path, elsewhere: Path) -> Any:
    """What a machine without any node says of the file."""
    done = antsp2p("verify", str(path), "--json", user=elsewhere)
    assert done.returncode == Exit.OK, done.stderr
    return json.loads(done.stdout)


def refused(path: Path, elsewhere: Path) -> str:
    """The one line that a file is refused with."""
    for more in ((), ("--json",)):
        done = antsp2p("verify", str(path), *more, user=elsewhere)
        assert done.returncode == Exit.FAILED
        assert done.stdout == b""
        (line,) = done.stderr.decode().splitlines()
    return line


def test_a_history_is_checked_where_there_is_no_node(pair: Pair, tmp_path: Path) -> None:
    first, second = pair
    path = tmp_path / "history.audit"
    said = first.say("audit", second.author[:10], "-o", str(path))
    assert f"antsp2p verify {path}" in said
    found = verified(path, tmp_path / "elsewhere")
    assert (found["kind"], found["author"]) == ("audit", second.author)
    assert found["counts"] == {
        "audit.fail": {"failed": {"claims": 1, "weight": 3}},
        "audit.upper": {"accepted": {"claims": 2, "weight": 2}},
    }
    (key,) = found["keys"]
    assert key["gapless"]
    assert key["fork_seq"] == 0
    assert {deed["rater"] for deed in found["deeds"]} == {first.author}
    done = first.run("audit", second.author[:10], "-o", "-")
    piped = antsp2p("verify", "-", "--json", stdin=done.stdout, user=tmp_path / "elsewhere")
    assert (json.loads(piped.stdout)["deeds"], done.stderr) == (found["deeds"], b"")
    first.refusal("audit", second.author, "-o", "-", "--json", code=Exit.USAGE)
    why = first.json("why", second.author[:10])
    assert {deed["record"] for deed in found["deeds"]} == {
        item["record"] for item in why["evidence"]}
    text = antsp2p("verify", str(path), user=tmp_path / "elsewhere").stdout.decode()
    assert "without a gap" in text
    assert any(
        line.split() == ["audit.fail", "failed", "1", "3"] for line in text.splitlines())


def test_a_node_writes_its_own_history_and_what_others_owe(pair: Pair, tmp_path: Path) -> None:
    first, _ = pair
    path = tmp_path / "own.audit"
    answer = first.json("audit", first.author, "-o", str(path))
    assert (answer["left_out"], answer["size"]) == (0, path.stat().st_size)
    found = verified(path, tmp_path / "elsewhere")
    assert (found["offers"], found["unanswered"], found["counts"]) == (3, 0, {})


def test_a_file_that_was_changed_proves_nothing(pair: Pair, tmp_path: Path) -> None:
    first, second = pair
    path, elsewhere = tmp_path / "history.audit", tmp_path / "elsewhere"
    first.say("audit", second.author, "-o", str(path))
    whole = path.read_bytes()
    top = parse_audit(whole).of(bytes.fromhex(second.author))[-1][-1]
    lie = top.wire[:-1] + bytes((top.wire[-1] ^ 1,))
    lied = tmp_path / "lied"
    lied.write_bytes(whole.replace(top.wire, lie))
    assert refused(lied, elsewhere).endswith("it has records that no signature covers")
    lied.write_bytes(whole.replace(bytes.fromhex(second.author), bytes(32), 1))
    assert refused(lied, elsewhere).endswith("it has nothing of the node that it is said to be "
                                             "about")
    lied.write_bytes(whole[:-10])
    assert "it is damaged or was changed" in refused(lied, elsewhere)
    lied.write_bytes(b"")
    assert refused(lied, elsewhere).endswith("is neither an audit file nor a fork proof")
    done = antsp2p("verify", str(tmp_path / "none"), user=elsewhere)
    assert done.returncode == Exit.USAGE


@pytest.mark.parametrize("kind", ["audits", "proofs"])
def test_every_vector_that_is_invalid_is_refused(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((generate.FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    path = tmp_path / "file"
    for case in content["invalid"]:
        path.write_bytes(bytes.fromhex(case["wire"]))
        assert main(["verify", str(path)]) == Exit.FAILED, case["name"]
        captured = capsys.readouterr()
        assert (captured.out, len(captured.err.splitlines())) == ("", 1), case["name"]
    for case in content["valid"]:
        path.write_bytes(bytes.fromhex(case["wire"]))
        if case["name"] == "nothing" or not case.get("convicts", True):
            continue
        assert main(["verify", str(path)]) == Exit.OK, case["name"]
        assert case["author"] in capsys.readouterr().out


def test_a_proof_is_checked_where_there_is_no_node(tmp_path: Path) -> None:
    log, other = chain(3), extend(chain(2), 1, mark=1)
    proof = make_proof(log[0].author, 3, (log[2],), (other[2],))
    path = tmp_path / "fork.proof"
    path.write_bytes(encode_proof(proof))
    found = verified(path, tmp_path / "elsewhere")
    assert (found["kind"], found["seq"], found["id"]) == ("proof", 3, proof.id.hex())
    assert found["author"] == log[0].author.hex()
    text = antsp2p("verify", str(path), user=tmp_path / "elsewhere").stdout.decode()
    assert "signed two histories, which part at record 3" in text
    path.write_bytes(encode_proof(make_proof(log[0].author, 3, (spoiled(log[2]),), (other[2],))))
    assert refused(path, tmp_path / "elsewhere").endswith("a fork proof in it proves nothing")


def test_without_any_fork_there_is_no_proof_to_write(pair: Pair, tmp_path: Path) -> None:
    first, _ = pair
    assert first.json("proof") == {"proofs": []}
    assert "no node known here was caught" in first.say("proof")
    done = antsp2p("proof", "abcd", "-o", str(tmp_path / "x"), "--home", str(first.home))
    assert done.returncode == Exit.NOT_FOUND
    assert not (tmp_path / "x").exists()


def test_a_file_that_cannot_be_written_is_an_error_of_one_line(pair: Pair) -> None:
    first, second = pair
    done = antsp2p("audit", second.author, "-o", "/dev/null/x", "--home", str(first.home))
    assert done.returncode == Exit.REFUSED
    assert len(done.stderr.splitlines()) == 1
