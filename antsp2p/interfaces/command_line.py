"""The command line: `antsp2p COMMAND ...`.

Law: this module only reads arguments. A command's module is imported when that command runs,
so that `--help` and a usage error cost nothing else. A person's mistake gets one line.
"""
from __future__ import annotations

import argparse
import importlib
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from antsp2p import __version__
from antsp2p.interfaces.durations import BadDuration, parse_duration_ms
from antsp2p.interfaces.exit_codes import MEANING, CommandError, Exit
from antsp2p.interfaces.printing import complain
from antsp2p.interfaces.streams import fill_closed_streams, silence_broken_streams
from antsp2p.interfaces.trust_commands import add_pins, add_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EPILOG: Final = "exit codes:\n" + "\n".join(
    f"  {int(code):3d}  {meaning}" for code, meaning in MEANING.items()
)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    more_help: Callable[[], str] | None = None
    """Lines for the end of the help that are made only where somebody asks for it."""

    def format_help(self) -> str:
        more = "" if self.more_help is None else "\n" + self.more_help()
        return super().format_help() + more

    def error(self, message: str) -> NoReturn:
        complain(f"{message} (see: {self.prog} --help)")
        sys.exit(Exit.USAGE)


_STATES = (
    "open", "claimed", "working", "done", "accepted", "rejected", "failed", "lapsed", "released",
    "cancelled", "dead-lettered", "orphaned",
)
"""Named here again so that `--help` need not load the rules; a test compares them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    fill_closed_streams()
    try:
        try:
            return _main(arguments)
        finally:
            # Here and not when the interpreter ends, where nothing could be done about a failure.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nobody is left to be told anything.
        silence_broken_streams()
        return Exit.OK


def _main(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Everything behind the first `--` is the user's own command, whatever it looks like.
    own, command = words, []
    if "--" in words:
        place = words.index("--")
        own, command = words[:place], words[place + 1 :]
    options = _parser().parse_args(own)
    if command and options.command != "work":
        complain(f"{options.command} takes nothing behind `--` (see: antsp2p --help)")
        return Exit.USAGE
    options.run_command = command
    module = importlib.import_module(f"antsp2p.interfaces.commands.{options.module}")
    run: Callable[[argparse.Namespace], int] = module.run
    return _run(run, options)


def _run(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    try:
        return run(options)
    except CommandError as error:
        complain(error.line)
        return error.code
    except KeyboardInterrupt:
        complain("interrupted")
        return Exit.INTERRUPTED


# --- readers of single arguments -----------------------------------------------------------------


def _duration(text: str) -> int:
    try:
        return parse_duration_ms(text)
    except BadDuration as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _text(text: str) -> str:
    """An argument that travels as UTF-8; bytes that are none become replacement characters."""
    return os.fsencode(text).decode("utf-8", "replace")


def _count(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text[:20]) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return int(text)

    return read


def _loss(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to below 1")
    return share


def _address(text: str) -> tuple[str, int]:
    """HOST:PORT, an IPv6 literal in brackets."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not (host and colon and port.isascii() and port.isdigit() and int(port[:6]) < 65_536):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOST:PORT; write it like 192.168.1.7:4444 or [::1]:4444"
        )
    return host, int(port)


def _at_least_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return number


def _key(text: str) -> str:
    if len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a node's whole id, 64 hex digits")
    return text.lower()


def _add_passphrase(parser: _Parser) -> None:
    parser.add_argument(
        "--passphrase-fd", metavar="N", type=_count(0, 1_023),
        help="read passphrases from this file descriptor, one a line",
    )


_ANY = _count(0, 2**53)
def _node_counts(text: str) -> tuple[int, ...]:
    count = _count(1, 100_000)
    return tuple(count(part) for part in text.split(","))


