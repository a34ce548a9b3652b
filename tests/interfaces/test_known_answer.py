"""The known answer of a probe, as the command line takes it."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.coordination.body import content_hash
from antsp2p.interfaces.command_line import main
from antsp2p.interfaces.commands import post
from antsp2p.interfaces.exit_codes import Exit

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Self

    import pytest


class _Node:
    """Stands for the client of a node that takes every task."""

    posted: list[dict[str, Any]]

    def __init__(self, options: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, method: str, path: str, *, params: dict[str, Any], content: bytes) -> Any:
        self.posted.append(params)
        return {"task": "ab"}


def expected(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """What a task posted with these arguments expects; or the exit code, where none was posted."""
    monkeypatch.setattr(_Node, "posted", [], raising=False)
    monkeypatch.setattr(post, "Client", _Node)
    try:
        code: object = main(("post", "a", "--text", "x", *arguments))
    except SystemExit as end:
        code = end.code
    return _Node.posted[0].get("expected") if _Node.posted else code


def test_a_known_answer_is_a_file_or_a_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "answer"
    file.write_bytes(b"four\n")
    assert expected(monkeypatch, "--expect", str(file)) == content_hash(b"four\n").hex()
    assert expected(monkeypatch, "--expect-text", "four") == content_hash(b"four").hex()
    assert expected(monkeypatch, "--expect-text", str(file)) == (
        content_hash(str(file).encode()).hex())
    assert expected(monkeypatch, "--expect-text", "") == content_hash(b"").hex()
    assert expected(monkeypatch) is None


def test_a_mistyped_file_name_is_not_taken_for_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("four", str(tmp_path / "answr.txt"), str(tmp_path), ""):
        assert expected(monkeypatch, "--expect", name) == Exit.USAGE
        printed = capsys.readouterr().err
        assert "--expect-text" in printed
        assert printed.count("\n") == 1
    (tmp_path / "large").write_bytes(bytes(post.MAX_INPUT_BYTES + 1))
    assert expected(monkeypatch, "--expect", str(tmp_path / "large")) == Exit.USAGE
    both = ("--expect", "a", "--expect-text", "b")
    assert expected(monkeypatch, *both) == Exit.USAGE
