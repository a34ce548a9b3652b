"""What is too large for a frame: split into parts, put together within bounds.

Law: parts may come in any order and again; a link spoils nothing but its own. Whether the whole is
what it says is for the receiver of the whole to check.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from antsp2p.gossip.limits import MAX_PARTS, PART_BYTES, Limits
from antsp2p.gossip.wire import Part

if TYPE_CHECKING:
    from antsp2p.gossip.link import Link


def split(kind: int, author: bytes, id_: bytes, age_ms: int, content: bytes) -> list[Part]:
    """The parts of `content`, which is at most MAX_PARTS * PART_BYTES long."""
    chunks = [
        content[start : start + PART_BYTES] for start in range(0, len(content), PART_BYTES)
    ]
    assert len(chunks) <= MAX_PARTS
    return [
        Part(kind, author, id_, age_ms, index, len(chunks), chunk)
        for index, chunk in enumerate(chunks)
    ]


@dataclass(slots=True, eq=False)
class _Assembly:
    count: int
    parts: dict[int, bytes] = field(default_factory=dict)


class Assemblies:
    """Per link, what is being put together, the oldest begun first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_link: dict[int, dict[tuple[int, bytes], _Assembly]] = {}

    def opened(self, link: Link) -> None:
        self._by_link[link.id] = {}

    def closed(self, link: Link) -> None:
        self._by_link.pop(link.id, None)

    def add(self, link: Link, part: Part) -> bytes | None:
        """The whole content, if `part` was the last that was missing."""
        begun = self._by_link[link.id]
        key = (part.kind, part.id)
        assembly = begun.get(key)
        if assembly is None or assembly.count != part.count:
            begun.pop(key, None)
            while len(begun) >= self._limits.assemblies:
                del begun[next(iter(begun))]
            assembly = begun[key] = _Assembly(part.count)
        assembly.parts[part.index] = part.data
        if len(assembly.parts) < part.count:
            return None
        del begun[key]
        return b"".join(assembly.parts[index] for index in range(part.count))

    def sizes(self) -> dict[str, int]:
        """Table sizes, to be checked against their bounds."""
        tables = self._by_link.values()
        return {
            "assemblies": max((len(begun) for begun in tables), default=0),
            "parts": max(
                (len(assembly.parts) for begun in tables for assembly in begun.values()),
                default=0,
            ),
        }
