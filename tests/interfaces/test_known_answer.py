"""The known answer of a probe, as the command line takes it."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.interfaces.commands.post import _answer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_known_answer_is_a_file_or_the_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answer.txt"
    file.write_bytes(b"four\n")
    assert _answer(str(file)) == b"four\n"
    assert _answer("four") == b"four"
    assert capsys.readouterr().err == ""


def test_a_mistyped_file_name_is_not_taken_for_an_answer_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = str(tmp_path / "answr.txt")
    assert _answer(name) == name.encode()
    assert "so the answer is this text itself" in capsys.readouterr().err
