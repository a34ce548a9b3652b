"""`antsp2p log`: signed records in a form to read, from the node or from the command line."""
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from antsp2p.interfaces.exit_codes import CommandError, Exit
from antsp2p.interfaces.printing import one_line, say, say_json, short
from antsp2p.interfaces.streams import read_input

if TYPE_CHECKING:
    import argparse

MAX_DECODED_BYTES: Final = 1 << 20
"""Of standard input; a record has at most 1,000 bytes."""


def run(options: argparse.Namespace) -> int:
    """Print the records, oldest first."""
    if options.decode is not None:
        return _decode(options)
    from antsp2p.interfaces.client import Client

    params: dict[str, str | int] = {"limit": options.limit}
    if options.author:
        params["author"] = options.author
    with Client(options) as client:
        answer = client.get("/v1/log", params)
    if options.json:
        say_json(answer)
        return Exit.OK
    for record in answer["records"]:
        say(_line(record))
    return Exit.OK


def _line(record: Any) -> str:
    body = {"void": True, **record["body"]} if record["void"] else record["body"]
    fields = "  ".join(f"{name}={_value(value)}" for name, value in body.items())
    refs = f"  refs={_value(record['refs'])}" if record["refs"] else ""
    place = f"{short(record['author'])}/{record['seq']}"
    return f"{short(record['id'])}  {place:<18}  {record['type']:<10}  {one_line(fields)}{refs}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return short(value) if len(value) == 64 else value
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict) and len(value) == 1:
        return json.dumps(next(iter(value.values())), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _decode(options: argparse.Namespace) -> int:
    from antsp2p.records.encoding import Malformed
    from antsp2p.records.keys import verify
    from antsp2p.records.record import parse_record
    from antsp2p.runtime.views import record_view

    wire = _wire(options.decode)
    try:
        record = parse_record(wire)
    except Malformed as error:
        raise CommandError(Exit.FAILED, f"not a record: {error.reason}") from error
    view = {
        "network": record.network.hex(), **record_view(record),
        "signature_verifies": record.verifies(verify),
    }
    if options.json:
        say_json(view)
    else:
        say(json.dumps(view, indent=2))
    return Exit.OK


def _wire(argument: str) -> bytes:
    """Hex from the argument; with `-` from standard input, where raw bytes do as well."""
    if argument != "-":
        text = argument
    else:
        raw = read_input(MAX_DECODED_BYTES)
        try:
            text = raw.decode("ascii")
        except UnicodeDecodeError:
            return raw
    try:
        return bytes.fromhex("".join(text.split()))
    except ValueError:
        raise CommandError(Exit.USAGE, "the record must be given in hex digits") from None