_SIMULATION: Final[tuple[tuple[str, Callable[[str], Any], str, str], ...]] = (
    ("nodes", _node_counts, "N[,N]", "how many nodes; of several numbers, one run each"),
    ("tasks", _count(0, 1_000_000), "N", "how many tasks, spread over the nodes"),
    ("records", _count(1, 1_000_000), "N", "with --tasks 0: how many isolated records to spread"),
    ("gap-ms", _count(1, 3_600_000), "MS", "time between two isolated records"),
    ("form-ms", _count(0, 3_600_000), "MS", "time for the nodes to link up before the first one"),
    ("handle-us", _count(0, 1_000_000), "US", "what one event costs a node's processor"),
    ("loss", _loss, "SHARE", "of datagrams, besides the profile's faults"),
    ("seed", _ANY, "N", "the same seed gives the same run"),
    ("profile", str, "NAME", "which delays and faults, see below (default: calm)"),
    ("delay", str, "NAME", "how long datagrams take: lan, wifi, wan (default: the profile's)"),
    ("capabilities", _count(1, 1_000), "N", "kinds of work"),
    ("slots", _count(1, 10_000), "N", "tasks that a node works on at once"),
    ("service-ms", _ANY, "MS", "how long a task takes"),
    ("tasks-per-s", _at_least_zero, "RATE", "how fast tasks are posted"),
    ("lease-ms", _ANY, "MS", "the tasks' lease"),
    ("settle-ms", _ANY, "MS", "the tasks' settle window"),
    ("attempts", _ANY, "N", "the tasks' attempts"),
    ("timeout-ms", _ANY, "MS", "the tasks' timeout"),
    ("blob-rate", _at_least_zero, "SHARE", "of tasks whose content is a blob"),
    ("flaky", _ANY, "N", "nodes that fail half of their tasks"),
    ("silent", _ANY, "N", "nodes that claim and never deliver or report"),
    ("pretending", _ANY, "N", "nodes that report progress and never deliver"),
    ("wrong", _ANY, "N", "nodes that deliver wrong results"),
    ("faults-ms", _ANY, "MS", "the profile's faults end after this"),
    ("until-ms", _ANY, "MS", "not at rest by then is a failure"),
)


def _profiles_help() -> str:
    profiles = importlib.import_module("antsp2p.simulation.profiles").PROFILES
    lines = [f"  {name:<11} {profile.text}" for name, profile in profiles.items()]
    return "\n".join(["profiles:", *lines, ""])


def _policy_help() -> str:
    policy = importlib.import_module("antsp2p.interfaces.policy")
    return str(policy.help_text())


