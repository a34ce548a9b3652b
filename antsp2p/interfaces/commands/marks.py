"""`antsp2p marks [TOPIC]`: where marks are, or the marks at one topic."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from antsp2p.interfaces.client import Client
from antsp2p.interfaces.durations import format_duration
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import say_json, say_table, short

if TYPE_CHECKING:
    import argparse

_NONE: Final = "no mark is left here"
_TOPICS: Final = ("topic", "strength", "trusted", "marks", "last")
_MARKS: Final = ("node", "age", "strength", "trusted", "heeded", "text")


def run(options: argparse.Namespace) -> int:
    """List the topics, the most trusted first, or what stands at one of them."""
    topic = options.topic
    with Client(options) as client:
        answer = client.get("/v1/marks", None if topic is None else {"topic": topic})
    if options.json:
        say_json(answer)
    elif topic is None:
        say_table(_TOPICS, [_topic_row(each) for each in answer["topics"]], _NONE)
    else:
        say_table(_MARKS, [_mark_row(each) for each in answer["marks"]], _NONE)
    return Exit.OK


def _share(ppm: int) -> str:
    return f"{ppm / 1_000_000:.2f}"


def _topic_row(topic: Any) -> tuple[str, ...]:
    return (
        topic["topic"], _share(topic["strength_ppm"]), _share(topic["trusted_ppm"]),
        str(topic["marks"]), format_duration(topic["ms_ago"]),
    )


def _mark_row(mark: Any) -> tuple[str, ...]:
    return (
        short(mark["author"]), format_duration(mark["ms_ago"]), _share(mark["strength_ppm"]),
        _share(mark["trusted_ppm"]), "yes" if mark["heeded"] else "no", mark["text"] or "-",
    )
