"""The commands about keys and secrets: key, invite, join, networks, rotate-secret.

Law: as of the command line, only arguments are read here.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.interfaces.arguments import (
    add_passphrase,
    count,
    read_duration_up_to,
    read_key,
    read_text,
)

if TYPE_CHECKING:
    from antsp2p.interfaces.arguments import Adder, GroupAdder, Parser

_DAY_MS: Final = 24 * 3_600_000
MAX_EXPIRES_MS: Final = 7 * _DAY_MS
MAX_OVERLAP_MS: Final = 30 * _DAY_MS
"""Named here again, as the node refuses more, so that `--help` loads nothing; a test compares."""

def add_key(add_group: GroupAdder) -> None:
    """The actions of `antsp2p key`."""
    add_action = add_group("key", "show, protect, move or give up a node's key")

    def add(name: str, summary: str, *, seals: bool = True) -> Parser:
        action = add_action(name, summary, "key")
        if seals:
            add_passphrase(action)
        return action

    add("show", "show the node's key, and how it is protected", seals=False)
    export = add("export", "write the key out, sealed with a passphrase")
    export.add_argument(
        "-o", "--output", metavar="FILE", help="where to; - is standard output, the default")
    export.add_argument("--plain", action="store_true", help="write it in clear")
    bring = add("import", "take a key into an empty home", seals=False)
    bring.add_argument("file", metavar="FILE", help="what `key export` wrote")
    change = add("passphrase", "seal the key with a passphrase, or change it")
    change.add_argument("--remove", action="store_true", help="keep the key in clear again")
    recovery = add("recovery", "move the recovery key away from this machine")
    recovery.add_argument("-o", "--output", metavar="FILE", required=True, help="where to")
    recovery.add_argument("--plain", action="store_true", help="write it in clear")
    revoke = add("revoke", "give a key up: nothing it signed after a point counts any more")
    revoke.add_argument("id", metavar="NODE", type=read_text, help="the key, or how it begins")
    revoke.add_argument(
        "--recovery", metavar="FILE", required=True, help="what `key recovery` wrote"
    )
    revoke.add_argument(
        "--at", metavar="SEQ", type=count(1, 2**53 - 1),
        help="its last good record (default: the last known here; see: antsp2p log --author)",
    )
    heir = revoke.add_mutually_exclusive_group()
    heir.add_argument(
        "--succeed", action="store_true", help="this node goes on with its reputation"
    )
    heir.add_argument("--successor", metavar="KEY", type=read_key, help="another node does")
    revoke.add_argument("--reason", metavar="TEXT", type=read_text, default="", help="in words")


def add_membership(add: Adder) -> None:
    """Who takes part in the network, and its secret."""
    invite = add("invite", "let another machine into this node's network")
    invite.add_argument(
        "--expires", metavar="TIME", type=read_duration_up_to(MAX_EXPIRES_MS, "a week"),
        default=600_000, dest="expires_ms",
        help="how long the code is good, at most a week (default: 10m)",
    )
    invite.add_argument(
        "--uses", metavar="N", type=count(1, 100), default=1,
        help="how many machines may use it (default: %(default)s)",
    )
    invite.add_argument("--no-qr", dest="qr", action="store_false", help="no QR code")
    instead = invite.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="list the invitations instead")
    instead.add_argument(
        "--cancel", metavar="ID", type=read_text, help="take back this invitation instead"
    )
    join = add("join", "make this machine part of a network, by a code", homeless=True)
    join.add_argument(
        "code", metavar="CODE", type=read_text, nargs="+",
        help="what `antsp2p invite` printed; - reads it from standard input",
    )
    join.add_argument(
        "--as", metavar="NAME", type=read_text, default="", dest="name",
        help="what to call the network here (default: what the inviter calls it)",
    )
    join.add_argument(
        "--no-discovery", dest="discovery", action="store_false",
        help="do not look for the inviting node on the local network",
    )
    add("networks", "list the networks that this user belongs to", homeless=True)
    rotate = add("rotate-secret", "give the network a new secret", "rotate")
    overlap = rotate.add_mutually_exclusive_group()
    overlap.add_argument(
        "--overlap", metavar="TIME", type=read_duration_up_to(MAX_OVERLAP_MS, "30d"),
        default=None, dest="overlap_ms",
        help="how long the secret from before stays good, at most 30d (default: 1d)",
    )
    overlap.add_argument(
        "--without-telling", action="store_true",
        help="tell nobody: all other machines are out until they are invited again",
    )
