"""The commands of the blackboard, as arguments: mark, marks.

Law: as of the command line, only arguments are read here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.interfaces.arguments import read_duration_up_to, read_text

if TYPE_CHECKING:
    from antsp2p.interfaces.arguments import Adder

_MOST_MS: Final = 30 * 86_400_000


def add_marks(add: Adder) -> None:
    """Leave a mark, and look at what others left."""
    mark = add("mark", "leave a mark at a topic, for whoever looks there; it fades")
    mark.add_argument("topic", metavar="TOPIC", type=read_text, help="a name, like a capability's")
    mark.add_argument(
        "text", metavar="TEXT", type=read_text, nargs="?", default="",
        help="a few words, at most 300 bytes",
    )
    mark.add_argument(
        "--half-life", metavar="TIME", type=read_duration_up_to(_MOST_MS, "30 days"),
        default=3_600_000, dest="half_life_ms",
        help="half as strong after so long, gone after ten times that (default: 1h)",
    )
    mark.add_argument("--wipe", action="store_true", help="take this node's mark away instead")
    marks = add("marks", "list the topics where marks are, or the marks at one")
    marks.add_argument(
        "topic", metavar="TOPIC", type=read_text, nargs="?", help="what stands here, mark by mark"
    )
