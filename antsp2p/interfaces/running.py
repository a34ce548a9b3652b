"""One run of a user's command: input on its standard input, the result from its standard output.

Law: a command never outlives its run. Whatever ends the run, also a cancellation, ends the whole
process group, first politely. Nothing here knows of tasks or nodes.
"""
from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_OUTPUT_BYTES: Final = 16 * 1024 * 1024
"""A result may not be larger; the command is stopped when it writes more."""
MAX_ERROR_BYTES: Final = 300
"""Of standard error, the end: there stands what went wrong."""
TERMINATE_S: Final = 2.0
"""Between SIGTERM and SIGKILL."""
DRAIN_S: Final = 1.0
"""After the command's end its children may hold its output open for so long."""
_CHUNK_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended: `error` is empty if it went well, else one short text."""

    output: bytes
    error: str


async def run_command(
    command: Sequence[str], content: bytes, environment: Mapping[str, str]
) -> Finished:
    """Run `command` in a process group of its own. Never raises for what the command does."""
    try:
        process = await trio.lowlevel.open_process(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True, env={**os.environ, **environment},
        )
    except OSError as error:
        return Finished(b"", f"cannot run {command[0]}: {error.strerror}")
    output, errors = bytearray(), bytearray()
    try:
        await _talk(process, content, output, errors)
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)
    if len(output) > MAX_OUTPUT_BYTES:
        return Finished(b"", f"the output is larger than {MAX_OUTPUT_BYTES >> 20} MiB")
    return _finished(process.returncode or 0, bytes(output), bytes(errors))


async def _talk(
    process: trio.Process, content: bytes, output: bytearray, errors: bytearray
) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_feed, process.stdin, content)
        async with trio.open_nursery() as reading:
            reading.start_soon(_read_output, process.stdout, output, reading.cancel_scope)
            reading.start_soon(_read_errors, process.stderr, errors)
            await process.wait()
            reading.cancel_scope.deadline = trio.current_time() + DRAIN_S
        nursery.cancel_scope.cancel()


async def _feed(stdin: trio.abc.SendStream, content: bytes) -> None:
    # A command need not read its input.
    async with stdin:
        with suppress(trio.BrokenResourceError):
            await stdin.send_all(content)


async def _read_output(
    stdout: trio.abc.ReceiveStream, output: bytearray, run: trio.CancelScope
) -> None:
    async with stdout:
        while chunk := await stdout.receive_some(_CHUNK_BYTES):
            output += chunk
            if len(output) > MAX_OUTPUT_BYTES:
                run.cancel()
                return


async def _read_errors(stderr: trio.abc.ReceiveStream, errors: bytearray) -> None:
    async with stderr:
        while chunk := await stderr.receive_some(_CHUNK_BYTES):
            errors += chunk
            del errors[:-_CHUNK_BYTES]


async def _end(process: trio.Process) -> None:
    """Stop what is left of the process group."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        with trio.move_on_after(TERMINATE_S):
            await process.wait()
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _finished(code: int, output: bytes, errors: bytes) -> Finished:
    if code == 0:
        return Finished(output, "")
    what = f"exit code {code}" if code > 0 else f"ended by {_signal_name(-code)}"
    room = MAX_ERROR_BYTES - len(what) - 2
    said = last_text(errors.strip(), room)
    return Finished(b"", f"{what}: {said}" if said else what)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_text(content: bytes, most_bytes: int) -> str:
    """The end of `content` as text of at most `most_bytes` in UTF-8, cut between characters."""
    tail = content[max(0, len(content) - most_bytes) :]
    if len(tail) < len(content):
        tail = tail.lstrip(bytes(range(0x80, 0xC0)))
    text = tail.decode("utf-8", "replace")
    # Replacement characters are longer than the bytes that they stand for.
    encoded = text.encode()
    return encoded[max(0, len(encoded) - most_bytes) :].decode("utf-8", "ignore")
