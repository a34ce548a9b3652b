"""The jobs of the demo: which files are worked on, with which craft, and whether that went well.

Law: the same folder and numbers give the same jobs, on every machine.
"""
from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crafts import CRAFTS, Craft

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stalls import Stall

MAX_FILE_BYTES: Final = 200_000
MAX_FILES: Final = 2_000
SKIPPED: Final = frozenset({"__pycache__", "node_modules", "build", "dist", "venv"})
SEED: Final = 7


@dataclass(slots=True)
class Job:
    """One task, from the wish to the answer."""

    craft: Craft
    path: Path
    content: bytes
    poster: Stall
    task: str = ""
    posted_s: float = 0.0
    answered_s: float = 0.0
    result: bytes | None = None
    rejections: int = 0
    problem: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the accepted result is what this process computes itself."""
        return self.result is not None and self.craft.is_right(self.content, self.result)


def read_files(folder: Path) -> list[tuple[Path, bytes]]:
    """The text files below `folder` that a craft can take, in one order on every machine."""
    found: list[tuple[Path, bytes]] = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") or part in SKIPPED for part in parts) or path.is_symlink():
            continue
        with suppress(OSError, UnicodeDecodeError, SyntaxError, ValueError):
            if path.is_file() and 0 < path.stat().st_size <= MAX_FILE_BYTES:
                content = path.read_bytes()
                content.decode("utf-8")
                if path.suffix == ".py":
                    compile(content, str(path), "exec", dont_inherit=True)
                found.append((path, content))
        if len(found) == MAX_FILES:
            break
    return found


def plan_jobs(
    files: Sequence[tuple[Path, bytes]], count: int, posters: Sequence[Stall]
) -> list[Job]:
    """`count` jobs over different files and crafts, the same ones every time."""
    wishes = [
        (craft, path, content)
        for craft in CRAFTS
        for path, content in files
        if path.suffix == craft.suffix or not craft.suffix
    ]
    random.Random(SEED).shuffle(wishes)
    return [
        Job(*wishes[number % len(wishes)], posters[number % len(posters)])
        for number in range(count)
    ]
