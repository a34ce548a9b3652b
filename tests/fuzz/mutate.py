"""Mutation: bytes that are nearly right, which get further than noise.

One seed gives one sequence. A change is made either to the bytes or to the value that they encode,
which is then encoded again, so that the checks behind the decoder are reached as well.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cbor2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

MAX_BYTES: Final = 4_096
"""Beyond every limit for one datagram or record, so that the limits are met too."""
_NUMBERS: Final = (
    0, 1, 2, 23, 24, 255, 256, 65_535, 65_536, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53,
    2**63 - 1, 2**63, 2**64 - 1, -1, -24, -25, -(2**63), -(2**63) - 1,
)
_SIZES: Final = (0, 1, 8, 16, 31, 32, 33, 64, 255, 256, 1_000, 1_201)
_OTHERS: Final[tuple[Any, ...]] = (
    None, True, False, "", "a", "\ud7ff", 1.5, {}, [], {0: 0}, [[]], [[[[[[[[[]]]]]]]]],
)


class Mutator:
    """Endless bytes from `seeds`."""

    def __init__(self, seeds: Sequence[bytes], rng: Random) -> None:
        self._seeds = seeds
        self._rng = rng

    def next(self) -> bytes:
        """The next candidate, of at most `MAX_BYTES`."""
        rng = self._rng
        data = rng.choice(self._seeds)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
            change: Callable[[bytes], bytes] = rng.choice(
                (self._flip, self._cut, self._insert, self._splice, self._value, self._value)
            )
            # Lists that are repeated again and again would outgrow the machine.
            data = change(data)[:MAX_BYTES]
        return data

    # --- bytes --------------------------------------------------------------------------------

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        place = self._rng.randrange(len(data))
        return data[:place] + bytes((self._rng.randrange(256),)) + data[place + 1 :]

    def _cut(self, data: bytes) -> bytes:
        start = self._rng.randint(0, len(data))
        return data[:start] + data[self._rng.randint(start, len(data)) :]

    def _insert(self, data: bytes) -> bytes:
        place = self._rng.randint(0, len(data))
        return data[:place] + self._rng.randbytes(self._rng.choice(_SIZES)) + data[place:]

    def _splice(self, data: bytes) -> bytes:
        other = self._rng.choice(self._seeds)
        return (
            data[: self._rng.randint(0, len(data))] + other[self._rng.randint(0, len(other)) :]
        )

    # --- values -------------------------------------------------------------------------------

    def _value(self, data: bytes) -> bytes:
        try:
            value = cbor2.loads(data)
            return cbor2.dumps(self._changed(value, 0))
        except Exception:
            # The bytes were no value, or the change made none: what libraries raise then differs.
            return self._flip(data)

    def _changed(self, value: Any, depth: int) -> Any:
        rng = self._rng
        if isinstance(value, list) and value and depth < 8 and rng.random() < 0.8:
            return self._changed_list(value, depth)
        if isinstance(value, dict) and value and depth < 8 and rng.random() < 0.8:
            key = rng.choice(list(value))
            match rng.randrange(4):
                case 0:
                    return {k: v for k, v in value.items() if k != key}
                case 1:
                    return {**value, rng.randrange(26): self._scalar()}
                case _:
                    return {**value, key: self._changed(value[key], depth + 1)}
        if isinstance(value, bytes) and rng.random() < 0.5:
            return self._inside(value)
        if isinstance(value, int) and rng.random() < 0.4:
            return value + rng.choice((-1, 1))
        return self._scalar()

    def _changed_list(self, value: list[Any], depth: int) -> list[Any]:
        rng = self._rng
        place = rng.randrange(len(value))
        before, item, after = value[:place], value[place], value[place + 1 :]
        match rng.randrange(6):
            case 0:
                return before + after
            case 1:
                return [*before, item, item, *after]
            case 2:
                return [*before, item] * rng.choice((2, 20, 100))
            case _:
                return [*before, self._changed(item, depth + 1), *after]

    def _inside(self, value: bytes) -> bytes:
        """Records and frames hold encoded values inside byte strings."""
        return self._value(value) if self._rng.random() < 0.7 else self._flip(value)

    def _scalar(self) -> Any:
        rng = self._rng
        match rng.randrange(4):
            case 0:
                return rng.choice(_NUMBERS)
            case 1:
                return rng.randbytes(rng.choice(_SIZES))
            case 2:
                return "x" * rng.choice(_SIZES)
            case _:
                return rng.choice(_OTHERS)
