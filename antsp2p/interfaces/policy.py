"""The settings of `start --reputation NAME=VALUE`.

Law: the names, the defaults and the ranges are those of `Policy`; here they are only read and
explained.
"""
from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from antsp2p.coordination.judgement import Policy
from antsp2p.interfaces.exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOLD: Final = {
    "awards_by_score": "the best score among candidates is awarded, else who came first",
    "strangers_ppm": "of cheap tasks, millionths that go to workers nothing is known of",
    "cheap_cost": "up to this cost a task is cheap",
    "bad_ppm": "who failed and scores below this is bad",
    "bad_weight": "if what it failed weighs so much: one small failure makes nobody bad",
    "ignores_bad": "the bad keep nobody waiting by what they announce or call silent",
    "sheds_bad": "under load, what bad peers send is given up first",
    "declines_debtors": "no work for who leaves results without a verdict",
    "debts": "results that one may leave so, beside one for every ten judged",
    "patience_ticks": "for how many times ten minutes that is no debt",
    "review_patience_ticks": "and where a person is to judge",
    "replicas": "results that must agree before one of a worker that is not good is accepted",
    "good_ppm": "who scores this in the capability is good",
    "grace_ppm": "of a lease, what a silent holder with a full score gets on top; 750000 at most",
}
_SWITCHES: Final = {"yes": True, "no": False}


def help_text() -> str:
    """One line for each setting."""
    lines = [
        f"  {f'{each.name}={_shown(each.default)}':<26} {_TOLD[each.name]}"
        for each in fields(Policy)
    ]
    return "\n".join(["--reputation takes (with their defaults):", *lines, ""])


def _shown(value: Any) -> str:
    return str(value) if type(value) is int else next(
        word for word, switch in _SWITCHES.items() if switch is value)


def read_policy(given: Sequence[str]) -> Policy:
    """The policy with these changes. Raises `CommandError`."""
    kinds = {each.name: type(each.default) for each in fields(Policy)}
    changes: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in kinds:
            raise CommandError(
                Exit.USAGE, f"--reputation knows no {name!r} (see: antsp2p start --help)")
        if kinds[name] is bool:
            if value not in _SWITCHES:
                raise CommandError(Exit.USAGE, f"--reputation {name} must be yes or no")
            changes[name] = _SWITCHES[value]
        elif value.isascii() and value.isdigit() and len(value) <= 9:
            changes[name] = int(value)
        else:
            raise CommandError(Exit.USAGE, f"--reputation {name} must be a whole number")
    try:
        return Policy(**changes)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"--reputation: {error}") from None
