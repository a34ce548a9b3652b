"""What the exit code of a command says. Scripts depend on it: a number keeps its meaning."""
from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of `antsp2p`; 2 is also argparse's."""

    OK = 0
    FAILED = 1
    """The task failed, was rejected, cancelled or given up; or a file proves nothing."""
    USAGE = 2
    NO_NODE = 3
    NOT_FOUND = 4
    """No such id, or more than one begins like it."""
    REFUSED = 5
    """The node said no, or could not start."""
    TIMED_OUT = 6
    DIAGNOSED = 7
    """`doctor` found what keeps nodes apart."""
    INTERRUPTED = 130


MEANING = {
    Exit.OK: "done",
    Exit.FAILED: "the task failed, was cancelled or given up; the file proves nothing",
    Exit.USAGE: "the command line is wrong",
    Exit.NO_NODE: "no node is running in this home",
    Exit.NOT_FOUND: "no such id, or it is ambiguous",
    Exit.REFUSED: "the node refused, or could not start",
    Exit.TIMED_OUT: "timed out waiting",
    Exit.DIAGNOSED: "doctor found what keeps nodes apart",
    Exit.INTERRUPTED: "interrupted",
}


class CommandError(Exception):
    """A command ends with one line on standard error and this exit code."""

    def __init__(self, code: Exit, line: str) -> None:
        super().__init__(line)
        self.code = code
        self.line = line


def sole_cause(error: BaseException) -> BaseException:
    """The one error inside the groups that nurseries wrap around it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
