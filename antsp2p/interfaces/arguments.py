"""Arguments of the command line: how one is read, and a parser whose errors are one line.

Law: what is read here is well formed; whether it can be done is not known. No command is here.
"""
from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from antsp2p.interfaces.durations import BadDuration, parse_duration_ms
from antsp2p.interfaces.exit_codes import MEANING, Exit
from antsp2p.interfaces.printing import complain

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DIGITS: Final = 20
EPILOG: Final = "exit codes:\n" + "\n".join(
    f"  {int(code):3d}  {meaning}" for code, meaning in MEANING.items()
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    more_help: Callable[[], str] | None = None
    """Lines for the end of the help that are made only where somebody asks for it."""

    def format_help(self) -> str:
        more = "" if self.more_help is None else "\n" + self.more_help()
        return super().format_help() + more

    def error(self, message: str) -> NoReturn:
        complain(f"{message} (see: {self.prog} --help)")
        sys.exit(Exit.USAGE)


class Adder(Protocol):
    """Adds one sub-command with the common options."""

    def __call__(
        self, name: str, summary: str, module: str = "", *, homeless: bool = False
    ) -> Parser: ...


class GroupAdder(Protocol):
    """Adds a command that takes an action; what it returns adds an action."""

    def __call__(self, name: str, summary: str) -> Adder: ...


def read_duration(text: str) -> int:
    """A number and its unit, in milliseconds."""
    try:
        return parse_duration_ms(text)
    except BadDuration as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_duration_up_to(most_ms: int, shown: str) -> Callable[[str], int]:
    """A reader of durations of at most `most_ms`, which a person knows as `shown`."""

    def read(text: str) -> int:
        duration_ms = read_duration(text)
        if duration_ms > most_ms:
            raise argparse.ArgumentTypeError(f"{text!r} is longer than {shown}")
        return duration_ms

    return read


def read_text(text: str) -> str:
    """An argument that travels as UTF-8; bytes that are none become replacement characters."""
    return os.fsencode(text).decode("utf-8", "replace")


def count(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        fits = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
        if not (fits and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return int(text)

    return read


def read_share(text: str) -> float:
    """A part of a whole."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to below 1")
    return share


def read_address(text: str) -> tuple[str, int]:
    """HOST:PORT, an IPv6 literal in brackets."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    is_number = port.isascii() and port.isdigit() and len(port) <= MAX_DIGITS
    if not (host and colon and is_number and int(port) < 65_536):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOST:PORT; write it like 192.168.1.7:4444 or [::1]:4444"
        )
    return host, int(port)


def at_least_zero(text: str) -> float:
    """A number that may have decimals."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return number


def read_key(text: str) -> str:
    """A node's whole id."""
    if len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a node's whole id, 64 hex digits")
    return text.lower()


def add_passphrase(parser: Parser) -> None:
    """Add the option of a command that may ask for a passphrase."""
    parser.add_argument(
        "--passphrase-fd", metavar="N", type=count(0, 1_023),
        help="read passphrases from this file descriptor, one a line",
    )
