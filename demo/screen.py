"""What is seen while the bazaar runs: a bar on a terminal, plain lines elsewhere."""
from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from typing import TextIO

PLAIN_STEPS: Final = 5
"""Lines of progress where there is no terminal to draw on."""


class Screen:
    """Tells the story as it happens."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, soft_wrap=True)
        self._began_s = time.monotonic()
        self._bar: Progress | None = None
        self._total = 0
        self._done = 0

    def say(self, line: str) -> None:
        """One line of the story."""
        (self._bar.console if self._bar else self._console).print(
            f"{time.monotonic() - self._began_s:5.1f}s  {line}"
        )

    def fail(self, line: str) -> None:
        """Why it ended badly."""
        self.say(f"bazaar: {line}")

    def begin(self, total: int) -> None:
        """From here on `total` tasks are under way."""
        self._total = total
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("  tasks"), BarColumn(bar_width=48), MofNCompleteColumn(),
                TimeElapsedColumn(), console=self._console, transient=True,
            )
            self._bar.add_task("tasks", total=total)
            self._bar.start()

    def advance(self) -> None:
        """One task more is done."""
        self._done += 1
        if self._bar:
            self._bar.advance(self._bar.task_ids[0])
        elif self._done == self._total or self._done % -(-self._total // PLAIN_STEPS) == 0:
            self.say(f"{self._done} of {self._total} tasks done")

    def end(self) -> None:
        """The bar goes; what was said stays."""
        if self._bar:
            self._bar.stop()
            self._bar = None
