"""Options of the test run."""
from __future__ import annotations

import os
import signal
import tempfile

import hypothesis
import pytest

from antsp2p.runtime.networks import CONFIGURATION_VARIABLE

_FOLDERS = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Let children be interrupted even where the whole run was started with SIGINT ignored, as a
    shell does for jobs in the background: an ignored signal stays ignored over an exec. And let
    nodes remember their keys where nobody else does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_FOLDERS] = folders = tempfile.TemporaryDirectory(prefix="antsp2p-tests-")
    # Networks made by tests, and by the nodes that they start, are not the user's.
    os.environ[CONFIGURATION_VARIABLE] = os.path.join(folders.name, "networks")
    os.environ["XDG_STATE_HOME"] = os.path.join(folders.name, "state")
    # The same examples every time, however busy the machine is; a long run looks for new ones.
    hypothesis.settings.register_profile(
        "antsp2p", deadline=None, derandomize=not config.getoption("--long"))
    hypothesis.settings.load_profile("antsp2p")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forget what the tests have left in the user's place."""
    config.stash[_FOLDERS].cleanup()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="a long run; only with --long")
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(skip)
