"""The life of a task, and of each attempt at it, as one literal table.

Law: a state is where the table leads from `open` over a list of happenings that was derived from
the record set in one canonical order; it is never stored and never depends on when a record came.
What is absent on purpose: time. That a lease has run out is nobody's state until somebody signs it.
"""
from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class State(StrEnum):
    """Where a task stands. The last four are ends: nothing leads out of them."""

    OPEN = "open"
    CLAIMED = "claimed"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    LAPSED = "lapsed"
    RELEASED = "released"
    ACCEPTED = "accepted"
    CANCELLED = "cancelled"
    DEAD_LETTERED = "dead-lettered"
    ORPHANED = "orphaned"


class Happening(StrEnum):
    """What moves a task from one state to the next."""

    CLAIM = "claim"
    """A claim holds by the rules on records alone."""
    AWARD = "award"
    """The requester gave the task to the claim."""
    LOSE = "lose"
    """A rival's claim came to light that wins."""
    DONE = "done"
    FAIL = "fail"
    REJECT = "reject"
    LAPSE = "lapse"
    RELEASE = "release"
    REOPEN = "reopen"
    """The next epoch is open."""
    ACCEPT = "accept"
    CANCEL = "cancel"
    EXHAUST = "exhaust"
    """The requester's `cancel(exhausted)`."""
    CONVICT = "convict"
    """The requester forked its log, and nothing had ended the task."""


_ENDINGS: Final[Mapping[Happening, State]] = {
    Happening.ACCEPT: State.ACCEPTED,
    Happening.CANCEL: State.CANCELLED,
    Happening.EXHAUST: State.DEAD_LETTERED,
    Happening.CONVICT: State.ORPHANED,
}
"""The requester's word, or its conviction, ends a task from wherever it stands."""

ENDS: Final = frozenset(_ENDINGS.values())

_ROWS: Final[Mapping[State, Mapping[Happening, State]]] = {
    State.OPEN: {
        Happening.CLAIM: State.CLAIMED,
        **_ENDINGS,
    },
    State.CLAIMED: {
        Happening.AWARD: State.WORKING,
        Happening.LOSE: State.OPEN,
        Happening.DONE: State.DONE,
        Happening.FAIL: State.FAILED,
        Happening.LAPSE: State.LAPSED,
        Happening.RELEASE: State.RELEASED,
        Happening.REOPEN: State.OPEN,
        **_ENDINGS,
    },
    State.WORKING: {
        Happening.LOSE: State.OPEN,  # the requester awarded another claim
        Happening.DONE: State.DONE,
        Happening.FAIL: State.FAILED,
        Happening.LAPSE: State.LAPSED,
        Happening.RELEASE: State.RELEASED,
        Happening.REOPEN: State.OPEN,
        **_ENDINGS,
    },
    State.DONE: {
        Happening.AWARD: State.DONE,  # the award may follow the result
        Happening.LOSE: State.OPEN,
        Happening.REJECT: State.REJECTED,
        Happening.LAPSE: State.LAPSED,  # by one who did not have the result yet
        Happening.RELEASE: State.RELEASED,
        Happening.REOPEN: State.OPEN,
        **_ENDINGS,
    },
    State.FAILED: {
        Happening.AWARD: State.FAILED,
        Happening.LOSE: State.OPEN,
        Happening.REJECT: State.REJECTED,
        Happening.LAPSE: State.LAPSED,
        Happening.RELEASE: State.RELEASED,
        Happening.REOPEN: State.OPEN,
        **_ENDINGS,
    },
    State.REJECTED: {
        Happening.AWARD: State.DONE,  # the requester thought again
        Happening.LOSE: State.OPEN,
        Happening.LAPSE: State.LAPSED,
        Happening.RELEASE: State.RELEASED,
        Happening.REOPEN: State.OPEN,
        **_ENDINGS,
    },
    State.LAPSED: {
        Happening.AWARD: State.WORKING,  # a premature lapse is awarded back
        Happening.DONE: State.DONE,  # a late result is good work all the same
        Happening.FAIL: State.FAILED,
        Happening.REOPEN: State.OPEN,
        **_ENDINGS,
    },
    State.RELEASED: {
        Happening.DONE: State.DONE,
        Happening.FAIL: State.FAILED,
        Happening.REOPEN: State.OPEN,
        **_ENDINGS,
    },
    State.ACCEPTED: {},
    State.CANCELLED: {},
    State.DEAD_LETTERED: {},
    State.ORPHANED: {},
}

TRANSITIONS: Final[Mapping[tuple[State, Happening], State]] = {
    (state, happening): following
    for state, row in _ROWS.items()
    for happening, following in row.items()
}


def walk(happenings: Iterable[Happening], start: State = State.OPEN) -> State:
    """The state after `happenings`. Raises `KeyError` where the table has no such step."""
    state = start
    for happening in happenings:
        state = TRANSITIONS[state, happening]
    return state
