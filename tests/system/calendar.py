"""A command of Python's whose calendar is wrong by as many seconds as a file says.

    python -m tests.system.calendar FILE python -m MODULE ARGUMENT ...

The file is read at every look at the calendar, so that it can be set while the command runs. The
kernel's own calendar cannot be: no namespace has one of its own, and it is not the tests' to set.
So what asks in C is not deceived; the node asks in Python, at start and whenever it saves.
"""
from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

SECOND_NS = 1_000_000_000


def set_calendar(file: Path, offset_s: int) -> None:
    """In one step: a node that read the file while it is empty would end."""
    whole = file.with_suffix(".new")
    whole.write_text(str(offset_s))
    whole.replace(file)


def main() -> None:
    offset, _, dash_m, module, *arguments = sys.argv[1:]
    assert dash_m == "-m", sys.argv
    right_ns = time.time_ns

    def wrong_ns() -> int:
        return right_ns() + int(Path(offset).read_text()) * SECOND_NS

    time.time_ns = wrong_ns
    time.time = lambda: wrong_ns() / SECOND_NS
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
