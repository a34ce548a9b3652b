"""A nursery that is nobody's business but its owner's."""
from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def open_inner_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery whose tasks end with its block.

    One error, of the block or of a task, leaves as itself and not in a group: the caller cannot
    know that there is a nursery inside.
    """
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from group.exceptions[0].__cause__
        raise
