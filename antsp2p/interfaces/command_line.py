"""The command line: `antsp2p COMMAND ...`.

Law: this module only reads arguments. A command's module is imported when that command runs,
so that `--help` and a usage error cost nothing else. A person's mistake gets one line.
"""
from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING

from antsp2p import __version__
from antsp2p.interfaces.arguments import (
    EPILOG,
    Parser,
    add_passphrase,
    count,
    read_address,
    read_text,
)
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.key_commands import add_key, add_membership
from antsp2p.interfaces.mark_commands import add_marks
from antsp2p.interfaces.printing import complain
from antsp2p.interfaces.simulation_commands import add_simulate
from antsp2p.interfaces.streams import (
    fill_closed_streams,
    flush_output,
    silence_broken_streams,
)
from antsp2p.interfaces.task_commands import add_post, add_tasks, add_work
from antsp2p.interfaces.trust_commands import add_pins, add_trust, add_vouch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.interfaces.arguments import Adder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    fill_closed_streams()
    try:
        try:
            return _main(arguments)
        finally:
            # Here and not when the interpreter ends, where nothing could be done about a failure.
            flush_output()
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nobody is left to be told anything.
        silence_broken_streams()
        return Exit.OK
    except CommandError as error:
        complain(error.line)
        return error.code
    except KeyboardInterrupt:
        # Loading the command's module is a good part of its time, and may be interrupted as well.
        complain("interrupted")
        return Exit.INTERRUPTED


def _main(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Everything behind the first `--` is the user's own command, whatever it looks like.
    own, command = words, []
    if "--" in words:
        place = words.index("--")
        own, command = words[:place], words[place + 1 :]
    options, unknown = _parser().parse_known_args(own)
    if unknown:
        of = " ".join(filter(None, (options.command, getattr(options, "action", None))))
        text = f"{of} takes no {shlex.join(unknown)} (see: antsp2p {of} --help)"
        if of == "work" and not unknown[0].startswith("-"):
            text = f"the command to run goes behind `--`: ... -- {shlex.join(unknown)}"
        complain(text)
        return Exit.USAGE
    if command and options.command != "work":
        complain(f"{options.command} takes nothing behind `--` (see: antsp2p --help)")
        return Exit.USAGE
    options.run_command = command
    module = importlib.import_module(f"antsp2p.interfaces.commands.{options.module}")
    run: Callable[[argparse.Namespace], int] = module.run
    return run(options)


def _policy_help() -> str:
    policy = importlib.import_module("antsp2p.interfaces.policy")
    return str(policy.help_text())


# --- the commands --------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="antsp2p",
        description="Agents on one network share work with no server, relay, leader or scheduler.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"antsp2p {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    _Commands(commands).add_all()
    return parser


class _Commands:
    """Adds the sub-commands, each with the common options."""

    def __init__(self, commands: argparse._SubParsersAction[Parser]) -> None:
        self._commands = commands

    def add_all(self) -> None:
        self._add_node()
        add_work(self._add)
        add_post(self._add)
        add_tasks(self._add)
        self._add_looking()
        add_vouch(self._add)
        add_marks(self._add)
        add_key(self._add_group)
        add_membership(self._add)
        add_simulate(self._add)

    def _add(
        self, name: str, summary: str, module: str = "", *, homeless: bool = False,
        within: argparse._SubParsersAction[Parser] | None = None,
    ) -> Parser:
        parser = (within or self._commands).add_parser(
            name, help=summary, description=summary, epilog=EPILOG, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(module=module or name)
        common = parser.add_argument_group("common options")
        if not homeless:
            common.add_argument("--home", metavar="DIR", help="where the node keeps what it knows")
            common.add_argument("--name", metavar="NAME", help="a home of this name, beside others")
        common.add_argument("--json", action="store_true", help="answer in JSON")
        return parser

    def _add_group(self, name: str, summary: str) -> Adder:
        """A command that takes an action, each with the common options."""
        group = self._commands.add_parser(
            name, help=summary, description=summary, epilog=EPILOG, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        actions = group.add_subparsers(metavar="ACTION", dest="action", required=True)
        return partial(self._add, within=actions)

    def _add_node(self) -> None:
        start = self._add("start", "run a node until it is stopped")
        start.add_argument(
            "--listen", metavar="ADDR:PORT", type=read_address, action="append", default=[],
            help="where to listen; port 0 takes a free one; may be repeated",
        )
        start.add_argument(
            "--peer", metavar="HOST:PORT", type=read_address, action="append", default=[],
            help="a node to connect to; may be repeated",
        )
        start.add_argument(
            "--no-discovery", dest="discovery", action="store_false",
            help="do not look for nodes on the local network",
        )
        start.add_argument(
            "--network", metavar="NAME", default="local",
            help="the network to take part in (default: %(default)s)",
        )
        start.add_argument(
            "--open", action="store_true",
            help="let everybody in who knows the network's name (default: this user's nodes only)",
        )
        start.add_argument(
            "--price", metavar="BITS", type=int,
            help="with --open: each node pays for its name with about 2^BITS hashes, once; 20 takes"
                 " seconds (default: as this user knows the network, else nothing)",
        )
        start.add_argument(
            "--nickname", metavar="TEXT", type=read_text, default="",
            help="what others see beside the node's id",
        )
        start.add_argument(
            "--accept-lost-store", action="store_true",
            help="go on with a key whose history is lost, at the risk of contradicting it",
        )
        start.add_argument(
            "--only-copy", metavar="NAME", default="",
            help="go on with a home that seems to be an old copy: NAME is how the node's id begins",
        )
        start.add_argument(
            "--reputation", metavar="NAME=VALUE", type=read_text, action="append", default=[],
            help="what to do with what is thought of others; may be repeated, see below",
        )
        start.more_help = _policy_help
        add_passphrase(start)
        self._add("stop", "stop the node and wait until it has ended", "node")
        self._add("status", "show what the node is doing", "node")

    def _add_looking(self) -> None:
        self._add("peers", "list the other nodes and what they can do")
        add_trust(self._add)
        add_pins(self._add_group)
        self._add("watch", "follow what happens")
        self._add_doctor()
        log = self._add("log", "print signed records readably")
        log.add_argument(
            "--author", metavar="NODE", type=read_text, help="only records of this node"
        )
        log.add_argument(
            "--limit", metavar="N", type=count(1, 10_000), default=50,
            help="the last N (default: %(default)s)",
        )
        log.add_argument(
            "--decode", metavar="HEX", help="decode this record instead; - reads standard input"
        )

    def _add_doctor(self) -> None:
        doctor = self._add("doctor", "find out why two nodes do not see each other")
        doctor.add_argument(
            "peer", metavar="HOST:PORT", type=read_address, nargs="?",
            help="a node that is not seen; without it, whoever should be seen here",
        )
        doctor.add_argument(
            "--listen", metavar="ADDR:PORT", type=read_address, action="append", default=[],
            help="where a node that does not run yet would listen; may be repeated",
        )
        doctor.add_argument(
            "--network", metavar="NAME", default="local",
            help="the network of a node that does not run yet (default: %(default)s)",
        )
        doctor.add_argument(
            "--open", action="store_true", help="that network is the open one of its name"
        )
