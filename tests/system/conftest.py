"""What the system tests share."""
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.process import Machine, open_machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    """This machine, with a temporary folder; every process started on it ends with the test."""
    async with open_machine() as opened:
        yield opened
