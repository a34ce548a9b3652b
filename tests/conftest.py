"""Options of the test run."""
from __future__ import annotations

import os
import signal
import tempfile

import pytest

from antsp2p.runtime.networks import CONFIGURATION_VARIABLE

_configuration = tempfile.TemporaryDirectory(prefix="antsp2p-networks-")

def pytest_configure() -> None:
    """Let children be interrupted even where the whole run was started with SIGINT ignored, as a
    shell does for jobs in the background: an ignored signal stays ignored over an exec."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Networks made by tests, and by the nodes that they start, are not the user's.
    os.environ[CONFIGURATION_VARIABLE] = _configuration.name


def pytest_unconfigure() -> None:
    """Forget the networks that tests have made."""
    _configuration.cleanup()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="a long run; only with --long")
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(skip)
