"""Signatures checked ahead, on another core, while the node is busy with what came before them.

Law: an answer counts for the very key, signature and bytes that were asked about, and for nothing
else. What has no answer yet, and none that is about to come, is checked on the spot. Without the
other process everything is as with it, only slower. (A thread in its place would wait for the
interpreter's lock after each check, and the node for it.)
"""
from __future__ import annotations

import mmap
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from antsp2p.records import keys
from antsp2p.runtime import limits
from antsp2p.runtime.checker import GOOD, OPEN, SKIPPED, STARTED, TAKEN, questions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from antsp2p.records.keys import Check


class Ahead:
    """`verify` is for a node's own use; `foresee` is told what it will be asked soon."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._checker: _Checker | None = None
        self._is_given_up = _cores() < 2

    def verify(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """Whether the signature verifies, from an answer if there is one."""
        if self._checker is not None:
            known = self._checker.answer((public_key, signature, message))
            if known is not None:
                return known
        return keys.verify(public_key, signature, message)

    def foresee(self, checks: Sequence[Check]) -> None:
        """These will be asked for in this order."""
        if len(checks) < limits.AHEAD_CHECKS or self._is_given_up:
            return
        try:
            if self._checker is None:
                self._checker = _Checker()
            self._checker.ask(checks)
        except OSError as error:
            self._end(error)

    def _end(self, error: OSError) -> None:
        """The other process is not there, or not any more. One that was idle is started anew."""
        checker, self._checker = self._checker, None
        if checker is None or checker.close():
            self._is_given_up = True
            self._warn(f"signatures are checked on one core only from now on: {error}")

    def close(self) -> None:
        """End the other process."""
        checker, self._checker = self._checker, None
        if checker is not None:
            checker.kill()


class _Checker:
    """The other process and what it was asked. Raises `OSError` where there is none."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.truncate(limits.AHEAD_SLOTS)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "antsp2p.runtime.checker"], bufsize=0,
                stdin=subprocess.PIPE, stdout=file, stderr=subprocess.DEVNULL,
            )
            self._answers = mmap.mmap(file.fileno(), limits.AHEAD_SLOTS)
        assert self._process.stdin is not None
        self._input = self._process.stdin
        os.set_blocking(self._input.fileno(), False)
        self._unsent = b""
        self._next = 0
        self._slots: dict[Check, int] = {}
        self._asked: list[Check | None] = [None] * limits.AHEAD_SLOTS
        """By slot, what was asked last. A slot is free when the other process is done with that."""

    def answer(self, check: Check) -> bool | None:
        """The answer; None where there is none, and then the other process need not find it."""
        slot = self._slots.pop(check, None)
        if slot is None:
            return None
        answers, looks = self._answers, limits.AHEAD_LOOKS
        while (found := answers[slot]) == STARTED and looks:
            looks -= 1
        if found > SKIPPED:
            return found == GOOD
        if found == OPEN:
            answers[slot] = TAKEN
        return None

    def ask(self, checks: Sequence[Check]) -> None:
        """Ask as many as there are slots for, and nothing while an earlier question is on its way:
        then the other process is behind, and who asks is faster."""
        if not self._write():
            return
        slots: list[int] = []
        for check in checks:
            slot = self._next
            before = self._asked[slot]
            if before is not None:
                if self._answers[slot] < SKIPPED:
                    break
                if self._slots.get(before) == slot:
                    del self._slots[before]
            self._answers[slot] = OPEN
            self._asked[slot] = check
            self._slots[check] = slot
            slots.append(slot)
            self._next = (slot + 1) % limits.AHEAD_SLOTS
        self._unsent = questions(slots, checks[: len(slots)])
        self._write()

    def _write(self) -> bool:
        """Hand over what is to be handed over; whether all of it went."""
        while self._unsent:
            try:
                sent = os.write(self._input.fileno(), self._unsent)
            except BlockingIOError:
                return False
            self._unsent = self._unsent[sent:]
        return True

    def close(self) -> int:
        """Wait for a process that has closed its input; returns its exit code."""
        self._input.close()
        self._answers.close()
        return self._process.wait()

    def kill(self) -> None:
        self._process.kill()
        self.close()


def _cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
