"""The commands about tasks, as arguments: work, post, accept, reject, cancel, tasks, task.

Law: as of the command line, only arguments are read here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.interfaces.arguments import EPILOG, count, read_duration, read_text

if TYPE_CHECKING:
    from antsp2p.interfaces.arguments import Adder

STATES: Final = (
    "open", "claimed", "working", "done", "accepted", "rejected", "failed", "lapsed", "released",
    "cancelled", "dead-lettered", "orphaned",
)
"""Named here again so that `--help` need not load the rules; a test compares them."""


def add_work(add: Adder) -> None:
    """Serve a capability."""
    work = add("work", "serve a capability with a command: work --can NAME -- CMD ...")
    work.usage = (
        "antsp2p work [-h] [--home DIR] [--name NAME] [--json] --can NAME [--slots N]\n"
        "                    [--description TEXT] [--configuration FILE|TEXT]\n"
        "                    -- CMD [ARG ...]"
    )
    work.add_argument(
        "--can", metavar="NAME", type=read_text, required=True, help="the capability served"
    )
    work.add_argument(
        "--slots", metavar="N", type=count(1, 10_000), default=1,
        help="how many commands run at once (default: %(default)s)",
    )
    work.add_argument(
        "--description", metavar="TEXT", type=read_text, default="", help="what it does"
    )
    work.add_argument(
        "--configuration", metavar="FILE|TEXT", action="append", default=[],
        help="what CMD is made of: a model's name, a file of prompts; may be repeated. Others "
        "learn a digest, and that it changed: then past work counts for less",
    )
    work.epilog = (
        "CMD gets the input on standard input; its standard output is the result. Its\n"
        "environment has ANTSP2P_TASK, ANTSP2P_EPOCH, ANTSP2P_CLAIM and ANTSP2P_CAPABILITY.\n"
        "An exit code other than 0 is a failure, reported with the end of standard error.\n"
        "It is stopped when its claim is lost.\n\n" + EPILOG
    )


def add_post(add: Adder) -> None:
    """Offer a task."""
    post = add("post", "offer a task")
    post.add_argument(
        "capability", metavar="CAPABILITY", type=read_text, help="what the task needs"
    )
    given = post.add_mutually_exclusive_group(required=True)
    given.add_argument("--input", metavar="FILE", help="the input; - is standard input")
    given.add_argument("--text", metavar="TEXT", help="the input, as text")
    post.add_argument("--media-type", metavar="TYPE", type=read_text, help="what the input is")
    post.add_argument(
        "--wait", action="store_true", help="write the result out; a long wait says what for"
    )
    post.add_argument(
        "--review", action="store_true", help="accept or reject the result yourself"
    )
    post.add_argument(
        "--holder-only", action="store_true", help="give the input to whoever has the task only"
    )
    known = post.add_mutually_exclusive_group()
    known.add_argument(
        "--expect", metavar="FILE",
        help="the answer is known: whoever gives these bytes is right. It goes to a worker of "
        "whom nothing is known yet, if one wants it, and looks like any other task",
    )
    known.add_argument(
        "--expect-text", metavar="TEXT", help="the known answer, as text: no line ends it"
    )
    post.add_argument(
        "--lease", metavar="TIME", type=read_duration, dest="lease_ms",
        help="how long a silent worker keeps the task (node's default: 10s)",
    )
    post.add_argument(
        "--settle", metavar="TIME", type=read_duration, dest="settle_ms",
        help="how long to collect claims before awarding (node's default: 150ms)",
    )
    post.add_argument(
        "--attempts", metavar="N", type=count(1, 1_000),
        help="awards before it is given up (3); the first time that a worker gives the task "
        "back of its own accord costs none",
    )
    post.add_argument(
        "--timeout", metavar="TIME", type=read_duration, dest="timeout_ms",
        help="cancel the task after this time; each attempt has an equal share of it, so with "
        "30s and 3 attempts one that takes over 10s goes to another worker (default: never)",
    )
    post.add_argument("--cost", metavar="N", type=count(1, 1_000), help="its weight in trust")
    post.add_argument(
        "--key", metavar="TEXT", type=read_text,
        help="posting the same again with the same key gives the same task, not a second one",
    )
    post.add_argument(
        "--after", metavar="TASK", type=read_text, action="append", default=[],
        help="an own task that must be accepted first; may be repeated",
    )
    post.epilog = "A TIME is a number with its unit, like 250ms, 10s, 5m or 1d.\n\n" + EPILOG


def add_tasks(add: Adder) -> None:
    """Look at tasks, and decide about one's own."""
    for name, summary in (
        ("accept", "accept the result that waits for review"),
        ("reject", "reject the result that waits for review"),
        ("cancel", "end an own task"),
    ):
        decide = add(name, summary, "decide")
        decide.add_argument(
            "id", metavar="ID", type=read_text, help="the task, or how its id begins"
        )
        if name != "accept":
            decide.add_argument(
                "--reason", metavar="TEXT", type=read_text, default="", help="said to the worker"
            )
    tasks = add("tasks", "list the tasks this node knows of")
    tasks.epilog = (
        "An epoch is one try at a task, counted from 0. Of --attempts only those count in which\n"
        "somebody was given the task.\n\n" + EPILOG
    )
    tasks.add_argument(
        "--state", metavar="STATE", choices=STATES,
        help="only tasks in this state: " + ", ".join(STATES),
    )
    tasks.add_argument("--mine", action="store_true", help="only tasks posted here")
    tasks.add_argument(
        "--limit", metavar="N", type=count(1, 10_000), default=50,
        help="the newest N (default: %(default)s)",
    )
    task = add("task", "show one task and its history")
    task.add_argument("id", metavar="ID", type=read_text, help="the task, or how its id begins")
    task.add_argument("--result", action="store_true", help="write only its result out")
    task.add_argument("--wait", action="store_true", help="with --result: wait for it")
