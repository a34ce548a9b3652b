"""The commands about whom to believe, as arguments: why, audit, proof, verify,
trust, vouch.

Law: as of the command line, only arguments are read here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from antsp2p.interfaces.arguments import count, read_text

if TYPE_CHECKING:
    from antsp2p.interfaces.arguments import Adder, GroupAdder


def add_trust(add: Adder) -> None:
    """Why, audit, proof, verify."""
    why = add("why", "say why a node's score is what it is, record by record")
    why.add_argument("id", metavar="NODE", type=read_text, help="the node, or how its id begins")
    why.add_argument(
        "--capability", metavar="NAME", type=read_text,
        help="the score for this kind of work (default: for all of it)",
    )
    audit = add("audit", "write a node's signed history into a file that proves itself")
    audit.add_argument("id", metavar="NODE", type=read_text, help="the node, or how its id begins")
    audit.add_argument("-o", "--output", metavar="FILE", required=True,
                       help="where to; - is standard output")
    proof = add("proof", "list who was caught signing two histories, or write a proof out", "audit")
    given = proof.add_argument_group("to write one")
    given.add_argument(
        "id", metavar="PROOF", type=read_text, nargs="?", help="the proof, or how its id begins"
    )
    given.add_argument("-o", "--output", metavar="FILE", default="fork.proof",
                       help="where to; - is standard output (default: %(default)s)")
    verify = add(
        "verify", "say what an audit file or a fork proof proves; needs no node", homeless=True
    )
    verify.add_argument(
        "file", metavar="FILE", help="what `antsp2p audit` or `proof` wrote; - is standard input"
    )


def add_pins(add_group: GroupAdder) -> None:
    """The actions of `antsp2p trust`."""
    add = add_group("trust", "trust nodes beforehand, or shut them out")
    for name, summary in (
        ("pin", "trust a node beforehand, as if it had done so much work well"),
        ("unpin", "take a pin back"),
        ("block", "give a node no award, take none of its offers, and hear none of its word"),
        ("unblock", "take a block back"),
    ):
        action = add(name, summary, "trust")
        action.add_argument(
            "id", metavar="NODE", type=read_text, help="the node, or how its id begins"
        )
        if name == "pin":
            action.add_argument(
                "--weight", metavar="W", type=count(1, 1_000_000),
                help="the cost of tasks that this stands for (node's default: 10)",
            )
    add("list", "list who is trusted or blocked beforehand", "trust")


def add_vouch(add: Adder) -> None:
    """Stand in for a node."""
    vouch = add("vouch", "stand in for a node that others do not know yet")
    vouch.add_argument("id", metavar="NODE", type=read_text, help="the node, or how it begins")
    vouch.add_argument(
        "--capability", metavar="NAME", type=read_text, default="", help="only for this work"
    )
    vouch.add_argument(
        "--for", metavar="DAYS", type=count(1, 366), default=30, dest="days",
        help="how long, as those count who hear it (default: %(default)s)",
    )
    vouch.add_argument(
        "--weight", metavar="N", type=count(1, 1_000), default=1,
        help="how much of its own good name this node lends, and loses if the other fails "
        "(default: %(default)s)",
    )
    vouch.add_argument("--reason", metavar="TEXT", type=read_text, default="", help="in words")
    vouch.add_argument("--withdraw", action="store_true", help="take it back instead")
