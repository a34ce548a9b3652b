"""Every collection that a node holds: how many entries it has, and what all of them weigh.

Found by walking the node itself, so that a new table is met whether or not anybody thought of it.
"""
from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

_CONTAINERS: Final = (dict, list, set, frozenset, deque)
_SKIPPED: Final = (FunctionType, MethodType, BuiltinFunctionType, ModuleType, type)
_OURS: Final = "antsp2p."


class Tables:
    """What a walk found. `largest`: "Class.attribute" -> entries of its fullest instance."""

    def __init__(self, root: object) -> None:
        self.largest: dict[str, int] = {}
        self.weight: dict[str, int] = {}
        """"Class.attribute" -> bytes of all instances, with what only they hold."""
        self.modules: dict[str, str] = {}
        """Class -> the module that it stands in."""
        self._seen: set[int] = set()
        self._walk(root)

    def _walk(self, root: object) -> None:
        waiting: list[tuple[object, str]] = [(root, "")]
        while waiting:
            value, name = waiting.pop()
            if id(value) in self._seen or isinstance(value, _SKIPPED):
                continue
            self._seen.add(id(value))
            if name:
                self.weight[name] = self.weight.get(name, 0) + sys.getsizeof(value)
            if isinstance(value, _CONTAINERS):
                self.largest[name] = max(self.largest.get(name, 0), len(value))
                waiting.extend((item, name + "[]") for item in _items(value))
            elif isinstance(value, tuple):
                waiting.extend((item, name) for item in value)
            elif type(value).__module__.startswith(_OURS):
                owner = type(value).__qualname__
                self.modules[owner] = type(value).__module__
                waiting.extend((item, f"{owner}.{key}") for key, item in _fields(value))


def _items(value: Any) -> Iterator[object]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield item
    else:
        yield from value


def _fields(value: object) -> Iterator[tuple[str, object]]:
    for kind in type(value).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(value, name):
                yield name, getattr(value, name)
    yield from getattr(value, "__dict__", {}).items()