# --- the commands --------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="antsp2p",
        description="Agents on one network share work with no server, relay, leader or scheduler.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"antsp2p {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    _Commands(commands).add_all()
    return parser


class _Commands:
    """Adds the sub-commands, each with the common options."""

    def __init__(self, commands: argparse._SubParsersAction[_Parser]) -> None:
        self._commands = commands

    def add_all(self) -> None:
        self._add_node()
        self._add_work()
        self._add_post()
        self._add_tasks()
        self._add_looking()
        self._add_vouch()
        self._add_key()
        self._add_membership()
        self._add_simulate()

    def _add(
        self, name: str, summary: str, module: str = "", *, homeless: bool = False,
        within: argparse._SubParsersAction[_Parser] | None = None,
    ) -> _Parser:
        parser = (within or self._commands).add_parser(
            name, help=summary, description=summary, epilog=_EPILOG, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(module=module or name)
        common = parser.add_argument_group("common options")
        if not homeless:
            common.add_argument("--home", metavar="DIR", help="where the node keeps what it knows")
            common.add_argument("--name", metavar="NAME", help="a home of this name, beside others")
        common.add_argument("--json", action="store_true", help="answer in JSON")
        return parser

    def _add_group(self, name: str, summary: str) -> argparse._SubParsersAction[_Parser]:
        """A command that takes an action, each with the common options."""
        group = self._commands.add_parser(
            name, help=summary, description=summary, epilog=_EPILOG, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        return group.add_subparsers(metavar="ACTION", dest="action", required=True)

    def _add_node(self) -> None:
        start = self._add("start", "run a node until it is stopped")
        start.add_argument(
            "--listen", metavar="ADDR:PORT", type=_address, action="append", default=[],
            help="where to listen; port 0 takes a free one; may be repeated",
        )
        start.add_argument(
            "--peer", metavar="HOST:PORT", type=_address, action="append", default=[],
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
            "--nickname", metavar="TEXT", type=_text, default="",
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
            "--reputation", metavar="NAME=VALUE", type=_text, action="append", default=[],
            help="what to do with what is thought of others; may be repeated, see below",
        )
        start.more_help = _policy_help
        _add_passphrase(start)
        self._add("stop", "stop the node and wait until it has ended", "node")
        self._add("status", "show what the node is doing", "node")

    def _add_work(self) -> None:
        work = self._add("work", "serve a capability with a command: work --can NAME -- CMD ...")
        work.usage = "antsp2p work --can NAME [--slots N] [--description TEXT] -- CMD [ARG ...]"
        work.add_argument(
            "--can", metavar="NAME", type=_text, required=True, help="the capability served"
        )
        work.add_argument(
            "--slots", metavar="N", type=_count(1, 10_000), default=1,
            help="how many commands run at once (default: %(default)s)",
        )
        work.add_argument(
            "--description", metavar="TEXT", type=_text, default="", help="what it does"
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
            "It is stopped when its claim is lost.\n\n" + _EPILOG
        )

    def _add_post(self) -> None:
        post = self._add("post", "offer a task")
        post.add_argument(
            "capability", metavar="CAPABILITY", type=_text, help="what the task needs"
        )
        given = post.add_mutually_exclusive_group(required=True)
        given.add_argument("--input", metavar="FILE", help="the input; - is standard input")
        given.add_argument("--text", metavar="TEXT", help="the input, as text")
        post.add_argument("--media-type", metavar="TYPE", type=_text, help="what the input is")
        post.add_argument(
            "--wait", action="store_true", help="write the result out; a long wait says what for"
        )
        post.add_argument(
            "--review", action="store_true", help="accept or reject the result yourself"
        )
        post.add_argument(
            "--holder-only", action="store_true", help="give the input to whoever has the task only"
        )
        post.add_argument(
            "--expect", metavar="FILE|TEXT",
            help="the answer is known: whoever gives these bytes is right. It goes to a worker of "
            "whom nothing is known yet, if one wants it, and looks like any other task",
        )
        post.add_argument(
            "--lease", metavar="TIME", type=_duration, dest="lease_ms",
            help="how long a silent worker keeps the task (node's default: 10s)",
        )
        post.add_argument(
            "--settle", metavar="TIME", type=_duration, dest="settle_ms",
            help="how long to collect claims before awarding (node's default: 150ms)",
        )
        post.add_argument(
            "--attempts", metavar="N", type=_count(1, 1_000),
            help="awards before it is given up (3); the first time that a worker gives the task "
            "back of its own accord costs none",
        )
        post.add_argument(
            "--timeout", metavar="TIME", type=_duration, dest="timeout_ms",
            help="cancel the task after this time; each attempt has an equal share of it, so with "
            "30s and 3 attempts one that takes over 10s goes to another worker (default: never)",
        )
        post.add_argument("--cost", metavar="N", type=_count(1, 1_000), help="its weight in trust")
        post.add_argument(
            "--key", metavar="TEXT", type=_text,
            help="posting the same again with the same key gives the same task, not a second one",
        )
        post.add_argument(
            "--after", metavar="TASK", type=_text, action="append", default=[],
            help="an own task that must be accepted first; may be repeated",
        )

    def _add_tasks(self) -> None:
        for name, summary in (
            ("accept", "accept the result that waits for review"),
            ("reject", "reject the result that waits for review"),
            ("cancel", "end an own task"),
        ):
            decide = self._add(name, summary, "decide")
            decide.add_argument(
                "id", metavar="ID", type=_text, help="the task, or how its id begins"
            )
            if name != "accept":
                decide.add_argument(
                    "--reason", metavar="TEXT", type=_text, default="", help="said to the worker"
                )
        tasks = self._add("tasks", "list the tasks this node knows of")
        tasks.add_argument(
            "--state", metavar="STATE", choices=_STATES,
            help="only tasks in this state: " + ", ".join(_STATES),
        )
        tasks.add_argument("--mine", action="store_true", help="only tasks posted here")
        tasks.add_argument(
            "--limit", metavar="N", type=_count(1, 10_000), default=50,
            help="the newest N (default: %(default)s)",
        )
        task = self._add("task", "show one task and its history")
        task.add_argument("id", metavar="ID", type=_text, help="the task, or how its id begins")
        task.add_argument("--result", action="store_true", help="write only its result out")
        task.add_argument("--wait", action="store_true", help="with --result: wait for it")

    def _add_looking(self) -> None:
        self._add("peers", "list the other nodes and what they can do")
        add_trust(self._add, _text)
        add_pins(partial(self._add, within=self._add_group(
            "trust", "trust nodes beforehand, or shut them out")), _text, _count(1, 1_000_000))
        self._add("watch", "follow what happens")
        self._add_doctor()
        log = self._add("log", "print signed records readably")
        log.add_argument("--author", metavar="NODE", type=_text, help="only records of this node")
        log.add_argument(
            "--limit", metavar="N", type=_count(1, 10_000), default=50,
            help="the last N (default: %(default)s)",
        )
        log.add_argument(
            "--decode", metavar="HEX", help="decode this record instead; - reads standard input"
        )

    def _add_vouch(self) -> None:
        vouch = self._add("vouch", "stand in for a node that others do not know yet")
        vouch.add_argument("id", metavar="NODE", type=_text, help="the node, or how it begins")
        vouch.add_argument(
            "--capability", metavar="NAME", type=_text, default="", help="only for this work"
        )
        vouch.add_argument(
            "--for", metavar="DAYS", type=_count(1, 366), default=30, dest="days",
            help="how long, as those count who hear it (default: %(default)s)",
        )
        vouch.add_argument(
            "--weight", metavar="N", type=_count(1, 1_000), default=1,
            help="how much of its own good name this node lends, and loses if the other fails "
            "(default: %(default)s)",
        )
        vouch.add_argument("--reason", metavar="TEXT", type=_text, default="", help="in words")
        vouch.add_argument("--withdraw", action="store_true", help="take it back instead")

    def _add_key(self) -> None:
        actions = self._add_group("key", "show, protect, move or give up a node's key")

        def add(name: str, summary: str, *, seals: bool = True) -> _Parser:
            action = self._add(name, summary, "key", within=actions)
            if seals:
                _add_passphrase(action)
            return action

        add("show", "show the node's key, and how it is protected", seals=False)
        export = add("export", "write the key out, sealed with a passphrase")
        export.add_argument("-o", "--output", metavar="FILE", help="(default: standard output)")
        export.add_argument("--plain", action="store_true", help="write it in clear")
        bring = add("import", "take a key into an empty home", seals=False)
        bring.add_argument("file", metavar="FILE", help="what `key export` wrote")
        change = add("passphrase", "seal the key with a passphrase, or change it")
        change.add_argument("--remove", action="store_true", help="keep the key in clear again")
        recovery = add("recovery", "move the recovery key away from this machine")
        recovery.add_argument("-o", "--output", metavar="FILE", required=True, help="where to")
        recovery.add_argument("--plain", action="store_true", help="write it in clear")
        revoke = add("revoke", "give a key up: nothing it signed after a point counts any more")
        revoke.add_argument("id", metavar="NODE", type=_text, help="the key, or how it begins")
        revoke.add_argument(
            "--recovery", metavar="FILE", required=True, help="what `key recovery` wrote"
        )
        revoke.add_argument(
            "--at", metavar="SEQ", type=_count(1, 2**53 - 1),
            help="its last good record (default: the last known here; see: antsp2p log --author)",
        )
        heir = revoke.add_mutually_exclusive_group()
        heir.add_argument(
            "--succeed", action="store_true", help="this node goes on with its reputation"
        )
        heir.add_argument("--successor", metavar="KEY", type=_key, help="another node does")
        revoke.add_argument("--reason", metavar="TEXT", type=_text, default="", help="in words")

    def _add_membership(self) -> None:
        invite = self._add("invite", "let another machine into this node's network")
        invite.add_argument(
            "--expires", metavar="TIME", type=_duration, default=600_000, dest="expires_ms",
            help="how long the code is good, at most a week (default: 10m)",
        )
        invite.add_argument(
            "--uses", metavar="N", type=_count(1, 100), default=1,
            help="how many machines may use it (default: %(default)s)",
        )
        invite.add_argument("--no-qr", dest="qr", action="store_false", help="no QR code")
        instead = invite.add_mutually_exclusive_group()
        instead.add_argument("--list", action="store_true", help="list the invitations instead")
        instead.add_argument(
            "--cancel", metavar="ID", type=_text, help="take back this invitation instead"
        )
        join = self._add("join", "make this machine part of a network, by a code", homeless=True)
        join.add_argument(
            "code", metavar="CODE", type=_text, nargs="+",
            help="what `antsp2p invite` printed; - reads it from standard input",
        )
        join.add_argument(
            "--as", metavar="NAME", type=_text, default="", dest="name",
            help="what to call the network here (default: what the inviter calls it)",
        )
        join.add_argument(
            "--no-discovery", dest="discovery", action="store_false",
            help="do not look for the inviting node on the local network",
        )
        self._add("networks", "list the networks that this user belongs to", homeless=True)
        rotate = self._add("rotate-secret", "give the network a new secret", "rotate")
        overlap = rotate.add_mutually_exclusive_group()
        overlap.add_argument(
            "--overlap", metavar="TIME", type=_duration, default=None, dest="overlap_ms",
            help="how long the secret from before stays good, at most 30d (default: 1d)",
        )
        overlap.add_argument(
            "--without-telling", action="store_true",
            help="tell nobody: all other machines are out until they are invited again",
        )

    def _add_doctor(self) -> None:
        doctor = self._add("doctor", "find out why two nodes do not see each other")
        doctor.add_argument(
            "peer", metavar="HOST:PORT", type=_address, nargs="?",
            help="a node that is not seen; without it, whoever should be seen here",
        )
        doctor.add_argument(
            "--listen", metavar="ADDR:PORT", type=_address, action="append", default=[],
            help="where a node that does not run yet would listen; may be repeated",
        )
        doctor.add_argument(
            "--network", metavar="NAME", default="local",
            help="the network of a node that does not run yet (default: %(default)s)",
        )
        doctor.add_argument(
            "--open", action="store_true", help="that network is the open one of its name"
        )

    def _add_simulate(self) -> None:
        simulate = self._add(
            "simulate", "run many nodes in a simulated world", homeless=True
        )
        simulate.add_argument(
            "--report", metavar="DIR", help="write the figures and their curves as a page there"
        )
        simulate.more_help = _profiles_help
        # What is left out has the simulation's own default.
        for flag, read, shown, text in _SIMULATION:
            simulate.add_argument(
                f"--{flag}", type=read, metavar=shown, help=text, default=argparse.SUPPRESS
            )
        simulate.add_argument(
            "--review", action="store_true", default=argparse.SUPPRESS,
            help="posters recompute each result before they accept it",
        )
