"""`antsp2p trust ...`: whom this node trusts or shuts out, whatever its records say."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antsp2p.interfaces.client import Client, id_segment
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import say, say_json, say_table, short

if TYPE_CHECKING:
    import argparse

_DONE = {
    "unpin": "{} is trusted no more than its records say",
    "block": "{} is blocked: its claims get no award here, and its offers are not taken",
    "unblock": "{} is blocked no longer",
}


def run(options: argparse.Namespace) -> int:
    """Change or list the pins."""
    with Client(options) as client:
        if options.action == "list":
            answer = client.get("/v1/trust")
        else:
            weight = getattr(options, "weight", None)
            answer = client.call(
                "POST", f"/v1/trust/{id_segment(options.id)}/{options.action}",
                params=None if weight is None else {"weight": weight},
            )
    if options.json:
        say_json(answer)
    elif options.action == "list":
        _list(answer)
    elif options.action == "pin":
        instead = ", and blocked no longer" if answer["before"]["blocked"] else ""
        say(f"{short(answer['author'])} is trusted with {answer['weight']} beforehand{instead}")
    else:
        say(_DONE[options.action].format(short(answer["author"])) + _lost_pin(options, answer))
    return Exit.OK


def _lost_pin(options: argparse.Namespace, answer: Any) -> str:
    """A block takes a pin's place, and leaves nothing of it to come back."""
    weight = answer["before"]["weight"]
    return f"; its pin of {weight} is gone" if options.action == "block" and weight else ""


def _list(answer: Any) -> None:
    rows = [(item["author"], "trusted", str(item["weight"])) for item in answer["pins"]]
    rows += [(item["author"], "blocked", "-") for item in answer["blocked"]]
    say_table(("node", "is", "weight"), rows, "nobody is trusted or blocked beforehand")
