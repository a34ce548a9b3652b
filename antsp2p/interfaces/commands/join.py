"""`antsp2p join`: make this machine part of a network, by the code of an invitation."""
from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import trio

from antsp2p.gossip.join_code import MAX_CODE_CHARACTERS, JoinCode, NotACode, read_code
from antsp2p.interfaces.exit_codes import CommandError, Exit, sole_cause
from antsp2p.interfaces.printing import escape, say, say_json, short
from antsp2p.runtime.home import HomeError
from antsp2p.runtime.joining import Joined, JoinFailed, Newcomer, look_around
from antsp2p.runtime.peers import format_address

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Join, and say how to start a node there."""
    code = _code(options.code)
    look = look_around if options.discovery else None
    try:
        joined = trio.run(lambda: Newcomer(code).join(options.name, look=look))
    except BaseException as error:
        cause = sole_cause(error)
        if isinstance(cause, HomeError | JoinFailed):
            raise CommandError(Exit.REFUSED, str(cause)) from error
        raise
    _tell(joined, options)
    return Exit.OK


def _code(words: list[str]) -> JoinCode:
    """The code that was given, which may stand in several words."""
    # A little more than any code: what is longer is refused like any other text.
    text = sys.stdin.read(MAX_CODE_CHARACTERS + 1) if words == ["-"] else " ".join(words)
    try:
        return read_code(text)
    except NotACode as error:
        raise CommandError(Exit.USAGE, str(error)) from error


def _tell(joined: Joined, options: argparse.Namespace) -> None:
    network = joined.network
    # By name too, since it was reached: where multicast is shut, nothing else would lead there.
    next_step = shlex.join([
        "antsp2p", "start", "--network", network.name, "--peer", format_address(joined.address)])
    if options.json:
        say_json({
            "network_name": network.name, "network": network.id.hex(),
            "invited_by": joined.inviter.hex(), "was_member": joined.was_member,
            "next": next_step,
        })
        return
    name = escape(network.name)
    if joined.was_member and options.name not in ("", network.name):
        say(f"This machine belongs to this network already, and calls it {name}: one name is "
            "enough. The code is still good.")
    elif joined.was_member:
        say(f"This machine belongs to {name} already; the code is still good.")
    else:
        say(f"This machine belongs to {name} now, invited by {short(joined.inviter.hex())}.")
    say(f"Start a node with: {escape(next_step)}")
