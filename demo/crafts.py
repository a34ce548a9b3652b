"""What can be had at the bazaar: each craft is a command, and the same work as a function.

`python demo/crafts.py NAME` reads standard input and writes the result. The demo calls the same
function in its own process to check what came back. Crafts with a `tool` run that program of the
machine instead where it is installed, so the check is against somebody else's code.
"""
from __future__ import annotations

import ast
import hashlib
import re
import shutil
import sys
import time
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW_S: Final = 3.0
"""How long the slow craft takes: long enough to be killed in the middle."""
TOP_WORDS: Final = 12
_WORD: Final = re.compile(rb"[A-Za-z][a-z]{3,}")


def _lines(content: bytes) -> bytes:
    return b"%d\n" % content.count(b"\n")


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b"  -\n"


def _wordcount(content: bytes) -> bytes:
    return b"%d\n" % len(content.split())


def _topwords(content: bytes) -> bytes:
    counts = Counter(word.lower() for word in _WORD.findall(content))
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP_WORDS]
    return b"".join(b"%5d %s\n" % (count, word) for word, count in best)


def _compress(content: bytes) -> bytes:
    return zlib.compress(content, 9)


def _functions(content: bytes) -> bytes:
    found = [
        f"{node.lineno}: {node.name}\n"
        for node in ast.walk(ast.parse(content))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return f"{len(found)} functions\n{''.join(found)}".encode()


def _proofread(content: bytes) -> bytes:
    long = sum(len(line) > 100 for line in content.splitlines())
    ragged = sum(line != line.rstrip() for line in content.splitlines())
    return b"%d long lines, %d with trailing space\n" % (long, ragged)


@dataclass(frozen=True, slots=True)
class Craft:
    """A capability: what it does to a file, and the command that does it."""

    name: str
    description: str
    work: Callable[[bytes], bytes]
    tool: tuple[str, ...] = ()
    suffix: str = ""
    """Only files with this ending; empty: all."""
    seconds: float = 0.0

    def command(self) -> list[str]:
        """The command of an agent that serves this craft."""
        if self.tool and shutil.which(self.tool[0]):
            return list(self.tool)
        return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), self.name]

    def is_right(self, content: bytes, result: bytes) -> bool:
        """Whether `result` is this craft's answer to `content`, recomputed here and now.

        Tools pad their numbers and add names in their own ways; the first word is the answer.
        """
        expected = self.work(content)
        return result.split()[:1] == expected.split()[:1] if self.tool else result == expected


CRAFTS: Final = (
    Craft("text.lines", "counts lines", _lines, ("wc", "-l")),
    Craft("text.sha256", "the SHA-256 of a file", _sha256, ("sha256sum",)),
    Craft("text.wordcount", "counts words", _wordcount),
    Craft("text.topwords", "the most frequent words", _topwords),
    Craft("text.compress", "deflates a file", _compress),
    Craft("python.functions", "lists function definitions", _functions, suffix=".py"),
)
"""What most tasks ask for."""
SLOW: Final = Craft("text.proofread", "reads slowly", _proofread, seconds=SLOW_S)
"""Slow on purpose: whoever is killed at it was in the middle of it."""
BY_NAME: Final = {craft.name: craft for craft in (*CRAFTS, SLOW)}


def main() -> int:
    """Do one craft as a command."""
    craft = BY_NAME[sys.argv[1]]
    content = sys.stdin.buffer.read()
    time.sleep(craft.seconds)
    sys.stdout.buffer.write(craft.work(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
