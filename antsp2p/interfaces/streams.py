"""The standard streams as a command finds them: open, closed at the start, or given up by a reader.

Law: only files 0, 1 and 2 are touched here. Whoever closed an output wants none of it, and that is
no error; an input that is closed, where one is asked for, is.
"""
from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from antsp2p.interfaces.exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator


def fill_closed_streams() -> None:
    """Put nothing where a standard stream is closed (`>&-`). A socket or a store that is opened
    later would get the number, and then what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _put_nothing(number)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for good
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for good


@contextmanager
def writing() -> Iterator[None]:
    """Around what writes to standard output. Raises `CommandError` where that fails for another
    reason than a reader who has gone: what a script then has in its file is not the whole answer.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is still buffered would fail once more at every later flush.
        _put_nothing(1)
        raise CommandError(
            Exit.REFUSED, f"cannot write to standard output: {error.strerror}") from error


def flush_output() -> None:
    """Write out what is buffered. Raises as `writing` does."""
    with writing():
        sys.stdout.flush()


def silence_broken_streams() -> None:
    """After a reader has gone: what is still buffered for it goes nowhere, and nobody is told."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except BrokenPipeError:
            _put_nothing(number)


def _put_nothing(number: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing != number:
        os.dup2(nothing, number)
        os.close(nothing)


def read_input(most_bytes: int) -> bytes:
    """So much of standard input. Raises `CommandError` if it was closed at the start."""
    if sys.stdin is None:
        raise CommandError(Exit.USAGE, "standard input is closed")
    return sys.stdin.buffer.read(most_bytes)
