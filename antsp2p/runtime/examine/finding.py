"""One thing that keeps nodes apart, may do so, or helps to understand."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    """It keeps nodes apart."""
    WARNING = "warning"
    """It may, or keeps them from part of their work."""
    NOTE = "note"
    """It is no fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` keeps its meaning for scripts; `text` says what is so; `mend` is a command or empty.

    A text may quote what strangers wrote: escape it when it is printed.
    """

    kind: str
    severity: Severity
    text: str
    mend: str = ""


def error(kind: str, text: str, mend: str = "") -> Finding:
    return Finding(kind, Severity.ERROR, text, mend)


def warning(kind: str, text: str, mend: str = "") -> Finding:
    return Finding(kind, Severity.WARNING, text, mend)


def note(kind: str, text: str, mend: str = "") -> Finding:
    return Finding(kind, Severity.NOTE, text, mend)
