"""antsp2p: agents on one network share work with no server, relay, leader or scheduler."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from antsp2p.runtime.local_node import (
        Assignment,
        Decline,
        LocalNode,
        PostedTask,
        TaskFailed,
        open_node,
    )

__version__ = "0.1.0"

__all__ = ["Assignment", "Decline", "LocalNode", "PostedTask", "TaskFailed", "open_node"]


def __getattr__(name: str) -> Any:
    """The public names are loaded on first use, so that `import antsp2p` itself costs nothing."""
    if name in __all__:
        from antsp2p.runtime import local_node

        return getattr(local_node, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
