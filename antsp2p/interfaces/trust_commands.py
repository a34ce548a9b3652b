"""The commands about whom to believe, as arguments: why, audit, proof, verify, trust.

Law: as of the command line, only arguments are read here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


class Adder(Protocol):
    """Adds one sub-command with the common options."""

    def __call__(
        self, name: str, summary: str, module: str = "", *, homeless: bool = False
    ) -> argparse.ArgumentParser: ...


def add_trust(add: Adder, text: Callable[[str], str]) -> None:
    """Add the commands; `text` reads an argument that travels as UTF-8."""
    why = add("why", "say why a node's score is what it is, record by record")
    why.add_argument("id", metavar="NODE", type=text, help="the node, or how its id begins")
    why.add_argument(
        "--capability", metavar="NAME", type=text,
        help="the score for this kind of work (default: for all of it)",
    )
    audit = add("audit", "write a node's signed history into a file that proves itself")
    audit.add_argument("id", metavar="NODE", type=text, help="the node, or how its id begins")
    audit.add_argument("-o", "--output", metavar="FILE", required=True, help="where to")
    proof = add("proof", "list who was caught signing two histories, or write a proof out", "audit")
    given = proof.add_argument_group("to write one")
    given.add_argument(
        "id", metavar="PROOF", type=text, nargs="?", help="the proof, or how its id begins"
    )
    given.add_argument("-o", "--output", metavar="FILE", default="fork.proof",
                       help="where to (default: %(default)s)")
    verify = add(
        "verify", "say what an audit file or a fork proof proves; needs no node", homeless=True
    )
    verify.add_argument("file", metavar="FILE", help="what `antsp2p audit` or `proof` wrote")


def add_pins(add: Adder, text: Callable[[str], str], weight: Callable[[str], int]) -> None:
    """Add the actions of `antsp2p trust`; `weight` reads a pin's."""
    for name, summary in (
        ("pin", "trust a node beforehand, as if it had done so much work well"),
        ("unpin", "take a pin back"),
        ("block", "give a node no award, take none of its offers, and hear none of its word"),
        ("unblock", "take a block back"),
    ):
        action = add(name, summary, "trust")
        action.add_argument("id", metavar="NODE", type=text, help="the node, or how its id begins")
        if name == "pin":
            action.add_argument(
                "--weight", metavar="W", type=weight,
                help="the cost of tasks that this stands for (node's default: 10)",
            )
    add("list", "list who is trusted or blocked beforehand", "trust")
