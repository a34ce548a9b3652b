"""What strangers wrote reaches the terminal as visible characters, or not at all."""
from __future__ import annotations

import io
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antsp2p.interfaces import printing

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, [bold]kept[/bold]", "plain text, [bold]kept[/bold]"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("a\u202eb\u2066c\u200fd", "a\\u202eb\\u2066c\\u200fd"),
        ("\u2028\u2029\ufeff\u200b", "\\u2028\\u2029\\ufeff\\u200b"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("größe 大きさ 🐜", "größe 大きさ 🐜"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    assert printing.escape(text) == shown


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    shown = printing.escape(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert printing.escape(shown) == shown


def test_a_line_is_cut_after_it_was_escaped() -> None:
    assert printing.one_line("\n" * 1_000, 10) == "\\x0a\\x0a\\" + "…"
    assert printing.one_line("a" * 10, 10) == "a" * 10


def test_a_table_in_a_pipe_is_plain_whole_and_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    printing.say_table(
        ("node", "name"), [("ab12", "x\x1b[2J"), ("cd34ef", "y" * 200)], "nothing")
    assert capsys.readouterr().out.splitlines() == [
        "NODE    NAME", "ab12    x\\x1b[2J", "cd34ef  " + "y" * 200,
    ]
    printing.say_table(("node",), [("y" * 1_000,)], "nothing")
    assert capsys.readouterr().out.splitlines()[1] == "y" * 1_000


def test_one_is_not_many() -> None:
    assert [printing.counted(number, "node") for number in range(3)] == [
        "0 nodes", "1 node", "2 nodes"]


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    printing.say_table(("node",), [], "no other node")
    assert capsys.readouterr().out == "no other node\n"


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, show: Callable[[], None]) -> str:
    """What `show` writes to a terminal of 40 columns."""
    written = io.BytesIO()
    terminal = _Terminal(written, "utf-8", write_through=True)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", terminal)
        patch.setenv("COLUMNS", "40")
        patch.setenv("TERM", "xterm")
        show()
    return written.getvalue().decode()


def test_a_table_on_a_terminal_fits_and_interprets_no_markup(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("ab12", "[b]x[/b] :ant: \x1b[2J" + "y" * 100)]
    shown = on_terminal(
        monkeypatch, lambda: printing.say_table(("node", "what it says"), rows, "nothing"))
    assert all(len(line) <= 40 for line in shown.splitlines())
    assert "[b]x[/b] :ant: \\x1b[2J" in shown


def test_a_terminal_too_narrow_for_a_table_loses_no_column_but_the_last(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ("420819f99cd4", "up", "1.7ms", "0.60 (+6 -1)", "192.0.2.7:4748", "y" * 60)
    names = ("node", "link", "rtt", "score", "address", "can")
    shown = on_terminal(monkeypatch, lambda: printing.say_table(names, [row], "nothing"))
    head, _, line = shown.splitlines()[:3]
    assert head.split() == list(names)
    assert all(cell in line for cell in row[:-1])
    assert "…" in line


def test_content_on_a_terminal_is_escaped_but_keeps_its_lines(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"one\ttwo\n\x1b]0;title\x07\xff"
    assert on_terminal(monkeypatch, lambda: printing.write_content(content)) == (
        "one\ttwo\n\\x1b]0;title\\x07\ufffd\n")


def test_content_in_a_pipe_is_untouched(
    capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    printing.write_content(b"\x00\x1b[31m\xff")
    assert capsysbinary.readouterr().out == b"\x00\x1b[31m\xff"


def test_json_is_one_line_of_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    printing.say_json({"name": "a\u202e\n\x1b"})
    assert capsys.readouterr().out == '{"name":"a\\u202e\\n\\u001b"}\n'
