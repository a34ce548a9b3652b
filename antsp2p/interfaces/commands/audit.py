"""`antsp2p audit` and `antsp2p proof`: signed history and proofs as files for another machine."""
from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from antsp2p.interfaces.client import Client, error_of, id_segment
from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import complain, counted, escape, say, say_json, say_table, short
from antsp2p.interfaces.streams import writing

if TYPE_CHECKING:
    import argparse

_STDOUT: Final = "-"


def run(options: argparse.Namespace) -> int:
    """Write the file, or list the proofs that there are."""
    if options.output == _STDOUT and options.id is not None:
        _refuse_mixture(options)
    with Client(options) as client:
        if options.command == "audit":
            path = f"/v1/peers/{id_segment(options.id)}/audit"
        elif options.id is not None:
            path = f"/v1/proofs/{id_segment(options.id)}"
        else:
            return _list(client.get("/v1/proofs")["proofs"], options.json)
        response = client.request("GET", path)
    if not response.is_success:
        raise error_of(response.status_code, response.content)
    _write(options.output, response.content)
    left_out = int(response.headers.get("x-antsp2p-left-out", "0"))
    if options.json:
        say_json({
            "file": options.output, "size": len(response.content), "left_out": left_out,
        })
        return Exit.OK
    if options.output != _STDOUT:
        size = len(response.content)
        say(f"wrote {escape(options.output)} ({size} bytes); whoever has it checks it with:")
        say(f"  antsp2p verify {escape(shlex.quote(options.output))}")
    if left_out:
        complain(f"left out for want of room, the oldest first: {counted(left_out, 'record')}")
    return Exit.OK


def _refuse_mixture(options: argparse.Namespace) -> None:
    """On standard output the bytes stand alone, and no terminal shows them."""
    if options.json:
        raise CommandError(Exit.USAGE, "--json and -o - both want standard output: name a file")
    if sys.stdout.isatty():
        raise CommandError(
            Exit.USAGE, "these bytes are for no terminal: name a file, or let another command "
            "read them"
        )


def _write(name: str, content: bytes) -> None:
    if name == _STDOUT:
        with writing():
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        return
    try:
        Path(name).write_bytes(content)
    except OSError as error:
        raise CommandError(Exit.REFUSED, f"cannot write {name}: {error.strerror}") from error


def _list(proofs: list[Any], as_json: bool) -> int:
    if as_json:
        say_json({"proofs": proofs})
    else:
        say_table(
            ("proof", "node", "from record"),
            [(short(proof["id"]), short(proof["author"]), str(proof["seq"])) for proof in proofs],
            "no node known here was caught signing two histories",
        )
    return Exit.OK


