"""Options of the test run."""
from __future__ import annotations

import signal

import pytest


def pytest_configure() -> None:
    """Let children be interrupted even where the whole run was started with SIGINT ignored, as a
    shell does for jobs in the background: an ignored signal stays ignored over an exec."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="a long run; only with --long")
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(skip)
