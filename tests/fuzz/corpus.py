"""What fuzzing begins with: the bytes of the published vectors, valid and not.

The corpus is read off the vectors, so a new vector is a new seed.
"""
from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS: Final = Path(__file__).parents[1] / "vectors"
MAX_SEED_BYTES: Final = 2_000
"""Longer ones are proofs of long stretches; mutating them mostly makes slower copies."""


@cache
def seeds(*names: str) -> tuple[bytes, ...]:
    """Every byte string in these vector files, each once, in their order."""
    found: dict[bytes, None] = {}
    for name in names:
        for text in _texts(json.loads((VECTORS / f"{name}.json").read_text())):
            data = _bytes(text)
            if data is not None and len(data) <= MAX_SEED_BYTES:
                found[data] = None
    assert found, f"no bytes in the vectors {names}"
    return tuple(found)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _bytes(text: str) -> bytes | None:
    """What a string of a vector stands for: bytes in hex, or a join code, which travels as text."""
    if text.lower().startswith("ants"):
        return text.encode()
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
