"""`antsp2p why NODE`: what a score rests on."""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.interfaces.client import Client, id_segment
from antsp2p.interfaces.commands.peers import score_text
from antsp2p.interfaces.exit_codes import Exit
from antsp2p.interfaces.printing import say, say_json, say_table, short

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """List the scores of a node and the records behind them."""
    with Client(options) as client:
        answer = client.get(f"/v1/peers/{id_segment(options.id)}/why")
    if options.json:
        say_json(answer)
        return Exit.OK
    say(f"node {answer['author']}")
    say()
    scores = [(name, score_text(score)) for name, score in answer["scores"].items()]
    say_table(("capability", "score"), scores, "no scores")
    say()
    say_table(
        ("record", "task", "weight", "kind", "capability"),
        [
            (
                short(item["record"]), short(item["task"]),
                f"{'+' if item['counts_for'] else '-'}{item['weight']}", item["kind"],
                item["capability"],
            )
            for item in answer["evidence"]
        ],
        "no evidence: nothing between this node and that one has ended yet",
    )
    return Exit.OK
