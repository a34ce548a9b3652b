"""Waits: commands that were given to the node, and whoever waits for their answers.

Law: each wait has one end, and everybody who waits is told of it, whatever happens to the node.
"""
from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from antsp2p.events import Answer
from antsp2p.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from antsp2p.events import Command, Event


@dataclass(slots=True)
class _Wait:
    """A command that waits for its answer."""

    answered: trio.Event = field(default_factory=trio.Event)
    answer: Answer | None = None

    def end(self, answer: Answer) -> None:
        self.answer = answer
        self.answered.set()


class Waits:
    """`put` takes events."""

    def __init__(self, put: Callable[[Event], Awaitable[None]]) -> None:
        self._put = put
        self._requests = itertools.count(1)
        self._waiting: dict[int, _Wait] = {}

    @property
    def is_full(self) -> bool:
        """Whether so many wait that no other command is taken."""
        return len(self._waiting) >= limits.PENDING_COMMANDS

    def number(self) -> int:
        """A fresh number for a request, waited for or not."""
        return next(self._requests)

    async def ask(self, kind: type[Command], fields: Mapping[str, Any]) -> Answer:
        """Give the node a command, and return its answer."""
        request = self.number()
        self._waiting[request] = wait = _Wait()
        try:
            await self._put(kind(request=request, **fields))
            await wait.answered.wait()
        finally:
            del self._waiting[request]
        assert wait.answer is not None
        return wait.answer

    def end(self, request: int, answer: Answer) -> bool:
        """This is the answer; whether anybody waited for it."""
        wait = self._waiting.get(request)
        if wait is None:
            return False
        wait.end(answer)
        return True

    def refuse_all(self, why: str) -> None:
        """Let nobody wait any more."""
        for wait in self._waiting.values():
            wait.end(Answer(0, refusal=why))
