"""Pins and blocks at the terminal: at once, and after a restart."""
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from antsp2p.interfaces.exit_codes import Exit
from tests.interfaces.terminal import Desk, two_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Pair = tuple[Desk, Desk]
UNKNOWN = "ab" * 32


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_nodes(tmp_path) as nodes:
        yield nodes


def test_pins_are_listed_kept_and_taken_back(pair: Pair) -> None:
    first, second = pair
    assert first.json("trust list") == {"pins": [], "blocked": []}
    answer = first.json("trust pin", second.author[:10], "--weight", "6")
    assert answer == {
        "author": second.author, "weight": 6, "blocked": False,
        "before": {"weight": 0, "blocked": False},
    }
    first.say("trust block", UNKNOWN)
    (peer,) = first.json("peers")["peers"]
    assert (peer["score_ppm"], peer["accepted"], peer["pinned"]) == (750_000, 0, 6)
    assert "0.75 (+0 -0, pin 6)" in first.say("peers")
    first.say("stop")
    first.node.wait()
    first.start_node()
    listed = first.json("trust list")
    assert listed == {
        "pins": [{"author": second.author, "weight": 6}], "blocked": [{"author": UNKNOWN}],
    }
    assert (first.home / "trust.json").stat().st_mode & 0o777 == 0o600
    text = first.say("trust list")
    assert second.author in text
    assert "blocked" in text
    first.say("trust unpin", second.author[:6])
    first.say("trust unblock", "abab")
    assert first.json("trust list") == {"pins": [], "blocked": []}


def test_one_word_takes_the_place_of_the_other_and_says_so(pair: Pair) -> None:
    first, second = pair
    first.say("trust pin", second.author, "--weight", "6")
    assert first.say("trust block", second.author).endswith("; its pin of 6 is gone\n")
    assert not first.say("trust block", second.author).endswith("gone\n")
    assert first.say("trust pin", second.author).endswith("beforehand, and blocked no longer\n")
    assert first.say("trust pin", second.author).endswith("beforehand\n")


def test_mistakes_get_one_line(pair: Pair) -> None:
    first, second = pair
    assert "is this node itself" in first.refusal(
        "trust block", first.author, code=Exit.REFUSED)
    assert "no node known here" in first.refusal("trust pin", "abcdef", code=Exit.NOT_FOUND)
    first.refusal("trust unpin", second.author, code=Exit.NOT_FOUND)
    first.refusal("trust pin", second.author, "--weight", "0", code=Exit.USAGE)
    first.refusal("trust", code=Exit.USAGE)


def test_a_blocked_worker_gets_no_task_until_it_is_blocked_no_more(pair: Pair) -> None:
    first, second = pair
    second.work("trust.upper", "tr", "a-z", "A-Z")
    first.say("trust block", second.author)
    (peer,) = first.json("peers")["peers"]
    assert peer["blocked"] is True
    assert "blocked" in first.say("peers")
    watch = first.watch()
    task = first.json("post", "trust.upper", "--text", "x", "--settle", "0")["task"]
    # The worker claims; the poster opens the task again without it.
    watch.json(kind="task", subject=task, epoch=1)
    shown = first.json("task", task)
    assert any(line["what"].startswith("reopened") for line in shown["history"])
    assert not shown["results"]
    blocked = f"trust.upper is offered by {second.author[:12]} only, blocked here"
    assert blocked in first.say("task", task)
    first.say("trust unblock", second.author)
    assert "only by nodes that were shut out of this very task" in first.say("task", task)
    first.say("cancel", task)
    assert first.say("post", "trust.upper", "--text", "x", "--wait", "--settle", "0") == "X"


def test_offers_of_a_blocked_poster_are_not_taken_until_it_is_blocked_no_more(
    pair: Pair
) -> None:
    first, second = pair
    second.work("trust.lower", "tr", "A-Z", "a-z")
    second.say("trust block", first.author)
    task = first.json("post", "trust.lower", "--text", "X", "--settle", "0")["task"]
    watch = second.watch()
    other = first.json("post", "trust.other", "--text", "X")["task"]
    watch.json(kind="task", subject=other)
    assert second.json("task", task)["claims"] == []
    second.say("trust unblock", first.author)
    assert first.say("task", task, "--result", "--wait") == "x"
