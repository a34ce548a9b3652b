"""Where a passphrase comes from: a file descriptor, the environment, or a person at a terminal.

Law: a passphrase is never an argument, which everybody on the machine can read, and is taken out
of the environment when it is read, so that no child of this process gets it. It is shown nowhere.
"""
from __future__ import annotations

import getpass
import os
import sys
from typing import TYPE_CHECKING, Final

from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import escape

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

MAX_PASSPHRASE_BYTES: Final = 1_024
"""Longer ones are files that somebody meant to name."""
CURRENT_VARIABLE: Final = "ANTSP2P_PASSPHRASE"
NEW_VARIABLE: Final = "ANTSP2P_NEW_PASSPHRASE"


class Passphrases:
    """Reads the passphrases of one command; from a descriptor one a line, in the order asked."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._descriptor: int | None = options.passphrase_fd
        self._was_typed = False

    def current(self, path: Path) -> bytes:
        """What the key file at `path` is sealed with. Raises `CommandError`."""
        return self._read(CURRENT_VARIABLE, f"Passphrase of {escape(str(path))}: ")

    def new(self, what: str) -> bytes:
        """What `what` is to be sealed with; at a terminal it is asked for twice.

        Raises `CommandError`.
        """
        found = self._read(NEW_VARIABLE, f"New passphrase for {what}: ")
        if self._was_typed and self._ask("The same again: ") != found:
            raise CommandError(Exit.REFUSED, "the two passphrases differ: nothing was changed")
        return found

    def _read(self, variable: str, prompt: str) -> bytes:
        self._was_typed = False
        if self._descriptor is not None:
            return _checked(self._line(self._descriptor))
        given = os.environ.pop(variable, None)
        if given is not None:
            return _checked(os.fsencode(given))
        if not sys.stdin.isatty():
            raise CommandError(
                Exit.REFUSED,
                "a passphrase is needed: type it at a terminal, or give it with --passphrase-fd "
                f"or in {variable}",
            )
        self._was_typed = True
        return _checked(self._ask(prompt))

    def _ask(self, prompt: str) -> bytes:
        try:
            return os.fsencode(getpass.getpass(prompt))
        except EOFError as error:
            raise CommandError(Exit.REFUSED, "no passphrase was typed") from error

    def _line(self, descriptor: int) -> bytes:
        try:
            # Unbuffered: the next line may be the next passphrase.
            with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
                return file.readline(MAX_PASSPHRASE_BYTES + 2).rstrip(b"\r\n")
        except OSError as error:
            raise CommandError(
                Exit.USAGE, f"cannot read file descriptor {descriptor}: {error.strerror}"
            ) from error


def _checked(passphrase: bytes) -> bytes:
    if not 0 < len(passphrase) <= MAX_PASSPHRASE_BYTES:
        raise CommandError(
            Exit.REFUSED, f"a passphrase has 1 to {MAX_PASSPHRASE_BYTES} bytes"
        )
    return passphrase
