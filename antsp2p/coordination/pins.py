"""Whom this node's person trusts or shuts out beforehand: local configuration, and nothing else.

Law: pins change what this node does and thinks, never the set of records and never what another
node sees. They are values: every change makes a new one. No file is read here.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_PINS: Final = 1_000
"""Pinned authors, and as many that are blocked: more than a person has ever looked at."""
MAX_PIN_WEIGHT: Final = 1_000_000
"""As much as a thousand tasks of the highest cost."""
DEFAULT_PIN_WEIGHT: Final = 10
"""As much as ten accepted tasks of cost 1: a known face, whom a few failures sink."""


class TooManyPins(ValueError):
    """There is no room for one more."""


@dataclass(frozen=True, slots=True)
class Pins:
    """`weights`: author -> what it is trusted with beforehand, as if so much had been accepted of
    it. `blocked`: authors whose claims get no award, whose offers are not taken, and whose word
    counts for nothing here. Nobody is both."""

    weights: Mapping[bytes, int] = field(default_factory=lambda: MappingProxyType({}))
    blocked: frozenset[bytes] = frozenset()

    def pin(self, author: bytes, weight: int = DEFAULT_PIN_WEIGHT) -> Pins:
        """The author is trusted beforehand. Raises `TooManyPins`."""
        assert 0 < weight <= MAX_PIN_WEIGHT
        if author not in self.weights and len(self.weights) >= MAX_PINS:
            raise TooManyPins
        return Pins(
            MappingProxyType({**self.weights, author: weight}), self.blocked - {author})

    def unpin(self, author: bytes) -> Pins:
        """Undo `pin`."""
        left = {key: weight for key, weight in self.weights.items() if key != author}
        return replace(self, weights=MappingProxyType(left))

    def block(self, author: bytes) -> Pins:
        """The author is shut out. Raises `TooManyPins`."""
        if author not in self.blocked and len(self.blocked) >= MAX_PINS:
            raise TooManyPins
        return replace(self.unpin(author), blocked=self.blocked | {author})

    def unblock(self, author: bytes) -> Pins:
        """Undo `block`."""
        return replace(self, blocked=self.blocked - {author})

    def without(self, authors: Iterable[bytes]) -> Pins:
        """Undo every `block` of these."""
        return replace(self, blocked=self.blocked.difference(authors))

    def authors(self) -> tuple[bytes, ...]:
        """Everybody who is pinned or blocked, sorted."""
        return tuple(sorted(self.blocked.union(self.weights)))


NO_PINS: Final = Pins()
