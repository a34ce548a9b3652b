"""What reaches a person's terminal.

Law: every text that a peer wrote passes through `escape`. Nothing of it is interpreted, neither by
the terminal nor by the table's markup. A pipe gets plain text; only a terminal gets a drawn table.
"""
from __future__ import annotations

import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from antsp2p.interfaces.streams import writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that steer a terminal, reorder a line, or show nothing at all."""
MAX_CELL: Final = 46
"""Columns of a table's cell, except the last: the longest address with its port."""
MIN_LAST_CELL: Final = 12
GAP: Final = 3
"""Columns between two cells."""
SHORT_ID: Final = 12
"""Hex digits of an id in a table: 48 bits, enough to name one record among millions."""


def escape(text: str, keep: str = "") -> str:
    """`text` with everything but visible characters and plain spaces written as `\\x..` or `\\u..`.

    Characters in `keep` stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character in keep or unicodedata.category(character) not in _HIDDEN
        else _escaped(ord(character))
        for character in text
    )


def _escaped(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str, most: int = 300) -> str:
    """`text` escaped and cut to `most` characters, the cut marked."""
    safe = escape(text[: most + 1])
    return safe if len(safe) <= most else safe[: most - 1] + "…"


def short(hex_id: str | None) -> str:
    """The beginning of an id, enough to type back."""
    return (hex_id or "-")[:SHORT_ID]


def counted(count: int, what: str) -> str:
    """So many of something: `1 record`, `2 records`."""
    return f"{count} {what}" + ("" if count == 1 else "s")


def say(text: str = "") -> None:
    """One line on standard output, at once: scripts wait for it."""
    with writing():
        print(text, flush=True)


def complain(text: str) -> None:
    """One line on standard error."""
    print(f"antsp2p: {one_line(text, 1_000)}", file=sys.stderr, flush=True)


def say_json(value: Any) -> None:
    """One line of JSON; everything outside ASCII is escaped by the format itself."""
    say(json.dumps(value, separators=(",", ":")))


def write_content(content: bytes) -> None:
    """A result: byte for byte into a pipe or file, and escaped on a terminal."""
    output = sys.stdout.buffer
    if sys.stdout.isatty():
        text = escape(content.decode("utf-8", "replace"), keep="\n\t")
        content = text.encode("utf-8", "replace")
        if text and not text.endswith("\n"):
            content += b"\n"
    with writing():
        output.write(content)
        output.flush()


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """A table of escaped cells; `empty` is said instead of a table without rows.

    On a terminal the last column gives way when the line is too long, and a terminal that is too
    narrow for the others wraps the line; elsewhere nothing is cut.
    """
    if not rows:
        say(empty)
        return
    if sys.stdout.isatty():
        _draw(columns, [[one_line(cell) for cell in row] for row in rows])
        return
    safe = [[escape(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *safe, strict=True)]
    with writing():
        for row in ([name.upper() for name in columns], *safe):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print("  ".join(cells).rstrip())
        sys.stdout.flush()


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # Importing rich costs more than the request that filled the table, so pipes do without.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    widths = [
        min(max(map(len, column)), MAX_CELL) for column in zip(columns, *rows, strict=True)
    ]
    # The last column alone gives way. An id of which half is shown cannot be typed back, and a
    # column that has vanished says nothing: a line that is wrapped does both.
    least = sum(widths[:-1]) + GAP * (len(widths) - 1) + min(widths[-1], MIN_LAST_CELL)
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, least)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="")
    for name, width in zip(columns[:-1], widths[:-1], strict=True):
        table.add_column(
            Text(name), no_wrap=True, overflow="ellipsis", max_width=MAX_CELL, min_width=width)
    left = console.width - least + min(widths[-1], MIN_LAST_CELL)
    table.add_column(Text(columns[-1]), no_wrap=True, overflow="ellipsis", max_width=left)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    with writing():
        console.print(table)


def say_fields(fields: Mapping[str, object]) -> None:
    """`name  value` lines, the values escaped and in one column."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        say(f"{name.ljust(width)}  {one_line(str(value))}")
